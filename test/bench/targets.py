# SPDX-License-Identifier: BSD-3-Clause
"""What ferrule aims at, and whether it gets there: limits in relation to what the same run measured."""

import statistics

import peer

GCM = "aes-gcm-128"
MANY_LIMITS = {64: (0.93, 0.80, 0.70), 1420: (0.93, 0.85, 0.80)}  # of what 1,000 cost
LINES = {64: 8, 1420: 21}  # of an association, that an outbound packet of so many bytes visits
LIST_LIMITS = {GCM: 700, "aes-cbc-128+hmac-sha1-96": 500, "aes-cbc-128+hmac-sha2-256-128": 400}
CHANCE = 0.05  # below it, turns say that changes cost packets
OVERHEAD_LIMITS = [  # algorithms, burst, outbound, inbound
    ((GCM,), 32, 45, 60),
    ((GCM,), 1, 100, 150),
    (("aes-cbc-128+hmac-sha1-96", "aes-cbc-128+hmac-sha2-256-128"), 32, 60, 75),
]


class Target:
    """Values that have to be at most, or at least, as high as their limits."""

    def __init__(self, what, values, limits, at_most, digits=0, note="", says_nothing=False):
        self.what, self._values, self._at_most, self._digits = what, list(values), at_most, digits
        self._note, self._says_nothing = note, says_nothing
        self._limits = list(limits) if isinstance(limits, tuple) else [limits] * len(self._values)

    def verdict(self):
        if self._says_nothing:
            return "says nothing"
        return "reached" if self.is_reached() else "missed"

    def is_reached(self):
        return self._are_within(self._values)

    def _are_within(self, values):
        pairs = zip(values, self._limits)
        return all(value <= limit if self._at_most else value >= limit for value, limit in pairs)

    def _telling_digits(self):
        """So many that a limit that is missed does not look as if it were reached."""
        digits = self._digits
        while not self.is_reached() and self._are_within(round(value, digits) for value in self._values):
            digits += 1
        return digits

    def row(self):
        digits = self._telling_digits()

        def text(numbers):
            return " / ".join(f"{number:,.{digits}f}" for number in numbers)
        limits = self._limits[:1] if len(set(self._limits)) == 1 else self._limits
        sign = "at most" if self._at_most else "at least"
        return (self.what, f"{sign} {text(limits)}", text(self._values) + self._note,
                self.verdict())


def _overheads(reports):
    for algorithms, burst, *limits in OVERHEAD_LIMITS:
        for algorithm in algorithms:
            for direction, limit in zip(("out", "in"), limits):
                rows = [row for name in ("out", "in", "single") for row in reports[name]["rows"]
                        if (row["algorithm"], row["burst"], row["direction"])
                        == (algorithm, burst, direction) and row["size"] != "imix"]
                yield Target(f"{algorithm}, {direction}, bursts of {burst}, 64 / 512 / 1420 bytes: "
                             "ticks over bare crypto",
                             [row["ticks"]["median"] - row["crypto_ticks"] for row in rows], limit, True)


def _peers(reports):
    rows = [row for name in ("long-out", "long-in") for row in reports[name]["rows"]]
    for by, all_by in zip((f"bare {GCM}", "bare crypto of the row"), zip(*peer.relatives(rows))):
        above = [one for one in all_by if one.path > 1]
        alone = sum(one.crypto > 1 for one in above)
        yield Target(f"every row and size of {peer.NAME}, scaled by {by}: the largest ratio to its path",
                     [max(one.path for one in all_by)], 1, True, 2,
                     f"; {len(above)} of {len(all_by)} above 1, with bare crypto alone {alone}")


def _memory(reports, size, numbers):
    """What visiting the lines of associations takes, with no work at all: ticks a packet."""
    ticks = {row["sas"]: row["ticks"] for row in reports["fetch"]["rows"] if row["lines"] == LINES[size]}
    return " / ".join(f"{ticks[n]:.0f}" for n in numbers)


def _many(reports):
    groups = {}
    for row in reports["many"]["rows"]:
        groups.setdefault((row["direction"], row["size"]), []).append(row)
    for (direction, size), rows in groups.items():
        first, *others = (row["ticks"]["median"] for row in rows)
        numbers = " / ".join(f"{row['sas']:,}" for row in rows[1:])
        yield Target(f"{direction}, {size} bytes, {numbers} SAs at random: speed relative to "
                     f"{rows[0]['sas']:,}", [first / ticks for ticks in others],
                     MANY_LIMITS[size][:len(others)], False, 2,
                     f", {first:.0f} ticks with {rows[0]['sas']:,}; memory alone takes "
                     + _memory(reports, size, [row["sas"] for row in rows[1:]]))


