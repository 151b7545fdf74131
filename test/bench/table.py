#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures what README.md shows, and writes it there.

usage: table.py FERRULE-BENCH README [--json FILE] [--quick]

The tables stand between two comments of README, and everything between these is replaced.  Takes
about ten minutes, in which nothing else should run.  --quick does everything for a moment only: for
tests, not for eyes.
"""

import argparse
import json
import subprocess
import sys

BEGIN, END = "<!-- bench: written by ./dev bench -->", "<!-- bench: end -->"
SIZES = ["64", "512", "1420", "imix"]
ALGORITHMS = ["aes-gcm-128", "aes-gcm-256", "aes-cbc-128+hmac-sha1-96",
              "aes-cbc-128+hmac-sha2-256-128", "chacha20-poly1305", "ah:hmac-sha1-96",
              "ah:hmac-sha2-256-128"]
MANY = [1000, 10000, 100000, 1000000]


class Measuring:
    """Runs the program, and keeps what it said."""

    def __init__(self, bench, quick):
        self.bench, self.quick = bench, quick
        self.reports = {}

    def run(self, name, verb, *options):
        command = [self.bench, verb, "--json", *options]
        print("ferrule:", *command[1:], file=sys.stderr, flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        self.reports[name] = json.loads(done.stdout)

    def path(self, name, *options):
        self.run(name, "path", "--seconds", "0.01" if self.quick else "2", *options)

    def everything(self):
        """The whole set."""
        many = MANY[:2] if self.quick else MANY
        sizes = ",".join(SIZES)
        self.path("algorithms", "--algorithm", ",".join(ALGORITHMS), "--size", sizes)
        self.path("bursts", "--size", sizes, "--burst", "1,8,256")
        self.path("cold", "--size", sizes, "--packets", "cold")
        self.path("many", "--size", "64,1420", "--order", "random", "--sas",
                  ",".join(map(str, many)))
        self.path("policies", "--size", "64", "--policies", "1,100,10000")
        small = ["--count", "20", "--sas", "100", "--rate", "100", "--seconds", "0.1"]
        self.run("control", "control", *(small if self.quick else []))
        if self.reports["algorithms"]["machine"]["cpus"] > 1:
            self.path("workers", "--size", "64,1420", "--workers", "2", "--sas", "2,1")
            self.run("latency", "latency", "--seconds", "0.05" if self.quick else "4")


def table(heads, rows):
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join(['---'] * len(heads))} |"]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows] + [""]


def cell(row):
    return f"{row['ticks']['median']:.0f} ({row['crypto_ticks']:.0f})"


def by(rows, *keys):
    """Rows in groups that agree in these inputs, in order."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def path_rows(reports):
    for name, note in (("algorithms", ""), ("bursts", ""), ("cold", "cold packets")):
        groups = by(reports[name]["rows"], "algorithm", "direction", "burst")
        for (algorithm, direction, burst), rows in groups.items():
            what = f"{algorithm}, {direction}" + (f", {note}" if note else "")
            yield (what, burst, *map(cell, rows))


def many_rows(reports):
    for (direction, size), rows in by(reports["many"]["rows"], "direction", "size").items():
        first = rows[0]["ticks"]["median"]
        ratios = [f"{first / row['ticks']['median']:.2f}" for row in rows[1:]]
        yield (f"{direction}, {size}", f"{first:.0f}", *ratios)


def policy_rows(reports):
    for (direction,), rows in by(reports["policies"]["rows"], "direction").items():
        yield (direction, *map(cell, rows))


def control_rows(reports):
    for row in reports["control"]["rows"]:
        us = row["us"]
        yield (f"{row['operation']}, {row['algorithm']}", row["list"], row["sas"],
               f"{row['seconds']:.2f}", f"{row['per_second'] / 1000:.0f}", us["median"], us["p99"],
               us["p99.9"])


def packet_rows(reports):
    for row in reports["control"]["packets"]:
        ours = row["lost_by"]["slow"] + row["lost_by"]["blocked"]
        yield (row["during"], f"{row['changes_per_second']:.0f}", row["arrived"], row["dropped"],
               ours, row["lost"] - ours)


def latency_rows(reports):
    for row in reports["latency"]["rows"]:
        us = row["latency_us"]
        yield (f"{row['load']} %", f"{row['packets_per_second'] / 1e6:.2f}", us["median"],
               us["p99"], us["p99.9"])


def write(reports):
    """The lines that go into README."""
    machine = reports["algorithms"]["machine"]
    many = sorted({row["sas"] for row in reports["many"]["rows"]})
    lines = [f"{machine['cpu']}, {machine['cpus']} CPUs, TSC {machine['tsc_hz'] / 1e9:.2f} GHz, "
             f"{machine['isa']}; {machine['libraries']['dpdk']}, intel-ipsec-mb "
             f"{machine['libraries']['intel-ipsec-mb']}; pages: {machine['pages']}.", ""]
    lines += table(["", "burst", *SIZES], path_rows(reports))
    lines += ["Many SAs, hit at random, AES-GCM-128: ticks with the first number of them, then how "
              "many times as fast as that:", ""]
    lines += table(["", *(f"{n:,}" for n in many)], many_rows(reports))
    lines += ["Policies, 64 bytes:", ""]
    lines += table(["", "1", "100", "10,000"], policy_rows(reports))
    lines += ["Changes over the control socket, the worker at 90 % load; microseconds of one "
              "request, until it is complete:", ""]
    lines += table(["", "list", "SAs", "seconds", "thousand a second", "median", "p99", "p99.9"],
                   control_rows(reports))
    if "latency" in reports:
        lines += ["What that does to packets of other SAs; lost in the last column are those that "
                  "came while the system had taken the worker's CPU for something else:", ""]
        lines += table(["meanwhile", "changes a second", "packets", "dropped", "lost",
                        "lost, not by ferrule"], packet_rows(reports))
        lines += ["Microseconds in the box, 512 bytes, one worker that polls:", ""]
        lines += table(["load", "Mpps", "median", "p99", "p99.9"], latency_rows(reports))
    return lines


def replace(readme, lines):
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{readme}: has no place for the tables: {BEGIN} ... {END}")
    with open(readme, "w", encoding="utf-8") as file:
        file.write("\n".join([before + BEGIN, "", *lines, END + after]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench")
    parser.add_argument("readme")
    parser.add_argument("--json", help="file for all that was measured")
    parser.add_argument("--quick", action="store_true", help="for a moment only")
    options = parser.parse_args()
    measuring = Measuring(options.bench, options.quick)
    try:
        measuring.everything()
    except subprocess.CalledProcessError as error:
        return f"{options.bench} failed: exit code {error.returncode}"
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(measuring.reports, file, indent=1)
    replace(options.readme, write(measuring.reports))
    return 0


if __name__ == "__main__":
    sys.exit(main())
