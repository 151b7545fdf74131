# SPDX-License-Identifier: BSD-3-Clause
"""Structures, requests, and what they do to SAs: sections 8.1, 8.4, 8.5, 8.6 and 8.11."""

import contextlib
import struct
import threading
import time

import ah_oracle
import ferrule_ctl as ctl
import nic as nics
from live import expect, shows, shows_by_itself
from nic import OUT_MACS, contract_sa, ether_type, open_esp, plain, seal_esp, send
from oob_host import Slots
from transport import frame_bundle

CAPACITY = 64
AH, ESP = 1, 2


def n_sas(nic):
    return len(nic.client.sa_list())


def status_of(nic, oid, data):
    return nic.client.request(oid, data).status


def refused(nic, oid, data, wanted="INVALID_DATA", what=""):
    """It is refused with that status, and no SA is there afterwards that was not before."""
    before = n_sas(nic)
    expect(status_of(nic, oid, data), wanted, what)
    expect(n_sas(nic), before, f"SAs after {what}")


def sample(nic, **more):
    """An inbound SA as the python client takes it, and what the peer knows."""
    sa = nic.sa(inbound=True)
    return contract_sa(sa, True, **more), sa


def patched(layout, data, **members):
    """The structure at the start of data, with other values for some members."""
    return layout.pack(**(layout.unpack(data) | members)) + data[layout.size:]


def is_opened(nic, sa, seq=1, packet=None):
    nic.wire.send(seal_esp(packet or plain(inbound=True), sa, seq))
    return nic.host.indication().done[0]


@contextlib.contextmanager
def connected(nic):
    with ctl.Client(str(nic.folder / "run" / "control.sock"), timeout=60) as client:
        yield client


# --- 8.1: headers -----------------------------------------------------------------------------


@shows(1, 2)
def _(nic):
    """Structures of another type, or shorter than their revision, are refused unread."""
    good, sa = sample(nic)
    requests = {"ADD_SA": ctl.add_sa([good]), "ADD_SA_EX": ctl.add_sa_ex(good),
                "UPDATE_SA": ctl.update_sa(1, ESP, sa.spi, 1),
                "OFFLOAD_PARAMETERS": ctl.offload_parameters(ipsec_v2=1),
                "OFFLOAD_ENCAPSULATION": ctl.offload_encapsulation()}
    for oid, data in requests.items():
        refused(nic, oid, bytes([0x33]) + data[1:], "INVALID_DATA", f"{oid} of another type")
        short = data[:2] + struct.pack("<H", 8) + data[4:]
        refused(nic, oid, short, "INVALID_LENGTH", f"{oid} with a size of 8")
        for length in (0, 1, 3, 4, 0x13):
            refused(nic, oid, data[:length], "INVALID_LENGTH", f"{oid} of {length} bytes")


@shows(6)
def _(nic):
    """Every NDIS_OFFLOAD has type 0xA7, and the size of its revision."""
    nic.client.subscribe()
    nic.configure(3)
    everywhere = [nic.client.query("CURRENT_CONFIG"), nic.client.query("HARDWARE_CAPABILITIES"),
                  nic.client.indication().data]
    for data in everywhere:
        expect((data[0], data[1], struct.unpack_from("<H", data, 2)[0], len(data)),
               (0xA7, 3, 0x9C, 0x9C), "header")


# --- 8.4: the direct path ---------------------------------------------------------------------


@shows(41, 42, 142)
def _(nic):
    """Adds, updates and deletes of many clients run beside each other and beside traffic."""
    nic.activate()
    steady = nic.sa(inbound=True)
    nic.add(steady, inbound=True)
    spis = [[nic.new_spi() for _ in range(4)] for _ in range(4)]
    faults = []

    def churn(mine):
        try:
            with connected(nic) as client:
                for _ in range(50):
                    sas = [contract_sa(nic.sa(inbound=True, spi=spi, esn=True), True) for spi in mine]
                    handles = client.add_sa(sas)
                    for handle, spi in zip(handles, mine):
                        client.update_sa(handle, ESP, spi, 1)
                    client.current_config()
                    client.delete_sa(handles)
        except Exception as error:  # it is told where it can be seen
            faults.append(repr(error))

    threads = [threading.Thread(target=churn, args=(mine,)) for mine in spis]
    for thread in threads:
        thread.start()
    for seq in range(1, 200):
        expect(is_opened(nic, steady, seq), True, f"packet {seq}")
    for thread in threads:
        thread.join()
    expect(faults, [], "clients")
    expect(n_sas(nic), 1, "SAs that are left")


