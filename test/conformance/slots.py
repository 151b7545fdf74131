# SPDX-License-Identifier: BSD-3-Clause
"""Checksums and large sends: slots 0 and 2, sections 2.23, 2.24, 6.4 and 8.8 of the contract."""

import struct

import ah_oracle
import ferrule_ctl as ctl
import ip
import large_sends
from ipsec_oracle import Sa
from large_sends import payload
from live import expect, shows
from nic import (ENDS, IN_MACS, OFF, ON, OUT_MACS, encapsulation, ether_type, frame, open_esp,
                 plain, seal_esp)
from oob_host import (IP_FAILED, IP_GOOD, LSO_V2, SUM_IP, SUM_TCP, SUM_UDP, TCP_FAILED, TCP_GOOD,
                      UDP_FAILED, UDP_GOOD, header_word, large_send_word)
from sending import rejected
from transport import frame_large

HOST_MTU = 65521  # the most that a TAP takes
OTHER_ENDS = {4: ("203.0.113.1", "203.0.113.2"), 6: ("2001:db8:9::1", "2001:db8:9::2")}
SUITES = (("aes-gcm-128", "none"), ("aes-cbc-128", "hmac-sha1-96"), ("null", "hmac-sha2-256-128"))


def ends(version, inbound=False):
    return ENDS[version][::-1 if inbound else 1]


def tcp(version=4, data=b"", inbound=False):
    return large_sends.tcp(*ends(version, inbound), data)


def segments(version, data, mss, lso):
    """What a large send with these data becomes, before anybody protects it."""
    return large_sends.segments(*ends(version), data, mss, 0x7FFF if lso == 2 else 0xFFFF)


def raise_mtu(nic):
    """The host's side of its TAP: what it hands over may be longer than a frame on the wire."""
    nic.lab.run("nic", "ip", "link", "set", "host", "mtu", str(HOST_MTU))


def send_large(nic, framed, handle, word):
    return nic.host.send(OUT_MACS + ether_type(framed.packet) + framed.packet, slot1=handle,
                         slot2=word, slot12=framed.header_word if handle else 0)


def without_sums(packet, at):
    """The packet as a host leaves it that asks for checksums: offsets of the fields."""
    packet = bytearray(packet)
    for field in at:
        packet[field:field + 2] = b"\xa5\x5a"
    return bytes(packet)


# --- checksums on send ----------------------------------------------------------------------


@shows(95, 20)
def _(nic):
    """Checksums of TCP and UDP are made in the clear, and are right behind the protection."""
    flags = nic.client.current_config()["flags"]
    expect(flags & 6, 6, "coexistence of checksums and IPsec")
    for version in (4, 6):
        for mode in ("transport", "tunnel"):
            for encryption, integrity in SUITES:
                sa = nic.sa(mode, version, encryption=encryption, integrity=integrity)
                handle = nic.add(sa)
                for packet, field, ask in ((tcp(version, payload(333)), 16, SUM_TCP),
                                           (plain(version, payload=payload(21)), 6, SUM_UDP)):
                    at = ip.parse(packet).payload_at + field
                    framed = frame(without_sums(packet, [at]), sa, 9)
                    nic.host.send(OUT_MACS + ether_type(framed.packet) + framed.packet, slot0=ask,
                                  slot1=handle, slot12=framed.header_word)
                    expect(open_esp(nic.wire.packet(), sa, 9).packet, packet, f"{version} {mode}")
                nic.client.delete_sa([handle])


@shows(96)
def _(nic):
    """The checksums of both IPv4 headers of a tunnel are made, or of the one there is."""
    for outer, inner in ((4, 4), (4, 6), (6, 4)):
        sa = nic.sa("tunnel", outer, ends=OTHER_ENDS[outer])
        handle = nic.add(sa)
        packet = tcp(inner, payload(40))
        framed = frame(packet, sa, 3)
        fields = [10] if outer == 4 else []
        if inner == 4:
            fields.append(framed.esp_at + 16 + 10)
        sent = without_sums(framed.packet, fields)
        nic.host.send(OUT_MACS + ether_type(sent) + sent, slot0=SUM_IP, slot1=handle,
                      slot12=framed.header_word)
        expect(open_esp(nic.wire.packet(), sa, 3).packet, packet, f"{inner} in {outer}")


@shows(96)
def _(nic):
    """Transport inside tunnel: both headers, and TCP behind both protections."""
    inner, outer = nic.sa("transport"), nic.sa("tunnel", ends=OTHER_ENDS[4])
    handles = nic.add(inner), nic.add(outer)
    packet = tcp(4, payload(99))
    inside = frame(packet, inner, 5)
    framed = frame(inside.packet, outer, 6)
    at = framed.esp_at + 16
    sent = without_sums(framed.packet, [10, at + 10, at + inside.esp_at + 16 + 16])
    nic.host.send(OUT_MACS + ether_type(sent) + sent, slot0=SUM_IP | SUM_TCP, slot1=handles[0],
                  slot11=handles[1], slot12=header_word(6, inside.pad_length, 0, at + inside.esp_at))
    once = open_esp(nic.wire.packet(), outer, 6).packet
    expect(open_esp(once, inner, 5).packet, packet, "opened twice")


