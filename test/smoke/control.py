# SPDX-License-Identifier: BSD-3-Clause
"""Does a running ferruled do what is asked of it over its socket, by OIDs and by the CLI?

Ports are net_null devices that receive nothing, so no privileges are needed.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ferrule_ctl as ctl
import samples
from cli import Cli
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


def plain_sa(spi, name, direction="in", **more):
    return {"direction": direction, "src": "192.0.2.1", "dst": "192.0.2.2", **more, "esp": {
        "spi": spi, "encryption": "aes-gcm-128", "encryption_key": key(name).hex()}}


def oids(socket):
    """R-50, R-52, R-54, R-72, R-75 and R-76 over the socket of a live daemon."""
    faults = []
    elements = [plain_sa(0x1000 + n, f"sa {n}") for n in range(CAPACITY + 1)]
    with ctl.Client(socket) as client:
        for _ in range(3):
            handles = client.add_sa(elements)
            expect(faults, "handles that are 0", [not h for h in handles],
                   [False] * CAPACITY + [True])
            again = client.request("ADD_SA", ctl.add_sa(elements[-1:]))
            expect(faults, "one more", again.status, "RESOURCES")
            client.delete_sa(handles)
        handle = client.add_sa([plain_sa(0x2000, "esn", esn=True, sequence_high=3)])[0]
        for high, spi, wanted in ((3, 0x2000, "SUCCESS"), (4, 0x2000, "SUCCESS"),
                                  (2, 0x2000, "INVALID_PARAMETER"),
                                  (5, 0x2001, "INVALID_PARAMETER")):
            reply = client.request("UPDATE_SA", ctl.update_sa(handle, ctl.ESP, spi, high))
            expect(faults, f"update to {high} of {spi:#x}", reply.status, wanted)
        client.delete_sa([0, 1 << 40, handle, handle])
        reply = client.request("UPDATE_SA", ctl.update_sa(handle, ctl.ESP, 0x2000, 9))
        expect(faults, "update of what is gone", reply.status, "INVALID_PARAMETER")
        short = client.request("CURRENT_CONFIG", kind=ctl.QUERY, room=16)
        expect(faults, "short room", short.status, "BUFFER_TOO_SHORT")
        expect(faults, "set of a query", client.request("CURRENT_CONFIG").status, "NOT_SUPPORTED")
    return faults


def mutilated(socket):
    """Messages cut anywhere are refused, and nothing is left of them."""
    faults = []
    with ctl.Client(socket) as client:
        whole = ctl.add_sa([plain_sa(0x3000 + n, f"cut {n}") for n in range(2)])
        end = len(whole.rstrip(b"\0"))  # what fills the last element up is not missed
        for length in range(end):
            if client.request("ADD_SA", whole[:length]).status == "SUCCESS":
                faults.append(f"{length} of {len(whole)} bytes are taken for a list")
        gone = ctl.delete_sa(ctl.handles(client.set("ADD_SA", whole)))
        for length in range(len(gone)):
            reply = client.request("DELETE_SA", gone[:length])
            expect(faults, f"{length} bytes of a delete", reply.status, "REQUEST_ABORTED")
        expect(faults, "the whole delete", client.request("DELETE_SA", gone).status, "SUCCESS")
    return faults


def churn(socket):
    """Pipelined adds and deletes of several clients; whoever hangs up does no harm."""
    faults = []
    clients = [ctl.Client(socket) for _ in range(4)]
    for turn in range(100):
        for number, client in enumerate(clients):
            client.submit("ADD_SA", ctl.add_sa([
                plain_sa(0x4000 + number * 256 + n, f"churn {number} {turn} {n}",
                         "in" if n % 2 else "out") for n in range(5)]))
        for client in clients:
            client.submit("DELETE_SA", ctl.delete_sa(ctl.handles(client.collect().data)))
        for client in clients:
            expect(faults, f"delete in turn {turn}", client.collect().status, "SUCCESS")
    clients[0].submit("DELETE_SA", ctl.delete_sa([5]))
    for client in clients:
        client.close()
    return faults


def ages(socket, cli):
    """What is too old is told, soft before hard, and has stopped."""
    faults = []
    with ctl.Client(socket, timeout=20) as client:
        client.set("SUBSCRIBE", ctl.subscribe())
        aged = {**document_sa("aged", "out", 0x5001, "old"),
                "lifetime": {"soft_seconds": 1, "hard_seconds": 2}}
        expect(faults, "add", cli.run("sa", "add", document={"sas": [aged]})[0], 0)
        events = [ctl.event(client.indication().data) for _ in range(2)]
        expect(faults, "names", [e["name"] for e in events], ["aged"] * 2)
        expect(faults, "kinds", [e["kind"] for e in events], ["soft_lifetime", "hard_lifetime"])
        expect(faults, "state", cli.states(), {"aged": "stopped"})
        expect(faults, "delete", cli.run("sa", "delete", "aged")[0], 0)
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
    expect(faults, "answers without members", cli.json("sa", "activate", "c-out"), {})
    expect(faults, "an update backwards", cli.run("sa", "update", "c-out", "--sequence-high", "0"),
           (1, "", "ferrule: c-out: has no ESN, or its numbers would go back\n"))
    expect(faults, "activate an inbound one", cli.run("sa", "activate", "c-in"),
           (1, "", "ferrule: c-in: is an inbound SA: only outbound ones are active\n"))
    expect(faults, "delete of some", cli.run("sa", "delete", "c-out", "nobody", "c-in"),
           (1, "", "ferrule: nobody: there is no such SA\n"))
    expect(faults, "delete of one that is there", cli.run("sa", "delete", handle, "c-out")[0], 0)
    expect(faults, "delete of one that is not", cli.run("sa", "delete", handle),
           (1, "", f"ferrule: {handle}: there is no such SA\n"))
    expect(faults, "delete of no policy", cli.run("policy", "delete", "q"),
           (1, "", "ferrule: q: there is no such policy\n"))
    expect(faults, "a document without SAs", cli.run("sa", "add", document={"policies": [policy]}),
           (1, "", "doc.json:1: sas: is missing, or empty\n"))
    expect(faults, "another pair", cli.run("--pair", "x", "sa", "list")[0], 1)
    for words, why in ((("sa",), "sa: the second word of the verb is missing"),
                       (("sa", "show"), "NAME|HANDLE: is missing"),
                       (("encapsulation",), "on|off: is missing")):
        status, _, err = cli.run(*words)
        expect(faults, words, (status, err.split("\n")[0]), (2, f"ferrule: {why}"))
    for words in ((), ("sa", "add"), ("stats", "--hardware"), ("ports", "x"), ("--x",)):
        expect(faults, f"ferrule {' '.join(words)}", cli.run(*words)[0], 2)
    return faults


def configuration(cli):
    """What is configured and activated is what is then in force."""
    faults = []

    def offered():
        now = cli.json("caps")[0]
        return bool(now["esp"]), bool(now["ipv6"])

    for words, wanted in ((("offload", "set", "ipsec=disabled"), (False, False)),
                          (("offload", "set", "ipsec=esp"), (True, True)),
                          (("offload", "set", "ipsec=ah+esp"), (True, True)),
                          (("encapsulation", "off", "--ipv6"), (True, False)),
                          (("encapsulation", "off", "--ipv4"), (False, False)),
                          (("encapsulation", "on"), (True, True))):
        expect(faults, words, cli.run(*words), (0, "", ""))
        expect(faults, f"caps after {words}", offered(), wanted)
    for words in (("offload", "set", "ipsec=no"), ("offload", "set"), ("offload",),
                  ("encapsulation", "maybe"), ("encapsulation", "on", "--sa")):
        expect(faults, words, cli.run(*words)[0], 2)
    cli.run("offload", "set", "ipsec=disabled")
    status, _, err = cli.run("sa", "add", document={"sas": [document_sa("no", "in", 0x7001)]})
    expect(faults, "add when it is disabled", (status, "configuration" in err), (1, True))
    cli.run("offload", "set", "ipsec=ah+esp")
    return faults


def of_group(group, direction="out", name="p"):
    return {"name": name, "direction": direction, "src": "any", "dst": "any",
            "action": "protect", "sas": [group]}


def policies_alone(cli):
    """Policies without SAs name groups that the daemon has."""
    faults = []
    pair = [document_sa("g-out", "out", 0x6001, "site"), document_sa("g-in", "in", 0x6002, "site")]
    expect(faults, "add", cli.run("sa", "add", document={"sas": pair})[0], 0)
    two = [of_group("site"), of_group("site", "in", "q")]
    expect(faults, "policies", cli.run("policy", "add", document={"policies": two})[0], 0)
    names = [p["name"] for p in cli.json("policy", "list")]
    expect(faults, "list", names, ["p", "q"])
    unknown = {"policies": [of_group("site", name="r"), of_group("nowhere", name="s")]}
    expect(faults, "no such group", cli.run("policy", "add", document=unknown, indent=1),
           (1, "", "doc.json:20: policies[1].sas[0]: names no group that is there\n"))
    # The policies of a document of SAs are not looked at.
    more = {"sas": [document_sa("h-in", "in", 0x6003, "inwards")], **unknown}
    expect(faults, "sa add", cli.run("sa", "add", document=more)[0], 0)
    wrong = {"policies": [of_group("inwards", name="s")]}
    expect(faults, "no SA of that direction", cli.run("policy", "add", document=wrong),
           (1, "", "doc.json:1: policies[0].sas[0]: "
            "names a group without an SA of direction out\n"))
    fresh = {"sas": [document_sa("g-out-2", "out", 0x6004, "site")], "policies": [of_group("x")]}
    expect(faults, "sa swap", cli.run("sa", "swap", document=fresh)[0], 0)
    taken = {"sas": [document_sa("n", "in", 0x6005), document_sa("g-out-2", "out", 0x6006, "site")]}
    for verb in ("add", "swap"):
        expect(faults, f"{verb} of a name that is taken", cli.run("sa", verb, document=taken),
               (1, "", "doc.json:1: sas[1]: an SA of this name is there\n"))
    expect(faults, "list", cli.states(), {"g-in": "live", "g-out-2": "active", "h-in": "live"})
    expect(faults, "delete", cli.run("policy", "delete", "p", "q")[0], 0)
    expect(faults, "delete", cli.run("sa", "delete", "g-in", "g-out-2", "h-in")[0], 0)
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
            path = folder / "run" / "control.sock"
            socket = str(path)
            report.add("oids", oids(socket))
            report.add("mutilated", mutilated(socket))
            report.add("churn", churn(socket))
            cli = Cli(args.ferrule.resolve(), folder)
            report.add("ages", ages(socket, cli))
            report.add("policies alone", policies_alone(cli))
            report.add("verbs", verbs(cli))
            report.add("configuration", configuration(cli))
            # An SA is draining still.
            idle = ctl.Client(socket)
            report.add("stop", [] if daemon.stop() == 0 else [daemon.stderr()])
            report.add("no socket is left", [socket] if path.exists() else [])
            idle.close()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
