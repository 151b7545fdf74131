# SPDX-License-Identifier: BSD-3-Clause
"""Does ferruled carry packets between its ports, and say in one line why it cannot?

Ports are capture files, so no privileges are needed: what is in them comes in, what goes out is
written to others.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ip
import pcapio
import samples
from daemon import EAL, Daemon
from ipsec_oracle import Refused, Sa, open_esp
from report import Report, difference

KEY = samples.make_key("daemon", 20)
BACK = samples.make_key("daemon, back", 20)
NEAR, FAR = "192.0.2.1", "198.51.100.1"
OUT = Sa("tunnel", NEAR, FAR, 0x1001, "aes-gcm-128", KEY)
ARP = bytes.fromhex("ffffffffffff 020000000001 0806") + bytes(28)
N_PACKETS = 300


def inner(index):
    """Packets of hosts: IPv4 and IPv6, short and long."""
    ends = ("10.1.0.7", "10.2.0.9") if index % 3 else ("2001:db8:1::7", "2001:db8:2::9")
    return samples.udp_packet(*ends, payload=bytes([index % 256]) * (index * 37 % 1300))


def sa(name, direction, src, dst, spi, key):
    return {
        "name": name, "group": "far", "direction": direction, "mode": "tunnel",
        "src": src, "dst": dst,
        "esp": {"spi": spi, "encryption": "aes-gcm-128", "encryption_key": key.hex()},
    }


def policy(name, direction, src, dst, **rest):
    return {"name": name, "direction": direction, "src": src, "dst": dst, **rest}


def document(near=True, **settings):
    """The one end of a tunnel, or the other."""
    here, there = (NEAR, FAR) if near else (FAR, NEAR)
    keys = {True: (0x1001, KEY), False: (0x1002, BACK)}
    mine, theirs = ("1", "2") if near else ("2", "1")
    protect = {"action": "protect", "sas": ["far"]}
    sites = {4: "10.{}.0.0/16", 6: "2001:db8:{}::/48"}
    policies = [policy("server", "out", "any", "10.9.0.1", priority=1, action="bypass")]
    for version, site in sites.items():
        ends = site.format(mine), site.format(theirs)
        policies.append(policy(f"out{version}", "out", *ends, priority=2, **protect))
        policies.append(policy(f"in{version}", "in", *reversed(ends), priority=2, **protect))
    return json.dumps({
        "eal": [
            "--vdev=net_pcap0,rx_pcap=host-in.pcap,tx_pcap=host-out.pcap",
            "--vdev=net_pcap1,rx_pcap=wire-in.pcap,tx_pcap=wire-out.pcap",
        ],
        "pairs": [{"host": {"port": "net_pcap0"}, "wire": {"port": "net_pcap1"}, **settings}],
        "sas": [
            sa("out", "out", here, there, *keys[near]),
            sa("in", "in", there, here, *keys[not near]),
        ],
        "policies": policies,
    })


class Bench:
    """Runs a daemon in a new folder with these frames at its ports."""

    def __init__(self, program):
        self.program = program
        self.said = ""  # on standard error, by the last one

    def carry(self, text, host=(), wire=(), eal=EAL):
        """(frames out of the wire port, frames out of the host port, counters, faults)"""
        for patience in (0.5, 2, 8, 30):
            with tempfile.TemporaryDirectory(prefix="ferrule-test-") as name:
                folder = Path(name)
                pcapio.write(folder / "host-in.pcap", pcapio.of_frames(host, pcapio.ETHERNET))
                pcapio.write(folder / "wire-in.pcap", pcapio.of_frames(wire, pcapio.ETHERNET))
                with Daemon(self.program, folder, text, eal) as daemon:
                    ready = daemon.heard("READY=1")
                    time.sleep(patience)
                    status = daemon.stop()
                    stopping = daemon.heard("STOPPING=1", 0.1)
                    counters, self.said = daemon.counters(), daemon.stderr()
                outs = [pcapio.read(folder / f"{side}-out.pcap").frames if ready else []
                        for side in ("wire", "host")]
            received = [counters.get(f"net_pcap{i}", {}).get("received") for i in (0, 1)]
            if received == [len(host), len(wire)]:
                break
        faults = []
        if (ready, stopping, status) != (True, True, 0):
            faults = [f"ready {ready}, stopping {stopping}, exit {status}: {self.said}"]
        elif received != [len(host), len(wire)]:
            faults = [f"received {received} of {len(host)} and {len(wire)}"]
        return (*outs, counters, faults)


def sealed_faults(frames, packets):
    """Each frame is the packet at its place, protected, behind the same link addresses."""
    faults = []
    if len(frames) != len(packets):
        return [f"{len(frames)} packets on the wire, expected {len(packets)}"]
    for index, (frame, packet) in enumerate(zip(frames, packets)):
        sealed = pcapio.network_packet(frame, pcapio.ETHERNET)
        faults += difference(f"packet {index}: link header", frame, samples.ethernet(sealed))
        try:
            opened = open_esp(sealed, OUT, index + 1)
        except (Refused, ip.IpError) as error:
            faults.append(f"packet {index}: {error}: {sealed.hex()}")
            continue
        faults += difference(f"packet {index}: inside", opened.packet, packet)
    return faults


def there_and_back(bench, report):
    """What one daemon seals the oracle opens, and so does a daemon at the other end."""
    packets = [inner(index) for index in range(N_PACKETS)]
    frames = [samples.ethernet(packet) for packet in packets]
    wire, host, _, faults = bench.carry(document(), host=frames)
    if host:
        faults.append(f"{len(host)} frames out of the host port")
    report.add("host to wire", faults or sealed_faults(wire, packets))
    back, host, _, faults = bench.carry(document(near=False), wire=wire)
    if not faults and host != frames:
        faults = [f"{len(host)} frames, not those that were sent"]
    if back:
        faults.append(f"{len(back)} frames out of the wire port")
    report.add("wire to host", faults)
    # A second copy of everything is a replay.
    _, host, counters, faults = bench.carry(document(near=False), wire=wire + wire)
    if counters.get("net_pcap1", {}).get("replay") != N_PACKETS or len(host) != N_PACKETS:
        faults.append(f"{counters}")
    report.add("replays", faults)


def what_is_not_protected(bench, report):
    """In the clear leaves what a policy lets by, and nothing else that it could."""
    plain = samples.ethernet(samples.udp_packet("10.1.0.7", "10.9.0.1"))
    other = samples.ethernet(samples.udp_packet("10.1.0.7", "10.7.0.1"))
    broken = samples.ethernet(samples.udp_packet("10.1.0.7", "10.2.0.1"))[:30]
    host = [plain, other, broken, plain]
    wire, _, counters, faults = bench.carry(document(), host=host)
    if wire != [plain, plain]:
        faults.append(f"on the wire: {[frame.hex() for frame in wire]}")
    wanted = {"received": 4, "sent": 0, "ok": 2, "no_policy": 1, "bad_ip": 1}
    if counters.get("net_pcap0") != wanted:
        faults.append(f"{counters}")
    report.add("policies", faults)
    for missing in (("policies",), ("policies", "sas")):
        text = json.dumps({**json.loads(document()), **dict.fromkeys(missing, [])})
        wire, host, _, faults = bench.carry(text, host=[plain, other], wire=[plain])
        if wire or host:
            faults.append(f"out: {wire} {host}")
        report.add(f"without {' and '.join(missing)}", faults)


def policies_without_sas(bench, report):
    """SAs may come over the socket later: until then what policies protect is dropped."""
    text = json.dumps({**json.loads(document()), "sas": []})
    inside = samples.ethernet(inner(1))
    wire, host, counters, faults = bench.carry(text, host=[inside], wire=[inside])
    if wire or host or counters.get("net_pcap0", {}).get("no_active_sa") != 1:
        faults.append(f"out: {wire} {host}, {counters}")
    told = "ferruled.yaml:1: group far has no SA of direction out yet, others likewise: "
    if told not in bench.said:
        faults.append(f"{bench.said} instead of {told}")
    report.add("policies without SAs", faults)


def too_long_for_the_wire(bench, report):
    """A packet that may not be cut does not leave by a port with a smaller MTU."""
    packet = samples.udp_packet("10.1.0.7", "10.2.0.9", bytes(1400))
    df = packet[:6] + b"\x40" + packet[7:10] + b"\0\0" + packet[12:20]
    df = ip.with_checksum(df) + packet[20:]
    small = {"wire": {"port": "net_pcap1", "mtu": 1280}}
    wire, _, counters, faults = bench.carry(document(**small), host=[samples.ethernet(df)])
    if wire or counters.get("net_pcap0", {}).get("too_big") != 1:
        faults.append(f"{len(wire)} frames on the wire, {counters}")
    report.add("MTU of the wire", faults)


def jumbo(bench, report):
    """Frames of 9,000 bytes where both ports have that MTU."""
    both = {
        "host": {"port": "net_pcap0", "mtu": 9000}, "wire": {"port": "net_pcap1", "mtu": 9000}
    }
    sizes = range(8000, 8900, 90)
    packets = [samples.udp_packet("10.1.0.7", "10.2.0.9", bytes(size)) for size in sizes]
    frames = [samples.ethernet(packet) for packet in packets]
    wire, _, _, faults = bench.carry(document(**both), host=frames)
    report.add("jumbo frames", faults or sealed_faults(wire, packets))


def dummies(bench, report):
    """From the first packet on idle time is filled with dummies; the other end knows them."""
    text = json.loads(document())
    text["sas"][0]["tfc"] = {"pad_to": "mtu", "dummy_rate": 500}
    packet = inner(1)
    wire, _, counters, faults = bench.carry(json.dumps(text), host=[samples.ethernet(packet)])
    if len(wire) < 20:
        faults.append(f"{len(wire)} frames on the wire")
    if len(set(map(len, wire))) > 1:
        faults.append(f"lengths on the wire: {sorted(set(map(len, wire)))}")
    for index, frame in enumerate(wire):
        opened = open_esp(pcapio.network_packet(frame, pcapio.ETHERNET), OUT, index + 1,
                          keep_dummy=True)
        if (opened.next_header == ip.NO_NEXT) != (index > 0):
            faults.append(f"frame {index} has next header {opened.next_header}")
        if frame[:14] != wire[0][:14]:
            faults.append(f"frame {index} has link header {frame[:14].hex()}")
    if counters.get("net_pcap0") != {"received": 1, "sent": 0, "ok": 1}:
        faults.append(f"{counters}")
    report.add("dummies sent", faults)
    _, host, counters, faults = bench.carry(document(near=False), wire=wire)
    if host != [samples.ethernet(packet)]:
        faults.append(f"{len(host)} frames out of the host port")
    if counters.get("net_pcap1", {}).get("dummy") != len(wire) - 1:
        faults.append(f"{counters}")
    report.add("dummies received", faults)


PCAP = "--vdev=net_pcap0,rx_pcap=host-in.pcap,tx_pcap=host-out.pcap"
NULLS = "eal: [--vdev=net_null0, --vdev=net_null1]\n"
PAIR = "pairs:\n- host: {{port: {}}}\n  wire: {{port: {}}}\n"
GOOD = NULLS + PAIR.format("net_null0", "net_null1")

# (name, document, EAL options, what stands in the one line)
REFUSED = (
    ("no pairs", "sas: []\n", EAL, "ferruled.yaml:1: pairs: is missing"),
    ("no such port", NULLS + PAIR.format("net_null0", "net_null7"), EAL,
     "ferruled.yaml:4: pairs[0].wire.port: net_null7 is no port: there are net_null0, net_null1"),
    ("no ports at all", PAIR.format("a", "b"), EAL,
     "ferruled.yaml:2: pairs[0].host.port: a is no port: the EAL has none"),
    ("device that cannot be made",
     GOOD.replace(NULLS, 'eal: ["--vdev=net_pcap0,rx_pcap=nowhere"]\n'),
     EAL, "ferruled: --vdev=net_pcap0,rx_pcap=nowhere: "),
    ("driver that is not there", GOOD, (*EAL, "--vdev=net_nodriver0"),
     "ferruled: --vdev=net_nodriver0: "),
    ("more queues than a port has", GOOD.replace("--vdev=net_null1]", f'"{PCAP}"]')
     .replace("{port: net_null1}", "{port: net_pcap0}\n  queues: 4"), EAL,
     "ferruled.yaml:5: pairs[0].queues: are 4, but net_pcap0 (net_pcap) has 1"),
    ("MTU that a port does not take",
     "eal: [--vdev=net_memif0, --vdev=net_null1]\npairs:\n- host: {port: net_null1}\n"
     "  wire:\n    port: net_memif0\n    mtu: 3000\n", EAL,
     "ferruled.yaml:6: pairs[0].wire.mtu: 3000 is an MTU that net_memif0 does not take"),
    ("lcore that is not there", GOOD + "workers: [1]\n", (*EAL, "--lcores", "0@0"),
     "ferruled.yaml:5: workers: lcore 1 is not one of the EAL's"),
    ("too few lcores", "workers: 2\n" + GOOD + "  queues: 2\n", (*EAL, "--lcores=0@0,1@0"),
     "ferruled.yaml:1: workers: are 2, but the EAL has 1 lcores"),
    ("more SAs than there is room for", None, EAL, "ferruled.yaml:"),
    ("option that DPDK does not know", GOOD, (*EAL, "--frobnicate"), "'--frobnicate'"),
    ("--in-memory", GOOD, (*EAL, "--in-memory"), "--no-huge and --in-memory"),
    ("less memory than needed", GOOD, (*EAL, "-m", "16"), ""),
)


def restarts(bench, report):
    """With keys from a file, a new process begins at number 1 again, but not with the old nonces."""
    packets = [inner(index) for index in range(40)]
    frames = [samples.ethernet(packet) for packet in packets]
    later = json.loads(document())
    later["sas"][0]["sequence"] = 1000
    faults, wires = [], []
    for text in (document(), document(), json.dumps(later)):
        wire, _, _, more = bench.carry(text, host=frames)
        wires.append(wire)
        faults += more
    nonces = [frame[42:50] for wire in wires for frame in wire]  # behind link, IPv4 and ESP headers
    if len(set(nonces)) != 3 * len(packets):
        faults.append(f"{len(set(nonces))} different nonces in {len(nonces)} packets")
    _, host, counters, more = bench.carry(document(near=False), wire=sum(wires, []))
    faults += more
    if host != [*frames, *frames]:
        faults.append(f"{len(host)} packets arrived, expected {len(frames)} of the first and the third run")
    if counters.get("net_pcap1", {}).get("replay") != len(packets):
        faults.append(f"counted {counters.get('net_pcap1')}, expected {len(packets)} replays")
    report.add("restart with keys from a file", faults)


def crowded():
    """Two SAs, and room for one."""
    text = json.loads(document())
    text["pairs"][0]["capacity"] = 1
    return json.dumps(text)


def refusals(program, report):
    for name, text, eal, wanted in REFUSED:
        with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
            folder = Path(folder)
            for side in ("host", "wire"):
                pcapio.write(folder / f"{side}-in.pcap", pcapio.of_frames([], pcapio.ETHERNET))
            with Daemon(program, folder, crowded() if text is None else text, eal) as daemon:
                status = daemon.ends()
                lines = daemon.stderr().splitlines()
                out = daemon.process.stdout.read()
        faults = []
        if status != 1 or len(lines) != 1 or wanted not in lines[0] or out:
            faults = [f"exit {status}, stdout {out[:80]!r}, expected {wanted!r}: {lines}"]
        report.add(name, faults)


def signals(program, report):
    """It ends when it is asked to, in whatever way, and twice as well."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
            with Daemon(program, Path(folder), GOOD) as daemon:
                ready = daemon.heard("READY=1")
                daemon.process.send_signal(number)
                status = daemon.stop(number)
        faults = [] if ready and status == 0 else [f"ready {ready}, exit {status}"]
        report.add(f"signal {number.name}", faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferruled to test")
    program = parser.parse_args().program.resolve()
    report = Report()
    bench = Bench(program)
    for table in (there_and_back, what_is_not_protected, policies_without_sas,
                  too_long_for_the_wire, jumbo, restarts, dummies):
        table(bench, report)
    refusals(program, report)
    signals(program, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
