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

CPU = min(os.sched_getaffinity(0))

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
    (f"--cpus {CPU},{CPU}", "two CPUs"),
    ("--nothing", "--nothing"),
    ("--box testpmd --direction in --generator ferrule-gen", "--direction"),
    ("--box testpmd --boxes 2", "--boxes"),
]
# The same where there are two CPUs and a generator.
REFUSED_LATE = [
    ("--testpmd /bin/false --generator testpmd --size 64", "does not start"),
    ("--size 64,imix --generator testpmd", "imix"),
    ("--algorithm aes-cbc-128+hmac-none --generator ferrule-gen", "integrity"),
    ("--pktgen /bin/true --generator pktgen", "Pktgen.lua"),
]

# Ends of a program that was killed: its name, the arguments, and what the line has to say.
KILLED = [
    ("ferruled", "--generator testpmd", "ferruled has ended"),
    ("dpdk-testpmd", "--generator testpmd", "testpmd"),
    ("dpdk-testpmd", "--box testpmd --generator ferrule-gen", "testpmd has ended"),
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


def refused(programs, arguments, word):
    """One line, which has that word in it."""
    result = run(f"{arguments} --programs {programs}")
    right = result.returncode in (1, 2) and word in result.stderr and result.stderr.count("\n") == 1
    return [] if right and result.stdout == "" else [f"{result.returncode} {result.stderr}"]


def says_what_pktgen_said():
    """A program that ends at once: its last words, and neither its terminal's nor script's."""
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
        program = Path(folder) / "pktgen"
        program.write_text("#!/bin/sh\nprintf '\\033[1;31mno ports\\033[0m\\n'\nexit 3\n")
        program.chmod(0o755)
        (Path(folder) / "Pktgen.lua").touch()
        result = run(f"--box testpmd --generator pktgen --pktgen {program} --size 64")
    right = result.returncode == 1 and result.stderr == "run.py: pktgen has ended: no ports\n"
    return [] if right else [f"{result.returncode} {result.stderr}"]


def processes_of(session):
    """(name, number) of those that are there still."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, fields = stat.read_text().rpartition(")")
        except OSError:
            continue  # it has ended
        if fields.split()[3] == str(session):
            found.append((name.partition("(")[2], int(stat.parent.name)))
    return found


def measures(process, folder, arguments):
    """Has the generator of a run started?"""
    if "--generator testpmd" not in arguments:
        return "ferrule-gen" in dict(processes_of(process.pid))
    return any("testpmd>" in log.read_text() for log in Path(folder).glob("*/txonly.log"))


def tells_who_was_killed(programs, victim, arguments, line):
    """A program that ends before its time is no row, but the reason why there is none."""
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
        process = subprocess.Popen(
            [sys.executable, str(RUN), *f"--size 64 --seconds 2 --steps 0 {arguments} "
             f"--programs {programs}".split()],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "TMPDIR": folder})
        wait_until(lambda: measures(process, folder, arguments) or process.poll() is not None, 60)
        pids = [pid for name, pid in processes_of(process.pid) if name == victim]
        if pids:
            os.kill(pids[-1], signal.SIGKILL)
        told, said = process.communicate(timeout=200)
        left = [str(path) for path in Path(folder).iterdir()] + processes_of(process.pid)
    right = process.returncode == 1 and line in said and said.count("\n") == 1 and told == ""
    return [] if right and not left else [f"{process.returncode} {told} {said} {left}"]


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
        report.add(f"refused: {arguments}", refused(programs, arguments, word))
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
        report.add("what pktgen said", says_what_pktgen_said())
        for arguments, word in REFUSED_LATE:
            report.add(f"refused: {arguments}", refused(programs, arguments, word))
        for victim, arguments, line in KILLED:
            report.add(f"killed: {victim}, {arguments}",
                       tells_who_was_killed(programs, victim, arguments, line))
        for child in (None, *range(1, N_CHILDREN + 1)):
            report.add(f"interrupted at the start of {child or 'nothing'}",
                       ends_with_all(programs, "--generator testpmd --size 64", child))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
