# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces with names that nobody else has, the links between them, and what passes.

    with Lab("lab", "far") as lab:
        lab.veth(("lab", "wire"), ("far", "line"))
        with lab.sniffer("far", "line", kind_of) as sniffer, lab.talker("far", "line") as talker:
            talker.say(frames)

All of it is gone at the end, whatever happened.
"""

import collections
import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_PACKET_OUTGOING = 4
_PACKET_AUXDATA, _VLAN_VALID, _VLAN_TYPE_VALID = 8, 0x10, 0x40
_SO_RCVBUFFORCE = 33
_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17
_ETH_P_ALL = 3


class Absent(Exception):
    """There can be no namespaces here; the text says why."""


def wait_until(condition, seconds=60):
    """What the condition gave, as soon as it is true; else what it gave after some time."""
    end = time.monotonic() + seconds
    while not (got := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return got


def last_words(text):
    """The end of what a program has said, in one line."""
    return "; ".join(line.strip() for line in text.splitlines()[-3:] if line.strip()) or "nothing"


def _run(*command):
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {last_words(done.stderr)}")


class Lab:
    def __init__(self, *names):
        tag = f"fer{os.getpid()}"
        self.names = {name: f"{tag}-{name}" for name in names}

    def __enter__(self):
        if os.geteuid() != 0 or not Path("/dev/net/tun").exists() or not shutil.which("ip"):
            raise Absent("needs root, /dev/net/tun and ip")
        try:
            for name in self.names.values():
                _run("ip", "netns", "add", name)
            for name in self.names:
                self.run(name, "true")  # one may be made, but not entered, where / is no mount
        except RuntimeError as error:
            self.__exit__()
            raise Absent(f"no network namespaces: {error}") from None
        except BaseException:  # interrupted
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def inside(self, name):
        """What a command begins with that is to run there."""
        return ("ip", "netns", "exec", self.names[name])

    def run(self, name, *command):
        _run(*self.inside(name), *command)

    def veth(self, near, far, mtu=1500, index=None, far_index=None):
        """Two (namespace, interface) become the ends of a link, which is up and says nothing.

        net_af_packet numbers its fan-out groups by process xor interface, and two of one number
        refuse each other: interfaces with numbers far apart keep neighbouring processes apart.
        """
        numbers = [("index", str(i)) if i else () for i in (index, far_index)]
        self.run(near[0], "ip", "link", "add", near[1], *numbers[0], "type", "veth",
                 "peer", "name", far[1], *numbers[1], "netns", self.names[far[0]])
        for name, interface in (near, far):
            self.run(name, "ip", "link", "set", interface, "mtu", str(mtu), "addrgenmode", "none")
            self.run(name, "ip", "link", "set", interface, "up")

    def sum_here(self, name, interface):
        """What hosts send there leaves with its checksums: nobody behind a veth makes them up."""
        with self.entered(name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            off = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_STXCSUM, 0), 8)
            fcntl.ioctl(sock, _SIOCETHTOOL, struct.pack(
                "16sP", interface.encode(), ctypes.addressof(off)) + bytes(16))

    @contextlib.contextmanager
    def entered(self, name):
        """The calling thread is there; sockets that it makes stay there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net", encoding="ascii") as here, \
                open(f"/run/netns/{self.names[name]}", encoding="ascii") as there:
            if libc.setns(there.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(here.fileno(), _CLONE_NEWNET)

    def _socket(self, name, kind):
        with self.entered(name):
            return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, kind)

    def port(self, name, interface):
        """A socket that sends into an interface that is there, and gets what comes out of it."""
        sock = self._socket(name, socket.htons(_ETH_P_ALL))
        sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 26)
        sock.bind((interface, 0))
        return sock

    def sniffer(self, name, interface, kind_of):
        return Sniffer(self._socket(name, socket.htons(_ETH_P_ALL)), interface, kind_of)

    def talker(self, name, interface):
        return Talker(self._socket(name, 0), interface)


def receive(sock):
    """The next frame that comes to a port() from outside; None: what came is our own, or word
    that the interface went down.

    The kernel takes the first VLAN tag off, and tells it beside the frame.
    """
    try:
        frame, beside, _, (_, _, direction, _, _) = sock.recvmsg(1 << 16, socket.CMSG_SPACE(20))
    except OSError as error:
        if error.errno == errno.ENETDOWN:
            return None
        raise
    for level, kind, data in beside:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, _, _, _, _, tag, tag_type = struct.unpack_from("=IIIHHHH", data)
            if status & _VLAN_VALID:
                kind = tag_type if status & _VLAN_TYPE_VALID else 0x8100
                frame = frame[:12] + struct.pack("!HH", kind, tag) + frame[12:]
    return None if direction == _PACKET_OUTGOING else frame


class _Busy:
    """Something that a thread does until the end of a "with" block."""

    def __init__(self, sock):
        self._socket = sock
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()
        self._socket.close()

    def _run(self):
        raise NotImplementedError


class Sniffer(_Busy):
    """Looks at each frame that comes out of an interface, and counts what kind_of() calls it.

    The interface may come and go.  seen: {kind: count}; samples: {kind: the last frames}.
    """

    def __init__(self, sock, interface, kind_of):
        super().__init__(sock)
        self._interface = interface
        self._kind_of = kind_of
        self._lost = 0
        self.seen = collections.Counter()
        self.samples = collections.defaultdict(lambda: collections.deque(maxlen=256))
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 26)
        sock.settimeout(0.05)

    def _run(self):
        while not self._is_over.is_set():
            try:
                frame, (interface, _, direction, _, _) = self._socket.recvfrom(1 << 16)
            except (TimeoutError, OSError):  # the link went down
                continue
            if interface != self._interface or direction == _PACKET_OUTGOING:
                continue
            kind = self._kind_of(frame)
            self.samples[kind].append(frame)
            self.seen[kind] += 1

    def lost(self):
        """How many frames it could not look at."""
        raw = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self._lost += int.from_bytes(raw[4:], "little")
        return self._lost


class Talker(_Busy):
    """Sends frames into an interface, all of them in turn, again and again, until told others.

    The interface may come and go.  per_second bounds how many are sent; rounds counts how often
    all were.
    """

    def __init__(self, sock, interface, per_second=2000):
        super().__init__(sock)
        self._interface = interface
        self._pause = 1 / per_second
        self._frames = ()
        self.rounds = 0
        sock.setblocking(False)

    def say(self, frames):
        self._frames = tuple(frames)

    def send(self, frame):
        """One frame, now: did the interface take it?"""
        try:
            self._socket.sendto(frame, (self._interface, 0))
        except OSError:  # it is not there, is down, full, or does not take that size
            return False
        return True

    def _run(self):
        while not self._is_over.is_set():
            frames = self._frames
            for frame in frames:
                self.send(frame)
            self.rounds += 1
            time.sleep(max(len(frames), 1) * self._pause)
