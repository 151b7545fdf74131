# SPDX-License-Identifier: BSD-3-Clause
"""Capabilities, keywords, configuration and activation: sections 8.2 and 8.3 of the contract."""

import contextlib
import json
import queue
from pathlib import Path

import ferrule_ctl as ctl
import nic as nics
from daemon import EAL, Daemon
from live import expect, shows, shows_by_itself
from nic import KEEP, OFF, ON, encapsulation, plain, seal_esp

CONFIG, HARDWARE, ENCAPSULATION_CHANGE = 0x40020006, 0x40020007, 0x40020008
BOTH = ("ah", "esp")


def protocols(offload):
    return tuple(bool(offload[name]) for name in BOTH)


def hardware(nic):
    return nic.client.hardware_capabilities()


def refused(nic, oid, data, kind=ctl.SET):
    """The status with which a request is refused; the configuration is what it was."""
    before = nic.client.current_config()
    completion = nic.client.request(oid, data, kind)
    expect(nic.client.current_config(), before, "configuration after a refusal")
    return completion.status


def is_opened(nic, version=4):
    """Is a good ESP packet from the wire processed?"""
    sa = nic.sa(version=version, inbound=True)
    handle = nic.add(sa, inbound=True)
    sealed = seal_esp(plain(version, inbound=True), sa, 1)
    nic.wire.send(sealed)
    indication = nic.host.indication()
    nic.client.delete_sa([handle])
    return indication.done[0]


@shows(8)
def _(nic):
    """A host that connects is told the default configuration, and can ask for the hardware's."""
    default = nic.client.hello["pairs"][0]["default_offload"]
    expect(default["esp"], 1, "default configuration")
    expect(hardware(nic)["type"], 0xA7, "type of the hardware capabilities")


@shows_by_itself(9, 10, 11, 12)
def _(program, folder):
    """Keywords make the default configuration, and leave the hardware capabilities alone."""
    able = None
    for keyword, wanted in ((None, (True, True)), (0, (False, False)), (1, (True, False)),
                            (2, (False, True)), (3, (True, True))):
        place = Path(folder) / f"keyword-{keyword}"
        place.mkdir()
        text = "" if keyword is None else f"*IPsecOffloadV2 = {keyword}\n*LsoV2IPv6 = 0\n"
        (place / "keywords").write_text(text, encoding="ascii")
        with nics.running(program, place, keywords="keywords") as nic:
            able = able or hardware(nic)
            expect(hardware(nic), able, f"hardware with keyword {keyword}")
            offered = protocols(nic.client.hello["pairs"][0]["default_offload"])
            now = tuple(w and a for w, a in zip(wanted, protocols(able)))
            expect(offered, now, f"default configuration with keyword {keyword}")


@shows(13, 14)
def _(nic):
    """Tunnel and IEEE 802.3 are offered wherever IPsec is."""
    for offload in (hardware(nic), nic.client.current_config()):
        expect(offload["tunnel"], 1, "tunnel")
        expect(offload["encapsulation"] & 0x2, 0x2, "encapsulation")


@shows(22, 23)
def _(nic):
    """The current configuration is all that the hardware can do, until it is told otherwise."""
    expect(nic.client.current_config(), hardware(nic), "after the start")
    nic.configure(1)
    expect(protocols(nic.client.current_config()), (False, False), "when it is disabled")


@shows(24, 25, 26)
def _(nic):
    """IPsecV2 = 0 changes nothing, 1 to 4 set it for both IP versions, IPsecV2IPv4 is ignored."""
    able = protocols(hardware(nic))
    for value, wanted in ((1, (0, 0)), (2, (1, 0)), (3, (0, 1)), (4, (1, 1))):
        nic.configure(value)
        wanted = tuple(bool(w and a) for w, a in zip(wanted, able))
        expect(protocols(nic.client.current_config()), wanted, f"IPsecV2 = {value}")
        nic.configure(0)
        expect(protocols(nic.client.current_config()), wanted, "IPsecV2 = 0")
        for ignored in (1, 4, 9):
            nic.configure(0, ipsec_v2_ipv4=ignored)
        expect(protocols(nic.client.current_config()), wanted, "IPsecV2IPv4")


@shows(4)
def _(nic):
    """NDIS_OFFLOAD_PARAMETERS of revision 1 has no IPsecV2, and changes none."""
    nic.configure(3)
    before = nic.client.current_config()
    completion = nic.client.request("OFFLOAD_PARAMETERS", ctl.offload_parameters(revision=1, lso_v1=1))
    expect((completion.status, completion.revision), ("SUCCESS", 1), "revision 1")
    after = nic.client.current_config()
    expect((any(before["lso_v1"]), any(after["lso_v1"])), (True, False), "what it disables")
    expect({**after, "lso_v1": before["lso_v1"]}, before, "all else")


