# SPDX-License-Identifier: BSD-3-Clause
"""A ferruled as the contract's NIC, with the host and the wire in the test's hands.

    host: TAP "host" == ferruled == TAP "wire"

Frames that the test sends into "host" are send requests through the shim (mode oob) or plain frames
(mode stack); what it sends into "wire" is received by the NIC.
"""

import contextlib
import json
import queue
import threading
import time
from pathlib import Path

import ferrule_ctl as ctl
import ip
import samples
from ah_oracle import Ah
from daemon import EAL, Daemon
from ipsec_oracle import Sa, open_esp, seal_esp
from lab import Lab, receive
from oob_host import OobHost
from transport import frame

HOST_MAC, PEER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
OUT_MACS, IN_MACS = PEER_MAC + HOST_MAC, HOST_MAC + PEER_MAC
ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
KEEP, ON, OFF = 0, 1, 2  # of Enabled
SETTLED = 0.3  # seconds in which what was not to come would have come


def ether_type(packet):
    return b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"


def key_bytes(algorithm):
    """Of its keying material, salt included."""
    if algorithm in ("null", "none"):
        return 0
    if algorithm.startswith(("aes-gcm", "aes-gmac")):
        return int(algorithm[-3:]) // 8 + 4
    if algorithm.startswith("aes-cbc"):
        return int(algorithm[-3:]) // 8
    return {"hmac-sha1-96": 20, "hmac-sha2-256-128": 32, "hmac-md5-96": 16, "3des-cbc": 24,
            "des-cbc": 8}[algorithm]


def encapsulation(ipv4, ipv6, type_=2):
    """OID_OFFLOAD_ENCAPSULATION"""
    members = {}
    for family, enabled in (("ipv4", ipv4), ("ipv6", ipv6)):
        members |= {f"{family}_enabled": enabled,
                    f"{family}_encapsulation_type": type_ if enabled == ON else 0,
                    f"{family}_header_size": 14 if enabled == ON else 0}
    return ctl.offload_encapsulation(**members)


class Wire:
    """The wire: sends frames to the NIC, and keeps those that it sends."""

    def __init__(self, sock):
        self._socket, self._frames = sock, queue.Queue()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._socket.settimeout(0.05)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()
        self._socket.close()

    def send(self, packet, macs=IN_MACS):
        self._socket.send(macs + ether_type(packet) + packet)

    def send_raw(self, frame_bytes):
        self._socket.send(frame_bytes)

    def frame(self, seconds=20):
        return self._frames.get(timeout=seconds)

    def packet(self, seconds=20):
        """The IP packet of the next frame, without Ethernet padding."""
        packet = self.frame(seconds)[14:]
        return packet[:ip.total_length(packet)]

    def is_silent(self):
        """Does nothing come that nobody took?"""
        time.sleep(SETTLED)
        return self._frames.empty()

    def _run(self):
        while not self._is_over.is_set():
            try:
                frame_bytes = receive(self._socket)
            except TimeoutError:
                continue
            if frame_bytes is not None:
                self._frames.put(frame_bytes)