@shows(43)
def _(nic):
    """What cannot be is refused, and no SA is installed."""
    good, _ = sample(nic)
    data = ctl.add_sa_ex(good)
    key_bytes = len(bytes.fromhex(good["esp"]["encryption_key"]))
    for members in ({"0_enc_key_length": key_bytes + 1}, {"0_enc_key_offset": 4},
                    {"0_enc_key_offset": 0xFFFFFFFF}, {"0_enc_key_length": 0xFFFFFFFF},
                    {"key_offset": 0xFFFFFFF0}, {"key_offset": 4}, {"key_length": 0xFFFFFFFF},
                    {"flags": 1 | 0x8000}, {"flags": 1 | 0x100}, {"0_operation": 3},
                    {"0_operation": 0}, {"0_enc_identifier": 3}, {"0_enc_identifier": 0x10000},
                    {"0_spi": 0}, {"0_spi": 255}, {"0_flags": 2}):
        refused(nic, "ADD_SA_EX", patched(ctl.ADD_SA_EX, data, **members), what=str(members))


@shows(44, 76)
def _(nic):
    """Every delete is completed once, with SUCCESS, and never with PENDING."""
    handles = nic.client.add_sa([sample(nic)[0] for _ in range(CAPACITY)])
    ids = [nic.client.submit("DELETE_SA", ctl.delete_sa([handle])) for handle in handles]
    for _ in ids:
        completion = nic.client.collect()
        ids.remove(completion.id)
        expect(completion.status, "SUCCESS", "delete")
        if not ids:
            break
    expect(n_sas(nic), 0, "SAs")


@shows(46)
def _(nic):
    """OIDs that nobody knows are refused as such."""
    for oid in (0x01010101, 0xFC030201, 0xFC030206, 0xFF00FFFF):
        for kind in (ctl.SET, ctl.QUERY):
            status = nic.client.request(oid, bytes(8), kind).status
            expect(status in ("INVALID_OID", "NOT_SUPPORTED"), True, f"{oid:#x}: {status}")


# --- 8.5: adding ------------------------------------------------------------------------------


@shows(48, 49)
def _(nic):
    """Lists of any length, each with handles that are not 0; ADD_SA_EX takes one."""
    for n in (1, 2, CAPACITY):
        handles = nic.client.add_sa([sample(nic)[0] for _ in range(n)])
        expect((len(handles), len(set(handles)), 0 in handles), (n, n, False), "handles")
        nic.client.delete_sa(handles)
    handle = nic.client.add_sa_ex(sample(nic)[0])
    expect(handle != 0, True, "handle")


@shows(50, 51, 52, 53, 54)
def _(nic):
    """As many as there is room for are added; the others have no handle; none at all is a failure."""
    for _ in range(2):
        handles = nic.client.add_sa([sample(nic)[0] for _ in range(CAPACITY + 1)])
        expect((handles.count(0), handles[-1]), (1, 0), "handles")
        expect(n_sas(nic), CAPACITY, "SAs")
        refused(nic, "ADD_SA", ctl.add_sa([sample(nic)[0], sample(nic)[0]]), "RESOURCES", "a full table")
        refused(nic, "ADD_SA_EX", ctl.add_sa_ex(sample(nic)[0]), "RESOURCES", "a full table")
        nic.client.delete_sa(handles[:-1])
    bad = sample(nic)[0]
    bad["esp"]["spi"] = 7
    mixed = nic.client.add_sa([sample(nic)[0], bad, sample(nic)[0]])
    expect([handle != 0 for handle in mixed], [True, False, True], "handles around a bad one")


@shows(18)
def _(nic):
    """As many bundles are held as are promised."""
    promised = nic.client.hardware_capabilities()["sa_offload_capacity"]
    expect(promised, CAPACITY, "capacity")
    handles = nic.client.add_sa([sample(nic)[0] for _ in range(promised)])
    expect(0 in handles, False, "a handle is missing")


