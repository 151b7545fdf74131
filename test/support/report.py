# SPDX-License-Identifier: BSD-3-Clause
"""How did the tests of one runner end?  What failed, a closing line, and the exit status."""

import sys

SKIPPED = 77  # what meson takes for a skipped test
_MOST_FAULTS_SHOWN = 6


class Report:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self._is_absent = False

    def add(self, name, faults):
        """One test: it passed if it has no faults."""
        if not faults:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAIL {name}")
        for fault in faults[:_MOST_FAULTS_SHOWN]:
            print(f"     {fault}")
        if len(faults) > _MOST_FAULTS_SHOWN:
            print(f"     ... and {len(faults) - _MOST_FAULTS_SHOWN} more")
        sys.stdout.flush()

    def skip(self, name, reason):
        self.skipped += 1
        print(f"SKIP {name}: {reason}")

    def absent(self, name, reason):
        """What the runner is there for cannot be tested here: all of it counts as skipped."""
        self.skip(name, reason)
        self._is_absent = True

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        if self.failed:
            return 1
        return SKIPPED if self._is_absent else 0


def difference(what, got, wanted):
    """[] where two byte strings are equal, else one line that shows where they part."""
    if got == wanted:
        return []
    pairs = zip(got, wanted)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(got), len(wanted)))
    start = max(0, at - 4)
    return [
        f"{what}: {len(got)} bytes, expected {len(wanted)}; from byte {start}"
        f" got {got[start : at + 12].hex(' ') or 'nothing'},"
        f" expected {wanted[start : at + 12].hex(' ') or 'nothing'} (they part at byte {at})"
    ]
