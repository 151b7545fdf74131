# SPDX-License-Identifier: BSD-3-Clause
"""Frames of all kinds that carry a mark, and whether a frame shows any of it.

The mark fills whatever a packet carries, over and over: wherever eight bytes of a payload can be
read, they are seen.  A packet that carries nothing is known by its addresses.
"""

import ipaddress
import struct

import ip

MARK_BYTES = 8
MACS = bytes.fromhex("020000000002 020000000001")
BROADCAST = bytes.fromhex("ffffffffffff 020000000001")
ICMP, TCP, ICMPV6, UNASSIGNED = 1, 6, 58, 253
_DF, _MORE = 0x4000, 0x2000
_MSS_1460 = bytes.fromhex("020405b4")


class Flow:
    """What one host sends to another, IPv4 and IPv6."""

    def __init__(self, mark, ends4, ends6):
        assert len(mark) == MARK_BYTES
        self.mark = mark
        self._ends = {version: tuple(ipaddress.ip_address(end).packed for end in ends)
                      for version, ends in ((4, ends4), (6, ends6))}

    def is_in(self, frame):
        """Can any of it be read in the frame?"""
        return self.mark in frame or any(b"".join(ends) in frame for ends in self._ends.values())

    def text(self, length):
        return (self.mark * (length // MARK_BYTES + 1))[:length]

    def packet(self, version, protocol, payload, flags=0, options=b""):
        src, dst = self._ends[version]
        if version == 6:
            header = struct.pack("!IHBB", 6 << 28, 0, protocol, 60) + src + dst
            return ip.with_length(header + options + payload)
        words = 5 + len(options) // 4
        header = struct.pack("!BBHHHBBH", 0x40 | words, 0, 0, 7, flags, 60, protocol, 0)
        return ip.with_length(header + src + dst + options + payload)

    def _with_checksum(self, version, protocol, payload, at):
        pseudo = b"".join(self._ends[version]) + struct.pack("!II", len(payload), protocol)
        value = ip.checksum((b"" if protocol == ICMP else pseudo) + payload) or 0xFFFF
        return payload[:at] + struct.pack("!H", value) + payload[at + 2:]

    def udp(self, version, length, sport=5001, dport=5002, flags=0):
        payload = struct.pack("!HHHH", sport, dport, 8 + length, 0) + self.text(length)
        return self.packet(version, ip.UDP, self._with_checksum(version, ip.UDP, payload, 6), flags)

    def tcp(self, version, length, flags=0x10, options=b""):
        header = struct.pack("!HHIIBBHHH", 5001, 5002, 1, 0, 5 + len(options) // 4 << 4, flags,
                             1 << 14, 0, 0)
        payload = header + options + self.text(length)
        return self.packet(version, TCP, self._with_checksum(version, TCP, payload, 16), _DF)

    def echo(self, version, length):
        protocol, kind = (ICMP, 8) if version == 4 else (ICMPV6, 128)
        payload = struct.pack("!BBHHH", kind, 0, 0, 1, 1) + self.text(length)
        return self.packet(version, protocol, self._with_checksum(version, protocol, payload, 2))

    def plain(self, version):
        """Packets as hosts send them, that fit."""
        return [self.udp(version, 0), self.udp(version, 9), self.udp(version, 1300),
                self.udp(version, 700, sport=500, dport=4711),  # not IKE: one port only
                self.tcp(version, 0, 0x02, _MSS_1460), self.tcp(version, 1300),
                self.echo(version, 56), self.packet(version, ip.ESP, self.text(64)),
                self.packet(version, UNASSIGNED, self.text(100)),
                self.packet(version, ip.NO_NEXT, self.text(40))]

    def sized(self, version):
        """Those that are too big once protected, or before; with and without DF."""
        return [self.udp(version, length, flags=flags) for length in (1430, 1472, 4000, 8900)
                for flags in ((0, _DF) if version == 4 else (0,))]

    def fragments(self, version):
        whole = self.udp(version, 1200)
        split = ip.transport_split(whole)[1]
        header, body = whole[:split], whole[split:]
        cuts = ((0, 400, True), (400, 400, True), (800, 408, False),  # as they should be
                (0, 8, True), (392, 16, True), (65520, 8, False))  # tiny, overlapping, last of all
        return [ip.as_fragment(ip.with_length(header + (body[at:at + n] or self.text(n))), at, more)
                for at, n, more in cuts]

    def optional(self, version):
        """IPv4 options, and extension headers."""
        pad = bytes.fromhex("010400000000")
        if version == 4:
            return [self.packet(4, ip.UDP, self.text(80), options=options)
                    for options in (b"\x01\x01\x01\0", b"\x83\x07\x04\x0a\x02\0\x09\0", b"\x44\0\0\0")]
        return [self.packet(6, kind, self.text(80), options=bytes([ip.UDP, 0]) + pad)
                for kind in (ip.HOP_BY_HOP, ip.DESTINATION, ip.ROUTING)]

    def malformed(self, version):
        """IP by its EtherType, and wrong in a header."""
        good = self.udp(version, 100)
        at = 2 if version == 4 else 4
        lengths = [good[:at] + struct.pack("!H", n) + good[at + 2:] for n in (0, 19, 60, 2000, 65535)]
        cut = [good[:n] for n in (1, 19, 20, 30, 39, 41, 47)]
        first = [bytes([byte]) + good[1:] for byte in (0x00, 0x41, 0x4F, 0x54, 0x6F)]
        if version == 6:
            chain = self.packet(6, ip.HOP_BY_HOP, self.text(40), options=bytes([ip.UDP, 255]) + bytes(6))
            return [*lengths, *cut, *first, chain]
        return [*lengths, *cut, *first, good[:10] + b"\xde\xad" + good[12:]]

    def hidden(self, version):
        """Frames in which IP stands where it is not looked for."""
        packet, kind = self.udp(version, 200), struct.pack("!H", {4: 0x0800, 6: 0x86DD}[version])
        snap = bytes.fromhex("aaaa03000000") + kind + packet
        tag, label = bytes.fromhex("81000005"), bytes.fromhex("00010140")
        ppp = struct.pack("!BBHHH", 0x11, 0, 1, len(packet) + 2, {4: 0x21, 6: 0x57}[version])
        return [MACS + struct.pack("!H", len(snap)) + snap, MACS + tag * 5 + kind + packet,
                MACS + b"\x88\x47" + label + packet, MACS + b"\x88\x64" + ppp + packet,
                MACS + b"\x91\0\0\5" + kind + packet]

    def frames(self):
        """One of each kind, on a plain link and behind tags."""
        out = []
        for version in (4, 6):
            kind = struct.pack("!H", {4: 0x0800, 6: 0x86DD}[version])
            ordinary = [*self.plain(version), *self.sized(version), *self.fragments(version),
                        *self.optional(version), *self.malformed(version)]
            out += [MACS + kind + packet for packet in ordinary]
            for tags in (bytes.fromhex("81000005"), bytes.fromhex("88a80007 81000005")):
                out += [MACS + tags + kind + packet for packet in self.plain(version)[:6]]
            out += [BROADCAST + kind + self.udp(version, 50),
                    MACS + kind + self.udp(version, 1) + bytes(18), *self.hidden(version)]
        return out
