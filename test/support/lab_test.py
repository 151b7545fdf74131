#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does who asks for namespaces learn in one line why there are none?"""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

DEMO = Path(__file__).resolve().parents[1] / "demo" / "run"
TESTS = [
    # what a program named ip does, what is said of it
    ('echo "cannot make it" >&2; exit 1', "netns add", "cannot make it"),
    ('[ "$2" != exec ] || { echo "cannot enter it" >&2; exit 255; }', "netns exec",
     "cannot enter it"),
]


@unittest.skipUnless(os.geteuid() == 0 and Path("/dev/net/tun").exists(), "needs root and TAPs")
class LabTest(unittest.TestCase):
    def test_demo_says_what_is_missing(self):
        for script, command, why in TESTS:
            with self.subTest(why), tempfile.TemporaryDirectory() as folder:
                ip = Path(folder) / "ip"
                ip.write_text(f"#!/bin/sh\n{script}\n")
                ip.chmod(0o755)
                demo = subprocess.run(
                    [DEMO], env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
                    capture_output=True, text=True, timeout=60, check=False)
                *_, last = demo.stdout.splitlines()
                self.assertEqual(("", 77), (demo.stderr, demo.returncode))
                self.assertRegex(last, f"^ferrule demo: no network namespaces: .*{command}.*{why}")


if __name__ == "__main__":
    unittest.main()
