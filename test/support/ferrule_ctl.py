# SPDX-License-Identifier: BSD-3-Clause
"""A client of the control socket that shares no code with libferrule-ctl.

lib/ctl/PROTOCOL.md says what the bytes mean.  SAs and policies are given in the form of the
documents (see ferrule-documents(5)), as dicts:

    with Client("/run/ferrule/control.sock") as c:
        handles = c.sa_add([{"name": "east-out-1", "direction": "out", ...}])
        for sa in c.sa_list(): print(sa["name"], sa["packets"])

Calls raise Refused where the status is not SUCCESS; request() does not.
"""

import collections
import contextlib
import ipaddress
import socket
import struct
import time

MAGIC, VERSION = b"FERC", 1
HELLO, QUERY, SET, CANCEL, COMPLETION, INDICATION = range(1, 7)
ALL_PAIRS = 0xFFFF
NO_ELEMENT = 0xFFFFFFFF
COPY_DSCP, COPY_FLOW_LABEL = 0xFF, 0xFFFFFFFF
EVENT_STATUS_CODE = 0x60000001

OID = {
    "OFFLOAD_ENCAPSULATION": 0x0101010A,
    "CURRENT_CONFIG": 0xFC01020B,
    "OFFLOAD_PARAMETERS": 0xFC01020C,
    "HARDWARE_CAPABILITIES": 0xFC01020D,
    "ADD_SA": 0xFC030202,
    "DELETE_SA": 0xFC030203,
    "UPDATE_SA": 0xFC030204,
    "ADD_SA_EX": 0xFC030205,
    "SUBSCRIBE": 0xFF000001,
    "PORT_LIST": 0xFF000002,
    "RESET": 0xFF000003,
    "SA_ADD": 0xFF000101,
    "SA_SWAP": 0xFF000102,
    "SA_ACTIVATE": 0xFF000103,
    "SA_DELETE": 0xFF000104,
    "SA_LIST": 0xFF000105,
    "SA_SHOW": 0xFF000106,
    "POLICY_ADD": 0xFF000201,
    "POLICY_DELETE": 0xFF000202,
    "POLICY_LIST": 0xFF000203,
    "STATS_SA": 0xFF000301,
    "STATS_PORT": 0xFF000302,
    "STATS_WORKER": 0xFF000303,
    "STATS_DROP": 0xFF000304,
}

STATUS = {
    0x00000000: "SUCCESS",
    0x00010003: "NOT_ACCEPTED",
    0xC0000001: "FAILURE",
    0xC000000D: "INVALID_PARAMETER",
    0xC000009A: "RESOURCES",
    0xC00000BB: "NOT_SUPPORTED",
    0xC001000C: "REQUEST_ABORTED",
    0xC001000D: "RESET_IN_PROGRESS",
    0xC0010014: "INVALID_LENGTH",
    0xC0010015: "INVALID_DATA",
    0xC0010016: "BUFFER_TOO_SHORT",
    0xC0010017: "INVALID_OID",
    0xC023002C: "UNSUPPORTED_REVISION",
    0x40020006: "TASK_OFFLOAD_CURRENT_CONFIG",
    0x40020007: "TASK_OFFLOAD_HARDWARE_CAPABILITIES",
    0x40020008: "OFFLOAD_ENCASPULATION_CHANGE",
    EVENT_STATUS_CODE: "EVENT",
}

EVENTS = ("status", "soft_lifetime", "hard_lifetime", "seq_exhausted", "delete_request", "no_sa",
          "bad_icv", "replay", "policy_mismatch", "fragment", "peer_moved")
ALL_EVENTS = (1 << len(EVENTS)) - 1

# Algorithms that have an identifier in the contract; the others travel by name.
ENCRYPTION = {
    "null": 0x1, "des-cbc": 0x2, "3des-cbc": 0x4,
    "aes-gcm-128": 0x8, "aes-gcm-192": 0x10, "aes-gcm-256": 0x20,
    "aes-cbc-128": 0x40, "aes-cbc-192": 0x80, "aes-cbc-256": 0x100,
}
AUTHENTICATION = {
    "hmac-md5-96": 0x1, "hmac-sha1-96": 0x2, "hmac-sha2-256-128": 0x4,
    "aes-gmac-128": 0x8, "aes-gmac-192": 0x10, "aes-gmac-256": 0x20,
}
AH, ESP = 1, 2


