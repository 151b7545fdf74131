# SPDX-License-Identifier: BSD-3-Clause
"""Do AH, bundles of ESP inside AH, and SAs inside each other agree with the Linux kernel?

Opens what kernels sent, every layer with its number, and compares what comes out with the plain
packets that the kernels recorded.  Protects these packets again: what is AH alone in transport mode
has to be the kernel's packet byte for byte where nothing is padded, and everything has to open
again.
Skips, exit status 77, where the vectors are not there.
"""

import functools
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ip
import kernel_cases
import pcapio
from program import JOBS, Program, arguments
from report import Report, difference

AH = 51
POLICY = """policies:
  - {{name: all, direction: {direction}, src: any, dst: any, action: protect, sas: [{groups}]}}
"""


@dataclass(frozen=True)
class Association:
    """One entry of a document: a layer, or two that are a bundle."""

    name: str
    esp: dict  # as the manifest has it, or None
    ah: dict

    @property
    def head(self):
        return self.esp or self.ah

    def text(self, direction, window):
        head = self.head
        lines = [
            f"  - name: {self.name}",
            f"    direction: {direction}",
            f"    mode: {head['mode']}",
            f"    src: {head['src']}",
            f"    dst: {head['dst']}",
            f"    esn: {str(head['esn']).lower()}",
            f"    sequence: {head['seq_start_hi'] << 32 | head['seq_start']}",
        ]
        if direction == "in":
            lines.append(f"    replay_window: {window or head['replay_window']}")
        for protocol, raw in (("esp", self.esp), ("ah", self.ah)):
            if raw:
                lines += [f"    {protocol}:", f"      spi: {raw['spi']}"]
                lines += [f"      {key}: {value}" for key, value in fields(raw).items()]
        return "\n".join(lines) + "\n"


def fields(raw):
    """What the document says of the algorithms of a layer; None where they are not known."""
    if raw["proto"] == "esp":
        known = kernel_cases.esp_algorithms(raw)
        return known and {
            key: f'"{value.hex()}"' if isinstance(value, bytes) else f'"{value}"'
            for key, value in known.items()
            if value != b""
        }
    integrity = kernel_cases.integrity_name(raw)
    return integrity and {"integrity": integrity, "integrity_key": f'"{raw["auth"]["key"]}"'}


def associations(raw, direction):
    """Those of one direction, innermost first; AH around ESP of the same end points is a bundle."""
    layers = sorted((sa for sa in raw["sas"] if sa["direction"] == direction), key=layer_of)
    found = []
    for sa in layers:
        around = found[-1] if found else None
        if sa["proto"] == "ah" and sa["mode"] == "transport" and around and not around.ah:
            found[-1] = Association(around.name, around.esp, sa)
        elif sa["proto"] == "ah":
            found.append(Association(sa["id"], None, sa))
        else:
            found.append(Association(sa["id"], sa, None))
    return found


def layer_of(sa):
    return sa["layer"]


def document(sas, direction, window=None):
    text = "legacy_algorithms: true\nsas:\n" + "".join(sa.text(direction, window) for sa in sas)
    if direction == "out" and len(sas) > 1:
        text += POLICY.format(direction=direction, groups=", ".join(sa.name for sa in sas))
    return text


@dataclass(frozen=True)
class Case:
    raw: dict
    folder: Path

    @property
    def name(self):
        return self.raw["name"]

    def capture(self, kind):
        return pcapio.read(self.folder / self.raw[kind]["file"])

    def both(self):
        return associations(self.raw, "A>B") + associations(self.raw, "B>A")


def load():
    raw, folder = kernel_cases.manifest()
    return [
        Case(case, folder)
        for case in raw["cases"]
        if any(sa["proto"] == "ah" or sa["layer"] for sa in case["sas"])
        and all(fields(sa) for sa in case["sas"])
    ]


def run_case(program, case):
    if "steps" in case.raw:
        return [(f"{case.name} steps", steps_faults(program, case))]
    outcomes = [(f"{case.name} unprotect", unprotect_faults(program, case))]
    for direction in ("A>B", "B>A"):
        if entries_of(case, direction):
            name = f"{case.name} protect {direction}"
            outcomes.append((name, protect_faults(program, case, direction)))
    return outcomes


def opened(run, capture):
    """Input frame -> IP packet that came out for it."""
    outputs = iter(run.output.frames)
    good = [i for i, line in enumerate(run.lines) if line["verdict"] == "ok"]
    return {i: pcapio.network_packet(next(outputs), capture.link) for i in good}


# --- Wire to host ---------------------------------------------------------------------------


