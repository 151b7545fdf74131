#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Do PROTOCOL.md, the C code and the python client speak of the same bytes?

    protocol_test.py [--regenerate] PROTOCOL.md msg.h DUMP-PROGRAM

Blocks that open with ```dump NAME hold the message of that name, member by member; those that open
with ```layout NAME the members of struct fer_msg_NAME.  --regenerate writes them anew: look at the
difference.
"""

import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "test" / "support"))
import ferrule_ctl as ctl  # noqa: E402

KEY = bytes(range(64))
GCM = {
    "name": "east-out-1", "group": "east", "direction": "out", "mode": "tunnel",
    "src": "192.0.2.1", "dst": "198.51.100.1", "lifetime": {"hard_packets": 1000000},
    "esp": {"spi": 0x1001, "encryption": "aes-gcm-128", "encryption_key": KEY[:20].hex(),
            "icv_bytes": 16},
}
CBC = {
    "direction": "in", "mode": "tunnel", "src": "2001:db8::1", "dst": "2001:db8::2",
    "esn": True, "sequence_high": 7,
    "esp": {"spi": 0x1002, "encryption": "aes-cbc-128", "encryption_key": KEY[:16].hex(),
            "integrity": "hmac-sha2-256-128", "integrity_key": KEY[:32].hex()},
}
SHA512 = CBC | {
    "name": "east-in-2", "group": "east", "replay_window": 1024,
    "esp": CBC["esp"] | {"integrity": "hmac-sha2-512-256", "integrity_key": KEY.hex()},
}
WEB = {"name": "web", "priority": 10, "direction": "out", "src": "10.1.0.0/16",
       "dst": "10.2.0.0/16", "protocol": "tcp", "dport": 80, "action": "protect", "sas": ["east"]}


def request(number, oid, data, pair=0):
    return ctl.frame(ctl.SET, ctl.OID[oid], data, pair, number)


# What the python client makes of the same requests.
BUILT = {
    "add-sa": request(1, "ADD_SA", ctl.add_sa([GCM, CBC])),
    "add-sa-ex": request(2, "ADD_SA_EX", ctl.add_sa_ex(CBC)),
    "update-sa": request(3, "UPDATE_SA", ctl.update_sa(0x100000002, ctl.ESP, 0x1002, 8)),
    "delete-sa": request(4, "DELETE_SA", ctl.delete_sa([0x100000001, 0x100000002])),
    "cancel": ctl.frame(ctl.CANCEL, request_id=4),
    "current-config": ctl.frame(ctl.QUERY, ctl.OID["CURRENT_CONFIG"], request_id=5, room=65536),
    "offload-parameters": request(6, "OFFLOAD_PARAMETERS",
                                  ctl.offload_parameters(2, ipsec_v2=3)),
    "offload-encapsulation": request(7, "OFFLOAD_ENCAPSULATION", ctl.offload_encapsulation(
        ipv4_enabled=1, ipv4_encapsulation_type=2, ipv4_header_size=14)),
    "sa-add": request(8, "SA_ADD", ctl.sa_add([GCM])),
    "sa-swap": request(9, "SA_SWAP", ctl.sa_swap([SHA512], 30000)),
    "sa-delete": request(10, "SA_DELETE", ctl.sa_refs(["east-out-1", 0x100000003])),
    "sa-list": ctl.frame(ctl.QUERY, ctl.OID["SA_LIST"], ctl.page(4096), request_id=11, room=65536),
    "policy-add": request(12, "POLICY_ADD", ctl.policy_add([WEB])),
    "subscribe": request(15, "SUBSCRIBE", ctl.subscribe(1 | 1 << 6), ctl.ALL_PAIRS),
}

# What the python client reads in those that the daemon sends.
READ = {
    "add-sa-done": (ctl.handles, [0x100000001, 0x100000002]),
    "current-config-done": (lambda d: ctl.offload(d)["sa_offload_capacity"], 1024),
    "sa-add-done": (ctl.handles, [0x100000003]),
    "sa-add-refused": (ctl.refusal, (0, "the key and salt of a live SA")),
    "sa-list-refused": (len, 0),
    "sa-list-done": (lambda d: [(s["name"], s["src"], s["esp_spi"], s["flags"], s["packets"])
                                for s in map(ctl.sa_info, ctl.elements(ctl.SA_INFO, d)[0])],
                     [("east-out-1", "192.0.2.1", 0x1001, ["active"], 17)]),
    "stats-drop-done": (ctl.table, ([("east", {"bad_icv": 3, "replay": 1})], 0)),
    "port-list-done": (lambda d: [(p["name"], p["mac"], p["mtu"], p["role"], p["link"])
                                  for p in map(ctl.port, ctl.elements(ctl.PORT, d)[0])],
                       [("wire0", "02:00:00:00:00:01", 1500, "wire", True)]),
    "event": (lambda d: (lambda e: (e["kind"], e["src"], e["spi"], e["number"], e["suppressed"]))(
        ctl.event(d)), ("bad_icv", "198.51.100.1", 0x1002, 0x100000011, 41)),
    "hello": (lambda d: (lambda h: (h["product"], h["pairs"][0]["name"],
                                    h["pairs"][0]["host_mode"]))(ctl.hello(d)),
              ("ferrule 0.1.0", "east", "stack")),
}

# The structures of each message, one behind the other; a string is so many bytes of that name.
PARTS = {
    "add-sa": [ctl.ADD_SA, "keys 20", "up to a multiple of 8 4", ctl.ADD_SA, "keys 48"],
    "add-sa-done": ["handle 8", "handle 8"],
    "add-sa-ex": [ctl.ADD_SA_EX, "keys 48"],
    "update-sa": [ctl.UPDATE_SA],
    "delete-sa": [ctl.DELETE_SA, ctl.DELETE_SA],
    "current-config-done": [ctl.OFFLOAD],
    "offload-parameters": [ctl.PARAMETERS],
    "offload-encapsulation": [ctl.ENCAPSULATION],
    "sa-add": [ctl.SA_ADD, ctl.SA, ctl.ADD_SA_EX, "keys 20"],
    "sa-add-done": ["handle 8"],
    "sa-add-refused": [ctl.REFUSAL],
    "sa-swap": [ctl.SA_SWAP, ctl.SA, ctl.ADD_SA_EX, "keys 80"],
    "sa-delete": [ctl.LIST, ctl.SA_REF, ctl.SA_REF],
    "sa-list": [ctl.PAGE],
    "sa-list-done": [ctl.LIST, ctl.SA_INFO],
    "policy-add": [ctl.LIST, ctl.POLICY],
    "stats-drop-done": [ctl.TABLE, "column 32", "column 32", "label 64", "number 8", "number 8"],
    "port-list-done": [ctl.LIST, ctl.PORT],
    "subscribe": [ctl.SUBSCRIBE],
    "event": [ctl.EVENT],
    "hello": [ctl.HELLO_FRONT, ctl.PAIR],
}


def members_of(part, data):
    """Name and bytes of every member that data has."""
    if isinstance(part, str):
        name, size = part.rsplit(" ", 1)
        return [(name, data[:int(size)])]
    out, at = [], 0
    for name, fmt in part.members:
        size = ctl.struct.calcsize(fmt)
        if at < len(data):
            out.append((name, data[at:at + size]))
        at += size
    return out


def hex_of(raw):
    """Bytes in hex; a long tail of zeros is counted."""
    head = raw.rstrip(b"\0")
    zeros = len(raw) - len(head)
    if zeros < 9:
        return raw.hex(" ")
    return f"{head.hex(' ')} 00*{zeros}".strip()


def value_of(name, raw):
    if len(raw) in (2, 4, 8) and not raw.isascii() or len(raw) > 8 and not raw.strip(b"\0"):
        return ""
    word = raw.rstrip(b"\0")
    if len(raw) >= 24 and word.isascii() and word.decode().isprintable():
        return f' "{word.decode()}"'
    return ""


def lines(data, parts):
    at, out, quiet = 0, [], []

    def flush():
        if quiet:
            first = quiet[0]
            name = first[1] if len(quiet) == 1 else f"{first[1]} ... {quiet[-1][1]}"
            out.append((first[0], hex_of(b"".join(m[2] for m in quiet)), f"{name}: 0"))
            quiet.clear()

    for part in parts:
        for name, raw in members_of(part, data[at:]):
            name = re.sub(r"^([01])_", r"SecAssoc[\1].", name)
            if not raw.strip(b"\0"):
                quiet.append((at, name, raw))
            else:
                flush()
                rows = [raw] if len(hex_of(raw)) <= 60 else [raw[i:i + 16]
                                                             for i in range(0, len(raw), 16)]
                for i, row in enumerate(rows):
                    out.append((at + 16 * i, hex_of(row),
                                name + value_of(name, raw) if i == 0 else ""))
            at += len(raw)
        flush()
    assert at == len(data), f"{len(data) - at} bytes are not explained"
    return [f"{where:04x}  {digits:<48}  {words}".rstrip() for where, digits, words in out]


TYPES = ("", "hello", "query", "set", "cancel", "completion", "indication")


def header_lines(raw):
    h = ctl.HEADER.unpack(raw)
    words = [
        f"magic, version {h['version']}, {TYPES[h['type']]}, id {h['id']}",
        f"oid {h['oid']:#010x}, status {h['status']:#010x}, length {h['length']}, room {h['room']}",
        f"bytes_done {h['bytes_done']}, bytes_needed {h['bytes_needed']}, pair {h['pair']:#x}, "
        f"revision {h['revision']}",
    ]
    return [f"{16 * i:04x}  {raw[16 * i:16 * i + 16].hex(' '):<48}  {w}"
            for i, w in enumerate(words)]


def block(name, data):
    """The text of a dump: the header, then the information buffer, whose offsets start at 0."""
    body = data[ctl.HEADER.size:]
    text = header_lines(data[:ctl.HEADER.size])
    if body:
        text += [""] + lines(body, PARTS[name])
    return "\n".join(text) + "\n"


SIZES = {"uint8_t": 1, "char": 1, "uint16_t": 2, "uint32_t": 4, "uint64_t": 8,
         "struct ndis_offload": 0xB4}
STRUCT = re.compile(r"^struct (fer_msg_\w+) \{\n(.*?)^\};", re.M | re.S)
MEMBER = re.compile(r"^\t((?:struct )?\w+) (\w+)((?:\[\w+\])*);(?:\s*// (.*))?$")


def structures(header):
    """Of every structure of msg.h, the members: name, offset, bytes, comment."""
    numbers = {k: int(v) for k, v in re.findall(r"^#define (FER_MSG_\w+) (\d+)$", header, re.M)}
    sizes, out = dict(SIZES), {}
    for name, body in STRUCT.findall(header):
        at, members = 0, []
        for line in filter(None, body.split("\n")):
            found = MEMBER.match(line)
            assert found, f"struct {name}: {line}"
            kind, member, dimensions, comment = found.groups()
            size = sizes[kind]
            for n in re.findall(r"\w+", dimensions):
                size *= numbers.get(n) or int(n)
            members.append((member, at, size, comment or ""))
            at += size
        sizes[f"struct {name}"], out[name.removeprefix("fer_msg_")] = at, members
    return out


def layout(members):
    end = members[-1][1] + members[-1][2]
    return "\n".join(f"{at:04x}  {size:>3}  {name:<18} {comment}".rstrip()
                     for name, at, size, comment in members) + f"\n{end:04x}\n"


LAYOUTS = {
    "header": ctl.HEADER, "list": ctl.LIST, "page": ctl.PAGE, "table": ctl.TABLE,
    "refusal": ctl.REFUSAL, "hello": ctl.HELLO_FRONT, "pair": ctl.PAIR, "port": ctl.PORT,
    "sa": ctl.SA, "sa_add": ctl.SA_ADD, "sa_swap": ctl.SA_SWAP, "sa_ref": ctl.SA_REF,
    "sa_info": ctl.SA_INFO, "policy": ctl.POLICY, "policy_ref": ctl.POLICY_REF,
    "subscribe": ctl.SUBSCRIBE, "event": ctl.EVENT,
}


def offsets(of):
    """Where the members of a structure of the python client begin, by name."""
    at, out = 0, {}
    for name, fmt in of.members:
        out[name] = at
        at += ctl.struct.calcsize(fmt)
    return out, at


def compare_layouts(structs):
    for name, of in LAYOUTS.items():
        ours, size = offsets(of)
        theirs = structs[name]
        if size != theirs[-1][1] + theirs[-1][2]:
            yield f"{name}: the python client has another size"
        for member, at, _, _ in theirs:
            if member in ours and ours[member] != at:
                yield f"{name}.{member}: the python client has it elsewhere"


def compare_messages(made, shown):
    for name in sorted(made.keys() | shown.keys() | BUILT.keys() | READ.keys()):
        if name not in made or name not in shown:
            yield f"{name}: not both made and shown"
            continue
        if shown[name] != block(name, made[name]):
            yield f"{name}: PROTOCOL.md shows other bytes"
        if name in BUILT and BUILT[name] != made[name]:
            yield f"{name}: the python client makes other bytes\n  {BUILT[name].hex()}"
        if name in READ and READ[name][0](made[name][ctl.HEADER.size:]) != READ[name][1]:
            yield f"{name}: the python client reads something else"
        if name not in BUILT and name not in READ:
            yield f"{name}: the python client has not seen it"


def main():
    document, header, program = [a for a in sys.argv[1:] if not a.startswith("--")]
    made = dict(line.split() for line in subprocess.run(
        [program], check=True, capture_output=True, text=True).stdout.splitlines())
    made = {name: bytes.fromhex(digits) for name, digits in made.items()}
    structs = structures(pathlib.Path(header).read_text())
    source = pathlib.Path(document).read_text()
    dumps = re.compile(r"^```dump (\S+)\n(.*?)^```$", re.M | re.S)
    layouts = re.compile(r"^```layout (\S+)\n(.*?)^```$", re.M | re.S)
    if "--regenerate" in sys.argv:
        source = dumps.sub(lambda m: f"```dump {m[1]}\n{block(m[1], made[m[1]])}```", source)
        source = layouts.sub(lambda m: f"```layout {m[1]}\n{layout(structs[m[1]])}```", source)
        pathlib.Path(document).write_text(source)
        return 0
    shown = {m[1]: m[2] for m in layouts.finditer(source)}
    wrong = [f"{name}: PROTOCOL.md shows another structure" for name in sorted(structs)
             if name in shown and shown[name] != layout(structs[name])]
    wrong += [f"{name}: not in PROTOCOL.md" for name in sorted(structs.keys() - shown.keys())]
    wrong += compare_layouts(structs)
    wrong += compare_messages(made, {m[1]: m[2] for m in dumps.finditer(source)})
    print("\n".join(wrong) or f"{len(made)} messages and {len(structs)} structures agree")
    return 1 if wrong else 0


sys.exit(main())
