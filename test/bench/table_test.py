#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does the set of ./dev bench run, and do its tables come where they belong?

usage: table_test.py FERRULE-BENCH
"""

import json
import os
import subprocess
import sys
import tempfile

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "table.py")
FRONT, BEHIND = "front\n", "\nbehind\n"
MARKS = "<!-- bench: written by ./dev bench -->", "<!-- bench: end -->"


def check(bench, folder):
    readme, report = os.path.join(folder, "README.md"), os.path.join(folder, "report.json")
    with open(readme, "w", encoding="utf-8") as file:
        file.write(f"{FRONT}{MARKS[0]}\nto be replaced\n{MARKS[1]}{BEHIND}")
    subprocess.run([sys.executable, TABLE, bench, readme, "--quick", "--json", report], check=True,
                   timeout=120)
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    with open(report, encoding="utf-8") as file:
        reports = json.load(file)
    assert text.startswith(FRONT + MARKS[0]) and text.endswith(MARKS[1] + BEHIND), text
    assert "replaced" not in text, text
    for report_rows in reports.values():
        assert report_rows["rows"], reports
    rows = [line for line in text.splitlines() if line.startswith("| aes-gcm-128, out |")]
    assert [row.split("|")[2].strip() for row in rows] == ["32", "1", "8", "256"], rows
    widths = {line.count("|") for line in text.splitlines() if "aes-gcm-128, out" in line}
    assert len(widths) == 1, text


def check_refusal(bench, folder):
    readme = os.path.join(folder, "EMPTY.md")
    with open(readme, "w", encoding="utf-8") as file:
        file.write("nothing\n")
    done = subprocess.run([sys.executable, TABLE, "/bin/false", readme], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1 and "failed" in done.stderr, done


def main():
    with tempfile.TemporaryDirectory(prefix="table-") as folder:
        check(sys.argv[1], folder)
        check_refusal(sys.argv[1], folder)
    print("1..1\nok 1 - the tables of ./dev bench")
    return 0


if __name__ == "__main__":
    sys.exit(main())