def _policies(reports):
    for shape in ("apart", "overlapping"):
        ratios = [many["ticks"]["median"] / one["ticks"]["median"] for one, many
                  in zip(reports["one"]["rows"], reports[shape]["rows"])]
        yield Target(f"10,000 selectors, {shape}, against one, established flows: the largest ratio",
                     [max(ratios)], 1.3, True, 2)


def worker_turns(reports):
    """By direction, size and burst: rows of two SAs, each followed by that of one, turn by turn."""
    rows = {True: {}, False: {}}
    for row in reports["workers"]["rows"]:
        key = row["direction"], row["size"], row["burst"]
        rows[row["order"] == "own"].setdefault(key, []).append(row)
    return {key: list(zip(own, rows[False][key])) for key, own in rows[True].items()}


def ratios_of(turns):
    return [own["ticks"]["median"] / one["ticks"]["median"] for own, one in turns]


def _workers(reports):
    if "workers" not in reports:
        return
    for direction, limit in (("out", 0.95), ("in", 0.90)):
        ratios = min((ratios_of(turns) for key, turns in worker_turns(reports).items()
                      if key[0] == direction), key=statistics.median)
        yield Target(f"{direction}, two workers on one SA against two on their own, groups of 8 and 32, "
                     f"{len(ratios)} rounds in turn: the smallest median of the ratio",
                     [statistics.median(ratios)], limit, False, 2,
                     f", of rounds from {min(ratios):.2f} to {max(ratios):.2f}")


def _control(reports):
    rows = reports["control"]["rows"]
    one = [row for row in rows if row["list"] == 1]
    add = next(row for row in one if row["operation"] == "add" and row["algorithm"] == GCM)
    *loads, load = (row for row in rows if row["operation"] == "add" and row["list"] > 1)
    dump = next(row for row in rows if row["operation"] == "dump")
    yield Target("ADD_SA one at a time: thousand a second", [add["per_second"] / 1000], 70, False)
    yield Target("the same: p99, microseconds", [add["us"]["p99"]], 30, True, 1)
    for row in loads:
        yield Target(f"ADD_SA in lists, {row['algorithm']}: thousand a second",
                     [row["per_second"] / 1000], LIST_LIMITS[row["algorithm"]], False)
    yield Target(f"{load['sas']:,} associations loaded while packets flow: seconds", [load["seconds"]],
                 2.5, True, 2)
    yield Target(f"{dump['sas']:,} associations told: seconds", [dump["seconds"]], 3, True, 2)
    yield Target("DELETE_SA until it is complete, keys wiped, the slowest of all: milliseconds",
                 [max(row["us"]["max"] for row in one if row["operation"] == "delete") / 1000], 10, True, 2)


def control_changes(reports):
    for direction, name in (("out", "control"), ("in", "control-in")):
        rows = {row["during"]: row for row in reports[name]["packets"]}
        if "changes" not in rows:
            continue
        changes, turns = rows["changes"], rows["changes"]["turns"]
        lost = {during: row["lost"] + row["dropped"] for during, row in rows.items()}
        what = f"{changes['changes_per_second']:,.0f} changes a second at 90 % load, {direction}"
        if reports[name]["load"]["realtime"]:
            what += ", the worker realtime"
        yield Target(f"{what}: milliseconds in which the worker was blocked",
                     [changes["gaps"]["blocked"]["ms"]], 0, True, 1)
        yield Target(f"{what}: packets lost, by whatever", [lost["changes"]], 0, True,
                     note=f" of {changes['arrived']:,}; {lost['nothing']:,} of "
                          f"{rows['nothing']['arrived']:,} with no changes")
        too_few = 0.5 ** turns["n"] >= CHANCE  # however much more was lost, and in however many of them
        yield Target(f"{what}: the chance that turns with changes lose more as often as they did, if "
                     "changes cost nothing", [turns["p"]], CHANCE, False, 2,
                     f"; more was lost in {turns['more']} of {turns['n']} turns than in that without "
                     f"changes, less in {turns['fewer']}"
                     + ("; too few turns to get below the limit" if too_few else ""), too_few)


def _ports(reports):
    if "ports" not in reports:
        return
    ratios = [row["ratio"] for row in reports["ports"]["rows"] if row["port"] == "memif"]
    yield Target("the whole box over net_memif against ports alone plus path: the largest ratio",
                 [max(ratios)], 1.1, True, 2)


def targets(reports):
    for part in (_overheads, _peers, _many, _policies, _workers, _control, control_changes, _ports):
        yield from part(reports)
