# SPDX-License-Identifier: BSD-3-Clause
"""What scripts that people start have in common: numbers on the command line, and ending in order.

    command.end_in_order()
    try:
        ...
    except command.Interrupted as error:
        print(f"run.py: {error}", file=sys.stderr)
"""

import argparse
import signal

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
