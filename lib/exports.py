#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the linker's version script of a library: what its installed headers declare is exported,
everything else is not.

exports.py VERSION HEADER...
"""

import re
import sys
from pathlib import Path

# A declaration without `static`: a function, or a variable that is extern.
FUNCTION = re.compile(r"\b(fer_[a-z0-9_]+)\s*\(")
VARIABLE = re.compile(r"\bextern\b.*?\b(fer_[a-z0-9_]+)(?:\[[^]]*\])?\s*$")


def declarations(text):
    """What ends in a semicolon outside all braces."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/|^\s*#(?:[^\n]*\\\n)*[^\n]*", "", text, flags=re.M | re.S)
    depth, start = 0, 0
    for at, c in enumerate(text):
        if c == "{":
            depth += 1
        elif c == "}":
            depth -= 1
            if depth == 0:
                start = at + 1
        elif c == ";" and depth == 0:
            yield " ".join(text[start:at].split())
            start = at + 1


def exported(text):
    for declaration in declarations(text):
        if re.search(r"\b(static|static_assert|_Static_assert|typedef)\b", declaration):
            continue
        found = FUNCTION.search(declaration) or VARIABLE.search(declaration)
        if found:
            yield found[1]


def main():
    version, *headers = sys.argv[1:]
    names = sorted({name for header in headers for name in exported(Path(header).read_text())})
    print(version, "{\nglobal:")
    for name in names:
        print(f"\t{name};")
    print("local:\n\t*;\n};")


if __name__ == "__main__":
    main()
