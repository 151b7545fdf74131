# SPDX-License-Identifier: BSD-3-Clause
"""Who sends and counts: Pktgen-DPDK, ferrule-gen, or testpmd where there is nothing else.

Each sends from its first port to its second one, through the box, and answers trials: a share of
what it could send at most, for some seconds.
"""

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import links
from daemon import EAL
from lab import last_words, wait_until

_HERE = Path(__file__).resolve().parent
_LINK_BYTES = 14
_CALIBRATION_PERCENT = 0.5
_TERMINAL = re.compile(r"\x1b[\[(][0-9;?]*[A-Za-z0-9]|^Script (?:started|done).*$", re.MULTILINE)
_FIRST_PPS = 4e6  # for which ferrule-gen prepares before it knows


class GeneratorError(RuntimeError):
    """It does not start, or says nothing."""


@dataclass
class Trial:
    """What was sent and came back, by count."""

    sent: int
    received: int
    seconds: float

    @property
    def lost(self):
        return max(0, self.sent - self.received)

    @property
    def loss(self):
        return self.lost / self.sent if self.sent else 1.0

    @property
    def offered_pps(self):
        return self.sent / self.seconds

    @property
    def received_pps(self):
        return self.received / self.seconds


def _run(command, seconds):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise GeneratorError(f"ferrule-gen does not end in {seconds:.0f} s") from None


def _devices(ports):
    return [f"--vdev={device}" for _, device in ports]


class Pktgen:
    """One process for all trials; needs a terminal, which script(1) gives it."""

    name, has_rates, needs_fresh_box = "pktgen", True, False

    def __init__(self, program, folder, ports, cpus, size):
        self._folder, self._size, self._full_percent = folder, size, 100
        self._pipes = {name: folder / name.lower() for name in ("FERRULE_ORDERS", "FERRULE_ANSWERS")}
        for pipe in self._pipes.values():
            pipe.unlink(missing_ok=True)
            os.mkfifo(pipe)
        scripts = ["-f", str(_HERE / "trials.lua")]
        if size == "imix":
            scripts = ["-f", str(_HERE / "imix.pkt"), *scripts]
        cpu, receiver_cpu = cpus[0], cpus[-1]
        sender, receiver = 101, 102
        # A thread of its own spins on the CPU whose number is that of the main lcore.
        lcores = f"--lcores={cpu}@{cpu},{sender}@{cpu},{receiver}@{receiver_cpu}"
        command = [program, *EAL, "-m", "1024", f"--file-prefix=gen{os.getpid()}", lcores,
                   f"--main-lcore={cpu}", *_devices(ports), "--", "-T",
                   f"--rxd={links.VIRTQUEUE}",
                   "-m", f"{sender}.0", "-m", f"{receiver}.1", *scripts]
        shell = " ".join(f"'{word}'" for word in command)
        self._process = subprocess.Popen(
            ["script", "-qefc", shell, str(folder / "pktgen.log")], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._home(program),
            env={**os.environ, **{name: str(pipe) for name, pipe in self._pipes.items()}})
        self._orders, self._answers = self._open()

    @staticmethod
    def _home(program):
        """Its scripts need Pktgen.lua, which lies at the top of its source, or beside the program."""
        for folder in (*Path(program).resolve().parents[:3], Path("/usr/share/pktgen")):
            if (folder / "Pktgen.lua").exists():
                return folder
        raise GeneratorError(f"{program} has no Pktgen.lua beside it, at the top of its source, or "
                             "in /usr/share/pktgen")

    def _log(self):
        log = self._folder / "pktgen.log"
        return last_words(_TERMINAL.sub("", log.read_text(errors="replace"))) if log.exists() else ""

    def _open(self):
        """Both pipes, once it has opened its ends; without waiting for one that has died."""
        # For reading and writing: the open does not wait then, and what comes is read all the same.
        orders = os.open(self._pipes["FERRULE_ORDERS"], os.O_RDWR)
        answers = os.open(self._pipes["FERRULE_ANSWERS"], os.O_RDWR | os.O_NONBLOCK)
        return orders, answers

    def _answer(self, seconds):
        said = b""

        def has_line():
            nonlocal said
            try:
                said += os.read(self._answers, 4096)
            except BlockingIOError:
                pass
            return said.endswith(b"\n") or self._process.poll() is not None

        if not wait_until(has_line, seconds) or not said.endswith(b"\n"):
            how = "does not answer" if self._process.poll() is None else "has ended"
            raise GeneratorError(f"pktgen {how}: {self._log()}")
        return said.decode().split()

    def _at(self, percent, seconds):
        frame = 0 if self._size == "imix" else self._size + _LINK_BYTES
        os.write(self._orders, f"{percent:.4f} {seconds} {frame}\n".encode())
        sent, received, _ = self._answer(seconds + 60)
        return Trial(int(sent), int(received), seconds)

    def trial(self, share, seconds):
        """Its per cent are of a link's speed that virtual ports make up: one trial finds out."""
        if share == 1:
            full = self._at(100, seconds)
            calibration = self._at(_CALIBRATION_PERCENT, seconds)
            self._full_percent = _CALIBRATION_PERCENT * full.sent / max(1, calibration.sent)
            return full
        return self._at(share * min(100, self._full_percent), seconds)

    def stop(self):
        for pipe in (self._orders, self._answers):
            os.close(pipe)  # the end of the orders is the end of the script
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the terminal goes with it, and that ends pktgen
            self._process.wait()


