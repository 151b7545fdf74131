# SPDX-License-Identifier: BSD-3-Clause
"""Do two hosts talk through two daemons, and does nobody on the wire see what they say?

    host a (TAP) -- ferruled -- wire (veth) -- ferruled -- (TAP) host b

Each host has a network namespace, and so have the daemons.  Needs root, skips where it has none.
"""

import argparse
import contextlib
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import samples
from daemon import EAL, Daemon
from lab import Absent, Lab
from report import Report

ENDS = {"a": ("10.0.0.1", "2001:db8::1"), "b": ("10.0.0.2", "2001:db8::2")}
KEYS = {end: (0x1000 + number, samples.make_key(f"live {end}", 20).hex())
        for number, end in enumerate(ENDS)}
TCP_BYTES = 20_000_000
SIZES = (0, 1, 100, 1000, *range(1380, 1480, 7), 1600, 4000, 9000)
ESP = 50

# Answers every datagram, and with "tcp" one connection with the digest of what it got.
ECHO = """
import hashlib, socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
if kind == "tcp":
    with socket.create_server((address, port), family=family) as server:
        print("ready", flush=True)
        peer, digest = server.accept()[0], hashlib.sha256()
        while data := peer.recv(1 << 16):
            digest.update(data)
        peer.sendall(digest.digest())
else:
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        print("ready", flush=True)
        while True:
            data, peer = server.recvfrom(1 << 16)
            server.sendto(data, peer)
"""

# Sends datagrams of these sizes, one by one, and says how many came back as they were.
ASK = """
import os, socket, sys
address, port, sizes = sys.argv[1], int(sys.argv[2]), map(int, sys.argv[3].split(","))
family = socket.AF_INET6 if ":" in address else socket.AF_INET
right = 0
with socket.socket(family, socket.SOCK_DGRAM) as client:
    client.settimeout(2)
    for size in sizes:
        data = os.urandom(size)
        for _ in range(3):
            client.sendto(data, (address, port))
            try:
                if client.recv(1 << 16) == data:
                    right += 1
                    break
            except TimeoutError:
                pass
print(right)
"""


def document(end):
    here, there = end, "b" if end == "a" else "a"

    def sa(direction, sender, receiver):
        spi, key = KEYS[sender]
        return {
            "name": direction, "group": "peer", "direction": direction, "mode": "tunnel",
            "src": ENDS[sender][0], "dst": ENDS[receiver][0],
            "esp": {"spi": spi, "encryption": "aes-gcm-128", "encryption_key": key},
        }

    policies = [
        {"name": f"{direction}{version}", "direction": direction, "src": net, "dst": net,
         "action": "protect", "sas": ["peer"]}
        for direction in ("out", "in")
        for version, net in ((4, "10.0.0.0/24"), (6, "2001:db8::/64"))
    ]
    return json.dumps({
        "eal": [f"--vdev=net_tap0,iface=tap-{end}",
                f"--vdev=net_af_packet0,iface=wire-{end},framecnt=4096"],
        "pairs": [{"host": {"port": "net_tap0"}, "wire": {"port": "net_af_packet0"}}],
        "sas": [sa("out", here, there), sa("in", there, here)],
        "policies": policies,
    })