class Refused(Exception):
    """A completion with a status that is not SUCCESS."""

    def __init__(self, completion):
        self.completion = completion
        self.status = completion.status
        self.element, self.text = refusal(completion.data)
        where = f"element {self.element}: " if self.element is not None else ""
        super().__init__(f"{completion.status}: {where}{self.text}")


class Layout:
    """A structure: names and struct formats of its members, little-endian unless they say "!"."""

    def __init__(self, *members):
        self.members = [(name, fmt if fmt[0] in "!<" else "<" + fmt) for name, fmt in members]
        self.size = sum(struct.calcsize(fmt) for _, fmt in self.members)

    def pack(self, **values):
        out = b""
        for name, fmt in self.members:
            value = values.pop(name, b"" if fmt.endswith("s") else 0)
            if isinstance(value, str):
                value = value.encode()
            many = value if isinstance(value, (tuple, list)) else [value] * (
                1 if fmt.endswith("s") else len(struct.unpack(fmt, bytes(struct.calcsize(fmt)))))
            out += struct.pack(fmt, *many)
        assert not values, f"no such member: {values}"
        return out

    def unpack(self, data, at=0):
        """Members beyond the end of data are 0."""
        data = bytes(data[at:at + self.size]).ljust(self.size, b"\0")
        out, at = {}, 0
        for name, fmt in self.members:
            values = struct.unpack_from(fmt, data, at)
            at += struct.calcsize(fmt)
            out[name] = values[0] if len(values) == 1 else values
        return out


HEADER = Layout(("magic", "4s"), ("version", "H"), ("type", "B"), ("flags", "B"), ("id", "Q"),
                ("oid", "I"), ("status", "I"), ("length", "I"), ("room", "I"),
                ("bytes_done", "I"), ("bytes_needed", "I"), ("pair", "H"), ("revision", "B"),
                ("reserved", "5s"))

# --- the contract -------------------------------------------------------------------------------

_SEC = [(f"{part}_{member}", "I" if member != "spi" else "!I")
        for part in ("0", "1")
        for member in ("flags", "operation", "spi", "auth_identifier", "auth_key_length",
                       "auth_key_offset", "auth_info", "enc_identifier", "enc_key_length",
                       "enc_key_offset", "enc_info", "sequence_high")]
ADD_SA = Layout(("type", "B"), ("revision", "B"), ("size", "H"), ("padding", "4s"), ("next", "Q"),
                ("num_ext_hdrs", "I"), ("flags", "I"), ("endpoints", "32s"),
                ("offload_handle", "Q"), ("udp_esp_encapsulation", "I"), *_SEC,
                ("key_length", "I"))  # the keys follow at once
ADD_SA_EX = Layout(("type", "B"), ("revision", "B"), ("size", "H"), ("num_ext_hdrs", "I"),
                   ("flags", "I"), ("endpoints", "32s"), ("padding", "4s"),
                   ("offload_handle", "Q"), ("udp_esp_encapsulation", "I"), *_SEC,
                   ("key_length", "I"), ("key_offset", "I"), ("source_switch_port_id", "I"),
                   ("vlan_id", "H"), ("padding_2", "6s"))
UPDATE_SA = Layout(("type", "B"), ("revision", "B"), ("size", "H"), ("padding", "4s"),
                   ("offload_handle", "Q"), ("operation", "I"), ("spi", "!I"),
                   ("sequence_high", "I"), ("padding_2", "4s"))
DELETE_SA = Layout(("type", "B"), ("revision", "B"), ("size", "H"), ("padding", "4s"),
                   ("next", "Q"), ("offload_handle", "Q"))
IPSEC_V2 = (("encapsulation", "I"), ("ipv6_supported", "B"), ("ipv4_options", "B"),
            ("ipv6_non_ipsec_extension_headers", "B"), ("ah", "B"), ("esp", "B"),
            ("ah_esp_combined", "B"), ("transport", "B"), ("tunnel", "B"),
            ("transport_tunnel_combined", "B"), ("lso_supported", "B"),
            ("extended_sequence_numbers", "B"), ("padding", "B"), ("udp_esp", "I"),
            ("authentication_algorithms", "I"), ("encryption_algorithms", "I"),
            ("sa_offload_capacity", "I"))
