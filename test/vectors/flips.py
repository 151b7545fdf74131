# SPDX-License-Identifier: BSD-3-Clause
"""Is every forged packet refused, and does the association go on working afterwards?

For each algorithm one packet that the oracle sealed: every bit from the SPI to the end of the ICV
flipped alone, the packet cut at every length, and sent to SPIs and addresses of nobody.  Nothing of
it may come out or move the window: the last frames are authentic, one of them with the lowest
number that is still allowed, and must pass.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ip
import pcapio
import samples
from expect import NOT_OK, Expected, compare_outcomes
from ipsec_oracle import open_esp, seal_esp
from program import Program, arguments, check_run, check_sa_counters
from replay_model import ReplayWindow
from report import Report
from sa_document import sa_document

TOP = 1000  # highest number authenticated before the first packet
ATTACKED = TOP + 10  # the number of the packet that is forged
WINDOW = 64


def flipped_frames(packet, document_sa):
    """(frame, Expected) for each bit from the SPI to the end of the ICV."""
    sa = document_sa.esp
    esp_at = ip.parse(packet).payload_at
    for bit in range(8 * esp_at, 8 * len(packet)):
        forged = bytearray(packet)
        forged[bit // 8] ^= 0x80 >> bit % 8
        field_byte = bit // 8 - esp_at
        verdict = "bad_icv"
        if field_byte < 4:
            verdict = "no_sa"
        elif field_byte < 8:
            low = int.from_bytes(forged[esp_at + 4 : esp_at + 8], "big")
            if ReplayWindow(TOP, WINDOW, sa.esn).check(low) is None:
                verdict = "replay"
        yield samples.ethernet(bytes(forged)), Expected((verdict,), document_sa)


def cut_frames(packet):
    """Frames that end too early, then packets whose length field says so, at every length."""
    frame = samples.ethernet(packet)
    for length in range(len(frame)):
        yield frame[:length], Expected(NOT_OK)
    for length in range(20 if packet[0] >> 4 == 4 else 40, len(packet)):
        yield samples.ethernet(ip.with_length(packet[:length])), Expected(NOT_OK)


def misdirected_frames(packet):
    """An SPI and a destination that nobody has."""
    esp_at = ip.parse(packet).payload_at
    next_spi = int.from_bytes(packet[esp_at : esp_at + 4], "big") + 0x100
    other_spi = packet[:esp_at] + next_spi.to_bytes(4, "big") + packet[esp_at + 4 :]
    yield samples.ethernet(other_spi), Expected(("no_sa",))
    dst_end = 20 if packet[0] >> 4 == 4 else 40
    other_dst = packet[: dst_end - 1] + bytes([packet[dst_end - 1] ^ 0x40]) + packet[dst_end:]
    yield samples.ethernet(ip.with_length(other_dst)), Expected(NOT_OK)


def authentic_frame(packet, document_sa, seq, index):
    opened = open_esp(packet, document_sa.esp, seq)
    outcome = Expected(
        ("ok",),
        sa=document_sa,
        seq=seq,
        output=opened.packet,
        next_header=opened.next_header,
        pad_length=opened.pad_length,
        frames=(index,),
    )
    return samples.ethernet(packet), outcome


def attack(program, document_sa, inner):
    packet = seal_esp(inner, document_sa.esp, ATTACKED)
    pairs = [
        *flipped_frames(packet, document_sa),
        *cut_frames(packet),
        *misdirected_frames(packet),
    ]
    lowest = seal_esp(inner, document_sa.esp, TOP + 1)
    pairs.append(authentic_frame(lowest, document_sa, TOP + 1, len(pairs)))
    pairs.append(authentic_frame(packet, document_sa, ATTACKED, len(pairs)))
    frames, expected = zip(*pairs)

    capture = pcapio.of_frames(frames, pcapio.ETHERNET)
    document = sa_document([document_sa], "in")
    run = program.convert(f"flips {document_sa.name}", "unprotect", document, capture)
    faults = check_run(run, "unprotect", len(frames))
    if not run.faults():
        faults += compare_outcomes(run, capture, expected)
        faults += check_sa_counters(run, {document_sa.name: (2, ATTACKED)})
    return len(frames), faults


def main():
    args = arguments(__doc__.splitlines()[0]).parse_args()
    program = Program(args.program, args.keep)
    report = Report()
    for document_sa, inner in samples.associations(TOP, WINDOW):
        n_frames, faults = attack(program, document_sa, inner)
        sa = document_sa.esp
        esn = " esn" if sa.esn else ""
        report.add(f"{document_sa.name} {sa.mode}{esn}: {n_frames} frames", faults)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
