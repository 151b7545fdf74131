# SPDX-License-Identifier: BSD-3-Clause
"""Does the program read every capture file it must, and refuse every other one cleanly?

File formats and time units, link layers, cut and huge packets, damaged files, command lines: each
through the whole program.
"""

import itertools
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ip
import pcapio
import samples
from expect import Expected, compare_outcomes
from ipsec_oracle import Refused, Sa, open_esp, seal_esp
from pcapio import ETHERNET, RAW_IP, Capture, Record
from program import OUTPUTS, Program, arguments, check_run
from report import Report, difference
from sa_document import DocumentSa, sa_document

TIME_NS = 1_700_000_000_123_456_789
UNSUPPORTED_LINKS = {"IEEE 802.11": 105, "Linux cooked": 113, "USB": 189}
PEAK_KIB = 512 * 1024
MAX_LENGTH = 65535


def gcm(name, src, dst):
    key = samples.make_key(f"captures {name}", 20)
    esp = Sa("tunnel", src, dst, 0x3001, "aes-gcm-128", key)
    return DocumentSa(name, esp)


SA4 = gcm("over-v4", "192.0.2.1", "198.51.100.1")
SA6 = gcm("over-v6", "2001:db8:1::1", "2001:db8:2::1")
INNER4 = [samples.udp_packet("10.1.0.7", "10.2.0.9", bytes(n)) for n in (0, 5, 300)]
INNER6 = [samples.udp_packet("2001:db8:a::7", "2001:db8:b::9", bytes(n)) for n in (0, 5, 300)]


def opened_faults(run, capture, inner, sa):
    """Each output is its input's frame with the inner packet protected, at the input's time."""
    faults = []
    if (run.output.link, run.output.nano) != (capture.link, capture.nano):
        faults.append(f"link type {run.output.link}, nanoseconds: {run.output.nano}")
    if len(run.output.records) != len(inner):
        return faults + [f"{len(run.output.records)} packets out, expected {len(inner)}"]
    for index, (got, sent) in enumerate(zip(run.output.records, capture.records)):
        where = f"packet {index + 1}"
        if got.time_ns != sent.time_ns:
            faults.append(f"{where}: time {got.time_ns} ns, expected {sent.time_ns}")
        sealed = pcapio.network_packet(got.data, capture.link)
        wanted = pcapio.reframe(sent.data, capture.link, sealed) if sealed else b""
        faults += difference(f"{where}: link header", got.data, wanted)
        try:
            opened = open_esp(sealed, sa.esp, sa.sequence + 1 + index)
        except (Refused, ip.IpError) as error:
            faults.append(f"{where}: {error}: {sealed.hex()}")
            continue
        faults += difference(f"{where}: inside", opened.packet, inner[index])
    return faults


def protect_faults(program, title, capture, inner, sa, data=None):
    """protect over this capture, or over a file with its content in another format."""
    document = sa_document([sa], "out")
    run = program.convert(title, "protect", document, capture if data is None else data)
    faults = check_run(run, "protect", len(capture.records))
    return faults if run.faults() else faults + opened_faults(run, capture, inner, sa)


# --- File formats ---------------------------------------------------------------------------


def pcapng_block(order, kind, body):
    body += bytes(-len(body) % 4)
    length = 12 + len(body)
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def pcapng_option(order, code, value):
    padded = value + bytes(-len(value) % 4)
    return struct.pack(order + "HH", code, len(value)) + padded


def pcapng_packet(order, frame, ticks, interface=0, captured=None):
    captured = len(frame) if captured is None else captured
    head = (interface, ticks >> 32, ticks & 0xFFFFFFFF, captured, len(frame))
    comment = pcapng_option(order, 1, b"a comment") + bytes(4)
    data = frame + bytes(-len(frame) % 4) + comment
    return pcapng_block(order, 6, struct.pack(order + "IIIII", *head) + data)


def pcapng_start(order, link, nano=False):
    """Section header, interface description, and a block of a kind that nobody knows."""
    options = pcapng_option(order, 9, b"\x09") + bytes(4) if nano else b""
    section = struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)
    interface = struct.pack(order + "HHI", link, 0, pcapio.SNAP_LENGTH)
    return (
        pcapng_block(order, 0x0A0D0D0A, section)
        + pcapng_block(order, 1, interface + options)
        + pcapng_block(order, 0x0BAD, b"whatever")
    )


