# SPDX-License-Identifier: BSD-3-Clause
"""Do several queues share the work: those of the wire among workers, those of the host among flows?

    sockets == TAP, or veth: ferruled: TAP == sockets
                             ferruled: vhost == virtio-user, a machine with several CPUs

The kernel deals what it sends into a TAP, and what it fans out of an interface, out by the outer
addresses, as a card does.  Needs root, and for the last part drivers for vhost and virtio.
"""

import argparse
import collections
import contextlib
import json
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
from daemon import EAL, Daemon, neighbour
from ipsec_oracle import Sa, seal_esp
from lab import Absent, Lab, receive, wait_until
from report import Report

N_FLOWS, N_CLEAR = 64, 16  # all, and those in the clear, which are the last
N_PEERS, N_QUEUES = 64, 4
ROUNDS = 40
SHARE = 0.15  # of all packets, that each of two queues gets at least


def peer_sa(n):
    """What a peer knows of its SA."""
    return Sa("tunnel", f"198.51.100.{n + 1}", "192.0.2.1", 0x1000 + n, "aes-gcm-128",
              samples.make_key(f"queues {n}", 20))


PEERS = [peer_sa(n) for n in range(N_PEERS)]


def frame(flow, number, n_peers):
    """A packet of a flow, which comes by one of so many tunnels, or in the clear."""
    is_clear = flow >= N_FLOWS - N_CLEAR
    packet = samples.udp_packet(f"10.{9 if is_clear else 2}.{flow}.7", f"10.1.{flow}.9",
                                payload=bytes(40) + struct.pack("!II", flow, number))
    return samples.ethernet(packet if is_clear else seal_esp(packet, PEERS[flow % n_peers],
                                                             number * N_FLOWS + flow + 1))


def document(vdevs, workers, queues, host="net_tap0", wire="net_tap1"):
    def sa(n, known):
        return {"name": f"in{n}", "group": "far", "direction": "in", "mode": "tunnel",
                "src": known.src, "dst": known.dst, "replay_window": 4096,
                "esp": {"spi": known.spi, "encryption": known.encryption,
                        "encryption_key": known.encryption_key.hex()}}

    return json.dumps({
        "eal": vdevs, "workers": workers,
        "pairs": [{"host": {"port": host}, "wire": {"port": wire}, "queues": queues}],
        "sas": [sa(n, known) for n, known in enumerate(PEERS)],
        "policies": [
            {"name": "in", "direction": "in", "src": "10.2.0.0/16", "dst": "10.1.0.0/16",
             "action": "protect", "sas": ["far"]},
            {"name": "clear", "direction": "in", "src": "10.9.0.0/16", "dst": "10.1.0.0/16",
             "action": "bypass"}]})


class Came:
    """What came of the flows: {flow: [(queue, number), ...]}"""

    def __init__(self):
        self.flows, self.n = collections.defaultdict(list), 0

    def put(self, queue, flow, number):
        self.flows[flow].append((queue, number))
        self.n += 1

    def faults(self, n_flows):
        """Is each flow complete, in order, and in one queue?"""
        faults = []
        for flow in range(n_flows):
            came = self.flows[flow]
            if [number for _, number in came] != list(range(ROUNDS)):
                faults.append(f"flow {flow}: {[number for _, number in came]}")
            if len({queue for queue, _ in came}) > 1:
                faults.append(f"flow {flow} comes by queues {sorted({q for q, _ in came})}")
        return faults

    def queues(self):
        """{queue: flows}"""
        return collections.Counter(came[0][0] for came in self.flows.values() if came)


class Thread(threading.Thread):
    def __init__(self, work):
        super().__init__(daemon=True)
        self._work = work
        self.start()

    def run(self):
        with contextlib.suppress(OSError, ValueError):  # what it reads was closed
            self._work()


def talk(wire, came, peers):
    """All rounds of all flows, each when the one before has arrived.  Faults."""
    for number in range(ROUNDS):
        for flow in range(N_FLOWS):
            wire.send(frame(flow, number, peers))
        if not wait_until(lambda: came.n >= (number + 1) * N_FLOWS, 30):
            return [f"round {number}: {came.n} of {(number + 1) * N_FLOWS} packets came"]
    return came.faults(N_FLOWS)


def read_port(sock, came):
    """The other end of a TAP, which is one queue."""
    def work():
        while True:
            frame = receive(sock)
            if frame is not None and frame[12:14] == b"\x08\0":
                came.put(0, *struct.unpack("!II", frame[-8:]))

    return Thread(work)


