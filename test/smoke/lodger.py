# SPDX-License-Identifier: BSD-3-Clause
"""Does ferrule-bench control leave a daemon that is somebody else's as it was?"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from daemon import Daemon
from report import Report

DOCUMENT = """eal: [--vdev=net_ring0, --vdev=net_ring1]
pairs:
  - {host: {port: net_ring0}, wire: {port: net_ring1}, capacity: 300}
"""
RUNS = [  # name, options, exit code, what the line says
    ("all has room", "--count 40 --list 16 --sas 290", 0, ""),
    ("one at a time, more than there is room for", "--count 310 --sas 0", 1, "the table is full"),
    ("in lists, more than there is room for", "--count 40 --list 16 --sas 310", 1, "was not added"),
]


def faults_of(bench, ferrule, control, options, code, said):
    done = subprocess.run([bench, "control", "--socket", control, "--algorithm", "aes-gcm-128", "--json",
                           *options.split()], capture_output=True, text=True, check=False, timeout=120)
    lines = done.stderr.splitlines()
    left = json.loads(subprocess.run([ferrule, "-s", control, "--json", "sa", "list"], capture_output=True,
                                     text=True, check=True, timeout=60).stdout)
    faults = [] if done.returncode == code and len(lines) == (said != "") else [str(done)]
    faults += [] if said in done.stderr else [done.stderr]
    return faults + ([f"{len(left)} associations are left"] if left else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs=3, type=Path, help="ferruled, ferrule, ferrule-bench")
    ferruled, ferrule, bench = (str(program.resolve()) for program in parser.parse_args().programs)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as name:
        with Daemon(ferruled, Path(name), DOCUMENT) as daemon:
            if not daemon.heard("READY=1"):
                report.add("the daemon starts", ["it does not"])
                return report.finish()
            for what, *run in RUNS:
                report.add(what, faults_of(bench, ferrule, str(Path(name) / "run/control.sock"), *run))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
