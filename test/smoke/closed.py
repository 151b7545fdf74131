# SPDX-License-Identifier: BSD-3-Clause
"""Does anything that a policy protects ever pass in the clear, in either direction?

Traffic of all kinds runs from before the first start to behind the last end of a ferruled, and
both its sides are watched all the time.  Each row of the table is a state it can be in, or
something that is done to it.  A second flow, which a policy lets by, shows that a leak would be
seen.
"""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import box as boxes
import ferrule_ctl as ctl
import ip
import pcapio
from box import outcomes, policy, protection, sa
from ipsec_oracle import Refused, algorithm, open_esp, seal_esp
from lab import Absent, wait_until
from report import Report
from samples import ethernet
from traffic import MACS

SECRET = boxes.flow(b"\xa5secret\x5a", 7, 9)
SPOOFED = boxes.flow(b"\xa5spoofd\x5a", 7, 9, inbound=True)
OPENED = boxes.flow(b"\xa5opened\x5a", 7, 10, inbound=True)
REFUSED = boxes.flow(b"\xa5refusd\x5a", 7, 11, inbound=True)
LET_BY = boxes.flow(b"\xa5letby!\x5a", 20, 20)
LET_BY_IN = boxes.flow(b"\xa5letbyi\x5a", 20, 20, inbound=True)

OUT, IN = sa("out", "out", 0x1001), sa("in", "in", 0x1002)
OTHER_IN = sa("other", "in", 0x1003, "other")
BYPASS = [policy("by-out", "out", "10.1.0.20", "10.2.0.20", "bypass", priority=1),
          policy("by-in", "in", "10.2.0.20", "10.1.0.20", "bypass", priority=1)]
ALL_POLICIES = [*BYPASS, *protection()]
ALL_SAS = [OUT, IN, OTHER_IN]
EVERYTHING, LET_BY_ONLY, SILENCE = ("esp", "let by"), ("let by",), ()
BARRIER = b"\x88\xb5 all that was sent before has been seen "
LAST = (1 << 32) - 1


class OnWire:
    """What a frame on the wire is.  A nonce that comes twice under one key opens what it sealed."""

    def __init__(self):
        self._nonces = set()

    def __call__(self, frame):
        if SECRET.is_in(frame):
            return "clear"
        if LET_BY.mark in frame:
            return "let by"
        if BARRIER in frame:
            return "barrier"
        at = pcapio.link_header_length(frame)
        if frame[at + 9:at + 10] != bytes([ip.ESP]):
            return "other"
        if int.from_bytes(frame[at + 6:at + 8], "big") & 0x1FFF:
            return "esp"  # the rest of one
        nonce = frame[at + 20:at + 24] + frame[at + 28:at + 36]  # SPI, which names the key, and IV
        if nonce in self._nonces:
            return "repeated nonce"
        self._nonces.add(nonce)
        return "esp"


def kind_at_host(frame):
    if SPOOFED.mark in frame or REFUSED.mark in frame:
        return "clear"
    if OPENED.mark in frame:
        return "opened"
    return "let by" if LET_BY_IN.mark in frame else "other"


