#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What does plaintext look like that a gateway has to protect?

Writes input/*.pcap, the packets that the golden protect cases start from.  Every run writes the
same bytes; whoever changes a packet here regenerates the cases that use it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ip
import pcapio
from scapy.compat import raw
from scapy.layers.inet import (
    ICMP,
    IP,
    TCP,
    UDP,
    IPOption_LSRR,
    IPOption_NOP,
    IPOption_Router_Alert,
    IPOption_RR,
    fragment,
)
from scapy.layers.inet6 import (
    HBHOptUnknown,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
    RouterAlert,
)
from scapy.layers.l2 import ARP
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.packet import Raw

INPUT = Path(__file__).resolve().parent / "input"
SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND

A4, B4 = "10.1.0.10", "10.2.0.20"
A6, B6 = "2001:db8:1::10", "2001:db8:2::20"
MACS = bytes.fromhex("020000000002 020000000001")
NOT_ECT, ECT1, ECT0, CE = ip.NOT_ECT, ip.ECT1, ip.ECT0, ip.CE


def text(length):
    """Bytes to carry that are no padding, no zeros and easy to find."""
    return bytes(0x41 + i % 26 for i in range(length))


def v4(upper, **fields):
    return raw(IP(**{"src": A4, "dst": B4, "id": 0x1234, "ttl": 61, **fields}) / upper)


def v6(upper, **fields):
    return raw(IPv6(**{"src": A6, "dst": B6, "hlim": 61, **fields}) / upper)


def udp(length, sport=5001, dport=5002):
    return UDP(sport=sport, dport=dport) / Raw(text(length))


def tcp(flags, seq, ack, data=b"", **fields):
    return TCP(sport=40000, dport=443, flags=flags, seq=seq, ack=ack, window=64240, **fields) / data


# --- What IPv4 carries ----------------------------------------------------------------------


def ipv4_upper():
    """Every kind of payload, and every payload length that padding can depend on."""
    yield v4(tcp("S", 1000, 0, options=[("MSS", 1460), ("SAckOK", b""), ("WScale", 7)]))
    yield v4(tcp("PA", 1001, 5001, text(120)), flags="DF")
    yield v4(tcp("FA", 1121, 5001), flags="DF", id=0)
    for length in range(18):
        yield v4(udp(length), id=length)
    yield v4(udp(1372))
    yield v4(UDP(sport=5001, dport=5002, chksum=0) / text(20))
    yield v4(ICMP(type=8, id=7, seq=1) / text(56))
    yield v4(ICMP(type=3, code=4, nexthopmtu=1400) / v4(udp(0), src=B4, dst=A4))
    yield v4(SCTP(sport=36412, dport=36412) / SCTPChunkInit(init_tag=1, init_tsn=1))
    yield v4(Raw(text(33)), proto=47)
    yield v4(Raw(v4(udp(5), src="172.16.0.1")), proto=4)
    yield v4(b"", proto=253)


def ipv4_headers():
    """Every field of the IPv4 header that tunnel or transport mode treats in its own way."""
    for tos in (NOT_ECT, ECT1, ECT0, CE, 46 << 2, 10 << 2 | ECT0, 63 << 2 | CE):
        yield v4(udp(10), tos=tos)
    yield v4(udp(11), flags="DF")
    yield v4(udp(12), flags="evil")
    for ttl in (0, 1, 255):
        yield v4(udp(13), ttl=ttl)
    yield v4(udp(14), options=[IPOption_Router_Alert()])
    yield v4(udp(15), options=[IPOption_NOP(), IPOption_RR(routers=["0.0.0.0"] * 9)])
    yield v4(udp(16), options=[IPOption_LSRR(pointer=8, routers=["192.0.2.77"])])
    for piece in fragment(IP(v4(udp(72), id=0x77)), fragsize=32):
        yield raw(piece)


# --- What IPv6 carries ----------------------------------------------------------------------


def ipv6_upper():
    yield v6(tcp("S", 1000, 0, options=[("MSS", 1440), ("SAckOK", b"")]))
    yield v6(tcp("PA", 1001, 5001, text(120)))
    for length in range(18):
        yield v6(udp(length))
    yield v6(udp(1352))
    yield v6(ICMPv6EchoRequest(id=7, seq=1, data=text(56)))
    yield v6(ICMPv6EchoReply(id=7, seq=1, data=text(3)))
    yield v6(ICMPv6PacketTooBig(mtu=1280) / v6(udp(0), src=B6, dst=A6))
    yield v6(SCTP(sport=36412, dport=36412) / SCTPChunkInit(init_tag=1, init_tsn=1))
    yield v6(Raw(v6(udp(5), src="2001:db8:9::9")), nh=41)
    yield v6(b"", nh=59)
    yield v6(b"", nh=253)


def ipv6_headers():
    for tc in (NOT_ECT, ECT1, ECT0, CE, 46 << 2, 10 << 2 | ECT0, 63 << 2 | CE):
        yield v6(udp(10), tc=tc)
    for label in (1, 0x12345, 0xFFFFF):
        yield v6(udp(11), fl=label)
    for hop_limit in (0, 1, 255):
        yield v6(udp(13), hlim=hop_limit)
    options = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])
    hop_by_hop = IPv6ExtHdrHopByHop(options=[RouterAlert()])
    routing = IPv6ExtHdrRouting(addresses=["2001:db8:77::1"], segleft=0)
    large = IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1E, optdata=text(37))])
    yield v6(hop_by_hop / udp(14))
    yield v6(options / udp(15))
    yield v6(large / udp(16))
    yield v6(hop_by_hop / options / routing / options / udp(17))
    yield v6(routing / ICMPv6EchoRequest(id=8, seq=2))
    payload = raw(IPv6(v6(udp(72))).payload)
    for at in range(0, len(payload), 32):
        header = IPv6ExtHdrFragment(nh=17, offset=at // 8, m=at + 32 < len(payload), id=0x5678)
        yield v6(header / payload[at : at + 32])
    yield v6(IPv6ExtHdrFragment(nh=17, id=0x9ABC) / raw(IPv6(v6(udp(20))).payload))  # "atomic"


# --- What stands around them ----------------------------------------------------------------

VLAN = bytes.fromhex("8100 a064")
SERVICE_VLAN = bytes.fromhex("88a8 0005")


def ethernet(packet, tags=b"", padding=b""):
    ether_type = pcapio.ETHERTYPE[packet[0] >> 4].to_bytes(2, "big")
    return MACS + tags + ether_type + packet + padding


def padded(frame):
    """As a sender pads short frames; not with zeros, so that a leak is seen."""
    return frame + b"\xdd" * (60 - len(frame))


def link_frames():
    """Tags, padding, jumbo frames, other protocols, and frames that are no packets."""
    yield padded(ethernet(v4(udp(0))))
    yield padded(ethernet(v4(udp(3)), VLAN))
    yield ethernet(v4(udp(30)), VLAN)
    yield ethernet(v6(udp(31)), VLAN)
    yield ethernet(v4(udp(32)), SERVICE_VLAN + VLAN)
    yield ethernet(v6(udp(33)), SERVICE_VLAN + VLAN)
    yield ethernet(v4(udp(34)), padding=b"\xdd" * 7)
    yield ethernet(v6(udp(35)), padding=b"\xdd" * 300)
    yield ethernet(v4(udp(8972)))
    request = ARP(hwsrc="02:00:00:00:00:01", psrc=A4, hwdst="00:00:00:00:00:00", pdst=B4)
    yield padded(MACS + b"\x08\x06" + raw(request))
    yield MACS + b"\x88\xcc" + bytes.fromhex("0207040200000000010403050001060200780000")
    yield MACS + b"\x00\x26" + bytes.fromhex("424203") + bytes(35)  # 802.3 with a length
    yield ethernet(v6(ICMPv6ND_NS(tgt=B6), hlim=255))
    yield ethernet(v4(udp(36), dst="255.255.255.255"))
    yield ethernet(v4(udp(37), dst="224.0.0.251"))


def jumbograms():
    """RFC 2675: payload length 0, and a hop-by-hop option that says it in 32 bits."""
    for length, payload in ((65536, text(65536 - 8)), (48, text(40)), (8, b""), (0, b"")):
        option = bytes([17, 0, 0xC2, 4]) + length.to_bytes(4, "big")
        header = v6(b"", nh=0)
        yield header[:4] + b"\0\0" + header[6:] + option + payload
    # With a payload length it is an option like others, and for routers to judge.
    yield v6(Raw(bytes([17, 0, 0xC2, 4, 0, 1, 0, 0]) + raw(IPv6(v6(udp(9))).payload)), nh=0)


def broken_frames():
    good4, good6 = v4(udp(40)), v6(udp(40))
    yield b""
    yield MACS[:11]
    yield MACS + b"\x08"
    yield MACS + b"\x08\x00"
    yield MACS + VLAN
    yield ethernet(good4[:19])
    yield ethernet(good6[:39])
    yield ethernet(good4[:-1])
    yield ethernet(good6[:-1])
    yield ethernet(b"\x44" + good4[1:])  # header of 16 bytes
    yield ethernet(b"\x4f" + good4[1:24])  # header of 60 bytes in 24
    yield ethernet(good4[:2] + b"\x00\x13" + good4[4:])  # 19 bytes in all
    yield ethernet(good4[:10] + b"\xbe\xef" + good4[12:])  # header checksum
    yield MACS + b"\x08\x00" + good6
    yield MACS + b"\x86\xdd" + good4
    yield ethernet(v6(IPv6ExtHdrDestOpt(len=200) / udp(8)))  # runs past the end
    yield from map(ethernet, jumbograms())
    yield ethernet(good4)
    yield ethernet(good4)  # of which the capture file has not all


def policy_frames():
    """Traffic that ../cases/protect-policies.yaml tells apart."""
    yield v4(udp(8, 1111, 53))
    yield v4(udp(8, 1111, 54))
    yield v4(udp(8, 161, 1111), src="10.1.0.5", dst="192.0.2.200")
    yield v4(udp(8, 162, 1111), src="10.1.0.5", dst="192.0.2.200")
    for port in (1023, 1024, 2047, 2048):
        yield v4(TCP(sport=1, dport=port))
    yield v4(ICMP(type=5, gw="10.1.0.1"))
    yield v4(ICMP(type=8, id=1))
    yield v4(SCTP(sport=9, dport=9))
    yield v4(Raw(text(4)), proto=112)
    yield v4(udp(8), src="10.1.255.255", dst="10.2.0.0")
    yield v4(udp(8), src="10.0.255.255")
    yield v4(udp(8), dst="10.3.0.0")
    yield v4(udp(8), src="172.16.1.1", dst="172.16.2.2")
    for piece in fragment(IP(v4(udp(40), id=0x78)), fragsize=24):
        yield raw(piece)
    for piece in fragment(IP(v4(udp(40), src="10.4.0.1", dst="10.5.0.1", id=0x79)), fragsize=24):
        yield raw(piece)
    yield v4(Raw(text(3)), proto=17)  # no room for ports
    yield v6(udp(8, 1111, 53))
    yield v6(ICMPv6EchoRequest(id=1))
    yield v6(ICMPv6ND_NS(tgt=B6))
    yield v6(udp(8), src="2001:db8:7::1")
    yield v6(IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]) / udp(8, 1111, 53))


def tunnel_rule_packets():
    """One packet for each value of a field that an outer rule looks at, to each tunnel."""
    for host in range(1, 6):
        for tos, flags in ((0, 0), (46 << 2 | ECT0, "DF"), (10 << 2 | CE, 0)):
            yield v4(udp(host), tos=tos, flags=flags, dst=f"10.2.{host}.1")
        for tc, label in ((0, 0), (46 << 2 | ECT1, 0xABCDE)):
            yield v6(udp(host), tc=tc, fl=label, dst=f"2001:db8:2:{host}::1")


def algorithm_packets():
    """21 suites, told apart by the destination port, each with three lengths of payload."""
    for length in (0, 29, 200):
        for port in range(7001, 7022):
            yield v4(udp(length, dport=port))
            if length == 29:
                yield v6(udp(length, dport=port))


def counted_packets(n):
    """Packets that differ in a number, to count past the end of a sequence."""
    for i in range(n):
        yield v4(udp(i, dport=6001 + i % 2), id=i)


def padding_packets():
    """Traffic for each way of ../cases/protect-tfc.yaml to hide how long a packet is."""
    for host in range(1, 7):
        for length in (0, 1, 71, 72, 227, 228, 229, 1300, 1413, 1472, 3000):
            yield v4(udp(length), dst=f"10.2.{host}.1")
        yield v4(tcp("PA", 1, 1, text(17)), dst=f"10.2.{host}.1")
        yield v4(udp(40), dst=f"10.2.{host}.1", options=[IPOption_Router_Alert()])
        yield v6(udp(33), dst=f"2001:db8:2:{host}::1")
    for src, upper in (("10.1.0.7", udp(5)), ("10.1.0.8", udp(5))):
        yield v4(upper, src=src, dst="10.2.0.7")
        yield v4(tcp("PA", 1, 1, text(17)), src=src, dst="10.2.0.7")
        yield v4(Raw(v4(udp(5), src="172.16.0.1")), proto=4, src=src, dst="10.2.0.7")
        yield v4(Raw(raw(upper) + b"more"), proto=17, src=src, dst="10.2.0.7")
        yield v4(ICMP(type=8, id=7, seq=1) / text(9), src=src, dst="10.2.0.7")


def nested_packets():
    """Traffic that ../cases/protect-nested.yaml puts into two layers."""
    yield v4(udp(9), tos=46 << 2 | ECT0)
    yield v4(tcp("PA", 1, 1, text(100)), flags="DF")
    yield v4(udp(10), options=[IPOption_Router_Alert()])
    for piece in fragment(IP(v4(udp(40), id=0x7A)), fragsize=24):
        yield raw(piece)
    yield v6(udp(11), tc=10 << 2 | CE, fl=0x54321)
    yield v6(IPv6ExtHdrHopByHop(options=[RouterAlert()]) / tcp("S", 1, 0))
    yield v4(udp(12), src="10.1.9.9", dst="10.2.9.9", tos=34 << 2 | ECT1)
    yield v6(udp(13), src="2001:db8:1:9::9", dst="2001:db8:2:9::9")


def frames_of(packets):
    return [padded(ethernet(packet)) for packet in packets]


def save(name, frames, link=pcapio.ETHERNET, step_ns=1000, cut=0, **of_file):
    """cut: the last frame lost as many bytes at its end when it was captured."""
    frames = list(frames)
    records = [pcapio.Record(f, START_NS + i * step_ns) for i, f in enumerate(frames)]
    if cut:
        frame, time_ns = frames[-1], records[-1].time_ns
        records[-1] = pcapio.Record(frame[:-cut], time_ns, len(frame))
    pcapio.write(INPUT / f"{name}.pcap", pcapio.Capture(link, records=records, **of_file))


def main():
    ipv4 = [*ipv4_upper(), *ipv4_headers()]
    ipv6 = [*ipv6_upper(), *ipv6_headers()]
    save("ipv4", frames_of(ipv4))
    save("ipv6", frames_of(ipv6))
    save("link", link_frames())
    save("broken", broken_frames(), cut=10)
    save("policies", frames_of(policy_frames()))
    save("tunnel-rules", frames_of(tunnel_rule_packets()))
    save("tfc", frames_of(padding_packets()))
    save("nested", frames_of(nested_packets()))
    save("algorithms", frames_of(algorithm_packets()))
    save("counted", frames_of(counted_packets(12)))
    save("slow", frames_of(counted_packets(12)), step_ns=400_000_000)
    save("raw-nano", ipv4[:4] + ipv6[:4], pcapio.RAW_IP, 1_000_001, nano=True, big_endian=True)
    # The longest packet that fits into an IPv4 tunnel with NULL and HMAC-SHA-1, and one more byte.
    save("longest", frames_of(v4(Raw(bytes(n - 20)), proto=253) for n in (65490, 65491)))


if __name__ == "__main__":
    main()
