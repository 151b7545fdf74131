# SPDX-License-Identifier: BSD-3-Clause
"""Does ferrule help people who type: completion in bash, and commands one after the other?"""

import argparse
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ferrule_ctl as ctl
import samples
from daemon import EAL, Daemon
from report import Report

PATIENCE_S = 60
PORTS = tuple(f"--vdev=net_null{n},no-rx=1" for n in range(2))
COMPLETION = Path(__file__).resolve().parents[2] / "app" / "ferrule" / "ferrule.bash"
ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_ferrule
printf '%s\\n' "${COMPREPLY[@]}"
"""


def sa(name, direction, spi):
    return {"name": name, "group": "far", "direction": direction, "mode": "tunnel",
            "src": "192.0.2.1", "dst": "192.0.2.2", "esn": True, "replay_window": 64,
            "esp": {"spi": spi, "encryption": "aes-gcm-128",
                    "encryption_key": samples.make_key(name, 20).hex()}}


def policy(name):
    return {"name": name, "direction": "out", "src": "any", "dst": "any", "action": "protect",
            "sas": ["far"]}


def document():
    east_out = sa("east-out", "out", 0x1001)
    del east_out["replay_window"]
    return json.dumps({
        "pairs": [{"host": {"port": "net_null0"}, "wire": {"port": "net_null1"}, "capacity": 8}],
        "sas": [east_out, sa("east-in", "in", 0x1002)], "policies": [policy("all-of-it")]})


# --- completion ---------------------------------------------------------------------------------


def completed(ferrule, *words):
    done = subprocess.run(["bash", "-c", ASK, "bash", str(COMPLETION), str(ferrule), *words],
                          capture_output=True, text=True, timeout=PATIENCE_S, check=True,
                          stdin=subprocess.DEVNULL)
    return done.stdout.split()


def completion(ferrule, socket):
    faults = []
    at = ("-s", socket)
    for words, wanted in (
        (("ver",), ["version"]),
        (("sa", "s"), ["swap", "show"]),
        (("policy", ""), ["add", "list", "delete"]),
        (("stats", "--"), ["--json", "--pair", "--socket", "--help",
                           "--port", "--sa", "--worker", "--drops"]),
        (("caps", "--h"), ["--help", "--hardware"]),
        (("sa", "update", "--seq"), ["--sequence-high"]),
        ((*at, "sa", "show", ""), ["east-out", "east-in"]),
        ((*at, "sa", "show", "east-out", ""), []),
        ((*at, "sa", "delete", "east-out", "east-i"), ["east-in"]),
        ((*at, "--json", "policy", "delete", ""), ["all-of-it"]),
        (("-s", "/nowhere", "sa", "show", ""), []),
        (("sa", "add", "-f", ""), []),
        (("nothing", ""), []),
    ):
        got = completed(ferrule, *words)
        if sorted(got) != sorted(wanted):
            faults.append(f"{words}: {got}, expected {wanted}")
    return faults


def every_verb(ferrule):
    """All that is in the help is completed, has help of its own, and stands in the man page."""
    faults = []
    page = (COMPLETION.parent / "ferrule.1").read_text(encoding="utf-8")
    said = subprocess.run([ferrule, "--help"], capture_output=True, text=True, check=True).stdout
    for line in re.findall(r"^  ferrule (.*)$", said, re.MULTILINE):
        words = re.match(r"[a-z]+(?: [a-z]+(?=$| ))?", line)[0].split()
        if line.startswith("encapsulation"):
            words = words[:1]
        for n in range(len(words)):
            if words[n] not in completed(ferrule, *words[:n], words[n][:1]):
                faults.append(f"{words[:n + 1]} is not completed")
        if not re.search(rf"^\.It Cm {' '.join(words)}( |$)", page, re.MULTILINE):
            faults.append(f"{words} is not in the man page")
        done = subprocess.run([ferrule, *words, "--help"], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0 or not done.stdout.startswith(f"usage: ferrule {line}"):
            faults.append(f"{words} --help: {done.stdout}")
    return faults


# --- one after the other ------------------------------------------------------------------------


class Terminal:
    """A ferrule that believes that somebody types."""

    def __init__(self, *command):
        self.child, self.fd = pty.fork()
        if self.child == 0:
            os.environ["TERM"] = "dumb"
            os.execv(command[0], command)
        self.text = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def shows(self, wanted, seconds=PATIENCE_S):
        """Does this come, behind what was waited for before?"""
        end = time.monotonic() + seconds
        while wanted not in self.text and time.monotonic() < end:
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                self.text += os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                break
        _, found, rest = self.text.partition(wanted)
        self.text = rest if found else self.text
        return bool(found)

    def end(self):
        """The exit status; None where it does not end."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            done, status = os.waitpid(self.child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        return None