@contextlib.contextmanager
def running(program, lab, folder, vdevs, **settings):
    with Daemon(program, folder, document(vdevs, **settings), EAL, lab.inside("lab")) as daemon:
        if not daemon.heard("READY=1", 120):
            raise RuntimeError(f"ferruled does not start: {daemon.stderr()}")
        with ctl.Client(str(folder / "run" / "control.sock"), timeout=60) as client:
            yield daemon, client


def workers_of(client):
    """{worker: packets received}"""
    return {name: row["rx_packets"] for name, row in client.stats("worker")}


def share_out(program, lab, folder, wire):
    """Two workers and two queues: has each its part of what many peers send?"""
    if wire == "net_tap1":
        vdev, near = "--vdev=net_tap1,iface=wire", ("lab", "wire")
    else:
        vdev, near = "--vdev=net_af_packet1,iface=wire-near,qpairs=2,framecnt=2048", ("far", "wire-far")
    came = Came()
    with running(program, lab, folder, ["--vdev=net_tap0,iface=host", vdev], wire=wire, workers=2,
                 queues=2) as (daemon, client):
        for name in ("host", "wire"):
            if name == "host" or wire == "net_tap1":
                lab.run("lab", "ip", "link", "set", name, "up")
        before = workers_of(client)
        read_port(lab.port("lab", "host"), came)
        faults = talk(lab.port(*near), came, N_PEERS)
        parts = {name: n - before[name] for name, n in workers_of(client).items()}
        if min(parts.values()) < SHARE * came.n:
            faults.append(f"the workers' parts: {parts}")
        return faults + ([daemon.stderr()] if faults else [])


def kernel_ports(program, report):
    for wire in ("net_tap1", "net_af_packet1"):
        with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder, \
                Lab("lab", "far") as lab:
            for name in ("lab", "far"):
                with lab.entered(name):
                    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text(
                        "1", encoding="ascii")
            lab.veth(("lab", "wire-near"), ("far", "wire-far"), index=100, far_index=33000)
            report.add(f"two workers share what comes by {wire}",
                       share_out(program, lab, Path(folder), wire))


# --- a host with several queues ---------------------------------------------------------------


@contextlib.contextmanager
def machine(reader, folder, n_queues, came):
    """A virtual machine that reads that many queues."""
    device = f"net_virtio_user0,path={folder}/vhost.sock,queues={n_queues},cq=1"
    with open(folder / "reader-stderr", "w+", encoding="utf-8") as stderr:
        process = neighbour(reader, folder, device, n_queues, stdin=subprocess.DEVNULL,
                            stderr=stderr, text=True)
        ready = threading.Event()

        def work():
            for line in process.stdout:
                words = line.split()
                if words == ["ready"]:
                    ready.set()
                elif len(words) == 3 and all(map(str.isdigit, words)):
                    came.put(*map(int, words))

        thread = Thread(work)
        try:
            if not ready.wait(60):
                stderr.seek(0)
                raise RuntimeError(f"the machine does not start: {stderr.read()}")
            yield
        finally:
            process.kill()
            process.wait()
            thread.join()


def to_machine(program, reader, folder, peers, workers, n_queues):
    """Faults: of flows, and of queues that have not their part of them."""
    came = Came()
    with Lab("lab") as lab:
        with lab.entered("lab"):
            Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1", encoding="ascii")
        vdevs = [f"--vdev=net_vhost0,iface={folder}/vhost.sock,queues={N_QUEUES}",
                 "--vdev=net_tap1,iface=wire"]
        with running(program, lab, folder, vdevs, host="net_vhost0", workers=workers,
                     queues=N_QUEUES) as (daemon, _), machine(reader, folder, n_queues, came):
            lab.run("lab", "ip", "link", "set", "wire", "up")
            port = lab.port("lab", "wire")
            # What waits for its other fragments has no flow.
            port.send(samples.ethernet(ip.as_fragment(frame(0, 0, peers)[14:], 0, True)))
            faults = talk(port, came, peers)
            queues = came.queues()
            if len(queues) < n_queues or min(queues.values()) <= N_FLOWS / n_queues / 4:
                faults.append(f"the queues' parts of the flows: {dict(queues)}")
            return faults + ([daemon.stderr()] if faults else [])


def machines(program, reader, report):
    for what, peers, workers, n_queues in (
            ("a machine with four CPUs behind one tunnel", 1, 1, 4),
            ("a machine that uses two of four queues", 1, 1, 2),
            ("a machine with four CPUs behind two workers", N_PEERS, 2, 4)):
        with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
            report.add(what, to_machine(program, reader, Path(folder), peers, workers, n_queues))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferruled to test")
    parser.add_argument("reader", type=Path, help="the machine")
    args = parser.parse_args()
    report = Report()
    try:
        kernel_ports(args.program.resolve(), report)
        machines(args.program.resolve(), args.reader.resolve(), report)
    except Absent as reason:
        report.absent("queues", str(reason))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
