# SPDX-License-Identifier: BSD-3-Clause
"""The place where it happens: two hosts, an appliance in front of each, and what is between these.

    host-a -- box-a == wire == box-b -- host-b          one segment
    host-a -- box-a == router == box-b -- host-b        with a router between the sides

Each has a network namespace of its own.
"""

import collections
import contextlib
import dataclasses
import json
import secrets
import string
import subprocess

from daemon import EAL, Daemon
from lab import Lab

SA = """\
  - name: $name
    group: peer
    direction: $direction
    mode: tunnel
    src: $src
    dst: $dst
    esp: {spi: $spi, encryption: aes-gcm-128, encryption_key: "$key"}
"""
POLICIES = """\
policies:
  - {name: out4, direction: out, src: "$here4", dst: "$there4", action: protect, sas: [peer]}
  - {name: out6, direction: out, src: "$here6", dst: "$there6", action: protect, sas: [peer]}
  - {name: in4, direction: in, src: "$there4", dst: "$here4", action: protect, sas: [peer]}
  - {name: in6, direction: in, src: "$there6", dst: "$here6", action: protect, sas: [peer]}
"""
# net_af_packet passes its queue by so that a capture sees what is sent, too; with fewer frames it
# loses some of a burst.
PORTS = ("--vdev=net_tap0,iface=host",
         "--vdev=net_af_packet0,iface=wire,framecnt=4096,qdisc_bypass=0")


@dataclasses.dataclass(frozen=True)
class Side:
    """A host and how it reaches the other one; gateways are None on a common segment."""

    name: str
    ipv4: str
    ipv6: str
    net4: str
    net6: str
    gateway4: str = None
    gateway6: str = None

    @property
    def addresses(self):
        return self.ipv4, self.ipv6


SEGMENT = tuple(
    Side(name, f"10.0.0.{n}", f"2001:db8::{n}", "10.0.0.0/24", "2001:db8::/64")
    for n, name in enumerate("ab", 1))
ROUTED = tuple(
    Side(name, f"10.{n}.0.1", f"2001:db8:{n}::1", f"10.{n}.0.0/24", f"2001:db8:{n}::/64",
         f"10.{n}.0.254", f"2001:db8:{n}::fe")
    for n, name in enumerate("ab", 1))


