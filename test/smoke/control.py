# SPDX-License-Identifier: BSD-3-Clause
"""Does a running ferruled do what is asked of it over its socket, by OIDs and by the CLI?

Ports are net_null devices that receive nothing, so no privileges are needed.
"""

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import oid_client as ctl
import samples
from daemon import EAL, Daemon
from report import Report

CAPACITY = 40
PORTS = tuple(f"--vdev=net_null{n},no-rx=1" for n in range(2))
DOCUMENT = json.dumps({"pairs": [{
    "name": "near", "host": {"port": "net_null0"}, "wire": {"port": "net_null1"},
    "capacity": CAPACITY}]})


def key(name):
    return samples.make_key(name, 20)


def document_sa(name, direction, spi, group="far"):
    ends = ("192.0.2.1", "192.0.2.2") if direction == "out" else ("192.0.2.2", "192.0.2.1")
    return {"name": name, "group": group, "direction": direction, "mode": "tunnel",
            "src": ends[0], "dst": ends[1], "esp": {
                "spi": spi, "encryption": "aes-gcm-128", "encryption_key": key(name).hex()}}


def expect(faults, what, got, wanted):
    if got != wanted:
        faults.append(f"{what}: {got!r} instead of {wanted!r}")


class Cli:
    def __init__(self, program, folder):
        self._program = program
        self._folder = folder

    def run(self, *words, document=None):
        """Exit status, standard output, standard error."""
        if document is not None:
            (self._folder / "doc.json").write_text(json.dumps(document), encoding="utf-8")
            words = (*words, "-f", "doc.json")
        done = subprocess.run(
            [self._program, "-s", "run/control.sock", *words], cwd=self._folder, timeout=60,
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout, done.stderr

    def json(self, *words):
        status, out, err = self.run("--json", *words)
        if status != 0:
            raise ValueError(f"{' '.join(words)}: {status}, {err}")
        return json.loads(out)

    def states(self):
        return {sa["name"]: sa["state"] for sa in self.json("sa", "list")}


def oids(socket):
    """R-50, R-52, R-54, R-72, R-75 and R-76 over the socket of a live daemon."""
    faults = []
    client = ctl.Client(socket)
    elements = [ctl.sa(0x1000 + n, key(f"sa {n}")) for n in range(CAPACITY + 1)]
    for _ in range(3):
        reply = client.set(ctl.ADD_SA, ctl.add_sa(elements))
        handles = reply.handles()
        expect(faults, "capacity + 1", reply.status, ctl.SUCCESS)
        expect(faults, "handles that are 0", [not h for h in handles], [False] * CAPACITY + [True])
        again = client.set(ctl.ADD_SA, ctl.add_sa(elements[-1:]))
        expect(faults, "one more", again.status, ctl.RESOURCES)
        expect(faults, "delete", client.set(ctl.DELETE_SA, ctl.delete_sa(handles)).status, 0)
    reply = client.set(ctl.ADD_SA, ctl.add_sa([ctl.sa(0x2000, key("esn"), esn=True, high=3)]))
    handle = reply.handles()[0]
    for high, spi, wanted in ((3, 0x2000, ctl.SUCCESS), (4, 0x2000, ctl.SUCCESS),
                              (2, 0x2000, ctl.INVALID_PARAMETER),
                              (5, 0x2001, ctl.INVALID_PARAMETER)):
        reply = client.set(ctl.UPDATE_SA, ctl.update_sa(handle, spi, high))
        expect(faults, f"update to {high} of {spi:#x}", reply.status, wanted)
    unknown = client.set(ctl.DELETE_SA, ctl.delete_sa([0, 1 << 40, handle, handle]))
    expect(faults, "delete with unknown handles", unknown.status, ctl.SUCCESS)
    reply = client.set(ctl.UPDATE_SA, ctl.update_sa(handle, 0x2000, 9))
    expect(faults, "update of what is gone", reply.status, ctl.INVALID_PARAMETER)
    caps = client.query(ctl.HARDWARE_CAPABILITIES)
    expect(faults, "capacity", struct.unpack_from("<I", caps.data, 0x70 + 0x1C)[0], CAPACITY)
    expect(faults, "short room", client.query(ctl.CURRENT_CONFIG, 16).status, ctl.BUFFER_TOO_SHORT)
    expect(faults, "set of a query", client.set(ctl.CURRENT_CONFIG, b"").status, ctl.NOT_SUPPORTED)
    expect(faults, "unknown OID", client.query(0x12345678).status, ctl.INVALID_OID)
    client.close()
    return faults


def mutilated(socket):
    """Messages cut anywhere are refused, and nothing is left of them."""
    faults = []
    client = ctl.Client(socket)
    whole = ctl.add_sa([ctl.sa(0x3000 + n, key(f"cut {n}")) for n in range(2)])
    for length in range(len(whole)):
        if client.set(ctl.ADD_SA, whole[:length]).status == ctl.SUCCESS:
            faults.append(f"{length} of {len(whole)} bytes are taken for a list")
    reply = client.set(ctl.ADD_SA, whole)
    expect(faults, "the whole list", reply.status, ctl.SUCCESS)
    gone = ctl.delete_sa(reply.handles())
    for length in range(len(gone)):
        expect(faults, f"{length} bytes of a delete", client.set(ctl.DELETE_SA, gone[:length]).status,
               ctl.REQUEST_ABORTED)
    expect(faults, "the whole delete", client.set(ctl.DELETE_SA, gone).status, ctl.SUCCESS)
    client.close()
    return faults


def churn(socket):
    """Pipelined adds and deletes of several clients; whoever hangs up leaves no harm."""
    faults = []
    clients = [ctl.Client(socket) for _ in range(4)]
    for turn in range(100):
        for number, client in enumerate(clients):
            spi = 0x4000 + number * 256
            client.send(ctl.SET, ctl.ADD_SA, ctl.add_sa(
                [ctl.sa(spi + n, key(f"churn {turn} {n}"), inbound=n % 2 == 0) for n in range(5)]))
        for number, client in enumerate(clients):
            handles = client.receive().handles()
            client.send(ctl.SET, ctl.DELETE_SA, ctl.delete_sa(handles))
        for client in clients:
            if (status := client.receive().status) != ctl.SUCCESS:
                faults.append(f"delete in turn {turn}: {status:#x}")
    clients[0].send(ctl.SET, ctl.DELETE_SA, ctl.delete_sa([5]))
    for client in clients:
        client.close()
    return faults


def verbs(cli):
    faults = []
    pair = [document_sa("a-out", "out", 0x1001), document_sa("a-in", "in", 0x1002)]
    policy = {"name": "p", "direction": "out", "src": "any", "dst": "any", "action": "protect",
              "sas": ["far"]}
    expect(faults, "add", cli.run("sa", "add", document={"sas": pair})[0], 0)
    expect(faults, "list", cli.states(), {"a-out": "active", "a-in": "live"})
    status, out, err = cli.run("sa", "add", document={"sas": [document_sa("b", "in", 0x1003), pair[0]]})
    expect(faults, "add again", (status, out, err.count("\n")), (1, "", 1))
    if not err.startswith("doc.json:1: sas[1]: "):
        faults.append(f"refused with: {err}")
    expect(faults, "list after a refusal", cli.states(), {"a-out": "active", "a-in": "live"})
    fresh = [document_sa("c-out", "out", 0x1004), document_sa("c-in", "in", 0x1005)]
    expect(faults, "swap", cli.run("sa", "swap", "--drain", "60", document={"sas": fresh})[0], 0)
    expect(faults, "list after the swap", cli.states(),
           {"a-in": "draining", "c-out": "active", "c-in": "live"})
    both = {"sas": fresh, "policies": [policy]}
    expect(faults, "policy add", cli.run("policy", "add", document=both)[0], 0)
    expect(faults, "policies", [(p["name"], p["sas"]) for p in cli.json("policy", "list")],
           [("p", ["far"])])
    expect(faults, "policy twice", cli.run("policy", "add", document=both)[0], 1)
    expect(faults, "policy delete", cli.run("policy", "delete", "p")[0], 0)
    expect(faults, "ports", [(p["role"], p["name"]) for p in cli.json("ports")],
           [("host", "net_null0"), ("wire", "net_null1")])
    for kind in ("--port", "--sa", "--worker", "--drops"):
        expect(faults, kind, bool(cli.json("stats", kind)), True)
    for kind in ("--hardware", "--current", "--default"):
        expect(faults, kind, cli.json("caps", kind)[0]["sa_offload_capacity"], CAPACITY)
    handle = cli.json("sa", "show", "c-in")["handle"]
    expect(faults, "activate an inbound one", cli.run("sa", "activate", "c-in")[0], 1)
    expect(faults, "delete of one that is there", cli.run("sa", "delete", handle, "c-out")[0], 0)
    expect(faults, "delete of one that is not", cli.run("sa", "delete", handle)[0], 1)
    expect(faults, "another pair", cli.run("--pair", "x", "sa", "list")[0], 1)
    for words in ((), ("sa",), ("sa", "add"), ("stats", "--hardware"), ("ports", "x"), ("--x",)):
        expect(faults, f"ferrule {' '.join(words)}", cli.run(*words)[0], 2)
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ferruled", type=Path)
    parser.add_argument("ferrule", type=Path)
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Daemon(args.ferruled.resolve(), folder, DOCUMENT, (*EAL, *PORTS)) as daemon:
            if not daemon.heard("READY=1"):
                report.add("start", [daemon.stderr()])
                return report.finish()
            socket = folder / "run" / "control.sock"
            report.add("oids", oids(socket))
            report.add("mutilated", mutilated(socket))
            report.add("churn", churn(socket))
            report.add("verbs", verbs(Cli(args.ferrule.resolve(), folder)))
            # An SA is draining still.
            idle = ctl.Client(socket)
            report.add("stop", [] if daemon.stop() == 0 else [daemon.stderr()])
            report.add("no socket is left", [] if not socket.exists() else [str(socket)])
            idle.close()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
