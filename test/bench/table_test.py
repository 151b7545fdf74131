#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does the set of ./dev bench run, and do its tables come where they belong?

usage: table_test.py FERRULE-BENCH
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import table
import targets

TABLE = os.path.join(HERE, "table.py")
FRONT, BEHIND = "front\n", "\nbehind\n"
OLD = "to be replaced"
MARKS = "<!-- bench: written by ./dev bench -->", "<!-- bench: end -->"


class Files:
    """Two documents with a place for tables, and the file for what was measured."""

    def __init__(self, folder):
        self.readme, self.figures = (os.path.join(folder, name) for name in ("README.md", "F.md"))
        self.json = os.path.join(folder, "report.json")
        for document in (self.readme, self.figures):
            with open(document, "w", encoding="utf-8") as file:
                file.write(f"{FRONT}{MARKS[0]}\n{OLD}\n{MARKS[1]}{BEHIND}")

    def run(self, bench, *options):
        command = [sys.executable, TABLE, bench, self.readme, self.figures, "--json", self.json,
                   "--quick", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)

    def texts(self):
        for document in (self.readme, self.figures):
            with open(document, encoding="utf-8") as file:
                yield file.read()

    def reports(self):
        with open(self.json, encoding="utf-8") as file:
            return json.load(file)


def check_tables(text):
    """Rows of one table are of one width."""
    widths = set()
    for line in [*text.splitlines(), ""]:
        if not line.startswith("|"):
            assert len(widths) <= 1, (widths, text)
            widths = set()
        else:
            widths.add(line.count("|"))


def check(bench, folder):
    files = Files(folder)
    done = files.run(bench)
    assert done.returncode == 0, done
    for report in files.reports().values():
        assert report["rows"], report
    for text in files.texts():
        assert text.startswith(FRONT + MARKS[0]) and text.endswith(MARKS[1] + BEHIND), text
        assert OLD not in text, text
        check_tables(text)
    readme, figures = files.texts()
    rows = [line for line in readme.splitlines() if line.startswith("| aes-gcm-128, out |")]
    assert [row.split("|")[2].strip() for row in rows[:2]] == ["32", "1"], rows
    assert rows[2].count(": ") == 3, "beside the peer"
    rows = [line for line in figures.splitlines() if line.startswith("| aes-gcm-128, in |")]
    assert [row.split("|")[2].strip() for row in rows] == ["32", "1", "8", "32"], rows
    for text, n in ((readme, 2), (figures, 8)):
        rows = [line for line in text.splitlines() if " in turn | 32 |" in line]
        assert len(rows) == n and all(row.count(" (") == 4 for row in rows), rows
    verdicts = "| reached |", "| missed |", "| says nothing |"
    aims = [line for line in figures.splitlines() if line.endswith(verdicts)]
    assert len(aims) > 20 and not any("nan" in line for line in aims), figures
    # Each way has a single turn, and a machine that runs tests may have kept all packets from it.
    silent = [line for line in aims if line.endswith(verdicts[2])]
    n_ways = sum(packets["during"] == "changes" for report in files.reports().values()
                 for packets in report.get("packets", []))
    assert len(silent) == n_ways and all("the chance" in line for line in silent), silent


def check_parts(bench, folder):
    """Tables come with the last part."""
    files = Files(folder)
    assert files.run(bench, "--part", "one").returncode == 0
    assert list(files.reports()) == ["one"] and all(OLD in text for text in files.texts())
    done = files.run(bench, "--part", "apart", "--part", "overlapping")
    assert set(files.reports()) == {"one", "apart", "overlapping"}, done
    assert "control" in done.stderr and all(OLD in text for text in files.texts()), done
    assert files.run(bench, "--part", "nothing").returncode == 2
    named = files.run(bench, "--part", "help")
    assert named.returncode == 0 and {"one", "apart", "control-in"} <= set(named.stdout.split()), named


STUB = """#!/bin/sh
case "$*" in *--flows*) [ -e {mark} ] || {{ touch {mark}; exit 1; }} ;; esac
exec {bench} "$@"
"""


