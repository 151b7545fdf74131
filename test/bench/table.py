#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures what README.md and test/bench/FIGURES.md show, and writes it there.

usage: table.py FERRULE-BENCH README FIGURES --json FILE [--part NAME ...] [--quick]

The tables stand between two comments of each file, and everything between these is replaced.  Takes
less than ten minutes, in which nothing else should run; or less at a time: each part takes a minute at
most, what was measured stays in FILE, and the tables are written when every part is there.  A part
that fails, or that does not end, is tried once more when all others are done.

A host that is busy for minutes makes some parts dear and others not.  So bare crypto is probed around
each part.  Those in which it was clearly dearer than in the calmest are measured again at the end,
when a probe says that the host is calm, for some five minutes more; the calmer time of each is kept.
With --part their names are told instead.  --quick does everything for a moment only, and nothing
again: for tests, not for eyes.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))

import peer
import targets
from command import Interrupted, end_in_order, no_child_left

BEGIN, END = "<!-- bench: written by ./dev bench -->", "<!-- bench: end -->"
SIZES = ["64", "512", "1420"]
HMACS = ["aes-cbc-128+hmac-sha1-96", "aes-cbc-128+hmac-sha2-256-128"]
ALGORITHMS = ["aes-gcm-128", "aes-gcm-256", *HMACS, "chacha20-poly1305", "null+aes-gmac-128",
              "null+hmac-sha2-256-128", "ah:hmac-sha1-96", "ah:hmac-sha2-256-128"]
SA_BYTES = 4096  # of an association, with all that stands around it, and as much again
FLOWS = [1, 1000, 10000, 100000]

HERE = os.path.dirname(os.path.abspath(__file__))


def affordable(numbers):
    """Those numbers of associations for which there is memory."""
    with open("/proc/meminfo", encoding="ascii") as file:
        kilobytes = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:"))
    return [n for n in numbers if n * SA_BYTES <= kilobytes * 1024] or numbers[:1]


MANY = affordable([1000, 10000, 100000, 1000000])
_all, _sizes = ",".join(ALGORITHMS), ",".join(SIZES)
_many, _flows = ",".join(map(str, MANY)), ",".join(map(str, FLOWS))
_turns = "--turns 22 --seconds 3.3 --realtime"
_few_sas = f"--count 2000 --algorithm aes-gcm-128 --sas 0 {_turns}"

