#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What do virtual ports cost a packet, as testpmd uses them and with ferruled's worker?

Ticks of the time stamp counter.  Ports that are interfaces of the kernel need root: they are made in
a network namespace that goes with the program.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from command import Interrupted, Parser, end_in_order, no_child_left, number_in

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("memif", "vhost", "af_packet", "tap")
OF_THE_KERNEL = ("af_packet", "tap")
LIMIT = 1.10  # of the whole box relative to ports alone and the path
FIGURES = ("rx", "tx", "path", "whole")
HEAD = """| port | size | rx | tx | path | whole | whole / (rx + tx + path) |
| --- | --- | --- | --- | --- | --- | --- |"""
VETHS = """
for n in 0 1; do
    ip link add ferb$n type veth peer name ferh$n
    for end in ferb$n ferh$n; do ip link set $end addrgenmode none up; done
done
"""


def command(kind, program, folder, seconds):
    if kind not in OF_THE_KERNEL:
        return [str(program), kind, folder, seconds]
    made = VETHS if kind == "af_packet" else ""
    return ["unshare", "-n", "sh", "-ec", f'{made}exec "$0" {kind} fer {seconds}', str(program)]


def rows_of(kind, program, seconds):
    """Yields a row for each size, as it is measured.  What goes wrong the program says itself."""
    with tempfile.TemporaryDirectory(prefix="ferrule-bench-") as folder, no_child_left():
        process = subprocess.Popen(
            command(kind, program, folder, seconds), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            env={**os.environ, "RUNTIME_DIRECTORY": folder}, text=True)
        for line in process.stdout:
            port, size, *figures, ratio = line.strip("| \n").split(" | ")
            yield {"port": port, "size": int(size), **dict(zip(FIGURES, map(float, figures))),
                   "ratio": float(ratio)}
        if process.wait() != 0:
            raise ChildProcessError(f"{kind}: ports ended with exit code {process.returncode}")


def show(row):
    ticks = " | ".join(f"{row[name]:.0f}" for name in FIGURES)
    print(f"| {row['port']} | {row['size']} | {ticks} | {row['ratio']:.2f} |", flush=True)


def verdicts(rows):
    """Does a worker add no more than it may?  A line for each kind of port."""
    for kind in dict.fromkeys(row["port"] for row in rows):
        most = max(row["ratio"] for row in rows if row["port"] == kind)
        yield (f"{kind}: the whole box costs at most {most:.2f} times its ports alone plus the path, "
               f"{'not more' if most <= LIMIT else 'MORE'} than {LIMIT:.2f}")


def parse():
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS) + "; all")
    parser.add_argument("--program", type=Path, default=ROOT / "build/test/bench/ports")
    parser.add_argument("--seconds", type=number_in(float, 0.01, 3600), default=2.0,
                        help="of one size")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.kinds = args.kinds or list(KINDS)
    unknown = [kind for kind in args.kinds if kind not in KINDS]
    if unknown:
        parser.error(f"{unknown[0]}: is none of {', '.join(KINDS)}")
    if not args.program.exists():
        parser.error(f"{args.program}: is not there; ./dev build makes it")
    return args


def main():
    args = parse()
    rows, failed = [], False
    end_in_order()
    if not args.json:
        print(HEAD)
    for kind in args.kinds:
        if kind in OF_THE_KERNEL and os.geteuid() != 0:
            print(f"ports.py: {kind}: only root may make its interfaces", file=sys.stderr)
            continue
        try:
            for row in rows_of(kind, args.program.resolve(), str(args.seconds)):
                rows.append(row)
                if not args.json:
                    show(row)
        except ChildProcessError as error:
            print(f"ports.py: {error}", file=sys.stderr)
            failed = True
        except Interrupted as error:
            print(f"ports.py: {error}", file=sys.stderr)
            return True
    if args.json:
        print(json.dumps({"rows": rows}))
    else:
        print("", *verdicts(rows), sep="\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
