#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What did ferrule-pcap --json count?  One aligned table over all files named, a row for each SA.

Files are called TITLE.json.
"""

import json
import sys
from pathlib import Path

COLUMNS = ("run", "SA", "packets", "bytes", "sequence", "verdicts of the run")


def rows_of(path):
    sums = json.loads(path.read_text(encoding="utf-8"))
    title, verdicts = path.stem, ", ".join(f"{n} {name}" for name, n in sums["verdicts"].items())
    for sa in sums["sas"]:
        yield title, sa["name"], *(f"{sa[k]:,}" for k in ("packets", "bytes", "sequence")), verdicts
        title = verdicts = ""


def main():
    table = [COLUMNS, *(row for name in sys.argv[1:] for row in rows_of(Path(name)))]
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        cells = [c.rjust(w) if 2 <= i <= 4 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    main()