class Watch:
    """Talkers and sniffers on both sides, and what they found in each row."""

    def __init__(self, lab, box, report):
        self.lab, self._box, self._report = lab, box, report
        self._title = "TAP" if box.has_tap else "veth"
        self._stack = contextlib.ExitStack()
        self._sequence = self._n_barriers = 0

    def __enter__(self):
        enter, lab, box = self._stack.enter_context, self.lab, self._box
        self.on_wire = enter(lab.sniffer(*box.wire, OnWire()))
        self.at_host = enter(lab.sniffer(*box.host, kind_at_host))
        self.host, self.wire = enter(lab.talker(*box.host)), enter(lab.talker(*box.wire))
        self._barrier = enter(lab.talker("lab", "wire-near"))
        self.host.say([ethernet(LET_BY.udp(4, 100)), *SECRET.frames()])
        self.wire.say([ethernet(LET_BY_IN.udp(4, 100)), *SPOOFED.frames()])
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _seen(self):
        return {"wire": dict(self.on_wire.seen), "host": dict(self.at_host.seen)}

    def _since(self, before, side):
        """Kinds of which there are more than before."""
        return {kind for kind, n in self._seen()[side].items() if n > before[side].get(kind, 0)}

    def _settle(self, client):
        """What was under way is over: the worker has run other bursts, the sniffer has seen what
        came after them."""
        if client:
            done = sum(outcomes(client).values())
            wait_until(lambda: sum(outcomes(client).values()) > done + 512)
        self._n_barriers += 1
        self._barrier.send(MACS + BARRIER)
        wait_until(lambda: self.on_wire.seen["barrier"] == self._n_barriers)

    @contextlib.contextmanager
    def row(self, name, passes, verdicts=(), client=None):
        """The block brings a state about; the row lasts until everything was sent in it twice, what
        passes in that state has come, and each verdict was given.

        passes: "esp" and "let by", or less; what is not in it has to have ceased.
        """
        before, faults = self._seen(), []
        yield faults
        self._settle(client)
        settled, rounds = self._seen(), (self.host.rounds, self.wire.rounds)
        given = outcomes(client) if client else {}

        def missing():
            now = outcomes(client) if client else {}
            return [*sorted(set(passes) - self._since(settled, "wire")),
                    *(v for v in verdicts if now[v] == given[v]),
                    *sorted(set(passes) - {"esp"} - self._since(settled, "host"))]

        def is_over():
            return min(self.host.rounds - rounds[0], self.wire.rounds - rounds[1]) > 2

        def leaks():
            return self._faults(before, settled, passes)

        if not wait_until(lambda: leaks() or (is_over() and not missing()), 120):
            faults.append(f"no {', '.join(missing())}; seen {self._seen()}")
        self._settle(client)
        faults += leaks()
        self._report.add(f"{self._title}: {name}", faults)

    def _faults(self, before, settled, passes):
        wrong = {"wire": self._since(before, "wire") & {"clear", "other", "repeated nonce"},
                 "host": self._since(before, "host") & {"clear"}}
        for side in wrong:
            wrong[side] |= (self._since(settled, side) & {"esp", "let by"}) - set(passes)
        faults = []
        for side, sniffer in (("wire", self.on_wire), ("host", self.at_host)):
            faults += [f"{side}: {kind}: {sniffer.samples[kind][-1].hex()}" for kind in wrong[side]]
            if sniffer.lost():
                faults.append(f"{side}: the sniffer missed {sniffer.lost()} frames")
        return faults

    def sealed(self, packet, document_sa, sequence=None):
        """As the peer does it."""
        self._sequence += 1
        return ethernet(seal_esp(packet, boxes.oracle(document_sa), sequence or self._sequence))

    def comes_in(self, n=20):
        """Do packets that the peer protects come out at the host?"""
        before = self.at_host.seen["opened"]
        for _ in range(n):
            self.wire.send(self.sealed(OPENED.udp(4, 100), IN))
        return wait_until(lambda: self.at_host.seen["opened"] - before == n, 30)

    def goes_out(self):
        """Does the peer find in ESP what the host sent?"""
        wanted = set(SECRET.plain(4) + SECRET.plain(6)) - {SECRET.plain(v)[4] for v in (4, 6)}
        for frame in list(self.on_wire.samples["esp"]):
            sealed = pcapio.network_packet(frame, pcapio.ETHERNET)
            with contextlib.suppress(Refused, ip.IpError):
                sequence = int.from_bytes(sealed[24:28], "big")
                wanted.discard(open_esp(sealed, boxes.oracle(OUT), sequence).packet)
        return not wanted


def with_bad_padding(sealed, document_sa, packet, sequence):
    """Sealed as it should be, but the padding is 9, 9."""
    known = boxes.oracle(document_sa)
    body = algorithm(known).seal(known.spi, sequence, bytes(8), packet + bytes([9, 9, 2, 4]))
    header = known.spi.to_bytes(4, "big") + sequence.to_bytes(4, "big")
    return ethernet(ip.with_payload(sealed[14:34], 9, ip.ESP, header + body))


