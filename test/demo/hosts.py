# SPDX-License-Identifier: BSD-3-Clause
"""What the hosts do: pings of every kind, and bytes over TCP."""

import errno
import hashlib
import itertools
import math
import re
import secrets
import signal
import socket
import struct
import subprocess
import threading
import time

# --- pings --------------------------------------------------------------------------------------

_SENT = re.compile(r"(\d+) packets transmitted, (\d+) received")
_ANSWER = re.compile(r"bytes from .*icmp_seq=(\d+) .*time=([\d.]+) ms(.*)")


def ping(place, host, address, *options):
    """(sent, answered) of a ping command that ends by itself."""
    found = _SENT.search(_said_by_ping(place, host, address, "-q", *options))
    return int(found[1]), int(found[2])


def steady_ping(place, host, address, count, interval_s, *options):
    """(sent, answered) of so many pings, and as many more as take their place until the last of
    them is answered; without those that are on their way then."""
    text = _said_by_ping(place, host, address, "-c", str(count), "-i", str(interval_s),
                         "-w", "10", *options)
    sent, lost, _ = _judge(text, interval_s)
    return sent, sent - lost


def _said_by_ping(place, host, address, *options):
    command = [*place.inside(host), "ping", "-n", *options, address]
    text = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if not _SENT.search(text.stdout):
        raise RuntimeError(f"ping: {text.stderr.strip() or text.stdout.strip()}")
    return text.stdout


def _judge(text, interval_s):
    """(sent, lost, twice) of what a ping command said, without those that were on their way when it
    ended."""
    answers = [(int(number), float(ms)) for number, ms, _ in _ANSWER.findall(text)]
    found = _SENT.search(text)
    if not found or not answers:
        return int(found[1]) if found else 0, int(found[1]) if found else 1, 0
    numbers, times = {number for number, _ in answers}, [ms for _, ms in answers]
    sent, last = int(found[1]), max(numbers)
    may_be_on_their_way = 1 + math.ceil(max(times) / 1000 / interval_s)
    judged = last if sent - last <= may_be_on_their_way else sent
    return judged, judged - len(numbers), len(answers) - len(numbers)


