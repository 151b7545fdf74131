#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Do numbers come from the runner, with what Debian has, and does its search find what there is?

usage: runner_test.py FOLDER-OF-PROGRAMS

How high the numbers are is nobody's business here.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

import generators
import search
from lab import wait_until
from report import Report

RUN = Path(__file__).resolve().parent / "run.py"

# What the runner is asked for, and whether it has to find a rate without loss.
RUNS = [
    "--generator testpmd --box ferruled",
    "--generator testpmd --box testpmd",
    "--pktgen /none/pktgen --size imix",
    "--generator ferrule-gen --box ferruled --boxes 2",
    "--generator ferrule-gen --box ferruled --direction in",
    "--generator ferrule-gen --box ferruled --ports virtio-user",
]
REFUSED = [
    ("--direction in --generator testpmd", "decrypted"),
    ("--generator pktgen --pktgen /none/pktgen", "--pktgen"),
    ("--size 51", "52"),
    ("--size big", "52"),
    ("--seconds -1", "--seconds"),
    ("--steps many", "--steps"),
    ("--cpus 0,100000", "100000"),
    ("--testpmd /bin/false --generator testpmd", "does not start"),
]


# Runs a script that gets SIGTERM inside subprocess.Popen, when a child is born: its number says which.
ASKED_AT_A_START = """
import os, runpy, signal, sys
sys.path.insert(0, os.path.dirname(sys.argv[2]))
def read(*arguments, real=os.read, left=[int(sys.argv[1])]):
    left[0] -= sys._getframe(1).f_code.co_name == "_execute_child"
    if left[0] == 0:
        left[0] = -1
        signal.raise_signal(signal.SIGTERM)
    return real(*arguments)
os.read, sys.argv = read, sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
N_CHILDREN = 3  # of a run with testpmd: the box, and the generator's ends


def run(arguments):
    return subprocess.run([sys.executable, str(RUN), *arguments.split()], capture_output=True,
                          text=True, timeout=240, check=False)


def numbers_come(programs, arguments):
    result = run(f"--size 64 {arguments} --programs {programs} --seconds 0.2 --steps 0 --json")
    if result.returncode != 0:
        return [f"exit {result.returncode}: {result.stderr}"]
    rows = json.loads(result.stdout)["rows"]
    return [f"{row}" for row in rows
            if not (len(rows) == 1 and 0 < row["received"] <= row["sent"] and row["pps"] > 0)]


def processes_of(session):
    """Those that are there still."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, fields = stat.read_text().rpartition(")")
        except OSError:
            continue  # it has ended
        if fields.split()[3] == str(session):
            found.append(name)
    return found


def ends_with_all(programs, arguments, child=None):
    """Asked to end, it ends all that it has started, and leaves nothing.

    child: the number of the one at whose start, when it is there and nobody holds it, it is asked.
    """
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
        process = subprocess.Popen(
            [sys.executable, *(["-c", ASKED_AT_A_START, str(child)] if child else []), str(RUN),
             *f"{arguments} --programs {programs} --seconds 600".split()],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "TMPDIR": folder})
        started = child or wait_until(lambda: list(Path(folder).glob("*/*only.log")), 60)
        if not child:
            process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
        left = [str(path) for path in Path(folder).iterdir()]
        left += processes_of(process.pid)
    right = started and process.returncode == 1 and said == "run.py: interrupted\n"
    return [] if right and not left else [f"{process.returncode} {said} {left}"]


def ports_have_costs(programs):
    """test/bench/ports.py: every figure is there, for eyes and for programs, and a verdict."""
    ports = [sys.executable, str(RUN.parents[1] / "ports.py"), "memif", "vhost", "--seconds", "0.05",
             "--program", str(programs.parent / "test/bench/ports")]
    told = subprocess.run([*ports, "--json"], capture_output=True, text=True, timeout=240, check=False)
    shown = subprocess.run(ports, capture_output=True, text=True, timeout=240, check=False)
    if told.returncode or shown.returncode:
        return [f"{told}", f"{shown}"]
    rows = json.loads(told.stdout)["rows"]
    *table, nothing, memif, vhost = shown.stdout.splitlines()
    right = (len(rows) == 6 and len(table) == 8 and nothing == ""
             and all(value > 0 for row in rows for name, value in row.items() if name != "port")
             and memif.startswith("memif: the whole box") and vhost.startswith("vhost: the whole box"))
    return [] if right else [f"{rows}", shown.stdout]


def box_that_carries(most_pps, full_pps):
    def trial(share):
        sent = int(share * full_pps)
        return generators.Trial(sent, min(sent, most_pps), 1.0)
    return trial


def search_finds(most_pps, full_pps):
    full, best = search.no_drop(box_that_carries(most_pps, full_pps), 0, 10)
    found = best.received_pps if best else 0
    right = 0.99 * min(most_pps, full_pps) <= found <= most_pps and full.sent == full_pps
    return [] if right else [f"{found} of {most_pps}, sent {full.sent}"]


def main():
    programs = Path(sys.argv[1]).resolve()
    report = Report()
    for most, full in ((10**6, 5 * 10**6), (4 * 10**6, 5 * 10**6), (10**7, 5 * 10**6)):
        report.add(f"search: {most} of {full}", search_finds(most, full))
    for arguments, word in REFUSED:
        result = run(f"{arguments} --programs {programs}")
        report.add(f"refused: {arguments}",
                   [] if result.returncode != 0 and word in result.stderr else [result.stderr])
    report.add("what ports cost", ports_have_costs(programs))
    few = "needs two CPUs" if len(os.sched_getaffinity(0)) < 2 else ""
    for arguments in RUNS:
        lacking = "" if "testpmd" not in arguments or generators.find("dpdk-testpmd", None) else (
            "no dpdk-testpmd")
        if few or lacking:
            report.skip(arguments, few or lacking)
        else:
            report.add(arguments, numbers_come(programs, arguments))
    if few or not generators.find("dpdk-testpmd", None):
        report.skip("interrupted", few or "no dpdk-testpmd")
    else:
        for child in (None, *range(1, N_CHILDREN + 1)):
            report.add(f"interrupted at the start of {child or 'nothing'}",
                       ends_with_all(programs, "--generator testpmd --size 64", child))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
