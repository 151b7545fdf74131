# SPDX-License-Identifier: BSD-3-Clause
"""Did each frame that came in from the wire end as it must, and came out as it must?"""

from dataclasses import dataclass

import pcapio
from report import difference
from sa_document import DocumentSa

NOT_OK = None  # any verdict but ok, for frames that can be called malformed in several ways

_AUTH_FAILED = {"transport": 3, "tunnel": 5}  # CryptoStatus of ESP, by mode


@dataclass(frozen=True)
class Expected:
    """What must become of one wire frame."""

    verdicts: tuple  # acceptable names, or NOT_OK
    sa: DocumentSa = None
    seq: int = None  # only of an authentic packet
    output: bytes = None  # the IP packet that comes out, on ok only
    next_header: int = None
    pad_length: int = None
    frames: tuple = ()  # the frames that an authentic packet came in

    @property
    def is_ok(self):
        return self.verdicts == ("ok",)


def compare_outcomes(run, capture, expected):
    """Faults of one run of unprotect, with one Expected for each record of the capture."""
    faults = []
    if (run.output.link, run.output.nano) != (capture.link, capture.nano):
        faults.append("link type or time unit of the output is not that of the input")
    outputs = iter(run.output.records)
    for index, (outcome, line) in enumerate(zip(expected, run.lines)):
        where = f"packet {index + 1}"
        faults += [f"{where}: {fault}" for fault in _line_faults(line, outcome)]
        record = next(outputs, None) if line.get("verdict") == "ok" else None
        if record is not None and outcome.is_ok:
            wanted = pcapio.reframe(capture.records[index].data, capture.link, outcome.output)
            faults += difference(where, record.data, wanted)
            if record.time_ns not in [capture.records[i].time_ns for i in outcome.frames]:
                faults.append(f"{where}: comes out at another time, {record.time_ns} ns")
        elif record is not None:
            faults.append(f"{where}: came out as {record.data[:64].hex()}...")
    return faults


def _is_low(seq, esn):
    """Is no more than a sixteenth of the peer's numbers left?"""
    limit = (1 << (64 if esn else 32)) - 1
    return seq > limit - (limit >> 4)


def _line_faults(line, outcome):
    verdict = line.get("verdict")
    if outcome.verdicts is NOT_OK:
        return ["verdict ok for a frame that must not be delivered"] if verdict == "ok" else []
    if verdict not in outcome.verdicts:
        return [f"verdict {verdict}, expected {' or '.join(outcome.verdicts)}: {line}"]
    wanted = {}
    if outcome.seq is not None:
        wanted = {
            "sa": outcome.sa.name,
            "seq": outcome.seq,
            "crypto_done": 1,
            "next_crypto_done": 0,
            "crypto_status": 0,
            "sa_delete_req": int(_is_low(outcome.seq, outcome.sa.esp.esn)),
            "next_header": outcome.next_header,
            "pad_length": outcome.pad_length,
            "header_info_set": 1,
        }
    elif verdict == "bad_icv":
        wanted = {"crypto_done": 1, "crypto_status": _AUTH_FAILED[outcome.sa.esp.mode]}
    elif verdict == "no_sa":
        wanted = {"crypto_done": 0, "crypto_status": 0}
    return [
        f"{key} is {line.get(key)}, expected {value}"
        for key, value in wanted.items()
        if line.get(key) != value
    ]
