# SPDX-License-Identifier: BSD-3-Clause
"""What is offered works, alone and together: sections 8.2 and 8.7 of the contract."""

import ah_oracle
import ferrule_ctl as ctl
import ip
from live import expect, shows
from nic import OUT_MACS, ether_type, frame, open_esp, plain, seal_esp, send
from transport import frame_ah, frame_bundle, strip

SUCCESS, TRANSPORT_AH = 0, 2
TUNNEL_ENDS = {4: ("203.0.113.1", "203.0.113.2"), 6: ("2001:db8:9::1", "2001:db8:9::2")}


def named(bits, names):
    return [name for name, bit in names.items() if bits & bit]


def offered(nic):
    """(encryption, authentication) by name."""
    able = nic.client.hardware_capabilities()
    return (named(able["encryption_algorithms"], ctl.ENCRYPTION),
            named(able["authentication_algorithms"], ctl.AUTHENTICATION))


def is_combined(encryption):
    return encryption.startswith("aes-gcm")


def suites(encryptions, authentications):
    """All of ESP that is offered: (encryption, integrity)."""
    for encryption in encryptions:
        if is_combined(encryption):
            yield encryption, "none"
            continue
        for integrity in authentications:
            # AES-GMAC has an IV of its own, and goes with no encryption alone (RFC 4543).
            if not integrity.startswith("aes-gmac") or encryption == "null":
                yield encryption, integrity


def hand_over(nic, framed, handle):
    nic.host.send(OUT_MACS + ether_type(framed.packet) + framed.packet, slot1=handle,
                  slot12=framed.header_word)
    return nic.wire.packet()


def receive(nic, packet):
    nic.wire.send(packet)
    return nic.host.indication()


def packet_of(indication):
    packet = indication.frame[14:]
    return packet[:ip.total_length(packet)]


def is_good(indication, what):
    expect((indication.done, indication.status), ((True, False), SUCCESS), what)


@shows(16, legacy=True)
def _(nic):
    """Every algorithm that is offered seals and opens, in ESP and in AH, over both IP versions."""
    nic.activate()
    encryptions, authentications = offered(nic)
    expect((len(encryptions), len(authentications)), (9, 6), "all of the contract's")
    for version in (4, 6):
        for encryption, integrity in suites(encryptions, authentications):
            names = {"encryption": encryption, "integrity": integrity}
            sa = nic.sa(version=version, **names)
            handle = nic.add(sa)
            send(nic, plain(version), sa, 1, handle)
            expect(open_esp(nic.wire.packet(), sa, 1).packet, plain(version), f"sealed, {names}")
            back = nic.sa(version=version, inbound=True, **names)
            nic.client.delete_sa([handle, ])
            handle = nic.add(back, inbound=True)
            indication = receive(nic, seal_esp(plain(version, inbound=True), back, 1))
            is_good(indication, f"opened, {names}")
            expect(strip(indication, back), plain(version, inbound=True), f"opened, {names}")
            nic.client.delete_sa([handle])
        for integrity in authentications:
            check_ah(nic, version, integrity)


def check_ah(nic, version, integrity):
    ah = nic.ah(version, integrity)
    handle = nic.add(None, ah=ah)
    sealed = hand_over(nic, frame_ah(plain(version), ah, 5), handle)
    expect(ah_oracle.take_off(sealed, ah, 5), plain(version), f"AH with {integrity}")
    back = nic.ah(version, integrity, inbound=True)
    handles = [handle, nic.add(None, inbound=True, ah=back)]
    sealed = ah_oracle.put_on(plain(version, inbound=True), back, 5)
    indication = receive(nic, sealed)
    is_good(indication, f"AH with {integrity}")
    expect(packet_of(indication), sealed, f"AH with {integrity} stays as it is")
    nic.client.delete_sa(handles)


@shows(17, legacy=True)
def _(nic):
    """Every integrity of AH goes with every one of ESP, and with none."""
    nic.activate()
    encryptions, authentications = offered(nic)
    expect(nic.client.hardware_capabilities()["ah_esp_combined"], 1, "AhEspCombined")
    every = list(suites(encryptions, authentications))
    every += [(encryption, "none") for encryption in encryptions if not is_combined(encryption)]
    for outside in authentications:
        for encryption, integrity in every:
            names = {"encryption": encryption, "integrity": integrity}
            what = f"{outside} around {names}"
            sa, ah = nic.sa(**names), nic.ah(integrity=outside)
            back, back_ah = nic.sa(inbound=True, **names), nic.ah(integrity=outside, inbound=True)
            handles = [nic.add(sa, ah=ah), nic.add(back, inbound=True, ah=back_ah)]
            sealed = hand_over(nic, frame_bundle(plain(), sa, ah, 9), handles[0])
            inside = ah_oracle.take_off(sealed, ah, 9)
            expect(open_esp(inside, sa, 9).packet, plain(), what)
            sealed = seal_esp(plain(inbound=True), back, 9)
            indication = receive(nic, ah_oracle.put_on(sealed, back_ah, 9))
            is_good(indication, what)
            nic.client.delete_sa(handles)


def routed(packet):
    """As routers may leave it: fewer hops, another class and flow, congestion, DF gone."""
    if packet[0] >> 4 == 4:
        at = (packet[0] & 15) * 4
        changed = packet[:1] + b"\xbb" + packet[2:6] + bytes(2) + b"\x07" + packet[9:at]
        return ip.with_checksum(changed) + packet[at:]
    return b"\x6b\xb5\x55\x55" + packet[4:7] + b"\x07" + packet[8:]


