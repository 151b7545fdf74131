# SPDX-License-Identifier: BSD-3-Clause
"""What somebody on the wire sees: a capture, and what tshark makes of it."""

import collections
import dataclasses
import os
import re
import signal
import subprocess

_DROPPED = re.compile(r"Packets received/dropped on interface '.*': (\d+)/(\d+)")
_SNAP_BYTES = 160  # what the headers take, and enough of what is behind them to recognize it
_FIELDS = ("eth.type", "ip.src", "ip.dst", "ip.proto", "ip.frag_offset", "ipv6.src", "ipv6.dst",
           "icmpv6.type", "esp.spi", "esp.sequence", "_ws.col.Protocol", "_ws.col.Info")
_ND = set(range(133, 138))
_LISTENERS = {130, 131, 132, 143}


class Capture:
    """What crosses the interface "wire" of a box, both ways, as a file."""

    def __init__(self, place, box, path):
        self.path = path
        self._log = open(path.with_suffix(".log"), "w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [*place.inside(box), "dumpcap", "-q", "-P", "-p", "-i", "wire", "-s", str(_SNAP_BYTES),
             "-B", "64", "-w", str(path)],
            stdout=subprocess.DEVNULL, stderr=self._log, stdin=subprocess.DEVNULL)

    def has_begun(self):
        return self.path.exists() and self.path.stat().st_size > 0

    def is_running(self):
        return self._process.poll() is None

    def written(self):
        return self.path.stat().st_size

    def stop(self):
        """How many frames it missed; None where it does not say.

        What it has not written by then is lost.
        """
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        self._log.seek(0)
        found = _DROPPED.search(self._log.read())
        return int(found[2]) if found else None

    def complaint(self):
        self._log.seek(0)
        return self._log.read().strip().replace("\n", " | ")

    def kill(self):
        if self.is_running():
            self._process.kill()
            self._process.wait()
        self._log.close()


def count(path, text):
    """How often these bytes stand in a capture."""
    return path.read_bytes().count(text)


@dataclasses.dataclass
class Seen:
    """Frames of a capture by what they are."""

    esp: int = 0  # packets
    fragments: list = dataclasses.field(default_factory=list)  # destinations of rests of such
    arp: int = 0
    nd: int = 0  # neighbour discovery, listener reports
    other: list = dataclasses.field(default_factory=list)  # what nobody should see
    numbers: dict = dataclasses.field(  # of ESP, by SPI
        default_factory=lambda: collections.defaultdict(list))

    def frames(self):
        return self.esp + len(self.fragments) + self.arp + self.nd + len(self.other)

    def fragments_to(self, address):
        return self.fragments.count(address)


def _tshark(path, home, *options):
    """A tshark without settings of the user, that takes fragments as they are."""
    return ["tshark", "-n", "-o", "ip.defragment:FALSE", "-r", str(path), *options], {
        **os.environ, "XDG_CONFIG_HOME": str(home), "HOME": str(home)}


def decode(path, home, progress):
    """What tshark sees in a capture."""
    fields = [word for field in _FIELDS for word in ("-e", field)]
    command, environment = _tshark(path, home, "-T", "fields", *fields)
    seen = Seen()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as process:
        try:
            for line in process.stdout:
                _count(seen, dict(zip(_FIELDS, line.rstrip("\n").split("\t"))))
                if seen.esp % 10_000 == 0:
                    progress(seen.esp)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise RuntimeError(f"tshark ends with {process.returncode}")
    return seen


def _count(seen, frame):
    kind = int(frame["icmpv6.type"].split(",")[0] or 0)
    if frame["esp.spi"]:
        seen.esp += 1
        seen.numbers[int(frame["esp.spi"], 0)].append(int(frame["esp.sequence"]))
    elif frame["ip.proto"] == "50" and frame["ip.frag_offset"] not in ("", "0"):
        seen.fragments.append(frame["ip.dst"])
    elif frame["eth.type"] == "0x0806":
        seen.arp += 1
    elif kind in _ND or kind in _LISTENERS:
        seen.nd += 1
    else:
        source = frame["ip.src"] or frame["ipv6.src"]
        target = frame["ip.dst"] or frame["ipv6.dst"]
        seen.other.append(
            f"{source} > {target}  {frame['_ws.col.Protocol']}  {frame['_ws.col.Info']}")


def excerpt(path, home, n):
    """The first lines that tshark prints of ESP."""
    command, environment = _tshark(path, home, "-Y", "esp", "-c", "100")
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.splitlines()[:n]