OFFLOAD = Layout(("type", "B"), ("revision", "B"), ("size", "H"), ("checksum", "32s"),
                 ("lso_v1", "16s"), ("ipsec_v1", "28s"), ("lso_v2", "28s"), ("flags", "I"),
                 *IPSEC_V2, ("rsc", "4s"), ("gre", "8s"), ("vxlan", "20s"),
                 ("encapsulation_types", "B"))
OFFLOAD_SIZES = {1: 0x70, 2: 0x90, 3: 0x9C, 4: 0xB1}
PARAMETERS = Layout(("type", "B"), ("revision", "B"), ("size", "H"), ("ipv4_checksum", "B"),
                    ("tcp_ipv4_checksum", "B"), ("udp_ipv4_checksum", "B"),
                    ("tcp_ipv6_checksum", "B"), ("udp_ipv6_checksum", "B"), ("lso_v1", "B"),
                    ("ipsec_v1", "B"), ("lso_v2_ipv4", "B"), ("lso_v2_ipv6", "B"),
                    ("tcp_connection_ipv4", "B"), ("tcp_connection_ipv6", "B"), ("padding", "B"),
                    ("flags", "I"), ("ipsec_v2", "B"), ("ipsec_v2_ipv4", "B"), ("rsc_ipv4", "B"),
                    ("rsc_ipv6", "B"), ("encapsulated_packet_task_offload", "B"),
                    ("encapsulation_types", "B"), ("padding_2", "2s"),
                    ("encapsulation_protocol_parameters", "4s"), ("udp_segmentation", "2s"))
PARAMETERS_SIZES = {1: 0x14, 2: 0x16, 3: 0x1A, 4: 0x20, 5: 0x22}
ENCAPSULATION = Layout(("type", "B"), ("revision", "B"), ("size", "H"), ("ipv4_enabled", "I"),
                       ("ipv4_encapsulation_type", "I"), ("ipv4_header_size", "I"),
                       ("ipv6_enabled", "I"), ("ipv6_encapsulation_type", "I"),
                       ("ipv6_header_size", "I"))

# --- the appliance ------------------------------------------------------------------------------

LIFETIME = tuple((f"{kind}_{unit}", "Q") for unit in ("bytes", "packets", "seconds")
                 for kind in ("soft", "hard"))
OUTER = (("flow_label", "I"), ("dscp", "B"), ("df", "B"), ("ecn", "B"), ("ttl", "B"))
LIST = Layout(("size", "I"), ("flags", "I"), ("n", "I"), ("element_bytes", "I"), ("cursor", "Q"))
PAGE = Layout(("size", "I"), ("flags", "I"), ("cursor", "Q"), ("max", "I"), ("reserved", "I"))
TABLE = Layout(("size", "I"), ("flags", "I"), ("n_rows", "I"), ("n_columns", "I"),
               ("cursor", "Q"), ("row_bytes", "I"), ("reserved", "I"))
REFUSAL = Layout(("size", "I"), ("flags", "I"), ("element", "I"), ("reserved", "I"),
                 ("text", "240s"))
HELLO_FRONT = Layout(("size", "I"), ("flags", "I"), ("events", "Q"), ("max_length", "I"),
                     ("max_room", "I"), ("max_pending", "I"), ("n_pairs", "I"),
                     ("pair_bytes", "I"), ("reserved", "I"), ("product", "64s"))
PAIR = Layout(("name", "64s"), ("pair", "H"), ("host_mode", "B"), ("reserved", "5s"),
              ("default_offload", "180s"), ("reserved_2", "4s"))
PORT = Layout(("flags", "I"), ("reserved", "I"), ("name", "64s"), ("mac", "6s"), ("pair", "H"),
              ("mtu", "I"), ("mbps", "I"), ("role", "B"), ("link", "B"), ("reserved_2", "6s"))
