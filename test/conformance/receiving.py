# SPDX-License-Identifier: BSD-3-Clause
"""Receiving: section 8.9 of the contract."""

import ip
from lab import wait_until
from live import expect, shows
from nic import OUT_MACS, contract_sa, ether_type, plain, seal_esp
from oob_host import Slots
from transport import strip

NOTHING = Slots()
SUCCESS, GENERIC, TRANSPORT_ESP, TUNNEL_ESP, SYNTAX, PROTOCOL = 0, 1, 3, 5, 6, 7


def receive(nic, packet):
    nic.wire.send(packet)
    return nic.host.indication()


def unprocessed(nic, packet, what):
    indication = receive(nic, packet)
    expect(indication.frame[14:14 + len(packet)], packet, f"packet: {what}")
    expect(indication.slots.of_ipsec(), NOTHING, f"words: {what}")


def inbound(nic, **options):
    sa = nic.sa(inbound=True, **options)
    return sa, nic.add(sa, inbound=True)


@shows(105, 106, 120)
def _(nic):
    """Without an SA for SPI and destination a packet is indicated as it came, without words."""
    nic.activate()
    sa, handle = inbound(nic)
    sealed = seal_esp(plain(inbound=True), sa, 1)
    other = nic.sa(inbound=True, spi=sa.spi, ends=("192.0.2.77", "192.0.2.2"))
    unprocessed(nic, plain(inbound=True), "no IPsec")
    unprocessed(nic, seal_esp(plain(inbound=True), nic.sa(inbound=True), 1), "another SPI")
    unprocessed(nic, seal_esp(plain(ends=("192.0.2.77", "192.0.2.2"), inbound=True), other, 1),
                "another destination")
    nic.client.delete_sa([handle])
    unprocessed(nic, sealed, "deleted")


@shows(108, 109, 122, 123)
def _(nic):
    """Good packets are all processed: done, success, decrypted where they lie, trailer told."""
    nic.activate()
    for version in (4, 6):
        for mode in ("transport", "tunnel"):
            sa, handle = inbound(nic, mode=mode, version=version)
            for seq in range(1, 21):
                sealed = seal_esp(plain(version, inbound=True), sa, seq)
                indication = receive(nic, sealed)
                expect((indication.done, indication.status), ((True, False), SUCCESS), "words")
                expect(len(indication.frame[14:].rstrip(b"\0")) <= len(sealed), True, "length")
                expect(ip.total_length(indication.frame[14:]), len(sealed), "length in the header")
                expect(strip(indication, sa), plain(version, inbound=True), "stripped")
            nic.client.delete_sa([handle])


@shows(114, 118, 124)
def _(nic):
    """A wrong ICV of ESP is told, and the packet stays as it came."""
    nic.activate()
    sa, _ = inbound(nic)
    sealed = bytearray(seal_esp(plain(inbound=True), sa, 1))
    sealed[-1] ^= 1
    indication = receive(nic, bytes(sealed))
    expect((indication.done, indication.status), ((True, False), TRANSPORT_ESP), "words")
    expect(indication.frame[14:14 + len(sealed)], bytes(sealed), "packet")


@shows(115)
def _(nic):
    """A packet too short for its SA is a syntax error."""
    nic.activate()
    sa, _ = inbound(nic)
    sealed = seal_esp(plain(inbound=True), sa, 1)
    for length in (24, 28, 36, 51):
        short = ip.with_length(sealed[:length])
        indication = receive(nic, short)
        expect((indication.done, indication.status), ((True, False), SYNTAX), f"{length} bytes")
        expect(indication.frame[14:14 + length], short, "packet")


ASKS = 1  # SaDeleteReq


