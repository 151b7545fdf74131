# SPDX-License-Identifier: BSD-3-Clause
"""What the demonstration says: headings, checks, tables, and a line that moves while it works."""

import os
import shutil
import sys
import time

_NAME_WIDTH = 22
_QUIET_S = 5  # without a terminal, a sign of life at most so often


class Screen:
    def __init__(self):
        self._is_terminal = sys.stdout.isatty()
        has_colours = self._is_terminal and not os.environ.get("NO_COLOR")
        colours = ("\x1b[1m", "\x1b[1;31m", "\x1b[m") if has_colours else ("", "", "")
        self._bold, self._red, self._plain = colours
        self._has_live_line = False
        self._last = time.monotonic()
        self.passed = self.failed = 0

    def say(self, *lines):
        self._erase()
        for line in lines:
            print(f"  {line}".rstrip())
        self._flush()

    def heading(self, text):
        self._erase()
        print(f"\n{self._bold}{text}{self._plain}\n")
        self._flush()

    def working(self, name, text):
        """What is being done; the next line of any kind takes its place on a terminal."""
        line = f"  ..    {name:{_NAME_WIDTH}} {text}"
        if self._is_terminal:
            self._erase()
            print(line[:shutil.get_terminal_size().columns - 1], end="", flush=True)
            self._has_live_line = True
        elif time.monotonic() - self._last > _QUIET_S:
            print(line)
            self._flush()

    def check(self, name, text, faults=()):
        """One check, with what was seen in a line or several: it passed if it has no faults."""
        self._erase()
        first, *more = [text] if isinstance(text, str) else text
        if faults:
            self.failed += 1
        else:
            self.passed += 1
        mark = f"{self._red}FAIL{self._plain}" if faults else f"{self._bold}ok{self._plain}  "
        print(f"  {mark}  {name:{_NAME_WIDTH}} {first}")
        for line in (*more, *faults):
            print(f"  {'':{len('FAIL')}}  {'':{_NAME_WIDTH}} {line}")
        self._flush()

    def table(self, rows):
        """Rows of texts and numbers, the first of them titles; numbers stand to the right."""
        texts = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
        for row in texts:
            cells = []
            for index, cell in enumerate(row):
                column = [line[index] for line in texts]
                is_number = isinstance(rows[-1][index], int)
                cells.append(cell.rjust(max(map(len, column))) if is_number
                             else cell.ljust(max(map(len, column))))
            self.say("      " + "  ".join(cells))

    def _erase(self):
        if self._has_live_line:
            print("\r\x1b[K", end="")
            self._has_live_line = False

    def _flush(self):
        sys.stdout.flush()
        self._last = time.monotonic()