SA = Layout(("size", "I"), ("flags", "I"), ("next", "Q"), ("add_offset", "I"),
            ("add_length", "I"), ("name", "64s"), ("group", "64s"), ("esp_encryption", "24s"),
            ("esp_integrity", "24s"), ("ah_integrity", "24s"), ("sequence", "Q"), *LIFETIME,
            *OUTER, ("replay_window", "I"), ("udp_sport", "H"), ("udp_dport", "H"),
            ("mode", "B"), ("reserved", "B"), ("pad_to", "H"), ("dummy_rate", "I"))
SA_ADD = Layout(("size", "I"), ("flags", "I"))
SA_SWAP = Layout(("size", "I"), ("flags", "I"), ("drain_ms", "I"), ("reserved", "I"))
SA_REF = Layout(("handle", "Q"), ("name", "64s"))
SA_INFO = Layout(("flags", "I"), ("replay_window", "I"), ("handle", "Q"), ("name", "64s"),
                 ("group", "64s"), ("esp_encryption", "24s"), ("esp_integrity", "24s"),
                 ("ah_integrity", "24s"), ("src", "16s"), ("dst", "16s"), ("esp_spi", "!I"),
                 ("ah_spi", "!I"), ("sequence", "Q"), ("packets", "Q"), ("bytes", "Q"),
                 ("drops", "Q"), ("added_ns", "Q"), *LIFETIME, *OUTER, ("udp_sport", "H"),
                 ("udp_dport", "H"), ("direction", "B"), ("mode", "B"), ("version", "B"),
                 ("icv_bytes", "B"), ("dummy_rate", "I"), ("pad_to", "H"), ("peer_port", "H"),
                 ("dummies", "Q"), ("peer", "16s"))
SA_FLAGS = ("esn", "active", "soft", "stopped", "draining")
POLICY = Layout(("flags", "I"), ("priority", "I"), ("name", "64s"), ("src", "16s"),
                ("dst", "16s"), ("src_version", "B"), ("dst_version", "B"), ("src_len", "B"),
                ("dst_len", "B"), ("protocol", "H"), ("icmp_type", "H"), ("sport", "2H"),
                ("dport", "2H"), ("direction", "B"), ("action", "B"), ("n_groups", "B"),
                ("reserved", "5s"), ("group_0", "64s"), ("group_1", "64s"))
POLICY_REF = Layout(("name", "64s"))
SUBSCRIBE = Layout(("size", "I"), ("flags", "I"), ("events", "Q"))
EVENT = Layout(("size", "I"), ("flags", "I"), ("kind", "I"), ("suppressed", "I"),
               ("time_ns", "Q"), ("handle", "Q"), ("number", "Q"), ("spi", "!I"),
               ("flow_label", "I"), ("src", "16s"), ("dst", "16s"), ("version", "B"),
               ("protocol", "B"), ("sport", "H"), ("reserved", "4s"), ("name", "64s"))

DIRECTIONS = ("out", "in")
MODES = ("transport", "tunnel")
ACTIONS = ("protect", "bypass", "discard")
DF = ("copy", "set", "clear")
HOST_MODES = ("stack", "oob")
ROLES = ("host", "wire")


def text(raw):
    return raw.split(b"\0", 1)[0].decode()


def status_name(status):
    return STATUS.get(status, f"{status:#010x}")


# --- building -----------------------------------------------------------------------------------


def linked(elements, first=0, next_at=8):
    """A list of elements, each with its Next, that begins `first` bytes into the message."""
    out = b""
    for i, element in enumerate(elements):
        pad = b"\0" * (-len(element) % 8)
        if i + 1 < len(elements):
            following = first + len(out) + len(element) + len(pad)
            element = element[:next_at] + struct.pack("<Q", following) + element[next_at + 8:] + pad
        out += element
    return out


