#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Counts the cases of the test runs in the named build folders.

usage: tally.py BUILD-FOLDER ...

Names what failed, and what was skipped and why, and ends with the line
"N passed, N failed, N skipped"; exits 1 if anything failed.

A test that prints TAP (a plan "1..N", then "ok" and "not ok" lines) counts as its cases, any other
as one.  A folder without a log had no tests to run.
"""

import json
import os
import re
import sys

PLAN = re.compile(r"1\.\.(\d+)$")
CASE = re.compile(r"(not )?ok \d+ *(?:- )?(.*?)(?:# SKIP\b *(.*))?$", re.IGNORECASE)
NO_REASON = "it does not say why"


def tap_cases(output):
    """Yields (outcome, name, reason) for each case that a TAP program reported."""
    planned = reported = 0
    # cmocka's skip() takes no reason, and puts the name in its place: what the case printed before
    # it is the reason.
    remark = ""
    for line in output.splitlines():
        plan = PLAN.match(line)
        case = CASE.match(line)
        if plan:
            planned += int(plan[1])
        elif case and planned:
            reported += 1
            failed, name, reason = case.groups()
            if reason is None:
                yield "failed" if failed else "passed", name, ""
            elif name:
                yield "skipped", name.strip(), reason
            else:
                yield "skipped", reason, remark or NO_REASON
            remark = ""
        elif not line.startswith("#"):
            remark = line.strip()
    for _ in range(reported, planned):
        yield "failed", "planned, but never reported", ""


def cases(test):
    """Yields (outcome, name, reason) for each case of one line of meson's log."""
    output = test.get("stdout", "")
    result = test["result"]
    bad = result not in ("OK", "EXPECTEDFAIL", "SKIP")
    found = list(tap_cases(output))
    yield from found
    if bad and not any(outcome == "failed" for outcome, _, _ in found):
        yield "failed", f"ended with {result}", ""
    elif not found and result == "SKIP":
        words = (output + test.get("stderr", "")).strip().splitlines()
        yield "skipped", "", words[-1] if words else NO_REASON
    elif not found and not bad:
        yield "passed", "", ""


def main(folders):
    count = {"passed": 0, "failed": 0, "skipped": 0}
    notes = []
    for folder in folders:
        log = os.path.join(folder, "meson-logs", "testlog.json")
        if not os.path.exists(log):
            continue
        with open(log, encoding="utf-8") as lines:
            for test in map(json.loads, lines):
                for outcome, name, reason in cases(test):
                    count[outcome] += 1
                    if outcome != "passed":
                        where = " / ".join(filter(None, [folder, test["name"], name]))
                        notes.append(f"{outcome:7}  {where}{': ' if reason else ''}{reason}")
    for note in sorted(notes, reverse=True):
        print(note)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
