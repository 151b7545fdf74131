# SPDX-License-Identifier: BSD-3-Clause
"""Do the limits of an SA end it at the very packet that crosses them, and is each thing told once?

A host sends numbered packets through a ferruled, and so does the peer; `ferrule watch` tells.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import box as boxes
import ip
import pcapio
from box import FAR, NEAR, outcomes, policy, protection, sa
from cli import Watcher
from ipsec_oracle import Refused, open_esp, seal_esp
from lab import Absent, wait_until
from report import Report
from samples import ethernet

OUT_FLOW = boxes.flow(b"\xa5lives>\x5a", 7, 9)
IN_FLOW = boxes.flow(b"\xa5<lives\x5a", 7, 9, inbound=True)
N = 40  # packets of a case
TEXT_BYTES = 100
PACKET_BYTES = 20 + 8 + TEXT_BYTES
LAST = (1 << 32) - 1
STRANGER = "203.0.113.77"
STOPS = ["delete_request", "hard_lifetime"]

# (name, lifetime and more of the SA, packets that pass, events besides)
CASES = (
    ("soft packets", {"lifetime": {"soft_packets": 10}}, N, ["soft_lifetime"]),
    ("hard packets", {"lifetime": {"soft_packets": 5, "hard_packets": 10}}, 10,
     [*STOPS, "soft_lifetime"]),
    ("one packet", {"lifetime": {"hard_packets": 1}}, 1, STOPS),
    ("soft bytes", {"lifetime": {"soft_bytes": 10 * PACKET_BYTES}}, N, ["soft_lifetime"]),
    ("hard bytes", {"lifetime": {"soft_bytes": 1, "hard_bytes": 10 * PACKET_BYTES}}, 10,
     [*STOPS, "soft_lifetime"]),
    ("hard bytes, one less", {"lifetime": {"hard_bytes": 10 * PACKET_BYTES - 1}}, 9, STOPS),
    ("both at once", {"lifetime": {"soft_packets": 10, "hard_packets": 10}}, 10,
     [*STOPS, "soft_lifetime"]),
    ("as many as there are", {"lifetime": {"soft_packets": N, "hard_packets": N}}, N, []),
)
NUMBERS = (
    ("the last sequence number", {"sequence": LAST - 10}, 10,
     ["delete_request", "seq_exhausted", "soft_lifetime"]),
    ("the last extended sequence number", {"sequence": (1 << 64) - 11, "esn": True}, 10,
     ["delete_request", "seq_exhausted", "soft_lifetime"]),
)
AGES = (
    ("soft seconds", {"lifetime": {"soft_seconds": 1}}, ["soft_lifetime"]),
    ("hard seconds", {"lifetime": {"soft_seconds": 1, "hard_seconds": 2}},
     [*STOPS, "soft_lifetime"]),
)


def numbered(flow, number):
    """A datagram with a number behind the mark."""
    return flow.udp(4, TEXT_BYTES)[:-2] + number.to_bytes(2, "big")


class Bench:
    def __init__(self, lab, box, client, watcher):
        self.client, self.watcher = client, watcher
        self._stack = contextlib.ExitStack()
        enter = self._stack.enter_context
        self._on_wire = enter(lab.sniffer(*box.wire, self._sealed))
        self._at_host = enter(lab.sniffer(*box.host, self._opened))
        self._talkers = {"out": enter(lab.talker(*box.host)), "in": enter(lab.talker(*box.wire))}
        self._spi = 0x10000
        self.arrived, self.sa, self._told = [], None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _sealed(self, frame):
        packet = pcapio.network_packet(frame, pcapio.ETHERNET)
        sequence = int.from_bytes(packet[24:28], "big")
        if self.sa.get("esn"):
            sequence |= 0xFFFFFFFF << 32
        try:
            inner = open_esp(packet, boxes.oracle(self.sa), sequence).packet
        except (Refused, ip.IpError):
            return "other"
        self.arrived.append(int.from_bytes(inner[-2:], "big"))
        return "sealed"

    def _opened(self, frame):
        if IN_FLOW.mark in frame:
            self.arrived.append(int.from_bytes(frame[-2:], "big"))
        return "any"

    def add(self, direction, **more):
        self._spi += 1
        self.arrived, self._told = [], len(self.watcher.events)
        self.sa = sa("case", direction, self._spi, **more)
        self.client.sa_add([self.sa])

    def delete(self):
        self.client.sa_delete(["case"])

    def say(self, direction, frame):
        if not wait_until(lambda: self._talkers[direction].send(frame)):
            raise RuntimeError("the link takes no frames")

    def send(self, direction, first=0):
        """N packets, as fast as they go; then until each of them has its end."""
        before = outcomes(self.client)
        for number in range(first, first + N):
            packet = numbered(OUT_FLOW if direction == "out" else IN_FLOW, number)
            if direction == "in":
                packet = seal_esp(packet, boxes.oracle(self.sa), number + 1)
            self.say(direction, ethernet(packet))
        if wait_until(lambda: self._ended(before) >= N):
            return []
        return [f"of {N} packets {self._ended(before)} ended: {outcomes(self.client)}"]

    def _ended(self, before):
        now = outcomes(self.client)
        return sum(now[v] - before[v] for v in ("ok", "expired", "seq_exhausted"))

    def told(self, kinds=()):
        """The kinds that were told of the SA, once these are among them and nothing follows."""
        def now():
            return sorted(e["event"] for e in self.watcher.events[self._told:]
                          if e.get("name") == "case")
        wait_until(lambda: set(kinds) <= set(now()), 20)
        self.probe()
        return now()

    def probe(self):
        """Waits until an event that is caused now has been told."""
        before = len(self.watcher.of("no_sa"))
        stranger = seal_esp(numbered(IN_FLOW, 0), boxes.oracle(sa("x", "in", 0xFFFF)), 1)

        def asked():
            self.say("in", ethernet(stranger))
            time.sleep(0.1)
            return len(self.watcher.of("no_sa")) > before

        wait_until(asked)


def compare(what, got, wanted):
    return [] if got == wanted else [f"{what}: {got}, expected {wanted}"]


def counted(bench, report):
    """RFC 4301 section 4.4.2.1, in packets and bytes, and RFC 4303 section 3.3.3."""
    for direction, cases in (("out", CASES + NUMBERS), ("in", CASES)):
        for name, more, n_pass, events in cases:
            bench.add(direction, **more)
            faults = bench.send(direction)
            wait_until(lambda n=n_pass: len(bench.arrived) >= n, 20)
            faults += compare("told", bench.told(events), sorted(events))
            faults += compare("arrived", bench.arrived, list(range(n_pass)))
            show = bench.client.sa_show(["case"])[0]
            faults += compare("stopped", "stopped" in show["flags"], "delete_request" in events)
            faults += compare("counts", (show["packets"], show["bytes"]),
                              (n_pass, n_pass * PACKET_BYTES))
            bench.delete()
            report.add(f"{name}, {direction}", faults)


def aged(bench, report):
    """The same in seconds: never early, and no packet passes behind the end."""
    for direction in ("out", "in"):
        for name, more, events in AGES:
            bench.add(direction, **more)
            faults = bench.send(direction)
            wait_until(lambda: len(bench.arrived) >= N, 20)
            show = bench.client.sa_show(["case"])[0]
            faults += compare("told", bench.told(events), sorted(events))
            for kind, limit in (("soft_lifetime", 1), ("hard_lifetime", 2)):
                early = [e for e in bench.watcher.of(kind) if e["handle"] == f"{show['handle']:#x}"
                         and e["time_ns"] - show["added_ns"] < limit * 1e9]
                faults += compare(f"{kind} that came early", early, [])
            n_before = len(bench.arrived)
            faults += bench.send(direction, N)
            is_over = "delete_request" in events
            wait_until(lambda n=n_before: is_over or len(bench.arrived) >= n + N, 20)
            bench.probe()
            faults += compare("came later", len(bench.arrived) - n_before, 0 if is_over else N)
            bench.delete()
            report.add(f"{name}, {direction}", faults)


def audit(bench, report):
    """RFC 4301 section 7 and others: SPI, addresses and number of the packet are told, at a rate."""
    bench.add("in", replay_window=64)
    known = boxes.oracle(bench.sa)
    good = seal_esp(numbered(IN_FLOW, 1), known, 1)

    def from_elsewhere(packet):
        """The same from another address: whoever forges packets is not the peer."""
        header = packet[:12] + ip.ipaddress.ip_address(STRANGER).packed + packet[16:20]
        return ip.with_checksum(header) + packet[20:]

    def forge(sequence):
        sealed = seal_esp(numbered(IN_FLOW, 1), known, sequence)
        return from_elsewhere(sealed[:-1] + bytes([sealed[-1] ^ 1]))

    clear = numbered(IN_FLOW, 2)
    piece = ip.as_fragment(IN_FLOW.udp(6, 80), 8, False)  # kernels hold back those of IPv4
    esp = {"spi": known.spi, "protocol": 50, "number": 1, "src": FAR, "dst": NEAR, "name": "case"}
    cases = (
        ("bad_icv", [forge(1)], {**esp, "src": STRANGER}),
        ("replay", [good, good], esp),
        ("no_sa", [seal_esp(clear, boxes.oracle(sa("x", "in", 0x7777)), 9)],
         {"spi": 0x7777, "number": 9, "src": FAR, "dst": NEAR}),
        ("policy_mismatch", [clear], {"src": "10.2.0.9", "dst": "10.1.0.7", "protocol": ip.UDP}),
        ("fragment", [piece], {"src": "2001:db8:2::9", "dst": "2001:db8:1::7"}),
    )
    bench.client.policy_add([policy("ports", "in", "any", "2001:db8:1::7", priority=5,
                                    protocol="udp", dport=53)])
    for kind, packets, wanted in cases:
        before = len(bench.watcher.of(kind))
        for packet in packets:
            bench.say("in", ethernet(packet))
        wait_until(lambda k=kind, n=before: len(bench.watcher.of(k)) > n, 20)
        bench.probe()
        events = bench.watcher.of(kind)[before:] if kind != "no_sa" else [
            e for e in bench.watcher.of(kind) if e["spi"] == 0x7777]
        faults = compare("events", len(events), 1)
        faults += [fault for key, value in wanted.items() for event in events[:1]
                   for fault in compare(key, event.get(key), value)]
        report.add(f"audit: {kind}", faults)
    report.add("audit: rate", rate(bench, forge(5000)))
    bench.client.policy_delete(["ports"])
    bench.delete()


def rate(bench, forged):
    """A flood is told at a rate, and no event of it is uncounted."""
    flood = 3000
    before, began = len(bench.watcher.of("bad_icv")), time.monotonic()
    ended = outcomes(bench.client)["bad_icv"]
    for number in range(flood):
        bench.say("in", ethernet(forged))
        if number % 100 == 99 and not wait_until(  # not faster than a queue takes
                lambda n=number: outcomes(bench.client)["bad_icv"] > ended + n):
            return [f"of {number + 1} packets {outcomes(bench.client)['bad_icv'] - ended} ended"]
    most = 20 + 10 * (time.monotonic() - began) + 1
    time.sleep(0.3)  # longer than a token takes to come: one more is told, with what was left out
    bench.say("in", ethernet(forged))

    def told():
        events = bench.watcher.of("bad_icv")[before:]
        return sum(1 + e["suppressed"] for e in events)

    wait_until(lambda: told() >= flood + 1, 20)
    n = len(bench.watcher.of("bad_icv")) - before
    return compare("told and left out", told(), flood + 1) + (
        [] if n <= most + 10 else [f"{n} told, at most {most}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ferruled", type=Path)
    parser.add_argument("ferrule", type=Path)
    args = parser.parse_args()
    report = Report()
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        try:
            lab = enter(boxes.make_lab())
        except Absent as error:
            report.absent("lifetimes", str(error))
            return report.finish()
        boxes.link(lab)
        folder = Path(enter(tempfile.TemporaryDirectory(prefix="ferrule-test-")))
        box = boxes.Box(args.ferruled.resolve(), lab, folder)
        _, client = enter(box.running(box.document()))
        watcher = enter(Watcher(args.ferrule.resolve(), folder))
        # Policies name groups that are there; and while there is an end point, ESP to it is ours.
        client.sa_add([sa("first", "out", 0x101), sa("end", "in", 0x100)])
        client.policy_add(protection())
        client.sa_delete(["first"])
        with Bench(lab, box, client, watcher) as bench:
            bench.probe()
            for table in (counted, aged, audit):
                table(bench, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
