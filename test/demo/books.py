# SPDX-License-Identifier: BSD-3-Clause
"""The end of a round: what the boxes counted and what a third party saw has to be the same."""

import time

import hosts
import wire

EXPECTED_DROPS = {"no_policy", "too_big"}


class Books:
    """boxes and captures by the name of their side; ways are all that carried packets."""

    def __init__(self, screen, boxes, captures, ways, folder):
        self.screen = screen
        self.boxes = boxes
        self.captures = captures
        self.ways = ways
        self.folder = folder
        self.seen = {}

    def check(self):
        self.screen.working("on the wire", "until it is quiet")
        before = self._settle()
        missed = {name: capture.stop() for name, capture in self.captures.items()}
        after = self._ports()
        for name, capture in self.captures.items():
            self.seen[name] = wire.decode(capture.path, self.folder, lambda n: self.screen.working(
                "on the wire", f"tshark decodes {n:,} packets"))
            self._check_wire(name, missed[name])
        self._check_ports(before, after)
        self._check_associations()
        self._check_drops()
        self.screen.say("", "tshark:", *wire.excerpt(self.captures["a"].path, self.folder, 3))

    def _place(self, name):
        return f"wire at {name}" if len(self.captures) > 1 else "on the wire"

    def _settle(self):
        """Frames that passed the wire ports, once nothing moves: captures write late."""
        state = None
        for _ in range(20):
            before = state
            state = self._ports(), [capture.written() for capture in self.captures.values()]
            if state == before:
                break
            time.sleep(1.5)
        return state[0]

    def _ports(self):
        return {name: self.boxes[name].wire_frames() for name in self.captures}

    def _check_wire(self, name, missed):
        frames = self.seen[name]
        faults = [f"in the clear: {line}" for line in frames.other[:3]]
        if missed != 0:
            faults.append(f"the capture missed {missed} frames")
        words = wire.count(self.captures[name].path, hosts.SECRET)
        if words:
            faults.append("what the hosts say can be read")
        self.screen.check(self._place(name), [
            f"{frames.esp:,} ESP, {len(frames.fragments)} fragments of such, {frames.arp} ARP,"
            f" {frames.nd} IPv6 ND, {len(frames.other) or 'nothing'} else",
            f"{words or 'no'} words of the hosts in {frames.frames():,} frames"], faults)

    def _check_ports(self, before, after):
        """Each frame passed the port.  Below net_af_packet the kernel has joined fragments.

        A frame may come while the capture ends: then it was counted after, but not before.
        """
        faults, texts = [], []
        for name, (received, sent) in before.items():
            frames = self.seen[name]
            joined = frames.fragments_to(self.boxes[name].address)
            texts.append(f"{name}: {sent:,} sent, {received:,} received, {joined} joined to others")
            if not sent + received <= frames.frames() - joined <= sum(after[name]):
                faults.append(
                    f"{frames.frames():,} were captured, not {sent + received + joined:,}")
        self.screen.check("wire ports", texts, faults)

    def _check_associations(self):
        """Sent, seen by a third party, received: is it all the same?"""
        rows = [("SA", "SPI", "sent", *map(self._place, self.seen), "received", "dropped")]
        faults = []
        sas = {name: box.associations() for name, box in self.boxes.items()}
        for way in self.ways:
            out = sas[way.sender.name].get(f"out-{way.generation}")
            into = sas[way.receiver.name].get(f"in-{way.generation}")
            if not into:
                faults.append(f"{way}: {way.receiver.name} does not have it")
                continue
            numbers = [frames.numbers[way.spi] for frames in self.seen.values()]
            crossed = [len(set(each)) for each in numbers]
            counts = {into["packets"], into["sequence"], *crossed, *map(len, numbers)}
            drops = into["drops"]
            if out:
                counts |= {out["packets"], out["sequence"]}
                drops += out["drops"]
            if len(counts) != 1 or counts == {0} or drops:
                faults.append(f"{way}, SPI {way.spi:#x}: {sorted(counts)}, {drops} dropped")
            rows.append((str(way), f"{way.spi:#x}", out["packets"] if out else "swapped", *crossed,
                         into["packets"], drops))
        self.screen.check(
            "associations", "packets sent, on the wire and received: the same numbers", faults)
        self.screen.say("")
        self.screen.table(rows)
        self.screen.say("")

    def _check_drops(self):
        """Pings without a policy, and those that were too big: nothing else ended in a box."""
        for name, box in self.boxes.items():
            drops = box.drops()
            self.screen.check(
                f"dropped in {name}", ", ".join(f"{n} {verdict}" for verdict, n in drops.items()),
                [f"{drops[verdict]} {verdict}" for verdict in set(drops) - EXPECTED_DROPS])