def unprotect_faults(program, case):
    wire, plain = case.capture("wire"), case.capture("plain").frames
    run = program.convert(case.name, "unprotect", document(case.both(), "in"), wire)
    if run.faults():
        return run.faults()
    packets, faults = opened(run, wire), []
    for frames, at, _, numbers, *_ in case.raw["packets"]:
        last = max(frames) if isinstance(frames, list) else frames
        line, where = run.lines[last], f"frame {last}"
        if line["verdict"] == "ecn_ce" and ip.parse(plain[at]).ecn == ip.NOT_ECT:
            continue  # RFC 6040 section 4.2, where the kernel is lenient
        if line["verdict"] != "ok" or line["seqs"] != numbers:
            faults.append(f"{where}: expected ok with {numbers}: {line}")
            continue
        marked = ip.with_ecn(plain[at], ip.parse(packets[last]).ecn)
        faults += difference(where, packets[last], marked)
    return faults


def steps_faults(program, case):
    """Frames that were put on the wire one at a time: accepted by the kernel, accepted by us."""
    wire = case.capture("wire")
    run = program.convert(case.name, "unprotect", document(case.both(), "in"), wire)
    faults = run.faults()
    for frame, what, accepted, *rest in case.raw["steps"] if not faults else []:
        differs = len(rest) > 2 and "kernel_differs_from_rfc4303" in rest[2]
        verdict = run.lines[frame]["verdict"]
        if (verdict == "ok") != accepted and not differs:
            faults.append(f"frame {frame} ({what}): accepted={accepted}, verdict {verdict}")
    return faults


# --- Host to wire ---------------------------------------------------------------------------


def entries_of(case, direction):
    ids = {sa["id"] for sa in case.raw["sas"] if sa["direction"] == direction}
    return [entry for entry in case.raw["packets"] if set(entry[2]) <= ids]


def protect_faults(program, case, direction):
    """Packets of one direction, protected by us and opened again, and compared with the kernel's."""
    sas, entries = associations(case.raw, direction), entries_of(case, direction)
    plain = [case.capture("plain").frames[entry[1]] for entry in entries]
    name = f"{case.name}-{direction[0]}"
    source = pcapio.of_frames(plain, pcapio.RAW_IP)
    sealed = program.convert(f"{name}-out", "protect", document(sas, "out"), source)
    if sealed.faults():
        return sealed.faults()
    faults = [
        f"packet {i}: expected ok with {entry[3]}: {line}"
        for i, (line, entry) in enumerate(zip(sealed.lines, entries))
        if line["verdict"] != "ok" or line["seqs"] != entry[3]
    ]
    if faults:
        return faults
    again = program.convert(f"{name}-in", "unprotect", document(sas, "in", 1024), sealed.output)
    if again.faults():
        return again.faults()
    packets = opened(again, sealed.output)
    for i, packet in enumerate(plain):
        faults += difference(f"packet {i}: opened again", packets.get(i, b""), packet)
    return faults + kernel_faults(case, sas, entries, sealed.output.frames)


def kernel_faults(case, sas, entries, sealed):
    """AH in transport mode has no choices where no padding follows its ICV: what the kernel pads
    with is garbage.  It may stand behind destination options, where we put it in front."""
    if len(sas) != 1 or sas[0].esp or sas[0].head["mode"] != "transport":
        return []
    wire, faults = case.capture("wire"), []
    exact = 12 + sas[0].head["auth"]["icv_bits"] // 8
    for i, (entry, packet) in enumerate(zip(entries, sealed)):
        if isinstance(entry[0], list):
            continue
        wanted = pcapio.network_packet(wire.frames[entry[0]], wire.link)
        wanted = wanted[: ip.total_length(wanted)]
        at, ours = (ip.parse(p).payload_at for p in (wanted, packet))
        least = exact if packet[0] >> 4 == 4 else -(-exact // 8) * 8
        if (packet[ours + 1] + 2) * 4 != least:
            faults.append(f"packet {i}: AH has {packet[ours + 1]} words and two, not {least} bytes")
        elif at == ours and (wanted[at + 1] + 2) * 4 == exact:
            faults += difference(f"packet {i}: the kernel's", packet, wanted)
    return faults


def main():
    args = arguments(__doc__.splitlines()[0]).parse_args()
    report = Report()
    try:
        cases = load()
    except kernel_cases.NoVectors as missing:
        report.absent("all cases with AH or several layers", str(missing))
        return report.finish()
    work = functools.partial(run_case, Program(args.program, args.keep))
    with ProcessPoolExecutor(JOBS) as pool:
        for outcomes in pool.map(work, cases):
            for name, faults in outcomes:
                report.add(name, faults)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
