# SPDX-License-Identifier: BSD-3-Clause
"""Does README.md tell the truth about the live box, and about captures?

Its tour is run as it stands, in namespaces with other names; each line of what it shows has to
come, whatever the numbers in it are.  The set-up for network cards has to fail for want of the
cards alone.
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test" / "support"))

import pcapio
import samples
from daemon import EAL, Daemon
from lab import Absent, Lab
from report import Report

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
# What somebody who types waits for: the daemons, and a host that has its interface.
WAIT = """
for n in 1 2; do
    for i in $(seq 600); do
        {folder}/ferrule -s {folder}/run-$n/control.sock version >/dev/null 2>&1 && break
        sleep 0.1
    done
done
"""


def section(title):
    text = (TOP / "README.md").read_text(encoding="utf-8")
    return re.search(rf"^## {title}\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)[1]


def shape(line):
    """What stays the same from run to run."""
    return " ".join(NUMBER.sub("N", line).split())


def script_of(blocks, tag, folder, programs):
    """The commands of the tour, each block behind a mark, for names and folders of this run."""
    script = "set -u\n"
    for number, (kind, text) in enumerate(blocks):
        if kind == "sh":
            text = re.sub(r"\b(host|box)-(\$n|\d)\b", rf"{tag}-\1-\2", text)
            text = text.replace("/run/ferrule-", f"{folder}/run-")
            text = text.replace("build/app", str(programs))
            script += f"echo '@ {number}'\n{text}\n"
            if "ferruled --" in text:
                script += WAIT.format(folder=folder)
            if "watch &" in text:
                script += "sleep 1\n"
    return script


def tour(programs, folder):
    """Lines that the tour shows and that did not come."""
    blocks = BLOCK.findall(section("The live box in five minutes"))
    (folder / "ferrule").symlink_to(programs / "ferrule" / "ferrule")
    tag = f"fer{os.getpid()}"
    script = script_of(blocks, tag, folder, programs)
    bash = subprocess.Popen(
        ["bash", "-c", script], cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        output = bash.communicate(timeout=240)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(bash.pid, signal.SIGKILL)  # what was left in the background
        for name in ("host-1", "host-2", "box-1", "box-2"):
            subprocess.run(["ip", "netns", "del", f"{tag}-{name}"], check=False,
                           capture_output=True)
    said = re.split(r"^@ (\d+)\n", output, flags=re.MULTILINE)
    by_block = dict(zip(map(int, said[1::2]), said[2::2]))
    faults = []
    for number, (kind, text) in enumerate(blocks):
        if kind == "text":
            came = {shape(line) for line in by_block.get(number - 1, "").splitlines()}
            faults += [f"did not come: {line}" for line in text.splitlines()
                       if shape(line) not in came]
    if bash.returncode != 0 or " 0 received" not in output or output.count(" 0% packet") != 2:
        faults.append(f"exit {bash.returncode}")
    return faults + (output.splitlines()[-40:] if faults else [])


def network_cards(programs, folder):
    ((_, text),) = BLOCK.findall(section("On network cards"))
    with Daemon(programs / "ferruled" / "ferruled", folder, text.replace("[2, 3]", "2"),
                ("--no-huge", *EAL)) as daemon:
        daemon.ends()
        said = daemon.stderr()
    return [] if "pairs[0].host.port: 0000:3b:00.0 is no port" in said else [said]


def captures(programs, folder):
    """The commands as they stand, over a packet; the far end's document and the mistake are told."""
    text = section("Protect and unprotect a capture")
    ((_, document),) = BLOCK.findall(text)
    text = BLOCK.sub("", text)
    shown = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    packet = samples.ethernet(samples.udp_packet("10.1.0.1", "10.2.0.1", b"plain"))
    pcapio.write(folder / "plain.pcap", pcapio.of_frames([packet], pcapio.ETHERNET))
    (folder / "doc.yaml").write_text(document, encoding="utf-8")
    (folder / "far.yaml").write_text(document.replace("east-out", "east-in").replace(
        "direction: out", "direction: in"), encoding="utf-8")

    def run(command):
        command = command.replace("build/app", str(programs))
        return subprocess.run(command.split(), cwd=folder, capture_output=True, text=True,
                              check=False)

    commands = [line for line in shown if line.startswith("build/app")]
    runs = [run(command) for command in commands]
    came = (folder / "lines.jsonl").read_text(encoding="utf-8") if len(runs) == 2 else ""
    if pcapio.read(folder / "opened.pcap").records[0].data != packet:
        came += "another packet"
    wrong = re.sub(r'encryption_key: ".*"', 'encryption_key: "0001"', document)
    (folder / "doc.yaml").write_text(wrong, encoding="utf-8")
    came += run(commands[0]).stderr
    lines = {shape(line) for line in came.splitlines()}
    wanted = {shape(line) for line in shown if not line.startswith("build/app")}
    return [] if lines == wanted else [f"came {lines}", f"shown {wanted}", *(r.stderr for r in runs)]


def box(_programs, _folder):
    """The document of a box is the one in the folder."""
    shown = dict(BLOCK.findall(section("The live box in five minutes")))["yaml"]
    stands = (TOP / "config" / "examples" / "two-boxes" / "box.yaml").read_text(encoding="utf-8")
    stands = "".join(line for line in stands.splitlines(keepends=True) if not line.startswith("#"))
    return [] if shown == stands else [shown, stands]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", type=Path,
                        help="the folder with a folder for each of them")
    programs = parser.parse_args().programs.resolve()
    report = Report()
    tests = {"captures": captures, "network cards": network_cards, "box": box, "tour": tour}
    for name, test in tests.items():
        with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
            if test is tour:
                try:
                    with Lab("tour"):
                        pass
                except Absent as why:
                    report.skip(name, why)
                    continue
            report.add(name, test(programs, Path(folder)))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
