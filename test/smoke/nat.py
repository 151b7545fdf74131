# SPDX-License-Identifier: BSD-3-Clause
"""Do two hosts go on talking through ESP in UDP while a NAT between their daemons changes its mind?

    host a (TAP) -- ferruled -- wire-a =NAT= wire-b -- ferruled -- (TAP) host b

The NAT is a thread that rewrites source address and port of what comes from a.  Needs root, skips
where it has none.
"""

import argparse
import contextlib
import ipaddress
import json
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ferrule_ctl as ctl
import ip
import samples
from daemon import EAL, Daemon
from lab import Absent, Lab, wait_until
from report import Report

HOSTS = {"a": "10.0.0.1", "b": "10.0.0.2"}
PRIVATE, SERVER = ("192.0.2.1", 4500), ("198.51.100.2", 4500)
FIRST, MOVED = ("203.0.113.9", 40001), ("203.0.113.10", 40002)
SPIS = {"a": 0x1001, "b": 0x1002}
KEYS = {end: samples.make_key(f"nat {end}", 20).hex() for end in HOSTS}
ETHERNET, ARP, IPV4 = 14, 0x0806, 0x0800
_ETH_P_ALL = 3


def document(end):
    other = "b" if end == "a" else "a"
    here, there = (PRIVATE, SERVER) if end == "a" else (SERVER, FIRST)

    def sa(direction, sender, src, dst):
        return {
            "name": direction, "group": "peer", "direction": direction, "mode": "tunnel",
            "src": src[0], "dst": dst[0], "udp": {"sport": src[1], "dport": dst[1]},
            "esp": {"spi": SPIS[sender], "encryption": "aes-gcm-128",
                    "encryption_key": KEYS[sender]},
        }

    return json.dumps({
        "eal": [f"--vdev=net_tap0,iface=tap-{end}",
                f"--vdev=net_af_packet0,iface=wire-{end},framecnt=4096"],
        "pairs": [{"host": {"port": "net_tap0"}, "wire": {"port": "net_af_packet0"},
                   "nat_keepalive": 1}],
        "sas": [sa("out", end, here, there), sa("in", other, there, here)],
        "policies": [{"name": d, "direction": d, "src": "10.0.0.0/24", "dst": "10.0.0.0/24",
                      "action": "protect", "sas": ["peer"]} for d in ("out", "in")],
    })


def with_ends(frame, src=None, dst=None):
    """A UDP packet over IPv4 with another source or destination; a checksum of 0 stays 0."""
    packet = bytearray(frame[ETHERNET:])
    for end, at, port_at in ((src, 12, 20), (dst, 16, 22)):
        if end:
            packet[at:at + 4] = ipaddress.ip_address(end[0]).packed
            packet[port_at:port_at + 2] = struct.pack("!H", end[1])
    return frame[:ETHERNET] + ip.with_checksum(bytes(packet[:20])) + bytes(packet[20:])


