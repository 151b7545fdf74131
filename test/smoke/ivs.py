#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does a program that is killed and started again with the same key ever repeat an IV?

A counter mode that does is broken (RFC 4106 section 3.1).  ferrule-pcap is killed at a random moment,
again and again, while what it seals is read from a pipe.  Within a run IVs must ascend; the ranges of
all runs must not touch.
"""

import argparse
import random
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

_DOCUMENT = """\
sas:
  - name: a
    direction: out
    mode: tunnel
    src: 192.0.2.1
    dst: 192.0.2.2
    esp: {spi: 0x1001, encryption: aes-gcm-128, encryption_key: "%s"}
""" % bytes(range(20)).hex()

_RAW_IP = 101
_N_PACKETS = 20000
_IV = slice(20 + 8, 20 + 8 + 8)  # behind the outer header, SPI and number


def _checksum(header):
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _capture():
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 254, 0, b"\n\0\0\1", b"\n\0\0\2")
    packet = header[:10] + struct.pack(">H", _checksum(header)) + header[12:] + bytes(8)
    record = struct.pack("<IIII", 1, 0, len(packet), len(packet)) + packet
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, _RAW_IP) + record * _N_PACKETS


def _ivs(data):
    """The IVs of the whole packets in what came of a capture."""
    at = 24
    while at + 16 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        packet = data[at + 16 : at + 16 + length]
        if len(packet) == length:
            yield int.from_bytes(packet[_IV], "big")
        at += 16 + length


def _run_and_kill(program, folder, enough):
    """What came out before and after the moment when enough had been read."""
    command = [program, "protect", "-c", "doc.yaml", "-o", "/dev/stdout", "in.pcap"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as process:
        data = process.stdout.read(enough)
        process.kill()
        data += process.stdout.read()
        process.wait()
        if process.returncode not in (0, -signal.SIGKILL):
            sys.exit(f"ferrule-pcap ended with {process.returncode}")
    return data, process.returncode != 0


def _check_run(ivs, ranges):
    if any(later <= earlier for earlier, later in zip(ivs, ivs[1:])):
        sys.exit("IVs do not ascend within a run")
    for first, last in ranges:
        if ivs[0] <= last and first <= ivs[-1]:
            sys.exit(f"IVs from {ivs[0]:#x} to {ivs[-1]:#x} were used before")
    ranges.append((ivs[0], ivs[-1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    ranges, total, killed = [], 0, 0

    with tempfile.TemporaryDirectory(prefix="ferrule-ivs-") as folder:
        (Path(folder) / "doc.yaml").write_text(_DOCUMENT, encoding="utf-8")
        (Path(folder) / "in.pcap").write_bytes(_capture())
        for _ in range(options.runs):
            enough = random.randrange(1000, 1000000)
            data, was_killed = _run_and_kill(options.program.resolve(), folder, enough)
            ivs = list(_ivs(data))
            _check_run(ivs, ranges)
            total += len(ivs)
            killed += was_killed
    if killed < options.runs // 2:
        sys.exit(f"only {killed} of {options.runs} runs were killed on their way")
    print(f"{total} IVs of {options.runs} runs with one key, {killed} of them killed: none repeated")


if __name__ == "__main__":
    main()