class SteadyPing:
    """A ping command that goes on until it is stopped; misses none of what came back."""

    interval_s = 0.01

    def __init__(self, place, host, address, log):
        self._log = log
        with open(log, "w", encoding="utf-8") as out:
            self._process = subprocess.Popen(
                [*place.inside(host), "ping", "-n", "-w", "600", "-i", str(self.interval_s),
                 address],
                stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def stop(self):
        """(sent, lost, twice), without those that were on their way when it was stopped."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        return _judge(self._log.read_text(encoding="utf-8"), self.interval_s)

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class _Probe4:
    """Echo requests of IPv4 with DF set, whatever the host has learnt of the path."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.socket.setsockopt(socket.IPPROTO_IP, 10, 3)  # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE

    @staticmethod
    def request(ident, number, payload):
        blank = struct.pack("!BBHHH", 8, 0, 0, ident, number) + payload
        words = struct.unpack(f"!{(len(blank) + 1) // 2}H", blank + bytes(len(blank) % 2))
        total = sum(words)
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return blank[:2] + struct.pack("!H", ~total & 0xFFFF) + blank[4:]

    @staticmethod
    def parse(packet):
        """(ident, number, MTU or 0 of an answer); None: something else."""
        icmp = packet[(packet[0] & 15) * 4:]
        if icmp[0] == 0:
            return *struct.unpack_from("!HH", icmp, 4), 0
        if (icmp[0], icmp[1]) == (3, 4):
            inner = icmp[8 + (icmp[8] & 15) * 4:]
            return *struct.unpack_from("!HH", inner, 4), struct.unpack_from("!H", icmp, 6)[0]
        return None


class _Probe6:
    """Echo requests of IPv6, never fragmented, whatever the host has learnt of the path."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        self.socket.setsockopt(socket.IPPROTO_IPV6, 23, 3)  # IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE
        self.socket.setsockopt(socket.IPPROTO_IPV6, 62, 1)  # IPV6_DONTFRAG

    @staticmethod
    def request(ident, number, payload):
        return struct.pack("!BBHHH", 128, 0, 0, ident, number) + payload  # the kernel sums up

    @staticmethod
    def parse(icmp):
        if icmp[0] == 129:
            return *struct.unpack_from("!HH", icmp, 4), 0
        if icmp[0] == 2:
            return *struct.unpack_from("!HH", icmp, 52), struct.unpack_from("!I", icmp, 4)[0]
        return None


ANSWERED, NOTHING = "answered", "nothing came back"
TOO_LONG_FOR_HOST = "over the MTU of host a itself"


def probe(place, host, address, sizes, progress):
    """What became of one ping with DF of each size: [(size, outcome)], where an outcome is one of
    the words above, or the MTU that an ICMP error told.  Three without an answer end it."""
    with place.entered(host):
        prober = _Probe6() if ":" in address else _Probe4()
    with prober.socket:
        outcomes = []
        for number, size in enumerate(sizes):
            progress(size)
            outcomes.append((size, _probe_one(prober, address, number, size)))
            if [outcome for _, outcome in outcomes[-3:]] == [NOTHING] * 3:
                break
            time.sleep(0.01)  # a router tells no more than some hundred times a second
        return outcomes


def _probe_one(prober, address, number, size):
    ident = 0xFE2E
    try:
        prober.socket.sendto(prober.request(ident, number, bytes(size)), (address, 0))
    except OSError as error:
        if error.errno == errno.EMSGSIZE:
            return TOO_LONG_FOR_HOST
        raise
    end = time.monotonic() + 3
    while (left := end - time.monotonic()) > 0:
        prober.socket.settimeout(left)
        try:
            found = prober.parse(prober.socket.recv(1 << 16))
        except TimeoutError:
            break
        if found and found[:2] == (ident, number):
            return found[2] or ANSWERED
    return NOTHING


def runs(outcomes):
    """[(first size, last size, outcome)]: neighbours of one outcome together."""
    together = []
    for outcome, group in itertools.groupby(outcomes, key=lambda pair: pair[1]):
        sizes = [size for size, _ in group]
        together.append((sizes[0], sizes[-1], outcome))
    return together


# --- TCP ----------------------------------------------------------------------------------------

# What hosts say to each other: whoever reads it on the wire found a leak.
SECRET = b"nobody but host a and b reads this"
_LINE = SECRET + b"!" * (40 - len(SECRET))
_BLOCK = _LINE * (1_000_000 // len(_LINE))


# A TAP has room for 1,000 packets and drops what is more.  No more than this is on its way at a
# time: what is lost then was not lost by the hosts.
_WINDOW_BYTES = 400_000


class Transfer:
    """Bytes from a host to another, each with its own idea of their SHA-256."""

    def __init__(self, place, sender, receiver, address, n_blocks):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with place.entered(receiver):
            self._server = socket.socket(family, socket.SOCK_STREAM)
            self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW_BYTES)
            self._server.bind((address, 4000))
            self._server.listen()
        with place.entered(sender):
            self._client = socket.socket(family, socket.SOCK_STREAM)
        for end in (self._server, self._client):
            end.settimeout(60)
        self.n_bytes = n_blocks * len(_BLOCK)
        self.received = 0
        self._n_blocks = n_blocks
        self._first = secrets.randbits(64)  # no two transfers are the same
        self._digests = {}
        self._faults = []
        self._began = time.monotonic()
        self.seconds = 0
        self._threads = [threading.Thread(target=self._guarded, args=args, daemon=True)
                         for args in ((self._receive,), (self._send, address))]
        for thread in self._threads:
            thread.start()

    def is_over(self):
        return not any(thread.is_alive() for thread in self._threads)

    def faults(self):
        """Once it is over."""
        if not self._faults and self._digests["sent"] != self._digests["received"]:
            self._faults.append("what was received is not what was sent: "
                                f"{self._digests['received']} is not {self._digests['sent']}")
        return self._faults

    def digest(self):
        return self._digests.get("received", "")

    def _guarded(self, work, *args):
        try:
            work(*args)
        except OSError as error:
            self._faults.append(f"{work.__name__.strip('_')}: {error}")

    def _send(self, address):
        digest = hashlib.sha256()
        with self._client as peer:
            peer.connect((address, 4000))
            for number in range(self._n_blocks):
                block = b"%-40d" % (self._first + number) + _BLOCK[40:]
                digest.update(block)
                peer.sendall(block)
            self._digests["sent"] = digest.hexdigest()
            peer.shutdown(socket.SHUT_WR)
            peer.recv(1)  # all of it has arrived

    def _receive(self):
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(1 << 20))
        with self._server as server, server.accept()[0] as peer:
            peer.settimeout(60)
            while n := peer.recv_into(buffer):
                digest.update(buffer[:n])
                self.received += n
            self.seconds = time.monotonic() - self._began
        self._digests["received"] = digest.hexdigest()
        if self.received != self.n_bytes:
            self._faults.append(f"{self.received} of {self.n_bytes} bytes arrived")