class Nat(threading.Thread):
    """Forwards between two interfaces; counts what it sees of a, by kind, and what has no way back."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        with lab.entered("lab"):
            self._inside, self._outside = (self._open(f"line-{end}") for end in HOSTS)
        self._is_over = threading.Event()
        self.mapping = FIRST
        self.seen = {"esp": 0, "keep-alive": 0, "arp": 0}
        self.strange, self.stale, self.last = [], 0, None  # the last ESP packet of a

    @staticmethod
    def _open(interface):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        sock.bind((interface, _ETH_P_ALL))
        return sock

    def close(self):
        self._is_over.set()
        self.join()
        self._inside.close()
        self._outside.close()

    def inject(self, frame):
        self._outside.send(frame)

    def run(self):
        while not self._is_over.is_set():
            for sock in select.select([self._inside, self._outside], [], [], 0.05)[0]:
                frame, (_, _, direction, _, _) = sock.recvfrom(1 << 16)
                if direction == socket.PACKET_OUTGOING:
                    continue
                if sock is self._inside:
                    self._leave(frame)
                else:
                    self._come(frame)

    @staticmethod
    def _is_udp(frame):
        return frame[12:14] == b"\x08\x00" and frame[ETHERNET + 9] == ip.UDP

    def _leave(self, frame):
        if not self._is_udp(frame):
            self._count(frame)
            self._outside.send(frame)
            return
        length = struct.unpack_from("!H", frame, ETHERNET + 24)[0]
        self.seen["keep-alive" if length == 9 and frame[ETHERNET + 28] == 0xFF else "esp"] += 1
        mapped = with_ends(frame, src=self.mapping)
        if length > 9:
            self.last = mapped
        self._outside.send(mapped)

    def _come(self, frame):
        if not self._is_udp(frame):
            self._count(frame)
            self._inside.send(frame)
        elif frame[ETHERNET + 16:ETHERNET + 20] + frame[ETHERNET + 22:ETHERNET + 24] == \
                ipaddress.ip_address(self.mapping[0]).packed + struct.pack("!H", self.mapping[1]):
            self._inside.send(with_ends(frame, dst=PRIVATE))
        else:
            self.stale += 1

    def _count(self, frame):
        kind = struct.unpack_from("!H", frame, 12)[0]
        if kind == ARP:
            self.seen["arp"] += 1
        elif kind == IPV4:
            self.strange.append(frame.hex())


def can_ping(lab, end, count=1):
    target = HOSTS["b" if end == "a" else "a"]
    command = [*lab.inside(end), "ping", "-c", str(count), "-i", "0.05", "-W", "2", target]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def give_host(lab, end):
    tap = f"tap-{end}"
    lab.run("lab", "ip", "link", "set", tap, "netns", lab.names[end])
    lab.run(end, "ip", "address", "add", f"{HOSTS[end]}/24", "dev", tap)
    lab.run(end, "ip", "link", "set", tap, "addrgenmode", "none", "up")


def peers(client):
    return {sa["name"]: (sa["peer"], sa["peer_port"]) for sa in client.sa_list()}


def check(faults, what, condition):
    if not condition:
        faults.append(what)


def talk(lab, nat, client, report):
    faults = []
    for end in HOSTS:
        check(faults, f"no ping from {end}", wait_until(lambda e=end: can_ping(lab, e), 30))
    check(faults, f"peers are {peers(client)}", peers(client) == {"in": FIRST, "out": FIRST})
    report.add("through a NAT", faults)

    faults, astray = [], nat.stale
    nat.mapping = MOVED
    check(faults, "a is not heard", wait_until(lambda: can_ping(lab, "a"), 30))
    check(faults, f"peers are {peers(client)}",
          wait_until(lambda: peers(client) == {"in": MOVED, "out": MOVED}, 20))
    check(faults, "b does not reach a", can_ping(lab, "b", 20))
    events = []
    with contextlib.suppress(TimeoutError):
        while not events:
            event = ctl.event(client.indication(5).data)
            events = [event] if event["kind"] == "peer_moved" else []
    check(faults, f"told is {events}",
          bool(events) and (events[0]["name"], events[0]["src"], events[0]["sport"])
          == ("in", *MOVED))
    check(faults, f"{nat.stale - astray} packets went astray", nat.stale - astray < 20)
    report.add("to another mapping in mid-stream", faults)

    faults = []
    for _ in range(10):
        nat.inject(with_ends(nat.last, src=("203.0.113.66", 666)))
    check(faults, "b does not reach a", can_ping(lab, "b", 5))
    check(faults, f"peers are {peers(client)}", peers(client) == {"in": MOVED, "out": MOVED})
    report.add("replays move nothing", faults)

    before = nat.seen["keep-alive"]
    report.add("keep-alives while idle", [] if wait_until(
        lambda: nat.seen["keep-alive"] >= before + 2, 30) else [f"seen: {nat.seen}"])
    report.add("nothing else on the wire", nat.strange)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferruled to test")
    program = parser.parse_args().program.resolve()
    report = Report()
    with contextlib.ExitStack() as stack:
        try:
            lab = stack.enter_context(Lab("lab", *HOSTS))
        except Absent as error:
            report.absent("nat", str(error))
            return report.finish()
        lab.veth(("lab", "wire-a"), ("lab", "line-a"), index=100, far_index=16000)
        lab.veth(("lab", "wire-b"), ("lab", "line-b"), index=33000, far_index=48000)
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferrule-test-")))
                   for _ in HOSTS]
        daemons = [stack.enter_context(
            Daemon(program, folder, document(end), EAL, lab.inside("lab")))
            for end, folder in zip(HOSTS, folders)]
        ready = [daemon.heard("READY=1") for daemon in daemons]
        report.add("start", [] if all(ready) else [d.stderr() for d in daemons])
        if all(ready):
            nat = Nat(lab)
            nat.start()
            stack.callback(nat.close)
            for end in HOSTS:
                give_host(lab, end)
            with ctl.Client(str(folders[1] / "run" / "control.sock")) as client:
                client.subscribe()
                talk(lab, nat, client, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
