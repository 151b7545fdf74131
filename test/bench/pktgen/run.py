#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How many packets a second does a box carry, and how many without a loss?

Starts a box on one CPU and a generator on another, tied together by virtual ports, measures at full
rate, and searches for the highest rate at which nothing is lost.  README.md beside it says more.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

import boxes
import generators
import links
import search
from command import Interrupted, Parser, end_in_order, no_child_left, number_in

ROOT = Path(__file__).resolve().parents[3]
SIZES = "64,512,1420,imix"
_TESTPMD = "dpdk-testpmd"


def sizes(text):
    try:
        found = [item if item == "imix" else int(item) for item in text.split(",")]
    except ValueError:
        found = [0]
    if any(size != "imix" and not 52 <= size <= 1500 for size in found):
        raise argparse.ArgumentTypeError("sizes are 52 to 1500, or imix")
    return found


def cpus(text):
    here = os.sched_getaffinity(0)
    if not all(cpu.isdecimal() and int(cpu) in here for cpu in text.split(",")):
        raise argparse.ArgumentTypeError(
            f"\"{text}\" are not CPUs that there are: {','.join(map(str, sorted(here)))}")
    found = [int(cpu) for cpu in text.split(",")]
    if len(found) < 2 or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError("needs two CPUs, one for the box and one for the generator")
    return found


def arguments():
    p = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--ports", choices=links.KINDS, default="memif",
                   help="virtio-user: the box has the vhost end")
    p.add_argument("--box", choices=("ferruled", "testpmd"), default="ferruled",
                   help="testpmd: the same ports without a path")
    p.add_argument("--boxes", type=int, choices=(1, 2), default=1,
                   help="1: encrypt (or decrypt) only; 2: encrypt and decrypt, in one process")
    p.add_argument("--direction", choices=("out", "in"), default="out",
                   help="of one box; in needs ferrule-gen, which seals")
    p.add_argument("--algorithm", default="aes-gcm-128", help="or aes-cbc-128+hmac-sha1-96")
    p.add_argument("--size", type=sizes, default=SIZES,
                   help=f"bytes of the IP packets, and imix ({SIZES})")
    p.add_argument("--generator", choices=("auto", "pktgen", "ferrule-gen", "testpmd"),
                   default="auto",
                   help="auto: pktgen if it is found, else testpmd, and ferrule-gen for imix")
    p.add_argument("--pktgen", help="the program ($PKTGEN, or PATH)")
    p.add_argument("--testpmd", help="the program ($DPDK_TESTPMD, or PATH)")
    p.add_argument("--programs", type=Path, default=ROOT / "build/app",
                   help="folder of ferrule's programs")
    p.add_argument("--seconds", type=number_in(float, 0.01, 3600), default=2.0, help="of one trial")
    p.add_argument("--steps", type=number_in(int, 0, 60), default=7,
                   help="of the search; 0: full rate only")
    p.add_argument("--loss", type=number_in(float, 0, 1), default=0.0, help="share that may be lost (0)")
    p.add_argument("--cpus", type=cpus, default=sorted(os.sched_getaffinity(0)),
                   help="of box, generator and, if there is a third, its receiver: 0,1")
    p.add_argument("--json", action="store_true")
    return p.parse_args()


def choose_generator(args, size):
    """Its name and its program, for packets of that size."""
    found = {"pktgen": generators.find("pktgen", args.pktgen),
             "testpmd": generators.find(_TESTPMD, args.testpmd),
             "ferrule-gen": generators.find(
                 "ferrule-gen", str(args.programs / "ferrule-gen/ferrule-gen"))}
    name = args.generator
    if name == "auto":
        others = ("pktgen",) if size == "imix" else ("pktgen", "testpmd")
        name = "ferrule-gen" if args.direction == "in" and args.boxes == 1 else next(
            (name for name in others if found[name]), "ferrule-gen")
    if not found[name]:
        sys.exit(f"run.py: {name} is not there: name it with --{name} or in the environment, "
                 "or choose another --generator")
    if args.direction == "in" and args.boxes == 1 and name != "ferrule-gen":
        sys.exit("run.py: only ferrule-gen sends what has to be decrypted")
    if name == "testpmd" and size == "imix":
        sys.exit("run.py: testpmd sends packets of one size, no imix: choose another --size")
    return name, found[name]


def choose(args):
    """(size, name of its generator, program) of each row; ends where something cannot be."""
    if args.box == "testpmd" and (args.boxes == 2 or args.direction == "in"):
        sys.exit("run.py: a box of testpmd neither encrypts nor decrypts: no --boxes 2, "
                 "no --direction in")
    given = args.size if isinstance(args.size, list) else sizes(args.size)
    return [(size, *choose_generator(args, size)) for size in given]


