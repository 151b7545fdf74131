# SPDX-License-Identifier: BSD-3-Clause
"""Do two hosts talk through two daemons, and does nobody on the wire see what they say?

    host a (TAP) -- ferruled -- wire (veth) -- ferruled -- (TAP) host b

Each host has a network namespace, and so have the daemons.  Needs root, skips where it has none.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import samples
from daemon import EAL, Daemon
from lab import Absent, Lab
from report import Report
from talking import datagram_faults, kind_of, tcp_faults, wire_faults

ENDS = {"a": ("10.0.0.1", "2001:db8::1"), "b": ("10.0.0.2", "2001:db8::2")}
KEYS = {end: (0x1000 + number, samples.make_key(f"live {end}", 20).hex())
        for number, end in enumerate(ENDS)}
TCP_BYTES = 20_000_000
SIZES = (0, 1, 100, 1000, *range(1380, 1480, 7), 1600, 4000, 9000)
ESP = "0800 50"


def document(end):
    here, there = end, "b" if end == "a" else "a"

    def sa(direction, sender, receiver):
        spi, key = KEYS[sender]
        return {
            "name": direction, "group": "peer", "direction": direction, "mode": "tunnel",
            "src": ENDS[sender][0], "dst": ENDS[receiver][0],
            "esp": {"spi": spi, "encryption": "aes-gcm-128", "encryption_key": key},
        }

    policies = [
        {"name": f"{direction}{version}", "direction": direction, "src": net, "dst": net,
         "action": "protect", "sas": ["peer"]}
        for direction in ("out", "in")
        for version, net in ((4, "10.0.0.0/24"), (6, "2001:db8::/64"))
    ]
    return json.dumps({
        "eal": [f"--vdev=net_tap0,iface=tap-{end}",
                f"--vdev=net_af_packet0,iface=wire-{end},framecnt=4096"],
        "pairs": [{"host": {"port": "net_tap0"}, "wire": {"port": "net_af_packet0"}}],
        "sas": [sa("out", here, there), sa("in", there, here)],
        "policies": policies,
    })


class Hosts(Lab):
    """Namespaces lab, a and b; the wire is in lab."""

    def __init__(self):
        super().__init__("lab", *ENDS)

    def give_host(self, end, addresses):
        """The TAP of a daemon becomes the interface of its host."""
        tap = f"tap-{end}"
        self.run("lab", "ip", "link", "set", tap, "netns", self.names[end])
        for address in addresses:
            length, nodad = (64, ("nodad",)) if ":" in address else (24, ())
            self.run(end, "ip", "address", "add", f"{address}/{length}", "dev", tap, *nodad)
        self.run(end, "ip", "link", "set", tap, "up")

    @contextlib.contextmanager
    def wire_sniffers(self):
        """Of either direction: a packet socket sees what comes to its end."""
        with self.sniffer("lab", "wire-a", kind_of) as a, self.sniffer("lab", "wire-b", kind_of) as b:
            yield a, b


def talk(lab, report):
    ends = tuple(ENDS)
    for address in ENDS["b"]:
        report.add(f"datagrams over {address}", datagram_faults(lab, ends, address, SIZES))
    for address in ENDS["b"]:
        report.add(f"TCP over {address}", tcp_faults(lab, ends, address, TCP_BYTES))


FLOOD = """
import socket, sys, time
end = time.monotonic() + 4
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    while time.monotonic() < end:
        try:
            client.sendto(bytes(1000), (sys.argv[1], 7))
        except OSError:
            pass
"""


def vanish(lab, daemon, report):
    """The wire goes away while packets flow: the daemon stays, and ends when it is asked to."""
    with subprocess.Popen([*lab.inside("a"), sys.executable, "-c", FLOOD, ENDS["b"][0]]) as flood:
        time.sleep(0.5)
        lab.run("lab", "ip", "link", "del", "wire-a")
        time.sleep(1.5)
        alive = daemon.process.poll() is None
        status = daemon.stop()
        flood.kill()
    faults = [] if alive and status == 0 else [f"alive {alive}, exit {status}: {daemon.stderr()}"]
    report.add("the wire vanishes", faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferruled to test")
    program = parser.parse_args().program.resolve()
    report = Report()
    with contextlib.ExitStack() as stack:
        try:
            lab = stack.enter_context(Hosts())
        except Absent as error:
            report.absent("live", str(error))
            return report.finish()
        lab.veth(("lab", "wire-a"), ("lab", "wire-b"), index=100, far_index=33000)
        daemons = {}
        for end in ENDS:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferrule-test-")))
            daemons[end] = stack.enter_context(
                Daemon(program, folder, document(end), EAL, lab.inside("lab")))
        ready = [daemon.heard("READY=1") for daemon in daemons.values()]
        report.add("start", [] if all(ready) else [d.stderr() for d in daemons.values()])
        if all(ready):
            with lab.wire_sniffers() as wires:
                for end in ENDS:
                    lab.give_host(end, ENDS[end])
                talk(lab, report)
            report.add("on the wire", wire_faults(wires, lambda kind: kind == ESP))
            vanish(lab, daemons["a"], report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
