# SPDX-License-Identifier: BSD-3-Clause
"""TCP packets of any length, and the segments that they become (RFC 9293; for CWR RFC 3168)."""

import struct

import ip

FIN_PSH_ACK_CWR, FIN, PSH, CWR = 0x99, 0x01, 0x08, 0x80
_FIRST, _IDENT = 0xFFFFF000, 0x7FFE  # numbers that pass a limit soon


def payload(length):
    return bytes(i * 31 + (i >> 8) * 7 & 255 for i in range(length))


def tcp(src, dst, data=b"", flags=FIN_PSH_ACK_CWR, offset=0, ident=_IDENT):
    """A packet with options and a right checksum, whose data begin that far into the stream."""
    src, dst = (ip.ipaddress.ip_address(address).packed for address in (src, dst))
    header = struct.pack("!HHIIBBHHH", 1234, 80, _FIRST + offset & 0xFFFFFFFF, 77, 8 << 4, flags,
                         5000, 0, 0)
    body = header + b"\x01\x01\x08\x0a" + bytes(8) + data
    pseudo = src + dst + struct.pack("!II", len(body), 6)
    body = body[:16] + struct.pack("!H", ip.checksum(pseudo + body)) + body[18:]
    if len(src) == 4:
        front = struct.pack("!BBHHHBBH", 0x45, 0, 0, ident, 0, 64, 6, 0) + src + dst
    else:
        front = struct.pack("!IHBB", 6 << 28, 0, 6, 64) + src + dst
    return ip.with_length(front + body)


def segments(src, dst, data, mss, last_ident=0xFFFF):
    """What tcp() with these data becomes; identifications go on at 0 behind the last one."""
    for k, at in enumerate(range(0, len(data), mss)):
        flags = FIN_PSH_ACK_CWR
        if at > 0:
            flags &= ~CWR
        if at + mss < len(data):
            flags &= ~(FIN | PSH)
        yield tcp(src, dst, data[at:at + mss], flags, at, _IDENT + k & last_ident)