def hostile(watch):
    """What the peer, or somebody else, may not get in; what the verdict is."""
    secret, stranger = REFUSED.udp(4, 100), sa("stranger", "in", 0x7777)
    good = watch.sealed(secret, IN)
    return {"bad_icv": good[:-1] + bytes([good[-1] ^ 1]), "replay": watch.sealed(secret, IN, 1),
            "bad_padding": with_bad_padding(good, IN, secret, 1 << 20),
            "policy_mismatch": watch.sealed(secret, OTHER_IN),
            "no_sa": watch.sealed(secret, stranger),
            "unprotected": ethernet(secret)}


# --- the table ----------------------------------------------------------------------------------


def ended(watch, client, before):
    """Why the SA "ends" does not look as if its time were over."""
    if not wait_until(lambda: "stopped" in client.sa_show(["ends"])[0]["flags"]):
        return ["the SA goes on"]
    return [] if wait_until(lambda: watch.on_wire.seen["esp"] > before) else ["it protected nothing"]


def stops(watch, client):
    """No policy, no SA, and every way in which an SA comes to its end."""
    with watch.row("empty policy", SILENCE, ["no_policy"], client):
        pass
    with watch.row("no SA", LET_BY_ONLY, ["no_active_sa", "unprotected"], client):
        client.sa_add([OUT, IN])  # policies name groups that are there
        client.policy_add(ALL_POLICIES)
        client.sa_delete(["out", "in"])
    with watch.row("group without an active SA", LET_BY_ONLY, ["no_active_sa"], client):
        client.sa_add([IN, OTHER_IN])
    for number, (name, verdict, more) in enumerate((
            ("hard packets are over", "expired", {"lifetime": {"hard_packets": 100}}),
            ("hard bytes are over", "expired", {"lifetime": {"hard_bytes": 50000}}),
            ("hard seconds are over", "expired", {"lifetime": {"hard_seconds": 1}}),
            ("no sequence number is left", "seq_exhausted", {"sequence": LAST - 100}))):
        with watch.row(name, LET_BY_ONLY, [verdict], client) as faults:
            before = watch.on_wire.seen["esp"]
            client.sa_add([sa("ends", "out", 0x2000 + number, **more)])
            faults += ended(watch, client, before)
        with watch.row(f"{name}, and it is deleted", LET_BY_ONLY, ["no_active_sa"], client):
            client.sa_delete(["ends"])
    with watch.row("what has expired is replaced by a swap", EVERYTHING, (), client):
        client.sa_add([sa("ends", "out", 0x2010, lifetime={"hard_packets": 1})])
        client.sa_swap([OUT])


def protects(watch, client):
    with watch.row("protected", EVERYTHING, (), client) as faults:
        if not watch.comes_in():
            faults.append("what the peer protects does not come in")
        if not wait_until(watch.goes_out):
            faults.append("the peer does not find what was sent")
    for verdict, frame in hostile(watch).items():
        with watch.row(f"{verdict} from the wire", EVERYTHING, (), client) as faults:
            before = outcomes(client)[verdict]
            watch.wire.send(frame)
            if not wait_until(lambda: outcomes(client)[verdict] > before):
                faults.append("it did not end so")
    with watch.row("a policy names ports", EVERYTHING, ["fragment_needs_ports"], client):
        client.policy_add([policy("ports", "out", "any", "any", "bypass", priority=5,
                                  protocol="udp", sport=53)])
    client.policy_delete(["ports"])


def swaps(watch, client):
    with watch.row("200 swaps", EVERYTHING, (), client):
        for number in range(200):
            client.sa_swap([sa(f"out-{number}", "out", 0x3000 + number),
                            sa(f"in-{number}", "in", 0x4000 + number)], drain_ms=20)
    with watch.row("the active SA is deleted, and another added", EVERYTHING, (), client):
        active = "out-199"
        for number in range(100):
            client.sa_delete([active])
            active = f"late-{number}"
            client.sa_add([sa(active, "out", 0x5000 + number)])