# --- checksums on receive -------------------------------------------------------------------


def word(nic, packet):
    nic.wire.send(packet)
    return nic.host.indication().slots.slot0


def broken(packet, at):
    return packet[:at] + bytes([packet[at] ^ 1]) + packet[at + 1:]


@shows(132, 20)
def _(nic):
    """Received checksums are judged behind the protection, and of two IP headers both."""
    nic.activate()
    for version in (4, 6):
        for mode in ("transport", "tunnel"):
            sa = nic.sa(mode, version, inbound=True)
            handle = nic.add(sa, inbound=True)
            good = IP_GOOD if version == 4 else 0
            for packet, field, yes, no in (
                    (tcp(version, payload(50), inbound=True), 16, TCP_GOOD, TCP_FAILED),
                    (plain(version, inbound=True), 6, UDP_GOOD, UDP_FAILED)):
                at = ip.parse(packet).payload_at + field
                expect(word(nic, packet), good | yes, "in the clear")
                expect(word(nic, seal_esp(packet, sa, 1)), good | yes, "protected")
                expect(word(nic, seal_esp(broken(packet, at), sa, 1)), good | no, "wrong")
            nic.client.delete_sa([handle])
    sa = nic.sa("tunnel", inbound=True)
    nic.add(sa, inbound=True)
    packet = tcp(4, payload(50), inbound=True)
    sealed = seal_esp(packet, sa, 1)
    wrong_inside = frame_with_wrong_header(packet, sa)
    expect(word(nic, wrong_inside) & (IP_GOOD | IP_FAILED), IP_FAILED, "inner header wrong")
    expect(word(nic, broken(sealed, 10)) & (IP_GOOD | IP_FAILED), IP_FAILED, "outer header wrong")


def frame_with_wrong_header(packet, sa):
    """A sealed tunnel packet whose inner IPv4 header has a wrong checksum: sealed as the payload of
    a transport SA, which nobody parses, and with the next header of a tunnel."""
    other = Sa("transport", sa.src, sa.dst, sa.spi, sa.encryption, sa.encryption_key)
    carrier = ip.with_payload(packet[:20], 9, ip.IPV4_INSIDE, broken(packet, 10))
    return seal_esp(carrier, other, 2)


@shows(33, 36)
def _(nic):
    """Receive checksums begin with the encapsulation, and end with OFF."""
    packet = plain(4, inbound=True)
    expect(word(nic, packet), 0, "before activation")
    nic.activate()
    expect(word(nic, packet), IP_GOOD | UDP_GOOD, "active")
    nic.client.set("OFFLOAD_PARAMETERS",
                   ctl.offload_parameters(ipv4_checksum=2, udp_ipv4_checksum=2))
    expect(word(nic, packet), 0, "configured for sending alone")
    nic.client.set("OFFLOAD_PARAMETERS",
                   ctl.offload_parameters(ipv4_checksum=4, udp_ipv4_checksum=3))
    expect(word(nic, packet), IP_GOOD | UDP_GOOD, "configured again")
    nic.client.set("OFFLOAD_ENCAPSULATION", encapsulation(OFF, ON))
    expect(word(nic, packet), 0, "switched off")


# --- large sends ----------------------------------------------------------------------------