def choose_cpus(given):
    """That of the box, and those of the generator: one is shared, of two one receives."""
    if len(given) < 2:
        sys.exit("run.py: needs two CPUs, one for the box and one for the generator")
    return given[0], given[1:3]


class Bench:
    """A box and a generator, started when they are needed."""

    def __init__(self, args, folder, size, kind, program):
        self._args, self._folder, self._size = args, folder, size
        self._box_cpu, self._generator_cpus = choose_cpus(args.cpus)
        self._kind, self._program = kind, program
        box_end, generator_end = links.KINDS[args.ports]
        sockets = [folder / "first", folder / "last"]
        self._box_ports = [box_end(n, socket) for n, socket in enumerate(sockets)]
        self._ports = [generator_end(n, socket) for n, socket in enumerate(sockets)]
        self._box = self._generator = None

    def _start_box(self):
        for socket in self._folder.glob("*st"):
            socket.unlink()
        if self._args.box == "testpmd":
            program = generators.find(_TESTPMD, self._args.testpmd)
            if program is None:
                sys.exit(f"run.py: {_TESTPMD} is not there: name it with --testpmd")
            return boxes.Testpmd(program, self._folder, self._box_ports, self._box_cpu)
        return boxes.Ferruled(self._args.programs / "ferruled/ferruled", self._folder,
                              self._box_ports, self._box_cpu, self._args.algorithm,
                              self._args.boxes)

    def _start_generator(self):
        ports, kind = self._ports, self._kind
        seals = self._args.boxes == 1 and self._args.direction == "in"
        if seals:
            ports = ports[::-1]
        place = (self._program, self._folder, ports, self._generator_cpus, self._size)
        if kind == "ferrule-gen":
            document = self._box.document if self._args.box == "ferruled" and seals else None
            return generators.FerruleGen(*place, document=document, seals=seals)
        return {"pktgen": generators.Pktgen, "testpmd": generators.Testpmd}[kind](*place)

    def __enter__(self):
        self._box = self._start_box()
        try:
            self._generator = self._start_generator()
        except BaseException:
            self._box.stop()
            raise
        return self

    def __exit__(self, *_):
        try:
            self._generator.stop()
        finally:
            self._box.stop()

    def _trial(self, share):
        try:
            trial = self._generator.trial(share, self._args.seconds)
        except generators.GeneratorError:
            self._box.check()  # which is the reason, then
            raise
        self._box.check()
        if self._generator.needs_fresh_box:
            self._box.stop()
            self._box = self._start_box()
        return trial

    def measure(self):
        """The trial at full rate, and the best one without loss, None where there is none."""
        steps = self._args.steps if self._generator.has_rates else 0
        return search.no_drop(self._trial, self._args.loss, steps)

    def row(self):
        full, best = self.measure()
        return {
            "ports": self._args.ports, "box": self._args.box, "boxes": self._args.boxes,
            "direction": "both" if self._args.boxes == 2 else self._args.direction,
            "algorithm": self._args.algorithm, "size": self._size, "generator": self._kind,
            "sent": full.sent, "received": full.received, "offered_pps": round(full.offered_pps),
            "pps": round(full.received_pps), "loss": round(full.loss, 6),
            "no_drop_pps": None if best is None else round(best.received_pps),
        }


def show(row, is_first):
    if is_first:
        print(f"{'size':>6} {'offered Mpps':>13} {'back Mpps':>10} {'lost':>8} {'no-drop Mpps':>13}  "
              "generator")
    best = "-" if row["no_drop_pps"] is None else f"{row['no_drop_pps'] / 1e6:.3f}"
    print(f"{row['size']:>6} {row['offered_pps'] / 1e6:13.3f} {row['pps'] / 1e6:10.3f} "
          f"{row['loss']:8.2%} {best:>13}  {row['generator']}", flush=True)


def measure_all(args, rows):
    for size, kind, program in choose(args):
        with tempfile.TemporaryDirectory(prefix="ferrule-bench-") as folder, no_child_left():
            os.environ["RUNTIME_DIRECTORY"] = folder  # where DPDK's files go, and go away
            with Bench(args, Path(folder), size, kind, program) as bench:
                rows.append(bench.row())
        if not args.json:
            show(rows[-1], len(rows) == 1)


def main():
    args = arguments()
    rows, failed = [], False
    end_in_order()
    try:
        measure_all(args, rows)
    except (boxes.BoxError, generators.GeneratorError, Interrupted) as error:
        print(f"run.py: {error}", file=sys.stderr)
        failed = True
    if args.json:
        print(json.dumps({"rows": rows}))
    return failed


if __name__ == "__main__":
    sys.exit(main())
