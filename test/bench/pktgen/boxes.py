# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: one ferruled that encrypts or decrypts, two that do both, or testpmd in between.

Each carries packets between the two links of the generator, with one worker on one CPU.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

import links
import samples
from daemon import EAL, Daemon
from lab import last_words, wait_until

_NEAR, _FAR = "192.0.2.1", "198.51.100.1"
_KEY_BYTES = {"128": 16, "192": 24, "256": 32}
_HMAC_BYTES = {"hmac-sha1-96": 20, "hmac-sha2-256-128": 32, "hmac-sha2-384-192": 48,
               "hmac-sha2-512-256": 64}


class BoxError(RuntimeError):
    """It does not start, or ends before its time."""


def _protection(algorithm, spi):
    """ESP of a document, from "aes-gcm-128" or "aes-cbc-128+hmac-sha1-96"."""
    encryption, _, integrity = algorithm.partition("+")
    key_bytes = _KEY_BYTES.get(encryption.rpartition("-")[2], 32)
    salt = 0 if integrity and "ctr" not in encryption else 4
    esp = {"spi": spi, "encryption": encryption,
           "encryption_key": samples.make_key(f"bench {spi}", key_bytes + salt).hex()}
    if integrity:
        esp["integrity"] = integrity
        esp["integrity_key"] = samples.make_key(
            f"bench {spi} i", _HMAC_BYTES.get(integrity, 16)).hex()
    return esp


def _sas(pair, out_spi, in_spi, algorithm):
    ends = {out_spi: (_NEAR, _FAR), in_spi: (_FAR, _NEAR)}
    if out_spi > in_spi:
        ends = {spi: reversed(pair_of) for spi, pair_of in ends.items()}
    for direction, spi in (("out", out_spi), ("in", in_spi)):
        src, dst = ends[spi]
        sa = {"name": f"{pair}-{direction}", "pair": pair, "group": "peer", "mode": "tunnel",
              "direction": direction, "src": src, "dst": dst, "esp": _protection(algorithm, spi)}
        if direction == "in":
            sa["replay_window"] = 4096
        yield sa


def _policies(pair):
    for direction in ("out", "in"):
        yield {"name": f"{pair}-{direction}", "pair": pair, "direction": direction, "src": "any",
               "dst": "any", "action": "protect", "sas": ["peer"]}


def document(ports, folder, algorithm, n_boxes):
    """Of one appliance between both links, or of two with a wire of their own between them."""
    (first, first_device), (last, last_device) = ports
    pairs = [("near", first, last, 0x1001, 0x2001)]
    devices = [first_device, last_device]
    if n_boxes == 2:
        inner = links.INNER_PORTS
        devices += links.inner_wire(folder)
        pairs = [("near", first, inner[0], 0x1001, 0x2001), ("far", last, inner[1], 0x2001, 0x1001)]
    return json.dumps({
        "eal": [f"--vdev={device}" for device in devices],
        "idle": "poll",
        "control": {"socket": str(folder / "control")},
        "pairs": [{"name": name, "host": {"port": host}, "wire": {"port": wire}}
                  for name, host, wire, _, _ in pairs],
        "sas": [sa for name, _, _, out_spi, in_spi in pairs
                for sa in _sas(name, out_spi, in_spi, algorithm)],
        "policies": [policy for pair in pairs for policy in _policies(pair[0])],
    })


class Ferruled:
    """One process with one worker, and one pair of ports or two."""

    def __init__(self, program, folder, ports, cpu, algorithm="aes-gcm-128", n_boxes=1):
        self._folder = folder
        self.document = folder / "ferruled.yaml"
        text = document(ports, folder, algorithm, n_boxes)
        self._daemon = Daemon(program, folder, text, EAL, ("taskset", "-c", str(cpu)))
        try:
            if not self._daemon.heard("READY=1", 60):
                raise BoxError(f"ferruled does not start: {last_words(self._daemon.stderr())}")
        except BaseException:
            self._daemon.__exit__()
            raise

    def check(self):
        """Raises BoxError where it has ended."""
        if self._daemon.process.poll() is not None:
            raise BoxError(f"ferruled has ended: {last_words(self._daemon.stderr())}")

    def stop(self):
        self._daemon.stop()
        self._daemon.__exit__()


class Testpmd:
    """Carries packets from port to port as they are: what ports cost without a path."""

    def __init__(self, program, folder, ports, cpu):
        devices = [f"--vdev={device}" for _, device in ports]
        self._log = open(folder / "testpmd.log", "w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [program, *EAL, "-m", "512", f"--file-prefix=box{os.getpid()}",
             f"--lcores=0@{cpu},1@{cpu}", *devices, "--", "--forward-mode=io", "--nb-cores=1",
             "--no-mlockall", "--burst=32", "--txd=1024", "--rxd=1024", "--auto-start",
             "--total-num-mbufs=65535", "-i"],
            stdin=subprocess.PIPE, stdout=self._log, stderr=subprocess.STDOUT, text=True)
        try:
            if not wait_until(self._is_ready, 60) or self._process.poll() is not None:
                raise BoxError(f"testpmd does not start: {last_words(self._said())}")
        except BaseException:
            self.stop()
            raise

    def _said(self):
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    def _is_ready(self):
        return "testpmd>" in self._said() or self._process.poll() is not None

    def check(self):
        """Raises BoxError where it has ended."""
        if self._process.poll() is not None:
            raise BoxError(f"testpmd has ended: {last_words(self._said())}")

    def stop(self):
        try:
            self._process.communicate("quit\n", timeout=30)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()
        self._log.close()