def flaps(watch, client):
    for what, place in (("wire", ("lab", "wire-near")), ("host", ("lab", "host-near"))):
        with watch.row(f"the {what} goes down and comes up", EVERYTHING, (), client):
            for _ in range(5):
                for way in ("down", "up"):
                    watch.lab.run(place[0], "ip", "link", "set", place[1], way)


def policies(watch, client):
    old = "p"
    with watch.row("60 times the policies are replaced", EVERYTHING, (), client):
        for number in range(60):
            new = f"p{number}"
            if number % 2:
                client.policy_add(protection(new))
            client.policy_delete([p["name"] for p in protection(old)])
            if not number % 2:  # for a moment there are none
                client.policy_add(protection(new))
            old = new
    with watch.row("a policy that lets all by comes last", EVERYTHING, (), client):
        client.policy_add([policy("all", "out", "any", "any", "bypass", priority=1000)])
    client.policy_delete(["all"])


def refused(watch, client):
    """What would let everything by, or stop everything, is refused whole."""
    wrong = sa("wrong", "out", 0x6001)
    wrong["esp"]["encryption_key"] = "00"
    opening = policy("new", "out", "any", "any", "bypass", priority=0)
    requests = (("SA_SWAP", ctl.sa_swap([sa("a", "out", 0x6002), sa("a", "in", 0x6003)], 0)),
                ("SA_ADD", ctl.sa_add([sa("b", "out", 0x6004), wrong])),
                ("SA_DELETE", ctl.sa_refs(["late-99", "nobody"])),
                ("SA_ACTIVATE", ctl.sa_refs(["other"])),
                ("POLICY_ADD", ctl.policy_add([opening, BYPASS[0]])),
                ("POLICY_DELETE", ctl.policy_delete(["p59-out-0", "nobody"])))
    for oid, data in requests:
        with watch.row(f"refused {oid}", EVERYTHING, (), client) as faults:
            for _ in range(20):
                if client.request(oid, data).status == "SUCCESS":
                    faults.append("it is not refused")


def comes_and_goes(watch, box):
    """It is started, asked to end, killed when it is up and before: all while packets come."""
    document = box.document(ALL_SAS, ALL_POLICIES)
    with watch.row("before it starts", SILENCE):
        pass
    with watch.row("killed while it starts", SILENCE):
        for number in range(8):
            with box.daemon(document) as daemon:
                daemon.heard("READY=1", number * 0.05)
    with watch.row("a document that is refused", SILENCE) as faults:
        with box.daemon(box.document([OUT, OUT], [*ALL_POLICIES])) as daemon:
            status = daemon.ends()
        faults += [] if status == 1 else [f"exit {status}"]
    for number in range(4):
        with contextlib.ExitStack() as stack:
            with watch.row(f"start {number}", EVERYTHING):
                daemon, _ = stack.enter_context(box.running(document))
            if number % 2:
                with watch.row(f"orderly end {number}", SILENCE) as faults:
                    status = daemon.stop()
                    faults += [] if status == 0 else [f"exit {status}: {daemon.stderr()}"]
            else:
                with watch.row(f"killed {number}", SILENCE):
                    daemon.process.kill()
                    daemon.ends()


def watch_all(program, lab, report, has_tap):
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as name:
        box = boxes.Box(program, lab, Path(name), has_tap)
        with Watch(lab, box, report) as watch:
            comes_and_goes(watch, box)
            if has_tap:
                return
            with box.running(box.document()) as (_, client):
                for rows in (stops, protects, swaps, flaps, policies, refused):
                    rows(watch, client)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferruled to test")
    program = parser.parse_args().program.resolve()
    report = Report()
    try:
        with boxes.make_lab() as lab:
            boxes.link(lab)
            for has_tap in (False, True):
                watch_all(program, lab, report, has_tap)
    except Absent as error:
        report.absent("closed", str(error))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