@shows(3, 5)
def _(nic):
    """A revision above those that are known is honoured as the highest known one."""
    for revision, honoured in ((2, 2), (5, 5), (6, 5), (255, 5)):
        data = bytearray(ctl.offload_parameters(revision=5, ipsec_v2=3))
        data[1] = revision
        completion = nic.client.request("OFFLOAD_PARAMETERS", bytes(data))
        expect((completion.status, completion.revision), ("SUCCESS", honoured), f"revision {revision}")
    expect(protocols(nic.client.current_config())[1], True, "configuration")


@shows(2, 4, 5)
def _(nic):
    """Every revision of NDIS_OFFLOAD_PARAMETERS has its size, and what is behind it is not read."""
    sizes = {1: 0x14, 2: 0x16, 3: 0x1A, 4: 0x20, 5: 0x22}
    for revision, size in sizes.items():
        for ipsec, esp in ((3, True), (2, False)):
            nic.configure(4)
            data = bytearray(ctl.offload_parameters(revision=5, ipsec_v2=ipsec, lso_v1=1))
            data[1], data[2], data[3] = revision, size, 0
            exact = bytes(data[:size])
            wild = exact + b"\xee" * 40
            for sent in (exact, wild):
                c = nic.client.request("OFFLOAD_PARAMETERS", sent)
                expect((c.status, c.revision, c.bytes_done), ("SUCCESS", revision, len(sent)), revision)
            wanted = (True, True) if revision == 1 else (not esp, esp)
            expect(protocols(nic.client.current_config()), wanted, f"revision {revision}")
            short = exact[:-1]
            c = nic.client.request("OFFLOAD_PARAMETERS", short)
            expect((c.status, c.bytes_needed), ("INVALID_LENGTH", size), f"revision {revision}, cut")
            less = exact[:2] + bytes([size - 1, 0]) + exact[4:]
            c = nic.client.request("OFFLOAD_PARAMETERS", less)
            expect((c.status, c.bytes_needed), ("INVALID_LENGTH", size), f"revision {revision}, less")
            expect(protocols(nic.client.current_config()), wanted, "after refusals")


@shows(27, 28)
def _(nic):
    """Every set is followed by one indication of the configuration that is then in force."""
    nic.client.subscribe()
    for value in (1, 3, 3, 4):
        nic.configure(value)
        said = nic.client.indication()
        expect(said.code, CONFIG, "indication")
        expect(ctl.offload(said.data), nic.client.current_config(), "what it says")
    for is_new in (True, False):
        nic.activate()
        expect(nic.client.indication().code, CONFIG, "indication")
        if is_new:
            expect(nic.client.indication().code, ENCAPSULATION_CHANGE, "indication")
    nic.configure(2)
    expect(nic.client.indication().code, CONFIG, "no other came in between")


def told(nic, *codes):
    """The indications that came, which are of these kinds, by kind."""
    said = [nic.client.indication() for _ in codes]
    expect(tuple(s.code for s in said), codes, "indications")
    return [ctl.offload(s.data) for s in said]


@shows(29, 39)
def _(nic):
    """A port that is lost, and comes back, makes other capabilities; they are told, and hold."""
    nic.activate()
    able = hardware(nic)
    sa = nic.sa(inbound=True)
    nic.add(sa, inbound=True)
    nic.client.subscribe()
    for interface in ("wire", "host"):
        nic.lab.run("nic", "ip", "link", "set", interface, "down")
        for now in told(nic, HARDWARE, CONFIG):
            expect((now["tunnel"], now["sa_offload_capacity"], now["encapsulation"]), (0, 0, 0), "lost")
        expect(protocols(hardware(nic)), (False, False), "hardware")
        for value in (2, 3, 4):
            status = refused(nic, "OFFLOAD_PARAMETERS", ctl.offload_parameters(ipsec_v2=value))
            expect(status, "INVALID_DATA", "what is lost is configured")
        status = nic.client.request("ADD_SA_EX", ctl.add_sa_ex(nics.contract_sa(nic.sa()))).status
        expect(status, "INVALID_DATA", "add")
        nic.lab.run("nic", "ip", "link", "set", interface, "up")
        for now in told(nic, HARDWARE, CONFIG):
            expect(now, able, "back")
        expect((hardware(nic), nic.client.current_config()), (able, able), "queries")
    expect(len(nic.client.sa_list()), 1, "SAs")
    # What comes while a TAP has just come up may be lost; the association is not.
    for seq in range(1, 100):
        nic.wire.send(seal_esp(plain(inbound=True), sa, seq))
        with contextlib.suppress(queue.Empty):
            expect(nic.host.indication(1).done, (True, False), "a packet")
            break
    else:
        raise AssertionError("nothing is received any more")


