# SPDX-License-Identifier: BSD-3-Clause
"""Is what the golden files say right?  Judged without the program that wrote them.

protect: the policies say which associations each packet gets, the oracle opens what came out with
them, and inside has to be the packet that went in; a packet that does not come out has to have a
reason.  unprotect: the oracle and the window model predict what each frame becomes.
"""

import ipaddress
import itertools
import json
import struct
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import document
import ip
import ipsec_oracle
import pcapio
from ah_oracle import AH
from esp_algorithms import Refused
from replay_model import ReplayWindow
from report import Report, difference

CASES = Path(__file__).resolve().parent / "cases"
LAST_32_BIT_NUMBER = 0xFFFFFFFF
NS_PER_SECOND = 1_000_000_000
LONGEST = {4: 65535, 6: 65535 + 40}
MOST_FRAGMENTS, FRAGMENTS_WAIT_NS = 8, 30 * 1_000_000_000
BY_PORT, BY_TYPE = (6, 17, 132), (1, 58)


class Ended(Exception):
    """The packet must end; one of these verdicts says why."""

    def __init__(self, *verdicts):
        super().__init__(" or ".join(verdicts))
        self.verdicts = verdicts


def ip_packet(record, link):
    """The IP packet of a frame without what the link layer put behind it; raises Ended."""
    if record.wire_length > len(record.data):
        raise Ended("truncated")
    packet = record.data
    if link == pcapio.ETHERNET:
        at = pcapio.link_header_length(record.data)
        if len(record.data) < at or record.data[at - 2 : at] not in (b"\x08\x00", b"\x86\xdd"):
            raise Ended("not_ip")
        packet = record.data[at:]
        if packet and packet[0] >> 4 != (4 if record.data[at - 2] == 8 else 6):
            raise Ended("bad_ip")
    try:
        packet = packet[: ip.total_length(packet)]
        ip.parse(packet)
    except ip.IpError:
        raise Ended("bad_ip") from None
    return packet


# --- Policies -------------------------------------------------------------------------------


def find_policy(policies, direction, packet):
    """The first policy that matches, or None; raises Ended where ports are needed and not there."""
    header = ip.parse(packet)
    protocol, values = header.protocol, None
    if header.version == 6 and header.is_fragment:
        protocol = packet[header.payload_at]
    upper = packet[header.payload_at :]
    if not header.is_fragment and protocol in BY_PORT and len(upper) >= 4:
        values = struct.unpack_from("!HH", upper)
    if not header.is_fragment and protocol in BY_TYPE and upper:
        values = (upper[0],)
    for policy in policies:
        if policy.direction != direction or not _in(header.src, policy.src):
            continue
        if not _in(header.dst, policy.dst) or policy.protocol not in (None, protocol):
            continue
        if values is None and policy.needs_ports:
            raise Ended("fragment_needs_ports")
        if policy.icmp_type is not None and values[0] != policy.icmp_type:
            continue
        ranges = (policy.sport, policy.dport)
        if any(r and not r[0] <= v <= r[1] for r, v in zip(ranges, values or ())):
            continue
        return policy
    return None


def _in(address, network):
    address = ipaddress.ip_address(address)
    return network is None or (address.version == network.version and address in network)


# --- Lifetimes ------------------------------------------------------------------------------


class Life:
    """The hard limits of one association (RFC 4301 section 4.4.2.1)."""

    def __init__(self, limits):
        self._limits = {unit: limits.get(f"hard_{unit}", 0) for unit in ("packets", "bytes")}
        self._limits["seconds"] = limits.get("hard_seconds", 0)
        self._used = {"packets": 0, "bytes": 0}
        self._is_over = False

    def spend(self, length, age_ns):
        """Counts one more packet; raises Ended where that is too many, and ever after."""
        used = {"packets": self._used["packets"] + 1, "bytes": self._used["bytes"] + length}
        seconds = self._limits["seconds"]
        self._is_over |= any(0 < self._limits[unit] < n for unit, n in used.items())
        self._is_over |= 0 < seconds <= age_ns // NS_PER_SECOND
        if self._is_over:
            raise Ended("expired")
        self._used = used


# --- Host to wire ---------------------------------------------------------------------------


