#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What arrives at a gateway that no well-meaning sender sent, or that took an odd way?

Writes the inputs of those golden unprotect cases that protect cannot make, sealed by the tests' own
oracle.  Every run writes the same bytes.
"""

import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import document
import ip
import ipsec_oracle
import make_plain
import pcapio
import samples

HERE = Path(__file__).resolve().parent
SECOND = make_plain.SECOND
NOT_ECT, ECT1, ECT0, CE = ip.NOT_ECT, ip.ECT1, ip.ECT0, ip.CE
HOSTS = {4: ("10.1.0.10", "10.2.0.20"), 6: ("2001:db8:1::10", "2001:db8:2::20")}
VLAN, SERVICE_VLAN = make_plain.VLAN, make_plain.SERVICE_VLAN


class Case:
    """Seals for the associations of one document and collects frames."""

    def __init__(self, name):
        self._name = name
        self._sas = {sa.name: sa for sa in document.load(HERE / f"cases/{name}.yaml").sas}
        self._records = []
        self._now_ns = make_plain.START_NS

    def packet(self, text, version=4, ecn=NOT_ECT):
        return samples.udp_packet(*HOSTS[version], text.encode(), ecn)

    def seal(self, sa_name, seq, packet, **how):
        sa = self._sas[sa_name].esp
        return ipsec_oracle.seal_esp(packet, sa, seq, iv=self._iv(sa, seq), **how)

    def seal_ah(self, sa_name, seq, packet):
        """With AH, inside which is the ESP of a bundle."""
        sa = self._sas[sa_name]
        if len(sa.headers) > 1:
            packet = self.seal(sa_name, seq, packet)
        return sa.headers[-1].seal(packet, seq)

    def half_a_bundle(self, sa_name, seq, packet):
        """AH, but no ESP inside."""
        return self._sas[sa_name].headers[-1].seal(packet, seq)

    def seal_raw(self, sa_name, seq, plaintext):
        """An authentic packet with this payload and trailer."""
        sa = self._sas[sa_name].esp
        example = self.seal(sa_name, seq, samples.udp_packet(sa.src, sa.dst))
        headers = ip.parse(example)
        front = example[: headers.payload_at]
        body = ipsec_oracle.algorithm(sa).seal(sa.spi, seq, self._iv(sa, seq), plaintext)
        esp = struct.pack("!II", sa.spi, seq & 0xFFFFFFFF) + body
        return ip.with_payload(front, headers.protocol_at, ip.ESP, esp)

    @staticmethod
    def _iv(sa, seq):
        n_bytes = ipsec_oracle.algorithm(sa).iv_bytes
        return struct.pack("!QQ", 0xA5A5A5A5A5A5A5A5, seq)[16 - n_bytes :]

    def add(self, packet, tags=b"", padding=b""):
        self.add_frame(samples.ethernet(packet, tags) + padding)

    def add_frame(self, frame, lost=0):
        kept = frame[: len(frame) - lost]
        self._records.append(pcapio.Record(kept, self._now_ns, len(frame)))
        self._now_ns += 1000

    def wait(self, seconds=1):
        self._now_ns += seconds * SECOND

    def save(self):
        capture = pcapio.Capture(pcapio.ETHERNET, records=self._records)
        pcapio.write(HERE / f"cases/{self._name}.in.pcap", capture)


def trailer(pad_length, next_header, padding=None):
    padding = bytes(range(1, pad_length + 1)) if padding is None else padding
    return padding + bytes([pad_length, next_header])


def aligned(payload, next_header, block=4):
    return payload + trailer(-(len(payload) + 2) % block, next_header)


def replay():
    """RFC 4303 section 3.4.3, with a window of 64 packets."""
    case = Case("unprotect-replay")

    def burst(sa, *numbers):
        for number in numbers:
            case.add(case.seal(sa, number, case.packet(f"number {number}")))
        case.wait()

    burst("plain", 1, 2, 3, 3, 2, 0)
    burst("plain", 3, 5, 4, 70, 70)
    burst("plain", 7, 6, 8, 7, 69, 70, 5)
    burst("plain", 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF, 71, 0)
    start = 0xFFFFFFF0
    burst("extended", start + 1, start + 3, start + 2, start + 2)
    burst("extended", 0x100000005, start + 12, start + 12, 0x100000005, 0x100000004)
    burst("extended", start + 3, 0x100000050, start + 4, 0x100000006)
    burst("unchecked", 5, 5, 4, 900, 1)
    case.save()


def forged():
    """Nothing that was changed comes out, and nothing of it moves the window."""
    case = Case("unprotect-forged")
    for index, (sa, version, sealed_version) in enumerate(
        (("gcm", 4, 4), ("cbc", 6, 6), ("hmac", 4, 6))
    ):
        packet = case.packet("authentic", version)
        sealed = case.seal(sa, 10, packet)
        esp_at = 20 if sealed_version == 4 else 40
        for at in (0, 3, 4, 7, 8, 15, 16, 24, 25, -33, -17, -16, -9, -8, -2, -1):
            changed = bytearray(sealed)
            changed[at + esp_at if at >= 0 else at] ^= 1 << index
            case.add(bytes(changed))
        for cut in (1, 4, 16, 40):
            case.add(ip.with_length(sealed[:-cut]))
        for length in (0, 4, 7, 8, 12):
            case.add(ip.with_length(sealed[: esp_at + length]))
        case.add(ip.with_length(sealed + bytes(4)))
        dst_at = esp_at - 1
        case.add(ip.with_length(sealed[:dst_at] + b"\x99" + sealed[dst_at + 1 :]))
        case.wait()
        case.add(sealed)
        case.add(case.seal(sa, 1, packet))
        case.wait()
    case.save()


def forged_ah():
    """RFC 4302 section 3.3.3.1: what routers may change does not count, and all else does."""
    case = Case("unprotect-ah-forged")
    for sa, version, ends in (("transport", 4, HOSTS[4]), ("tunnel", 6, HOSTS[4]),
                              ("bundle", 4, ("10.1.0.11", "10.2.0.21"))):
        packet = samples.udp_packet(*ends, b"authentic")
        sealed = case.seal_ah(sa, 10, packet)
        ah_at = 20 if version == 4 else 40
        # Identification, source; length, reserved, SPI, number, ICV and what is behind it.
        for at in (4, 12, *range(ah_at + 1, ah_at + 13), *range(ah_at + 14, len(sealed), 5), -1):
            if version == 4 or at != 4:  # there it is the length of the packet
                changed = bytearray(sealed)
                changed[at] ^= 1
                case.add(with_checksum(bytes(changed)))
        for length in (0, 4, 11, 12, 20):
            case.add(ip.with_length(sealed[: ah_at + length]))
        case.add(ip.with_length(sealed + bytes(4)))
        case.wait()
        case.add(sealed)
        case.add(sealed)
        # DSCP with ECN, and TTL; flow label and hop limit.
        for seq, at in ((11, 1), (12, 8 if version == 4 else 7)):
            changed = bytearray(case.seal_ah(sa, seq, packet))
            changed[at] ^= 0x14
            case.add(with_checksum(bytes(changed)))
        case.wait()
    bundled = samples.udp_packet("10.1.0.11", "10.2.0.21", b"half a bundle")
    case.add(case.seal("bundle", 20, bundled))
    case.add(case.half_a_bundle("bundle", 21, bundled))
    case.save()


def with_checksum(packet):
    """Forwarded by a router: the IPv4 header has a right checksum."""
    return ip.with_checksum(packet[:20]) + packet[20:] if packet[0] >> 4 == 4 else packet


def contents():
    """Authentic packets whose inside is odd or wrong."""
    case = Case("unprotect-contents")
    inner4, inner6 = case.packet("inner"), case.packet("inner", 6)
    seq = 0

    def tunnel(plaintext):
        nonlocal seq
        seq += 1
        case.add(case.seal_raw("tunnel", seq, plaintext))

    def transport(plaintext):
        nonlocal seq
        seq += 1
        case.add(case.seal_raw("transport", seq, plaintext))

    tunnel(aligned(inner4, 4))
    tunnel(aligned(bytes(30), 59))  # dummy
    tunnel(aligned(b"", 59))
    tunnel(aligned(inner4 + bytes(100), 4))  # TFC padding
    tunnel(aligned(inner6 + b"\xee" * 101, 41))
    least = -(len(inner4) + 2) % 4
    for length in (least + 252, least + 4):
        tunnel(inner4 + trailer(length, 4))  # longer than it needs to be
    tunnel(inner4 + trailer(least + 4, 4, bytes(least + 4)))
    tunnel(inner4 + trailer(least + 4, 4, bytes(range(1, least + 4)) + b"\xff"))
    tunnel(bytes([1, 2, 3, 4, 5, 6, 255, 4]))  # padding longer than the payload
    tunnel(aligned(b"", 4))
    tunnel(aligned(b"", 41))
    tunnel(aligned(inner4, 41))  # next header and version differ
    tunnel(aligned(inner6, 4))
    tunnel(aligned(inner4, 17))  # not what a tunnel carries
    tunnel(aligned(inner4, 0))
    tunnel(aligned(inner4[:-1], 4))  # inner length beyond the payload
    tunnel(aligned(inner6[:-1], 41))
    tunnel(aligned(inner4[:19], 4))
    tunnel(aligned(inner6[:39], 41))
    tunnel(aligned(b"\x44" + inner4[1:], 4))
    tunnel(aligned(inner4[:10] + b"\xbe\xef" + inner4[12:], 4))  # header checksum
    tunnel(aligned(ip.with_length(inner4[:20]), 4))
    for jumbogram in list(make_plain.jumbograms())[1:]:
        tunnel(aligned(jumbogram, 41))
    case.wait()
    seq = 0
    udp = samples.udp_packet("10.1.0.10", "10.2.0.20", b"transport")[20:]
    transport(aligned(udp, 17, 16))
    transport(aligned(udp + bytes(40), 17, 16))  # TFC padding: UDP says where it ends
    transport(aligned(udp + bytes(39) + b"\1", 17, 16))  # something else behind UDP
    transport(aligned(inner4 + bytes(33), 4, 16))
    transport(aligned(inner6 + bytes(65), 41, 16))
    transport(aligned(bytes(20), 4, 16))  # says a length that cannot be
    transport(aligned(bytes(20), 59, 16))
    transport(aligned(b"", 253, 16))
    transport(aligned(udp, 4, 16))
    transport(aligned(inner4, 4, 16))
    transport(aligned(inner6, 41, 16))
    transport(aligned(b"", 17, 16))
    transport(bytes(14) + bytes([200, 17]))
    transport(udp[:8] + trailer(6, 17, bytes([1, 2, 3, 4, 5, 7])))
    transport(aligned(udp, 50, 16))
    case.save()


def ecn():
    """RFC 6040 section 4.2: every inner codepoint under every outer one."""
    case = Case("unprotect-ecn")
    for sa, version in (("four", 4), ("six", 6)):
        for index in range(16):
            packet = case.packet(f"{index}", version, index // 4)
            case.add(case.seal(sa, index + 1, packet, ecn=index % 4))
    for index in range(4):
        packet = samples.udp_packet("192.0.2.1", "198.51.100.9", b"transport", index)
        case.add(case.seal("host", index + 1, packet))
    case.save()


def pieces(packet, size, identification, mark=None):
    """The packet in fragments; mark: (piece, ECN field) that a router changed."""
    header = ip.parse(packet)
    front, payload = packet[: header.payload_at], packet[header.payload_at :]
    fragments = []
    for at in range(0, len(payload), size):
        part, more = payload[at : at + size], at + size < len(payload)
        if header.version == 4:
            flags_offset = struct.pack("!HH", identification, at // 8 | more << 13)
            fragment = ip.with_length(front[:4] + flags_offset + front[8:] + part)
        else:
            words = struct.pack("!BBHI", ip.ESP, 0, at | more, identification)
            fragment = ip.with_payload(front, 6, ip.FRAGMENT, words + part)
        fragments.append(fragment)
    if mark:
        fragments[mark[0]] = ip.with_ecn(fragments[mark[0]], mark[1])
    return fragments


def fragments():
    """Outer fragments: in and out of order, mixed, damaged, too many, too late."""
    case = Case("unprotect-fragments")
    for sa, version in (("four", 4), ("six", 6)):
        seq = 0

        def datagram(size, mark=None, inner_ecn=NOT_ECT):
            nonlocal seq
            seq += 1
            packet = case.packet(f"datagram {seq} " * 20, version, inner_ecn)
            return pieces(case.seal(sa, seq, packet), size, 0x4000 + seq, mark)

        def add(fragments):
            for fragment in fragments:
                case.add(fragment)

        add(datagram(1000))  # one piece is no fragment
        add(datagram(160))
        add(reversed(datagram(64)))
        first, second = datagram(80), datagram(120)
        add(f for pair in zip(first, second) for f in pair)
        add(first[len(second) :])
        add(datagram(40))  # 8 pieces, the most there may be
        case.wait()
        add(datagram(24))  # too many
        case.wait()
        twice = datagram(128)
        add([twice[0], twice[0], *twice[1:]])
        case.wait()
        apart = datagram(160)
        add(apart[:1])
        case.wait(31)
        add(apart[1:])
        case.wait(31)
        add(datagram(160)[:1])  # never completed
        forged = datagram(160)
        add([forged[0], forged[1][:-1] + bytes([forged[1][-1] ^ 1]), *forged[2:]])
        add(datagram(160, (1, CE), ECT0))
        add(datagram(160, (0, CE), NOT_ECT))
        case.wait()
    case.save()


def links():
    """Frames and headers around ESP, and frames that are no business of ours."""
    case = Case("unprotect-frames")
    seq = 0

    def sealed(version=4):
        nonlocal seq
        seq += 1
        return case.seal("tunnel", seq, case.packet(f"packet {seq}", version))

    case.add(sealed(), padding=b"\xdd" * 9)
    case.add(sealed(6), padding=b"\xdd" * 200)
    case.add(sealed(), tags=VLAN)
    case.add(sealed(6), tags=SERVICE_VLAN + VLAN)
    case.add(sealed(6), tags=VLAN, padding=b"\xdd" * 3)
    plain = sealed()
    case.add(ip.with_length(b"\x47" + plain[1:20] + bytes([1] * 7 + [0]) + plain[20:]))  # options
    plain = sealed()
    case.add(ip.with_length(plain[:1] + b"\x20" + plain[2:8] + b"\x01" + plain[9:]))  # TTL 1
    plain = sealed()
    case.add(ip.with_length(plain[:12] + bytes([203, 0, 113, 7]) + plain[16:]))  # other source
    case.add_frame(samples.ethernet(sealed()), lost=1)
    six = case.seal("host", 1, samples.udp_packet("2001:db8:f::1", "2001:db8:f::2", b"host"))
    case.add(six)
    six = case.seal("host", 2, samples.udp_packet("2001:db8:f::1", "2001:db8:f::2", b"options"))
    options = bytes([ip.ESP, 0, 1, 4, 0, 0, 0, 0])
    case.add(ip.with_payload(six[:40], 6, ip.DESTINATION, options + six[40:]))
    six = case.seal("host", 3, samples.udp_packet("2001:db8:f::1", "2001:db8:f::2", b"atomic"))
    atomic = bytes([ip.ESP, 0, 0, 0, 1, 2, 3, 4])
    case.add(ip.with_payload(six[:40], 6, ip.FRAGMENT, atomic + six[40:]))
    case.add(case.packet("in the clear"))
    case.add(case.packet("in the clear", 6))
    case.add(samples.udp_packet("203.0.113.7", "198.51.100.1", b"\0\0\0\0ike"))
    case.add_frame(make_plain.MACS + bytes.fromhex("0806 0001 0800 0604 0001") + bytes(38))
    case.add_frame(make_plain.MACS + b"\x08\x00")
    case.add_frame(b"\x02")
    case.add(sealed())
    case.save()


def policies():
    """RFC 4301 section 5.2: what came must have come the way its policy says."""
    case = Case("unprotect-policies")
    numbers = {}

    def through(packet, *sas):
        for sa in sas:
            numbers[sa] = numbers.get(sa, 0) + 1
            packet = case.seal(sa, numbers[sa], packet)
        case.add(packet, padding=b"\xdd" * 5)

    def udp(src="10.2.0.20", dst="10.1.0.10", payload=b"policy"):
        return samples.udp_packet(src, dst, payload)

    through(udp(), "site")
    through(udp(), "other")  # the wrong tunnel
    through(udp())  # in the clear
    through(udp("10.2.0.99"), "host", "site")
    through(udp("10.2.0.99"), "host")  # one layer instead of two
    through(udp("10.2.0.99"), "site")
    through(udp("10.2.0.99"), "host", "other")
    through(udp("10.2.0.99"), "site", "other")
    through(udp("172.16.0.1"), "site")  # no policy
    through(udp("172.16.0.1"))
    through(udp("10.9.0.1"))  # bypass
    through(udp("10.9.0.1"), "site")  # bypass, but protected
    through(udp("10.8.0.1"))  # discard
    through(udp("10.8.0.1"), "site")
    through(udp(), "nobody")  # association that no policy names
    through(udp("2001:db8:2::20", "2001:db8:1::10"), "six")
    through(udp("2001:db8:2::20", "2001:db8:1::10"), "site")
    through(udp("2001:db8:2::20", "2001:db8:1::10"))
    unknown = case.seal("site", 99, udp())
    case.add(unknown[:20] + b"\x77" + unknown[21:])
    through(ip.as_fragment(udp(payload=bytes(64)), 0, True), "site")
    through(ip.as_fragment(udp(payload=bytes(64)), 64, False), "site")
    through(ip.as_fragment(udp("10.7.0.1", payload=bytes(64)), 0, True), "site")
    case.save()


if __name__ == "__main__":
    for make in (replay, forged, forged_ah, contents, ecn, fragments, links, policies):
        make()
