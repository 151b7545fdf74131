# SPDX-License-Identifier: BSD-3-Clause
"""The live tests, and which statements each of them shows."""

import functools

import nic as nics

SHOWS = {}  # {number of a statement: [test, ...]}
_NAMES = {}


def name_of(test):
    return _NAMES[test]


def shows(*numbers, mode="oob", **settings):
    """The function gets a running Nic.  Its docstring is the name of the test."""
    def decorate(function):
        @functools.wraps(function)
        def test(program, folder):
            with nics.running(program, folder, mode, **settings) as nic:
                function(nic)

        for number in numbers:
            SHOWS.setdefault(number, []).append(test)
        _NAMES[test] = function.__doc__.splitlines()[0].rstrip(".")
        return test
    return decorate


def shows_by_itself(*numbers):
    """The same for a function that starts what it needs: it gets the program and a folder."""
    def decorate(function):
        for number in numbers:
            SHOWS.setdefault(number, []).append(function)
        _NAMES[function] = function.__doc__.splitlines()[0].rstrip(".")
        return function
    return decorate


def expect(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r} instead of {wanted!r}")


def load():
    """Every file of tests registers what it shows."""
    import algorithms
    import associations
    import configuration
    import receiving
    import sending
    import slots

    return algorithms, associations, configuration, receiving, sending, slots
