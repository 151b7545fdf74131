# SPDX-License-Identifier: BSD-3-Clause
"""Does an external host's large send reach the wire over net_memif, which carries it in one piece?

    host (a program over memif) == ferruled, mode oob: TAP "wire"

Needs root.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "support"), str(HERE / "conformance")]

import ferrule_ctl as ctl
import ip
import large_sends
import samples
from daemon import EAL, Daemon, neighbour
from ipsec_oracle import Sa, open_esp
from lab import Absent, Lab, receive
from nic import OUT_MACS, contract_sa
from oob_host import Slots, large_send_word, put_on
from report import Report
from transport import frame_large

ENDS = ("192.0.2.1", "192.0.2.2")
MSS = 1300
DATA = large_sends.payload(60000)
SA = Sa("transport", *ENDS, 0x1001, "aes-gcm-128", samples.make_key("memif host", 20))


def memif(folder, role):
    return f"net_memif0,role={role},socket={folder}/memif.sock,socket-abstract=no"


def document(folder):
    return json.dumps({
        "eal": [f"--vdev={memif(folder, 'server')}", "--vdev=net_tap0,iface=wire"],
        "pairs": [{"mode": "oob", "host": {"port": "net_memif0"},
                   "wire": {"port": "net_tap0", "mtu": 1442}, "capacity": 4}]})


def packet(sock):
    """The next IP packet that comes out of the wire port; raises TimeoutError."""
    while True:
        frame = receive(sock)
        if frame is not None and frame[12:14] == b"\x08\x00":
            return frame[14:14 + ip.total_length(frame[14:])]


def carry(host, folder, client, wire):
    handle = client.add_sa_ex(contract_sa(SA))
    framed = frame_large(large_sends.tcp(*ENDS, DATA), SA, 1)
    slots = Slots(slot1=handle, slot2=large_send_word(MSS), slot12=framed.header_word)
    (folder / "frame").write_bytes(put_on(OUT_MACS + b"\x08\x00" + framed.packet, slots, 1))
    with open(folder / "frame", "rb") as stdin:
        process = neighbour(host, folder, memif(folder, "client"), 0, stdin=stdin,
                            stderr=subprocess.PIPE)
    faults = []
    try:
        for k, wanted in enumerate(large_sends.segments(*ENDS, DATA, MSS, 0x7FFF)):
            if open_esp(packet(wire), SA, 1 + k).packet != wanted:
                faults.append(f"segment {k} is another")
    except TimeoutError:
        faults.append("nothing comes any more")
    finally:
        process.kill()
        _, errors = process.communicate()
    return [*faults, errors.decode()] if faults else []


def run(program, host, folder):
    with Lab("memif") as lab:
        with lab.entered("memif"):
            Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1", encoding="ascii")
        with Daemon(program, folder, document(folder), EAL, lab.inside("memif")) as daemon:
            if not daemon.heard("READY=1", 120):
                return [f"it does not start: {daemon.stderr()}"]
            lab.run("memif", "ip", "link", "set", "wire", "up")
            wire = lab.port("memif", "wire")
            wire.settimeout(30)
            with ctl.Client(str(folder / "run" / "control.sock"), timeout=60) as client:
                return carry(host, folder, client, wire)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ferruled", type=Path)
    parser.add_argument("host", type=Path)
    args = parser.parse_args()
    report = Report()
    try:
        with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
            report.add("a large send over net_memif",
                       run(args.ferruled.resolve(), args.host.resolve(), Path(folder)))
    except Absent as reason:
        report.absent("a large send over net_memif", str(reason))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