@shows(55)
def _(nic):
    """An SA that the configuration does not allow is refused."""
    nic.configure(1)
    refused(nic, "ADD_SA_EX", ctl.add_sa_ex(sample(nic)[0]), what="disabled")
    nic.configure(2)
    refused(nic, "ADD_SA_EX", ctl.add_sa_ex(sample(nic)[0]), what="AH only")
    nic.configure(4)
    nic.client.add_sa_ex(sample(nic)[0])


@shows(56)
def _(nic):
    """NumExtHdrs is 1 or 2."""
    data = ctl.add_sa_ex(sample(nic)[0])
    for n in (0, 2, 3, 0xFFFFFFFF):  # 2: the second one is no operation
        refused(nic, "ADD_SA_EX", patched(ctl.ADD_SA_EX, data, num_ext_hdrs=n), what=f"{n} headers")


@shows(58)
def _(nic):
    """The flag decides the direction: outbound SAs open nothing, inbound handles send nothing."""
    nic.activate()
    sa = nic.sa()
    nic.add(sa)
    nic.wire.send(seal_esp(plain(), sa, 1))
    expect(nic.host.indication().slots.of_ipsec(), Slots(), "words")
    inbound = nic.sa(inbound=True)
    handle = nic.add(inbound, inbound=True)
    _, cookie = send(nic, plain(), inbound, 1, handle)
    expect((nic.host.completion().cookie, nic.wire.is_silent()), (cookie, True), "send")


@shows(59)
def _(nic):
    """The flag decides which addresses are read."""
    nic.activate()
    sa6 = nic.sa(version=6, inbound=True)
    nic.add(sa6, inbound=True)
    expect(is_opened(nic, sa6, packet=plain(6, inbound=True)), True, "IPv6")
    # The same bytes without the flag are an SA for the IPv4 address that they begin with.
    data = ctl.add_sa_ex(contract_sa(nic.sa(version=6, inbound=True), True))
    layout = ctl.ADD_SA_EX.unpack(data)
    expect(layout["flags"] & 0x10, 0x10, "flag")
    status = status_of(nic, "ADD_SA_EX", patched(ctl.ADD_SA_EX, data, flags=1))
    expect(status, "SUCCESS", "without the flag")


@shows(60, 61)
def _(nic):
    """Addresses that are zero match any; for tunnels they are those of the outer header."""
    nic.activate()
    for mode in ("transport", "tunnel"):
        sa = nic.sa(mode, inbound=True)
        any_sa = contract_sa(sa, True)
        any_sa["src"] = any_sa["dst"] = "0.0.0.0"
        handle = nic.client.add_sa_ex(any_sa)
        expect(is_opened(nic, sa), True, f"{mode}, any")
        nic.client.delete_sa([handle])
        handle = nic.add(sa, inbound=True)
        expect(is_opened(nic, sa), True, f"{mode}, its own")
        nic.client.delete_sa([handle])


@shows(62)
def _(nic):
    """With AES-GCM nobody looks at AuthenticationAlgorithm."""
    nic.activate()
    good, sa = sample(nic)
    data = patched(ctl.ADD_SA_EX, ctl.add_sa_ex(good), **{
        "0_auth_identifier": 0xDEADBEEF, "0_auth_key_length": 0xFFFFFFFF,
        "0_auth_key_offset": 0xFFFFFFFF, "0_auth_info": 0xFFFFFFFF})
    expect(status_of(nic, "ADD_SA_EX", data), "SUCCESS", "add")
    expect(is_opened(nic, sa), True, "packet")


@shows(64, 65)
def _(nic):
    """Each key is where its own offset says; keys of ADD_SA_EX lie where KeyOffset says."""
    nic.activate()
    sa = nic.sa(inbound=True, encryption="aes-cbc-128", integrity="hmac-sha2-256-128")
    data = ctl.add_sa_ex(contract_sa(sa, True))
    front, keys = data[:ctl.ADD_SA_EX.size], data[ctl.ADD_SA_EX.size:]
    turned = sa.encryption_key + b"\xee" * 3 + sa.integrity_key
    members = {"0_enc_key_offset": 0, "0_auth_key_offset": 19, "key_length": len(turned),
               "key_offset": ctl.ADD_SA_EX.size + 5}
    expect(len(keys), 48, "keys")
    status = status_of(nic, "ADD_SA_EX",
                       patched(ctl.ADD_SA_EX, front, **members) + bytes(5) + turned)
    expect(status, "SUCCESS", "add")
    expect(is_opened(nic, sa), True, "packet")


