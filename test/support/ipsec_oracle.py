# SPDX-License-Identifier: BSD-3-Clause
"""What is inside this ESP packet, and does it follow the RFCs to the byte?

ESP written again from RFC 4303; its algorithms are those of esp_algorithms.py, with the names of the
SA documents.  It shares no code with the program that it judges.  Sequence numbers are always the
full 64 bits: inferring the high half is the caller's affair.
"""

import os
import struct
from dataclasses import dataclass

import ip
from esp_algorithms import Refused, algorithm


@dataclass(frozen=True)
class OuterRules:
    """What the outer header of a tunnel takes from the inner one ("copy"), as in the documents."""

    dscp: object = "copy"
    df: str = "copy"
    ttl: int = 64
    flow_label: object = "copy"

    def of(self, inner):
        """(DSCP, DF, flow label) of the outer header of a packet."""
        copied_df = inner.df or inner.version == 6
        return (
            inner.dscp if self.dscp == "copy" else self.dscp,
            copied_df if self.df == "copy" else self.df == "set",
            inner.flow_label if self.flow_label == "copy" else self.flow_label,
        )


@dataclass(frozen=True)
class Sa:
    """One ESP security association; keys as in the documents (key followed by salt)."""

    mode: str
    src: str
    dst: str
    spi: int
    encryption: str
    encryption_key: bytes = b""
    integrity: str = "none"
    integrity_key: bytes = b""
    icv_bytes: int = 16  # of AEAD; an HMAC has one length only
    esn: bool = False
    outer: OuterRules = OuterRules()
    udp: tuple = None  # (source port, destination port) of ESP in UDP
    pad_to: object = 0  # a number of bytes or "mtu", as in the documents


@dataclass(frozen=True)
class Opened:
    packet: bytes  # what goes on, before the ECN rule
    header: ip.Header  # of the protected packet
    esp_at: int
    iv: bytes
    next_header: int
    pad_length: int
    tfc_bytes: int
    minimal_pad_length: int


def _pad_length(sa, payload_length):
    """The least padding that ends the trailer where RFC 4303 section 2.4 wants it."""
    alignment = max(4, algorithm(sa).block)
    return -(payload_length + 2) % alignment


# --- Opening --------------------------------------------------------------------------------


def without_udp(packet, sa):
    """The packet as it would be without its UDP header (RFC 3948); raises Refused.

    A source port may be another than the SA's: a NAT made it.
    """
    if not sa.udp:
        return packet
    header = ip.parse(packet)
    datagram = packet[header.payload_at :]
    if header.protocol != ip.UDP or header.is_fragment or len(datagram) < 8:
        raise Refused("bad_protocol", f"protocol {header.protocol} instead of UDP")
    _, dport, length, checksum = struct.unpack_from("!4H", datagram)
    if dport != sa.udp[1]:
        raise Refused("wrong_udp", f"to port {dport}")
    if length != len(datagram):
        raise Refused("bad_syntax", f"UDP length {length} over {len(datagram)} bytes")
    if checksum and ip.checksum(ip.pseudo_header(packet, ip.UDP, length) + datagram) != 0:
        raise Refused("bad_syntax", "UDP checksum is wrong")
    if len(datagram) < 12 or datagram[8:12] == bytes(4):
        raise Refused("no_esp", "IKE, a keep-alive or nothing at all")
    return ip.with_payload(packet[: header.payload_at], header.protocol_at, ip.ESP, datagram[8:])


def sequence_low(packet):
    """(SPI, low half of the sequence number) of an ESP packet in the clear IP header's payload."""
    header = ip.parse(packet)
    if header.protocol != ip.ESP or header.is_fragment:
        raise Refused("bad_protocol", f"protocol {header.protocol} instead of ESP")
    if len(packet) - header.payload_at < 8:
        raise Refused("bad_syntax", "no room for SPI and sequence number")
    return struct.unpack_from("!II", packet, header.payload_at)