def check_second_try(bench, folder):
    """What fails once is measured all the same, and what is not there is told."""
    stub = os.path.join(folder, "bench")
    with open(stub, "w", encoding="utf-8") as file:
        file.write(STUB.format(mark=os.path.join(folder, "mark"), bench=bench))
    os.chmod(stub, 0o755)
    files = Files(folder)
    done = files.run(stub, "--part", "one", "apart")
    assert done.returncode == 0 and "one failed" in done.stderr, done
    assert list(files.reports()) == ["apart", "one"], done
    done = files.run("/bin/false", "--part", "one", "ports")
    assert done.returncode == 1 and "failed twice: one ports" in done.stderr, done
    assert "--part one ports" in done.stderr and len(files.reports()) == 2, done
    assert "probe failed" in done.stderr, done


def row_of(crypto, dropped=0, **more):
    return {"algorithm": "a", "direction": "out", "size": 64, "burst": 32, "packets": "warm", "sas": 1,
            "workers": 1, "crypto_ticks": crypto, "repeats": 100, "dropped": dropped, **more}


def check_disturbance(_, __):
    """A machine with other things to do is told from one without."""
    def lines(*rows):
        return table.disturbance_lines({"out": {"rows": list(rows)}})[0]
    assert "relied" not in lines(row_of(100), row_of(110), row_of(500, workers=2), row_of(900, size=1420))
    assert "up to 10%" in lines(row_of(100), row_of(110))
    assert "relied" in lines(row_of(100), row_of(140))
    assert "relied" in lines(row_of(100, dropped=50))
    assert "again" not in lines(row_of(100))
    again = {"out": {"rows": [row_of(100)], "tries": 2}, "ports": {"rows": [], "tries": 1}}
    assert "1 of 2 parts were measured again" in table.disturbance_lines(again)[0]


def part_of(*crypto, probes=(), **more):
    return {"rows": [row_of(ticks) for ticks in crypto], "probes": [row_of(ticks) for ticks in probes],
            "seconds": 30, "tries": 1, **more}


def check_dear(_, __):
    """Which parts met a busy host: by what they say themselves, or by the probes around them."""
    reports = {"calm": part_of(100, probes=[105, 119]), "dear": part_of(101, 130, 100),
               "dearest": part_of(140, probes=[101]), "twice": part_of(190, tries=2),
               "around": {"rows": [{"load": 90}], "probes": [row_of(100), row_of(125)]},
               "two workers": {"rows": [row_of(200, workers=2)]}, "alone": {"rows": [row_of(900, size=1420)]}}
    assert table.dear_parts(reports) == ["dearest", "dear", "around", "twice"]
    assert table.dear_parts({}) == [] and table.dear_parts({"none": {"rows": []}}) == []
    # The dearest row says whether, all of them say which.
    once, again = part_of(100, 145, 100), part_of(140, 140, 140)
    assert table.calmer(once, again, reports) is once and table.calmer(again, once, reports) is once
    silent = part_of()
    assert table.calmer(again, silent, {}) is again and table.calmer(silent, again, {}) is again


class Host:
    """In place of a machine: what bare crypto costs at each moment, and a clock."""

    def __init__(self, *ticks, seconds=30):
        self.ticks, self.seconds, self.now, self.measured = list(ticks), seconds, 0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def look(self):
        return self.ticks.pop(0) if len(self.ticks) > 1 else self.ticks[0]

    def probe(self, _, quick=False):
        assert not quick
        return [row_of(self.look())]

    def measure(self, _, name, quick=False):
        assert not quick
        self.now += self.seconds
        self.measured.append(name)
        ticks = self.look()
        return ticks and part_of(ticks, seconds=self.seconds)