@shows(66)
def _(nic):
    """SourceSwitchPortId and VlanId have no effect."""
    nic.activate()
    good, sa = sample(nic)
    data = patched(ctl.ADD_SA_EX, ctl.add_sa_ex(good), source_switch_port_id=77, vlan_id=99)
    expect(status_of(nic, "ADD_SA_EX", data), "SUCCESS", "add")
    expect(is_opened(nic, sa), True, "packet")


@shows(67)
def _(nic):
    """AdditionalInfo of AES-GCM is the length of the ICV; others are refused."""
    nic.activate()
    for length in (8, 12, 16):
        sa = nic.sa(inbound=True, icv_bytes=length)
        nic.add(sa, inbound=True)
        expect(is_opened(nic, sa), True, f"{length} bytes")
    for length in (4, 7, 9, 15, 17, 32, 0xFFFFFFFF):
        data = patched(ctl.ADD_SA_EX, ctl.add_sa_ex(sample(nic)[0]), **{"0_enc_info": length})
        refused(nic, "ADD_SA_EX", data, what=f"{length} bytes")


@shows(68)
def _(nic):
    """Encryption without integrity is refused."""
    sa = contract_sa(nic.sa(inbound=True, encryption="aes-cbc-128"), True)
    refused(nic, "ADD_SA_EX", ctl.add_sa_ex(sa), what="aes-cbc-128 alone")


# --- 8.6: updating and deleting ---------------------------------------------------------------


@shows(72)
def _(nic):
    """UPDATE_SA of another handle, operation or SPI changes nothing."""
    nic.activate()
    sa = nic.sa(inbound=True, esn=True)
    handle = nic.add(sa, inbound=True, sequence_high=3)
    for wrong in ((handle + 1, ESP, sa.spi), (handle, AH, sa.spi), (handle, ESP, sa.spi + 1),
                  (handle + (1 << 32), ESP, sa.spi)):
        expect(status_of(nic, "UPDATE_SA", ctl.update_sa(*wrong, 9)), "INVALID_PARAMETER", wrong)
    expect(is_opened(nic, sa, 3 << 32 | 1), True, "packet")
    plain_sa = nic.sa(inbound=True)
    data = ctl.update_sa(nic.add(plain_sa, inbound=True), ESP, plain_sa.spi, 1)
    expect(status_of(nic, "UPDATE_SA", data), "INVALID_PARAMETER", "without ESN")


@shows(75)
def _(nic):
    """DELETE_SA takes lists, and passes over what it does not know."""
    handles = nic.client.add_sa([sample(nic)[0] for _ in range(10)])
    nic.client.delete_sa([handles[0], 0x7700000001, *handles[1:9]])
    expect(n_sas(nic), 1, "SAs")


@shows(77, 144)
def _(nic):
    """Behind a delete nothing is opened, nothing is sent, and an old handle names no new SA."""
    nic.activate()
    inbound, outbound = nic.sa(inbound=True), nic.sa()
    handles = [nic.add(inbound, inbound=True), nic.add(outbound)]
    nic.client.delete_sa(handles)
    nic.wire.send(seal_esp(plain(inbound=True), inbound, 1))
    expect(nic.host.indication().slots.of_ipsec(), Slots(), "words")
    for _ in range(CAPACITY):  # the index comes back some time
        again = nic.add(nic.sa())
        expect(again in handles, False, "an old handle")
        _, cookie = send(nic, plain(), outbound, 1, handles[1])
        expect(nic.host.completion().cookie, cookie, "completion of the old handle")
        nic.client.delete_sa([again])


@shows(78)
def _(nic):
    """Adds and deletes of many times the capacity leave nothing behind."""
    for _ in range(40):
        handles = nic.client.add_sa([sample(nic)[0] for _ in range(CAPACITY)])
        expect(0 in handles, False, "a handle is missing")
        nic.client.delete_sa(handles)
    expect(n_sas(nic), 0, "SAs")