def open_esp(packet, sa, seq, *, keep_dummy=False):
    """Opens one whole ESP packet that carries the number seq; raises Refused or ip.IpError.

    With keep_dummy also one that says "no next header"; in tunnel mode its payload is the packet.
    """
    packet = without_udp(packet, sa)
    header = ip.parse(packet)
    spi, low = sequence_low(packet)
    if (header.dst, spi) != (sa.dst, sa.spi):
        raise Refused("no_sa", f"destination {header.dst}, SPI {spi:#x}")
    if low != seq & 0xFFFFFFFF:
        raise Refused("bad_sequence", f"number {low} on the wire, expected the low half of {seq}")

    crypto = algorithm(sa)
    body = packet[header.payload_at + 8 :]
    covered = len(body) - crypto.iv_bytes - crypto.icv_bytes
    if covered < 2 or covered % max(4, crypto.block):
        raise Refused("bad_syntax", f"{len(body)} bytes behind the sequence number")
    iv, plaintext = crypto.open(sa.spi, seq, body)

    pad_length, next_header = plaintext[-2], plaintext[-1]
    if pad_length > len(plaintext) - 2:
        raise Refused("bad_padding", f"pad length {pad_length} of {len(plaintext)} bytes")
    payload, padding = plaintext[: -2 - pad_length], plaintext[-2 - pad_length : -2]
    if padding != bytes(range(1, pad_length + 1)):
        raise Refused("bad_padding", f"padding is {padding.hex()}")
    is_dummy = next_header == ip.NO_NEXT
    if is_dummy and not keep_dummy:
        raise Refused("dummy", "next header 59")

    tfc_bytes = 0
    if is_dummy and sa.mode == "tunnel":
        inner = payload
    elif sa.mode == "tunnel":
        inner = _tunnel_inner(payload, next_header)
        tfc_bytes = len(payload) - len(inner)
    else:
        front, body = packet[: header.payload_at], _transport_inner(payload, next_header)
        inner = ip.with_payload(front, header.protocol_at, next_header, body)
        tfc_bytes = len(payload) - len(body)
    return Opened(
        packet=inner,
        header=header,
        esp_at=header.payload_at,
        iv=iv,
        next_header=next_header,
        pad_length=pad_length,
        tfc_bytes=tfc_bytes,
        minimal_pad_length=_pad_length(sa, len(payload)),
    )


def _tunnel_inner(payload, next_header):
    """The inner packet without the traffic-flow padding behind it (RFC 4303 section 2.7)."""
    versions = {ip.IPV4_INSIDE: 4, ip.IPV6_INSIDE: 6}
    if not payload or payload[0] >> 4 != versions.get(next_header):
        found = payload[:1].hex() or "nothing"
        raise Refused("bad_inner", f"next header {next_header} over {found}")
    try:
        length = ip.total_length(payload)
    except ip.IpError as error:
        raise Refused("bad_inner", str(error)) from None
    if length > len(payload):
        raise Refused("bad_inner", f"inner length {length}, payload {len(payload)}")
    return payload[:length]


def told_length(payload, protocol):
    """How long a payload says that it is; None where it does not, or cannot be."""
    at, more, least = {17: (4, 0, 8), 4: (2, 0, 20), 41: (4, 40, 40)}.get(protocol, (0, 0, 0))
    if not least or len(payload) < least:
        return None
    length = more + struct.unpack_from("!H", payload, at)[0]
    return length if 8 <= length <= len(payload) else None


def _transport_inner(payload, next_header):
    """In transport mode too, where the payload says its length and only zeros follow."""
    length = told_length(payload, next_header)
    return payload if length is None or any(payload[length:]) else payload[:length]


# --- Sealing --------------------------------------------------------------------------------


def seal_esp(packet, sa, seq, *, iv=None, tfc=b"", more_padding=0, ecn=None, split=None, crypto=None):
    """The packet protected by sa under the number seq, outer header by its rules.

    more_padding is in units of the alignment; ecn overrides the outer ECN field of a tunnel; split,
    as of ip.transport_split(), puts the ESP header of transport mode elsewhere; crypto seals in the
    place of the SA's algorithm.
    """
    if sa.mode == "tunnel":
        next_header = ip.IPV4_INSIDE if packet[0] >> 4 == 4 else ip.IPV6_INSIDE
        front, protocol_at = _outer_header(packet, sa, ecn)
        payload = packet + tfc
    else:
        protocol_at, esp_at = split or ip.transport_split(packet)
        next_header, front, payload = packet[protocol_at], packet[:esp_at], packet[esp_at:] + tfc

    crypto = crypto or algorithm(sa)
    pad_length = _pad_length(sa, len(payload)) + more_padding * max(4, crypto.block)
    plaintext = payload + bytes(range(1, pad_length + 1)) + bytes([pad_length, next_header])
    iv = os.urandom(crypto.iv_bytes) if iv is None else iv
    body = crypto.seal(sa.spi, seq, iv, plaintext)
    esp = struct.pack("!II", sa.spi, seq & 0xFFFFFFFF) + body
    return ip.with_payload(front, protocol_at, ip.ESP, esp)


