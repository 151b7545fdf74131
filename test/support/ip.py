# SPDX-License-Identifier: BSD-3-Clause
"""Is this IP packet well formed, and where does its payload begin?  IPv4 and IPv6, bytes only."""

import ipaddress
import struct
from dataclasses import dataclass

HOP_BY_HOP, UDP, ROUTING, FRAGMENT, ESP, NO_NEXT, DESTINATION = 0, 17, 43, 44, 50, 59, 60
IPV4_INSIDE, IPV6_INSIDE = 4, 41
NOT_ECT, ECT1, ECT0, CE = 0, 1, 2, 3

_EXTENSIONS = (HOP_BY_HOP, ROUTING, DESTINATION)


class IpError(ValueError):
    """Not a well-formed IP packet."""


@dataclass(frozen=True)
class Header:
    version: int
    src: str
    dst: str
    dscp: int
    ecn: int
    ttl: int
    df: bool
    flow_label: int
    is_fragment: bool
    protocol: int  # of the payload, behind the extension headers
    protocol_at: int  # the byte that says so
    payload_at: int


def checksum(data):
    """RFC 1071.  Over a header that holds a right checksum the result is 0."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def with_checksum(header):
    """An IPv4 header with its checksum made new."""
    zeroed = header[:10] + b"\0\0" + header[12:]
    return zeroed[:10] + struct.pack("!H", checksum(zeroed)) + zeroed[12:]


def pseudo_header(packet, protocol, length):
    """What a checksum of an upper layer covers of the header (RFC 768, RFC 8200 section 8.1)."""
    addresses = packet[12:20] if packet[0] >> 4 == 4 else packet[8:40]
    return addresses + struct.pack("!II", length, protocol)


def total_length(packet):
    """What the header says, without looking at how many bytes there are."""
    if len(packet) >= 20 and packet[0] >> 4 == 4:
        return struct.unpack_from("!H", packet, 2)[0]
    if len(packet) >= 40 and packet[0] >> 4 == 6:
        return 40 + struct.unpack_from("!H", packet, 4)[0]
    raise IpError("no room for an IP header, or neither version 4 nor 6")


def parse(packet):
    """Header of a packet without a byte too many or too few; raises IpError."""
    if total_length(packet) != len(packet):
        raise IpError(f"length field says {total_length(packet)}, the packet has {len(packet)}")
    return _parse_v4(packet) if packet[0] >> 4 == 4 else _parse_v6(packet)


def _parse_v4(packet):
    header_length = (packet[0] & 15) * 4
    if not 20 <= header_length <= len(packet):
        raise IpError(f"header length {header_length}")
    if checksum(packet[:header_length]) != 0:
        raise IpError("header checksum is wrong")
    flags_offset = struct.unpack_from("!H", packet, 6)[0]
    return Header(
        version=4,
        src=str(ipaddress.ip_address(packet[12:16])),
        dst=str(ipaddress.ip_address(packet[16:20])),
        dscp=packet[1] >> 2,
        ecn=packet[1] & 3,
        ttl=packet[8],
        df=bool(flags_offset & 0x4000),
        flow_label=0,
        is_fragment=bool(flags_offset & 0x3FFF),
        protocol=packet[9],
        protocol_at=9,
        payload_at=header_length,
    )


def _parse_v6(packet):
    protocol_at, payload_at = 6, 40
    while packet[protocol_at] in _EXTENSIONS or _is_atomic(packet, protocol_at, payload_at):
        protocol_at, payload_at = _next_extension(packet, payload_at)
    first_word = struct.unpack_from("!I", packet)[0]
    return Header(
        version=6,
        src=str(ipaddress.ip_address(packet[8:24])),
        dst=str(ipaddress.ip_address(packet[24:40])),
        dscp=first_word >> 22 & 0x3F,
        ecn=first_word >> 20 & 3,
        ttl=packet[7],
        df=False,
        flow_label=first_word & 0xFFFFF,
        is_fragment=packet[protocol_at] == FRAGMENT,
        protocol=packet[protocol_at],
        protocol_at=protocol_at,
        payload_at=payload_at,
    )


def _next_extension(packet, at):
    """Of the extension header at `at`: where its next-header byte is, and where it ends."""
    if at + 2 > len(packet) or at + 8 * (packet[at + 1] + 1) > len(packet):
        raise IpError("extension header runs past the end")
    return at, at + 8 * (packet[at + 1] + 1)


def _is_atomic(packet, protocol_at, at):
    """A fragment header on a packet that is whole (RFC 6946)."""
    return packet[protocol_at] == FRAGMENT and packet[at + 1 : at + 4] == bytes(3)


def has_routing_header(packet):
    protocol_at, at = 6, 40
    while packet[0] >> 4 == 6 and packet[protocol_at] in _EXTENSIONS:
        if packet[protocol_at] == ROUTING:
            return True
        protocol_at, at = _next_extension(packet, at)
    return False


def transport_split(packet):
    """Where ESP goes in transport mode: (its next-header byte, its offset).

    Hop-by-hop options, routing headers, the fragment header of a packet that is whole, and what
    destination options stand before them stay in front; all other destination options are for the final node and go inside, where they are
    protected (RFC 4303 section 3.1.1 leaves the choice and recommends this).
    """
    if packet[0] >> 4 == 4:
        return 9, (packet[0] & 15) * 4
    protocol_at, at = split = 6, 40
    while packet[protocol_at] in _EXTENSIONS or _is_atomic(packet, protocol_at, at):
        is_option = packet[protocol_at] == DESTINATION
        protocol_at, at = _next_extension(packet, at)
        if not is_option:
            split = protocol_at, at
    return split


def with_payload(headers, protocol_at, protocol, payload):
    """These IP headers in front of another payload: protocol, length and checksum made right."""
    headers = bytearray(headers)
    headers[protocol_at] = protocol
    length = len(headers) + len(payload)
    if headers[0] >> 4 == 4:
        struct.pack_into("!H", headers, 2, length)
        return with_checksum(bytes(headers)) + payload
    struct.pack_into("!H", headers, 4, length - 40)
    return bytes(headers) + payload


def with_length(packet):
    """The packet with its length field set to the bytes there are."""
    if packet[0] >> 4 == 4:
        header_length = (packet[0] & 15) * 4
        return with_payload(packet[:header_length], 9, packet[9], packet[header_length:])
    return with_payload(packet[:40], 6, packet[6], packet[40:])


def with_ecn(packet, ecn):
    """The packet with other ECN bits; an IPv4 checksum follows the change (RFC 1624)."""
    if packet[0] >> 4 == 6:
        first_byte_pair = struct.unpack_from("!H", packet)[0] & 0xFFCF | ecn << 4
        return struct.pack("!H", first_byte_pair) + packet[2:]
    changed = bytes([packet[0], packet[1] & 0xFC | ecn])
    old_word, new_word = struct.unpack("!HH", packet[:2] + changed)
    total = (struct.unpack_from("!H", packet, 10)[0] ^ 0xFFFF) + (old_word ^ 0xFFFF) + new_word
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return changed + packet[2:10] + struct.pack("!H", total ^ 0xFFFF) + packet[12:]


def decapsulated_ecn(inner, outer):
    """RFC 6040 section 4.2: the ECN field of the packet that goes on; None where it is dropped."""
    if inner == NOT_ECT:
        return None if outer == CE else NOT_ECT
    if inner == CE or outer == CE:
        return CE
    return ECT1 if outer == ECT1 else inner


def as_fragment(packet, offset, more):
    """A fragment that claims this offset in bytes; cut to a multiple of 8 where more follow."""
    if more:
        rest = (len(packet) - transport_split(packet)[1]) % 8
        packet = with_length(packet[: len(packet) - rest])
    if packet[0] >> 4 == 4:
        header_length = (packet[0] & 15) * 4
        flags_offset = struct.pack("!H", offset // 8 | more << 13)
        header = with_checksum(packet[:6] + flags_offset + packet[8:header_length])
        return header + packet[header_length:]
    fragment_header = struct.pack("!BBHI", packet[6], 0, offset | more, 0x1234)
    return with_payload(packet[:40], 6, FRAGMENT, fragment_header + packet[40:])


def reassemble(fragments):
    """The datagram of fragments that touch without gap or overlap; raises IpError."""
    pieces = sorted((_fragment_parts(f) for f in fragments), key=lambda piece: piece[0])
    payload = b""
    for offset, more, _, data in pieces:
        if offset != len(payload):
            raise IpError(f"fragment at {offset}, {len(payload)} bytes before it")
        if more != (offset != pieces[-1][0]):
            raise IpError("more-fragments flag is wrong")
        payload += data
    headers = pieces[0][2]
    if headers[0] >> 4 == 4:
        headers = headers[:6] + struct.pack("!H", headers[6] << 8 & 0x4000) + headers[8:]
        return with_payload(headers, 9, headers[9], payload)
    return with_payload(headers, 6, headers[6], payload)


def _fragment_parts(packet):
    header = parse(packet)
    if header.version == 4:
        flags_offset = struct.unpack_from("!H", packet, 6)[0]
        offset, more = (flags_offset & 0x1FFF) * 8, bool(flags_offset & 0x2000)
        return offset, more, packet[: header.payload_at], packet[header.payload_at :]
    if header.protocol != FRAGMENT or header.protocol_at != 6:
        raise IpError("no fragment header right behind the IPv6 header")
    protocol, _, offset_more, _ = struct.unpack_from("!BBHI", packet, 40)
    unfragmentable = packet[:6] + bytes([protocol]) + packet[7:40]
    return offset_more & 0xFFF8, bool(offset_more & 1), unfragmentable, packet[48:]
