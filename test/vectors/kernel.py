# SPDX-License-Identifier: BSD-3-Clause
"""Does ferrule-pcap open what the Linux kernel sealed, and can others open what it seals?

Every selected case of the kernel vectors, both ways.  unprotect: each wire frame must end as the
RFCs say, each packet that comes out must be the kernel's plaintext byte for byte.  protect: each
packet must be opened by the oracle, have the outer header that the documents promise, and be
understood by scapy and (for a sample) tshark.  Skips where the vectors are not there.
"""

import fnmatch
import functools
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ip
import ipsec_oracle
import kernel_cases
import pcapio
import second_opinions
from expect import NOT_OK, Expected, compare_outcomes
from program import JOBS, Program, arguments, check_run, check_sa_counters
from report import Report, difference
from sa_document import sa_document

LAST_32_BIT_NUMBER = 0xFFFFFFFF
FEW = 100  # numbers to the last one

# Each algorithm, mode and pair of IP versions at least once.
TSHARK_CASES = (
    "esp-tra-4-aes128-sha1",
    "esp-tra-4-gcm128-12",
    "esp-tra-4-null-sha256",
    "esp-tra-6-aes192-sha256",
    "esp-tra-6-gcm192-16",
    "esp-tra-6-null-sha1",
    "esp-tun-4in4-aes256-sha512",
    "esp-tun-4in4-gcm256-8",
    "esp-tun-4in6-aes192-sha512",
    "esp-tun-4in6-null-sha512",
    "esp-tun-6in4-aes128-sha512",
    "esp-tun-6in4-gcm192-16",
    "esp-tun-6in6-gcm128-8",
    "mixed-tun-46in4-gcm128-16",
    "udp-tra-4-gcm128-16",
    "udp-tun-4in6-gcm128-16",
    "udp-tun-6in4-aes256-sha256",
    "v4opts-esp-tra-4-gcm128-16",
    "v6ext-esp-tra-6-gcm128-16",
)


@dataclass(frozen=True)
class Outcome:
    name: str
    faults: list
    notes: tuple = ()
    skipped: str = ""


def run_case(program, case):
    wrong_vectors = kernel_cases.disagreements(case)
    if wrong_vectors:
        return [Outcome(f"{case.name} oracle against manifest", wrong_vectors)]
    outcomes = [unprotect(program, case)]
    for sa_id in filter(case.to_protect, case.sas):
        outcomes += protect(program, case, sa_id)
    return outcomes


# --- Wire to host ---------------------------------------------------------------------------


def unprotect(program, case):
    strangers = foreign_frames(case)
    capture = pcapio.Capture(case.wire.link, case.wire.nano, records=list(case.wire.records))
    after_ns = capture.records[-1].time_ns + 1000
    capture.records += [pcapio.Record(frame, after_ns) for frame, _ in strangers]
    expected = case.expected + [outcome for _, outcome in strangers]

    name = f"{case.name} unprotect"
    document = sa_document(case.sas.values(), "in")
    run = program.convert(name, "unprotect", document, capture)
    faults = check_run(run, "unprotect", len(expected))
    if not run.faults():
        faults += compare_outcomes(run, capture, expected)
        faults += check_sa_counters(run, inbound_counters(case))
    return Outcome(name, faults, step_table(case, run.lines))


def foreign_frames(case):
    """Frames that no SA of the case verifies, and what must become of them."""
    sample = next(e for e in case.expected if e.is_ok)
    frame = case.wire.frames[sample.frames[0]]
    packet = case.whole_packet(sample.frames)
    header = ip.parse(packet)
    esp_at = header.payload_at + (8 if sample.sa.esp.udp else 0)

    unknown_spi = bytes(b ^ 0xFF for b in packet[esp_at : esp_at + 4])
    other_sa = packet[:esp_at] + unknown_spi + packet[esp_at + 4 :]
    ike_datagram = bytes.fromhex("01f401f400240000") + bytes(28)
    ike = ip.with_payload(packet[:esp_at], header.protocol_at, ip.UDP, ike_datagram)
    reframe = functools.partial(pcapio.reframe, frame, case.wire.link)
    link_header = frame[: pcapio.link_header_length(frame) - 2]
    arp = link_header + bytes.fromhex("0806 0001 0800 0604 0001") + bytes(38)
    return [
        (reframe(sample.output), Expected(NOT_OK)),
        (reframe(other_sa), Expected(("no_sa",))),
        (reframe(ike), Expected(NOT_OK)),
        (arp, Expected(NOT_OK)),
    ]


def inbound_counters(case):
    """Authenticated packets and the highest of their numbers, for each SA."""
    counters = {}
    for sa in case.sas.values():
        numbers = [e.seq for e in case.expected if e.sa == sa and e.seq is not None]
        counters[sa.name] = (len(numbers), max(numbers, default=sa.sequence))
    return counters


def step_table(case, lines):
    """One row for each frame that was replayed or tampered with, for --verbose."""
    rows = []
    for frame, what, accepted, *_ in case.steps:
        verdict = lines[frame].get("verdict") if frame < len(lines) else "-"
        rows.append(f"{frame + 1:4} {'yes' if accepted else 'no':3} {verdict:12} {what}")
    return tuple(rows)


# --- Host to wire ---------------------------------------------------------------------------