# Name, verb, options, and those that make it quick.
PARTS = [
    ("out", "path", f"--direction out --algorithm {_all} --size {_sizes},imix", ""),
    ("in", "path", f"--direction in --algorithm {_all} --size {_sizes},imix", ""),
    ("single", "path", f"--algorithm aes-gcm-128,{HMACS[0]} --size {_sizes},imix --burst 1,8", ""),
    ("long-out", "path", f"--direction out --algorithm {_all} --size {_sizes} --burst 256", ""),
    ("long-in", "path", f"--direction in --algorithm {_all} --size {_sizes} --burst 256", ""),
    ("cold", "path", f"--algorithm aes-gcm-128,aes-gcm-256,{HMACS[0]},{HMACS[1]} --size {_sizes},imix "
                     "--packets cold", ""),
    ("mixed", "path", f"--size {_sizes},imix --order random", ""),
    ("many", "path", f"--size 64,1420 --order random --sas {_many}", "--sas 1000,2000"),
    ("fetch", "fetch", f"--sas {_many} --lines " + ",".join(map(str, targets.LINES.values())),
     "--sas 1000,2000 --seconds 0.01"),
    ("one", "path", f"--size 64 --order random --flows {_flows}", "--flows 1,1000"),
    ("apart", "path", f"--size 64 --order random --flows {_flows} --policies 10000",
     "--flows 1,1000 --policies 100"),
    ("overlapping", "path", f"--size 64 --order random --flows {_flows} --policies 10000 "
                            "--selectors overlapping", "--flows 1,1000 --policies 100"),
    ("workers", "path", "--size 64,1420 --burst 8,32 --workers 2", ""),
    ("control", "control", f"--count 100000 {_turns}",
     "--count 20 --sas 100 --rate 100 --turns 1 --seconds 0.1"),
    ("control-in", "control", f"{_few_sas} --direction in",
     "--count 20 --rate 100 --turns 1 --seconds 0.1"),
    ("latency-out", "latency", "--seconds 4", "--seconds 0.05"),
    ("latency-in", "latency", "--seconds 4 --direction in", "--seconds 0.05"),
    ("nap-out", "latency", "--seconds 4 --idle nap", "--seconds 0.05"),
    ("nap-in", "latency", "--seconds 4 --idle nap --direction in", "--seconds 0.05"),
    ("ports", "ports", "", "--seconds 0.05 memif"),
]
CONTROLS = [("out", "control"), ("in", "control-in")]
# Of a part that takes several runs: their options.  Where it compares, they are taken in turn, because a
# single run scatters by a tenth.
TURNS = {
    "mixed": ["--sas 1 --flows 32,1000", "--sas 8,1000"],
    "workers": ["--sas 2 --order own", "--sas 1"] * 7,
}
NEEDS_TWO_CPUS = {"workers", "latency-out", "latency-in", "nap-out", "nap-in"}
SECONDS = {"many": "2", "workers": "0.1", "mixed": "0.8", "long-out": "0.6", "long-in": "0.6"}  # of a row
DISTURBED_SHARE, DISTURBED_DRIFT = 0.10, 0.25
PATIENCE = 180  # seconds, for a part
PROBE = "path --json --direction out --algorithm aes-gcm-128 --size 64,1420"
DEAR = 0.20  # with bare crypto so much above that of the calmest part, one is measured again
TRIES, AGAIN_SECONDS, PAUSE_SECONDS = 3, 300, 5  # of a part; for all of them; until the next look at the host


def parts():
    """The names of those that this machine can do."""
    few = len(os.sched_getaffinity(0)) < 2
    return [part[0] for part in PARTS if not few or part[0] not in NEEDS_TWO_CPUS]


def commands_of(bench, name, quick):
    _, verb, options, more = next(part for part in PARTS if part[0] == name)
    command = [bench, verb]
    if verb == "ports":
        ports = os.path.join(os.path.dirname(bench), "../../test/bench/ports")
        command = [sys.executable, os.path.join(HERE, "ports.py"), "--program", ports]
    command += ["--json", *options.split()]
    if verb == "path":
        command += ["--seconds", "0.01" if quick else SECONDS.get(name, "1")]
    command += more.split() if quick else []
    turns = TURNS.get(name, [""])
    return [[*command, *turn.split()] for turn in (turns[:4] if quick else turns)]