def with_options(packet):
    """The packet with options, or an extension header, of which a router may change a part."""
    if packet[0] >> 4 == 4:
        # Record route (changes), router alert (does not).
        options = bytes([7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0])
        header = bytes([0x40 | (20 + len(options)) // 4]) + packet[1:20] + options
        return ip.with_length(header + packet[20:])
    # Hop-by-hop: one option that may change en route, one that may not.
    options = bytes([packet[6], 1, 0x3E, 4, 1, 2, 3, 4, 0x1E, 4, 1, 2, 3, 4, 1, 0])
    return ip.with_length(packet[:6] + b"\0" + packet[7:40] + options + packet[40:])


def changed_option(packet):
    """As a router may leave what it may change."""
    at = 20 + 3 if packet[0] >> 4 == 4 else 40 + 4
    changed = packet[:at] + b"\xee" + packet[at + 1:]
    return changed if packet[0] >> 4 == 6 else ip.with_length(changed)


@shows(87)
def _(nic):
    """AH verifies at an independent implementation, and what routers change does not count."""
    nic.activate()
    for version in (4, 6):
        for integrity in ("hmac-sha1-96", "hmac-sha2-256-128", "aes-gmac-256"):
            for tunnel in (False, True):
                ends = TUNNEL_ENDS[version] if tunnel else None
                ah = nic.ah(version, integrity, ends=ends)
                back = nic.ah(version, integrity, inbound=True, ends=ends)
                handles = [nic.add(None, ah=ah), nic.add(None, inbound=True, ah=back)]
                for made in (plain, lambda *a, **k: with_options(plain(*a, **k))):
                    packet, coming = made(version), made(version, inbound=True)
                    sealed = hand_over(nic, frame_ah(packet, ah, 3, tunnel=tunnel), handles[0])
                    what = f"IPv{version}, {integrity}, tunnel {tunnel}"
                    expect(ah_oracle.take_off(sealed, ah, 3), packet, what)
                    expect(ah_oracle.take_off(routed(sealed), ah, 3) != b"", True, what)
                    sealed = ah_oracle.put_on(coming, back, 3, tunnel=tunnel)
                    is_good(receive(nic, sealed), what)
                    is_good(receive(nic, routed(sealed)), f"{what}, routed")
                    if made is not plain and not tunnel:
                        is_good(receive(nic, changed_option(sealed)), f"{what}, option changed")
                    spoilt = sealed[:-1] + bytes([sealed[-1] ^ 1])
                    wrong = receive(nic, spoilt)
                    expect((wrong.done, wrong.status), ((True, False), TRANSPORT_AH + 2 * tunnel), what)
                nic.client.delete_sa(handles)


@shows(88)
def _(nic):
    """ESP first, then AH over the result; on receive AH first."""
    nic.activate()
    for version in (4, 6):
        for mode in ("transport", "tunnel"):
            ends = TUNNEL_ENDS[version] if mode == "tunnel" else None
            sa, ah = nic.sa(mode, version, ends=ends), nic.ah(version, ends=ends)
            handle = nic.add(sa, ah=ah)
            sealed = hand_over(nic, frame_bundle(plain(version), sa, ah, 4), handle)
            inside = ah_oracle.take_off(sealed, ah, 4)
            expect(open_esp(inside, sa, 4).packet, plain(version), f"IPv{version}, {mode}")
            back = nic.sa(mode, version, inbound=True, ends=ends)
            back_ah = nic.ah(version, inbound=True, ends=ends)
            nic.add(back, inbound=True, ah=back_ah)
            esp = seal_esp(plain(version, inbound=True), back, 4)
            indication = receive(nic, ah_oracle.put_on(esp, back_ah, 4))
            is_good(indication, f"IPv{version}, {mode}")
            # The ICV of ESP wrong under a right AH, and AH wrong over it.
            spoilt = esp[:-1] + bytes([esp[-1] ^ 1])
            wrong = receive(nic, ah_oracle.put_on(spoilt, back_ah, 5))
            expect(wrong.status, 5 if mode == "tunnel" else 3, f"wrong ESP, {mode}")
            sealed = ah_oracle.put_on(spoilt, back_ah, 6)
            wrong = receive(nic, sealed[:-1] + bytes([sealed[-1] ^ 1]))
            expect(wrong.status, 4 if mode == "tunnel" else 2, f"wrong AH, {mode}")


@shows(15)
def _(nic):
    """Frames with 802.1Q tags are processed like those without, and keep their tags."""
    nic.activate()
    sa, back = nic.sa(), nic.sa(inbound=True)
    handle = nic.add(sa)
    nic.add(back, inbound=True)
    for tags in (b"\x81\x00\x60\x07", b"\x81\x00\x00\x00", b"\x81\x00\x20\x0a\x81\x00\x00\x0b"):
        framed = frame(plain(), sa, 2)
        macs, kind = OUT_MACS, ether_type(framed.packet)
        nic.host.send(macs + tags + kind + framed.packet, slot1=handle, slot12=framed.header_word)
        sent = nic.wire.frame()
        expect(sent[:14 + len(tags)], macs + tags + kind, f"headers with {tags.hex()}")
        packet = sent[14 + len(tags):]
        expect(open_esp(packet[:ip.total_length(packet)], sa, 2).packet, plain(), tags.hex())
        sealed = seal_esp(plain(inbound=True), back, 2)
        nic.wire.send_raw(macs + tags + kind + sealed)
        indication = nic.host.indication()
        is_good(indication, tags.hex())
        expect(indication.frame[:14 + len(tags)], macs + tags + kind, "headers of an indication")
        expect(strip(indication, back, 14 + len(tags)), plain(inbound=True), tags.hex())
