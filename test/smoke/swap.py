# SPDX-License-Identifier: BSD-3-Clause
"""Is no packet lost, and none overtaken, while the SAs of a tunnel are replaced again and again?

    host a -- ferruled -- wire -- ferruled -- host b

Both hosts send numbered packets all the time, as many as the way takes.  A rekey has two steps,
as between IKE peers: first both ends receive with the new SAs as well, then both send with them.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import box as boxes
import ferrule_ctl as ctl
import samples
from cli import Cli
from daemon import EAL, Daemon
from lab import Absent, Lab, wait_until
from report import Report
from traffic import UNASSIGNED

N_BY_COMMAND = 50
N_BY_SOCKET = 1000
DRAIN_SECONDS = 20
WINDOW = 128  # packets on their way: no queue overflows, however slow the machine
AT_ONCE = 10
PAUSE_SECONDS = 0.0005
KINDS = ((4, 8), (6, 64), (4, 1440), (6, 1300), (4, 200))  # the third leaves in fragments


class Stream:
    """Numbered packets from one host to another, in a thread of its own."""

    def __init__(self, lab, sender, receiver, flow):
        self.faults, self.n_sent, self.n_received = [], 0, 0
        self._flow = flow
        self._sniffer = lab.sniffer(*receiver, self._receive)
        self._talker = lab.talker(*sender)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._frames = [self._frame(*kind) for kind in KINDS]

    def __enter__(self):
        self._sniffer.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self._sniffer.__exit__()

    def _frame(self, version, size):
        packet = self._flow.packet(version, UNASSIGNED, self._flow.text(size + 8))
        return samples.ethernet(packet)[:-8]

    def _run(self):
        while not self._is_over.is_set():
            if self.n_sent % AT_ONCE == 0 or self.n_sent - self.n_received >= WINDOW:
                time.sleep(PAUSE_SECONDS)
            if self.n_sent - self.n_received >= WINDOW:
                continue
            frame = self._frames[self.n_sent % len(self._frames)] + self.n_sent.to_bytes(8, "big")
            if self._talker.send(frame):
                self.n_sent += 1

    def _receive(self, frame):
        number = int.from_bytes(frame[-8:], "big")
        if self._flow.mark not in frame:
            return "other"
        if number != self.n_received:
            self.faults.append(f"packet {number} came in the place of {self.n_received}")
        self.n_received = number + 1
        return "numbered"

    def stop(self):
        """Sends no more, and waits for what is under way."""
        self._is_over.set()
        self._thread.join()
        wait_until(lambda: self.n_received >= self.n_sent, 20)


class End:
    """One of the two daemons; name is a or b."""

    def __init__(self, lab, program, ferrule, folder, name):
        self.name, self._folder = name, folder
        self.host, self.wire = f"host-{name}", f"wire-{name}"
        vdev = "--vdev=net_af_packet{},iface={},framecnt=4096"
        generation = tunnel(0)
        text = json.dumps({
            "eal": [vdev.format(0, self.host), vdev.format(1, self.wire)],
            "pairs": [{"host": {"port": "net_af_packet0"}, "wire": {"port": "net_af_packet1"},
                       "capacity": 16384}],
            "sas": [self.of(sa) for sa in generation],
            "policies": [self.of(policy) for policy in boxes.protection()]})
        self.daemon = Daemon(program, folder, text, EAL, lab.inside("lab"))
        self.cli = Cli(ferrule, folder)
        self.client = None

    def connect(self):
        self.client = ctl.Client(str(self._folder / "run" / "control.sock"), timeout=60)
        return self.client

    def of(self, entry):
        """What is outbound at a is inbound at b."""
        if self.name == "a":
            return entry
        return {**entry, "direction": "in" if entry["direction"] == "out" else "out"}

    def chosen(self, generation, direction):
        return [entry for entry in map(self.of, generation) if entry["direction"] == direction]

    def by_command(self, sas):
        status, _, stderr = self.cli.run(
            "sa", "swap", "--drain", str(DRAIN_SECONDS), document={"sas": sas})
        return [] if status == 0 else [f"{self.name}: ferrule sa swap: {stderr}"]

    def by_socket(self, sas):
        self.client.sa_swap(sas, DRAIN_SECONDS * 1000)
        return []


def tunnel(number):
    """The two SAs of a generation, as a sees them."""
    return [boxes.sa(f"there-{number}", "out", 0x10000 + number),
            boxes.sa(f"back-{number}", "in", 0x20000 + number)]


def rekey(ends, number, how):
    generation = tunnel(number)
    return [fault for direction in ("in", "out") for end in ends
            for fault in how(end, end.chosen(generation, direction))]


def drops(end):
    counts = boxes.outcomes(end.client)
    return {verdict: n for verdict, n in counts.items() if n and verdict not in (
        "ok", "fragment_held")}


def measure(lab, ends, report):
    there = boxes.flow(b"\xa5there>\x5a", 7, 9)
    back = boxes.flow(b"\xa5<back \x5a", 7, 9, inbound=True)
    hosts = [(name, "eth") for name in ("a", "b")]
    with Stream(lab, *hosts, there) as first, Stream(lab, *hosts[::-1], back) as second:
        number, faults = 0, []
        for name, how, times in (("by command", End.by_command, N_BY_COMMAND),
                                 ("by socket", End.by_socket, N_BY_SOCKET)):
            sent = first.n_sent, second.n_sent
            for _ in range(times):
                number += 1
                faults += rekey(ends, number, how)
            if (first.n_sent, second.n_sent) <= sent:
                faults.append("nothing was sent meanwhile")
            report.add(f"rekeyed {times} times {name}", faults)
            faults = []
        first.stop()
        second.stop()
        for name, stream in (("there", first), ("back", second)):
            faults = stream.faults
            if not 1000 < stream.n_sent == stream.n_received:
                faults.append(f"{stream.n_received} of {stream.n_sent} came")
            report.add(f"no loss, and in order: {name}, {stream.n_sent} packets", faults)
    for end in ends:
        dropped = drops(end)
        report.add(f"drops of {end.name}", [f"{dropped}"] if dropped else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ferruled", type=Path)
    parser.add_argument("ferrule", type=Path)
    args = parser.parse_args()
    report = Report()
    with contextlib.ExitStack() as stack:
        try:
            lab = stack.enter_context(Lab("a", "lab", "b"))
        except Absent as error:
            report.absent("swap", str(error))
            return report.finish()
        lab.veth(("lab", "wire-a"), ("lab", "wire-b"), 1500, 0x1000, 0x5000)
        ends = []
        for index, name in ((0x9000, "a"), (0xD000, "b")):
            lab.veth(("lab", f"host-{name}"), (name, "eth"), 1500, index)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferrule-test-")))
            end = End(lab, args.ferruled.resolve(), args.ferrule.resolve(), folder, name)
            stack.enter_context(end.daemon)
            ends.append(end)
        if not all([end.daemon.heard("READY=1", 120) for end in ends]):
            report.add("start", [end.daemon.stderr() for end in ends])
            return report.finish()
        for end in ends:
            stack.enter_context(end.connect())
        measure(lab, ends, report)
        for end in ends:
            status = end.daemon.stop()
            report.add(f"end of {end.name}", [] if status == 0 else [end.daemon.stderr()])
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
