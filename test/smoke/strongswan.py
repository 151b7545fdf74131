# SPDX-License-Identifier: BSD-3-Clause
"""Does strongSwan open what ferruled seals, with keys that IKE negotiated, and the other way round?

    host (TAP, charon) -- ferruled -- wire -- (charon and its own ESP, in UDP) peer

The host's charon negotiates through the box and protects nothing itself; the keys that it logs go to
the box by "ferrule sa add" and "swap", as a person would do it.  The peer's charon protects with
libipsec, in its own process: no kernel's ESP is needed.  Skips without namespaces or strongSwan.
"""

import argparse
import contextlib
import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import talking
from cli import Cli
from daemon import EAL, Daemon
from lab import Absent, Lab, wait_until
from report import Report
from talking import datagram_faults, tcp_faults, wire_faults

PACKAGES = ("strongswan-charon strongswan-swanctl libcharon-extra-plugins "
            "libstrongswan-standard-plugins")
CHARON, PLUGINS = Path("/usr/lib/ipsec/charon"), Path("/usr/lib/ipsec/plugins")
NEEDED = [CHARON, Path("/usr/sbin/swanctl"),
          *(PLUGINS / f"libstrongswan-{name}.so" for name in ("kernel-libipsec", "vici", "openssl"))]
# IKE between the first ones, and traffic between the addresses behind them.
ENDS = {"host": ("10.9.0.1", "10.1.0.1", "2001:db8:1::1"),
        "peer": ("10.9.0.2", "10.2.0.1", "2001:db8:2::1")}
DRAIN_SECONDS = 2
TCP_BYTES = 2_000_000
SIZES = (0, 1, 100, 1000, 1300, 1600, 4000)

# (child, its proposal, names of the documents)
CHILDREN = (
    ("gcm128", "aes128gcm16", "aes-gcm-128", "none"),
    ("gcm256", "aes256gcm16", "aes-gcm-256", "none"),
    ("gcm192", "aes192gcm8", "aes-gcm-192", "none"),
    ("sha1", "aes128-sha1", "aes-cbc-128", "hmac-sha1-96"),
    ("sha256", "aes256-sha256", "aes-cbc-256", "hmac-sha2-256-128"),
    ("sha384", "aes192-sha384", "aes-cbc-192", "hmac-sha2-384-192"),
    ("sha512", "aes128-sha512", "aes-cbc-128", "hmac-sha2-512-256"),
    ("null", "null-sha256", "null", "hmac-sha2-256-128"),
)

STRONGSWAN_CONF = """
charon {{
    load = random nonce openssl aes sha1 sha2 hmac kdf gmp gcm kernel-libipsec kernel-netlink socket-default vici
    plugins {{
        vici {{
            socket = unix://{folder}/vici
        }}
    }}
    filelog {{
        log {{
            path = {folder}/log
            flush_line = yes
            default = 1
            chd = 4
        }}
    }}
}}
swanctl {{
    load =
}}
"""

SWANCTL_CONF = """
connections {{
    tunnel {{
        version = 2
        mobike = no
        proposals = aes128-sha256-modp2048
        local_addrs = {here[0]}
        remote_addrs = {there[0]}
        local {{
            auth = psk
        }}
        remote {{
            auth = psk
        }}
        children {{
            {children}
        }}
    }}
}}
secrets {{
    ike {{
        secret = "of this test alone"
    }}
}}
"""

CHILD = """
            {name} {{
                local_ts = {here[1]}/32, {here[2]}/128
                remote_ts = {there[1]}/32, {there[2]}/128
                esp_proposals = {proposal}
                policies = {policies}
            }}
"""