def said_by(name, command):
    """What a program says in JSON; None after a line that says why there is nothing."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        print(f"ferrule: {name} does not end in {PATIENCE} s", file=sys.stderr)
        return None
    except subprocess.CalledProcessError as error:
        print(f"ferrule: {name} failed: exit code {error.returncode}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def measure(bench, name, quick=False):
    """What the program says of a part, and of bare crypto around it; None if a command fails."""
    start, report, before = time.monotonic(), None, probe(bench, quick)
    for command in commands_of(bench, name, quick):
        print(f"ferrule: {name}: {' '.join(command[1:])}", file=sys.stderr, flush=True)
        said = said_by(name, command)
        if said is None:
            return None
        report = said if report is None else {**report, "rows": report["rows"] + said["rows"]}
    probes, seconds = before + probe(bench, quick), time.monotonic() - start
    print(f"ferrule: {name} took {seconds:.0f} s", file=sys.stderr, flush=True)
    return {**report, "probes": probes, "seconds": seconds, "tries": 1}


def probe(bench, quick=False):
    """Rows of a moment: what bare crypto costs now."""
    said = said_by("probe", [bench, *PROBE.split(), "--seconds", "0.01" if quick else "0.2"])
    return said["rows"] if said else []


# --- a busy host --------------------------------------------------------------------------------

def crypto_rows(report):
    """Rows, of a part and of the probes around it, in which one worker had bare crypto beside it."""
    rows = report["rows"] + report.get("probes", [])
    return [row for row in rows if "crypto_ticks" in row and row["workers"] == 1]


def same_crypto(row):
    return tuple(row[key] for key in ("algorithm", "direction", "size", "burst", "packets"))


def least_crypto(reports):
    """Ticks of bare crypto in the calmest part of those that have the same."""
    least = {}
    for row in (row for report in reports for row in crypto_rows(report)):
        least[same_crypto(row)] = min(row["crypto_ticks"], least.get(same_crypto(row), row["crypto_ticks"]))
    return least


def excesses(rows, least):
    """By how much bare crypto of rows was dearer than the calmest."""
    return [row["crypto_ticks"] / least.get(same_crypto(row), row["crypto_ticks"]) - 1 for row in rows] or [0]


def dear_parts(reports):
    """Names, those that were measured least often first, and of these the dearest."""
    least = least_crypto(reports.values())
    most = {name: max(excesses(crypto_rows(report), least)) for name, report in reports.items()}
    return sorted((name for name in reports if most[name] > DEAR),
                  key=lambda name: (reports[name].get("tries", 1), -most[name]))


def calmer(one, other, reports):
    """That of two reports of a part whose bare crypto was cheaper, taken as a whole; not one that says nothing."""
    least = least_crypto([one, other, *reports.values()])

    def dearness(report):
        rows = crypto_rows(report)
        return statistics.mean(excesses(rows, least)) if rows else math.inf
    return min(one, other, key=dearness)


# --- tables -------------------------------------------------------------------------------------

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


def rows_of(reports, *names):
    return [row for name in names for row in reports[name]["rows"]]


def path_rows(reports, *names, wanted=lambda row: True):
    rows = [row for row in rows_of(reports, *names) if wanted(row)]
    for (algorithm, direction, burst), group in by(rows, "algorithm", "direction", "burst").items():
        yield (f"{algorithm}, {direction}", burst, *map(cell, group))


def mixed_rows(reports, wanted=lambda row: True):
    rows = [row for row in rows_of(reports, "mixed") if wanted(row)]
    for (direction, sas, flows, burst), group in by(rows, "direction", "sas", "flows", "burst").items():
        what = f"{sas:,} SAs in turn" if sas > 1 else f"{flows:,} flows of one SA in turn"
        yield (f"aes-gcm-128, {direction}, {what}", burst, *map(cell, group))


def many_heads(reports):
    return ["", *(f"{n:,}" for n in sorted({row["sas"] for row in rows_of(reports, "many")}))]


def many_rows(reports):
    for (direction, size), rows in by(rows_of(reports, "many"), "direction", "size").items():
        first = rows[0]["ticks"]["median"]
        ratios = [f"{first / row['ticks']['median']:.2f}" for row in rows[1:]]
        yield (f"{direction}, {size}", f"{first:.0f}", *ratios)


def policy_rows(reports):
    for (direction, flows), rows in by(rows_of(reports, "one", "apart", "overlapping"), "direction",
                                       "flows").items():
        ticks = [row["ticks"]["median"] for row in rows]
        yield (f"{direction}, {flows:,}", f"{ticks[0]:.0f}",
               *(f"{t:.0f} ({t / ticks[0]:.2f})" for t in ticks[1:]))


def worker_rows(reports):
    for (direction, size, burst), turns in targets.worker_turns(reports).items():
        ratios = targets.ratios_of(turns)
        own, shared = (statistics.median(row["ticks"]["median"] for row in rows) for rows in zip(*turns))
        yield (f"{direction}, {size}", burst, f"{own:.0f}", f"{shared:.0f}",
               f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def port_rows(reports):
    for row in rows_of(reports, "ports"):
        yield (row["port"], row["size"], *(f"{row[name]:.0f}" for name in ("rx", "tx", "path", "whole")),
               f"{row['ratio']:.2f}")


def control_rows(reports):
    for row in rows_of(reports, "control"):
        us = row["us"]
        yield (f"{row['operation']}, {row['algorithm']}", row["list"], row["sas"],
               f"{row['seconds']:.2f}", f"{row['per_second'] / 1000:.0f}", us["median"], us["p99"],
               us["p99.9"])


def turn_cells(row):
    """Turns that lost anything, and those that lost more and less than the one with nothing beside it."""
    turns = row.get("turns")
    if turns is None:
        return "", "", ""
    lossy = f"{turns['lossy']} of {turns['n']}"
    if row["during"] == "nothing":
        return lossy, "", ""
    return lossy, f"{turns['more']} / {turns['fewer']}", f"{turns['p']:.2f}"


def realtime_lines(reports):
    ways = [direction for direction, name in CONTROLS if reports[name]["load"]["realtime"]]
    if not ways:
        return []
    which = "turns" if len(ways) == len(CONTROLS) else f"turns of {ways[0]}, and of no others,"
    return [f"In {which} the worker was realtime, so no ordinary program took its CPU.", ""]


def packet_rows(reports):
    for direction, name in CONTROLS:
        for row in reports[name]["packets"]:
            lost, gaps = row["lost_by"], row["gaps"]
            yield (f"{direction}, {row['during']}", f"{row['changes_per_second']:.0f}",
                   row["arrived"], row["dropped"], lost["slow"], lost["blocked"],
                   lost["preempted"], lost["stolen"], f"{gaps['blocked']['ms']:.1f}",
                   f"{gaps['preempted']['ms']:.1f}", f"{gaps['stolen']['ms']:.1f}",
                   row["interrupts"], row["latency_us"]["p99"], *turn_cells(row))


def latency_rows(reports, *names):
    for name in names:
        report = reports[name]
        for row in report["rows"]:
            us, lost = row["latency_us"], row["lost_by"]
            ours = lost["slow"] + lost["blocked"]
            yield (f"{report['direction']}, {report['idle']}, {row['load']} %",
                   f"{row['packets_per_second'] / 1e6:.2f}", us["median"], us["p99"], us["p99.9"],
                   ours, row["lost"] - ours, f"{min(100, row['cpu_percent']):.0f}")


def path_reports(reports):
    return [row for report in reports.values() for row in report["rows"] if "crypto_ticks" in row]


def disturbed_share(reports):
    """Of the repeats, those that were left out because bare crypto took longer or shorter than usual."""
    rows = path_reports(reports)
    dropped = sum(row["dropped"] for row in rows)
    return dropped / (dropped + sum(row["repeats"] for row in rows))


def drift(reports):
    """By how much bare crypto of the same bytes differed from part to part, for one worker."""
    least = least_crypto(reports.values())
    return max(max(excesses(crypto_rows(report), least)) for report in reports.values())


def disturbance_lines(reports):
    """How quiet the machine was: nobody should believe figures of one that was not."""
    share, spread = disturbed_share(reports), drift(reports)
    text = (f"{share:.1%} of the repeats were disturbed and left out; bare crypto of the same bytes cost "
            f"up to {spread:.0%} more in one part of the set than in another.")
    again = sum(report.get("tries", 1) > 1 for report in reports.values())
    if again:
        text += (f" {again} of {len(reports)} parts were measured again, because the host was busier than in "
                 "others; of these the calmer time counts.")
    if share > DISTURBED_SHARE or spread > DISTURBED_DRIFT:
        text += " **So the machine was disturbed, and these figures are not to be relied on.**"
    return [text, ""]


def machine_line(reports):
    machine = reports["out"]["machine"]
    libraries = machine["libraries"]
    return [f"{machine['cpu']}, {machine['cpus']} CPUs, TSC {machine['tsc_hz'] / 1e9:.2f} GHz, "
            f"{machine['isa']}; {libraries['dpdk']}, intel-ipsec-mb {libraries['intel-ipsec-mb']}; "
            f"pages: {machine['pages']}.", "", *disturbance_lines(reports)]


LATENCY_HEADS = ["", "Mpps", "median", "p99", "p99.9", "lost", "lost, not by ferrule", "CPU %"]
POLICY_HEADS = ["flows", "1 selector", "10,000 apart", "10,000 overlapping"]


def readme_lines(reports):
    """What a visitor wants to know."""
    lines = machine_line(reports)
    main = ["aes-gcm-128", "aes-gcm-256", *HMACS]
    lines += table(["", "burst", *SIZES, "imix"], [
        *path_rows(reports, "out", "in", wanted=lambda row: row["algorithm"] in main),
        *path_rows(reports, "single",
                   wanted=lambda row: row["algorithm"] == main[0] and row["burst"] == 1),
        *mixed_rows(reports, wanted=lambda row: row["sas"] == 8)])
    lines += peer.lines(rows_of(reports, "long-out", "long-in"), table)
    lines += ["Many SAs, hit at random, AES-GCM-128: ticks with the first number of them, then how "
              "many times as fast as that:", ""]
    lines += table(many_heads(reports), many_rows(reports))
    if "latency-out" in reports:
        lines += ["Microseconds in the box, 512 bytes, one worker that polls:", ""]
        lines += table(LATENCY_HEADS, latency_rows(reports, "latency-out", "latency-in"))
    return lines


def figures_lines(reports):
    """Everything else."""
    lines = machine_line(reports)
    lines += ["What ferrule aims at, and what this run says of it:", ""]
    lines += table(["", "aim", "measured", ""], [t.row() for t in targets.targets(reports)])
    lines += ["Ticks a packet, whole path, and bare crypto in brackets, one SA, one selector:", ""]
    lines += table(["", "burst", *SIZES, "imix"], path_rows(reports, "out", "in", "single"))
    lines += ["Packets of different flows, or of different SAs with a flow each, that take turns at random:", ""]
    lines += table(["", "burst", *SIZES, "imix"], mixed_rows(reports))
    lines += ["Packets out of the CPU's own caches, as a NIC leaves them:", ""]
    lines += table(["", "burst", *SIZES, "imix"], path_rows(reports, "cold"))
    lines += ["Established flows, hit at random, over selectors of which the last one matches, 64 bytes, "
              "AES-GCM-128; in brackets relative to one selector. What `apart` and `overlapping` are, "
              "ferrule-bench(1) says:", ""]
    lines += table(POLICY_HEADS, policy_rows(reports))
    if "workers" in reports:
        lines += ["Two workers at once, each with an SA of its own, and both with one; ticks of each, and "
                  "how fast the second is relative to the first: medians of rounds taken in turn, and the "
                  "lowest and highest:", ""]
        lines += table(["", "burst", "2 SAs", "1 SA", ""], worker_rows(reports))
    lines += ["Virtual ports, bursts of 32, as `test/bench/ports.py` has them: a burst received and sent "
              "on as it is, which is what testpmd does in its mode io; the path alone; a whole worker of "
              "ferruled; and that relative to the sum:", ""]
    lines += table(["port", "size", "rx", "tx", "path", "whole", "whole / (rx + tx + path)"],
                   port_rows(reports))
    lines += ["Changes over the control socket, the worker at 90 % load; microseconds of one "
              "request, until it is complete:", ""]
    lines += table(["", "list", "SAs", "seconds", "thousand a second", "median", "p99", "p99.9"],
                   control_rows(reports))
    if reports["control"]["packets"]:
        lines += ["What that does to packets of other SAs, 90 % load. Lost while the worker was slow or "
                  "blocked is ferrule's; preempted, the system gave its CPU to another program; stolen, "
                  "a hypervisor took it. Then milliseconds of such gaps, whether or not they lost "
                  "anything, interrupts from other CPUs, microseconds in the box, turns in which any "
                  "were lost, those that lost more and those that lost less than the one with nothing "
                  "beside it, and how likely chance alone makes the former as many:", ""]
        lines += realtime_lines(reports)
        lines += table(["meanwhile", "changes a second", "packets", "dropped", "lost, slow",
                        "blocked", "preempted", "stolen", "ms blocked", "preempted", "stolen",
                        "interrupts", "p99", "turns with loss", "more / less", "p"],
                       packet_rows(reports))
    if "latency-out" in reports:
        lines += ["What a worker that naps while nothing comes saves, and what it costs: microseconds "
                  "in the box, 512 bytes:", ""]
        lines += table(LATENCY_HEADS,
                       latency_rows(reports, "latency-out", "nap-out", "latency-in", "nap-in"))
    return lines


def around(path):
    """What stands before and behind the tables."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{path}: has no place for the tables: {BEGIN} ... {END}")
    return before, after