def _algorithms(esp, ah):
    """The members of SecAssoc of a bundle, its keys, and the names that have no identifier."""
    sec, keys, names = {}, b"", {}
    for i, (operation, part) in enumerate((o, p) for o, p in ((ESP, esp), (AH, ah)) if p):
        sec |= {f"{i}_operation": operation, f"{i}_spi": part["spi"]}
        integrity = part.get("integrity", "none")
        encryption = part.get("encryption") if operation == ESP else None
        todo = []
        if integrity != "none":
            todo.append(("auth", AUTHENTICATION, integrity, part["integrity_key"],
                         "esp_integrity" if operation == ESP else "ah_integrity"))
        if encryption is not None:
            todo.append(("enc", ENCRYPTION, encryption, part.get("encryption_key", ""),
                         "esp_encryption"))
        for kind, identifiers, name, key, member in todo:
            key = bytes.fromhex(key)
            if name not in identifiers:
                names[member] = name
            sec |= {f"{i}_{kind}_identifier": identifiers.get(name, 0),
                    f"{i}_{kind}_key_length": len(key),
                    f"{i}_{kind}_key_offset": len(keys) if key else 0}
            keys += key
        if operation == ESP and "icv_bytes" in part:
            sec["0_enc_info"] = part["icv_bytes"]
    return sec, keys, names


def _add(sa):
    """What ADD_SA and ADD_SA_EX have in common, the keys, and the names."""
    src, dst = ipaddress.ip_address(sa["src"]), ipaddress.ip_address(sa["dst"])
    esp, ah = sa.get("esp"), sa.get("ah")
    members, keys, names = _algorithms(esp, ah)
    n = bool(esp) + bool(ah)
    for i in range(n):
        members[f"{i}_flags"] = int(sa.get("esn", False))
        members[f"{i}_sequence_high"] = sa.get("sequence_high", 0)
    members |= {"type": 0x80, "revision": 1, "num_ext_hdrs": n,
                "flags": (sa["direction"] == "in") | (0x10 if src.version == 6 else 0),
                "endpoints": src.packed + dst.packed, "key_length": len(keys)}
    return members, keys, names


def add_sa_ex(sa):
    members, keys, _ = _add(sa)
    return ADD_SA_EX.pack(**members, size=0xAA, key_offset=ADD_SA_EX.size) + keys


def add_sa(sas):
    elements = []
    for sa in sas:
        members, keys, _ = _add(sa)
        elements.append(ADD_SA.pack(**members, size=0xA9) + (keys or b"\0"))
    return linked(elements)


def delete_sa(handles):
    return linked([DELETE_SA.pack(type=0x80, revision=1, size=0x18, offload_handle=h)
                   for h in handles])


def update_sa(handle, operation, spi, sequence_high):
    return UPDATE_SA.pack(type=0x80, revision=1, size=0x1C, offload_handle=handle,
                          operation=operation, spi=spi, sequence_high=sequence_high)


def sa_element(sa):
    _, _, names = _add(sa)
    ex = add_sa_ex(sa)
    outer = {}
    if sa["direction"] == "out" and sa["mode"] == "tunnel":
        rules = {"dscp": "copy", "df": "copy", "ttl": 64, "flow_label": "copy"} | sa.get("outer", {})
        outer = {
            "dscp": COPY_DSCP if rules["dscp"] == "copy" else rules["dscp"],
            "df": DF.index(rules["df"]),
            "ttl": rules["ttl"],
            "flow_label": COPY_FLOW_LABEL if rules["flow_label"] == "copy"
                          else rules["flow_label"],
        }
    tfc = sa.get("tfc", {})
    pad_to = tfc.get("pad_to", 0)
    window = sa.get("replay_window", 1024 if sa["direction"] == "in" else 0)
    return SA.pack(size=SA.size, add_offset=SA.size, add_length=len(ex), name=sa["name"],
                   group=sa.get("group", ""), sequence=sa.get("sequence", 0),
                   mode=MODES.index(sa["mode"]), replay_window=window,
                   udp_sport=sa.get("udp", {}).get("sport", 0),
                   udp_dport=sa.get("udp", {}).get("dport", 0),
                   pad_to=PAD_TO_MTU if pad_to == "mtu" else pad_to,
                   dummy_rate=tfc.get("dummy_rate", 0),
                   **sa.get("lifetime", {}), **outer, **names) + ex


def sa_add(sas):
    return SA_ADD.pack(size=SA_ADD.size) + linked([sa_element(s) for s in sas], SA_ADD.size)