class Charon:
    """One IKE daemon in its namespace, with a /run of its own: its pid file has a fixed place."""

    def __init__(self, lab, end, folder):
        self._lab, self._end, self._folder = lab, end, folder
        other = "peer" if end == "host" else "host"
        ends = {"here": ENDS[end], "there": ENDS[other]}
        # The answering end picks a child by its selectors alone: it has one for all.
        children = [(name, proposal, "no") for name, proposal, *_ in CHILDREN] if end == "host" else [
            ("all", ", ".join(proposal for _, proposal, *_ in CHILDREN), "yes")]
        children = "".join(CHILD.format(name=name, proposal=proposal, policies=policies, **ends)
                           for name, proposal, policies in children)
        self._write("strongswan.conf", STRONGSWAN_CONF.format(folder=folder))
        self._write("swanctl.conf", SWANCTL_CONF.format(children=children, **ends))
        self._said = open(folder / "said", "w", encoding="utf-8")
        command = f"mount --make-rprivate / && mount -t tmpfs none /run && exec {CHARON}"
        self.process = subprocess.Popen(
            [*lab.inside(end), "unshare", "--mount", "sh", "-c", command], stdout=self._said,
            stderr=self._said, stdin=subprocess.DEVNULL,
            env={**os.environ, "STRONGSWAN_CONF": str(folder / "strongswan.conf")})

    def _write(self, name, text):
        (self._folder / name).write_text(text, encoding="utf-8")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()
        self._said.close()

    def log(self):
        path = self._folder / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def is_up(self):
        return wait_until(lambda: (self._folder / "vici").exists() or self.process.poll() is not None
                          ) and self.process.poll() is None

    def swanctl(self, *words):
        """[] or what it says."""
        run = subprocess.run(
            [*self._lab.inside(self._end), "swanctl", *words, "--uri", f"unix://{self._folder}/vici"],
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "STRONGSWAN_CONF": str(self._folder / "strongswan.conf")})
        return [] if run.returncode == 0 else [f"swanctl {' '.join(words)}: {run.stdout}{run.stderr}"]

    def load(self):
        return self.swanctl("--load-all", "--file", str(self._folder / "swanctl.conf"))


KEY = re.compile(r"\[CHD\] +(encryption|integrity) (initiator|responder) key => \d+ bytes @ \S+\n"
                 r"((?:.*\[CHD\] +\d+: .*\n)+)")
DUMPED = re.compile(r"\[CHD\] +\d+: ((?:[0-9A-F]{2} ?)+)")
SPIS = re.compile(r"CHILD_SA \S+ established with SPIs ([0-9a-f]{8})_i ([0-9a-f]{8})_o")


def negotiated(log):
    """The newest child of the initiator that wrote the log: {direction: (SPI, key, key)}."""
    established = list(SPIS.finditer(log))
    spis = established[-1].groups()
    begin = max((match.end() for match in established if match.groups() != spis), default=0)
    keys = {(what, side): "".join(DUMPED.findall(dump)).replace(" ", "")
            for what, side, dump in KEY.findall(log[begin:])}
    spi_in, spi_out = (int(spi, 16) for spi in spis)
    return {
        direction: (spi, keys.get(("encryption", side), ""), keys.get(("integrity", side), ""))
        for direction, side, spi in (("in", "responder", spi_in), ("out", "initiator", spi_out))}


def associations(child, parts):
    """The documents' words for what was negotiated."""
    name, proposal, encryption, integrity = child
    for direction, (spi, key, integrity_key) in parts.items():
        esp = {"spi": spi, "encryption": encryption, "integrity": integrity}
        if key:
            esp["encryption_key"] = key
        if integrity != "none":
            esp["integrity_key"] = integrity_key
        elif proposal.endswith("gcm8"):
            esp["icv_bytes"] = 8
        ends = [ENDS[end][0] for end in ("host", "peer")]
        src, dst = ends if direction == "out" else ends[::-1]
        yield {"name": f"{name}-{direction}-{spi:08x}", "group": "peer", "direction": direction,
               "mode": "tunnel", "src": src, "dst": dst, "udp": {"sport": 4500, "dport": 4500},
               "esp": esp}


def document():
    policies = [
        {"name": f"{name}{version}", "direction": name, "action": "protect", "sas": ["peer"],
         "src": ENDS[src][version], "dst": ENDS[dst][version]}
        for name, src, dst in (("out", "host", "peer"), ("in", "peer", "host")) for version in (1, 2)]
    return json.dumps({
        "eal": ["--vdev=net_tap0,iface=tap", "--vdev=net_af_packet0,iface=wire,framecnt=4096"],
        "pairs": [{"host": {"port": "net_tap0"}, "wire": {"port": "net_af_packet0"}}],
        "policies": policies,
    })


def kind_of(frame):
    """As of talking; between the ends of IKE nothing but IKE and ESP is in UDP."""
    kind = talking.kind_of(frame)
    ends = {ipaddress.ip_address(address).packed for address, *_ in ENDS.values()}
    return "ESP in UDP, or IKE" if kind == "0800 17" and {frame[26:30], frame[30:34]} == ends else kind