def _outer_header(packet, sa, ecn):
    inner = ip.parse(packet)
    ecn = inner.ecn if ecn is None else ecn
    src, dst = (ip.ipaddress.ip_address(a).packed for a in (sa.src, sa.dst))
    dscp, df, flow_label = sa.outer.of(inner)
    ttl = sa.outer.ttl
    if len(src) == 4:
        header = struct.pack("!BBHHHBBH", 0x45, dscp << 2 | ecn, 0, 0, df << 14, ttl, 0, 0)
        return header + src + dst, 9
    first_word = 6 << 28 | dscp << 22 | ecn << 20 | flow_label
    return struct.pack("!IHBB", first_word, 0, 0, ttl) + src + dst, 6


# --- Judging a sender -----------------------------------------------------------------------


def _wanted_tfc_bytes(plain, sa):
    """RFC 4303 section 2.7, for a port without an MTU: "mtu" then means 1,500 bytes."""
    tunnel = sa.mode == "tunnel"
    protocol_at, split = (None, 0) if tunnel else ip.transport_split(plain)
    if not sa.pad_to:
        return 0
    if not tunnel and told_length(plain[split:], plain[protocol_at]) != len(plain) - split:
        return 0
    crypto = algorithm(sa)
    front = (20 if "." in sa.dst else 40) if tunnel else split
    align = max(4, crypto.block)
    room = (1500 if sa.pad_to == "mtu" else 65535) - front - 8 - crypto.iv_bytes - crypto.icv_bytes
    longest = split + room // align * align - 2
    if sa.pad_to == "mtu":
        return max(0, longest - len(plain))
    return max(0, min(-(-len(plain) // sa.pad_to) * sa.pad_to, longest) - len(plain))


def udp_faults(sealed, sa):
    """RFC 3948 section 2.1: its own ports; over IPv4 no checksum; over IPv6 RFC 8200 wants one."""
    if not sa.udp:
        return []
    header = ip.parse(sealed)
    sport, dport, _, checksum = struct.unpack_from("!4H", sealed, header.payload_at)
    faults = []
    if (sport, dport) != sa.udp:
        faults.append(f"UDP ports are {sport} and {dport}, expected {sa.udp}")
    if (checksum != 0) != (header.version == 6):
        faults.append(f"UDP checksum over IPv{header.version} is {checksum:#06x}")
    return faults


def _expect(faults, what, got, wanted):
    if got != wanted:
        faults.append(f"{what} is {got}, expected {wanted}")


def sender_faults(plain, sealed, opened, sa):
    """What a sender did that its document and the RFCs do not want, one line each."""
    faults = udp_faults(sealed, sa)
    sealed = without_udp(sealed, sa)
    _expect(faults, "pad length", opened.pad_length, opened.minimal_pad_length)
    _expect(faults, "length of TFC padding", opened.tfc_bytes, _wanted_tfc_bytes(plain, sa))
    if sa.mode == "tunnel":
        return faults + outer_faults(plain, sealed, sa, sa.outer)
    protocol_at, split = ip.transport_split(plain)
    front = ip.with_payload(plain[:split], protocol_at, ip.ESP, sealed[split:])[:split]
    _expect(faults, "offset of ESP", opened.esp_at, split)
    _expect(faults, "headers in front of ESP", sealed[: opened.esp_at].hex(), front.hex())
    return faults


def outer_faults(plain, sealed, ends, rules):
    """The same of the outer header of a tunnel between two ends."""
    faults = []
    inner, outer = ip.parse(plain), ip.parse(sealed)
    dscp, df, flow_label = rules.of(inner)
    for what, got, wanted in (
        ("source", outer.src, ends.src),
        ("destination", outer.dst, ends.dst),
        ("header's length", outer.payload_at, 20 if outer.version == 4 else 40),
        ("DSCP", outer.dscp, dscp),
        ("ECN", outer.ecn, inner.ecn),
        ("TTL", outer.ttl, rules.ttl),
    ):
        _expect(faults, f"outer {what}", got, wanted)
    if outer.version == 4:
        _expect(faults, "outer DF", outer.df, df)
        _expect(faults, "reserved flag", bool(sealed[6] & 0x80), False)
    else:
        _expect(faults, "outer flow label", outer.flow_label, flow_label)
    return faults
