# SPDX-License-Identifier: BSD-3-Clause
"""A client of the control socket in its own words: bytes of the protocol, no library of ours."""

import ipaddress
import socket
import struct

MAGIC = 0x43524546
HELLO, QUERY, SET, CANCEL, COMPLETION, INDICATION = 1, 2, 3, 4, 5, 6
ADD_SA, DELETE_SA, UPDATE_SA, ADD_SA_EX = 0xFC030202, 0xFC030203, 0xFC030204, 0xFC030205
CURRENT_CONFIG, HARDWARE_CAPABILITIES = 0xFC01020B, 0xFC01020D
SUCCESS, INVALID_PARAMETER, RESOURCES = 0x00000000, 0xC000000D, 0xC000009A
NOT_SUPPORTED, REQUEST_ABORTED, INVALID_LENGTH = 0xC00000BB, 0xC001000C, 0xC0010014
INVALID_DATA, BUFFER_TOO_SHORT, INVALID_OID = 0xC0010015, 0xC0010016, 0xC0010017

_HEADER = struct.Struct("<IHBBQIIIIIIHB5x")
_ADD_SA = struct.Struct("<BBH4xQII32sQI48s48sI")  # up to the key buffer
_SEC_ASSOC = struct.Struct("<II4s4I4II")
_OBJECT, _REVISION = 0x80, 1
INBOUND, IPV6, ESN = 0x1, 0x10, 0x1
ESP, AES_GCM_128 = 2, 0x8


def _padded(data):
    return data + bytes(-len(data) % 8)


def _chain(elements, next_at):
    """Elements of a list one behind the other, with Next filled in."""
    message = b""
    for place, element in enumerate(elements):
        is_last = place + 1 == len(elements)
        follows = 0 if is_last else len(message) + len(_padded(element))
        element = element[:next_at] + struct.pack("<Q", follows) + element[next_at + 8:]
        message += element if is_last else _padded(element)
    return message


def sa(spi, key, src="192.0.2.1", dst="192.0.2.2", inbound=True, esn=False, high=0, **more):
    """One ADD_SA: AES-GCM, unless more says otherwise."""
    identifier, info = more.get("identifier", AES_GCM_128), more.get("info", 0)
    ends = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed
    flags = INBOUND * inbound | IPV6 * (ipaddress.ip_address(src).version == 6)
    assoc = _SEC_ASSOC.pack(
        ESN * esn, ESP, struct.pack(">I", spi), 0, 0, 0, 0, identifier, len(key), 0, info, high)
    return _ADD_SA.pack(
        _OBJECT, _REVISION, 0xA9, 0, 1, flags, ends.ljust(32, b"\0"), 0, more.get("udp", 0),
        assoc, bytes(48), len(key)) + key


def add_sa(elements):
    return _chain(elements, 8)


def delete_sa(handles):
    return _chain([struct.pack("<BBH4xQQ", _OBJECT, _REVISION, 0x18, 0, h) for h in handles], 8)


def update_sa(handle, spi, high, operation=ESP):
    return struct.pack(
        "<BBH4xQI4sI4x", _OBJECT, _REVISION, 0x1C, handle, operation, struct.pack(">I", spi), high)


class Reply:
    def __init__(self, fields, data):
        (_, _, self.type, _, self.id, self.oid, self.status, _, _, self.bytes_done,
         self.bytes_needed, self.pair, self.revision) = fields
        self.data = data

    def handles(self):
        return list(struct.unpack(f"<{len(self.data) // 8}Q", self.data))


class Client:
    def __init__(self, path, seconds=60):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(seconds)
        self._socket.connect(str(path))
        self._last = 0
        self.hello = self.receive()

    def close(self):
        self._socket.close()

    def _read(self, length):
        data = b""
        while len(data) < length:
            part = self._socket.recv(length - len(data))
            if not part:
                raise EOFError("the daemon hung up")
            data += part
        return data

    def receive(self):
        fields = _HEADER.unpack(self._read(_HEADER.size))
        if fields[0] != MAGIC:
            raise ValueError(f"magic {fields[0]:#x}")
        return Reply(fields, self._read(fields[7]))

    def send(self, kind, oid, data=b"", pair=0, room=0):
        """The id of the request."""
        self._last += 1
        self._socket.sendall(_HEADER.pack(
            MAGIC, 1, kind, 0, self._last, oid, 0, len(data), room, 0, 0, pair, 0) + data)
        return self._last

    def call(self, kind, oid, data=b"", pair=0, room=0):
        asked = self.send(kind, oid, data, pair, room)
        while (reply := self.receive()).id != asked or reply.type != COMPLETION:
            pass
        return reply

    def set(self, oid, data, pair=0):
        return self.call(SET, oid, data, pair)

    def query(self, oid, room=1 << 20, pair=0):
        return self.call(QUERY, oid, b"", pair, room)
