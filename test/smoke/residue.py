# SPDX-License-Identifier: BSD-3-Clause
"""Is a key gone from the memory of ferruled as soon as its SA is, and whatever was made of it?

Looked for are the keys, as bytes and as text, what AES and GHASH make of them, and the states of
HMAC: in all memory of the process, when the completion of a delete has come, and at its very end.
And in memory as it was no more than 10 ms after the delete was sent, when the process was held still.
"""

import argparse
import contextlib
import os
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import box as boxes
import ferrule_ctl as ctl
import tracer
from box import outcomes, protection
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from ipsec_oracle import seal_esp
from lab import Absent, wait_until
from report import Report
from samples import ethernet

FLOW, BACK = (boxes.flow(b"\xa5secret\x5a", 7, 9, inbound) for inbound in (False, True))
BLOCK = 16
WORD = 0xFFFFFFFF
WIPED_S = 0.01
TRIES = 50  # whoever looks may be late himself


def encrypt(key, block):
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def sbox():
    """FIPS 197 section 5.1.1: the inverse in GF(2^8), and an affine map."""
    power, value = [], 1
    for _ in range(255):  # 3 is a generator
        power.append(value)
        value ^= (value << 1) ^ (0x11B if value & 0x80 else 0)
    table = [0] * 256
    for byte in range(256):
        inverse = power[-power.index(byte) % 255] if byte else 0
        turned = [(inverse << n | inverse >> (8 - n)) & 0xFF for n in range(5)]
        table[byte] = turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4] ^ 0x63
    return table


def round_keys(key):
    """FIPS 197 section 5.2, AES-128."""
    table, words, constant = sbox(), [key[n:n + 4] for n in range(0, BLOCK, 4)], 1
    while len(words) < 44:
        word = words[-1]
        if len(words) % 4 == 0:
            word = bytes(table[b] for b in word[1:] + word[:1])
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = constant << 1 ^ (0x11B if constant & 0x80 else 0)
        words.append(bytes(a ^ b for a, b in zip(words[-4], word)))
    return [b"".join(words[n:n + 4]) for n in range(0, 44, 4)]


def hash_key(key):
    """H, and as the library has it: shifted by one, the other way round."""
    h = encrypt(key, bytes(BLOCK))
    value = int.from_bytes(h, "big")
    shifted = value << 1 & (1 << 128) - 1 ^ (0xC2 << 120 | 1 if value >> 127 else 0)
    return h, shifted.to_bytes(BLOCK, "little")


