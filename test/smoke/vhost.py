# SPDX-License-Identifier: BSD-3-Clause
"""Do the large sends of a virtual machine reach the wire cut, with checksums, and protected?

    guest (virtio-user) == vhost: ferruled: TAP "wire"

The guest leaves cutting and checksums to its card.  Needs root, and drivers for vhost and virtio.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ip
import large_sends
import samples
from daemon import EAL, Daemon, neighbour
from ipsec_oracle import Sa, open_esp
from lab import Absent, Lab, receive
from report import Report

HOSTS = {4: ("10.1.0.7", "10.2.0.9"), 6: ("2001:db8:a::7", "2001:db8:b::9")}
ENDS = ("192.0.2.1", "198.51.100.1")
MSS = 1300
SEALED = Sa("tunnel", *ENDS, 0x1001, "aes-gcm-128", samples.make_key("vhost", 20))
SENDS = [(version, length) for version in (4, 6) for length in (65000 - 100, 20000, 1301, 700)]


def document(folder):
    return json.dumps({
        "eal": [f"--vdev=net_vhost0,iface={folder}/vhost.sock,tso=1", "--vdev=net_tap0,iface=wire"],
        "pairs": [{"host": {"port": "net_vhost0"}, "wire": {"port": "net_tap0"}}],
        "sas": [{"name": "out", "direction": "out", "mode": "tunnel", "src": ENDS[0],
                 "dst": ENDS[1], "esp": {"spi": SEALED.spi, "encryption": SEALED.encryption,
                                         "encryption_key": SEALED.encryption_key.hex()}}],
        "policies": [{"name": "out", "direction": "out", "src": "any", "dst": "any",
                      "action": "protect", "sas": ["out"]}],
    })


def packets(sock):
    """IP packets that come out of the wire port, without end; raises TimeoutError."""
    while True:
        frame = receive(sock)
        if frame is not None and frame[12:14] == b"\x08\x00":
            yield frame[14:14 + ip.total_length(frame[14:])]


def send(guest, folder, frame):
    """A guest that hands over the frame, and then is still there."""
    (folder / "frame").write_bytes(frame)
    with open(folder / "frame", "rb") as stdin:
        return neighbour(guest, folder, f"net_virtio_user0,path={folder}/vhost.sock", MSS,
                         stdin=stdin, stderr=subprocess.PIPE)


def carry(guest, folder, daemon, wire):
    coming, seq, faults = packets(wire), 0, []
    for version, length in SENDS:
        ends, data = HOSTS[version], large_sends.payload(length)
        process = send(guest, folder, samples.ethernet(large_sends.tcp(*ends, data)))
        try:
            for k, wanted in enumerate(large_sends.segments(*ends, data, MSS)):
                seq += 1
                if open_esp(next(coming), SEALED, seq).packet != wanted:
                    faults.append(f"IPv{version}, {length} bytes: segment {k} is another")
        except TimeoutError:
            faults.append(f"IPv{version}, {length} bytes: nothing comes any more")
        finally:
            process.kill()
            _, errors = process.communicate()
        if faults:
            return [*faults, errors.decode(), daemon.stderr()]
    return []


def run(program, guest, folder):
    with Lab("vhost") as lab:
        with lab.entered("vhost"):
            Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1", encoding="ascii")
        with Daemon(program, folder, document(folder), EAL, lab.inside("vhost")) as daemon:
            if daemon.heard("READY=1", 120):
                lab.run("vhost", "ip", "link", "set", "wire", "up")
                wire = lab.port("vhost", "wire")
                wire.settimeout(30)
                return carry(guest, folder, daemon, wire)
            return [f"it does not start: {daemon.stderr()}"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ferruled", type=Path)
    parser.add_argument("guest", type=Path)
    args = parser.parse_args()
    report = Report()
    try:
        with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
            report.add("large sends of a virtual machine",
                       run(args.ferruled.resolve(), args.guest.resolve(), Path(folder)))
    except Absent as reason:
        report.absent("large sends of a virtual machine", str(reason))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
