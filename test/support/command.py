# SPDX-License-Identifier: BSD-3-Clause
"""What scripts that people start have in common: numbers on the command line, and ending in order.

    command.end_in_order()
    try:
        with tempfile.TemporaryDirectory() as folder, command.no_child_left():
            ...
    except command.Interrupted as error:
        print(f"run.py: {error}", file=sys.stderr)
"""

import argparse
import contextlib
import os
import signal
from pathlib import Path

class Parser(argparse.ArgumentParser):
    """One line says what is wrong with the arguments; the rest stands in --help."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """By a signal; everything that was started ends on the way out."""


def _interrupt(*_):
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise Interrupted("interrupted")


def end_in_order():
    """From now on the first signal that asks to end is an exception, and those behind it are nothing."""
    for number in _SIGNALS:
        signal.signal(number, _interrupt)


def _children():
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                yield int(stat.parent.name)


@contextlib.contextmanager
def no_child_left():
    """However the block ends, no child process is there behind it.

    A signal can fall between the birth of a child and the moment that somebody holds it.
    """
    try:
        yield
    finally:
        for child in list(_children()):
            with contextlib.suppress(OSError):  # it has ended, or somebody has waited for it
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def number_in(kind, least, most):
    """For argparse: a number of this kind, from least to most."""
    def number(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"\"{text}\" is not a number from {least} to {most}")
        return value
    return number