@shows_by_itself(40)
def _(program, folder):
    """Several pairs together say what all of them can do."""
    names = [f"net_null{n}" for n in range(4)]
    text = json.dumps({"pairs": [
        {"name": f"pair{n}", "mode": "oob", "host": {"port": names[2 * n]}, "capacity": 8 << n,
         "wire": {"port": names[2 * n + 1]}, "keywords": f"keywords{n}"} for n in range(2)]})
    folder = Path(folder)
    (folder / "keywords0").write_text("*IPsecOffloadV2 = 1\n", encoding="ascii")
    (folder / "keywords1").write_text("*IPsecOffloadV2 = 3\n", encoding="ascii")
    ports = [f"--vdev={name},no-rx=1" for name in names]
    with Daemon(program, folder, text, (*EAL, *ports)) as daemon:
        expect(daemon.heard("READY=1"), True, daemon.stderr())
        with ctl.Client(str(folder / "run" / "control.sock"), timeout=60) as client:
            each = [client.hardware_capabilities(pair) for pair in (0, 1)]
            expect([able["sa_offload_capacity"] for able in each], [8, 16], "each")
            expect(client.hardware_capabilities(ctl.ALL_PAIRS), each[0], "both")
            now = client.current_config(ctl.ALL_PAIRS)
            expect(protocols(now), (True, False), "both, as they are configured")
            client.set("OFFLOAD_PARAMETERS", ctl.offload_parameters(ipsec_v2=3), 1)
            expect(protocols(client.current_config(ctl.ALL_PAIRS)), (False, False), "AH and ESP")


@shows(30)
def _(nic):
    """Parameters that cannot be are refused, and no member of them is applied."""
    for members in ({"ipsec_v2": 5}, {"ipsec_v2": 255}, {"lso_v1": 3}, {"tcp_connection_ipv4": 1},
                    {"ipv4_checksum": 5}, {"flags": 2}):
        data = ctl.offload_parameters(**{"ipsec_v2": 1, **members})
        expect(refused(nic, "OFFLOAD_PARAMETERS", data), "INVALID_DATA", members)


@shows_by_itself(32)
def _(program, folder):
    """What is set survives a restart, as a keyword of one less."""
    folder = Path(folder)
    for value in (1, 3, 2, 4):
        with nics.running(program, folder, keywords="keywords") as nic:
            nic.configure(value)
            now = protocols(nic.client.current_config())
        expect(f"*IPsecOffloadV2 = {value - 1}" in (folder / "keywords").read_text(), True, value)
        with nics.running(program, folder, keywords="keywords") as nic:
            expect(protocols(nic.client.current_config()), now, f"after a restart with {value}")


@shows(33, 34, 37)
def _(nic):
    """Receiving begins with an encapsulation that is set, and with nothing before it."""
    expect(is_opened(nic), False, "before")
    nic.configure(4)
    expect(is_opened(nic), False, "after IPsecV2 = 4 alone")
    nic.activate(ON, KEEP)
    expect((is_opened(nic, 4), is_opened(nic, 6)), (True, False), "for IPv4")
    nic.activate(KEEP, ON)
    expect((is_opened(nic, 4), is_opened(nic, 6)), (True, True), "for both")


@shows(35)
def _(nic):
    """An encapsulation that no offload supports is refused."""
    for kind in (0, 0x10, 0x4, 0xFFFFFFFF):
        status = refused(nic, "OFFLOAD_ENCAPSULATION", encapsulation(ON, ON, kind))
        expect(status, "INVALID_PARAMETER", f"type {kind:#x}")
    expect(is_opened(nic), False, "after refusals")


@shows(36)
def _(nic):
    """OFF for both IP versions stops everything."""
    nic.activate()
    expect(is_opened(nic), True, "on")
    inbound = nic.sa(inbound=True)
    nic.add(inbound, inbound=True)
    nic.activate(OFF, OFF)
    nic.wire.send(seal_esp(plain(inbound=True), inbound, 1))
    expect(nic.host.indication().done, (False, False), "off")
    expect(protocols(nic.client.current_config()), (False, False), "configuration")


@shows(38)
def _(nic):
    """Queries of configuration and capabilities: too small a room, and sets."""
    for oid in ("CURRENT_CONFIG", "HARDWARE_CAPABILITIES"):
        for room in (0, 1, 0x9B):
            c = nic.client.request(oid, kind=ctl.QUERY, room=room)
            expect((c.status, c.bytes_needed), ("BUFFER_TOO_SHORT", 0x9C), f"{oid} with room {room}")
        expect(nic.client.request(oid, kind=ctl.QUERY, room=0x9C).status, "SUCCESS", oid)
        expect(nic.client.request(oid, bytes(0x9C)).status in
               ("NOT_SUPPORTED", "INVALID_OID"), True, f"set of {oid}")