class Nic:
    """One daemon with one pair, and what the tests do with it."""

    def __init__(self, lab, folder, client, host, wire):
        self.lab, self.folder, self.client, self.host, self.wire = lab, folder, client, host, wire
        self._spi = 0x1000

    def new_spi(self):
        self._spi += 1
        return self._spi

    def activate(self, ipv4=ON, ipv6=ON):
        self.client.set("OFFLOAD_ENCAPSULATION", encapsulation(ipv4, ipv6))

    def configure(self, value, **more):
        """OID_TCP_OFFLOAD_PARAMETERS.IPsecV2"""
        self.client.set("OFFLOAD_PARAMETERS", ctl.offload_parameters(ipsec_v2=value, **more))

    def sa(self, mode="transport", version=4, spi=None, encryption="aes-gcm-128", integrity="none",
           inbound=False, ends=None, esn=False, icv_bytes=16):
        """What the peer knows of an SA with keys of its own."""
        spi = spi or self.new_spi()
        src, dst = (ends or ENDS[version])[::-1 if inbound else 1]
        return Sa(mode, src, dst, spi, encryption,
                  samples.make_key(f"encryption {spi}", key_bytes(encryption)), integrity,
                  samples.make_key(f"integrity {spi}", key_bytes(integrity)),
                  icv_bytes=icv_bytes, esn=esn)

    def ah(self, version=4, integrity="hmac-sha2-256-128", inbound=False, ends=None, esn=False):
        """The same of AH."""
        spi = self.new_spi()
        src, dst = (ends or ENDS[version])[::-1 if inbound else 1]
        return Ah(src, dst, spi, integrity, samples.make_key(f"AH {spi}", key_bytes(integrity)), esn)

    def add(self, sa, inbound=False, **more):
        """Offloads it; the handle.  sa may be None where there is AH alone."""
        return self.client.add_sa_ex(contract_sa(sa, inbound, **more))


def contract_sa(sa, inbound=False, ah=None, **more):
    """The SA, or the bundle, as the python client takes it."""
    first = sa or ah
    taken = {"direction": "in" if inbound else "out", "src": first.src, "dst": first.dst,
             "esn": first.esn, **more}
    if sa:
        taken["esp"] = {
            "spi": sa.spi, "encryption": sa.encryption, "encryption_key": sa.encryption_key.hex(),
            "integrity": sa.integrity, "integrity_key": sa.integrity_key.hex()}
        if sa.encryption.startswith("aes-gcm"):
            taken["esp"]["icv_bytes"] = sa.icv_bytes
    if ah:
        taken["ah"] = {"spi": ah.spi, "integrity": ah.integrity,
                       "integrity_key": ah.integrity_key.hex()}
    return taken


def document(mode, legacy=False, **settings):
    return json.dumps({
        "legacy_algorithms": legacy,
        "eal": ["--vdev=net_tap0,iface=host", "--vdev=net_tap1,iface=wire"],
        # A TAP takes no MTU above 1500, and the shim needs its room.
        "pairs": [{"mode": mode, "host": {"port": "net_tap0", "mtu": 1500},
                   "wire": {"port": "net_tap1", "mtu": 1442}, "capacity": 64, **settings}]})


@contextlib.contextmanager
def running(program, folder, mode="oob", **settings):
    """A Nic that is up.  Raises lab.Absent where there can be none."""
    folder = Path(folder)
    with Lab("nic") as lab:
        with lab.entered("nic"):
            Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1", encoding="ascii")
        with Daemon(program, folder, document(mode, **settings), EAL, lab.inside("nic")) as daemon:
            if not daemon.heard("READY=1", 120):
                raise RuntimeError(f"ferruled does not start: {daemon.stderr()}")
            for interface in ("host", "wire"):
                lab.run("nic", "ip", "link", "set", interface, "up")
            with ctl.Client(str(folder / "run" / "control.sock"), timeout=60) as client, \
                    OobHost(lab.port("nic", "host")) as host, Wire(lab.port("nic", "wire")) as wire:
                nic = Nic(lab, folder, client, host, wire)
                nic.daemon = daemon
                yield nic


def plain(version=4, payload=b"ferrule", inbound=False, ends=None):
    """A UDP packet between the ends, checksum of IPv4 left 0."""
    src, dst = (ends or ENDS[version])[::-1 if inbound else 1]
    return samples.udp_packet(src, dst, payload=payload)


def send(nic, packet, sa, seq, handle, **options):
    """Frames a packet and hands it to the NIC."""
    framed = frame(packet, sa, seq, **options)
    cookie = nic.host.send(OUT_MACS + ether_type(framed.packet) + framed.packet, slot1=handle,
                           slot12=framed.header_word)
    return framed, cookie


__all__ = ["Nic", "Wire", "running", "plain", "send", "frame", "seal_esp", "open_esp"]