@shows(79)
def _(nic):
    """Failures do not end an SA."""
    nic.activate()
    sa = nic.sa(inbound=True)
    nic.add(sa, inbound=True)
    bad = bytearray(seal_esp(plain(inbound=True), sa, 1))
    bad[-1] ^= 1
    for _ in range(200):
        nic.wire.send(bytes(bad))
        expect(nic.host.indication().status, 3, "status")
    expect(is_opened(nic, sa, 2), True, "a good one")
    expect(n_sas(nic), 1, "SAs")


# --- 8.11: robustness -------------------------------------------------------------------------


@shows(141)
def _(nic):
    """Words belong to their packet: good, bad and foreign ones mixed."""
    nic.activate()
    sa = nic.sa(inbound=True)
    nic.add(sa, inbound=True)
    kinds = []
    for n in range(60):
        packet = seal_esp(plain(inbound=True, payload=bytes([n])), sa, n + 1)
        if n % 3 == 1:
            packet = packet[:-1] + bytes([packet[-1] ^ 1])
        if n % 3 == 2:
            packet = plain(inbound=True, payload=bytes([n]))
        kinds.append((0x2, 0x30002, 0)[n % 3])
        nic.wire.send(packet)
    expect([nic.host.indication().slots.slot1 for _ in kinds], kinds, "words")


# --- reset and removal ------------------------------------------------------------------------


def few_policies(name, n=15):
    """So few that a request with them is taken in together with others."""
    return [{"name": f"{name}{i}", "direction": "out", "src": f"10.0.{i}.0/24", "dst": "any",
             "action": "discard"} for i in range(n)]


@shows(45, mode="stack")
def _(nic):
    """A cancel ends the request of that id, which changes nothing, and no other."""
    for _ in range(10):
        with nic.client.at_once():
            ids = [nic.client.submit("POLICY_ADD", ctl.policy_add(few_policies(name)))
                   for name in "abc"]
            for which in (ids[0], ids[1], ids[1], ids[2] + 1000):
                nic.client.cancel(which)
        statuses = {c.id: c.status for c in (nic.client.collect() for _ in ids)}
        expect([statuses[i] for i in ids], ["REQUEST_ABORTED", "REQUEST_ABORTED", "SUCCESS"], "statuses")
        there = [p["name"] for p in nic.client.policy_list()]
        expect({name[0] for name in there}, {"c"}, "policies")
        nic.client.cancel(ids[2])
        nic.client.policy_delete(there)


@shows(47, mode="stack")
def _(nic):
    """A reset aborts what is under way, and accepts nothing until it is over."""
    add = ctl.add_sa_ex(sample(nic)[0])
    for _ in range(10):
        before = n_sas(nic)
        with nic.client.at_once():
            submit = nic.client.submit
            wanted = {submit("POLICY_ADD", ctl.policy_add(few_policies("a"))): "REQUEST_ABORTED",
                      submit("POLICY_ADD", ctl.policy_add(few_policies("b"))): "REQUEST_ABORTED",
                      submit("RESET"): "SUCCESS", submit("ADD_SA_EX", add): "NOT_ACCEPTED",
                      submit("RESET"): "NOT_ACCEPTED",
                      submit("CURRENT_CONFIG", kind=ctl.QUERY): "NOT_ACCEPTED"}
        for _ in range(len(wanted)):
            completion = nic.client.collect()
            expect(completion.status, wanted.pop(completion.id), "completion")
        expect((n_sas(nic), nic.client.policy_list()), (before, []), "SAs and policies")
    nic.client.add_sa_ex(sample(nic)[0])
    nic.client.policy_add(few_policies("c"))


def refusals(nic, handle, spi):
    """How every set of the contract ends, and those of this daemon."""
    requests = {
        "ADD_SA": ctl.add_sa([sample(nic)[0]]), "ADD_SA_EX": ctl.add_sa_ex(sample(nic)[0]),
        "UPDATE_SA": ctl.update_sa(handle, ESP, spi, 1), "DELETE_SA": ctl.delete_sa([handle]),
        "OFFLOAD_PARAMETERS": ctl.offload_parameters(ipsec_v2=4),
        "OFFLOAD_ENCAPSULATION": nics.encapsulation(nics.ON, nics.ON), "RESET": b""}
    return {name: status_of(nic, name, data) for name, data in requests.items()}


