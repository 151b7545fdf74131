# SPDX-License-Identifier: BSD-3-Clause
"""A ferruled in a folder of its own: without hugepages, without PCI, and unseen by others.

Programs of DPDK beside it likewise: all that DPDK leaves stays in the folder.
"""

import os
import re
import signal
import socket
import subprocess
import time

EAL = ("--no-huge", "--no-pci", "--no-telemetry", "--no-shconf")
_COUNTERS = re.compile(
    r"(?:ferruled: )?(?P<port>\S+): received (?P<received>\d+), sent (?P<sent>\d+);"
    r" of those received: (?P<outcomes>.*)"
)


def neighbour(program, folder, device, argument, **streams):
    """Starts a program of DPDK at the other end of the daemon's port: a guest, a host."""
    return subprocess.Popen(
        [str(program), *EAL, "-m", "64", "-l", "0", f"--vdev={device}", "--", str(argument)],
        stdout=subprocess.PIPE, env={**os.environ, "RUNTIME_DIRECTORY": str(folder)}, **streams)


class Daemon:
    """with Daemon(program, folder, document, options) as daemon: ..."""

    def __init__(self, program, folder, document, eal=EAL, prefix=()):
        self._folder = folder
        (folder / "ferruled.yaml").write_text(document, encoding="utf-8")
        runtime = folder / "run"
        runtime.mkdir(exist_ok=True)
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify = folder / "notify"
        notify.unlink(missing_ok=True)
        self._manager.bind(str(notify))
        self._states = []
        self._stderr = open(folder / "stderr", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [*prefix, str(program), *eal, "--", "-c", "ferruled.yaml"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._stderr,
            env={**os.environ, "RUNTIME_DIRECTORY": str(runtime), "NOTIFY_SOCKET": str(notify)},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self._stderr.close()
        self._manager.close()

    def heard(self, state, seconds=60):
        """Has it told its manager this, or does it within some time, while it runs?"""
        end = time.monotonic() + seconds
        while state not in self._states and time.monotonic() < end:
            was_running = self.process.poll() is None
            self._manager.settimeout(0.05)
            try:
                self._states.append(self._manager.recv(4096).decode())
            except TimeoutError:
                if not was_running:
                    break
        return state in self._states

    def ends(self, seconds=60):
        """Its exit status; None where it does not end in time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, number=signal.SIGTERM):
        """Asks it to end; the exit status."""
        self.process.send_signal(number)
        return self.ends()

    def stderr(self):
        self._stderr.flush()
        return (self._folder / "stderr").read_text(encoding="utf-8")

    def counters(self):
        """What it says at the end: {port: {"received": n, "sent": n, verdict: n, ...}}"""
        found = {}
        for match in filter(None, map(_COUNTERS.match, self.stderr().splitlines())):
            counts = {name: int(match[name]) for name in ("received", "sent")}
            if match["outcomes"] != "none":
                for outcome in match["outcomes"].split(", "):
                    name, count = outcome.split(" ")
                    counts[name] = int(count)
            found[match["port"]] = counts
        return found
