# SPDX-License-Identifier: BSD-3-Clause
"""Is every bad document refused by one line with file, line and field, and nothing else?

A table of documents.  In their texts "# <--" marks the line that the message must name: that of the
offending value, of the unknown key, or of the beginning of the mapping that lacks a field.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import pcapio
import samples
from program import OUTPUTS, Program, arguments
from report import Report

MARK = "  # <--"
CPU_SECONDS = 1.0
PEAK_KIB = 256 * 1024
TEN_MB = 10_000_000
MESSAGE = re.compile(r"doc\.yaml:(?P<line>\d+): (?P<text>.+)\n")

KEY_16 = "000102030405060708090a0b0c0d0e0f"
KEY_GCM = KEY_16 + "a0a1a2a3"
KEY_SHA1 = KEY_16 + "10111213"

OUT = f"""\
sas:
  - name: a
    direction: out
    mode: tunnel
    src: 192.0.2.1
    dst: 198.51.100.1
    esp:
      spi: 0x1001
      encryption: aes-gcm-128
      encryption_key: "{KEY_GCM}"
"""
IN = f"""\
sas:
  - name: b
    direction: in
    mode: tunnel
    src: 198.51.100.1
    dst: 192.0.2.1
    replay_window: 64
    esp:
      spi: 0x2001
      encryption: aes-cbc-128
      encryption_key: "{KEY_16}"
      integrity: hmac-sha1-96
      integrity_key: "{KEY_SHA1}"
"""
POLICY = """\
policies:
  - name: p
    direction: out
    src: 10.1.0.0/16
    dst: 10.2.0.0/16
    protocol: udp
    dport: 53
    action: protect
    sas: [a]
"""
SECOND_OUT = f"""\
  - name: a2
    direction: out
    mode: tunnel
    src: 192.0.2.1
    dst: 198.51.100.1
    esp:
      spi: 0x1002
      encryption: aes-gcm-128
      encryption_key: "{KEY_16}b0b1b2b3"
