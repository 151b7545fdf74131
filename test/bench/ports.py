#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What do virtual ports cost a packet, as testpmd uses them and with ferruled's worker?

Ticks of the time stamp counter.  Ports that are interfaces of the kernel need root: they are made in
a network namespace that goes with the program.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("memif", "vhost", "af_packet", "tap")
HEAD = """| port | size | rx | tx | path | whole | whole / (rx + tx + path) |
| --- | --- | --- | --- | --- | --- | --- |"""
VETHS = """
for n in 0 1; do
    ip link add ferb$n type veth peer name ferh$n
    for end in ferb$n ferh$n; do ip link set $end addrgenmode none up; done
done
"""


def command(kind, program, folder, seconds):
    if kind in ("memif", "vhost"):
        return [str(program), kind, folder, seconds]
    made = VETHS if kind == "af_packet" else ""
    return ["unshare", "-n", "sh", "-ec", f'{made}exec "$0" {kind} fer {seconds}', str(program)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("kinds", nargs="*", default=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--program", type=Path, default=ROOT / "build/test/bench/ports")
    parser.add_argument("--seconds", default="2", help="of one size")
    args = parser.parse_args()
    failed = False
    print(HEAD)
    for kind in args.kinds:
        if kind in ("af_packet", "tap") and os.geteuid() != 0:
            print(f"ports.py: {kind}: only root may make its interfaces", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory(prefix="ferrule-bench-") as folder:
            env = {**os.environ, "RUNTIME_DIRECTORY": folder}
            result = subprocess.run(command(kind, args.program.resolve(), folder, args.seconds),
                                    stdin=subprocess.DEVNULL, env=env, timeout=300, check=False)
        failed = failed or result.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
