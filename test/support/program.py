# SPDX-License-Identifier: BSD-3-Clause
"""What did ferrule-pcap do with this document and this capture?

Runs the program in a folder of its own and reads all that it wrote back.  check_*() compare what
holds for every run: the OOB lines and the JSON summary against each other and the interface.
"""

import argparse
import collections
import contextlib
import json
import os
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pcapio

# Runs beside each other: half of what one takes is a sleep of DPDK's.
JOBS = 2 * len(os.sched_getaffinity(0))
_TIMEOUT_S = 120
_OUT, _OOB = "out.pcap", "oob.jsonl"
OUTPUTS = ("-o", _OUT, "--oob", _OOB, "--json")
_CONTRACT_FIELDS = (
    "crypto_done",
    "next_crypto_done",
    "crypto_status",
    "sa_delete_req",
    "next_header",
    "pad_length",
    "header_info_set",
)


def arguments(description):
    """The command line that all runners share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("program", type=Path, help="the ferrule-pcap to test")
    parser.add_argument("--keep", type=Path, help="keep documents, captures and OOB lines here")
    return parser


@dataclass
class Run:
    command: str
    status: int
    stdout: str
    stderr: str
    lines: list  # of OOB.jsonl
    output: pcapio.Capture  # None where no file, or none that can be read, was left
    left_files: tuple  # names of what the run left in its folder, of out.pcap and oob.jsonl
    summary: dict  # of --json, {} where there was none
    peak_kib: int
    cpu_seconds: float

    def faults(self):
        """Why the run itself did not work; [] where it did."""
        if self.status == 0 and self.output is not None:
            return []
        why = " | ".join(self.stderr.split("\n")[:4]).strip(" |")[:400] or "nothing on stderr"
        left = ", ".join(self.left_files) or "no file"
        return [f"exit {self.status}, stderr: {why}", f"left {left}; command: {self.command}"]


class Program:
    def __init__(self, path, keep=None):
        self._path = path.resolve()
        self._keep = keep

    @contextlib.contextmanager
    def folder(self, name):
        if self._keep:
            folder = self._keep / name.replace(" ", "-").replace("/", "-")
            folder.mkdir(parents=True, exist_ok=True)
            yield folder.resolve()
        else:
            with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
                yield Path(folder)

    def convert(self, name, verb, document, capture):
        """One run of protect or unprotect with every kind of output asked for.

        The capture is a pcapio.Capture, or the bytes of a file.
        """
        with self.folder(name) as folder:
            data = capture if isinstance(capture, bytes) else pcapio.serialize(capture)
            (folder / "doc.yaml").write_text(document, encoding="utf-8")
            (folder / "in.pcap").write_bytes(data)
            return self.run(folder, verb, "-c", "doc.yaml", *OUTPUTS, "in.pcap")

    def run(self, folder, *args):
        """Runs with these arguments in the folder; picks up out.pcap and oob.jsonl if they are."""
        command = [str(self._path), *map(str, args)]
        for stale in (_OUT, _OOB):
            (folder / stale).unlink(missing_ok=True)
        with open(folder / "stdout", "w+b") as out, open(folder / "stderr", "w+b") as err:
            process = subprocess.Popen(
                ["timeout", str(_TIMEOUT_S), *command],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode("utf-8", "backslashreplace"))
        oob, out_pcap = folder / _OOB, folder / _OUT
        return Run(
            command=shlex.join(command),
            status=process.returncode,
            stdout=texts[0],
            stderr=texts[1],
            lines=_json_lines(oob.read_text(encoding="utf-8")) if oob.exists() else [],
            output=_read_capture(out_pcap),
            left_files=tuple(path.name for path in (oob, out_pcap) if path.exists()),
            summary=_json_object(texts[0]) if "--json" in args else {},
            peak_kib=usage.ru_maxrss,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
        )


def _json_object(text):
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _json_lines(text):
    return [_json_object(line) for line in text.splitlines()]


def _read_capture(path):
    try:
        return pcapio.read(path)
    except (FileNotFoundError, pcapio.PcapError):
        return None


def check_run(run, verb, n_in):
    """What must hold whatever the packets were; [] if it does."""
    faults = run.faults()
    if faults:
        return faults
    faults += _check_lines(run, verb, n_in)
    n_out = len(run.output.records)
    counts = dict(collections.Counter(line.get("verdict") for line in run.lines))
    summary = run.summary
    verdicts = {name: count for name, count in summary.get("verdicts", {}).items() if count}
    for key, got, wanted in (
        ("in_packets", summary.get("in_packets"), n_in),
        ("out_packets", summary.get("out_packets"), n_out),
        ("verdicts", verdicts, counts),
    ):
        if got != wanted:
            faults.append(f"--json: {key} is {got}, expected {wanted}")
    if counts.get("ok", 0) != n_out:
        faults.append(f"{counts.get('ok', 0)} lines say ok, but {n_out} packets came out")
    return faults


def _check_lines(run, verb, n_in):
    faults = []
    if [line.get("packet") for line in run.lines] != list(range(1, n_in + 1)):
        faults.append(f"OOB: {len(run.lines)} lines, expected one for each of {n_in} packets")
    for number, line in enumerate(run.lines, 1):
        good = line.get("verdict") == "ok"
        if line.get("out_packets", 0) != int(good):
            faults.append(f"OOB {number}: out_packets {line.get('out_packets')} in {line}")
        if good and (line.get("sas"), line.get("seqs")) != ([line.get("sa")], [line.get("seq")]):
            faults.append(f"OOB {number}: sa and seq do not repeat sas and seqs in {line}")
        stray = [name for name in _CONTRACT_FIELDS if name in line]
        if verb == "protect" and stray:
            faults.append(f"OOB {number}: {stray} do not belong to protect")
    return faults


def check_sa_counters(run, expected):
    """expected: {name: (packets, sequence)}, compared with `sas` of --json."""
    got = {
        sa.get("name"): (sa.get("packets"), sa.get("sequence")) for sa in run.summary.get("sas", [])
    }
    return [
        f"--json: SA {name} has (packets, sequence) {got.get(name)}, expected {wanted}"
        for name, wanted in expected.items()
        if got.get(name) != wanted
    ]
