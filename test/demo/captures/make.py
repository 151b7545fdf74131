# SPDX-License-Identifier: BSD-3-Clause
"""How were the captures of this folder made from the kernel vectors?

Takes some cases of ../shared/vectors (or $FERRULE_VECTORS): the wire capture as it is, and the
kernel's plaintext in the frames and at the times of the packets that carried it, so that cmp can
compare it with what the program writes.
"""

import dataclasses
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "support"))

import kernel_cases
import pcapio
from sa_document import sa_document

CASES = {
    "tcp": "tcp-tun-4in4-gcm128-16",
    "6in4": "esp-tun-6in4-aes256-sha256",
    "4in6": "esp-tun-4in6-null-sha512",
    "esn": "esn-cross-tun-4in4-aes128-sha1",
    "transport": "esp-tra-4-gcm256-8",
    "fragments": "frag-tra-6-gcm256-12",
}
NAMES = {"ab0": "a-to-b", "ba0": "b-to-a"}


def plain_frames(case):
    """The packets that the kernel recorded, each in the last frame of the packet that carried it."""
    wire = case.wire
    for entry in case.entries:
        last = wire.records[max(entry[0]) if isinstance(entry[0], list) else entry[0]]
        frame = pcapio.reframe(last.data, wire.link, case.plain[entry[1]])
        yield pcapio.Record(frame, last.time_ns)


def main():
    by_name = {case.name: case for case in kernel_cases.load()}
    for name, source in CASES.items():
        case = by_name[source]
        sas = [dataclasses.replace(sa, name=NAMES[i]) for i, sa in case.sas.items()]
        document = f"# {source}, both directions.\n" + sa_document(sas, "in")
        plain = pcapio.Capture(case.wire.link, case.wire.nano, records=list(plain_frames(case)))
        (HERE / f"{name}.yaml").write_text(document, encoding="utf-8")
        pcapio.write(HERE / f"{name}.wire.pcap", case.wire)
        pcapio.write(HERE / f"{name}.plain.pcap", plain)


if __name__ == "__main__":
    main()
