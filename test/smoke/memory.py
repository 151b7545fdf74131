# SPDX-License-Identifier: BSD-3-Clause
"""Does ferruled run on hugepages, and say in one line what to do where it cannot?

Where none are free and root may, some are reserved and given back.
"""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import carry
import samples
from daemon import Daemon
from report import Report

N_PAGES = 200  # of 2 MiB
POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
HUGE = ("--no-pci", "--no-telemetry", "--no-shconf")
IN_MEMORY = (*HUGE, "--in-memory")
# In a mount namespace of its own: without, or with, a file system for hugepages.
UNMOUNTED = 'umount -a -t hugetlbfs; exec "$@"'
MOUNTED = 'mount -t hugetlbfs -o pagesize=2M none /mnt && exec "$@"'


def mounts(command):
    return ("unshare", "-m", "sh", "-c", command, "sh")


def one_line(program, eal, wanted, prefix=()):
    """Faults of a start that has to be refused."""
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
        with Daemon(program, Path(folder), carry.GOOD, eal, prefix) as daemon:
            status, lines = daemon.ends(), daemon.stderr().splitlines()
    if status == 1 and len(lines) == 1 and wanted in lines[0]:
        return []
    return [f"exit {status}, expected {wanted!r}: {lines}"]


def starts(program, eal, prefix=()):
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
        with Daemon(program, Path(folder), carry.GOOD, eal, prefix) as daemon:
            ready = daemon.heard("READY=1")
            status = daemon.stop() if ready else daemon.ends()
            return [] if ready and status == 0 else [f"exit {status}: {daemon.stderr()}"]


def carries(program):
    packets = [carry.inner(index) for index in range(carry.N_PACKETS)]
    frames = [samples.ethernet(packet) for packet in packets]
    wire, _, _, faults = carry.Bench(program).carry(carry.document(), host=frames, eal=IN_MEMORY)
    return faults or carry.sealed_faults(wire, packets)


def free_pages():
    return int((POOL / "free_hugepages").read_text(encoding="ascii"))


@contextlib.contextmanager
def reserved():
    """Are there enough hugepages now?"""
    pool = POOL / "nr_hugepages"
    before = pool.read_text(encoding="ascii")
    missing = max(0, N_PAGES - free_pages())
    try:
        if missing:
            pool.write_text(str(int(before) + missing), encoding="ascii")
        yield free_pages() >= N_PAGES
    except OSError:
        yield False
    finally:
        if missing:
            with contextlib.suppress(OSError):
                pool.write_text(before, encoding="ascii")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferruled to test")
    program = parser.parse_args().program.resolve()
    report = Report()
    if not POOL.exists():
        report.absent("memory", "this kernel has no hugepages")
        return report.finish()
    if all(int(path.read_text(encoding="ascii")) == 0
           for path in POOL.parent.glob("*/free_hugepages")):
        report.add("no hugepages", one_line(program, HUGE, "no hugepages are free: reserve some"))
    else:
        report.skip("no hugepages", "some are free")
    with reserved() as enough:
        if not enough:
            report.absent("hugepages", "none can be reserved here")
            return report.finish()
        report.add("on hugepages", carries(program))
        report.add("too few", one_line(program, (*IN_MEMORY, "--socket-limit", "16"), "give a larger -m"))
        report.add("without a file system for them", one_line(
            program, HUGE, "no file system for them is mounted", mounts(UNMOUNTED)))
        report.add("with one", starts(program, HUGE, mounts(MOUNTED)))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