class Sender:
    """What protect must do under one document."""

    def __init__(self, doc):
        self._doc = doc
        self._lives = {sa.name: Life(sa.lifetime) for sa in doc.sas}
        self._left = {}  # association -> how many numbers it still has
        for sa in doc.sas:
            last = sa.sequence + len(doc.sas) + (1 << 33) if sa.esn else LAST_32_BIT_NUMBER
            self._left[sa.name] = last - sa.sequence

    def chain(self, packet, age_ns):
        """The associations that a packet gets, innermost first; raises Ended."""
        if not self._doc.policies:
            sas = [self._doc.sas[0]]
        else:
            policy = find_policy(self._doc.policies, "out", packet)
            if policy is None:
                raise Ended("no_policy")
            if policy.action == "discard":
                raise Ended("discard")
            sas = [self._doc.active(group) for group in policy.groups]
        for sa in sas:
            packet = self._seal(packet, sa, age_ns)
        return sas

    def _seal(self, packet, sa, age_ns):
        header = ip.parse(packet)
        if sa.mode == "transport":
            if (header.src, header.dst) != (sa.src, sa.dst):
                raise Ended("no_policy")
            if header.is_fragment:
                raise Ended("transport_fragment")
        try:
            sealed = packet
            for wanted in sa.headers:
                sealed = wanted.seal(sealed, 0)
        except struct.error:
            raise Ended("too_long") from None
        if len(sealed) > LONGEST[sealed[0] >> 4]:
            raise Ended("too_long")
        self._lives[sa.name].spend(len(packet), age_ns)
        if self._left[sa.name] == 0:
            raise Ended("seq_exhausted")
        self._left[sa.name] -= 1
        return sealed


def verify_protect(case):
    sender, out = Sender(case.doc), case.outputs()
    numbers, ivs, faults = defaultdict(list), defaultdict(set), []
    opened = defaultdict(list)  # header -> [(sealed, plain, number)]
    for index, record in enumerate(case.capture.records):
        where, line = f"packet {index + 1}", case.lines[index]
        try:
            packet = ip_packet(record, case.capture.link)
            sas = sender.chain(packet, case.age_ns(record))
        except Ended as ended:
            faults += ended_faults(where, line, ended.verdicts, ("packet", "verdict", "out_packets"))
            continue
        if line["verdict"] != "ok":
            faults.append(f"{where}: {line['verdict']}, expected ok")
            continue
        result = next(out)
        seqs = line.get("seqs", [])
        wanted = {"packet": index + 1, "verdict": "ok", "out_packets": 1}
        headers = [(sa, header) for sa in reversed(sas) for header in reversed(sa.headers)]
        if sas:
            names = [sa.name for sa, _ in headers]
            wanted |= {"sa": names[0], "sas": names, "seq": (seqs or [0])[0], "seqs": seqs}
        if line != wanted or len(seqs) != len(headers):
            faults.append(f"{where}: line {line}, expected {wanted}")
            continue
        faults += record_faults(where, case, record, result)
        sealed = pcapio.network_packet(result.data, case.capture.link)
        for (sa, header), seq in zip(headers, seqs):
            numbers[sa.name, header.protocol].append(seq)
        faults += opening_faults(where, packet, sealed, list(zip(headers, seqs)), ivs, opened)
    for header, layers in opened.items():
        faults += header.scapy_faults(*zip(*layers))
    for sa in case.doc.sas:
        for header in sa.headers:
            used = numbers[sa.name, header.protocol]
            if sorted(used) != list(range(sa.sequence + 1, sa.sequence + 1 + len(used))):
                faults.append(f"{sa.name}: numbers {used} after {sa.sequence}")
    return faults


def opening_faults(where, plain, sealed, layers, ivs, seen):
    """layers: ((association, header), number) from the outermost inwards; seen: told for others."""
    opened_layers = []
    try:
        for (sa, header), seq in layers:
            opened = header.open(sealed, seq)
            opened_layers.append((sa, header, sealed, opened))
            seen[header].append((sealed, opened.packet, seq))
            sealed = opened.packet
    except (Refused, ip.IpError) as error:
        return [f"{where}: the oracle refuses it: {error}"]
    faults = difference(f"{where}: inside", sealed, plain)
    for sa, header, packet, opened in opened_layers:
        found = header.sender_faults(opened.packet, packet, opened)
        faults += [f"{where}: {sa.name}: {fault}" for fault in found]
        used = ivs[sa.name, header.protocol]
        if opened.iv and opened.iv in used:
            faults.append(f"{where}: {sa.name}: the IV {opened.iv.hex()} comes twice")
        used.add(opened.iv)
    return faults