class Hosts(Lab):
    """Namespaces lab, a and b; the wire is in lab."""

    def __init__(self):
        super().__init__("lab", *ENDS)

    def give_host(self, end, addresses):
        """The TAP of a daemon becomes the interface of its host."""
        tap = f"tap-{end}"
        self.run("lab", "ip", "link", "set", tap, "netns", self.names[end])
        for address in addresses:
            length, nodad = (64, ("nodad",)) if ":" in address else (24, ())
            self.run(end, "ip", "address", "add", f"{address}/{length}", "dev", tap, *nodad)
        self.run(end, "ip", "link", "set", tap, "up")

    @contextlib.contextmanager
    def server(self, end, kind, address, port):
        with subprocess.Popen(
            [*self.inside(end), sys.executable, "-c", ECHO, kind, address, str(port)],
            stdout=subprocess.PIPE, text=True,
        ) as process:
            process.stdout.readline()
            try:
                yield
            finally:
                process.kill()

    def python(self, end, text, *args):
        """Runs a text in a namespace; what it printed."""
        command = [*self.inside(end), sys.executable, "-c", text, *map(str, args)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return run.stdout.strip() or run.stderr.strip()

    @contextlib.contextmanager
    def sniffer(self):
        """Counts kinds of frames on the wire into a dict."""
        text = """
import collections, json, signal, socket, sys
kinds = collections.Counter()
def end(*_):
    print(json.dumps(kinds), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:
    wire.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
    wire.bind(("wire-b", 0))
    print("ready", flush=True)
    while True:
        frame = wire.recv(1 << 16)
        kind = frame[12:14].hex()
        if kind == "0800":
            kind += f" {frame[23]}"
        elif kind == "86dd":
            kind += f" {frame[20]} {frame[54] if len(frame) > 54 else ''}"
        kinds[kind] += 1
"""
        seen = {}
        with subprocess.Popen(
            [*self.inside("lab"), sys.executable, "-c", text], stdout=subprocess.PIPE, text=True
        ) as process:
            process.stdout.readline()
            try:
                yield seen
            finally:
                process.terminate()
            seen.update(json.loads(process.stdout.readline()))


def digest_over_tcp(lab, address, port, n_bytes):
    """Sends bytes from host a to host b; are they what b got?"""
    text = """
import hashlib, random, socket, sys
data = random.Random(1).randbytes(int(sys.argv[3]))
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as peer:
    peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
    print(peer.recv(64).hex())
"""
    with lab.server("b", "tcp", address, port):
        return lab.python("a", text, address, port, n_bytes)


def datagram_faults(lab, address, sizes=SIZES):
    with lab.server("b", "udp", address, 7):
        right = lab.python("a", ASK, address, 7, ",".join(map(str, sizes)))
    return [] if right == str(len(sizes)) else [f"{right} of {len(sizes)} came back"]


def tcp_faults(lab, address, n_bytes):
    wanted = hashlib.sha256(random.Random(1).randbytes(n_bytes)).hexdigest()
    got = digest_over_tcp(lab, address, 9, n_bytes)
    return [] if got == wanted else [f"{got}, expected {wanted}"]


def talk(lab, report):
    for address in ENDS["b"]:
        report.add(f"datagrams over {address}", datagram_faults(lab, address))
    for address in ENDS["b"]:
        report.add(f"TCP over {address}", tcp_faults(lab, address, TCP_BYTES))


def is_link_control(kind):
    """ARP, and of ICMPv6 what belongs to neighbour discovery and multicast listeners."""
    if kind == "0806":
        return True
    words = kind.split(" ")
    return words[0] == "86dd" and (words[1] == "0" or (
        words[1] == "58" and 133 <= int(words[2] or 0) <= 137))


def wire_faults(kinds):
    clear = {kind: count for kind, count in kinds.items()
             if kind != f"0800 {ESP}" and not is_link_control(kind)}
    faults = [f"in the clear: {clear}"] if clear else []
    if kinds.get(f"0800 {ESP}", 0) < 1000:
        faults.append(f"hardly any ESP: {kinds}")
    return faults


FLOOD = """
import socket, sys, time
end = time.monotonic() + 4
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    while time.monotonic() < end:
        try:
            client.sendto(bytes(1000), (sys.argv[1], 7))
        except OSError:
            pass
"""


def vanish(lab, daemon, report):
    """The wire goes away while packets flow: the daemon stays, and ends when it is asked to."""
    with subprocess.Popen([*lab.inside("a"), sys.executable, "-c", FLOOD, ENDS["b"][0]]) as flood:
        time.sleep(0.5)
        lab.run("lab", "ip", "link", "del", "wire-a")
        time.sleep(1.5)
        alive = daemon.process.poll() is None
        status = daemon.stop()
        flood.kill()
    faults = [] if alive and status == 0 else [f"alive {alive}, exit {status}: {daemon.stderr()}"]
    report.add("the wire vanishes", faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferruled to test")
    program = parser.parse_args().program.resolve()
    report = Report()
    with contextlib.ExitStack() as stack:
        try:
            lab = stack.enter_context(Hosts())
        except Absent as error:
            report.absent("live", str(error))
            return report.finish()
        lab.veth(("lab", "wire-a"), ("lab", "wire-b"), index=100, far_index=33000)
        daemons = {}
        for end in ENDS:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferrule-test-")))
            daemons[end] = stack.enter_context(
                Daemon(program, folder, document(end), EAL, lab.inside("lab")))
        ready = [daemon.heard("READY=1") for daemon in daemons.values()]
        report.add("start", [] if all(ready) else [d.stderr() for d in daemons.values()])
        if all(ready):
            with lab.sniffer() as kinds:
                for end in ENDS:
                    lab.give_host(end, ENDS[end])
                talk(lab, report)
            report.add("on the wire", wire_faults(kinds))
            vanish(lab, daemons["a"], report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