@shows(126, 127, delete_after_failures=3)
def _(nic):
    """The deletion of an SA is asked for on its own packets, and it works on until then."""
    nic.activate()
    sa, handle = inbound(nic)
    esn, esn_handle = nic.sa(inbound=True, esn=True), None
    esn_handle = nic.add(esn, inbound=True, sequence_high=0xFFFFFFFF)
    other, _ = inbound(nic)
    # Few numbers are left, or many packets in a row do not verify.
    plans = [(sa, seal_esp(plain(inbound=True), sa, seq), seq > 0xF0000000)
             for seq in (1, 0xEFFFFFFF, 0xF0000001, 0xFFFFFFFF, 2)]
    plans += [(esn, seal_esp(plain(inbound=True), esn, 0xFFFFFFFF << 32 | 5), True)]
    plans += [(sa, spoiled(seal_esp(plain(inbound=True), sa, 9)), n >= 2) for n in range(5)]
    plans += [(sa, seal_esp(plain(inbound=True), sa, 10), False)]
    for which, packet, wanted in plans:
        indication = receive(nic, packet)
        expect(bool(indication.slots.slot1 & ASKS), wanted, f"SaDeleteReq of {which.spi:#x}")
        expect(indication.done, (True, False), "it works on")
        fine = receive(nic, seal_esp(plain(inbound=True), other, 1))
        expect(fine.slots.slot1 & ASKS, 0, "SaDeleteReq of another SA")
    nic.client.delete_sa([handle, esn_handle])
    unprocessed(nic, plans[3][1], "deleted")


@shows(119)
def _(nic):
    """Reserved bits are zero."""
    nic.activate()
    sa, _ = inbound(nic)
    indication = receive(nic, seal_esp(plain(inbound=True), sa, 1))
    expect(indication.slots.slot1 & 0xFFF8, 0, "bits 3 to 15 of slot 1")


@shows(121)
def _(nic):
    """A packet that comes twice is opened twice."""
    nic.activate()
    sa, _ = inbound(nic)
    sealed = seal_esp(plain(inbound=True), sa, 9)
    for _ in range(3):
        indication = receive(nic, sealed)
        expect((indication.done, indication.status), ((True, False), SUCCESS), "words")


@shows(125)
def _(nic):
    """Fragments are indicated as they came."""
    nic.activate()
    sa, _ = inbound(nic)
    sealed = seal_esp(plain(payload=bytes(100), inbound=True), sa, 1)
    for offset, more in ((0, True), (64, False)):
        part = sealed[20 + offset:20 + 64 if more else None]
        unprocessed(nic, ip.as_fragment(sealed[:20] + part, offset, more), f"offset {offset}")


@shows(129)
def _(nic):
    """Verification uses the high half that was told, and UPDATE_SA changes it."""
    nic.activate()
    sa = nic.sa(inbound=True, esn=True)
    handle = nic.add(sa, inbound=True, sequence_high=5)
    for high in (5, 6, 5):
        nic.client.update_sa(handle, 2, sa.spi, high)
        for real in (5, 6):
            indication = receive(nic, seal_esp(plain(inbound=True), sa, real << 32 | 1))
            expect(indication.status, SUCCESS if real == high else TRANSPORT_ESP, f"{real}, {high}")


def spoiled(packet):
    return packet[:-1] + bytes([packet[-1] ^ 1])


@shows(110, 111)
def _(nic):
    """A tunnel around transport mode: what is done and how it ended, layer by layer."""
    nic.activate()
    for version, ends in ((4, ("203.0.113.1", "203.0.113.2")), (6, ("2001:db8:9::1", "2001:db8:9::2"))):
        transport = nic.sa("transport", version, inbound=True)
        tunnel = nic.sa("tunnel", version, inbound=True, ends=ends)
        nic.add(tunnel, inbound=True)
        inner = seal_esp(plain(version, inbound=True), transport, 1)
        for both in (False, True):
            if both:
                nic.add(transport, inbound=True)
            for packet, done, status in (
                    (seal_esp(inner, tunnel, 1), (True, both), SUCCESS),
                    (seal_esp(spoiled(inner), tunnel, 2), (True, both), TRANSPORT_ESP if both else SUCCESS),
                    (spoiled(seal_esp(inner, tunnel, 3)), (True, False), TUNNEL_ESP)):
                indication = receive(nic, packet)
                expect((indication.done, indication.status), (done, status), f"inner known: {both}")