def watches(terminal, ferrule, socket):
    """Does it come to see that the offload begins and ends?"""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        for state in ("off", "on"):
            subprocess.run([ferrule, "-s", socket, "encapsulation", state], check=True)
        if terminal.shows("indication=", 0.5):
            return True
    return False


def interactive(ferrule, socket):
    faults = []
    terminal = Terminal(str(ferrule), "-s", socket)
    for typed, *wanted in (
        ("", "ferrule> "),
        ("sa list\n", "east-out", "east-in", "ferrule> "),
        ("sa sho\teast-o\t\n", "east-out", "aes-gcm-128", "ferrule> "),
        ("sa nothing\n", "no such verb", "ferrule> "),
        ("sa show nobody\n", "there is no such SA", "ferrule> "),
        ("--json version\n", '"daemon":"ferrule', "ferrule> "),
        ("watch\n",),
    ):
        terminal.type(typed)
        for text in wanted:
            if not terminal.shows(text):
                return [*faults, f"{typed!r}: no {text!r} in {terminal.text!r}"]
    if not watches(terminal, ferrule, socket):
        return [f"nothing is watched: {terminal.text!r}"]
    terminal.type("\x03")  # ends what was begun, and nothing else
    if not terminal.shows("ferrule> "):
        return [f"no prompt after an interrupt: {terminal.text!r}"]
    terminal.type("version\n")
    if not terminal.shows("client  ferrule"):
        return [f"no version after an interrupt: {terminal.text!r}"]
    terminal.type("quit\n")
    status = terminal.end()
    return [] if status == 0 else [f"exit {status}: {terminal.text!r}"]


def update(ferrule, socket):
    """R-75, by hand: the upper half of the numbers moves forward, and never back."""
    faults = []
    for number, wanted in (("3", 0), ("0x10", 0), ("3", 1), ("4294967296", 2), ("-1", 2), ("", 2)):
        done = subprocess.run([ferrule, "-s", socket, "sa", "update", "east-in",
                               "--sequence-high", number], capture_output=True, text=True,
                              check=False)
        if done.returncode != wanted or (wanted != 0) != bool(done.stderr):
            faults.append(f"{number}: exit {done.returncode}, {done.stderr}")
    with ctl.Client(socket) as client:
        sequence = client.sa_show(["east-in"])[0]["sequence"]
    # All before the new half counts as seen.
    return faults if sequence + 1 == 0x10 << 32 else [*faults, f"the number is {sequence:#x}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ferruled", type=Path)
    parser.add_argument("ferrule", type=Path)
    args = parser.parse_args()
    report, ferrule = Report(), args.ferrule.resolve()
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as name:
        folder = Path(name)
        with Daemon(args.ferruled.resolve(), folder, document(), (*EAL, *PORTS)) as daemon:
            if not daemon.heard("READY=1"):
                report.add("start", [daemon.stderr()])
                return report.finish()
            socket = str(folder / "run" / "control.sock")
            report.add("completion", completion(ferrule, socket))
            report.add("every verb", every_verb(ferrule))
            report.add("interactive", interactive(ferrule, socket))
            report.add("update", update(ferrule, socket))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
