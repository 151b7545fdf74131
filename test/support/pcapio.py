# SPDX-License-Identifier: BSD-3-Clause
"""What is in this capture file?  Classic pcap, micro- and nanoseconds, both byte orders.

Times are integers in nanoseconds.  Also: where the link header of an Ethernet frame ends.
"""

import struct
from dataclasses import dataclass, field

ETHERNET = 1
RAW_IP = 101
SNAP_LENGTH = 262144

_MAGIC_MICRO = 0xA1B2C3D4
_MAGIC_NANO = 0xA1B23C4D
_VLAN_TYPES = (0x8100, 0x88A8)
ETHERTYPE = {4: 0x0800, 6: 0x86DD}


class PcapError(ValueError):
    """The file is not a classic pcap, or ends in the middle of something."""


@dataclass(frozen=True)
class Record:
    """One packet of a capture; wire_length is larger than data where the capture cut it."""

    data: bytes
    time_ns: int = 0
    wire_length: int = -1


@dataclass
class Capture:
    link: int
    nano: bool = False
    big_endian: bool = False
    records: list = field(default_factory=list)

    @property
    def frames(self):
        return [record.data for record in self.records]


def read(path):
    with open(path, "rb") as file:
        return parse(file.read())


def parse(data):
    if len(data) < 24:
        raise PcapError(f"file header: {len(data)} bytes of 24")
    for order, magic in ((o, m) for o in "<>" for m in (_MAGIC_MICRO, _MAGIC_NANO)):
        if struct.unpack_from(order + "I", data)[0] == magic:
            break
    else:
        raise PcapError(f"no pcap magic: {data[:4].hex()}")
    capture = Capture(
        link=struct.unpack_from(order + "I", data, 20)[0],
        nano=magic == _MAGIC_NANO,
        big_endian=order == ">",
    )
    unit_ns = 1 if capture.nano else 1000
    at = 24
    while at < len(data):
        if len(data) - at < 16:
            raise PcapError(f"record header of packet {len(capture.records) + 1} is cut")
        seconds, fraction, length, wire_length = struct.unpack_from(order + "IIII", data, at)
        at += 16
        if length > len(data) - at:
            raise PcapError(f"packet {len(capture.records) + 1} is cut: {length} bytes announced")
        time_ns = seconds * 1_000_000_000 + fraction * unit_ns
        capture.records.append(Record(data[at : at + length], time_ns, wire_length))
        at += length
    return capture


def file_header(link, nano=False, big_endian=False):
    order = ">" if big_endian else "<"
    magic = _MAGIC_NANO if nano else _MAGIC_MICRO
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, SNAP_LENGTH, link)


def serialize(capture):
    order = ">" if capture.big_endian else "<"
    unit_ns = 1 if capture.nano else 1000
    parts = [file_header(capture.link, capture.nano, capture.big_endian)]
    for record in capture.records:
        seconds, rest_ns = divmod(record.time_ns, 1_000_000_000)
        wire_length = len(record.data) if record.wire_length < 0 else record.wire_length
        parts.append(
            struct.pack(order + "IIII", seconds, rest_ns // unit_ns, len(record.data), wire_length)
        )
        parts.append(record.data)
    return b"".join(parts)


def write(path, capture):
    with open(path, "wb") as file:
        file.write(serialize(capture))


def of_frames(frames, link, start_ns=1_700_000_000_000_000_000):
    """A capture of these frames, one microsecond apart."""
    return Capture(link, records=[Record(f, start_ns + 1000 * i) for i, f in enumerate(frames)])


def link_header_length(frame):
    """Bytes of MAC addresses, VLAN tags and EtherType."""
    at = 12
    while len(frame) >= at + 6 and struct.unpack_from("!H", frame, at)[0] in _VLAN_TYPES:
        at += 4
    return at + 2


def network_packet(frame, link):
    """What follows the link header, Ethernet padding included."""
    return frame[link_header_length(frame) :] if link == ETHERNET else frame


def reframe(frame, link, packet):
    """The frame's MAC addresses and VLAN tags in front of another IP packet."""
    if link != ETHERNET:
        return packet
    header = frame[: link_header_length(frame) - 2]
    return header + struct.pack("!H", ETHERTYPE[packet[0] >> 4]) + packet
