# SPDX-License-Identifier: BSD-3-Clause
"""Sending: section 8.7 of the contract."""

import struct

from live import expect, shows
from nic import OUT_MACS, ether_type, frame, open_esp, plain, send
from oob_host import header_word

FAILURE = 0xC0000001
ALGORITHMS = [("aes-gcm-128", "none"), ("aes-gcm-192", "none"), ("aes-gcm-256", "none"),
              *((cipher, integrity) for cipher in ("null", "aes-cbc-128", "aes-cbc-192", "aes-cbc-256")
                for integrity in ("hmac-sha1-96", "hmac-sha2-256-128"))]


def rejected(nic, framed, cookie, status=FAILURE):
    """The send comes back with that status and what it began with, and nothing is on the wire."""
    completion = nic.host.completion()
    expect((completion.cookie, completion.status), (cookie, status), "completion")
    expect(completion.frame[14:], framed[:64], "what comes back")
    expect(nic.wire.is_silent(), True, "silence on the wire")


@shows(82)
def _(nic):
    """A packet without handles leaves as it is."""
    sa = nic.sa()
    nic.add(sa)
    for version in (4, 6):
        for packet in (plain(version), frame(plain(version), nic.sa(version=version), 1).packet):
            nic.host.send(OUT_MACS + ether_type(packet) + packet, slot12=header_word(17, 3, 0, 20))
            expect(nic.wire.packet(), packet, "packet")


@shows(83)
def _(nic):
    """A handle that was never issued, or is deleted, fails the send."""
    sa = nic.sa()
    handle = nic.add(sa)
    inbound = nic.add(nic.sa(inbound=True), inbound=True)
    for wrong in (1, handle + 1, handle + (1 << 32), 1 << 63, inbound):
        framed, cookie = send(nic, plain(), sa, 1, wrong)
        rejected(nic, framed.packet, cookie)
    nic.client.delete_sa([handle])
    framed, cookie = send(nic, plain(), sa, 1, handle)
    rejected(nic, framed.packet, cookie)


@shows(85, 86)
def _(nic):
    """Every algorithm that is offered opens at an independent implementation, as it was framed."""
    for version in (4, 6):
        for mode in ("transport", "tunnel"):
            for encryption, integrity in ALGORITHMS:
                sa = nic.sa(mode, version, encryption=encryption, integrity=integrity)
                handle = nic.add(sa)
                framed, _ = send(nic, plain(version), sa, 77, handle, more_padding=2)
                opened = open_esp(nic.wire.packet(), sa, 77)
                expect(opened.packet, plain(version), f"{encryption}, {integrity}")
                expect((opened.next_header, opened.pad_length),
                       (framed.next_header, framed.pad_length), "trailer")
                nic.client.delete_sa([handle])


@shows(90)
def _(nic):
    """One bundle may stand in either slot, whatever its mode."""
    for mode in ("transport", "tunnel"):
        sa = nic.sa(mode)
        handle = nic.add(sa)
        framed = frame(plain(), sa, 3)
        for slots in ({"slot1": handle}, {"slot11": handle}):
            nic.host.send(OUT_MACS + ether_type(framed.packet) + framed.packet, **slots,
                          slot12=framed.header_word)
            expect(open_esp(nic.wire.packet(), sa, 3).packet, plain(), slots)


@shows(89)
def _(nic):
    """Transport inside tunnel: slot 1 is the inner one, slot 11 the outer one."""
    for version in (4, 6):
        inner = nic.sa("transport", version)
        tunnel = nic.sa("tunnel", version, ends=("203.0.113.1", "203.0.113.2") if version == 4
                        else ("2001:db8:9::1", "2001:db8:9::2"))
        handles = nic.add(inner), nic.add(tunnel)
        inside = frame(plain(version), inner, 5)
        framed = frame(inside.packet, tunnel, 6)
        # The offset is that of the inner header.
        at = framed.esp_at + 8 + 8 + inside.esp_at
        nic.host.send(OUT_MACS + ether_type(framed.packet) + framed.packet, slot1=handles[0],
                      slot11=handles[1],
                      slot12=header_word(inside.next_header, inside.pad_length, 0, at))
        once = open_esp(nic.wire.packet(), tunnel, 6).packet
        expect(open_esp(once, inner, 5).packet, plain(version), "both opened")


@shows(91, 92)
def _(nic):
    """Offsets count from the IP header in units of four; others fail the send."""
    sa = nic.sa()
    handle = nic.add(sa)
    framed = frame(plain(), sa, 1)
    for at in (0, 4, 16, 24, 28, 100, 1020):
        cookie = nic.host.send(OUT_MACS + ether_type(framed.packet) + framed.packet, slot1=handle,
                               slot12=header_word(17, framed.pad_length, 0, at))
        rejected(nic, framed.packet, cookie)
    other = framed.packet[:20] + struct.pack("!I", sa.spi + 1) + framed.packet[24:]
    cookie = nic.host.send(OUT_MACS + ether_type(other) + other, slot1=handle,
                           slot12=framed.header_word)
    rejected(nic, other, cookie)


@shows(71, 93)
def _(nic):
    """The ICV covers the high half that ADD_SA and UPDATE_SA told; the wire has the low half."""
    for encryption, integrity in (("aes-gcm-128", "none"), ("aes-cbc-128", "hmac-sha2-256-128")):
        sa = nic.sa(esn=True, encryption=encryption, integrity=integrity)
        handle = nic.add(sa, sequence_high=7)
        for high in (7, 8, 3):
            if high != 7:
                nic.client.update_sa(handle, ESP, sa.spi, high)
            for low in (1, 0xFFFFFFFF):
                send(nic, plain(), sa, low, handle)
                packet = nic.wire.packet()
                expect(open_esp(packet, sa, high << 32 | low).packet, plain(), f"{high}, {low}")


ESP = 2


@shows(94)
def _(nic):
    """What the configuration does not allow leaves unprotected, as the contract says."""
    sa = nic.sa()
    handle = nic.add(sa)
    nic.configure(1)
    framed, _ = send(nic, plain(), sa, 1, handle)
    expect(nic.wire.packet(), framed.packet, "packet")


@shows(97)
def _(nic):
    """Padding of short frames is the same for every frame."""
    short = plain(payload=b"")
    tails = set()
    for _ in range(8):
        nic.host.send(OUT_MACS + ether_type(short) + short)
        tails.add(nic.wire.frame()[14 + len(short):].strip(b"\0"))
    expect(tails, {b""}, "what follows the packet")
