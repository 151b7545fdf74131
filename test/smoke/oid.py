# SPDX-License-Identifier: BSD-3-Clause
"""Does `ferrule oid` send what debuggers and dump programs print, and tell what came back?

Ports are net_null devices, so no privileges are needed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ferrule_ctl as ctl
import samples
from cli import Cli
from daemon import EAL, Daemon
from report import Report

PORTS = tuple(f"--vdev=net_null{n},no-rx=1" for n in range(2))
DOCUMENT = json.dumps({"pairs": [{
    "name": "nic", "mode": "oob", "host": {"port": "net_null0"}, "wire": {"port": "net_null1"},
    "capacity": 8}]})

# IPSEC_OFFLOAD_V2_ADD_SA_EX as a debugger of a 64-bit Windows shows it (db):
# what nobody filled holds 0xcd, and OffloadHandle what was there before.
WINDBG = r"""
# inbound, IPv4, ESP with AES-GCM-128, SPI 0x1001
OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX
fffffa80`03c4e000  80 01 aa 00 01 00 00 00-01 00 00 00 c0 00 02 02  ................
fffffa80`03c4e010  c0 00 02 01 cd cd cd cd-cd cd cd cd cd cd cd cd  ................
fffffa80`03c4e020  cd cd cd cd cd cd cd cd-cd cd cd cd cd cd cd cd  ................
fffffa80`03c4e030  10 e0 c4 03 80 fa ff ff-00 00 00 00 00 00 00 00  ................
fffffa80`03c4e040  02 00 00 00 00 00 10 01-00 00 00 00 00 00 00 00  ................
fffffa80`03c4e050  00 00 00 00 00 00 00 00-08 00 00 00 14 00 00 00  ................
fffffa80`03c4e060  00 00 00 00 10 00 00 00-00 00 00 00 cd cd cd cd  ................
fffffa80`03c4e070  cd cd cd cd cd cd cd cd-cd cd cd cd cd cd cd cd  ................
fffffa80`03c4e080  cd cd cd cd cd cd cd cd-cd cd cd cd cd cd cd cd  ................
fffffa80`03c4e090  cd cd cd cd cd cd cd cd-cd cd cd cd 14 00 00 00  ................
fffffa80`03c4e0a0  b0 00 00 00 00 00 00 00-00 00 cd cd cd cd cd cd  ................
fffffa80`03c4e0b0  30 31 32 33 34 35 36 37-38 39 3a 3b 3c 3d 3e 3f  0123456789:;<=>?
fffffa80`03c4e0c0  40 41 42 43                                      @ABC
"""

# NDIS_OFFLOAD_PARAMETERS of revision 2, IPsecV2 = ESP, as 32-bit words (dd).
WINDBG_WORDS = """OID_TCP_OFFLOAD_PARAMETERS set
fffff880`0311d8a0  00160280 00000000 00000000 00000000
fffff880`0311d8b0  00000000 cdcd0003
"""


def sa(spi):
    return {"direction": "in", "src": "192.0.2.1", "dst": "192.0.2.2", "esp": {
        "spi": spi, "encryption": "aes-gcm-128",
        "encryption_key": samples.make_key(f"{spi}", 20).hex()}}


def hexdump_c(data):
    """As hexdump -C prints it."""
    lines = []
    for at in range(0, len(data), 16):
        row = data[at:at + 16]
        halves = [row[:8].hex(" "), row[8:].hex(" ")]
        text = "".join(chr(c) if 32 <= c < 127 else "." for c in row)
        lines.append(f"{at:08x}  {halves[0]:<23}  {halves[1]:<23}  |{text}|")
    return "\n".join([*lines, f"{len(data):08x}", ""])


def xxd(data):
    """As xxd prints it."""
    lines = []
    for at in range(0, len(data), 16):
        row = data[at:at + 16]
        text = "".join(chr(c) if 32 <= c < 127 else "." for c in row)
        lines.append(f"{at:08x}: {row.hex(' ', -2):<39}  {text}")
    return "\n".join(lines)


class Rounds:
    def __init__(self, program, folder, client):
        self.program, self.folder, self.client = program, folder, client
        self.cli, self.faults = Cli(program, folder), []

    def expect(self, what, got, wanted):
        if got != wanted:
            self.faults.append(f"{what}: {got!r} instead of {wanted!r}")

    def oid(self, text, *words):
        """(exit status, objects, standard error)"""
        data = text if isinstance(text, bytes) else text.encode()
        (self.folder / "request").write_bytes(data)
        status, out, err = self.cli.run("--json", "oid", "request", *words)
        return status, json.loads(out) if out else [], err

    def good(self, what, text, *words):
        status, results, err = self.oid(text, *words)
        self.expect(f"{what}: exit status", (status, err), (0, ""))
        self.expect(f"{what}: status", {r["status"] for r in results}, {"SUCCESS"})
        return results

    def n_sas(self):
        return len(self.client.sa_list())


def dumps(r):
    """A dump of a debugger works as it is."""
    added = r.good("dump", WINDBG)[0]
    r.expect("BytesRead", added["BytesRead"], 0xC4)
    r.expect("revision", added["SupportedRevision"], 1)
    infos = r.client.sa_list()
    r.expect("SAs", [(i["esp_spi"], i["src"], i["dst"]) for i in infos], [(0x1001, "192.0.2.2", "192.0.2.1")])
    r.expect("handle", int(added["OffloadHandle[0]"], 16), infos[0]["handle"])
    delete = ctl.delete_sa([infos[0]["handle"]])
    r.good("words", WINDBG_WORDS)
    r.expect("configured", [r.client.current_config()[k] for k in ("ah", "esp")], [0, 1])
    r.good("delete", f"DELETE_SA\n{delete.hex()}")
    r.expect("SAs", r.n_sas(), 0)


def ways(r):
    """Lists with Next, in every way to write them."""
    data = ctl.add_sa([sa(0x2001), sa(0x2002), sa(0x2003)])
    ways_to_write = {"digits": data.hex(), "bytes": data.hex(" "), "hexdump -C": hexdump_c(data),
                     "xxd": xxd(data)}
    for name, text in ways_to_write.items():
        for words in ((f"OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA set\n{text}",), (text, "ADD_SA")):
            result = r.good(name, *words)[0]
            handles = [int(result[f"OffloadHandle[{i}]"], 16) for i in range(3)]
            r.expect(f"SAs, {name}", r.n_sas(), 3)
            r.good("delete", ctl.delete_sa(handles), "DELETE_SA", "set")
            r.expect(f"SAs, {name}, deleted", r.n_sas(), 0)
    frames = ctl.frame(ctl.SET, 0xFC030202, data) + ctl.frame(ctl.QUERY, 0xFC01020D, room=4096)
    added, able = r.good("messages", frames)
    r.expect("capacity", able["IPsecV2.SaOffloadCapacity"], 8)
    r.client.delete_sa([int(added[f"OffloadHandle[{i}]"], 16) for i in range(3)])


def answers(r):
    """Queries, decoded member by member."""
    current, able, private = r.good(
        "queries", "CURRENT_CONFIG\nOID_TCP_OFFLOAD_HARDWARE_CAPABILITIES query room=156\n"
                   "0xFF000002 query\n")
    wanted = r.client.hardware_capabilities()
    for name, member in (("Ah", "ah"), ("Tunnel", "tunnel"), ("IPv6Supported", "ipv6_supported"),
                         ("SaOffloadCapacity", "sa_offload_capacity")):
        r.expect(name, able[f"IPsecV2.{name}"], wanted[member])
    r.expect("masks", int(able["IPsecV2.EncryptionAlgorithms"], 16), wanted["encryption_algorithms"])
    r.expect("header", [able[f"Header.{m}"] for m in ("Type", "Revision", "Size")], ["0xa7", 3, 156])
    r.expect("data", len(bytes.fromhex(current["data"])), 156)
    r.expect("name of a private OID", (private["oid"], private["type"]), ("PORT_LIST", "query"))
    on = ctl.offload_encapsulation(ipv4_enabled=1, ipv4_encapsulation_type=2, ipv4_header_size=14)
    _, family = r.good("encapsulation", f"OFFLOAD_ENCAPSULATION\n{on.hex()}\nOFFLOAD_ENCAPSULATION\n")
    r.expect("family", (family["IPv4.Enabled"], family["IPv4.HeaderSize"]), (1, 14))
    status, text, _ = r.cli.run("oid", "request")
    r.expect("text", (status, "  IPv4.EncapsulationType " in text), (0, True))


def refusals(r):
    """What is refused says so, and says why, in one line."""
    _, results, err = r.oid("HARDWARE_CAPABILITIES query room=20\n0x01010101 query\n"
                            f"ADD_SA_EX\n{'33' + ctl.add_sa_ex(sa(0x3001)).hex()[2:]}\n")
    r.expect("statuses", [x["status"] for x in results],
             ["BUFFER_TOO_SHORT", "INVALID_OID", "INVALID_DATA"])
    r.expect("needed", results[0]["BytesNeeded"], 156)
    r.expect("reason", "another type" in results[2]["reason"], True)
    r.expect("lines", len(err.splitlines()), 1)
    for text, words, said in (
            ("80 01", (), "request:1: bytes without an OID"), ("NO_SUCH\n80", (), "no such OID"),
            ("ADD_SA\n80 0", (), "request:2: has something that is no byte"),
            ("ADD_SA sit\n80", (), "is not one of set, query"), (b"\x80\x01\0", (), "without an OID"),
            ("80", ("ADD_SB",), "no such OID"), (b"FERC\0", (), "ends within a header"),
            (ctl.frame(ctl.SET, 1, b"12")[:-1], (), "no whole message")):
        status, _, err = r.oid(text, *words)
        r.expect(f"refusal of {text!r}", (status, len(err.splitlines()), said in err), (1, 1, True))
    r.expect("SAs", r.n_sas(), 0)


def completion(r):
    words = subprocess.run([r.program, "--complete", "oid", "file", "OID_TCP_TASK"], check=True,
                           capture_output=True, text=True).stdout.split()
    r.expect("completion", len(words), 4)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ferruled", type=Path)
    parser.add_argument("ferrule", type=Path)
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as folder, \
            Daemon(args.ferruled.resolve(), Path(folder), DOCUMENT, (*EAL, *PORTS)) as daemon:
        if not daemon.heard("READY=1"):
            raise RuntimeError(daemon.stderr())
        with ctl.Client(str(Path(folder) / "run" / "control.sock"), timeout=30) as client:
            for what in (dumps, ways, answers, refusals, completion):
                rounds = Rounds(args.ferrule.resolve(), Path(folder), client)
                what(rounds)
                report.add(what.__name__, rounds.faults)
        report.add("end", [] if daemon.stop() == 0 else ["exit status"])
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
