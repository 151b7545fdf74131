#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does the python client get along with the server?    python_test.py ECHO-SERVER"""

import pathlib
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "test" / "support"))
import ferrule_ctl as ctl  # noqa: E402

ECHO, LATER, HOLD, RELEASE = 0xFF00F001, 0xFF00F002, 0xFF00F003, 0xFF00F005
INDICATE, STOP, REFUSE = 0xFF00F007, 0xFF00F00A, 0xFF00F00B
SERVER = sys.argv.pop(1)


class Python(unittest.TestCase):
    def setUp(self):
        self.server = subprocess.Popen([SERVER], stdout=subprocess.PIPE, text=True)
        self.path = self.server.stdout.readline().strip()
        self.client = ctl.Client(self.path)

    def tearDown(self):
        self.client.set(STOP, pair=ctl.ALL_PAIRS)
        self.client.close()
        self.assertEqual(self.server.wait(10), 0)
        self.server.stdout.close()

    def test_hello(self):
        self.assertEqual(self.client.hello["product"], "echo 1.0")
        self.assertEqual([p["name"] for p in self.client.hello["pairs"]], ["east", "west"])

    def test_out_of_order(self):
        slow = self.client.submit(LATER, struct.pack("<I", 50))
        fast = self.client.submit(ECHO, b"x" * 100000)
        self.assertEqual(self.client.collect().id, fast)
        self.assertEqual(self.client.collect(slow).status, "SUCCESS")

    def test_cancel(self):
        held = self.client.submit(HOLD)
        self.client.cancel(held)
        self.assertEqual(self.client.collect(held).status, "REQUEST_ABORTED")

    def test_refusal(self):
        with self.assertRaises(ctl.Refused) as caught:
            self.client.set(REFUSE)
        self.assertEqual((caught.exception.status, caught.exception.element,
                          caught.exception.text), ("INVALID_DATA", 3, "has a colour"))
        with self.assertRaises(ctl.Refused) as caught:
            self.client.sa_list()
        self.assertEqual(caught.exception.status, "INVALID_OID")

    def test_room(self):
        done = self.client.request(ECHO, b"12345678", ctl.QUERY, room=7)
        self.assertEqual((done.status, done.bytes_needed), ("BUFFER_TOO_SHORT", 8))

    def test_indications(self):
        self.client.subscribe(1, pair=1)
        for pair in (0, 1):
            self.client.set(INDICATE, struct.pack("<5I", 0, 0x40020006, pair, 1, 10))
        seen = self.client.indication()
        self.assertEqual((seen.status, seen.pair, seen.id, len(seen.data)),
                         ("TASK_OFFLOAD_CURRENT_CONFIG", 1, 1, 10))

    def test_two_clients(self):
        with ctl.Client(self.path) as other:
            held = other.submit(HOLD)
            other.request(ECHO, b"1", ctl.QUERY)  # behind it: the server has taken both
            self.client.set(RELEASE)
            self.assertEqual(other.collect(held).status, "SUCCESS")


if __name__ == "__main__":
    unittest.main()
