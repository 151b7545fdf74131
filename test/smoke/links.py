# SPDX-License-Identifier: BSD-3-Clause
"""Ports that stop and come back, and a worker that stands still: does ferruled go on, say it once,
count what it could not send, and carry packets again as soon as it can?
"""

import argparse
import contextlib
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import box as boxes
import ip
import tracer
from box import outcomes, protection, sa
from ipsec_oracle import seal_esp
from lab import Absent, wait_until
from report import Report
from samples import ethernet

OUT_FLOW = boxes.flow(b"\xa5links>\x5a", 7, 9)
IN_FLOW = boxes.flow(b"\xa5<links\x5a", 7, 9, inbound=True)
OUT, IN = sa("out", "out", 0x1001), sa("in", "in", 0x1002)


def kind_on_wire(frame):
    return "esp" if frame[12:14] == b"\x08\0" and frame[23] == ip.ESP else "other"


def kind_at_host(frame):
    return "opened" if IN_FLOW.mark in frame else "other"


class Bench:
    """Both sides talk all the time."""

    def __init__(self, lab, box, daemon, client):
        self._lab, self._box, self._daemon, self._client = lab, box, daemon, client
        self._stack = contextlib.ExitStack()
        enter = self._stack.enter_context
        self._sniffers = {"esp": enter(lab.sniffer(*box.wire, kind_on_wire)),
                          "opened": enter(lab.sniffer(*box.host, kind_at_host))}
        self._host, self._wire = enter(lab.talker(*box.host)), enter(lab.talker(*box.wire))
        self._host.say([ethernet(OUT_FLOW.udp(4, 100))])
        self._sequence = 0
        self._is_over = threading.Event()
        self._peer = threading.Thread(target=self._seal, daemon=True)
        self._peer.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._peer.join()
        self._stack.close()

    def _seal(self):
        while not self._is_over.wait(0.002):
            self._sequence += 1
            self._wire.send(ethernet(seal_esp(IN_FLOW.udp(4, 100), boxes.oracle(IN),
                                              self._sequence)))

    def says(self, text):
        return self._daemon.stderr().count(text)

    def has_link(self, name):
        return {port["name"]: port["link"] for port in self._client.port_list()}[name]

    def flows(self):
        """Do packets pass, both ways?"""
        before = {kind: sniffer.seen[kind] for kind, sniffer in self._sniffers.items()}
        return [] if wait_until(lambda: all(
            sniffer.seen[kind] > before[kind] + 10 for kind, sniffer in self._sniffers.items()
        )) else ["packets do not flow"]

    def unsent(self, verdicts):
        return sum(outcomes(self._client)[verdict] for verdict in verdicts)

    def loses(self, name, stop, told="has no link", ends=("tx_full",)):
        """Faults of a port that stops; ends: verdicts of what is not sent any more."""
        lost = self.says(f"{name} {told}")
        stop()
        faults = []
        if not wait_until(lambda: self.says(f"{name} {told}") > lost):
            faults.append(f"nothing is said: {self._daemon.stderr()}")
        if self.has_link(name):
            faults.append("it is listed with a link")
        before = self.unsent(ends)
        if not wait_until(lambda: self.unsent(ends) > before + 10):
            faults.append("what is not sent is not counted")
        if self.says(f"{name} {told}") != lost + 1:
            faults.append(f"it is not said once: {self._daemon.stderr()}")
        return faults

    def is_removed(self, name, remove):
        """Faults of a port that is taken away."""
        faults = self.loses(
            name, remove, "has been removed", ("tx_full", "no_active_sa", "no_sa"))
        if self._client.sa_list():
            faults.append("its pair still has keys")
        answer = self._client.request("RESET")
        if answer.status != "NOT_ACCEPTED":
            faults.append(f"its pair is reset: {answer}")
        return faults

    def regains(self, name, start):
        found = self.says(f"{name} has a link again")
        start()
        faults = []
        if not wait_until(lambda: self.says(f"{name} has a link again") == found + 1):
            faults.append(f"it is not said once: {self._daemon.stderr()}")
        if not self.has_link(name):
            faults.append("it is listed without a link")
        return faults + self.flows()