def is_taken_away(nic, interface):
    sa = nic.sa(inbound=True, esn=True)
    handle = nic.add(sa, inbound=True)
    nic.activate()
    nic.client.subscribe()
    nic.lab.run("nic", "ip", "link", "del", interface)
    for code in (0x40020007, 0x40020006):  # hardware capabilities, current configuration
        expect(nic.client.indication().code, code, "indication")
    said = refusals(nic, handle, sa.spi)
    expect(said, dict.fromkeys(said, "NOT_ACCEPTED"), f"{interface} is gone")
    expect(nic.client.hardware_capabilities()["tunnel"], 0, "capabilities")
    expect(n_sas(nic), 0, "SAs")
    expect({port["name"]: port["link"] for port in nic.client.port_list()},
           {"net_tap0": interface != "host", "net_tap1": interface != "wire"}, "links")
    return sa


@shows(47)
def _(nic):
    """A wire that is taken away: all sets are NOT_ACCEPTED, and sends fail."""
    is_taken_away(nic, "wire")
    for _ in range(100):
        framed = plain()
        cookie = nic.host.send(OUT_MACS + ether_type(framed) + framed)
        completion = nic.host.completion()
        expect((completion.cookie, completion.status == 0), (cookie, False), "a send")
    expect(nic.daemon.stop(), 0, "exit status")


@shows(47)
def _(nic):
    """A host port that is taken away: all sets are NOT_ACCEPTED, what comes ends in a count."""
    sa = is_taken_away(nic, "host")
    for seq in range(1, 101):
        nic.wire.send(seal_esp(plain(inbound=True), sa, seq))
    for _ in range(2000):
        counted = dict(nic.client.stats("drop"))["net_tap1"]["tx_full"]
        if counted == 100:
            break
        time.sleep(0.01)
    expect(counted, 100, "tx_full")
    expect(nic.daemon.stop(), 0, "exit status")


@shows(81)
def _(nic):
    """Associations, settings and offload go on behind a reset, in the middle of traffic."""
    nic.configure(4)
    nic.activate()
    sa, back = nic.sa(esn=True), nic.sa(inbound=True, esn=True)
    ah, back_ah = nic.ah(esn=True), nic.ah(inbound=True, esn=True)
    handle = nic.add(sa, ah=ah, sequence_high=3)
    nic.add(back, inbound=True, ah=back_ah, sequence_high=3)
    handles = sorted(info["handle"] for info in nic.client.sa_list())
    config = nic.client.current_config()
    for seq in range(1, 60):
        number = 3 << 32 | seq
        framed = frame_bundle(plain(), sa, ah, number)
        nic.host.send(OUT_MACS + ether_type(framed.packet) + framed.packet, slot1=handle,
                      slot12=framed.header_word)
        inside = ah_oracle.take_off(nic.wire.packet(), ah, number)
        expect(open_esp(inside, sa, number).packet, plain(), "sent")
        sealed = seal_esp(plain(inbound=True), back, number)
        nic.wire.send(ah_oracle.put_on(sealed, back_ah, number))
        indication = nic.host.indication()
        expect((indication.done, indication.status), ((True, False), 0), "received")
        if seq % 10 == 0:
            nic.client.set("RESET")
            expect(nic.client.current_config(), config, "configuration")
    expect(sorted(info["handle"] for info in nic.client.sa_list()), handles, "SAs")


@shows_by_itself(80)
def _(program, folder):
    """Orderly removal takes all SAs with it, without being asked."""
    with nics.running(program, folder) as nic:
        sa = nic.sa(inbound=True)
        nic.client.add_sa([contract_sa(nic.sa(inbound=True), True) for _ in range(9)])
        nic.add(sa, inbound=True)
        expect(nic.daemon.stop(), 0, "exit status")
    with nics.running(program, folder) as nic:
        nic.activate()
        expect((n_sas(nic), is_opened(nic, sa)), (0, False), "what is left")
