# SPDX-License-Identifier: BSD-3-Clause
"""One association for every algorithm of this version, and small packets to send through it."""

import hashlib
import itertools
import struct

import ip
from ipsec_oracle import Sa
from sa_document import DocumentSa

# mode, IP version of the association's addresses, IP version of the packets inside
_SHAPES = (
    ("tunnel", 4, 4),
    ("transport", 6, 6),
    ("tunnel", 6, 4),
    ("transport", 4, 4),
    ("tunnel", 4, 6),
    ("tunnel", 6, 6),
)
_ENDS = {4: ("192.0.2.1", "198.51.100.2"), 6: ("2001:db8:1::1", "2001:db8:2::2")}
_HOSTS = {4: ("10.1.0.7", "10.2.0.9"), 6: ("2001:db8:a::7", "2001:db8:b::9")}
_HMAC_KEY_BYTES = {"hmac-sha1-96": 20, "hmac-sha2-256-128": 32, "hmac-sha2-512-256": 64}


def make_key(text, length):
    """Fixed bytes that differ for each text."""
    return hashlib.shake_128(text.encode()).digest(length)


def _algorithms():
    """What an Sa needs to be told of each algorithm of this version."""
    for bits, icv_bytes in itertools.product((128, 192, 256), (8, 12, 16)):
        yield {
            "encryption": f"aes-gcm-{bits}",
            "encryption_key": make_key(f"gcm {bits} {icv_bytes}", bits // 8 + 4),
            "icv_bytes": icv_bytes,
        }
    for cipher, integrity in itertools.product((128, 192, 256, 0), _HMAC_KEY_BYTES):
        yield {
            "encryption": f"aes-cbc-{cipher}" if cipher else "null",
            "encryption_key": make_key(f"cbc {cipher} {integrity}", cipher // 8),
            "integrity": integrity,
            "integrity_key": make_key(f"{integrity} {cipher}", _HMAC_KEY_BYTES[integrity]),
        }


def associations(sequence, replay_window):
    """(association, packet that it carries) for each algorithm; shapes and ESN take turns."""
    shapes = itertools.cycle(_SHAPES)
    for index, algorithm in enumerate(_algorithms()):
        mode, outer_version, inner_version = next(shapes)
        src, dst = _ENDS[outer_version]
        sa = Sa(mode, src, dst, spi=0x0A5C3000 + index, esn=index // 2 % 2 == 1, **algorithm)
        name = algorithm["encryption"]
        name += f"-icv{sa.icv_bytes}" if sa.integrity == "none" else f"+{sa.integrity}"
        ends = _ENDS[outer_version] if mode == "transport" else _HOSTS[inner_version]
        packet = udp_packet(*ends, payload=name.encode())
        yield DocumentSa(name, sa, sequence, replay_window), packet


def udp_packet(src, dst, payload=b"", ecn=ip.NOT_ECT):
    """A datagram with a right checksum from port 5001 to 5002."""
    src, dst = (ip.ipaddress.ip_address(address).packed for address in (src, dst))
    udp = struct.pack("!HHHH", 5001, 5002, 8 + len(payload), 0) + payload
    pseudo = src + dst + struct.pack("!II", len(udp), ip.UDP)
    udp = udp[:6] + struct.pack("!H", ip.checksum(pseudo + udp) or 0xFFFF) + udp[8:]
    if len(src) == 4:
        header = struct.pack("!BBHHHBBH", 0x45, ecn, 0, 0x1234, 0, 60, ip.UDP, 0) + src + dst
    else:
        header = struct.pack("!IHBB", 6 << 28 | ecn << 20, 0, ip.UDP, 60) + src + dst
    return ip.with_length(header + udp)


def ethernet(packet, tags=b""):
    """A frame with fixed MAC addresses; tags stand between them and the EtherType."""
    macs = bytes.fromhex("020000000002 020000000001")
    return macs + tags + struct.pack("!H", {4: 0x0800, 6: 0x86DD}[packet[0] >> 4]) + packet