def comes_and_goes(lab, bench, report):
    for port, what, interface in (
            ("net_af_packet1", "the other end of the wire", ("wire", "wire-far")),
            ("net_af_packet1", "the wire", ("lab", "wire-near")),
            ("net_af_packet0", "the host", ("host", "host-far")),
            ("net_af_packet0", "the link to the host", ("lab", "host-near"))):
        def turn(way, place=interface):
            lab.run(place[0], "ip", "link", "set", place[1], way)

        faults = []
        for _ in range(3):
            faults += bench.loses(port, lambda: turn("down"))
            faults += bench.regains(port, lambda: turn("up"))
        report.add(f"{what} goes down and comes up", faults)


def stands_still(daemon, bench, report):
    """A worker that somebody holds, as a debugger does."""
    tasks = Path(f"/proc/{daemon.process.pid}/task")
    workers = [int(task.name) for task in tasks.iterdir()
               if "worker" in (task / "comm").read_text(encoding="ascii")]
    if len(workers) != 1:
        report.add("the worker", [f"threads: {workers}"])
        return
    stalled, moves = "worker 0 (lcore 1) has not moved for a second", "worker 0 moves again"
    before = bench.says(stalled), bench.says(moves)
    try:
        tracer.hold(workers[0])
    except tracer.Absent as error:
        report.skip("a worker stands still", str(error))
        return
    faults = [] if wait_until(lambda: bench.says(stalled) > before[0]) else ["nothing is said"]
    tracer.let_go(workers[0])
    faults += [] if wait_until(lambda: bench.says(moves) > before[1]) else ["nor that it moves"]
    report.add("a worker stands still", faults + bench.flows())


def ends(daemon, report, what):
    alive = daemon.process.poll() is None
    status = daemon.stop()
    report.add(f"{what}, and it ends in order",
               [] if alive and status == 0 else [f"alive {alive}, exit {status}: {daemon.stderr()}"])


@contextlib.contextmanager
def running(program, lab, has_tap, has_bond=False):
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as name:
        box = boxes.Box(program, lab, Path(name), has_tap)
        document = box.document([OUT, IN], protection(), has_bond=has_bond)
        with box.running(document) as (daemon, client):
            with Bench(lab, box, daemon, client) as bench:
                yield daemon, bench


def bond(program, lab, report):
    with running(program, lab, False, has_bond=True) as (daemon, bench):
        report.add("it carries packets of a bond", bench.flows())
        ends(daemon, report, "a bond")


def interfaces(program, lab, report):
    with running(program, lab, False) as (daemon, bench):
        report.add("it carries packets", bench.flows())
        stands_still(daemon, bench, report)
        comes_and_goes(lab, bench, report)
        report.add("the wire is deleted", bench.is_removed(
            "net_af_packet1", lambda: lab.run("lab", "ip", "link", "del", "wire-near")))
        ends(daemon, report, "the wire is deleted")


def taps(program, lab, report):
    with running(program, lab, True) as (daemon, bench):
        report.add("it carries packets of a TAP", bench.flows())

        def turn(way):
            lab.run("lab", "ip", "link", "set", "tap-host", way)

        report.add("a TAP goes down", bench.loses("net_tap0", lambda: turn("down")))
        report.add("a TAP comes up", bench.regains("net_tap0", lambda: turn("up")))
        said = bench.says("net_tap0 has no link")
        lab.run("lab", "ip", "link", "set", "tap-host", "netns", lab.names["host"])
        lab.run("host", "ip", "link", "set", "tap-host", "up")
        faults = [] if bench.has_link("net_tap0") else ["it is listed without a link"]
        if bench.says("net_tap0 has no link") > said + 1:  # it goes down on the way
            faults.append(daemon.stderr())
        report.add("a TAP moves to its host", faults)
        report.add("a TAP is deleted", bench.is_removed(
            "net_tap0", lambda: lab.run("host", "ip", "link", "del", "tap-host")))
        ends(daemon, report, "a TAP is deleted")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferruled to test")
    program = parser.parse_args().program.resolve()
    report = Report()
    try:
        with boxes.make_lab() as lab:
            boxes.link(lab)
            taps(program, lab, report)
            bond(program, lab, report)
            interfaces(program, lab, report)
    except Absent as error:
        report.absent("links", str(error))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