def check_again(_, folder):
    """A dear part is measured when the host is calm, and not for ever."""
    options = argparse.Namespace(bench="", json=os.path.join(folder, "report.json"))

    def again(host, **reports):
        with mock.patch.multiple(table, time=host, probe=host.probe, measure=host.measure):
            table.measure_again(options, reports)
        return [(report["rows"][0]["crypto_ticks"], report["tries"]) for report in reports.values()]

    quiet = Host(100)
    assert again(quiet, a=part_of(100), b=part_of(119)) == [(100, 1), (119, 1)] and not quiet.measured
    quiet = Host(100)
    assert again(quiet, a=part_of(100), b=part_of(130), c=part_of(140)) == [(100, 1), (100, 2), (100, 2)]
    assert quiet.measured == ["c", "b"] and quiet.now == 60
    busy = Host(150)
    assert again(busy, a=part_of(100), b=part_of(130)) == [(100, 1), (130, 1)]
    assert not busy.measured and busy.now <= table.AGAIN_SECONDS
    # Calm, then dearer than before; calm, then no answer: three tries are all it gets.
    unsteady = Host(150, 100, 150, 100, None, 100)
    assert again(unsteady, a=part_of(100), b=part_of(130)) == [(100, 1), (130, 3)]
    assert unsteady.measured == ["b", "b"]
    long = Host(100, seconds=160)
    assert again(long, a=part_of(100), b=part_of(130, seconds=160), c=part_of(140, seconds=160)) == [
        (100, 1), (130, 1), (100, 2)]


def check_choices(_, __):
    assert table.affordable([1, 2, 10**15]) == [1, 2] and table.affordable([10**15]) == [10**15]
    for values, limits, at_most, right in (
            ([1, 2], 2, True, True), ([1, 3], 2, True, False), ([1, 2], (1, 2), False, True),
            ([1, 1.9], (1, 2), False, False)):
        assert targets.Target("", values, limits, at_most).is_reached() == right, values
    for value, limit, at_most, digits, told in (
            (0.031, 0, True, 1, "0.03"), (0.9499, 0.95, False, 2, "0.9499"), (0.94, 0.95, False, 2, "0.94"),
            (0.951, 0.95, False, 2, "0.95"), (0, 0, True, 1, "0.0")):
        assert targets.Target("", [value], limit, at_most, digits).row()[2] == told, (value, told)


def control_of(n_turns=22, p=1, realtime=False):
    packets = {"lost": 0, "dropped": 0, "arrived": 9}
    turns = {"n": n_turns, "p": p, "more": 0, "fewer": 0}
    return {"load": {"realtime": realtime}, "packets": [
        {**packets, "during": "nothing"},
        {**packets, "during": "changes", "changes_per_second": 1, "gaps": {"blocked": {"ms": 0}},
         "turns": turns}]}


def check_chance(_, __):
    """Four turns cannot say that changes cost anything, five can."""
    for n_turns, p, verdict in ((1, 0.5, "says nothing"), (4, 0.0625, "says nothing"), (4, 1, "says nothing"),
                                (5, 0.03125, "missed"), (5, 0.1875, "reached"), (22, 1, "reached")):
        reports = {name: control_of(n_turns, p) for name in ("control", "control-in")}
        rows = [target.row() for target in targets.control_changes(reports)]
        said = [row[-1] for row in rows if "the chance" in row[0]]
        assert said == [verdict] * 2, (n_turns, p, said)


def check_realtime(_, __):
    """What is said of both ways is so of both."""
    for out, back, said in ((True, True, "In turns the worker"), (True, False, "In turns of out, and of no"),
                            (False, True, "In turns of in, and of no"), (False, False, "")):
        lines = table.realtime_lines({"control": control_of(realtime=out),
                                      "control-in": control_of(realtime=back)})
        assert lines[0].startswith(said) if said else not lines, lines


def check_refusal(bench, folder):
    files = Files(folder)
    done = files.run("/bin/false")
    assert done.returncode == 1 and "failed" in done.stderr, done
    os.remove(files.readme)
    with open(files.readme, "w", encoding="utf-8") as file:
        file.write("nothing\n")
    done = files.run(bench)
    assert done.returncode == 1 and "no place" in done.stderr, done


def main():
    for part in (check, check_parts, check_second_try, check_disturbance, check_dear, check_again,
                 check_choices, check_chance, check_realtime, check_refusal):
        with tempfile.TemporaryDirectory(prefix="table-") as folder:
            part(sys.argv[1], folder)
    print("1..1\nok 1 - the tables of ./dev bench")
    return 0


if __name__ == "__main__":
    sys.exit(main())