def give_host(lab):
    """Addresses and routes; the TAP of the box becomes the host's interface."""
    lab.run("lab", "ip", "link", "set", "tap", "netns", lab.names["host"])
    for end, interface in (("host", "tap"), ("peer", "line")):
        lab.run(end, "ip", "link", "set", "lo", "up")
        for address in ENDS[end][1:]:
            lab.run(end, "ip", "address", "add", address, "dev", "lo")
        lab.run(end, "ip", "address", "add", f"{ENDS[end][0]}/24", "dev", interface)
        lab.run(end, "ip", "link", "set", interface, "addrgenmode", "none", "up")
    lab.sum_here("peer", "line")
    lab.run("host", "ip", "address", "add", "fd00::1/64", "dev", "tap", "nodad")
    lab.run("peer", "ip", "address", "add", "fd00::2/64", "dev", "line", "nodad")
    for version, via in ((1, ENDS["peer"][0]), (2, "fd00::2")):
        lab.run("host", "ip", "route", "add", ENDS["peer"][version], "via", via, "dev", "tap",
                "src", ENDS["host"][version])


def hand_over(cli, child, log, is_first):
    """What was negotiated to the box: what opens first, then what sends."""
    sas = list(associations(child, negotiated(log)))
    if is_first:
        status, _, stderr = cli.run("sa", "add", document={"sas": sas})
        return [] if status == 0 else [stderr]
    faults = []
    for direction in ("in", "out"):
        status, _, stderr = cli.run("sa", "swap", "--drain", str(DRAIN_SECONDS), document={
            "sas": [sa for sa in sas if sa["direction"] == direction]})
        faults += [stderr] if status else []
    return faults


def talking_faults(lab, n_bytes=0):
    """Both ways and over both versions; the first packets may come before routes and neighbours."""
    faults = []
    for here, there in (("host", "peer"), ("peer", "host")):
        for address in ENDS[there][1:]:
            ends = (here, there)
            if not wait_until(lambda a=address, e=ends: not datagram_faults(lab, e, a, (8,)), 15):
                faults.append(f"nothing passes from {here} to {address}")
                continue
            faults += datagram_faults(lab, ends, address, SIZES)
            faults += tcp_faults(lab, ends, address, n_bytes) if n_bytes else []
    return faults


def exchange(lab, charon, cli, report):
    """Every suite in turn, each the successor of the one before; then a rekey of the last."""
    for i, child in enumerate(CHILDREN):
        name = child[0]
        faults = charon.swanctl("--initiate", "--child", name)
        faults = faults or hand_over(cli, child, charon.log(), i == 0)
        if i and not faults:
            faults += charon.swanctl("--terminate", "--child", CHILDREN[i - 1][0])
        faults = faults or talking_faults(lab, TCP_BYTES if i == 0 else 0)
        report.add(f"{child[2]}, {child[3]}", faults)
    n_children = len(SPIS.findall(charon.log()))
    faults = charon.swanctl("--rekey", "--child", CHILDREN[-1][0])
    if not wait_until(lambda: len(SPIS.findall(charon.log())) > n_children):
        faults.append("charon does not rekey")
    faults = faults or hand_over(cli, CHILDREN[-1], charon.log(), False)
    report.add("rekeyed", faults or talking_faults(lab))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ferruled", type=Path)
    parser.add_argument("ferrule", type=Path)
    args = parser.parse_args()
    report = Report()
    if missing := [str(path) for path in NEEDED if not path.exists()]:
        report.absent("strongSwan", f"no {missing[0]}; Debian has it in {PACKAGES}")
        return report.finish()
    with contextlib.ExitStack() as stack:
        try:
            lab = stack.enter_context(Lab("lab", *ENDS))
        except Absent as error:
            report.absent("strongSwan", str(error))
            return report.finish()
        lab.veth(("lab", "wire"), ("peer", "line"), index=100, far_index=33000)
        folders = {name: Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="ferrule-test-"))) for name in ("lab", *ENDS)}
        daemon = stack.enter_context(
            Daemon(args.ferruled.resolve(), folders["lab"], document(), EAL, lab.inside("lab")))
        if not daemon.heard("READY=1"):
            report.add("start", [daemon.stderr()])
            return report.finish()
        give_host(lab)
        ends = {end: stack.enter_context(Charon(lab, end, folders[end])) for end in ENDS}
        faults = [end.log()[-2000:] for end in ends.values() if not end.is_up()]
        faults = faults or [fault for end in ends.values() for fault in end.load()]
        report.add("charon starts", faults)
        if not faults:
            with lab.sniffer("peer", "line", kind_of) as wire:
                exchange(lab, ends["host"], Cli(args.ferrule.resolve(), folders["lab"]), report)
            report.add("on the wire", wire_faults([wire], lambda kind: "ESP" in kind))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