class Place(Lab):
    """The namespaces, and the cables between the boxes."""

    def __init__(self, sides):
        self.sides = sides
        self._is_routed = sides[0].gateway4 is not None
        more = ["router"] if self._is_routed else []
        super().__init__("host-a", "box-a", "box-b", "host-b", *more)

    def __enter__(self):
        super().__enter__()
        try:
            self._lay_cables()
        except BaseException:
            self.__exit__()
            raise
        return self

    def inside(self, name):
        """Whatever is started there ends with us, however we end."""
        return ("setpriv", "--pdeathsig", "KILL", *super().inside(name))

    def _lay_cables(self):
        if not self._is_routed:
            self.veth(("box-a", "wire"), ("box-b", "wire"))
            return
        for side in self.sides:
            self.veth((f"box-{side.name}", "wire"), ("router", f"to-{side.name}"))

    def _address(self, name, interface, ipv4, ipv6):
        self.run(name, "ip", "address", "add", f"{ipv4}/24", "dev", interface)
        self.run(name, "ip", "address", "add", f"{ipv6}/64", "dev", interface, "nodad")

    def give_host(self, side):
        """The TAP of a box becomes the interface of its host, and the router becomes one.

        Neither says a word before.
        """
        host = f"host-{side.name}"
        self.run(f"box-{side.name}", "ip", "link", "set", "host", "netns", self.names[host])
        self._address(host, "host", *side.addresses)
        self.run(host, "ip", "link", "set", "host", "up")
        if side.gateway4:
            self.run("router", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward;"
                     " echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
            self._address("router", f"to-{side.name}", side.gateway4, side.gateway6)
            self.run(host, "ip", "route", "add", "default", "via", side.gateway4)
            self.run(host, "ip", "-6", "route", "add", "default", "via", side.gateway6)


class Box:
    """One ferruled, and the command that controls it."""

    def __init__(self, place, side, folder, programs):
        self._folder = folder
        self._ferrule = programs / "ferrule" / "ferrule"
        self.name = side.name
        self.address = side.ipv4  # as the tunnel has it
        self._early_drops = collections.Counter()
        folder.mkdir()
        self._prefix = place.inside(f"box-{side.name}")
        self._program = programs / "ferruled" / "ferruled"

    @contextlib.contextmanager
    def running(self):
        document = {
            "eal": [*EAL, *PORTS],
            "pairs": [{"host": {"port": "net_tap0"}, "wire": {"port": "net_af_packet0"}}],
        }
        with Daemon(self._program, self._folder, json.dumps(document), (), self._prefix) as daemon:
            self._daemon = daemon
            yield self

    def is_ready(self):
        return self._daemon.heard("READY=1")

    def complaint(self):
        return f"box {self.name}: {self._daemon.stderr().strip()}"

    def ferrule(self, *words):
        """One line of the command; what it printed.  Raises RuntimeError with its complaint."""
        done = subprocess.run(
            [self._ferrule, "-s", "run/control.sock", *words], cwd=self._folder, timeout=60,
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"ferrule {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def ask(self, *words):
        return json.loads(self.ferrule("--json", *words))

    def allow(self, name, document):
        """Associations, and policies that name them."""
        self._write(name, document)
        self.ferrule("sa", "add", "-f", name)
        self.ferrule("policy", "add", "-f", name)

    def swap(self, name, document, *options):
        self._write(name, document)
        self.ferrule("sa", "swap", "-f", name, *options)

    def associations(self):
        return {sa["name"]: sa for sa in self.ask("sa", "list")}

    def states(self):
        return {name: sa["state"] for name, sa in self.associations().items()}

    def wire_frames(self):
        """(received, sent) by the port that is the wire."""
        row, = (row for row in self.ask("stats", "--port") if row["name"] == "net_af_packet0")
        return row["rx_packets"], row["tx_packets"]

    def begin_counting(self):
        """What a host said while the other one was not there yet does not matter."""
        self._early_drops = self._all_drops()

    def drops(self):
        """{verdict: packets of both ports that ended so}, without the early ones"""
        return dict(self._all_drops() - self._early_drops)

    def _all_drops(self):
        sums = collections.Counter()
        for row in self.ask("stats", "--drops"):
            sums.update({verdict: n for verdict, n in row.items()
                         if verdict not in ("pair", "name", "ok")})
        return sums

    def _write(self, name, text):
        (self._folder / name).write_text(text, encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class Way:
    """One direction of a tunnel: the same association in two boxes."""

    sender: Side
    receiver: Side
    generation: int  # 1, and 2 after the rekey
    spi: int
    key: str

    def __str__(self):
        return f"{self.sender.name} to {self.receiver.name}{', new' if self.generation > 1 else ''}"

    def document(self, direction):
        """As the sender ("out") or the receiver ("in") has it."""
        return string.Template(SA).substitute(
            name=f"{direction}-{self.generation}", direction=direction, src=self.sender.ipv4,
            dst=self.receiver.ipv4, spi=f"{self.spi:#x}", key=self.key)


def make_ways(sides, generation):
    """Both directions, with keys that nobody had before: AES-GCM with 128 bits, and the salt."""
    return [Way(sender, receiver, generation, 0x1000 * generation + number, secrets.token_hex(20))
            for number, (sender, receiver) in enumerate((sides, sides[::-1]), 1)]


def policies(here, there):
    """What a box protects: all that its host and the other one say to each other."""
    return string.Template(POLICIES).substitute(
        here4=here.net4, here6=here.net6, there4=there.net4, there6=there.net6)
