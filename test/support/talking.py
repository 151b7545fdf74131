# SPDX-License-Identifier: BSD-3-Clause
"""Hosts that talk over sockets of their kernels, each in a namespace of a Lab, and what a wire saw.

    faults = datagram_faults(lab, ("a", "b"), "10.0.0.2", sizes) + tcp_faults(lab, ("a", "b"), ...)
"""

import contextlib
import hashlib
import random
import subprocess
import sys

ARP, IPV4, IPV6 = "0806", "0800", "86dd"

# Answers every datagram, and with "tcp" one connection with the digest of what it got.
_ECHO = """
import hashlib, socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
if kind == "tcp":
    with socket.create_server((address, port), family=family) as server:
        print("ready", flush=True)
        peer, digest = server.accept()[0], hashlib.sha256()
        while data := peer.recv(1 << 16):
            digest.update(data)
        peer.sendall(digest.digest())
else:
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        print("ready", flush=True)
        while True:
            data, peer = server.recvfrom(1 << 16)
            server.sendto(data, peer)
"""

# Sends datagrams of these sizes, one by one, and says how many came back as they were.
_ASK = """
import os, socket, sys
address, port, sizes = sys.argv[1], int(sys.argv[2]), map(int, sys.argv[3].split(","))
family = socket.AF_INET6 if ":" in address else socket.AF_INET
right = 0
with socket.socket(family, socket.SOCK_DGRAM) as client:
    client.settimeout(2)
    for size in sizes:
        data = os.urandom(size)
        for _ in range(3):
            client.sendto(data, (address, port))
            try:
                if client.recv(1 << 16) == data:
                    right += 1
                    break
            except TimeoutError:
                pass
print(right)
"""

# Sends so many bytes and says the digest of what the other end got.
_SEND = """
import random, socket, sys
data = random.Random(1).randbytes(int(sys.argv[3]))
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as peer:
    peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
    print(peer.recv(64).hex())
"""


@contextlib.contextmanager
def _server(lab, end, kind, address, port):
    with subprocess.Popen(
        [*lab.inside(end), sys.executable, "-c", _ECHO, kind, address, str(port)],
        stdout=subprocess.PIPE, text=True,
    ) as process:
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def _python(lab, end, text, *args):
    """Runs a text in a namespace; what it printed."""
    command = [*lab.inside(end), sys.executable, "-c", text, *map(str, args)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return run.stdout.strip() or run.stderr.strip()


def datagram_faults(lab, ends, address, sizes):
    """ends: who asks, and who answers at the address."""
    with _server(lab, ends[1], "udp", address, 7):
        right = _python(lab, ends[0], _ASK, address, 7, ",".join(map(str, sizes)))
    return [] if right == str(len(sizes)) else [f"{right} of {len(sizes)} came back"]


def tcp_faults(lab, ends, address, n_bytes):
    """ends: who sends, and who takes it at the address."""
    wanted = hashlib.sha256(random.Random(1).randbytes(n_bytes)).hexdigest()
    with _server(lab, ends[1], "tcp", address, 9):
        got = _python(lab, ends[0], _SEND, address, 9, n_bytes)
    return [] if got == wanted else [f"{got}, expected {wanted}"]


def kind_of(frame):
    """For a Sniffer: EtherType, IP protocol, and of IPv6 the first byte that it carries."""
    kind = frame[12:14].hex()
    if kind == IPV4:
        return f"{kind} {frame[23]}"
    if kind == IPV6:
        return f"{kind} {frame[20]} {frame[54] if len(frame) > 54 else ''}"
    return kind


def is_link_control(kind):
    """ARP, and of ICMPv6 what belongs to neighbour discovery and multicast listeners."""
    if kind == ARP:
        return True
    words = kind.split(" ")
    return words[0] == IPV6 and (words[1] == "0" or (
        words[1] == "58" and 133 <= int(words[2] or 0) <= 137))


def wire_faults(sniffers, is_protected):
    """What passed in the clear, or that hardly anything passed at all."""
    faults = []
    for sniffer in sniffers:
        clear = {kind: n for kind, n in sniffer.seen.items()
                 if not is_protected(kind) and not is_link_control(kind)}
        faults += [f"in the clear: {clear}"] if clear else []
        if sum(n for kind, n in sniffer.seen.items() if is_protected(kind)) < 1000:
            faults.append(f"hardly any protected: {dict(sniffer.seen)}")
    return faults
