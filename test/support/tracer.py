# SPDX-License-Identifier: BSD-3-Clause
"""Holds a thread of another process still, and looks into that process's memory: ptrace(2)."""

import array
import ctypes
import os
import re

_CONT, _DETACH, _SEIZE, _INTERRUPT = 7, 17, 0x4206, 0x4207
_TRACE_EXIT = 0x40  # an option: stop before the memory goes
_EVENT_EXIT = 6
_WALL = 0x40000000
_PAGE_BYTES = 4096
_PRESENT = 1 << 63
_LARGEST_MAPPING = 1 << 34  # the shadow of a sanitizer is larger
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) ")


class Absent(Exception):
    """It may not be done here; the text says why."""


def _call(request, thread, data=0):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(request, thread, None, data) != 0:
        raise Absent(f"ptrace: {os.strerror(ctypes.get_errno())}")


def hold(thread):
    _call(_SEIZE, thread)
    _call(_INTERRUPT, thread)
    os.waitpid(thread, _WALL)


def let_go(thread):
    _call(_DETACH, thread)


def seize_all(process):
    """All threads of a process, which go on, but can be held at once."""
    threads = [int(name) for name in os.listdir(f"/proc/{process}/task")]
    for thread in threads:
        _call(_SEIZE, thread)
    return threads


def hold_all(threads):
    for thread in threads:
        _call(_INTERRUPT, thread)
    for thread in threads:
        os.waitpid(thread, _WALL)


def seize_for_exit(process):
    """The process will stop at its end."""
    _call(_SEIZE, process, _TRACE_EXIT)


def wait_for_exit(process):
    """Signals pass; then it stands at its end, with its memory as it leaves it."""
    while True:
        _, status = os.waitpid(process, _WALL)
        if status >> 16 == _EVENT_EXIT:
            return
        _call(_CONT, process, status >> 8 & 0x7F if status >> 16 == 0 else 0)


def _mappings(process):
    """(start, end, rights, flags of the kernel) of each mapping."""
    with open(f"/proc/{process}/smaps", encoding="ascii", errors="replace") as smaps:
        for line in smaps:
            if match := _MAPPING.match(line):
                start, end, rights = match.groups()
            elif line.startswith("VmFlags:"):
                yield int(start, 16), int(end, 16), rights, line.split()[1:]


def _pieces(process, in_core):
    """(address, length) of what is in memory and may be written; of what a core dump has."""
    with open(f"/proc/{process}/pagemap", "rb") as pagemap:
        for start, end, rights, flags in _mappings(process):
            if "w" not in rights or end - start > _LARGEST_MAPPING or (in_core and "dd" in flags):
                continue
            pagemap.seek(start // _PAGE_BYTES * 8)
            pages = array.array("Q", pagemap.read((end - start) // _PAGE_BYTES * 8))
            first = None
            for number, page in enumerate([*pages, 0]):
                if page & _PRESENT and first is None:
                    first = number
                elif not page & _PRESENT and first is not None:
                    yield start + first * _PAGE_BYTES, (number - first) * _PAGE_BYTES
                    first = None


def find(process, patterns, in_core=False):
    """{name: how often} of those of {name: bytes} that are in its memory, or in a core dump."""
    found = {}
    with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
        for at, length in _pieces(process, in_core):
            try:
                memory.seek(at)
                data = memory.read(length)
            except OSError:  # of a device
                continue
            for name, pattern in patterns.items():
                if n := data.count(pattern):
                    found[name] = found.get(name, 0) + n
    return found