# --- Wire to host ---------------------------------------------------------------------------


@dataclass
class Opening:
    """What became of one packet on its way through the associations."""

    packet: bytes
    layers: list  # (association, its header, number or None, Opened or None), outermost first
    verdicts: tuple = ("ok",)


class Receiver:
    """What unprotect must do under one document."""

    def __init__(self, doc):
        self._doc = doc
        self._by_spi = {(sa.dst, header.protocol, header.spi): (sa, header)
                        for sa in doc.sas for header in sa.headers}
        self._ends = {sa.dst for sa in doc.sas}
        self._lives = {sa.name: Life(sa.lifetime) for sa in doc.sas}
        self._windows = {
            (sa.name, header.protocol): ReplayWindow(sa.sequence, sa.replay_window, sa.esn)
            for sa in doc.sas for header in sa.headers
        }

    def is_ours(self, header):
        return header.dst in self._ends

    def open(self, packet, age_ns):
        opening = Opening(packet, [])
        try:
            while self._open_layer(opening, age_ns):
                pass
            self._check_policy(opening)
        except Ended as ended:
            opening.verdicts = ended.verdicts
        return opening

    def _open_layer(self, opening, age_ns):
        """Takes one layer off; False where there is none that is ours."""
        packet = opening.packet
        sa, header, at = self._find(packet)
        if opening.layers:
            self._check_bundle(opening.layers[-1], sa)
        if sa is None:
            return False
        if len(packet) < at + header.least_bytes:
            opening.layers.append((sa, header, None, None))
            raise Ended("bad_syntax")
        low = int.from_bytes(packet[at + header.sequence_at :][:4], "big")
        window = self._windows[sa.name, header.protocol]
        seq = window.check(low) if sa.replay_window else low
        if seq is None:
            opening.layers.append((sa, header, None, None))
            raise Ended(*self._replayed(sa))
        try:
            opened = header.open(packet, seq)
        except Refused as refused:
            opening.layers.append((sa, header, seq, None))
            if refused.verdict == "bad_icv" and sa.esn:
                raise Ended(*self._replayed(sa)) from None
            if refused.verdict not in ("bad_icv", "bad_syntax"):
                window.commit(seq)
            raise Ended(refused.verdict) from None
        window.commit(seq)
        is_bare = header is not sa.headers[-1] and sa not in [layer[0] for layer in opening.layers]
        opening.layers.append((sa, header, seq, None if is_bare else opened))
        if is_bare:
            raise Ended("bad_protocol")  # ESP of a bundle without its AH
        if header is sa.headers[0]:
            self._lives[sa.name].spend(len(opened.packet), age_ns)
        if opened.next_header == ip.NO_NEXT:
            raise Ended("dummy")
        opening.packet = self._accept(sa, opened) if header is sa.headers[0] else opened.packet
        return True

    def _find(self, packet):
        """(association, header, where that begins), each None where it is none of ours."""
        header = ip.parse(packet)
        protocol, at = header.protocol, header.payload_at
        if protocol == ip.UDP:
            protocol, at = ip.ESP, at + 8
        spi_at = at + (4 if protocol == AH else 0)
        spi = int.from_bytes(packet[spi_at : spi_at + 4], "big")
        found = self._by_spi.get((header.dst, protocol, spi))
        if header.is_fragment or not found or (header.protocol == ip.UDP) != bool(found[0].udp):
            return None, None, None
        return *found, at

    @staticmethod
    def _check_bundle(last, sa):
        """Behind the AH of a bundle comes its ESP."""
        if last[1] is not last[0].headers[0] and sa is not last[0]:
            raise Ended("bad_protocol")

    @staticmethod
    def _replayed(sa):
        """With ESN an old number can also look like a new one, with another high half."""
        return ("replay", "bad_icv") if sa.esn else ("replay",)

    @staticmethod
    def _accept(sa, opened):
        try:
            inner = ip.parse(opened.packet)
        except ip.IpError:
            raise Ended("bad_inner") from None
        if sa.mode == "transport":
            return opened.packet
        ecn = ip.decapsulated_ecn(inner.ecn, opened.header.ecn)
        if ecn is None:
            raise Ended("ecn_ce")
        return ip.with_ecn(opened.packet, ecn)

    def _check_policy(self, opening):
        groups = tuple(self._doc.groups[sa.name] for sa, header, *_ in reversed(opening.layers)
                       if header is sa.headers[0])
        header = ip.parse(opening.packet)
        if not groups and header.protocol in (ip.ESP, AH) and self.is_ours(header):
            raise Ended("no_sa")
        if not self._doc.policies:
            if not groups:
                raise Ended("no_policy")
            return
        policy = find_policy(self._doc.policies, "in", opening.packet)
        if policy is None:
            raise Ended("no_policy")
        if policy.action == "discard":
            raise Ended("discard")
        if groups != policy.groups:
            raise Ended("policy_mismatch" if groups else "unprotected")


