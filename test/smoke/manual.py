# SPDX-License-Identifier: BSD-3-Clause
"""Do the manual pages tell what the programs have?  Options, members of JSON, and outcomes."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test" / "support"))

from report import Report

PAGES = {"ferrule": 1, "ferrule-bench": 1, "ferrule-gen": 1, "ferrule-pcap": 1, "ferruled": 8}
OPTION = re.compile(r"(?<![\w-])(?:-(\w), )?--([a-z][a-z-]*)")
VERB = re.compile(r"^  ([a-z]+)  ", re.MULTILINE)


def page_of(name):
    return (TOP / "app" / name / f"{name}.{PAGES[name]}").read_text(encoding="utf-8")


def flags(text):
    """Options that the source of a page names."""
    return set(re.findall(r"(?:\bFl |(?<=\s)-)-?([a-z][a-z-]*)", text))


def help_of(program):
    def ask(*words):
        return subprocess.run([program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=True, timeout=60).stdout
    first = ask("--help")
    return first + "".join(ask(verb, "--help") for verb in VERB.findall(first))


def option_faults(program):
    page, text = page_of(program.name), help_of(program)
    known = {name for _, name in OPTION.findall(text)}
    told, explained = flags(page), flags("".join(re.findall(r"^\.It Fl .*", page, re.MULTILINE)))
    told |= {name for short, name in OPTION.findall(text) if short in told}
    return ([f"--{name} of the help is not in the page" for name in sorted(known - told)]
            + [f"--{name} of the page is not in the help" for name in sorted(explained - known) if name[1:]])


def quoted(pattern, *paths):
    for path in paths:
        for found in re.findall(pattern, path.read_text(encoding="utf-8"), re.DOTALL):
            yield from re.findall(r'"([a-zA-Z_0-9]+)"', found)


def member_faults():
    """What is put into JSON by name, and the columns that the daemon sends with the numbers."""
    commands = sorted((TOP / "app/ferrule").glob("cmd_*.c"))
    names = {*quoted(r'put_[a-z_]+\(\w+, "\w+"', *commands),
             *quoted(r"\bcolumns\[[^]]*\] = \{([^}]*)\}", TOP / "app/ferruled/service_show.c")}
    told = set(re.findall(r"[A-Za-z_0-9]+", page_of("ferrule").partition(".Sh JSON")[2]))
    return [f"{name} is not in the page" for name in sorted(names - told)] if names else ["there are none"]


def outcome_faults():
    text = (TOP / "lib/base/verdict.h").read_text(encoding="utf-8")
    names = re.findall(r"\bV\(([A-Z_]+), [A-Z]+, \"", text)
    told = set(re.findall(r"^\.It (\w+)$", page_of("ferrule") + page_of("ferrule-pcap"), re.MULTILINE))
    return [f"{name.lower()} is in no page" for name in names if name.lower() not in told] if names \
        else ["there are none"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", type=Path, help="the folder of all programs")
    folder = parser.parse_args().programs.resolve()
    report = Report()
    for name in PAGES:
        report.add(f"options of {name}", option_faults(folder / name / name))
    report.add("JSON of ferrule", member_faults())
    report.add("outcomes", outcome_faults())
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