def pcapng(capture):
    order = ">" if capture.big_endian else "<"
    unit_ns = 1 if capture.nano else 1000
    return pcapng_start(order, capture.link, capture.nano) + b"".join(
        pcapng_packet(order, record.data, record.time_ns // unit_ns) for record in capture.records
    )


def formats(program, report):
    either = (False, True)
    for link, nano, big_endian in itertools.product((ETHERNET, RAW_IP), either, either):
        unit_ns = 1 if nano else 1000
        start_ns = TIME_NS // unit_ns * unit_ns
        frames = [samples.ethernet(p) if link == ETHERNET else p for p in INNER4]
        records = [Record(frame, start_ns + i * unit_ns) for i, frame in enumerate(frames)]
        capture = Capture(link, nano, big_endian, records)
        title = "Ethernet" if link == ETHERNET else "raw IP"
        title += ", nanoseconds" if nano else ", microseconds"
        title += ", big-endian" if big_endian else ", little-endian"
        for kind, data in (("pcap", pcapio.serialize(capture)), ("pcapng", pcapng(capture))):
            name = f"{kind}: {title}"
            report.add(name, protect_faults(program, name, capture, INNER4, SA4, data))
    empty = Capture(RAW_IP)
    report.add("no packets", protect_faults(program, "no packets", empty, [], SA4))
    title = "no packets, pcapng"
    report.add(title, protect_faults(program, title, empty, [], SA4, pcapng(empty)))


# --- Link layer -----------------------------------------------------------------------------


def link_layer(program, report):
    tags = {
        "no tag": b"",
        "one VLAN tag": bytes.fromhex("8100 6064"),
        "two VLAN tags": bytes.fromhex("88a8 0065 8100 6064"),
    }
    for name, tag in tags.items():
        for inner, sa in ((INNER4, SA4), (INNER4, SA6), (INNER6, SA4), (INNER6, SA6)):
            title = f"{name}, IPv{inner[0][0] >> 4} in {sa.name}"
            frames = [samples.ethernet(p, tag).ljust(60, b"\xee") for p in inner]
            capture = pcapio.of_frames(frames, ETHERNET)
            report.add(title, protect_faults(program, title, capture, inner, sa))
    report.add("frames that are not IP", foreign_frame_faults(program))


def foreign_frame_faults(program):
    """Neither direction may let such a frame out, and the packets around them must pass."""
    header = samples.ethernet(INNER4[0])[:12]
    foreign = [samples.ethernet(INNER4[0])[:length] for length in range(14 + 20)]
    foreign += [
        header + bytes.fromhex("0806 0001 0800 0604 0001") + bytes(38),  # ARP
        header + bytes.fromhex("0026 4242 0300 0000 0000") + bytes(36),  # 802.3 with LLC
        header + bytes.fromhex("88cc 0207 04") + bytes(43),  # LLDP
        header + bytes.fromhex("88b5") + bytes(46),  # local experimental
        header + bytes.fromhex("8100"),  # a tag that is cut
        header + bytes.fromhex("8100 6064 0806") + bytes(28),  # ARP in a VLAN
        header + bytes.fromhex("0800") + INNER6[0],  # an EtherType that is wrong
        header + bytes.fromhex("86dd") + INNER4[0],
        header + bytes.fromhex("0800") + bytes(46),
    ]
    faults = []
    for verb, good in (("protect", INNER4[0]), ("unprotect", seal_esp(INNER4[0], SA4.esp, 1))):
        frames = [*foreign, samples.ethernet(good)]
        document = sa_document([SA4], "out" if verb == "protect" else "in")
        capture = pcapio.of_frames(frames, ETHERNET)
        run = program.convert(f"foreign frames {verb}", verb, document, capture)
        found = check_run(run, verb, len(frames))
        passed = [line.get("packet") for line in run.lines if line.get("verdict") == "ok"]
        if passed != [len(frames)]:
            found.append(f"ok are packets {passed}, expected only {len(frames)}")
        faults += [f"{verb}: {fault}" for fault in found]
    return faults


# --- Sizes ----------------------------------------------------------------------------------


def sealed_length(inner_length, sa):
    """Of AES-GCM with a 16-byte ICV: outer header, SPI and number, IV, trailer, ICV."""
    plaintext = inner_length + 2 + -(inner_length + 2) % 4
    return (40 if ":" in sa.esp.src else 20) + 8 + 8 + plaintext + 16


def packet_of_length(like, length):
    header = ip.parse(like)
    fixed = len(samples.udp_packet(header.src, header.dst))
    return samples.udp_packet(header.src, header.dst, samples.make_key("jumbo", length - fixed))


def sizes(program, report):
    """The largest packets that fit, one byte more, and the largest there are."""
    for like, sa in ((INNER4[0], SA4), (INNER4[0], SA6), (INNER6[0], SA4), (INNER6[0], SA6)):
        longest_out = MAX_LENGTH + (40 if sa is SA6 else 0)
        longest_in = MAX_LENGTH + (40 if like is INNER6[0] else 0)
        fits = max(n for n in range(65000, longest_in + 1) if sealed_length(n, sa) <= longest_out)
        lengths = sorted({9000, fits - 1, fits, min(fits + 1, longest_in), longest_in})
        title = f"IPv{like[0] >> 4} in {sa.name} up to {lengths[-1]} bytes"
        packets = [packet_of_length(like, length) for length in lengths]
        report.add(f"protect {title}", long_out_faults(program, title, packets, fits, sa))
        packets = [p for p in packets if len(p) <= fits]
        report.add(f"unprotect {title}", long_in_faults(program, title, packets, sa))


def long_out_faults(program, title, packets, fits, sa):
    capture = pcapio.of_frames(packets, RAW_IP)
    run = program.convert(f"protect {title}", "protect", sa_document([sa], "out"), capture)
    faults = check_run(run, "protect", len(packets))
    if run.faults():
        return faults
    for packet, line in zip(packets, run.lines):
        wanted = "ok" if len(packet) <= fits else "too_long"
        if line.get("verdict") != wanted:
            faults.append(f"{len(packet)} bytes: {line.get('verdict')}, expected {wanted}")
    carried = [packet for packet in packets if len(packet) <= fits]
    sent = Capture(RAW_IP, records=capture.records[: len(carried)])
    return faults + opened_faults(run, sent, carried, sa)


def long_in_faults(program, title, packets, sa):
    sealed = [seal_esp(packet, sa.esp, number) for number, packet in enumerate(packets, 1)]
    capture = pcapio.of_frames(sealed, RAW_IP)
    run = program.convert(f"unprotect {title}", "unprotect", sa_document([sa], "in"), capture)
    faults = check_run(run, "unprotect", len(sealed))
    if run.faults():
        return faults
    expected = [good_outcome(sealed, packets, sa, index) for index in range(len(sealed))]
    return faults + compare_outcomes(run, capture, expected)


def good_outcome(sealed, packets, sa, index):
    opened = open_esp(sealed[index], sa.esp, index + 1)
    return Expected(
        ("ok",),
        sa=sa,
        seq=index + 1,
        output=packets[index],
        next_header=opened.next_header,
        pad_length=opened.pad_length,
        frames=(index,),
    )


# --- Packets that the capture cut -------------------------------------------------------------


def snapped(program, report):
    """A packet shorter than it was on the wire ends as `truncated`, its neighbours pass."""
    sealed = [seal_esp(packet, SA4.esp, number) for number, packet in enumerate(INNER4 * 2, 1)]
    wire_lengths = {1: len(sealed[1]), 3: 0xFFFFFFFF}
    cuts = {1: len(sealed[1]) - 1, 3: 30}
    records, expected = [], []
    for index, packet in enumerate(sealed):
        cut = packet[: cuts.get(index, len(packet))]
        records.append(Record(cut, TIME_NS // 1000 * 1000, wire_lengths.get(index, -1)))
        good = good_outcome(sealed, INNER4 * 2, SA4, index)
        expected.append(Expected(("truncated",)) if index in cuts else good)
    capture = Capture(RAW_IP, records=records)
    run = program.convert("snapped", "unprotect", sa_document([SA4], "in"), capture)
    faults = check_run(run, "unprotect", len(records))
    if not run.faults():
        faults += compare_outcomes(run, capture, expected)
    report.add("snapped packets, unprotect", faults)

    records = [Record(p[: 28 + i], wire_length=len(p)) for i, p in enumerate(INNER4)]
    capture = Capture(RAW_IP, records=records)
    run = program.convert("snapped out", "protect", sa_document([SA4], "out"), capture)
    faults = check_run(run, "protect", len(records))
    verdicts = [line.get("verdict") for line in run.lines]
    wanted = ["ok", "truncated", "truncated"]
    if verdicts != wanted:
        faults.append(f"verdicts {verdicts}, expected {wanted}")
    report.add("snapped packets, protect", faults)


# --- Damaged files ----------------------------------------------------------------------------


def damaged_files():
    good = pcapio.serialize(pcapio.of_frames(INNER4, RAW_IP))
    yield "empty file", b""
    yield "half a magic number", good[:2]
    yield "file header cut", good[:23]
    yield "text", b"This is not a capture file, but it is long enough to be one.\n"
    yield "record header cut", good + good[24:39]
    yield "packet cut", good[:-1]
    for name, length in (("4 GB", 0xFFFFFFFF), ("2 GB", 0x7FFFFFFF), ("16 MB", 1 << 24)):
        record = struct.pack("<IIII", 0, 0, length, length)
        yield f"a packet of {name}", good + record + INNER4[0]
    for name, link in UNSUPPORTED_LINKS.items():
        yield f"link type {name}", pcapio.serialize(pcapio.of_frames(INNER4, link))

    capture = pcapio.of_frames(INNER4, RAW_IP)
    good = pcapng(capture)
    start = pcapng_start("<", RAW_IP)
    yield "pcapng: last block cut", good[:-1]
    yield "pcapng: cut inside a packet", good[:-60]
    yield "pcapng: block of 4 GB", good + struct.pack("<II", 6, 0xFFFFFFFC) + bytes(64)
    yield "pcapng: block of 8 bytes", good + struct.pack("<II", 6, 8) + bytes(64)
    packet = pcapng_packet("<", INNER4[0], 0, captured=0xFFFFFFFF)
    yield "pcapng: packet longer than its block", good + packet
    yield "pcapng: packet of an unknown interface", good + pcapng_packet("<", INNER4[0], 0, 7)
    yield "pcapng: packet before any interface", start[:28] + pcapng_packet("<", INNER4[0], 0)
    yield "pcapng: link type USB", pcapng(pcapio.of_frames(INNER4, UNSUPPORTED_LINKS["USB"]))


def refused_faults(run, status, name):
    """Exit status, one line that names the file, and nothing left."""
    faults = []
    if run.status != status:
        faults.append(f"exit {run.status}, expected {status}; stderr: {run.stderr[:300]!r}")
    if run.stderr.count("\n") != 1 or name not in run.stderr:
        faults.append(f"stderr is not one line that names {name}: {run.stderr[:300]!r}")
    if run.stdout:
        faults.append(f"stdout: {run.stdout[:200]!r}")
    if run.left_files:
        faults.append(f"left {', '.join(run.left_files)}")
    if run.peak_kib > PEAK_KIB:
        faults.append(f"took {run.peak_kib // 1024} MiB")
    return faults


def damaged(program, report):
    document = sa_document([SA4], "out")
    for title, data in damaged_files():
        run = program.convert(f"damaged {title}", "protect", document, data)
        report.add(f"damaged: {title}", refused_faults(run, 1, "in.pcap"))


# --- Command lines ----------------------------------------------------------------------------


def command_lines(program, report):
    doc = ("-c", "doc.yaml")
    with program.folder("command lines") as folder:
        (folder / "doc.yaml").write_text(sa_document([SA4], "out"), encoding="utf-8")
        pcapio.write(folder / "in.pcap", pcapio.of_frames(INNER4, RAW_IP))
        (folder / "folder.pcap").mkdir(exist_ok=True)
        for args in (
            (),
            ("in.pcap",),
            ("protect",),
            ("decrypt", *doc, "in.pcap"),
            ("protect", *OUTPUTS, "in.pcap"),
            ("protect", *doc, *OUTPUTS),
            ("protect", *doc, *OUTPUTS, "in.pcap", "in.pcap"),
            ("protect", *doc, *OUTPUTS, "--colour", "in.pcap"),
            ("protect", *doc, *OUTPUTS, "-x", "in.pcap"),
            ("protect", *doc, "in.pcap", "-o"),
            ("unprotect", "in.pcap", "-c"),
            ("protect", *doc, "-o", "both", "--oob", "both", "in.pcap"),
        ):
            run = program.run(folder, *args)
            faults = []
            if run.status != 2 or run.stdout or not run.stderr or run.left_files:
                faults = [f"exit {run.status}, expected 2; stdout {run.stdout[:100]!r}, "
                          f"stderr {run.stderr[:200]!r}, left {run.left_files}"]
            report.add(f"bad command line: {' '.join(args)}", faults)

        run = program.run(folder, "protect", *doc, *OUTPUTS, "nowhere.pcap")
        report.add("IN that is not there", refused_faults(run, 1, "nowhere.pcap"))
        run = program.run(folder, "protect", *doc, *OUTPUTS, "folder.pcap")
        report.add("IN that is a folder", refused_faults(run, 1, "folder.pcap"))
        run = program.run(folder, "protect", *doc, "-o", "no-folder/x.pcap", "in.pcap")
        report.add("OUT that cannot be made", refused_faults(run, 1, "no-folder/x.pcap"))

        for outputs in ((), ("-o", "/dev/null", "--oob", "/dev/null")):
            run = program.run(folder, "protect", *doc, *outputs, "in.pcap")
            faults = []
            if run.status != 0 or run.stdout or run.left_files:
                faults = [f"exit {run.status}, stdout {run.stdout!r}, left {run.left_files}"]
            report.add(f"nothing is written: {' '.join(outputs)}", faults)
        run = program.run(folder, "--help")
        helps = run.status == 0 and "unprotect" in run.stdout
        report.add("--help", [] if helps else [f"exit {run.status}, stdout {run.stdout!r}"])


DAEMON = """\
eal: [--no-huge]
pairs:
  - {name: east, host: {port: net_tap0}, wire: {port: net_tap1}}
  - {name: west, host: {port: net_tap2}, wire: {port: net_tap3}}
"""


def of_pair(sa, pair):
    """The lines of this association alone, as one of that pair."""
    lines = sa_document([sa], "out").splitlines()[1:]
    return "\n".join([*lines, f"    pair: {pair}"]) + "\n"


def documents_of_daemons(program, report):
    """The document of a daemon is one for captures, too, for one pair at a time."""
    text = DAEMON + "sas:\n" + of_pair(SA6, "west") + of_pair(SA4, "east")
    with program.folder("pairs") as folder:
        (folder / "doc.yaml").write_text(text, encoding="utf-8")
        pcapio.write(folder / "in.pcap", pcapio.of_frames(INNER4, RAW_IP))
        doc = ("protect", "-c", "doc.yaml", *OUTPUTS)
        for pair, sa in (("east", SA4), ("west", SA6)):
            run = program.run(folder, *doc, "--pair", pair, "in.pcap")
            faults = check_run(run, "protect", len(INNER4))
            if not faults:
                faults = opened_faults(run, pcapio.of_frames(INNER4, RAW_IP), INNER4, sa)
            if [s["name"] for s in run.summary.get("sas", [])] != [sa.name]:
                faults.append(f"associations: {run.summary.get('sas')}")
            report.add(f"the pair {pair}", faults)
        run = program.run(folder, *doc, "--pair", "north", "in.pcap")
        report.add("a pair that is not there", refused_faults(run, 1, "north"))
        run = program.run(folder, *doc, "in.pcap")
        report.add("several pairs, and none chosen", refused_faults(run, 1, "doc.yaml"))


def side_by_side(program, report):
    """Many at once, none in the way of another."""
    capture = pcapio.of_frames(INNER4, RAW_IP)

    def one(number):
        return protect_faults(program, f"side by side {number}", capture, INNER4, SA4)

    with ThreadPoolExecutor(8) as pool:
        faults = [fault for found in pool.map(one, range(8)) for fault in found]
    report.add("eight at once", faults)


def main():
    args = arguments(__doc__.splitlines()[0]).parse_args()
    program = Program(args.program, args.keep)
    report = Report()
    tables = (formats, link_layer, sizes, snapped, damaged, command_lines, documents_of_daemons)
    for table in (*tables, side_by_side):
        table(program, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