def replace(path, lines):
    before, after = around(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([before + BEGIN, "", *lines, END + after]))


# --- the whole ----------------------------------------------------------------------------------

def load(path):
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(path, reports):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(reports, file, indent=1)


def measure_all(options, reports, names):
    """Adds to the reports and saves them.  Returns the names of those that failed."""
    failed = []
    for name in names:
        report = measure(options.bench, name, options.quick)
        if report is None:
            failed.append(name)
            continue
        reports[name] = report
        save(options.json, reports)
    return failed


def measure_again(options, reports):
    """Those parts that met a busier host than others did, while it is calm and there is time for them."""
    end = time.monotonic() + AGAIN_SECONDS
    while names := [name for name in dear_parts(reports) if reports[name]["tries"] < TRIES
                    and time.monotonic() + reports[name]["seconds"] < end]:
        if max(excesses(probe(options.bench), least_crypto(reports.values()))) > DEAR:
            time.sleep(PAUSE_SECONDS)
            continue
        old = reports[names[0]]
        new = measure(options.bench, names[0])
        reports[names[0]] = {**(calmer(old, new, reports) if new else old), "tries": old["tries"] + 1}
        save(options.json, reports)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench")
    parser.add_argument("readme")
    parser.add_argument("figures")
    parser.add_argument("--json", required=True, help="file for all that is measured")
    names = " ".join(part[0] for part in PARTS)
    parser.add_argument("--part", nargs="+", action="extend", choices=[*names.split(), "help"],
                        metavar="NAME",
                        help=f"only these, besides what the file has already: {names}")
    parser.add_argument("--quick", action="store_true", help="for a moment only")
    options = parser.parse_args()
    if "help" in (options.part or ()):
        print(f"parts: {names}")
        return 0
    for path in (options.readme, options.figures):
        around(path)  # before ten minutes have gone by
    reports = load(options.json) if options.part else {}
    failed = measure_all(options, reports, options.part or parts())
    if failed:
        failed = measure_all(options, reports, failed)
    if failed:
        return (f"ferrule: failed twice: {' '.join(failed)}; {options.json} has what was measured, and "
                f"./dev bench --part {' '.join(failed)} does the rest")
    if not options.quick and (dear := " ".join(dear_parts(reports))):
        print(f"ferrule: bare crypto was more than {DEAR:.0%} dearer than in the calmest part: {dear}; "
              + (f"./dev bench --part {dear} measures them again" if options.part else
                 f"measured again while the host is calm, for about {AGAIN_SECONDS} s"),
              file=sys.stderr, flush=True)
    if not options.part and not options.quick:
        measure_again(options, reports)
    missing = [name for name in parts() if name not in reports]
    if missing:
        print(f"ferrule: the tables want these as well: {' '.join(missing)}", file=sys.stderr)
        return 0
    print("ferrule:", *disturbance_lines(reports), file=sys.stderr)
    replace(options.readme, readme_lines(reports))
    replace(options.figures, figures_lines(reports))
    print(f"ferrule: {options.readme} and {options.figures} have the tables, {options.json} everything",
          file=sys.stderr)
    return 0


if __name__ == "__main__":
    end_in_order()
    try:
        with no_child_left():
            sys.exit(main())
    except Interrupted:
        sys.exit("ferrule: interrupted; what was measured before is where --json says")
