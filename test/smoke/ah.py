# SPDX-License-Identifier: BSD-3-Clause
"""Do two hosts talk through AH, in every mode and over both IP versions, as they do through ESP?

The hosts and their wire are those of live.py.  They have a pair of addresses for each kind of
protection.  Needs root, skips where it has none.
"""

import argparse
import contextlib
import ipaddress
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ferrule_ctl as ctl
import live
import samples
from daemon import EAL, Daemon
from lab import Absent, wait_until
from report import Report
from talking import datagram_faults, tcp_faults, wire_faults

ENDS = ("a", "b")
# Transport mode protects no fragments (RFC 4301 section 7).
SIZES = {"tunnel": (0, 1, 100, 1000, 1400, 1480, 4000), "transport": (0, 1, 100, 1000, 1350)}
TCP_BYTES = 2_000_000
AH = 51
HIGH = 3  # of the numbers after an update

# name: mode, integrity and its key's length, is there ESP inside AH, ESN
KINDS = {
    "tunnel": ("tunnel", ("hmac-sha2-256-128", 32), False, False),
    "transport": ("transport", ("hmac-sha1-96", 20), False, True),
    "gmac": ("tunnel", ("aes-gmac-128", 20), False, True),
    "bundle": ("tunnel", ("hmac-sha2-512-256", 64), True, True),
    "bundle-transport": ("transport", ("aes-cmac-96", 16), True, False),
}


def addresses(end):
    """(kind, IPv4, IPv6) of a host."""
    number = ENDS.index(end) + 1
    return [(kind, f"10.0.{i}.{number}", f"2001:db8:0:{i}::{number}")
            for i, kind in enumerate(KINDS)]


def sa(kind, version, sender, receiver, direction):
    mode, (integrity, key_bytes), has_esp, esn = KINDS[kind]
    src, dst = (addresses(end)[list(KINDS).index(kind)][version] for end in (sender, receiver))
    name = f"{kind}{version}"
    spi = 0x1000 + 16 * list(KINDS).index(kind) + 4 * version + ENDS.index(sender)
    esp = {"esp": {"spi": 0x8000 + spi, "encryption": "aes-gcm-128",
                   "encryption_key": samples.make_key(f"esp {spi}", 20).hex()}}
    return {
        "name": f"{name}-{direction}", "group": name, "direction": direction, "mode": mode,
        "src": src, "dst": dst, "esn": esn, **(esp if has_esp else {}),
        **({"replay_window": 1024} if direction == "in" else {}),
        "ah": {"spi": spi, "integrity": integrity,
               "integrity_key": samples.make_key(f"ah {spi}", key_bytes).hex()},
    }


def document(end):
    other = "b" if end == "a" else "a"
    sas, policies = [], []
    for kind, *pair in addresses(end):
        for version, address in enumerate(pair, start=1):
            net = str(ipaddress.ip_interface(
                f"{address}/{64 if ':' in address else 24}").network)
            sas += [sa(kind, version, end, other, "out"), sa(kind, version, other, end, "in")]
            policies += [{"name": f"{kind}{version}-{d}", "direction": d, "src": net, "dst": net,
                          "action": "protect", "sas": [f"{kind}{version}"]} for d in ("out", "in")]
    return json.dumps({
        "eal": [f"--vdev=net_tap0,iface=tap-{end}",
                f"--vdev=net_af_packet0,iface=wire-{end},framecnt=4096"],
        "pairs": [{"host": {"port": "net_tap0"}, "wire": {"port": "net_af_packet0"}}],
        "sas": sas, "policies": policies,
    })


def talk(lab, report):
    for kind, *pair in addresses("b"):
        for address in pair:
            report.add(f"{kind}: datagrams over {address}",
                       datagram_faults(lab, ENDS, address, SIZES[KINDS[kind][0]]))
            report.add(f"{kind}: TCP over {address}", tcp_faults(lab, ENDS, address, TCP_BYTES))


def is_ours(kind):
    words = kind.split(" ")
    return words[:2] in (["0800", str(AH)], ["86dd", str(AH)])


def update(client, name, protocols):
    """Moves the high half of an association, of each block of a bundle."""
    info = next(row for row in client.sa_list() if row["name"] == name)
    for protocol in protocols:
        operation, spi = (ctl.ESP, info["esp_spi"]) if protocol == "esp" else (ctl.AH, info["ah_spi"])
        client.update_sa(info["handle"], operation, spi, HIGH)


def updates(lab, clients, report):
    """What was sent before the receiver moved is old; once both have moved all is well again."""
    for kind, protocols in (("transport", ("ah",)), ("bundle", ("esp", "ah"))):
        faults = []
        address = dict((k, v4) for k, v4, _ in addresses("b"))[kind]
        for sender, receiver in (("a", "b"), ("b", "a")):
            update(clients[receiver], f"{kind}1-in", protocols)
            update(clients[sender], f"{kind}1-out", protocols)
        faults += datagram_faults(lab, ENDS, address, SIZES[KINDS[kind][0]])

        def moved(end):
            return {row["name"]: row["sequence"] >> 32 for row in clients[end].sa_list()
                    if row["name"].startswith(f"{kind}1-")}

        wanted = {f"{kind}1-{direction}": HIGH for direction in ("in", "out")}
        for end in ENDS:
            if not wait_until(lambda e=end: moved(e) == wanted, 10):
                faults.append(f"{end}: high halves are {moved(end)}")
        report.add(f"{kind}: sa update", faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferruled to test")
    program = parser.parse_args().program.resolve()
    report = Report()
    with contextlib.ExitStack() as stack:
        try:
            lab = stack.enter_context(live.Hosts())
        except Absent as error:
            report.absent("ah", str(error))
            return report.finish()
        lab.veth(("lab", "wire-a"), ("lab", "wire-b"), index=200, far_index=34000)
        folders = {end: Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="ferrule-test-"))) for end in ENDS}
        daemons = [stack.enter_context(
            Daemon(program, folder, document(end), EAL, lab.inside("lab")))
            for end, folder in folders.items()]
        ready = [daemon.heard("READY=1") for daemon in daemons]
        report.add("start", [] if all(ready) else [d.stderr() for d in daemons])
        if all(ready):
            clients = {end: stack.enter_context(ctl.Client(str(folder / "run" / "control.sock")))
                       for end, folder in folders.items()}
            with lab.wire_sniffers() as wires:
                for end in ENDS:
                    lab.give_host(end, [a for _, *pair in addresses(end) for a in pair])
                talk(lab, report)
                updates(lab, clients, report)
            report.add("on the wire", wire_faults(wires, is_ours))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