@shows(107)
def _(nic):
    """Options and extension headers are within what is offered, and are processed."""
    able = nic.client.hardware_capabilities()
    expect((able["ipv4_options"], able["ipv6_non_ipsec_extension_headers"]), (1, 1), "offered")
    nic.activate()
    sa, _ = inbound(nic)
    sealed = seal_esp(plain(inbound=True), sa, 1)
    with_options = ip.with_length(bytes([0x46]) + sealed[1:20] + b"\x01" * 4 + sealed[20:])
    expect(receive(nic, with_options).done[0], True, "IPv4 options")
    sa6, _ = inbound(nic, version=6)
    sealed = seal_esp(plain(6, inbound=True), sa6, 1)
    hop_by_hop = bytes([50, 0, 1, 4, 0, 0, 0, 0])
    extended = ip.with_length(sealed[:6] + b"\x00" + sealed[7:40] + hop_by_hop + sealed[40:])
    expect(receive(nic, extended).done[0], True, "hop-by-hop options")


# --- where the appliance does otherwise -----------------------------------------------------------


def appliance(nic):
    """A tunnel of the appliance's own: (what it receives with, what it sends with)."""
    sites = ("10.1.0.0/16", "10.2.0.0/16")
    out, back = nic.sa("tunnel"), nic.sa("tunnel", inbound=True)
    nic.client.sa_add([
        {"name": name, "group": "far", "mode": "tunnel", **contract_sa(sa, name == "in"), **more}
        for name, sa, more in (("out", out, {}), ("in", back, {"replay_window": 64}))])
    nic.client.policy_add([
        {"name": way, "direction": way, "src": src, "dst": dst, "action": "protect", "sas": ["far"]}
        for way, src, dst in (("out", *sites), ("in", *sites[::-1]))])
    return back, out


def site_packet(n, inbound=True):
    ends = ("10.1.0.7", "10.2.0.9")
    return plain(payload=b"number %d " % n + bytes(64), ends=ends, inbound=inbound)


def passed(nic, n):
    """The numbers of the packets that came to the host, up to packet n, which does come."""
    known = [site_packet(i) for i in range(9)]

    def seen():
        came = [f[14:14 + ip.total_length(f[14:])] for f in list(nic.host.strange)
                if f[12:14] == b"\x08\x00"]
        return [known.index(packet) if packet in known else packet for packet in came]

    expect(wait_until(lambda: n in seen(), 30), True, f"packet {n}")
    return seen()


@shows(94, 118, 121, 125, mode="stack")
def _(nic):
    """The appliance drops what fails, what comes twice and what it may not protect, and joins fragments."""
    back, _ = appliance(nic)
    good = [seal_esp(site_packet(n), back, n) for n in range(9)]
    cut = 20 + 64
    fragments = [ip.as_fragment(good[4][:cut], 0, True),
                 ip.as_fragment(ip.with_length(good[4][:20] + good[4][cut:]), 64, False)]
    for packet in (good[1], spoiled(good[2]), good[1], *fragments, good[5]):
        nic.wire.send(packet)
    expect(passed(nic, 5), [1, 4, 5], "what came to the host")
    sent = site_packet(1, inbound=False)
    nic.host.send_raw(OUT_MACS + ether_type(sent) + sent)
    expect(nic.wire.packet()[9], ip.ESP, "protected")
    nic.configure(1)
    nic.host.send_raw(OUT_MACS + ether_type(sent) + sent)
    nic.wire.send(good[6])
    expect(nic.wire.is_silent(), True, "what may not be protected")
    nic.configure(4)
    nic.wire.send(good[7])
    expect(passed(nic, 7), [1, 4, 5, 7], "what came to the host")