def is_middle(fragment):
    """Neither the first nor the last of its datagram."""
    header = ip.parse(fragment)
    if header.version == 4:
        flags_offset = struct.unpack_from("!H", fragment, 6)[0]
        return bool(flags_offset & 0x1FFF and flags_offset & 0x2000)
    offset_more = struct.unpack_from("!H", fragment, header.payload_at + 2)[0]
    return bool(offset_more & 0xFFF8 and offset_more & 1)


class Reassembly:
    """Outer fragments of ESP packets, kept by their datagram."""

    def __init__(self):
        self._waiting = defaultdict(list)  # datagram -> [(time, fragment)]

    def take(self, packet, header, now_ns):
        """The whole datagram; raises Ended while it is not complete, or where it is no good."""
        key = self._key(packet, header)
        waiting = self._waiting[key]
        if waiting and now_ns - waiting[0][0] > FRAGMENTS_WAIT_NS:
            waiting.clear()
        waiting.append((now_ns, packet))
        fragments = [fragment for _, fragment in waiting]
        if sum(map(is_middle, fragments)) > MOST_FRAGMENTS - 2:
            del self._waiting[key]
            raise Ended("fragment_limit")
        if len(set(fragments)) < len(fragments):
            raise Ended("fragment_held", "fragment_bad")  # bad at the latest when all are there
        try:
            whole = ip.reassemble(fragments)
            ip.parse(whole)
        except ip.IpError:
            raise Ended("fragment_held") from None
        del self._waiting[key]
        return self._marked(whole, fragments)

    @staticmethod
    def _marked(whole, fragments):
        """RFC 3168 section 5.3: a mark on any piece is a mark on the whole."""
        codepoints = {ip.parse(fragment).ecn for fragment in fragments}
        if ip.CE not in codepoints:
            return whole
        if ip.NOT_ECT in codepoints:
            raise Ended("fragment_bad")
        return ip.with_ecn(whole, ip.CE)

    @staticmethod
    def _key(packet, header):
        at, length = (4, 2) if header.version == 4 else (header.payload_at + 4, 4)
        return header.src, header.dst, packet[at : at + length]


def verify_unprotect(case):
    receiver, reassembly, out, faults = Receiver(case.doc), Reassembly(), case.outputs(), []
    for index, record in enumerate(case.capture.records):
        where, line = f"packet {index + 1}", case.lines[index]
        try:
            packet = ip_packet(record, case.capture.link)
            header = ip.parse(packet)
            if header.is_fragment and receiver.is_ours(header):
                packet = reassembly.take(packet, header, record.time_ns)
        except Ended as ended:
            faults += ended_faults(where, line, ended.verdicts, None)
            continue
        opening = receiver.open(packet, case.age_ns(record))
        faults += line_faults(where, line, index + 1, opening)
        if line["verdict"] != "ok":
            continue
        result = next(out)
        faults += record_faults(where, case, record, result)
        output = pcapio.network_packet(result.data, case.capture.link)
        faults += difference(f"{where}: output", output, opening.packet)
    return faults


def line_faults(where, line, number, opening):
    if line["verdict"] not in opening.verdicts:
        return [f"{where}: {line['verdict']}, expected {' or '.join(opening.verdicts)}: {line}"]
    wanted = {"packet": number, "out_packets": int(line["verdict"] == "ok")}
    if "replay" not in opening.verdicts:
        wanted |= receive_words(opening) | layer_fields(opening)
    return [
        f"{where}: {key} is {line.get(key)}, expected {value}"
        for key, value in wanted.items()
        if line.get(key) != value
    ]


def layer_fields(opening):
    if not opening.layers:
        return {}
    names, seqs = zip(*((sa.name, seq) for sa, _, seq, _ in opening.layers))
    known = None if None in seqs else list(seqs)
    return {"sa": names[0], "seq": seqs[0], "sas": list(names), "seqs": known}


