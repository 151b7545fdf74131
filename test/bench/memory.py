#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What memory does an association take, all in?

usage: memory.py FERRULE-BENCH [N]

Runs a process with N associations (480,000) and one with twice as many, AES-GCM-128, and prints what
their largest resident sets differ by, divided by N.  So blocks, keys, hash, hints, lists, heaps and
buffers count, and what a process takes anyway does not.  Needs N / 250 MB, and half a minute.
"""

import os
import subprocess
import sys
import time

MOST = 1 << 19  # twice as many are the most that ferrule-bench makes
PATH = "path --size 64 --order random --seconds 0.1 --direction"
PROCESSES = [
    ("path, inbound, with a flow each", f"{PATH} in", False),
    ("path, outbound, with a flow, a group and a selector each", f"{PATH} out", False),
    ("ferruled, half of them inbound, dumped once",
     "control --algorithm aes-gcm-128 --count 50 --list 50 --load 0 --rate 0", True),
]


def first_line(file, key=""):
    """The rest of the first line that begins with key; nothing when the process is gone."""
    try:
        with open(file, encoding="ascii") as f:
            return next((line[len(key):] for line in f if line.startswith(key)), "")
    except OSError:
        return ""


def largest_kib(pid):
    fields = first_line(f"/proc/{pid}/status", "VmHWM:").split()
    return int(fields[0]) if fields else 0


def measure(program, options, n, is_in_child):
    """Bytes of the process, or of the one that it starts, when they were the most."""
    args = [program, *options.split(), "--sas", str(n)]
    largest = 0
    with subprocess.Popen(args, stdout=subprocess.DEVNULL) as p:
        while p.poll() is None:
            children = first_line(f"/proc/{p.pid}/task/{p.pid}/children").split()
            for pid in children if is_in_child else [p.pid]:
                largest = max(largest, largest_kib(pid))
            time.sleep(0.005)
    if p.returncode != 0:
        sys.exit(f"{' '.join(args)} failed")
    return largest * 1024


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    program, n = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else "480000"
    if not os.access(program, os.X_OK):
        sys.exit(f"memory.py: {program}: is not there; ./dev build makes ferrule-bench")
    if not n.isdecimal() or not 1 <= int(n) <= MOST:
        sys.exit(f"memory.py: \"{n}\" is not a number from 1 to {MOST}")
    n = int(n)
    for what, options, is_in_child in PROCESSES:
        once, twice = (measure(program, options, k, is_in_child) for k in (n, 2 * n))
        print(f"{(twice - once) / n:6.0f} bytes  {what}", flush=True)


if __name__ == "__main__":
    main()
