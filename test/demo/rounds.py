# SPDX-License-Identifier: BSD-3-Clause
"""What is done and checked in one place, from the first daemon to the last counter."""

import contextlib
import time

import boxes
import hosts
import wire
from books import Books
from lab import wait_until

MTU = 1500
# Outer IPv4 header, ESP header, IV, ICV; and two bytes of trailer, which end on a multiple of four.
INNER_MTU = (MTU - 20 - 8 - 8 - 16) // 4 * 4 - 2
DF_SIZES = range(1380, 1473)
ICMP_HEADERS = {4: 28, 6: 48}  # bytes of a ping beside its own
BLOCKS = 100  # of a million bytes, each way
LEAST_PING_S = 3
DRAIN_S = 600  # the first inbound associations stay, so that they can be looked at


class Stopped(Exception):
    """There is no point in going on; why has been said."""


def expected_of(length):
    """What becomes of a packet of so many bytes that must not be fragmented."""
    if length > MTU:
        return hosts.TOO_LONG_FOR_HOST
    return INNER_MTU if length > INNER_MTU else hosts.ANSWERED


def told(outcome, version):
    if isinstance(outcome, int):
        return f"{'frag needed' if version == 4 else 'packet too big'}, MTU {outcome:,}"
    return outcome


class Round:
    """One of the two: sides on one segment, or with a router between them."""

    def __init__(self, screen, place, folder, programs):
        self.screen = screen
        self.place = place
        self.folder = folder
        self.programs = programs
        self.a, self.b = place.sides
        self.ways = [boxes.make_ways(place.sides, generation) for generation in (1, 2)]
        self.boxes = {}
        self.captures = {}
        self.rekey = "", ["it did not come to it"]

    def run(self, stack):
        self._start(stack)
        self._closed()
        self._open()
        self._pings()
        self._long_pings()
        self._df_pings()
        self._transfers()
        ways = [way for ways in self.ways for way in ways]
        Books(self.screen, self.boxes, self.captures, ways, self.folder).check()

    # --- set-up ---------------------------------------------------------------------------------

    def _start(self, stack):
        self.screen.working("start", "namespaces, captures, two ferruled")
        # On one segment both see the same.
        watched = self.place.sides if self.a.gateway4 else (self.a,)
        for side in watched:
            path = self.folder / f"wire-{side.name}.pcap"
            capture = wire.Capture(self.place, f"box-{side.name}", path)
            stack.callback(capture.kill)
            self.captures[side.name] = capture
        for side in self.place.sides:
            box = boxes.Box(self.place, side, self.folder / side.name, self.programs)
            self.boxes[side.name] = stack.enter_context(box.running())
        faults = [box.complaint() for box in self.boxes.values() if not box.is_ready()]
        faults += [capture.complaint() for capture in self.captures.values()
                   if not wait_until(lambda c=capture: c.has_begun() or not c.is_running(), 30)
                   or not capture.is_running()]
        if faults:
            self.screen.check("start", "", faults)
            raise Stopped
        for side in self.place.sides:
            self.place.give_host(side)
        for box in self.boxes.values():
            box.begin_counting()

    def _closed(self):
        """Without associations and policies."""
        faults = []
        for address in self.b.addresses:
            self.screen.working("before keys", f"ping {address}")
            sent, answered = hosts.ping(
                self.place, "host-a", address, "-c", "5", "-i", "0.05", "-W", "1")
            if answered:
                faults.append(f"{answered} of {sent} pings to {address} came through")
        drops = self.boxes["a"].drops().get("no_policy", 0)
        if drops < 10:
            faults.append(f"box a counts {drops} packets without a policy, expected those 10")
        self.screen.check(
            "before keys", "10 pings, none answered: what no policy allows is dropped", faults)

    def _open(self):
        for side, other in (self.place.sides, self.place.sides[::-1]):
            self.boxes[side.name].allow(
                "keys.yaml", self._document(side, 1, ("out", "in")) + boxes.policies(side, other))

    def _document(self, side, generation, directions):
        """The associations that this side has."""
        ways = [(way, "out" if way.sender is side else "in") for way in self.ways[generation - 1]]
        return "sas:\n" + "".join(
            way.document(direction) for way, direction in ways if direction in directions)

    # --- talk -----------------------------------------------------------------------------------

    def _pings(self):
        # Hosts and routers find each other first.
        wait_until(lambda: all(hosts.ping(self.place, "host-a", address, "-c", "1", "-W", "1")[1]
                               for address in self.b.addresses), 20)
        self._ping("ping", 50)

    def _long_pings(self):
        # Nobody fragments IPv6 on the way: each host has to be told the MTU of the path first.
        self.screen.working("ping, 4,000 bytes", "path MTU discovery")
        hosts.ping(self.place, "host-a", self.b.ipv6,
                   "-c", "3", "-i", "0.2", "-W", "1", "-s", "4000")
        self._ping("ping, 4,000 bytes", 20, "-s", "4000")

    def _ping(self, name, count, *options):
        faults, texts = [], []
        for version, address in zip((4, 6), self.b.addresses):
            self.screen.working(name, address)
            sent, answered = hosts.steady_ping(
                self.place, "host-a", address, count, 0.02, *options)
            texts.append(f"IPv{version} {answered} of {sent} answered")
            if answered != sent:
                faults.append(f"{sent - answered} of {sent} pings to {address} were not answered")
        self.screen.check(name, ", ".join(texts), faults)

    def _df_pings(self):
        for version, address in zip((4, 6), self.b.addresses):
            name = f"DF ping, IPv{version}"
            outcomes = hosts.probe(
                self.place, "host-a", address, DF_SIZES,
                lambda size, name=name: self.screen.working(name, f"{size:,} bytes"))
            wrong = []
            for size, outcome in outcomes:
                expected = expected_of(size + ICMP_HEADERS[version])
                if outcome != expected:
                    wrong.append(f"{size:,} bytes: {told(outcome, version)};"
                                 f" expected: {told(expected, version)}")
            if len(outcomes) < len(DF_SIZES):
                wrong.append("then it gave up")
            self.screen.check(name, [f"{first:,} to {last:,} bytes: {told(outcome, version)}"
                                     for first, last, outcome in hosts.runs(outcomes)], wrong[-5:])

    def _transfers(self):
        with contextlib.ExitStack() as stack:
            steady = []
            for version, address in zip((4, 6), self.b.addresses):
                steady.append(hosts.SteadyPing(
                    self.place, "host-a", address, self.folder / f"ping{version}.log"))
                stack.callback(steady[-1].kill)
            end = time.monotonic() + LEAST_PING_S
            self._transfer("TCP, IPv4, a to b", self.a, self.b, self.b.ipv4, self._rekey)
            self._transfer("TCP, IPv6, b to a", self.b, self.a, self.a.ipv6, None)
            while time.monotonic() < end:
                self.screen.working("pings meanwhile", "some more")
                time.sleep(0.1)
            results = [ping.stop() for ping in steady]
        self.screen.check("rekey meanwhile", *self.rekey)
        faults = []
        for version, (sent, lost, twice) in zip((4, 6), results):
            if lost or twice or not sent:
                faults.append(f"IPv{version}: {sent} pings, {lost} lost, {twice} answered twice")
        sent, lost = (sum(result[i] for result in results) for i in (0, 1))
        self.screen.check("pings meanwhile", f"{sent:,} sent, {lost:,} lost", faults)

    def _transfer(self, name, sender, receiver, address, at_half):
        transfer = hosts.Transfer(
            self.place, f"host-{sender.name}", f"host-{receiver.name}", address, BLOCKS)
        while not transfer.is_over():
            done = transfer.received // 1_000_000
            self.screen.working(name, f"{done} of {BLOCKS} MB")
            if at_half and done >= BLOCKS // 2:
                at_half()
                at_half = None
            time.sleep(0.02)
        if at_half:
            at_half()
        rate = transfer.n_bytes / 1e6 / (transfer.seconds or 1)
        self.screen.check(
            name, f"{BLOCKS} MB, {rate:,.0f} MB/s, SHA-256 {transfer.digest()[:8]}... at both ends",
            transfer.faults())

    def _rekey(self):
        """Each box can open what is new before the other one sends it."""
        began = time.monotonic()
        for direction, options in (("in", ("--drain", str(DRAIN_S))), ("out", ())):
            for side in self.place.sides:
                document = self._document(side, 2, (direction,))
                self.boxes[side.name].swap(f"new-{direction}.yaml", document, *options)
        took_ms = (time.monotonic() - began) * 1000
        wanted = {"out-2": "active", "in-2": "live", "in-1": "draining"}
        self.rekey = f"ferrule sa swap, twice at either end, {took_ms:.0f} ms in all", [
            f"box {name}: {box.states()}, expected {wanted}"
            for name, box in self.boxes.items() if box.states() != wanted]
