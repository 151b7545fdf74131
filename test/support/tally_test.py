#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Can a failure hide from the counts?"""

import unittest

import tally

TESTS = [
    # what meson logged of one test; the cases that it stands for
    ("a program that only exits", {"result": "OK"}, [("passed", "", "")]),
    ("expected to fail", {"result": "EXPECTEDFAIL"}, [("passed", "", "")]),
    ("failed", {"result": "FAIL"}, [("failed", "ended with FAIL", "")]),
    ("too slow", {"result": "TIMEOUT"}, [("failed", "ended with TIMEOUT", "")]),
    (
        "skipped with its reason",
        {"result": "SKIP", "stdout": "setting up\nno namespaces here\n"},
        [("skipped", "", "no namespaces here")],
    ),
    (
        "cases",
        {"result": "FAIL", "stdout": "1..2\nok 1 - a\nnot ok 2 - b\n# 1 != 2\n# not ok - tests\n"},
        [("passed", "a", ""), ("failed", "b", "")],
    ),
    (
        "a failed case in a program that exits with 0",
        {"result": "OK", "stdout": "1..1\nnot ok 1 - a\n"},
        [("failed", "a", "")],
    ),
    (
        "a leak, say, after all cases passed",
        {"result": "FAIL", "stdout": "1..1\nok 1 - a\n"},
        [("passed", "a", ""), ("failed", "ended with FAIL", "")],
    ),
    (
        "the end came early",
        {"result": "OK", "stdout": "1..2\nok 1 - a\n"},
        [("passed", "a", ""), ("failed", "planned, but never reported", "")],
    ),
    (
        "a skipped case, as TAP has it",
        {"result": "OK", "stdout": "1..1\nok 1 - a # SKIP no vectors\n"},
        [("skipped", "a", "no vectors")],
    ),
    (
        "a skipped case, as cmocka has it",
        {"result": "OK", "stdout": "1..2\nno vectors\nnot ok 1 # SKIP a\nnot ok 2 # SKIP b\n"},
        [("skipped", "a", "no vectors"), ("skipped", "b", tally.NO_REASON)],
    ),
    ("prose is not a case", {"result": "OK", "stdout": "ok 1 is fine\n"}, [("passed", "", "")]),
]


class Tally(unittest.TestCase):
    def test_counts(self):
        for name, logged, cases in TESTS:
            with self.subTest(name):
                self.assertEqual(cases, list(tally.cases(logged)))


if __name__ == "__main__":
    unittest.main()