def check_large(nic, version, lso, sas, handle, length, mss, **options):
    """Sends one, and looks at what leaves.  sas: of ESP and of AH, each of which may be None."""
    sa, ah = sas
    seq = 0xFFFFFF00
    framed = frame_large(tcp(version, payload(length)), sa, seq, ah, **options)
    send_large(nic, framed, handle, large_send_word(mss, lso, version == 6, tcp_at=99))
    ivs = set()
    for k, wanted in enumerate(segments(version, payload(length), mss, lso)):
        packet = nic.wire.packet()
        if ah is not None:
            packet = ah_oracle.take_off(packet, ah, seq + k)
        if sa is not None:
            opened = open_esp(packet, sa, seq + k)
            trailer = opened.next_header, opened.pad_length
            expect(trailer, (6, opened.minimal_pad_length), "trailer")
            ivs.add(opened.iv)
            packet = opened.packet
        expect(packet, wanted, f"segment {k}")
    if sa is not None and sa.encryption != "null":
        expect(len(ivs), -(-length // mss), "different IVs")


def protections(nic, version):
    """(ESP, AH) in all that may protect a large send, and None and None."""
    yield None, None
    for encryption, integrity in SUITES:
        yield nic.sa("transport", version, encryption=encryption, integrity=integrity), None
    yield None, nic.ah(version)
    yield nic.sa("transport", version), nic.ah(version)


@shows(98, 99, 100, 101, 19, 21, completions="all")
def _(nic):
    """A large send leaves in segments, each with its own header fields, number, IV and trailer."""
    raise_mtu(nic)
    able = nic.client.hardware_capabilities()
    most = struct.unpack_from("<I", able["lso_v2"], 4)[0]
    expect(able["lso_supported"], 1, "LsoSupported")
    for version, lso in ((4, 1), (4, 2), (6, 2)):
        for sa, ah in protections(nic, version):
            handle = nic.add(sa, **({"ah": ah} if ah else {})) if sa or ah else 0
            for length, mss, padding in ((most, 1300, 0), (5000, 1000, 255), (4001, 1233, 3),
                                         (100, 1000, 7), (33, 1, 2)):
                check_large(nic, version, lso, (sa, ah), handle, length, mss, padding=padding)
                completion = nic.host.completion()
                expect((completion.status, completion.slots.slot2),
                       (0, LSO_V2 if lso == 2 else length), "completion")
            check_large(nic, version, lso, (sa, ah), handle, 3000, 1000, is_length_told=False)
            nic.host.completion()
            if handle:
                nic.client.delete_sa([handle])


@shows(98)
def _(nic):
    """A burst of large sends with a small MSS leaves whole: none of them fails."""
    raise_mtu(nic)
    able = nic.client.hardware_capabilities()
    most = struct.unpack_from("<I", able["lso_v2"], 4)[0]
    n_sends, sa, seq = 8, nic.sa("transport"), 1
    handle = nic.add(sa)
    for mss in (536, 64, 42):
        packet, n = tcp(4, payload(most)), (most + mss - 1) // mss
        for framed in [frame_large(packet, sa, seq + k * n) for k in range(n_sends)]:
            send_large(nic, framed, handle, large_send_word(mss))
        wanted = list(segments(4, payload(most), mss, 2))
        for k in range(n_sends * n):
            opened = open_esp(nic.wire.packet(), sa, seq + k)
            expect(opened.packet, wanted[k % n], f"MSS {mss}: segment {k % n} of send {k // n}")
        seq += n_sends * n
    expect(nic.host.is_silent(), True, "no send has failed")


@shows(100)
def _(nic):
    """The high half of extended numbers follows within a large send."""
    raise_mtu(nic)
    for high in (0, 7):
        sa = nic.sa("transport", esn=True)
        handle = nic.add(sa, sequence_high=high)
        framed = frame_large(tcp(4, payload(900)), sa, 0xFFFFFFFD)
        send_large(nic, framed, handle, large_send_word(100))
        for k, wanted in enumerate(segments(4, payload(900), 100, 2)):
            opened = open_esp(nic.wire.packet(), sa, (high << 32) + 0xFFFFFFFD + k)
            expect(opened.packet, wanted, f"segment {k}")
        nic.client.delete_sa([handle])


@shows(104, completions="all")
def _(nic):
    """Slot 2 of a completion: of version 2 its bit alone, of version 1 the bytes that were sent."""
    raise_mtu(nic)
    sa = nic.sa("transport")
    handle = nic.add(sa)
    framed = frame_large(tcp(4, payload(5000)), sa, 1)
    for lso, good, bad in ((1, 5000, 0), (2, LSO_V2, LSO_V2)):
        asked = large_send_word(1000, lso, tcp_at=1023)
        cookie = send_large(nic, framed, handle, asked)
        completion = nic.host.completion()
        expect((completion.cookie, completion.status, completion.slots.slot2), (cookie, 0, good), "sent")
        for _ in range(5):
            nic.wire.packet()
        send_large(nic, framed, handle + 1, asked)
        completion = nic.host.completion()
        expect((completion.status, completion.slots.slot2), (0xC0000001, bad), "failed")


@shows(102)
def _(nic):
    """A large send of a tunnel fails, and nothing of it is on the wire."""
    raise_mtu(nic)
    sa, inner = nic.sa("tunnel", ends=OTHER_ENDS[4]), nic.sa("transport")
    handle, inner_handle = nic.add(sa), nic.add(inner)
    packet = tcp(4, payload(5000))
    framed = frame(packet, sa, 1)
    word_ = header_word(ip.IPV4_INSIDE, framed.pad_length, 0, framed.esp_at)
    mss = large_send_word(1000)
    for slots in ({"slot1": handle}, {"slot11": handle}, {"slot1": inner_handle, "slot11": handle}):
        cookie = nic.host.send(OUT_MACS + ether_type(framed.packet) + framed.packet, **slots,
                               slot2=mss, slot12=word_)
        rejected(nic, framed.packet, cookie)


@shows(103)
def _(nic):
    """A large send that the configuration does not allow any more is dropped."""
    raise_mtu(nic)
    for version, lso, member in ((4, 1, "lso_v1"), (4, 2, "lso_v2_ipv4"), (6, 2, "lso_v2_ipv6"),
                                 (4, 2, "tcp_ipv4_checksum")):
        sa = nic.sa("transport", version)
        handle = nic.add(sa)
        nic.client.set("OFFLOAD_PARAMETERS", ctl.offload_parameters(**{member: 1}))
        for framed, its in ((frame_large(tcp(version, payload(5000)), sa, 1), handle),
                            (frame_large(tcp(version, payload(5000)), None, 1), 0)):
            cookie = send_large(nic, framed, its, large_send_word(1000, lso, version == 6))
            rejected(nic, framed.packet, cookie)
        nic.client.set("OFFLOAD_PARAMETERS",
                       ctl.offload_parameters(**{member: 4 if "sum" in member else 2}))
        check_large(nic, version, lso, (sa, None), handle, 5000, 1000)


@shows(19, 20, 22)
def _(nic):
    """What is reported of checksums and large sends is what is in force."""
    def report():
        now = nic.client.current_config()
        v1, v2 = struct.unpack("<4I", now["lso_v1"]), struct.unpack("<7I", now["lso_v2"])
        return (struct.unpack("<8I", now["checksum"])[1::2], (v1[1], v2[1], v2[4]), now["flags"] & 6,
                now["lso_supported"])

    def change(**members):
        nic.client.set("OFFLOAD_PARAMETERS", ctl.offload_parameters(**members))

    most = 64000
    expect(report(), ((0x155, 0x155, 0x55, 0x55), (most, most, most), 6, 1), "everything")
    change(ipv4_checksum=3, tcp_ipv6_checksum=1)
    expect(report(), ((0x55, 0x155, 0x45, 0x45), (0, 0, 0), 6, 0), "no checksums, no large sends")
    change(ipv4_checksum=4, udp_ipv4_checksum=1, udp_ipv6_checksum=1)
    expect(report(), ((0x115, 0x115, 0, 0), (most, most, 0), 2, 1), "no UDP")
    change(lso_v1=1, lso_v2_ipv4=1, tcp_ipv6_checksum=4)
    expect(report(), ((0x115, 0x115, 0x15, 0x15), (0, 0, most), 2, 1), "IPv6")
    change(ipsec_v2=1)
    expect(report(), ((0x115, 0x115, 0x15, 0x15), (0, 0, most), 0, 0), "without IPsec")
    nic.activate(OFF, OFF)
    expect(report(), ((0, 0, 0, 0), (0, 0, 0), 0, 0), "switched off")


@shows(15)
def _(nic):
    """Checksums and large sends of tagged frames: as of others, and every segment has the tag."""
    raise_mtu(nic)
    nic.activate()
    tag = bytes.fromhex("81006064")
    for version in (4, 6):
        sa, back = nic.sa("transport", version), nic.sa("transport", version, inbound=True)
        handle = nic.add(sa)
        nic.add(back, inbound=True)

        def tagged():
            frame_ = nic.wire.frame()
            expect(frame_[12:16], tag, "tag")
            return frame_[18:18 + ip.total_length(frame_[18:])]

        packet = tcp(version, payload(40))
        at = ip.parse(packet).payload_at + 16
        framed = frame(without_sums(packet, [at]), sa, 1)
        nic.host.send(OUT_MACS + tag + ether_type(packet) + framed.packet, slot0=SUM_TCP,
                      slot1=handle, slot12=framed.header_word)
        expect(open_esp(tagged(), sa, 1).packet, packet, "sealed")
        framed = frame_large(tcp(version, payload(3000)), sa, 2)
        nic.host.send(OUT_MACS + tag + ether_type(packet) + framed.packet, slot1=handle,
                      slot2=large_send_word(1000, 2, version == 6), slot12=framed.header_word)
        for k, wanted in enumerate(segments(version, payload(3000), 1000, 2)):
            expect(open_esp(tagged(), sa, 2 + k).packet, wanted, f"segment {k}")
        sealed = seal_esp(tcp(version, payload(50), inbound=True), back, 1)
        nic.wire.send_raw(IN_MACS + tag + ether_type(sealed) + sealed)
        indication = nic.host.indication()
        expect((indication.done, indication.status), ((True, False), 0), "opened")
        expect(indication.frame[12:16], tag, "tag of an indication")
        expect(indication.slots.slot0, TCP_GOOD | (IP_GOOD if version == 4 else 0), "checksums")