def is_low(seq, esn):
    """Is no more than a sixteenth of the peer's numbers left?"""
    limit = (1 << 64) - 1 if esn else LAST_32_BIT_NUMBER
    return seq > limit - (limit >> 4)


def receive_words(opening):
    """The contract's: NextCryptoDone is for a tunnel and a transport portion, not two of a kind."""
    modes = {sa.mode for sa, *_ in opening.layers}
    words = {
        "crypto_done": int(bool(modes)),
        "next_crypto_done": int(len(modes) > 1),
        "crypto_status": crypto_status(opening),
    }
    # When a worker knows that a lifetime is over depends on what it had in hand.
    if not any(any(sa.lifetime.values()) for sa, *_ in opening.layers):
        words["sa_delete_req"] = int(any(opened and is_low(seq, sa.esn)
                                         for sa, _, seq, opened in opening.layers))
    innermost = opening.layers[-1][3] if opening.layers else None
    has_esp = any(header.protocol == ip.ESP for _, header, *_ in opening.layers)
    if innermost and has_esp:
        words["next_header"] = innermost.next_header
        words["pad_length"] = innermost.pad_length
    if len(opening.layers) < 2:
        opened = innermost or opening.verdicts == ("bad_inner",)
        words["header_info_set"] = int(bool(opened and has_esp))
    return words


def crypto_status(opening):
    """Of the contract; 1 and 6 are generic and syntax, 7 an unexpected protocol."""
    verdict = opening.verdicts[0]
    if verdict == "bad_icv":
        sa, header, *_ = opening.layers[-1]
        return {("transport", AH): 2, ("transport", ip.ESP): 3,
                ("tunnel", AH): 4, ("tunnel", ip.ESP): 5}[sa.mode, header.protocol]
    return {"bad_syntax": 6, "bad_padding": 1, "bad_protocol": 7}.get(verdict, 0)


# --- Cases ----------------------------------------------------------------------------------


def ended_faults(where, line, verdicts, keys):
    if line["verdict"] not in verdicts or line["out_packets"] != 0:
        return [f"{where}: {line}, expected {' or '.join(verdicts)}"]
    if keys and set(line) != set(keys):
        return [f"{where}: {line} should have {keys} only"]
    return []


def record_faults(where, case, record, result):
    faults = []
    if result.time_ns != record.time_ns:
        faults.append(f"{where}: comes out at another time, {result.time_ns} ns")
    if result.wire_length != len(result.data):
        faults.append(f"{where}: {len(result.data)} bytes, says {result.wire_length}")
    packet = pcapio.network_packet(result.data, case.capture.link)
    frame = pcapio.reframe(record.data, case.capture.link, packet)
    return faults + difference(f"{where}: link header", result.data, frame)


class Case:
    def __init__(self, name):
        self.doc = document.load(CASES / f"{name}.yaml")
        self.capture = pcapio.read(CASES / f"{name}.in.pcap")
        oob = (CASES / f"{name}.oob.jsonl").read_text(encoding="utf-8")
        self.lines = [json.loads(line) for line in oob.splitlines()]
        self._output = pcapio.read(CASES / f"{name}.out.pcap")

    def age_ns(self, record):
        return record.time_ns - self.capture.records[0].time_ns

    def outputs(self):
        return itertools.chain(self._output.records, itertools.repeat(pcapio.Record(b"\0" * 60)))

    def shape_faults(self):
        faults = []
        if [line["packet"] for line in self.lines] != list(range(1, len(self.capture.records) + 1)):
            faults.append("not one line for each packet")
        n_ok = sum(line["verdict"] == "ok" for line in self.lines)
        if n_ok != len(self._output.records):
            faults.append(f"{len(self._output.records)} packets came out, {n_ok} lines say ok")
        formats = [(c.link, c.nano) for c in (self._output, self.capture)]
        if formats[0] != formats[1]:
            faults.append("link type or time unit of the output is not that of the input")
        return faults


def main():
    report = Report()
    for path in sorted(CASES.glob("*.yaml")):
        case = Case(path.stem)
        verb = path.stem.partition("-")[0]
        faults = case.shape_faults()
        if not faults:
            faults = {"protect": verify_protect, "unprotect": verify_unprotect}[verb](case)
        report.add(path.stem, faults)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