"""
JSON = f"""\
{{"sas": [{{"name": "a", "direction": "out", "mode": "tunnel", "src": "192.0.2.1",
"dst": "198.51.100.1", "esp": {{"spi": 4097, "encryption": "aes-gcm-128",
"encryption_key": "{KEY_GCM}"}}}}]}}
"""


@dataclass(frozen=True)
class Bad:
    title: str
    text: object  # str with a mark, or bytes
    fields: tuple = ()  # acceptable paths; none: the parser stopped, the field is its affair
    words: str = ""
    line: int = 0  # where the text has no mark; 0: any line


def change(text, old, new):
    """The text with old, which must stand in it once, replaced."""
    if text.count(old) != 1:
        raise ValueError(f"{old!r} stands {text.count(old)} times in the text")
    return text.replace(old, new)


def edit(text, old, new):
    """change(), and new, which ends its line, is marked."""
    return change(text, old, new + MARK)


def marked(text, part):
    return edit(text, part, part)


def without(text, line, begins):
    """The text without a line; the line where its mapping begins is marked."""
    return marked(change(text, line + "\n", ""), begins)


def sa_key(text, line):
    """The text with one more key in its first association."""
    return change(text, "    esp:\n", f"    {line}{MARK}\n    esp:\n")


def esp_key(text, line):
    return change(text, "      spi:", f"      {line}{MARK}\n      spi:")


def unknown_keys():
    yield Bad("unknown key at the top", OUT + f"colour: red{MARK}\n", ("colour",))
    yield Bad("unknown key in an SA", sa_key(OUT, "colour: red"), ("sas[0].colour",))
    yield Bad("unknown key in esp", esp_key(OUT, "key: 00"), ("sas[0].esp.key",))
    outer = sa_key(OUT, "outer: {tos: 0}")
    yield Bad("unknown key in outer", outer, ("sas[0].outer.tos",))
    policy = change(POLICY, "    action:", f"    colour: red{MARK}\n    action:")
    yield Bad("unknown key in a policy", OUT + policy, ("policies[0].colour",))
    second = edit(SECOND_OUT, "mode: tunnel", "mood: tunnel")
    yield Bad("unknown key in the second SA", OUT + second, ("sas[1].mood",))


def missing_fields():
    for line in ("direction: out", "mode: tunnel", "src: 192.0.2.1", "dst: 198.51.100.1"):
        key = line.split(":")[0]
        text = without(OUT, f"    {line}", "- name: a")
        yield Bad(f"no {key}", text, (f"sas[0].{key}",))
    text = marked(change(OUT, "  - name: a\n    dir", "  - dir"), "- direction: out")
    yield Bad("no name", text, ("sas[0].name",))
    text = without(OUT, "      spi: 0x1001", "encryption: aes-gcm-128")
    yield Bad("no spi", text, ("sas[0].esp.spi",))
    text = without(OUT, "      encryption: aes-gcm-128", "spi: 0x1001")
    yield Bad("no encryption", text, ("sas[0].esp.encryption",))
    text = without(OUT, f'      encryption_key: "{KEY_GCM}"', "spi: 0x1001")
    yield Bad("no encryption key", text, ("sas[0].esp.encryption_key",))
    text = without(IN, f'      integrity_key: "{KEY_SHA1}"', "spi: 0x2001")
    yield Bad("no integrity key", text, ("sas[0].esp.integrity_key",))
    text = marked(OUT[: OUT.index("    esp:")], "- name: a")
    yield Bad("neither esp nor ah", text, ("sas[0].esp", "sas[0]"))
    for line in ("direction: out", "action: protect", "sas: [a]"):
        key = line.split(":")[0]
        text = OUT + without(POLICY, f"    {line}", "- name: p")
        yield Bad(f"policy: no {key}", text, (f"policies[0].{key}",))


def wrong_values():
    """Values that are wrong whatever stands beside them: text, old, new, path."""
    changes = (
        (OUT, "name: a", "name: a b", "sas[0].name"),
        (OUT, "name: a", "name: " + "n" * 64, "sas[0].name"),
        (OUT, "name: a", 'name: ""', "sas[0].name"),
        (OUT, "direction: out", "direction: both", "sas[0].direction"),
        (OUT, "mode: tunnel", "mode: beet", "sas[0].mode"),
        (OUT, "src: 192.0.2.1", "src: 192.0.2.256", "sas[0].src"),
        (OUT, "src: 192.0.2.1", "src: 192.0.2.0/24", "sas[0].src"),
        (OUT, "dst: 198.51.100.1", "dst: 2001:db8::1", "sas[0].dst"),
        (OUT, "spi: 0x1001", "spi: 255", "sas[0].esp.spi"),
        (OUT, "spi: 0x1001", "spi: 0x100000000", "sas[0].esp.spi"),
        (OUT, "spi: 0x1001", "spi: -4097", "sas[0].esp.spi"),
        (OUT, "spi: 0x1001", "spi: 0x1001z", "sas[0].esp.spi"),
        (OUT, "spi: 0x1001", "spi: [0x1001]", "sas[0].esp.spi"),
        (OUT, "aes-gcm-128", "aes-gcm-129", "sas[0].esp.encryption"),
        (OUT, KEY_GCM + '"', KEY_16 + '"', "sas[0].esp.encryption_key"),
        (OUT, KEY_GCM + '"', KEY_GCM + '00"', "sas[0].esp.encryption_key"),
        (OUT, KEY_GCM + '"', KEY_GCM[:-1] + '"', "sas[0].esp.encryption_key"),
        (OUT, KEY_GCM + '"', KEY_GCM[:-1] + 'g"', "sas[0].esp.encryption_key"),
        (OUT, KEY_GCM + '"', '"', "sas[0].esp.encryption_key"),
        (IN, KEY_16 + '"', KEY_GCM + '"', "sas[0].esp.encryption_key"),
        (IN, KEY_SHA1 + '"', KEY_16 + '"', "sas[0].esp.integrity_key"),
        (IN, "hmac-sha1-96", "hmac-sha1-97", "sas[0].esp.integrity"),
        (IN, "replay_window: 64", "replay_window: 65537", "sas[0].replay_window"),
        (IN, "replay_window: 64", "replay_window: -1", "sas[0].replay_window"),
        (IN, "replay_window: 64", "replay_window: many", "sas[0].replay_window"),
        (POLICY, "src: 10.1.0.0/16", "src: 10.1.0.0/33", "policies[0].src"),
        (POLICY, "src: 10.1.0.0/16", "src: nowhere", "policies[0].src"),
        (POLICY, "dst: 10.2.0.0/16", "dst: 2001:db8::/32", "policies[0].dst"),
        (POLICY, "dport: 53", "dport: 65536", "policies[0].dport"),
        (POLICY, "dport: 53", 'dport: "20-10"', "policies[0].dport"),
        (POLICY, "protocol: udp", "protocol: 256", "policies[0].protocol"),
        (POLICY, "protocol: udp", "protocol: no-such-protocol", "policies[0].protocol"),
        (POLICY, "action: protect", "action: encrypt", "policies[0].action"),
    )
    for text, old, new, path in changes:
        changed = edit(text, old, new)
        title = f"{path} {new.split(': ')[-1][-24:]}"
        yield Bad(title, OUT + changed if text is POLICY else changed, (path,))
    keys = (
        ("esn: perhaps", "esn"),
        ("sequence: -1", "sequence"),
        ("sequence: 18446744073709551616", "sequence"),
        ("group: a b", "group"),
        ("outer: {dscp: 64}", "outer.dscp"),
        ("outer: {df: perhaps}", "outer.df"),
        ("outer: {ecn: copy}", "outer.ecn"),
        ("outer: {ttl: 0}", "outer.ttl"),
        ("outer: {ttl: 256}", "outer.ttl"),
        ("outer: {flow_label: 0x100000}", "outer.flow_label"),
        ("outer: 5", "outer"),
        ("tfc: {pad_to: 3}", "tfc.pad_to"),
        ("tfc: {pad_to: 65535}", "tfc.pad_to"),
        ("tfc: {dummy_rate: 100001}", "tfc.dummy_rate"),
        ("tfc: 256", "tfc"),
    )
    for line, path in keys:
        yield Bad(line, sa_key(OUT, line), (f"sas[0].{path}",))
    yield Bad("icv_bytes: 10", esp_key(OUT, "icv_bytes: 10"), ("sas[0].esp.icv_bytes",))
    yield Bad("sas is a number", f"sas: 5{MARK}\n", ("sas",))
    yield Bad("an SA is a number", f"sas:\n  - 5{MARK}\n", ("sas[0]",))


def contradictions():
    yield Bad("outer on an in SA", sa_key(IN, "outer: {ttl: 64}"), ("sas[0].outer",))
    text = change(OUT, "mode: tunnel", "mode: transport")
    yield Bad("tfc on an in SA", sa_key(IN, "tfc: {pad_to: mtu}"), ("sas[0].tfc",))
    yield Bad("outer in transport mode", sa_key(text, "outer: {ttl: 64}"), ("sas[0].outer",))
    yield Bad("window on an out SA", sa_key(OUT, "replay_window: 64"), ("sas[0].replay_window",))
    text = esp_key(OUT, "integrity: hmac-sha1-96")
    yield Bad("integrity beside AEAD", text, ("sas[0].esp.integrity",))
    text = edit(IN, "hmac-sha1-96", "none")
    yield Bad("encryption, integrity none", text, ("sas[0].esp.integrity",))
    cbc = f'encryption: aes-cbc-128\n      encryption_key: "{KEY_16}"'
    gcm = f'encryption: aes-gcm-128\n      encryption_key: "{KEY_GCM}"'
    text = marked(change(OUT, gcm, cbc), "spi: 0x1001")
    yield Bad("encryption without integrity", text, ("sas[0].esp.integrity",))
    text = esp_key(IN, "icv_bytes: 16")
    yield Bad("an ICV length that HMAC-SHA1-96 has not", text, ("sas[0].esp.icv_bytes",))
    text = change(sa_key(IN, "esn: true"), MARK, "")
    text = without(text, "    replay_window: 64", "- name: b")
    yield Bad("esn in without a window", text, ("sas[0].replay_window",))
    text = edit(change(sa_key(IN, "esn: true"), MARK, ""), "window: 64", "window: 0")
    yield Bad("esn in with the window off", text, ("sas[0].replay_window",))
    for unit in ("bytes", "packets", "seconds"):
        text = sa_key(OUT, f"lifetime: {{soft_{unit}: 1001, hard_{unit}: 1000}}")
        yield Bad(f"more soft {unit} than hard ones", text, (f"sas[0].lifetime.soft_{unit}",))
    text = sa_key(OUT, "lifetime: {packets: 1000}")
    yield Bad("unknown key in lifetime", text, ("sas[0].lifetime.packets",))
    text = sa_key(OUT, "sequence: 4294967296")
    yield Bad("64-bit sequence without esn", text, ("sas[0].sequence",))

    second = edit(SECOND_OUT, "name: a2", "name: a")
    yield Bad("a name twice", OUT + second, ("sas[1].name",))
    second = marked(change(IN[len("sas:\n") :], "name: b", "name: c"), "spi: 0x2001")
    yield Bad("the same in SPI twice", IN + second, ("sas[1].esp.spi",))
    second = edit(SECOND_OUT, f'"{KEY_16}b0b1b2b3"', f'"{KEY_GCM}"')
    yield Bad("a GCM key and salt on two out SAs", OUT + second, ("sas[1].esp.encryption_key",))
    text = change(OUT, "direction: out", "direction: in\n    replay_window: 64")
    yield Bad("a GCM key and salt on in and out", text + second, ("sas[1].esp.encryption_key",))

    text = edit(POLICY, "sas: [a]", "sas: [nobody]")
    path = ("policies[0].sas[0]", "policies[0].sas")
    yield Bad("policy names an unknown group", OUT + text, path)
    text = marked(change(POLICY, "protocol: udp", "protocol: esp"), "dport: 53")
    yield Bad("ports of a protocol that has none", OUT + text, ("policies[0].dport",))
    text = edit(POLICY, "dport: 53", "icmp_type: 8")
    yield Bad("ICMP type of UDP", OUT + text, ("policies[0].icmp_type",))
    text = POLICY + marked(POLICY[len("policies:\n") :], "name: p")
    yield Bad("a policy name twice", OUT + text, ("policies[1].name",))


def legacy_algorithms():
    """What is broken must be asked for in so many words."""
    text = edit(IN, "integrity: hmac-sha1-96", "integrity: hmac-md5-96")
    text = text.replace(KEY_SHA1, KEY_SHA1[:32])
    yield Bad("HMAC-MD5", text, ("sas[0].esp.integrity",), "legacy_algorithms: true")
    text = "legacy_algorithms: false\n" + text
    yield Bad("HMAC-MD5 refused", text, ("sas[0].esp.integrity",), "legacy_algorithms: true")
    text = edit(OUT, "encryption: aes-gcm-128", "encryption: des-cbc")
    key_lines = f'integrity: hmac-sha1-96\n      integrity_key: "{KEY_SHA1}"'
    text = text.replace(f'"{KEY_GCM}"', f'"{KEY_GCM[:16]}"\n      {key_lines}')
    yield Bad("DES", text, ("sas[0].esp.encryption",), "legacy_algorithms: true")


def not_yaml():
    """What the YAML itself may not be.  Where the parser stops, the field is its affair."""
    text = change(OUT, "mode: tunnel", f"mode: tunnel\n    mode: tunnel{MARK}")
    yield Bad("a key twice", text, ("sas[0].mode",))
    yield Bad("sas twice", OUT + change(IN, "sas:\n", f"sas:{MARK}\n"), ("sas",))
    yield Bad("a second document", OUT + "---\n" + IN, line=OUT.count("\n") + 1)
    yield Bad("an anchor", edit(OUT, "mode: tunnel", "mode: &m tunnel"))
    yield Bad("an alias", edit(OUT, "mode: tunnel", "mode: *m"))
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n"
    for here, there in zip("bcdefghij", "abcdefghi"):
        bomb += f"{here}: &{here} [" + ",".join([f"*{there}"] * 9) + "]\n"
    yield Bad("an alias bomb", bomb, line=1)
    yield Bad("a list at the top", "- 1\n- 2\n", line=1)
    yield Bad("a word at the top", "hello\n", line=1)
    yield Bad("a tab as indentation", edit(OUT, "    mode: tunnel", "\tmode: tunnel"))
    yield Bad("an open quote", "sas:\n  - name: 'a\n")
    yield Bad("an open bracket", "sas: [\n")
    nul_at = OUT.encode().index(b"tunnel")
    text = OUT.encode()
    yield Bad("a NUL byte", text[:nul_at] + b"\0" + text[nul_at:], line=4)
    yield Bad("an escaped NUL", edit(OUT, "mode: tunnel", 'mode: "tunnel\\0"'), ("sas[0].mode",))
    yield Bad("bad UTF-8", text[:nul_at] + b"\xff\xfe" + text[nul_at:], line=4)
    yield Bad("UTF-16, little endian", OUT.encode("utf-16"), line=1)
    yield Bad("UTF-16, big endian", b"\xfe\xff" + OUT.encode("utf-16-be"), line=1)
    for piece in ("[", "{", "- ", "a: {", "? "):
        yield Bad(f"10 MB of {piece!r}", piece.encode() * (TEN_MB // len(piece)), line=1)
    yield Bad("10 MB of one word", b"sas: " + b"a" * TEN_MB, ("sas",), line=1)
    yield Bad("10 MB of zeros", bytes(TEN_MB), line=1)
    text = change(JSON, KEY_GCM, KEY_16)
    yield Bad("JSON with a short key", text, ("sas[0].esp.encryption_key",), line=3)


def good_documents():
    """What must be accepted, so that the refusals above mean something."""
    yield "one out SA", OUT
    yield "one in SA", IN
    yield "both", OUT + IN[len("sas:\n") :]
    yield "two out SAs with different salts", OUT + SECOND_OUT
    yield "with a policy", OUT + POLICY
    yield "CRLF", OUT.replace("\n", "\r\n")
    yield "comments and a document start", "# x\n---\n" + marked(OUT, "mode: tunnel")
    yield "decimal SPI", change(OUT, "0x1001", "4294967295")
    yield "upper-case hex", OUT.replace(KEY_GCM, KEY_GCM.upper())
    yield "the longest name", change(OUT, "name: a", "name: Az09._+:-" + "x" * 54)
    text = sa_key(OUT, "esn: true")
    number = "    sequence: 18446744073709551000\n"
    yield "64-bit sequence", change(text, "    esp:", number + "    esp:")
    for line in (
        "group: east",
        "sequence: 4294967295",
        "outer: {dscp: copy, df: copy, ecn: rfc6040, ttl: 64, flow_label: copy}",
        "outer: {dscp: 63, df: set, ttl: 255, flow_label: 0xfffff}",
        "outer: {dscp: 0, df: clear, ttl: 1, flow_label: 0}",
    ):
        yield line, sa_key(OUT, line)
    for window in (0, 1, 65536):
        yield f"window {window}", change(IN, "window: 64", f"window: {window}")
    for icv_bytes in (8, 12, 16):
        yield f"icv_bytes {icv_bytes}", esp_key(OUT, f"icv_bytes: {icv_bytes}")
    yield "integrity none beside AEAD", esp_key(OUT, "integrity: none")
    text = change(IN, f'aes-cbc-128\n      encryption_key: "{KEY_16}"', "null")
    yield "null without a key", text
    yield "transport", change(OUT, "tunnel", "transport")
    text = change(OUT, "192.0.2.1", "2001:db8::1")
    yield "IPv6", change(text, "198.51.100.1", "2001:DB8::2")
    for old, new in (
        ("dport: 53", 'dport: "1024-65535"'),
        ("dport: 53", "sport: 1"),
        ("dport: 53", "priority: 7"),
        ("udp\n    dport: 53", "any"),
        ("udp\n    dport: 53", "17"),
        ("udp\n    dport: 53", "icmp\n    icmp_type: 8"),
        ("udp\n    dport: 53", "ipv6-icmp\n    icmp_type: 128"),
        ("protect\n    sas: [a]", "bypass"),
        ("protect\n    sas: [a]", "discard"),
        ("src: 10.1.0.0/16\n    dst: 10.2.0.0/16", "src: any\n    dst: any"),
        ("src: 10.1.0.0/16\n    dst: 10.2.0.0/16", "src: 2001:db8::/32\n    dst: 2001:db8::1"),
    ):
        yield f"policy: {new!r}", OUT + change(POLICY, old, new)
    yield "JSON", JSON


def expected_line(bad):
    if bad.line or isinstance(bad.text, bytes) or MARK not in bad.text:
        return bad.line
    if bad.text.count(MARK) != 1:
        raise ValueError(f"{bad.title}: {bad.text.count(MARK)} marks")
    return bad.text[: bad.text.index(MARK)].count("\n") + 1


def refusal_faults(run, line=0, fields=(), words=""):
    faults = []
    if run.status != 1:
        faults.append(f"exit {run.status}, expected 1; stderr: {run.stderr[:200]!r}")
    if run.stdout:
        faults.append(f"stdout: {run.stdout[:100]!r}")
    if run.left_files:
        faults.append(f"left {', '.join(run.left_files)}")
    if run.cpu_seconds > CPU_SECONDS:
        faults.append(f"took {run.cpu_seconds:.1f} s of CPU time")
    if run.peak_kib > PEAK_KIB:
        faults.append(f"took {run.peak_kib // 1024} MiB")
    message = MESSAGE.fullmatch(run.stderr)
    if not message:
        return faults + [f"stderr is not one line FILE:LINE: FIELD: text: {run.stderr[:300]!r}"]
    if line and int(message["line"]) != line:
        faults.append(f"names line {message['line']}, expected {line}: {run.stderr.strip()[:200]}")
    text = message["text"]
    if fields and not any(text.startswith(f"{field}: ") for field in fields):
        faults.append(f"expected field {' or '.join(fields)}: {run.stderr.strip()[:200]}")
    if words not in text:
        faults.append(f"does not say {words!r}: {run.stderr.strip()[:200]}")
    return faults


def run_document(program, title, text):
    """A run over a capture with one packet; the document is text or bytes."""
    packet = samples.udp_packet("10.1.0.7", "10.2.0.9")
    with program.folder(f"document {title}") as folder:
        data = text if isinstance(text, bytes) else text.encode()
        (folder / "doc.yaml").write_bytes(data)
        pcapio.write(folder / "in.pcap", pcapio.of_frames([packet], pcapio.RAW_IP))
        return program.run(folder, "protect", "-c", "doc.yaml", *OUTPUTS, "in.pcap")


def missing_file_faults(program):
    with program.folder("document missing") as folder:
        pcapio.write(folder / "in.pcap", pcapio.of_frames([], pcapio.RAW_IP))
        run = program.run(folder, "protect", "-c", "nowhere.yaml", *OUTPUTS, "in.pcap")
    if run.status != 1 or run.stderr.count("\n") != 1 or "nowhere.yaml" not in run.stderr:
        return [f"exit {run.status}, stderr {run.stderr!r}: expected 1 and a line with the name"]
    return []


def main():
    args = arguments(__doc__.splitlines()[0]).parse_args()
    program = Program(args.program, args.keep)
    report = Report()
    tables = (
        unknown_keys, missing_fields, wrong_values, contradictions, legacy_algorithms,
        not_yaml,
    )
    for table in tables:
        for bad in table():
            run = run_document(program, bad.title, bad.text)
            faults = refusal_faults(run, expected_line(bad), bad.fields, bad.words)
            report.add(f"{table.__name__}: {bad.title}", faults)
    for title, text in good_documents():
        run = run_document(program, f"good {title}", text)
        report.add(f"accepted: {title}", run.faults())
    report.add("a document that is not there", missing_file_faults(program))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