class FerruleGen:
    """A process for each trial.  Packets are made before they are sent."""

    name, has_rates = "ferrule-gen", True

    def __init__(self, program, folder, ports, cpus, size, document=None, pair=None, seals=False):
        self._program, self._ports, self._cpu = program, ports, cpus[0]
        self._more = ["--size", str(size), "--streams", "1"]
        self.needs_fresh_box = seals  # the next trial has the same numbers
        if document is not None:
            self._more += ["-c", str(document)]
        if pair is not None:
            self._more += ["--pair", pair]
        if not seals:
            self._more.append("--plain")
        self._full_pps = None

    def trial(self, share, seconds):
        (tx, _), (rx, _) = self._ports
        how = [] if share == 1 else ["--rate", str(max(1, int(share * self._full_pps)))]
        most = self._full_pps * share if self._full_pps else _FIRST_PPS
        how += ["--prepare", "--packets", str(max(1, int(most * seconds)))]
        result = _run(
            ["taskset", "-c", str(self._cpu), self._program, "send", *self._more, *how, "--json",
             *[word for _, device in self._ports for word in ("--vdev", device)],
             "--tx", tx, "--rx", rx], seconds + 120)
        if not result.stdout:
            said = result.stderr.strip() or f"ferrule-gen: has ended with {result.returncode}"
            raise GeneratorError(said)
        sums = json.loads(result.stdout)
        received = sums["received"]
        # What the box seals is counted, and not opened.
        came = received["packets"] if received["packets"] else received["frames"]
        trial = Trial(sums["sent"]["packets"], came, sums["sent"]["seconds"])
        if self._full_pps is None:
            self._full_pps = trial.offered_pps
        return trial

    def stop(self):
        pass


class _TestpmdEnd:
    """testpmd with one port: sends as fast as it can, or receives."""

    def __init__(self, program, folder, port, cpu, mode, more=()):
        self._log = folder / f"{mode}.log"
        self._file = open(self._log, "w", encoding="utf-8")
        self._process = subprocess.Popen(
            ["stdbuf", "-oL", program, *EAL, "-m", "512", f"--file-prefix={mode}{os.getpid()}",
             f"--lcores=0@{cpu},1@{cpu}", f"--vdev={port[1]}", "--", f"--forward-mode={mode}",
             "--nb-cores=1", "--no-mlockall", "--burst=32", "--total-num-mbufs=65535", *more, "-i"],
            stdin=subprocess.PIPE, stdout=self._file, stderr=subprocess.STDOUT, text=True)
        try:
            self._wait_for("testpmd>")
        except BaseException:
            self.stop()
            raise

    def _said(self):
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _wait_for(self, text):
        if not wait_until(lambda: text in self._said() or self._process.poll() is not None, 60) or (
                self._process.poll() is not None):
            raise GeneratorError(f"testpmd does not start: {last_words(self._said())}")

    def say(self, command):
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise GeneratorError(f"testpmd has ended: {last_words(self._said())}") from None

    def count(self, which):
        """RX-packets or TX-packets so far."""
        before = self._said().count(f"{which}:")
        self.say("show port stats 0")
        wait_until(lambda: self._said().count(f"{which}:") > before
                   or self._process.poll() is not None, 30)
        found = re.findall(rf"{which}:\s*(\d+)", self._said())
        if self._process.poll() is not None or not found:
            raise GeneratorError(f"testpmd does not say {which}: {last_words(self._said())}")
        return int(found[-1])

    def stop(self):
        try:
            self._process.communicate("quit\n", timeout=30)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()
        self._file.close()


class Testpmd:
    """Two of them, because one that sends does not receive; there is only full rate."""

    name, has_rates, needs_fresh_box = "testpmd", False, False

    def __init__(self, program, folder, ports, cpus, size):
        self._sender = None
        self._receiver = _TestpmdEnd(program, folder, ports[1], cpus[-1], "rxonly",
                                     (f"--rxd={links.VIRTQUEUE}",))
        try:
            self._sender = _TestpmdEnd(
                program, folder, ports[0], cpus[0], "txonly",
                (f"--txpkts={size + _LINK_BYTES}", "--tx-ip=10.1.0.1,10.2.0.1"))
        except BaseException:
            self._receiver.stop()
            raise
        self._receiver.say("start")

    def trial(self, share, seconds):
        if share < 1:
            raise GeneratorError("testpmd has no rates")
        sent, received = self._sender.count("TX-packets"), self._receiver.count("RX-packets")
        begin = time.monotonic()
        self._sender.say("start")
        time.sleep(seconds)
        self._sender.say("stop")
        sent_now = self._sender.count("TX-packets")
        seconds = time.monotonic() - begin
        time.sleep(0.7)
        return Trial(sent_now - sent, self._receiver.count("RX-packets") - received, seconds)

    def stop(self):
        for end in (self._sender, self._receiver):
            if end is not None:
                end.stop()


def find(name, option):
    """The path of a program: as it was given, from the environment, or from PATH; None: nowhere."""
    given = option or os.environ.get(name.upper().replace("-", "_"))
    return shutil.which(given or name)
