#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Prints lib/host/too_big_expected.h: what scapy says that the answers to packets that are too big
look like.  Run it after a change of the cases; the tests need no scapy."""

from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

HOST = "26:27:28:29:2a:2b"
PEER = "20:21:22:23:24:25"


def payload(length, echo):
    """The payload of test_packet_start(), seed 0, made an echo request."""
    data = bytearray((i * 31 + (i >> 8) * 7) & 0xFF for i in range(length))
    data[0:2] = (echo, 0)
    return bytes(data)


def link(dst, src, tags):
    frame = Ether(dst=dst, src=src)
    for tag in range(tags, 0, -1):
        frame /= Dot1Q(prio=3, vlan=tag)
    return frame


def echo4(length):
    return bytes(IP(id=0, flags="DF", src="192.0.2.1", dst="192.0.2.9", proto=1)
                 / Raw(payload(length - 20, 8)))


def echo6(length):
    return bytes(IPv6(src="2001:db8::1", dst="2001:db8::9", nh=58, hlim=64)
                 / Raw(payload(length - 40, 128)))


def answer(length, version, mtu, tags):
    if version == 4:
        message = (IP(tos=0xC0, id=0, flags="DF", ttl=64, src="192.0.2.9", dst="192.0.2.1")
                   / ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(echo4(length)[:576 - 28]))
    else:
        message = (IPv6(tc=0xC0, hlim=255, src="2001:db8::9", dst="2001:db8::1")
                   / ICMPv6PacketTooBig(mtu=mtu) / Raw(echo6(length)[:1280 - 48]))
    return bytes(link(HOST, PEER, tags) / message)


def cases():
    for length in (1447, 1448, 1449, 1450, 1463, 1472, 1499, 1500):  # pings of 1419 to 1472 bytes
        yield length, 4, 1446, 0
        yield length, 6, 1446, 0
    yield 1500, 4, 1446, 1
    yield 1500, 6, 1446, 1
    yield 9000, 4, 1500, 0
    yield 9000, 6, 1500, 0


def main():
    print("// SPDX-License-Identifier: BSD-3-Clause")
    print("#pragma once\n")
    print("// Made by test/support/too_big.py: answers to echo requests with DF, as scapy makes them.")
    print("\n#include <stdint.h>\n\n// clang-format off")
    print("static const struct {")
    print("\tuint16_t length; // of the IP packet that was too big")
    print("\tuint8_t version;")
    print("\tuint16_t mtu;")
    print("\tuint8_t tags;")
    print("\tuint16_t answer_length; // of the frame")
    print("\tuint8_t headers; // bytes of it in front of what is quoted")
    print("\tuint8_t bytes[66];")
    print("} too_big_expected[] = {")
    for length, version, mtu, tags in cases():
        frame = answer(length, version, mtu, tags)
        headers = 14 + 4 * tags + (28 if version == 4 else 48)
        print(f"\t{{{length}, {version}, {mtu}, {tags}, {len(frame)}, {headers}, {{", end="")
        for i, byte in enumerate(frame[:headers]):
            print("\n\t\t" if i % 14 == 0 else " ", f"0x{byte:02x},", sep="", end="")
        print("\n\t}},")
    print("};\n// clang-format on")


if __name__ == "__main__":
    main()
