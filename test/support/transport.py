# SPDX-License-Identifier: BSD-3-Clause
"""What the contract leaves to a TCP/IP transport: framing, sending, receiving, stripping.

    framed = frame(packet, sa, seq)
    host.send(MACS + IPV4 + framed.packet, slot1=handle, slot12=framed.header_word)
    packet = strip(indication)

    framed = frame_large(packet, sa, seq)
    host.send(MACS + IPV4 + framed.packet, slot1=handle, slot12=framed.header_word,
              slot2=large_send_word(1400))

The NIC writes IVs and ICVs; their rooms are zero when a packet leaves the transport.
"""

import struct
from dataclasses import dataclass

import ah_oracle
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
    esp_at: int  # 0: there is none, as with ah_at
    next_header: int
    pad_length: int
    ah_at: int = 0

    @property
    def header_word(self):
        """Slot 12."""
        return header_word(self.next_header, self.pad_length, self.ah_at, self.esp_at)


def frame(packet, sa, seq, **options):
    """A packet that is complete but for what the NIC writes (contract section 6.1)."""
    crypto = algorithm(sa)
    framed = seal_esp(packet, sa, seq, crypto=_Rooms(crypto), **options)
    end = len(framed) - crypto.icv_bytes
    return Framed(framed, ip.parse(framed).payload_at, framed[end - 1], framed[end - 2])


def frame_ah(packet, ah, seq, *, tunnel=False):
    """The same for AH alone."""
    framed = ah_oracle.put_on(packet, ah, seq, tunnel=tunnel, room=True)
    return Framed(framed, 0, 0, 0, ip.parse(framed).payload_at)


def frame_bundle(packet, sa, ah, seq, **options):
    """The same for ESP, and AH around it."""
    inside = frame(packet, sa, seq, **options)
    framed = ah_oracle.put_on(inside.packet, ah, seq, room=True)
    at = ip.parse(framed).payload_at
    return Framed(framed, at + ah_oracle.header_bytes(ah, framed[0] >> 4), inside.next_header,
                  inside.pad_length, at)


def frame_large(packet, sa, seq, ah=None, padding=0, is_length_told=True):
    """A TCP packet of any length for the NIC to cut (section 6.4): without trailer and room for an
    ICV of ESP, but with so many bytes of padding that nobody is to see.  sa None: without ESP."""
    header = ip.parse(packet)
    front, tcp = packet[:header.payload_at], packet[header.payload_at:]
    framed, esp_at, ah_at = packet, 0, 0
    if sa is not None:
        esp = struct.pack("!II", sa.spi, seq) + bytes(algorithm(sa).iv_bytes)
        framed = ip.with_payload(front, header.protocol_at, ip.ESP, esp + tcp + b"\xbb" * padding)
        esp_at = header.payload_at
    if ah is not None:
        framed = ah_oracle.put_on(framed, ah, seq, room=True)
        ah_at = header.payload_at
        esp_at += ah_oracle.header_bytes(ah, header.version) if esp_at else 0
    if not is_length_told:
        at = 2 if header.version == 4 else 4
        framed = framed[:at] + b"\0\0" + framed[at + 2:]
    return Framed(framed, esp_at, header.protocol, padding, ah_at)


def strip(indication, sa, l2_bytes=14):
    """The packet that one good layer carried: headers off, as NextHeader and PadLength say."""
    if not indication.slots.slot12 & HEADER_INFO_SET:
        raise ValueError("the NIC says nothing of the trailer")
    next_header, pad_length = indication.slots.slot12 & 0xFF, indication.slots.slot12 >> 8 & 0xFF
    packet = indication.frame[l2_bytes:]
    packet = packet[:ip.total_length(packet)]
    crypto, header = algorithm(sa), ip.parse(packet)
    end = len(packet) - crypto.icv_bytes - 2 - pad_length
    payload = packet[header.payload_at + 8 + crypto.iv_bytes:end]
    if next_header in (ip.IPV4_INSIDE, ip.IPV6_INSIDE):
        return payload
    return ip.with_payload(packet[:header.payload_at], header.protocol_at, next_header, payload)


def number(packet, esp_at):
    """The low half of the sequence number."""
    return struct.unpack_from("!I", packet, esp_at + 4)[0]
