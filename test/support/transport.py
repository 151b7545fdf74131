# SPDX-License-Identifier: BSD-3-Clause
"""What the contract leaves to a TCP/IP transport: framing, sending, receiving, stripping.

    framed = frame(packet, sa, seq)
    host.send(MACS + IPV4 + framed.packet, slot1=handle, slot12=framed.header_word)
    packet = strip(indication)

The NIC writes IVs and ICVs; their rooms are zero when a packet leaves the transport.
"""

import struct
from dataclasses import dataclass

import ip
from ipsec_oracle import algorithm, seal_esp
from oob_host import HEADER_INFO_SET, header_word


class _Rooms:
    """Puts rooms where an algorithm puts its work."""

    def __init__(self, crypto):
        self.iv_bytes, self.block = crypto.iv_bytes, crypto.block
        self._icv_bytes = crypto.icv_bytes

    def seal(self, _spi, _seq, _iv, plaintext):
        return bytes(self.iv_bytes) + plaintext + bytes(self._icv_bytes)


@dataclass(frozen=True)
class Framed:
    packet: bytes
    esp_at: int
    next_header: int
    pad_length: int

    @property
    def header_word(self):
        """Slot 12."""
        return header_word(self.next_header, self.pad_length, esp_offset=self.esp_at)


def frame(packet, sa, seq, **options):
    """A packet that is complete but for what the NIC writes (contract section 6.1)."""
    crypto = algorithm(sa)
    framed = seal_esp(packet, sa, seq, crypto=_Rooms(crypto), **options)
    pad_length, next_header = framed[-crypto.icv_bytes - 2], framed[-crypto.icv_bytes - 1]
    return Framed(framed, ip.parse(framed).payload_at, next_header, pad_length)


def strip(indication, sa, l2_bytes=14):
    """The packet that one good layer carried: headers off, as NextHeader and PadLength say."""
    if not indication.slots.slot12 & HEADER_INFO_SET:
        raise ValueError("the NIC says nothing of the trailer")
    next_header, pad_length = indication.slots.slot12 & 0xFF, indication.slots.slot12 >> 8 & 0xFF
    packet = indication.frame[l2_bytes:]
    packet = packet[:ip.total_length(packet)]
    crypto, header = algorithm(sa), ip.parse(packet)
    payload = packet[header.payload_at + 8 + crypto.iv_bytes:-crypto.icv_bytes - 2 - pad_length]
    if next_header in (ip.IPV4_INSIDE, ip.IPV6_INSIDE):
        return payload
    return ip.with_payload(packet[:header.payload_at], header.protocol_at, next_header, payload)


def number(packet, esp_at):
    """The low half of the sequence number."""
    return struct.unpack_from("!I", packet, esp_at + 4)[0]