def protect(program, case, sa_id):
    document_sa = case.sas[sa_id]
    sa = document_sa.esp
    plain = case.to_protect(sa_id)
    wanted = LAST_32_BIT_NUMBER - document_sa.sequence + 3
    if case.category == "seq32" and wanted < FEW:
        plain = (plain * wanted)[:wanted]
    elif sa.mode == "transport":
        plain += uncarried_packets(plain[-1])

    name = f"{case.name} protect {sa_id}"
    capture = pcapio.of_frames(plain, pcapio.RAW_IP)
    run = program.convert(name, "protect", sa_document([document_sa], "out"), capture)
    faults = check_run(run, "protect", len(plain))
    if run.faults():
        return [Outcome(name, faults)]
    if run.output.link != pcapio.RAW_IP:
        faults.append(f"link type {run.output.link} comes out of raw IP")
    sealed, sources, numbers = [], [], []
    outputs = iter(run.output.records)
    number = document_sa.sequence
    for index, (packet, line) in enumerate(zip(plain, run.lines)):
        where = f"packet {index + 1}"
        number += 1
        verdict = outbound_verdict(packet, sa, number)
        faults += verdict_faults(where, line, verdict, sa_id, number)
        if verdict != "ok":
            number -= 1
        if line.get("verdict") == "ok":
            record = next(outputs, None)
            if record is None or verdict != "ok":
                break
            sealed.append(record.data)
            sources.append(packet)
            numbers.append(number)
            if record.time_ns != capture.records[index].time_ns:
                faults.append(f"{where}: comes out at another time, {record.time_ns} ns")
    faults += oracle_faults(sealed, sources, numbers, sa)
    faults += check_sa_counters(run, {sa_id: (len(sealed), document_sa.sequence + len(sealed))})
    outcomes = [Outcome(name, faults)]
    if not faults:
        outcomes += other_opinions(case, name, sealed, sources, numbers, sa)
    return outcomes


def uncarried_packets(packet):
    """What a transport SA must not protect: fragments, and traffic of other end points."""
    last_of_source = 15 if packet[0] >> 4 == 4 else 23
    other_source = bytes([packet[last_of_source] ^ 0x55])
    stranger = packet[:last_of_source] + other_source + packet[last_of_source + 1 :]
    return [
        ip.as_fragment(packet, 0, True),
        ip.as_fragment(packet, 64, False),
        ip.with_length(stranger),
    ]


def outbound_verdict(packet, sa, number):
    """ok, the only verdict that fits, or NOT_OK where several do."""
    header = ip.parse(packet)
    if sa.mode == "transport":
        if (header.src, header.dst) != (sa.src, sa.dst):
            return NOT_OK
        if header.is_fragment:
            return "transport_fragment"
    if number > LAST_32_BIT_NUMBER and not sa.esn:
        return "seq_exhausted"
    return "ok"


def verdict_faults(where, line, verdict, sa_id, number):
    got = line.get("verdict")
    if verdict is NOT_OK:
        return [f"{where}: protected, but it is none of the SA's end points"] if got == "ok" else []
    if got != verdict:
        return [f"{where}: verdict {got}, expected {verdict}: {line}"]
    if verdict == "ok" and (line.get("sa"), line.get("seq")) != (sa_id, number):
        return [f"{where}: sa and seq are not {sa_id} and {number}: {line}"]
    return []


def oracle_faults(sealed, plain, numbers, sa):
    faults, ivs = [], {}
    for index, (packet, wanted, number) in enumerate(zip(sealed, plain, numbers)):
        where = f"output {index + 1}"
        try:
            opened = ipsec_oracle.open_esp(packet, sa, number)
        except (ipsec_oracle.Refused, ip.IpError) as error:
            faults.append(f"{where}: the oracle refuses it: {error}: {packet.hex()}")
            continue
        faults += difference(f"{where}: inside", opened.packet, wanted)
        found = ipsec_oracle.sender_faults(wanted, packet, opened, sa)
        faults += [f"{where}: {fault}" for fault in found]
        if opened.iv and opened.iv in ivs:
            faults.append(f"{where}: has the IV {opened.iv.hex()} of output {ivs[opened.iv] + 1}")
        ivs[opened.iv] = index
    return faults


def other_opinions(case, name, sealed, plain, numbers, sa):
    outcomes = []
    if second_opinions.scapy_is_right(sa):
        faults = second_opinions.scapy_faults(sealed, plain, numbers, sa)
        outcomes.append(Outcome(f"{name} scapy", faults))
    if case.name in TSHARK_CASES:
        if not second_opinions.tshark():
            return outcomes + [Outcome(f"{name} tshark", [], skipped="no tshark here")]
        faults = second_opinions.tshark_faults(sealed, plain, sa)
        outcomes.append(Outcome(f"{name} tshark", faults))
    return outcomes


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--case", default="*", help="only cases of this name (a shell pattern)")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--verbose", action="store_true", help="show replay and tamper steps")
    args = parser.parse_args()
    report = Report()
    try:
        cases = [c for c in kernel_cases.load() if fnmatch.fnmatchcase(c.name, args.case)]
    except kernel_cases.NoVectors as missing:
        report.absent("all kernel cases", str(missing))
        return report.finish()

    work = functools.partial(run_case, Program(args.program, args.keep))
    with ProcessPoolExecutor(args.jobs) as pool:
        for outcome in (o for outcomes in pool.map(work, cases) for o in outcomes):
            if outcome.skipped:
                report.skip(outcome.name, outcome.skipped)
            else:
                report.add(outcome.name, outcome.faults)
            if args.verbose and outcome.notes:
                print(f"{outcome.name}: frame, accepted by the kernel, our verdict, what was done")
                print("\n".join(outcome.notes))
    if report.failed:
        print("files of a failure: add --case NAME --keep FOLDER")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
