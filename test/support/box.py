# SPDX-License-Identifier: BSD-3-Clause
"""One ferruled between a host and a wire that the test has in its hands.

    host: host-far == host-near :lab: wire-near == wire-far :wire

or with a TAP, which is in lab, in the place of the host.  Sites behind it and behind its peer are
protected by a tunnel with AES-GCM.
"""

import contextlib
import json
import subprocess
from pathlib import Path

import ferrule_ctl as ctl
import samples
from daemon import EAL, Daemon
from ipsec_oracle import Sa
from lab import Lab
from traffic import Flow

NEAR, FAR = "192.0.2.1", "198.51.100.1"
SITES = (("10.1.0.0/16", "10.2.0.0/16"), ("2001:db8:1::/48", "2001:db8:2::/48"))
JUMBO = 9000


def flow(mark, near, far, inbound=False):
    """Between hosts with these numbers, in the sites."""
    ends = [(site % near, other % far) for site, other in
            (("10.1.0.%d", "10.2.0.%d"), ("2001:db8:1::%d", "2001:db8:2::%d"))]
    return Flow(mark, *(pair[::-1] if inbound else pair for pair in ends))


def _member():
    """What DPDK calls a port of a bond."""
    said = subprocess.run(["pkg-config", "--modversion", "libdpdk"], capture_output=True, text=True,
                          check=True)
    return "slave" if [int(n) for n in said.stdout.split(".")[:2]] < [23, 11] else "member"


def make_lab():
    """Raises lab.Absent, when it is entered, where there can be none."""
    return Lab("host", "lab", "wire")


def link(lab):
    # A TAP would look for neighbours by itself.
    with lab.entered("lab"):
        Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1", encoding="ascii")
    lab.veth(("lab", "host-near"), ("host", "host-far"), JUMBO, 100)
    lab.veth(("lab", "wire-near"), ("wire", "wire-far"), JUMBO, 33000)


def key_of(spi):
    return samples.make_key(f"box {spi}", 20)


def sa(name, direction, spi, group="far", **more):
    src, dst = (NEAR, FAR) if direction == "out" else (FAR, NEAR)
    return {"name": name, "group": group, "direction": direction, "mode": "tunnel",
            "src": src, "dst": dst, **more, "esp": {
                "spi": spi, "encryption": "aes-gcm-128", "encryption_key": key_of(spi).hex()}}


def oracle(document_sa):
    """What the peer knows of such an SA."""
    esp = document_sa["esp"]
    return Sa("tunnel", document_sa["src"], document_sa["dst"], esp["spi"], esp["encryption"],
              bytes.fromhex(esp["encryption_key"]), esp.get("integrity", "none"),
              bytes.fromhex(esp.get("integrity_key", "")), esn=document_sa.get("esn", False))


def policy(name, direction, src, dst, action="protect", **more):
    groups = {"sas": more.pop("sas", ["far"])} if action == "protect" else {}
    return {"name": name, "direction": direction, "src": src, "dst": dst, "action": action,
            "priority": 10, **groups, **more}


def protection(name="p", **more):
    """All that passes between the sites, both ways."""
    return [policy(f"{name}-{direction}-{i}", direction, *sites[::1 if direction == "out" else -1],
                   **more)
            for direction in ("out", "in") for i, sites in enumerate(SITES)]


class Box:
    def __init__(self, program, lab, folder, has_tap=False, eal=EAL):
        self._program, self._lab, self._folder, self._eal = program, lab, folder, eal
        self.has_tap = has_tap
        self.host = ("lab", "tap-host") if has_tap else ("host", "host-far")
        self.wire = ("wire", "wire-far")

    def document(self, sas=(), policies=(), has_bond=False, **settings):
        veth = "--vdev=net_af_packet{},iface={},framecnt=4096"
        ports = (f"--vdev=net_tap0,iface={self.host[1]}" if self.has_tap
                 else veth.format(0, "host-near"), veth.format(1, "wire-near"))
        bond = (f"--vdev=net_bonding0,mode=1,{_member()}=net_af_packet1",) if has_bond else ()
        names = ("net_tap0" if self.has_tap else "net_af_packet0",
                 "net_bonding0" if has_bond else "net_af_packet1")
        return json.dumps({
            "eal": ports + bond, "pairs": [{"host": {"port": names[0]}, "wire": {"port": names[1]},
                                     "capacity": 512, **settings}],
            "sas": list(sas), "policies": list(policies)})

    def daemon(self, document):
        """Started, perhaps not up yet."""
        return Daemon(self._program, self._folder, document, self._eal, self._lab.inside("lab"))

    @contextlib.contextmanager
    def running(self, document):
        """(daemon that is up, client of its socket)"""
        with self.daemon(document) as daemon:
            if not daemon.heard("READY=1", 120):
                raise RuntimeError(f"ferruled does not start: {daemon.stderr()}")
            if self.has_tap:  # its host sends what is too long for the port
                self._lab.run("lab", "ip", "link", "set", self.host[1], "mtu", str(JUMBO))
            with ctl.Client(str(self._folder / "run" / "control.sock"), timeout=60) as client:
                yield daemon, client


def outcomes(client):
    """{verdict: packets} of all ports."""
    total = {}
    for _, row in client.stats("drop"):
        for verdict, count in row.items():
            total[verdict] = total.get(verdict, 0) + count
    return total
