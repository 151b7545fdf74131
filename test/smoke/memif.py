# SPDX-License-Identifier: BSD-3-Clause
"""Do packets pass between two pairs over net_memif, sealed on the way?

Both ends are in one daemon.  The driver may crash when its peer stops, here about once in a hundred
times, which is told and does not count: packets have passed by then.

    capture file, again and again == pair "near" == memif == pair "far" == capture file
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ferrule_ctl as ctl
import pcapio
import samples
from daemon import EAL, Daemon
from lab import wait_until
from report import Report

N_FRAMES = 3000
KEY = samples.make_key("memif", 20).hex()


def sa(pair, direction):
    return {"name": f"{pair}-sa", "pair": pair, "group": "peer", "direction": direction,
            "mode": "tunnel", "src": "192.0.2.1", "dst": "198.51.100.1",
            "esp": {"spi": 0x1001, "encryption": "aes-gcm-128", "encryption_key": KEY}}


def document(folder):
    both = {"src": "any", "dst": "any", "action": "protect", "sas": ["peer"]}
    memif = f"--vdev=net_memif{{}},role={{}},socket={folder}/memif.sock,socket-abstract=no"
    return json.dumps({
        "eal": ["--vdev=net_pcap0,rx_pcap=in.pcap,tx_pcap=none.pcap,infinite_rx=1",
                memif.format(0, "server"), memif.format(1, "client"),
                "--vdev=net_pcap1,rx_pcap=empty.pcap,tx_pcap=out.pcap"],
        "pairs": [{"name": "near", "host": {"port": "net_pcap0"}, "wire": {"port": "net_memif0"}},
                  {"name": "far", "host": {"port": "net_pcap1"}, "wire": {"port": "net_memif1"}}],
        "sas": [sa("near", "out"), sa("far", "in")],
        "policies": [{"name": "out", "pair": "near", "direction": "out", **both},
                     {"name": "in", "pair": "far", "direction": "in", **both}],
    })


def received(client):
    """What the far pair has opened."""
    return sum(row["packets"] for _, row in client.stats("sa", pair=1))


def carry(program, folder):
    packets = [samples.udp_packet("10.1.0.7", "10.2.0.9", payload=bytes([n]) * 100 * n)
               for n in range(1, 6)]
    frames = [samples.ethernet(packet) for packet in packets]
    pcapio.write(folder / "in.pcap", pcapio.of_frames(frames, pcapio.ETHERNET))
    pcapio.write(folder / "empty.pcap", pcapio.of_frames([], pcapio.ETHERNET))
    with Daemon(program, folder, document(folder), EAL) as daemon:
        if not daemon.heard("READY=1", 120):
            return [f"it does not start: {daemon.stderr()}"]
        with ctl.Client(str(folder / "run" / "control.sock"), timeout=60) as client:
            came = wait_until(lambda: received(client) >= N_FRAMES, 60)
        status = daemon.stop()
        if not came or status > 0:
            return [f"enough packets: {came}, exit {status}: {daemon.stderr()}"]
    if status < 0:
        print(f"net_memif ended it with signal {-status} when its peer stopped")
        return []
    strange = [frame for frame in pcapio.read(folder / "out.pcap").frames if frame not in frames]
    return [f"{len(strange)} frames that nobody sent, such as {strange[0].hex()}"] if strange else []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ferruled", type=Path)
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
        report.add("sealed over net_memif", carry(args.ferruled.resolve(), Path(folder)))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
