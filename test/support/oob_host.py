# SPDX-License-Identifier: BSD-3-Clause
"""The other side of a pair of mode "oob": a host that plays the contract's TCP/IP transport.

    with OobHost(lab.port("nic", "host")) as host:
        cookie = host.send(frame, slot1=handle, slot12=header_word(next_header=6, esp_offset=20))
        indication = host.indication()

It frames nothing by itself: transport.py does.  Frames are Ethernet; slots are numbers as the
contract has them.
"""

import queue
import struct
import threading
from dataclasses import dataclass, replace

from lab import receive

ETHER_TYPE = 0x88B5
RECORD = struct.Struct("<BBHIQ5Q")  # version, flags, length, status, cookie, slots 0 1 2 11 12
INDICATION, COMPLETION = 1, 2
PACKET_BYTES = 64  # of a send that failed, in its completion

SA_DELETE_REQ, CRYPTO_DONE, NEXT_CRYPTO_DONE = 1, 2, 4
HEADER_INFO_SET = 1 << 16


def header_word(next_header=0, pad_length=0, ah_offset=0, esp_offset=0):
    """Slot 12 of a send; offsets in bytes from the first IP header, 0: there is none."""
    return esp_offset // 4 << 24 | ah_offset // 4 << 16 | pad_length << 8 | next_header


SUM_TCP, SUM_UDP, SUM_IP = 4, 8, 16  # slot 0 of a send
TCP_FAILED, UDP_FAILED, IP_FAILED, TCP_GOOD, UDP_GOOD, IP_GOOD = 1, 2, 4, 8, 16, 32  # of an indication
LSO_V2 = 1 << 30  # slot 2


def large_send_word(mss, version=2, is_ipv6=False, tcp_at=0):
    """Slot 2 of a send."""
    return mss | tcp_at << 20 | (LSO_V2 | int(is_ipv6) << 31 if version == 2 else 0)


def crypto_status(slot1):
    return slot1 >> 16 & 0xFFFF


@dataclass
class Slots:
    slot0: int = 0
    slot1: int = 0
    slot2: int = 0
    slot11: int = 0
    slot12: int = 0

    def __iter__(self):
        return iter((self.slot0, self.slot1, self.slot2, self.slot11, self.slot12))

    def of_ipsec(self):
        """Without what is said of checksums."""
        return replace(self, slot0=0)


@dataclass
class Indication:
    frame: bytes  # as it came from the wire
    slots: Slots

    @property
    def status(self):
        return crypto_status(self.slots.slot1)

    @property
    def done(self):
        """(CryptoDone, NextCryptoDone)"""
        return bool(self.slots.slot1 & CRYPTO_DONE), bool(self.slots.slot1 & NEXT_CRYPTO_DONE)


@dataclass
class Completion:
    cookie: int
    status: int  # an NDIS status
    slots: Slots
    frame: bytes  # MAC addresses, and of a send that failed the first bytes of the packet


def put_on(frame, slots=Slots(), cookie=0, flags=0, status=0, version=1, length=RECORD.size, more=b""):
    """The frame with the shim in it."""
    record = RECORD.pack(version, flags, length + len(more), status, cookie, *slots)
    return frame[:12] + ETHER_TYPE.to_bytes(2, "big") + record + more + frame[12:]


def take_off(frame):
    """(flags, status, cookie, slots, the frame without the shim); None: it has none."""
    if frame[12:14] != ETHER_TYPE.to_bytes(2, "big"):
        return None
    version, flags, length, status, cookie, *slots = RECORD.unpack_from(frame, 14)
    if version != 1 or length < RECORD.size:
        raise ValueError(f"version {version}, length {length}")
    return flags, status, cookie, Slots(*slots), frame[:12] + frame[14 + length:]


class OobHost:
    """Sends requests, and sorts what comes back: completions() and indications()."""

    def __init__(self, sock):
        self._socket = sock
        self._last_cookie = 0
        self._completions = queue.Queue()
        self._indications = queue.Queue()
        self.strange = []  # what came and had no shim
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._socket.settimeout(0.05)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()
        self._socket.close()

    def send_raw(self, frame):
        self._socket.send(frame)

    def send(self, frame, slots=None, **words):
        """Hands a framed packet to the NIC, with its words; the cookie of the request."""
        self._last_cookie += 1
        self.send_raw(put_on(frame, slots or Slots(**words), self._last_cookie))
        return self._last_cookie

    def completion(self, seconds=20):
        return self._completions.get(timeout=seconds)

    def indication(self, seconds=20):
        return self._indications.get(timeout=seconds)

    def is_silent(self):
        """Has nothing come that nobody took?"""
        return self._completions.empty() and self._indications.empty()

    def _run(self):
        while not self._is_over.is_set():
            try:
                frame = receive(self._socket)
            except TimeoutError:
                continue
            if frame is None:
                continue
            taken = take_off(frame)
            if taken is None:
                self.strange.append(frame)
                continue
            flags, status, cookie, slots, inside = taken
            if flags == COMPLETION:
                self._completions.put(Completion(cookie, status, slots, inside))
            elif flags == INDICATION:
                self._indications.put(Indication(inside, slots))
