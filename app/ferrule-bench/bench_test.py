#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does ferrule-bench measure what it is asked to, and refuse what it cannot?

usage: bench_test.py FERRULE-BENCH

The numbers themselves are only asked to be there: a machine that runs tests has other things to do.
"""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test/support"))

from lab import wait_until

GCM = "aes-gcm-128"
CBC = "aes-cbc-128+hmac-sha1-96"
STAGES = {
    "out": {"parse", "policy", "frame", "bind", "crypt", "account"},
    "in": {"parse", "policy", "bind", "crypt", "tag", "accept", "account"},
}

# Arguments, and what the rows have to say of themselves, in order.
ROWS = [
    (
        "--size 64,1420",
        ["direction", "size"],
        [("out", 64), ("out", 1420), ("in", 64), ("in", 1420)],
    ),
    (
        f"--algorithm {GCM},{CBC} --size 28 --burst 1,256 --direction in",
        ["algorithm", "burst"],
        [(GCM, 1), (GCM, 256), (CBC, 1), (CBC, 256)],
    ),
    (
        "--size 9216 --sas 3,300 --order random --direction in,out --burst 7",
        ["direction", "sas", "order"],
        [("in", 3, "random"), ("in", 300, "random"), ("out", 3, "random"), ("out", 300, "random")],
    ),
    (
        "--size 64 --policies 1,100 --sas 5",
        ["direction", "policies", "selectors"],
        [("out", 1, 5), ("out", 100, 100), ("in", 1, 1), ("in", 100, 100)],
    ),
    (
        "--size 64 --policies 50 --selectors overlapping --sas 3 --flows 1,4000 --order random",
        ["direction", "shape", "flows"],
        [(d, "overlapping", flows) for d in ("out", "in") for flows in (1, 4000)],
    ),
    *(
        (f"--size 64 --sas 300 --spis {spis}", ["direction", "spis"], [("out", spis), ("in", spis)])
        for spis in ("sequential", "random", "colliding")
    ),
    (
        "--size 64,imix --packets cold,warm --direction out",
        ["size", "packets"],
        [(64, "cold"), (64, "warm"), ("imix", "cold"), ("imix", "warm")],
    ),
    (
        "--algorithm ah:hmac-sha1-96,ah:aes-gmac-128 --size 100",
        ["direction", "algorithm"],
        [(d, a) for d in ("out", "in") for a in ("ah:hmac-sha1-96", "ah:aes-gmac-128")],
    ),
    (
        "--size 512 --workers 1,2 --order own --sas 5 --direction in",
        ["workers", "order"],
        [(1, "own"), (2, "own")],
    ),
]

# Arguments, exit code, and what the line on standard error has to say.
REFUSED = [
    ("", 2, "verb"),
    ("paths", 2, "paths"),
    ("--speed", 2, "verb"),
    ("path path", 2, "path"),
    ("path --size 27", 2, "--size"),
    ("path --size 64,,512", 2, "--size"),
    ("path --size 64x", 2, "64x"),
    ("path --size -64", 2, "-64"),
    ("path --size " + ",".join(["64"] * 65), 2, "more than"),
    ("path --burst 257", 2, "257"),
    ("path --sas 0", 2, "--sas"),
    ("path --sas 99999999999999999999", 2, "--sas"),
    ("path --workers 0", 2, "--workers"),
    ("path --helpers 65", 2, "--helpers"),
    ("path --policies one", 2, "one"),
    ("path --flows 0", 2, "--flows"),
    ("path --flows 4194305", 2, "4194305"),
    ("path --selectors beside", 2, "beside"),
    ("path --direction out,up", 2, "up"),
    ("path --order own --workers 2", 2, "own"),
    ("path --spis few", 2, "few"),
    ("path --order shuffled", 2, "shuffled"),
    ("path --algorithm rot13", 2, "rot13"),
    ("path --algorithm aes-cbc-128", 2, "integrity"),
    (f"path --algorithm {GCM}+hmac-sha1-96", 2, GCM),
    ("path --algorithm aes-cbc-128+rot13", 2, "rot13"),
    ("path --algorithm ah:rot13", 2, "rot13"),
    ("path --algorithm ah:", 2, "integrity"),
    ("path --size imax", 2, "imax"),
    ("path --packets tepid", 2, "tepid"),
    ("path --compare /nonexistent.json", 1, "/nonexistent.json"),
    ("path --seconds 0.01 --html /nonexistent/a.html --json", 1, "/nonexistent/a.html"),
    ("path --seconds 0", 2, "--seconds"),
    ("path --seconds nan", 2, "nan"),
    ("path --seconds 61", 2, "61"),
    ("path --speed 11", 2, "speed"),
    ("path --workers 64", 1, "CPUs"),
    ("latency now", 2, "now"),
    ("latency --load 0", 2, "--load"),
    ("latency --load " + ",".join(["1"] * 24), 2, "more than"),
    ("latency --idle sleep", 2, "sleep"),
    ("latency --direction up", 2, "up"),
    ("control --direction out,in", 2, "out,in"),
    ("control --turns 0", 2, "--turns"),
    ("control --realtime --turns 3 --seconds 1.6", 2, "--realtime"),
    ("latency --size 27", 2, "27"),
    ("latency --algorithm ah:hmac-sha1-96", 2, "ESP"),
    ("contention now", 2, "now"),
    ("contention --apart 1000001", 2, "--apart"),
    ("contention --workers 64", 1, "CPUs"),
    ("fetch now", 2, "now"),
    ("fetch --lines 22", 2, "22"),
    ("fetch --sas 0", 2, "--sas"),
    ("fetch --ahead 65", 2, "65"),
    ("control now", 2, "now"),
    ("control --count 0", 2, "--count"),
    ("control --list 100001", 2, "100001"),
    ("control --load 101", 2, "--load"),
    ("control --pair 1", 2, "--socket"),
    ("control --algorithm chacha20-poly1305", 2, "contract"),
    ("control --seconds 0", 2, "--seconds"),
    ("control --socket /nonexistent/sock", 1, "/nonexistent/sock"),
]

CONTROL = "control --count 40 --list 16 --sas 300 --rate 400 --seconds 0.2"
TIMES = {"median", "p99", "p99.9", "max"}
GAPS = {"blocked", "preempted", "stolen"}
PR_SET_CHILD_SUBREAPER = 36


def run(bench, arguments, **environment):
    return subprocess.run(
        [bench, *arguments.split()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | environment,
    )


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def cpus(bench):
    result = run(bench, "path --workers 64")
    found = re.search(r"and (\d+) CPUs", result.stderr)
    return int(found[1]) if found else 64


def check_machine(machine):
    expect(set(machine) == {"cpu", "cpus", "tsc_hz", "isa", "libraries", "pages"}, machine)
    expect(set(machine["libraries"]) == {"dpdk", "intel-ipsec-mb"}, machine)
    expect(machine["tsc_hz"] > 1e6, machine)


def check_row(row):
    ticks = row["ticks"]
    expect(row["mode"] == "tunnel", row)
    expect(set(ticks) == {"median", "p10", "p90"}, row)
    expect(0 < ticks["p10"] <= ticks["median"] <= ticks["p90"], row)
    expect(row["crypto_ticks"] > 0, row)
    expect(set(row["stages"]) == STAGES[row["direction"]], row)
    expect(row["stages"]["crypt"] > 0, row)
    expect(row["repeats"] > 0 and row["dropped"] >= 0, row)


def test_json(bench, arguments, names, values):
    result = run(bench, f"path --seconds 0.05 --json {arguments}")
    expect(result.returncode == 0, result.stderr)
    expect(result.stderr == "", result.stderr)
    document = json.loads(result.stdout)
    expect(set(document) == {"machine", "rows"}, document)
    check_machine(document["machine"])
    for row in document["rows"]:
        check_row(row)
    expect([tuple(row[name] for name in names) for row in document["rows"]] == values, document)


def test_table(bench):
    result = run(bench, "path --seconds 0.05 --size 64,512 --direction out")
    lines = result.stdout.splitlines()
    expect(result.returncode == 0 and len(lines) == 4, result)
    expect(lines[0].startswith("all rows: algorithm aes-gcm-128, packets warm, burst 32,"), lines[0])
    expect(len({len(line) for line in lines[1:]}) == 1, "columns are aligned")
    heads = lines[1].split()
    expect(heads[:3] == ["size", "ticks", "p10"], heads)
    row = dict(zip(heads, lines[2].split()[1:]))
    ticks, crypto, overhead = (float(row[name]) for name in ("ticks", "crypto", "overhead"))
    expect(abs(ticks - crypto - overhead) < 0.2, row)


def test_columns(bench):
    """What differs between rows is a column."""
    for option, head in (("--burst 1,32", "burst"), ("--packets warm,cold", "packets"),
                         ("--policies 1,2", "policies"), ("--flows 1,9", "flows"),
                         (f"--algorithm {GCM},{CBC}", "algorithm"), ("--sas 1,3", "sas")):
        result = run(bench, f"path --seconds 0.001 --size 64 --direction out {option}")
        common, heads, *rows = result.stdout.splitlines()
        expect(result.returncode == 0 and len(rows) == 2, result)
        expect(head in heads.split() and f"{head} " not in common, result)
        expect(len({len(line) for line in (heads, *rows)}) == 1, "columns are aligned")


# Shows $1 as what the kernel says of huge pages.
HIDE = 'mount --bind "$1" /sys/kernel/mm/transparent_hugepage/enabled'
SMALL = f'{HIDE} && exec "$0" path --size 64 --direction out --seconds 0.001 --json --sas "$2"'


def can_hide_huge_pages():
    return subprocess.run(["unshare", "-m", "sh", "-c", HIDE, "sh", "/dev/null"],
                          capture_output=True, timeout=60, check=False).returncode == 0


def test_small_pages(bench):
    """On a machine whose kernel has no huge pages."""
    with tempfile.NamedTemporaryFile("w", prefix="bench-") as modes:
        modes.write("always madvise [never]\n")
        modes.flush()
        for sas, lines in ((9999, 0), (10000, 1)):
            result = subprocess.run(
                ["unshare", "-m", "sh", "-c", SMALL, bench, modes.name, str(sas)],
                capture_output=True, text=True, timeout=120, check=False)
            expect(result.returncode == 0 and result.stderr.count("no huge pages") == lines,
                   result)
            expect(json.loads(result.stdout)["machine"]["pages"] == "4 KiB", result)


def test_latency(bench, idle, direction):
    # A machine that runs tests may keep the worker from its CPU, but not every time.
    end, faults = time.monotonic() + 90, [""]
    while faults and time.monotonic() < end:
        faults = latency_faults(bench, idle, direction)
    expect(not faults, faults)


def check_phase(phase):
    check_times(phase["latency_us"])
    check_times(phase["pause_us"])
    expect(set(phase["lost_by"]) == {"slow"} | GAPS, phase)
    expect(phase["lost"] == sum(phase["lost_by"].values()), phase)
    expect(set(phase["gaps"]) == GAPS, phase)
    for gaps in phase["gaps"].values():
        expect(0 <= gaps["max_ms"] <= gaps["ms"], phase)
        expect((gaps["n"] == 0) == (gaps["ms"] == 0), phase)
    # A machine that runs tests may have lost some, but none has ended in a verdict.
    expect(phase["dropped"] == 0 and phase["arrived"] >= phase["lost"] >= 0, phase)


def latency_faults(bench, idle, direction):
    """What a machine with a CPU for the worker would not have shown."""
    result = run(bench, f"latency --load 1,50 --size 64 --seconds 0.1 --idle {idle} --json "
                 f"--direction {direction}")
    expect(result.returncode == 0 and result.stderr == "", result.stderr)
    document = json.loads(result.stdout)
    expect((document["size"], document["idle"]) == (64, idle), document)
    expect(document["machine"]["cpus"] == cpus(bench), document["machine"])
    expect(document["direction"] == direction, document)
    expect([row["load"] for row in document["rows"]] == [1, 50], document)
    for row in document["rows"]:
        check_phase(row)
    first, second = document["rows"]
    # Who naps pauses of its own accord, and leaves the CPU to others.
    wanted = {
        "packets arrive": first["arrived"] > 100 and second["arrived"] > 100,
        "none of the few is lost": first["lost"] == 0,
        "it naps as it is told": (first["gaps"]["blocked"]["n"] > 100) == (idle == "nap"),
        "a nap leaves the CPU": idle == "poll" or first["cpu_percent"] < 90,
    }
    return [f"not so: {what}: {document['rows']}" for what, is_so in wanted.items() if not is_so]


def slowed(document, factor):
    """The report of a run whose ticks were so many times those of this one, at the same crypto."""
    for row in document["rows"]:
        row["ticks"]["median"] *= factor
    return document


def test_compare(bench):
    path = "path --seconds 0.05 --size 64 --direction out"
    before = json.loads(run(bench, f"{path} --json").stdout)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        old, page = os.path.join(folder, "old.json"), os.path.join(folder, "page.html")
        for factor, flag in ((10, "faster"), (0.1, "slower")):
            with open(old, "w", encoding="utf-8") as file:
                json.dump(slowed(json.loads(json.dumps(before)), factor), file)
            result = run(bench, f"{path},in --compare {old} --html {page} --json")
            expect(result.returncode == 0, result.stderr)
            document = json.loads(result.stdout)
            sums = {"compared": 1, "slower": 0, "faster": 0, "missing": 1} | {flag: 1}
            expect(document["compare"] == sums, document["compare"])
            expect(document["rows"][0]["compare"]["flag"] == flag, document["rows"][0])
            expect("compare" not in document["rows"][1], document["rows"][1])
            with open(page, encoding="utf-8") as file:
                text = file.read()
            expect(f'class="{flag}"' in text and "<svg" in text, text)
            expect("http" not in text.replace("http://www.w3.org/2000/svg", ""), text)
            expect(">ticks</text>" in text and ">0</text>" in text, "the plots have axes")
            # What all rows have is said once, and stages that none has are not there.
            expect("burst 32," in text and "<th>burst" not in text and "<th>frame" in text, text)
        result = run(bench, f"{path} --compare {old}")
        lines = result.stdout.splitlines()
        expect(lines[2].endswith("slower") and lines[-1].startswith("1 rows compared: 1 slower"),
               result)


def test_compare_with_another_machine(bench):
    path = "path --seconds 0.05 --size 64 --direction out"
    before = json.loads(run(bench, f"{path} --json").stdout)
    for differs, said in (({}, ""), ({"cpus": 99}, ""), ({"cpu": None}, ""),
                          ({"cpu": "Z80"}, "other cpu\n"),
                          ({"isa": "MMX", "libraries": {"dpdk": "1"}}, "other isa, libraries\n")):
        with tempfile.NamedTemporaryFile("w", prefix="bench-", suffix=".json") as old:
            json.dump({**before, "machine": {**before["machine"], **differs}}, old)
            old.flush()
            result = run(bench, f"{path} --compare {old.name}")
        expect(result.returncode == 0 and "1 rows compared" in result.stdout, result)
        line = f"ferrule-bench: --compare: {old.name} was measured with {said}"
        expect(result.stderr == (line if said else ""), result.stderr)


# Members of a row that nobody can compare with, or that say nothing.
DAMAGED = [({"direction": None}, 0), ({"order": {}}, 0), ({"ticks": None}, 0), ({"ticks": []}, 0),
           ({"ticks": {"median": 1e-300}}, 0), ({"crypto_ticks": 1e300}, 0), ({"shape": None}, 1)]


def test_compare_with_damage(bench):
    path = "path --seconds 0.05 --size 64 --direction out"
    before = json.loads(run(bench, f"{path},in --json").stdout)
    whole, sound = before["rows"]
    for damage, compared in DAMAGED:
        rows = [{**whole, **damage}, sound]
        with tempfile.NamedTemporaryFile("w", prefix="bench-", suffix=".json") as old:
            json.dump({**before, "rows": rows}, old)
            old.flush()
            result = run(bench, f"{path} --json --compare {old.name}")
        expect(result.returncode == 0, (damage, result))
        expect(json.loads(result.stdout)["compare"]["compared"] == compared, (damage, result))


# What other verbs write, or nobody; and what is said of it.
NOT_TO_COMPARE_WITH = [
    ({"machine": {}, "rows": [{"operation": "add", "sas": 40}], "packets": []},
     "holds a report of ferrule-bench control,"),
    ({"machine": {}, "direction": "out", "idle": "poll", "rows": [{"load": 1}]},
     "holds a report of ferrule-bench latency,"),
    ({"machine": {}, "rows": []}, "holds no row with ticks and crypto_ticks,"),
    ({"machine": {}, "rows": [1, {"ticks": 3, "crypto_ticks": 1}]},
     "holds no row with ticks and crypto_ticks,"),
    ({"machine": {}, "rows": {}}, "holds no report,"),
    ([], "holds no report,"),
]


def test_compare_with_another_report(bench):
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        old = os.path.join(folder, "old.json")
        for document, said in NOT_TO_COMPARE_WITH:
            with open(old, "w", encoding="utf-8") as file:
                json.dump(document, file)
            result = run(bench, f"path --seconds 0.05 --size 64 --direction out --compare {old}")
            expect(result.returncode == 1, result)
            expect(f"--compare: {old}: {said} not one of ferrule-bench path --json" in result.stderr,
                   result.stderr)
            expect("compared" not in result.stdout, result.stdout)


def check_times(times):
    expect(set(times) == TIMES, times)
    expect(0 <= times["median"] <= times["p99"] <= times["p99.9"] <= times["max"], times)


def control_rows(algorithms):
    """What each row has to say of itself: operation, algorithm, list, associations."""
    for algorithm in algorithms:
        yield from (("add", algorithm, 1, 40), ("update", algorithm, 1, 40))
        yield from (("delete", algorithm, 1, 40), ("add", algorithm, 16, 40))
        yield ("delete", algorithm, 16, 40)
    yield ("add", algorithms[0], 16, 300)
    yield ("dump", algorithms[0], 316, 316)  # of one page, with the tunnels of the packets
    yield ("delete", algorithms[0], 16, 300)


def test_control(bench, direction):
    algorithms = [GCM, CBC, "aes-cbc-128+hmac-sha2-256-128"]
    result = run(bench, f"{CONTROL} --direction {direction} --json")
    expect(result.returncode == 0 and result.stderr == "", result.stderr)
    document = json.loads(result.stdout)
    rows = document["rows"]
    keys = ("operation", "algorithm", "list", "sas")
    expect([tuple(row[key] for key in keys) for row in rows] == list(control_rows(algorithms)), rows)
    for row in rows:
        check_times(row["us"])
        expect(row["us"]["max"] > 0 and row["per_second"] > 0, row)
    if cpus(bench) < 2:
        expect(document["packets"] == [], document["packets"])
        return
    during = [packets["during"] for packets in document["packets"]]
    expect(during == ["rows", "load", "nothing", "spinning", "asking", "changes"], during)
    expect(document["load"]["percent"] == 90, document["load"])
    expect(document["load"]["direction"] == direction, document["load"])
    for packets in document["packets"]:
        check_phase(packets)
        expect(packets["interrupts"] >= 0, packets)
        check_turns(packets)
    rates = [packets["changes_per_second"] for packets in document["packets"]]
    expect(0 < rates[-1] < 500 and not any(rates[:-1]), rates)


def check_turns(packets):
    if packets["during"] in ("rows", "load"):
        expect("turns" not in packets, packets)
        return
    turns = packets["turns"]
    expect(turns["n"] == len(turns["lost"]) == 4, turns)
    expect(sum(turns["lost"]) == packets["lost"] + packets["dropped"], packets)
    expect(turns["lossy"] == sum(lost > 0 for lost in turns["lost"]), turns)
    expect(turns["more"] + turns["fewer"] <= turns["n"] and 0 < turns["p"] <= 1, turns)
    expect(packets["during"] != "nothing" or turns["more"] == turns["fewer"] == 0, turns)


def realtime_threads(pid):
    """How many a process and its children have."""
    n = 0
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            fields = (task / "stat").read_text("ascii").rpartition(") ")[2].split()
            n += fields[38] == "1"  # SCHED_FIFO
            for child in (task / "children").read_text("ascii").split():
                n += realtime_threads(child)
        except OSError:
            pass  # it has ended
    return n


def realtime_is_allowed():
    return subprocess.run(["chrt", "-f", "1", "true"], capture_output=True, check=False).returncode == 0


def test_realtime(bench):
    """The worker is realtime in turns, and ordinary in between, where the system allows it."""
    allowed, seen = realtime_is_allowed(), []
    with subprocess.Popen([bench, *"control --count 1 --sas 0 --rate 100 --seconds 1 --turns 4 --realtime "
                                   f"--json --algorithm {GCM}".split()],
                          stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            n = realtime_threads(process.pid)
            if n not in seen[-1:]:
                seen.append(n)
            time.sleep(0.005)
        document = json.loads(process.stdout.read())
    expect(process.returncode == 0, process.returncode)
    if cpus(bench) < 2:
        return
    expect(document["load"]["realtime"] is allowed, document["load"])
    expect(set(seen) == ({0, 1} if allowed else {0}) and seen[-1] == 0, seen)
    expect(not allowed or seen.count(1) > 4, seen)


def longest_realtime(process, watch):
    """Seconds that any thread was seen realtime without a break; what nobody watched does not count."""
    longest, since, before = 0, None, time.monotonic()
    while watch():
        is_realtime, now = realtime_threads(process.pid) > 0, time.monotonic()
        if not is_realtime or now - before > 0.05:
            since = None
        if is_realtime:
            since = now if since is None else since
            longest = max(longest, now - since)
        before = now
        time.sleep(0.005)
    return longest


def start_realtime(bench, options):
    return subprocess.Popen([bench, *f"control --count 1 --sas 0 --realtime --json --algorithm {GCM} "
                                     f"{options}".split()], stdout=subprocess.PIPE, text=True)


def test_infeasible_rate(bench):
    """More changes than the daemon can do take no more time."""
    with start_realtime(bench, "--rate 1000000 --seconds 1 --turns 2") as process:
        longest = longest_realtime(process, lambda: process.poll() is None)
        document = json.loads(process.stdout.read())
    expect(process.returncode == 0 and longest < 1, (process.returncode, longest))
    if cpus(bench) < 2:
        return
    packets = {packets["during"]: packets for packets in document["packets"]}
    expect(0 < packets["changes"]["changes_per_second"] < 1000000, packets["changes"])
    # They come at the same rate, so their number tells the time, whatever else the machine does.
    expect(packets["changes"]["arrived"] < 2 * packets["nothing"]["arrived"], packets)


def test_stopped(bench):
    """Whoever stops the program while its worker is realtime has the CPU back."""
    with start_realtime(bench, "--rate 100 --seconds 2 --turns 4") as process:
        started = wait_until(lambda: realtime_threads(process.pid) > 0, 60)
        process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        ordinary = wait_until(lambda: realtime_threads(process.pid) == 0, 10)
        took = time.monotonic() - stopped
        process.send_signal(signal.SIGCONT)
        document = json.loads(process.stdout.read())
    expect(started and ordinary and took < 2, (started, ordinary, took))
    expect(process.returncode == 0, process.returncode)
    # A machine that runs tests may have stopped it behind a turn.
    expect(took < 0.2 or document["load"]["realtime"] is False, (took, document["load"]))


def test_control_table(bench):
    result = run(bench, f"control --count 5 --list 2 --sas 0 --load 0 --algorithm {GCM}")
    lines = result.stdout.splitlines()
    expect(result.returncode == 0 and len(lines) == 6, result)
    expect(len({len(line) for line in lines}) == 1, "columns are aligned")


def test_contention(bench):
    result = run(bench, "contention --workers 1 --apart 0,100 --seconds 0.02")
    expect(result.returncode == 0, result.stderr)
    rows = [line.split() for line in result.stdout.splitlines()[1:]]
    expect([row[:3] for row in rows] == [[name, "1", apart] for apart in ("0", "100")
                                         for name in ("numbers", "window", "line")], rows)
    expect(all(1 < float(ticks) for row in rows[:3] for ticks in row[3:]), rows)


def test_fetch(bench):
    arguments = "fetch --sas 100,20000 --lines 1,21 --seconds 0.1"
    lines = run(bench, arguments).stdout.splitlines()
    expect([line.split()[:2] for line in lines[1:]] ==
           [["100", "1"], ["100", "21"], ["20000", "1"], ["20000", "21"]], lines)
    rows = json.loads(run(bench, arguments + " --ahead 8 --json").stdout)["rows"]
    expect([(row["sas"], row["lines"], row["ahead"]) for row in rows] ==
           [(100, 1, 8), (100, 21, 8), (20000, 1, 8), (20000, 21, 8)], rows)
    few, near, _, far = (row["ticks"] for row in rows)
    expect(0 < few < near < far, rows)


def test_output_full(bench):
    with open("/dev/full", "w", encoding="ascii") as full:
        for arguments in ("contention --workers 1 --seconds 0.01", "path --size 64 --seconds 0.01",
                          "fetch --seconds 0.01 --sas 10",
                          "path --size 64 --seconds 0.01 --json"):
            result = subprocess.run([bench, *arguments.split()], stdout=full, stderr=subprocess.PIPE,
                                    timeout=120, text=True, check=False)
            expect(result.returncode == 1 and result.stderr.count("\n") == 1, result)


def test_leaves_nothing(bench):
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as folder:
        result = run(bench, f"control --count 1 --sas 0 --load 0 --algorithm {GCM}", TMPDIR=folder)
        expect(result.returncode == 0, result.stderr)
        expect(os.listdir(folder) == [], os.listdir(folder))


def test_interrupted(bench, number):
    """However it ends, its daemon ends as well, and nothing is left."""
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as folder:
        process = subprocess.Popen([bench, "control", "--seconds", "60", "--sas", "0"],
                                   stdout=subprocess.DEVNULL, env=os.environ | {"TMPDIR": folder})
        started = wait_until(lambda: os.listdir(folder) != [], 60)
        process.send_signal(number)
        status = process.wait(60)
        gone = wait_until(lambda: os.listdir(folder) == [], 60)
        expect((started, status, gone) == (True, -number, True), (status, os.listdir(folder)))


def memory_of_child(process, folder):
    """Bytes that the child of a process has, or None while it has taken few and starts."""
    try:
        tasks = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        child = tasks.read_text(encoding="ascii").split()[0]
        pages = Path(f"/proc/{child}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return None
    taken = int(pages) * os.sysconf("SC_PAGE_SIZE")
    return taken if taken > 50 << 20 or list(Path(folder).glob("*/control.sock")) else None


def ends_while_it_takes_memory(bench):
    """Does a daemon end at once that takes memory for 500,000 associations, more than 700 MB?"""
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as folder:
        process = subprocess.Popen([bench, "control", "--sas", "500000", "--load", "0"],
                                   stdout=subprocess.DEVNULL, env=os.environ | {"TMPDIR": folder})
        taken = wait_until(lambda: memory_of_child(process, folder))
        process.send_signal(signal.SIGINT)
        expect(process.wait(60) == -signal.SIGINT and taken, taken)
        _, _, usage = os.wait4(-1, 0)  # the daemon is ours now
        expect(os.listdir(folder) == [], os.listdir(folder))
        return taken < 50 << 20 or usage.ru_maxrss < 500 << 10


def test_interrupted_at_its_start(bench):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # A machine that runs tests may keep us from asking in time, but not every time.
    expect(any(ends_while_it_takes_memory(bench) for _ in range(5)), "takes all its memory first")


def test_refused(bench, arguments, code, word):
    result = run(bench, arguments)
    expect(result.returncode == code, result)
    expect(result.stderr.count("\n") == 1, result)
    expect(result.stdout == "", result)
    expect(word in result.stderr, result)


def test_help(bench):
    for option, word in (
        ("--help", "usage: ferrule-bench VERB"),
        ("path --help", "usage: ferrule-bench path"),
        ("contention --help", "usage: ferrule-bench contention"),
        ("fetch --help", "usage: ferrule-bench fetch"),
        ("control --help", "usage: ferrule-bench control"),
        ("latency --help", "usage: ferrule-bench latency"),
        ("--version", "ferrule-bench "),
    ):
        result = run(bench, option)
        expect(result.returncode == 0 and result.stdout.startswith(word), result)


def cases(bench):
    """Yields name, reason to skip, function and arguments."""
    enough = cpus(bench) >= 2
    for arguments, names, values in ROWS:
        few = "needs two CPUs" if "--workers 1,2" in arguments and not enough else ""
        yield f"rows of {arguments}", few, test_json, (arguments, names, values)
    yield "the table", "", test_table, ()
    yield "its columns", "", test_columns, ()
    few = "" if can_hide_huge_pages() else "needs root, and to mount"
    yield "no huge pages", few, test_small_pages, ()
    yield "compare and HTML", "", test_compare, ()
    yield "compare with another machine", "", test_compare_with_another_machine, ()
    yield "compare with damaged rows", "", test_compare_with_damage, ()
    yield "compare with the report of another verb", "", test_compare_with_another_report, ()
    for how in (("poll", "out"), ("poll", "in"), ("nap", "out")):
        yield f"latency, {how}", "" if enough else "needs two CPUs", test_latency, how
    yield "contention", "", test_contention, ()
    yield "fetch", "", test_fetch, ()
    yield "nowhere to write to", "", test_output_full, ()
    for direction in ("out", "in"):
        yield f"control, {direction}", "", test_control, (direction,)
    yield "control: a realtime worker", "", test_realtime, ()
    yield "control: more changes than it can do", "", test_infeasible_rate, ()
    few = "" if enough and realtime_is_allowed() else "needs two CPUs, and to make threads realtime"
    yield "control: a realtime worker, and the program is stopped", few, test_stopped, ()
    yield "control: the table", "", test_control_table, ()
    yield "control: nothing is left behind", "", test_leaves_nothing, ()
    for number in (signal.SIGINT, signal.SIGKILL):
        yield f"control: nothing is left behind by {number.name}", "", test_interrupted, (number,)
    yield "control: interrupted while its daemon starts", "", test_interrupted_at_its_start, ()
    for arguments, code, word in REFUSED:
        few = "there are so many CPUs" if word == "CPUs" and cpus(bench) >= 64 else ""
        yield f"refuses: {arguments[:40] or 'nothing'}", few, test_refused, (arguments, code, word)
    yield "help and version", "", test_help, ()


def main():
    bench = sys.argv[1]
    planned = list(cases(bench))
    failed = 0
    print(f"1..{len(planned)}")
    for number, (name, skip, function, arguments) in enumerate(planned, 1):
        if skip:
            print(f"ok {number} - {name} # SKIP {skip}")
            continue
        try:
            function(bench, *arguments)
            print(f"ok {number} - {name}", flush=True)
        except (AssertionError, KeyError, ValueError, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"not ok {number} - {name}\n# {error!r}", flush=True)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