def sha1_state(block):
    """FIPS 180-4 section 6.1.2: the five words after one block, as a machine keeps them."""
    def turn(x, n):
        return (x << n | x >> (32 - n)) & WORD

    w = list(struct.unpack("!16I", block))
    for t in range(16, 80):
        w.append(turn(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1))
    start = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
    a, b, c, d, e = start
    for t in range(80):
        f, k = ((b & c | ~b & d, 0x5A827999), (b ^ c ^ d, 0x6ED9EBA1),
                (b & c | b & d | c & d, 0x8F1BBCDC), (b ^ c ^ d, 0xCA62C1D6))[t // 20]
        a, b, c, d, e = (turn(a, 5) + (f & WORD) + e + k + w[t]) & WORD, a, turn(b, 30), c, d
    return struct.pack("<5I", *((x + y) & WORD for x, y in zip(start, (a, b, c, d, e))))


def traces_of(sa):
    """{what: bytes} that must not stay of an SA; "round" is there while it lives."""
    esp = sa["esp"]
    cipher = bytes.fromhex(esp["encryption_key"])[:BLOCK]
    rounds = round_keys(cipher)
    assert encrypt(cipher, bytes(BLOCK)) and len(rounds) == 11
    traces = {"key": cipher, "text": cipher.hex().encode(), "round": rounds[5], "last": rounds[10]}
    if "integrity_key" in esp:
        key = bytes.fromhex(esp["integrity_key"])
        padded = key.ljust(64, b"\0")
        traces |= {"HMAC key": key, "HMAC text": key.hex().encode()}
        traces |= {f"HMAC {pad:#x}": sha1_state(bytes(b ^ pad for b in padded))
                   for pad in (0x36, 0x5C)}
        traces |= {f"HMAC block {pad:#x}": bytes(b ^ pad for b in key) for pad in (0x36, 0x5C)}
    else:
        traces |= dict(zip(("H", "shifted H"), hash_key(cipher)))
    return {f"{sa['name']}: {what}": value for what, value in traces.items()}


def gcm(name, direction, spi):
    sa = boxes.sa(name, direction, spi)
    sa["esp"]["encryption_key"] = os.urandom(20).hex()
    return sa


def cbc(name, direction, spi):
    sa = boxes.sa(name, direction, spi)
    sa["esp"] |= {"encryption": "aes-cbc-128", "encryption_key": os.urandom(16).hex(),
                  "integrity": "hmac-sha1-96", "integrity_key": os.urandom(20).hex()}
    return sa


class Bench:
    def __init__(self, process, client, host, wire, report):
        self.process, self.client, self._host, self._wire = process, client, host, wire
        self._report = report

    def use(self, inbound):
        """Packets go through the active SA and through this one."""
        before = outcomes(self.client)["ok"]
        for number in range(1, 101):
            self._host.send(ethernet(FLOW.udp(4, 200)))
            self._wire.send(ethernet(seal_esp(BACK.udp(4, 200), boxes.oracle(inbound), number)))
        return wait_until(lambda: outcomes(self.client)["ok"] == before + 200)

    def _look_after_delete(self, sa):
        """(seconds from a delete until the process stands still, what is found then)"""
        self.client.sa_add([sa])
        threads = tracer.seize_all(self.process)
        begin = time.monotonic()
        self.client.sa_delete([sa["name"]])
        tracer.hold_all(threads)
        took = time.monotonic() - begin
        found = tracer.find(self.process, traces_of(sa)) if took <= WIPED_S else {}
        for thread in threads:
            tracer.let_go(thread)
        return took, found

    def check_delete_in_time(self, name, kind):
        """Nothing is left so soon after a delete; where we looked later we look again."""
        for n in range(TRIES):
            took, found = self._look_after_delete(kind("soon", "out" if n % 2 else "in", 0x4000))
            if took <= WIPED_S:
                print(f"# {name}: looked after {took * 1000:.2f} ms", flush=True)
                self._report.add(name, [f"{what}: {count} times" for what, count in found.items()])
                return
        self._report.add(name, [f"{TRIES} times later than {WIPED_S} s"])

    def check(self, name, sas, is_there=False, in_core=False):
        """Nothing is left of any of them; or of each its round keys are there."""
        traces = {what: value for sa in sas for what, value in traces_of(sa).items()}
        found = tracer.find(self.process, traces, in_core)
        if not is_there:
            self._report.add(name, [f"{what}: {count} times" for what, count in found.items()])
            return
        wanted = {what for what in traces if what.endswith((": round", ": HMAC 0x36"))}
        self._report.add(name, sorted(f"{what} is not found" for what in wanted - set(found)))


def changes(bench, client):
    for kind in (gcm, cbc):
        label = kind.__name__
        first = [kind("one", "out", 0x2001), kind("two", "in", 0x2002)]
        client.sa_add(first)
        client.sa_activate(["one"])
        assert bench.use(first[1])
        bench.check(f"{label}: live", first, True)
        bench.check(f"{label}: in a core dump", first, in_core=True)
        second = [kind("three", "out", 0x2003), kind("four", "in", 0x2004)]
        client.sa_swap(second, 0)
        wait_until(lambda: {"two", "one"}.isdisjoint(sa["name"] for sa in client.sa_list()))
        client.sa_delete(["three"])  # what was deleted before it is wiped by then
        bench.check(f"{label}: swapped out", [*first, second[0]])
        client.sa_delete(["four"])
        bench.check(f"{label}: deleted", second)
        bench.check_delete_in_time(f"{label}: deleted in time", kind)
        wrong = [kind("five", "in", 0x2005), kind("five", "in", 0x2006)]
        for oid, data in (("SA_ADD", ctl.sa_add(wrong)), ("SA_SWAP", ctl.sa_swap(wrong, 0))):
            assert client.request(oid, data).status != "SUCCESS"
        bench.check(f"{label}: refused", wrong)


def ends(bench, daemon, sas):
    """A clean end leaves nothing either, of documents or of requests."""
    late = [gcm("late", "out", 0x3001), cbc("later", "in", 0x3002)]
    bench.client.sa_add(late)
    bench.check("before the end", late, True)
    tracer.seize_for_exit(daemon.process.pid)
    daemon.process.terminate()
    tracer.wait_for_exit(daemon.process.pid)
    bench.check("at the end", [*sas, *late])
    tracer.let_go(daemon.process.pid)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferruled to test")
    program = parser.parse_args().program.resolve()
    report = Report()
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        try:
            lab = enter(boxes.make_lab())
            boxes.link(lab)
            folder = Path(enter(tempfile.TemporaryDirectory(prefix="ferrule-test-")))
            box = boxes.Box(program, lab, folder)
            sas = [gcm("document-out", "out", 0x1001), cbc("document-in", "in", 0x1002)]
            daemon, client = enter(box.running(box.document(sas, protection())))
            bench = Bench(daemon.process.pid, client, enter(lab.talker(*box.host)),
                          enter(lab.talker(*box.wire)), report)
            bench.check("SAs of the document", sas, True)
            changes(bench, client)
            ends(bench, daemon, sas)
        except (Absent, tracer.Absent) as error:
            report.absent("residue", str(error))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