def sa_swap(sas, drain_ms):
    return (SA_SWAP.pack(size=SA_SWAP.size, drain_ms=drain_ms)
            + linked([sa_element(s) for s in sas], SA_SWAP.size))


def listed(layout, elements):
    return (LIST.pack(size=LIST.size, n=len(elements), element_bytes=layout.size)
            + b"".join(elements))


def sa_refs(refs):
    """Names or handles."""
    return listed(SA_REF, [SA_REF.pack(handle=r) if isinstance(r, int) else SA_REF.pack(name=r)
                           for r in refs])


def page(cursor=0, most=0):
    return PAGE.pack(size=PAGE.size, cursor=cursor, max=most)


def subscribe(events=ALL_EVENTS):
    return SUBSCRIBE.pack(size=SUBSCRIBE.size, events=events)


def _prefix(given):
    if given in (None, "any"):
        return bytes(16), 0, 0
    net = ipaddress.ip_network(given)
    return net.network_address.packed, net.version, net.prefixlen


def _ports(given):
    if given is None:
        return 0, 65535
    first, _, last = str(given).partition("-")
    return int(first), int(last or first)


PROTOCOLS = {"any": 256, "icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132}


def policy_element(p):
    src, src_version, src_len = _prefix(p.get("src"))
    dst, dst_version, dst_len = _prefix(p.get("dst"))
    groups = p.get("sas", [])
    protocol = p.get("protocol", "any")
    return POLICY.pack(priority=p.get("priority", 0), name=p["name"], src=src, dst=dst,
                       src_version=src_version, dst_version=dst_version, src_len=src_len,
                       dst_len=dst_len, protocol=PROTOCOLS.get(protocol, protocol),
                       icmp_type=p.get("icmp_type", 256), sport=_ports(p.get("sport")),
                       dport=_ports(p.get("dport")), direction=DIRECTIONS.index(p["direction"]),
                       action=ACTIONS.index(p["action"]), n_groups=len(groups),
                       **{f"group_{i}": g for i, g in enumerate(groups)})


def policy_add(policies):
    return listed(POLICY, [policy_element(p) for p in policies])


def policy_delete(names):
    return listed(POLICY_REF, [POLICY_REF.pack(name=n) for n in names])


def offload_parameters(revision=5, **members):
    return PARAMETERS.pack(type=0x80, revision=revision, size=PARAMETERS_SIZES[revision],
                           **members)[:PARAMETERS_SIZES[revision]]


def offload_encapsulation(**members):
    return ENCAPSULATION.pack(type=0xA8, revision=1, size=0x1C, **members)


# --- reading ------------------------------------------------------------------------------------


def elements(layout, data):
    front = LIST.unpack(data)
    return [layout.unpack(data[:front["size"] + (i + 1) * front["element_bytes"]],
                          front["size"] + i * front["element_bytes"])
            for i in range(front["n"])], front["cursor"]


def handles(data):
    return list(struct.unpack(f"<{len(data) // 8}Q", data))


def refusal(data):
    if not data:
        return None, ""
    r = REFUSAL.unpack(data)
    return (None if r["element"] == NO_ELEMENT else r["element"]), text(r["text"])


def _address(raw, version):
    return "any" if version == 0 else str(ipaddress.ip_address(raw[:4 if version == 4 else 16]))


def _strings(record):
    skip = ("src", "dst", "peer", "mac", "default_offload")
    return {k: text(v) if isinstance(v, bytes) and k not in skip else v
            for k, v in record.items() if not k.startswith("reserved")}


def sa_info(record):
    out = _strings(record)
    out["peer"] = _address(record["peer"], record["version"]) if record["peer_port"] else None
    for end in ("src", "dst"):
        out[end] = _address(record[end], record["version"])
    out["flags"] = [f for i, f in enumerate(SA_FLAGS) if record["flags"] >> i & 1]
    out["direction"] = DIRECTIONS[record["direction"]]
    out["mode"] = MODES[record["mode"]]
    return out


def port(record):
    out = _strings(record)
    out["mac"] = record["mac"].hex(":")
    out["role"] = ROLES[record["role"]]
    out["link"] = bool(record["link"])
    return out


def policy(record):
    out = _strings(record)
    for end in ("src", "dst"):
        version, length = record[f"{end}_version"], record[f"{end}_len"]
        out[end] = f"{_address(record[end], version)}/{length}" if version else "any"
    out["direction"] = DIRECTIONS[record["direction"]]
    out["action"] = ACTIONS[record["action"]]
    out["sas"] = [out.pop("group_0"), out.pop("group_1")][:record["n_groups"]]
    return out


def offload(data):
    return OFFLOAD.unpack(data)


def table(data):
    """Rows: label → {column: number}; and the cursor."""
    front = TABLE.unpack(data)
    at = front["size"]
    columns = [text(data[at + 32 * i:at + 32 * i + 32]) for i in range(front["n_columns"])]
    at += 32 * len(columns)
    rows = []
    for i in range(front["n_rows"]):
        row = data[at + i * front["row_bytes"]:][:front["row_bytes"]]
        numbers = struct.unpack_from(f"<{len(columns)}Q", row, 64)
        rows.append((text(row[:64]), dict(zip(columns, numbers))))
    return rows, front["cursor"]


def event(data):
    e = EVENT.unpack(data)
    out = _strings(e)
    for end in ("src", "dst"):
        out[end] = _address(e[end], e["version"])
    out["kind"] = EVENTS[e["kind"]] if e["kind"] < len(EVENTS) else e["kind"]
    return out


def hello(data):
    front = HELLO_FRONT.unpack(data)
    out = _strings(front)
    out["pairs"] = []
    for i in range(front["n_pairs"]):
        at = front["size"] + i * front["pair_bytes"]
        pair = PAIR.unpack(data, at)
        default = OFFLOAD.unpack(pair["default_offload"])
        out["pairs"].append(_strings(pair) | {
            "host_mode": HOST_MODES[pair["host_mode"]], "default_offload": default})
    return out


# --- the connection -----------------------------------------------------------------------------

Completion = collections.namedtuple(
    "Completion", "id oid status code data bytes_done bytes_needed revision pair")
Indication = collections.namedtuple("Indication", "id status code data pair")


def frame(kind, oid=0, data=b"", pair=0, request_id=0, room=0, **members):
    return HEADER.pack(magic=MAGIC, version=VERSION, type=kind, id=request_id, oid=oid,
                       length=len(data), room=room, pair=pair, **members) + data


class Client:
    def __init__(self, path, timeout=10.0):
        self.timeout = timeout
        self.completions, self.indications = [], collections.deque()
        self.buffer, self.last_id = b"", 0
        self._held = None  # what is to be sent at once
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        header, data = self._message(time.monotonic() + timeout)
        if header["type"] != HELLO:
            raise ConnectionRefusedError(status_name(header["status"]))
        self.hello = hello(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def _take(self, n, deadline):
        while len(self.buffer) < n:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.000001))
            more = self.socket.recv(1 << 20)
            if not more:
                raise ConnectionResetError("the daemon hung up")
            self.buffer += more

    def _message(self, deadline):
        self._take(HEADER.size, deadline)
        header = HEADER.unpack(self.buffer)
        if header["magic"] != MAGIC or header["version"] != VERSION:
            raise ValueError("not a message of this protocol")
        end = HEADER.size + header["length"]
        self._take(end, deadline)
        data, self.buffer = self.buffer[HEADER.size:end], self.buffer[end:]
        return header, data

    def _sort(self, deadline):
        h, data = self._message(deadline)
        name = status_name(h["status"])
        if h["type"] == COMPLETION:
            self.completions.append(Completion(h["id"], h["oid"], name, h["status"], data,
                                               h["bytes_done"], h["bytes_needed"], h["revision"],
                                               h["pair"]))
        elif h["type"] == INDICATION:
            self.indications.append(Indication(h["id"], name, h["status"], data, h["pair"]))

    def submit(self, oid, data=b"", kind=SET, pair=0, room=None):
        """Sends a request; its id."""
        self.last_id += 1
        if room is None:
            room = self.hello["max_room"] if kind == QUERY else 0
        self._send(frame(kind, OID.get(oid, oid), data, pair, self.last_id, room))
        return self.last_id

    def _send(self, message):
        if self._held is not None:
            self._held += message
            return
        self.socket.settimeout(self.timeout)
        self.socket.sendall(message)

    @contextlib.contextmanager
    def at_once(self):
        """What is submitted and cancelled in a "with" block is sent by one call at its end.

        A daemon takes up to 16 KiB of it in before it does anything else.
        """
        self._held = b""
        try:
            yield
        finally:
            held, self._held = self._held, None
            self._send(held)

    def collect(self, request_id=None, timeout=None):
        """The completion of that request, or of any."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            for i, c in enumerate(self.completions):
                if request_id in (None, c.id):
                    return self.completions.pop(i)
            self._sort(deadline)

    def cancel(self, request_id):
        self._send(frame(CANCEL, request_id=request_id))

    def request(self, oid, data=b"", kind=SET, pair=0, room=None):
        return self.collect(self.submit(oid, data, kind, pair, room))

    def indication(self, timeout=None):
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not self.indications:
            self._sort(deadline)
        return self.indications.popleft()

    def _must(self, completion):
        if completion.status != "SUCCESS":
            raise Refused(completion)
        return completion.data

    def set(self, oid, data=b"", pair=0):
        return self._must(self.request(oid, data, SET, pair))

    def query(self, oid, data=b"", pair=0, room=None):
        return self._must(self.request(oid, data, QUERY, pair, room))

    def _pages(self, oid, read, pair):
        cursor, out = 0, []
        while True:
            more, cursor = read(self.query(oid, page(cursor), pair))
            out += more
            if not cursor:
                return out

    # The contract's requests.

    def add_sa(self, sas, pair=0):
        return handles(self.set("ADD_SA", add_sa(sas), pair))

    def add_sa_ex(self, sa, pair=0):
        return handles(self.set("ADD_SA_EX", add_sa_ex(sa), pair))[0]

    def delete_sa(self, handle_list, pair=0):
        self.set("DELETE_SA", delete_sa(handle_list), pair)

    def update_sa(self, handle, operation, spi, sequence_high, pair=0):
        self.set("UPDATE_SA", update_sa(handle, operation, spi, sequence_high), pair)

    def current_config(self, pair=0):
        return offload(self.query("CURRENT_CONFIG", pair=pair))

    def hardware_capabilities(self, pair=0):
        return offload(self.query("HARDWARE_CAPABILITIES", pair=pair))

    # Those of the appliance.

    def sa_add(self, sas, pair=0):
        return handles(self.set("SA_ADD", sa_add(sas), pair))

    def sa_swap(self, sas, drain_ms=0, pair=0):
        return handles(self.set("SA_SWAP", sa_swap(sas, drain_ms), pair))

    def sa_activate(self, refs, pair=0):
        self.set("SA_ACTIVATE", sa_refs(refs), pair)

    def sa_delete(self, refs, pair=0):
        self.set("SA_DELETE", sa_refs(refs), pair)

    def sa_show(self, refs, pair=0):
        return [sa_info(r) for r in elements(SA_INFO, self.query("SA_SHOW", sa_refs(refs), pair))[0]]

    def sa_list(self, pair=0):
        return [sa_info(r) for r in self._pages("SA_LIST", lambda d: elements(SA_INFO, d), pair)]

    def policy_add(self, policies, pair=0):
        self.set("POLICY_ADD", policy_add(policies), pair)

    def policy_delete(self, names, pair=0):
        self.set("POLICY_DELETE", policy_delete(names), pair)

    def policy_list(self, pair=0):
        return [policy(r) for r in self._pages("POLICY_LIST", lambda d: elements(POLICY, d), pair)]

    def port_list(self, pair=ALL_PAIRS):
        return [port(r) for r in elements(PORT, self.query("PORT_LIST", b"", pair))[0]]

    def stats(self, what, pair=ALL_PAIRS):
        """what: sa (of one pair), port, worker, drop."""
        return self._pages("STATS_" + what.upper(), table, pair)

    def subscribe(self, events=ALL_EVENTS, pair=ALL_PAIRS):
        self.set("SUBSCRIBE", subscribe(events), pair)
