#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does ferrule do what each statement of the contract says?

    run.py BUILD [-o FILE] [--shown] [R-17 ...]

One line a statement: "R-17  MUST  pass  name of the test"; the third word is pass, fail, deviates
(the contract's behaviour and the appliance's are both tested, each in its own mode), n/a or skip.
Evidence is a live test of a daemon, seen from its socket and its ports, or where nothing can be seen
from there the unit tests that are named.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import live
from lab import Absent
from report import SKIPPED
from statements import STATEMENTS

# What counts least first: a statement is as good as the worst of its evidence.
ORDER = ("pass", "deviates", "n/a", "skip", "fail")


class UnitTests:
    """The unit tests of a build, each program run once."""

    def __init__(self, build):
        listed = subprocess.run(["meson", "introspect", "--tests", str(build)], check=True,
                                capture_output=True, text=True).stdout
        self._commands = {}  # two layers may have a test of one name
        for test in json.loads(listed):
            self._commands.setdefault(test["name"], []).append(test["cmd"])
        self._results = {}

    def outcome(self, program, case):
        if program not in self._commands:
            return "fail", f"there is no test {program}"
        if program not in self._results:
            self._results[program] = {
                case: passed for command in self._commands[program]
                for case, passed in self._run(command)}
        passed = self._results[program].get(case)
        if passed is None:
            return "fail", f"{program} has no case {case}"
        return ("pass", "") if passed else ("fail", f"{program}: {case}")


    @staticmethod
    def _run(command):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={"CMOCKA_MESSAGE_OUTPUT": "TAP", "PATH": "/usr/bin:/bin"},
                              check=False)
        return [(line.partition(" - ")[2].partition(" #")[0], line.startswith("ok "))
                for line in done.stdout.splitlines() if " - " in line]


class LiveTests:
    def __init__(self, program):
        self._program = program
        self._outcomes = {}

    def outcome(self, test):
        if test not in self._outcomes:
            self._outcomes[test] = self._run(test)
        return self._outcomes[test]

    def _run(self, test):
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(self._program, folder)
            except Absent as reason:
                return "skip", str(reason)
            except Exception as error:  # whatever it is, the statement was not shown
                where = traceback.extract_tb(error.__traceback__)[-1]
                return "fail", f"{Path(where.filename).name}:{where.lineno}: {error!r}"
        return "pass", ""


class Runner:
    def __init__(self, build):
        self._units = UnitTests(build)
        self._live = LiveTests(build / "app" / "ferruled" / "ferruled")

    def is_shown(self, statement):
        return bool(statement.reason or statement.static or statement.units or live.SHOWS.get(statement.number))

    def judge(self, statement):
        """(word, name of the test, why not)"""
        if statement.reason:
            return "n/a", statement.reason, ""
        tests = live.SHOWS.get(statement.number, [])
        outcomes = [self._live.outcome(test) for test in tests]
        outcomes += [self._units.outcome(*unit) for unit in statement.units]
        names = [live.name_of(test) for test in tests]
        names += [f"{program}: {case.replace('_', ' ')}" for program, case in statement.units]
        if statement.static:
            outcomes.append(("pass", ""))
            names.append(statement.static)
        if not outcomes:
            return "fail", "nothing shows it", ""
        word = max((word for word, _ in outcomes), key=ORDER.index)
        if word == "pass" and statement.deviates:
            word = "deviates"
        return word, "; ".join(names), "; ".join(why for _, why in outcomes if why)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="write the lines to this file as well")
    parser.add_argument("--shown", action="store_true", help="pass over what nothing shows yet")
    parser.add_argument("only", nargs="*", help="statements, such as R-17")
    args = parser.parse_args()
    live.load()
    runner, lines, counts = Runner(args.build.resolve()), [], dict.fromkeys(ORDER, 0)
    for statement in STATEMENTS:
        if args.only and f"R-{statement.number}" not in args.only:
            continue
        if args.shown and not runner.is_shown(statement):
            continue
        word, name, why = runner.judge(statement)
        counts[word] += 1
        lines.append(f"R-{statement.number:<4} {statement.level:<6} {word:<9} {name}")
        print(lines[-1], flush=True)
        if why:
            print(f"       {why}", flush=True)
    lines.append(", ".join(f"{counts[word]} {word}" for word in ORDER))
    print(lines[-1])
    if args.output:
        args.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # For who counts tests.
    print(f"{counts['pass'] + counts['deviates'] + counts['n/a']} passed, {counts['fail']} failed,"
          f" {counts['skip']} skipped")
    if counts["fail"]:
        return 1
    return SKIPPED if counts["skip"] else 0


if __name__ == "__main__":
    sys.exit(main())
