# SPDX-License-Identifier: BSD-3-Clause
"""Does this AH packet follow RFC 4302 to the byte?

AH written again from the RFC; the MACs are those of esp_algorithms.py.  It shares no code with the
program that it judges.  Sequence numbers are always the full 64 bits.

    protected = put_on(packet, ah, seq)      # transport mode: behind the headers that routers read
    protected = put_on(packet, ah, seq, tunnel=True)
    packet = take_off(protected, ah, seq)    # raises Refused

Over an ESP packet put_on() makes the bundle of the contract: IP, AH, ESP.
"""

import hmac
import ipaddress
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import aead

import ip
from esp_algorithms import MACS, Refused

AH = 51
_FIXED_BYTES = 12
_V4_UNCHANGED_OPTIONS = {0, 1, 130, 133, 134, 148, 149}  # RFC 4302 appendix A1
_V6_MAY_CHANGE = 0x20  # of an option's type


@dataclass(frozen=True)
class Ah:
    """One AH security association; keys as in the documents (AES-GMAC: key followed by salt)."""

    src: str
    dst: str
    spi: int
    integrity: str
    integrity_key: bytes
    esn: bool = False

    @property
    def iv_bytes(self):
        return 8 if self.integrity.startswith("aes-gmac") else 0

    @property
    def icv_bytes(self):
        return 16 if self.iv_bytes else MACS[self.integrity][1]


def header_bytes(ah, version):
    """Of the whole header: a multiple of 4 over IPv4, of 8 over IPv6."""
    length = _FIXED_BYTES + ah.iv_bytes + ah.icv_bytes
    return length if version == 4 else -(-length // 8) * 8


# --- what does not count ----------------------------------------------------------------------


def _mask_v4(header):
    masked = bytearray(header)
    masked[1] = masked[8] = 0  # DSCP and ECN, TTL
    masked[6:8] = masked[10:12] = bytes(2)  # flags and fragment offset, checksum
    at = 20
    while at < len(header) and header[at] != 0:
        length = 1 if header[at] == 1 else header[at + 1]
        if header[at] not in _V4_UNCHANGED_OPTIONS:
            masked[at:at + length] = bytes(length)
        at += length
    return bytes(masked)


def _mask_v6_options(extension):
    masked, at = bytearray(extension), 2
    while at < len(extension):
        if extension[at] == 0:
            at += 1
            continue
        length = extension[at + 1]
        if extension[at] & _V6_MAY_CHANGE:
            masked[at + 2:at + 2 + length] = bytes(length)
        at += 2 + length
    return bytes(masked)


def _mask_v6(headers):
    masked = b"\x60" + bytes(3) + headers[4:7] + b"\0" + headers[8:40]
    kind, at = headers[6], 40
    while at < len(headers):
        length = 8 * (headers[at + 1] + 1)
        extension = headers[at:at + length]
        if kind == ip.ROUTING and extension[3] != 0:
            raise ValueError("source routes on their way are not for this oracle")
        masked += extension if kind == ip.ROUTING else _mask_v6_options(extension)
        kind, at = extension[0], at + length
    return masked


def masked_headers(headers):
    """The IP headers in front of AH as they count."""
    return _mask_v4(headers) if headers[0] >> 4 == 4 else _mask_v6(headers)


def _icv(ah, seq, headers, fixed, iv, padding, payload):
    covered = masked_headers(headers) + fixed + iv + bytes(ah.icv_bytes) + padding + payload
    if ah.esn:
        covered += struct.pack("!I", seq >> 32)
    if iv:
        key, salt = ah.integrity_key[:-4], ah.integrity_key[-4:]
        return aead.AESGCM(key).encrypt(salt + iv, b"", covered)
    return MACS[ah.integrity][0](ah.integrity_key, covered)[:ah.icv_bytes]


# --- on and off -------------------------------------------------------------------------------


def _outer_header(packet, ah):
    src, dst = (ipaddress.ip_address(a).packed for a in (ah.src, ah.dst))
    if len(src) == 4:
        return struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, 0, 0) + src + dst, 9
    return struct.pack("!IHBB", 6 << 28, 0, 0, 64) + src + dst, 6


def _split(packet, ah, tunnel):
    """(headers in front of AH, which of their bytes says what follows, next header, payload)"""
    if tunnel:
        next_header = ip.IPV4_INSIDE if packet[0] >> 4 == 4 else ip.IPV6_INSIDE
        front, protocol_at = _outer_header(packet, ah)
        return front, protocol_at, next_header, packet
    protocol_at, at = ip.transport_split(packet)
    return packet[:at], protocol_at, packet[protocol_at], packet[at:]


def put_on(packet, ah, seq, *, tunnel=False, room=False, iv=None):
    """The packet with AH; with `room` ICV and IV are zero, as the NIC of the contract gets them."""
    front, protocol_at, next_header, payload = _split(packet, ah, tunnel)
    length = header_bytes(ah, front[0] >> 4)
    fixed = struct.pack("!BBHII", next_header, length // 4 - 2, 0, ah.spi, seq & 0xFFFFFFFF)
    padding = bytes(length - _FIXED_BYTES - ah.iv_bytes - ah.icv_bytes)
    iv = bytes(ah.iv_bytes) if room else (iv or struct.pack("!Q", seq))[:ah.iv_bytes]
    front = ip.with_payload(front, protocol_at, AH, bytes(length) + payload)[:len(front)]
    icv = bytes(ah.icv_bytes) if room else _icv(ah, seq, front, fixed, iv, padding, payload)
    return front + fixed + iv + icv + padding + payload


def take_off(packet, ah, seq, *, tunnel=None):
    """The packet without AH, or the one inside the tunnel; raises Refused or ip.IpError.

    Where tunnel does not say which of them, IP inside is that of a tunnel.
    """
    header = ip.parse(packet)
    at = header.payload_at
    if header.protocol != AH or header.is_fragment:
        raise Refused("bad_protocol", f"protocol {header.protocol} instead of AH")
    next_header, words, reserved, spi, low = struct.unpack_from("!BBHII", packet, at)
    if (header.dst, spi) != (ah.dst, ah.spi):
        raise Refused("no_sa", f"destination {header.dst}, SPI {spi:#x}")
    if low != seq & 0xFFFFFFFF:
        raise Refused("bad_sequence", f"number {low}")
    length = (words + 2) * 4
    # Longer than need be is allowed: Linux pads over IPv4 to a multiple of 8.
    if length < _FIXED_BYTES + ah.iv_bytes + ah.icv_bytes or at + length > len(packet):
        raise Refused("bad_syntax", f"header of {length} bytes")
    fields = packet[at + _FIXED_BYTES:at + length]
    iv, icv = fields[:ah.iv_bytes], fields[ah.iv_bytes:ah.iv_bytes + ah.icv_bytes]
    padding, payload = fields[ah.iv_bytes + ah.icv_bytes:], packet[at + length:]
    right = _icv(ah, seq, packet[:at], packet[at:at + _FIXED_BYTES], iv, padding, payload)
    if not hmac.compare_digest(icv, right):
        raise Refused("bad_icv", "ICV is wrong")
    if reserved:
        raise Refused("bad_reserved", f"reserved field is {reserved}")
    has_ip = next_header in (ip.IPV4_INSIDE, ip.IPV6_INSIDE)
    if tunnel and not has_ip:
        raise Refused("bad_inner", f"next header {next_header} in a tunnel")
    if has_ip and tunnel is not False:
        return payload
    return ip.with_payload(packet[:at], header.protocol_at, next_header, payload)
