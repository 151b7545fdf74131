# SPDX-License-Identifier: BSD-3-Clause
"""Do SAs and policies come and go under load without a trace, and without harm to the others?

Several clients make at least that many changes of SAs while one pair carries packets as fast as it
can: captured packets that come in again and again at the host port, are protected, come back from
a wire port that is a ring, are opened and leave.  So what is protected by an SA is opened by its
twin, and all numbers add up, or something was lost.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ferrule_ctl as ctl
import pcapio
import samples
from daemon import EAL, Daemon
from report import Report

EAST, WEST = "192.0.2.1", "198.51.100.1"
PATIENCE_S = 60
DRAIN_MS = 3600_000  # they are deleted at the end: nobody knows how long a packet is under way
MOST_GROWTH_KIB = 2048
MOST_IN_HAND = 256  # buffers that are in a worker's hands while somebody looks
STEADY = ("steady-4", "steady-6")

progress = multiprocessing.Value("Q", 0)
is_over = multiprocessing.Event()


def twins(group, spi, name=None):
    """An outbound and an inbound SA that opens what the first protects."""
    # No counter mode: there the two would have to have different keys.
    esp = {"spi": spi, "encryption": "aes-cbc-128", "integrity": "hmac-sha1-96",
           "encryption_key": samples.make_key(f"churn {spi}", 16).hex(),
           "integrity_key": samples.make_key(f"churn {spi} too", 20).hex()}
    return [{"name": f"{name or group}-{direction}", "group": group, "direction": direction,
             "mode": "tunnel", "src": EAST, "dst": WEST, "esp": esp}
            for direction in ("out", "in")]


def sites(number):
    if number == 6:
        return "2001:db8:1::/48", "2001:db8:2::/48"
    return f"10.{number}.1.0/24", f"10.{number}.2.0/24"


def policies(name, number, group):
    src, dst = sites(number)
    return [{"name": f"{name}-{direction}", "direction": direction, "src": src, "dst": dst,
             "action": "protect", "sas": [group]} for direction in ("out", "in")]


FLOWS = {"steady-4": 4, "steady-6": 6, "rolling": 5}


def packets():
    """Of each flow, short and long ones."""
    ends = [("10.4.1.7", "10.4.2.9"), ("2001:db8:1::7", "2001:db8:2::9"), ("10.5.1.7", "10.5.2.9")]
    return [samples.ethernet(samples.udp_packet(*ends[n % 3], payload=bytes([n]) * (n * 11 % 1200)))
            for n in range(240)]


def document():
    return json.dumps({
        "eal": ["--vdev=net_pcap0,rx_pcap=traffic.pcap,infinite_rx=1", "--vdev=net_ring0"],
        "pairs": [{"host": {"port": "net_pcap0"}, "wire": {"port": "net_ring0"}}],
        "sas": [sa for group, number in FLOWS.items() for sa in twins(group, 0x1000 + number)],
        "policies": [p for group, number in FLOWS.items()
                     for p in policies(group, number, group)],
    })


# --- clients ------------------------------------------------------------------------------------


def guest(spi, direction, **more):
    return {"direction": direction, "src": EAST, "dst": WEST, **more,
            "esp": {"spi": spi, "encryption": "aes-gcm-128",
                    "encryption_key": samples.make_key(f"guest {spi}", 20).hex()}}


def count(n):
    with progress.get_lock():
        progress.value += n


def lists(path, operations):
    """The contract's lists, some of which are moved forward in between."""
    n = 32
    sas = [guest(0x10000 + i, "in" if i % 2 else "out", esn=i % 4 == 1) for i in range(n)]
    add = ctl.add_sa(sas)
    with ctl.Client(path, timeout=PATIENCE_S) as client:
        while operations > 0:
            handles = ctl.handles(client.set("ADD_SA", add))
            assert all(handles), f"an SA of a list was not added: {handles}"
            for i in range(1, n, 4):
                client.update_sa(handles[i], ctl.ESP, 0x10000 + i, 1)
            client.delete_sa(handles)
            operations -= 2 * n + n // 4
            count(2 * n + n // 4)


def one_by_one(path, operations):
    """Requests that do not wait for each other, each with one SA."""
    n = 32
    adds = [ctl.add_sa_ex(guest(0x20000 + i, "in" if i % 2 else "out")) for i in range(n)]
    with ctl.Client(path, timeout=PATIENCE_S) as client:
        while operations > 0:
            ids = [client.submit("ADD_SA_EX", add) for add in adds]
            handles = [ctl.handles(must(client, i))[0] for i in ids]
            ids = [client.submit("DELETE_SA", ctl.delete_sa([h])) for h in handles]
            for i in ids:
                must(client, i)
            operations -= 2 * n
            count(2 * n)


def must(client, request_id):
    done = client.collect(request_id)
    assert done.status == "SUCCESS", ctl.refusal(done.data)
    return done.data


def groups(path, operations):
    """Groups that are filled, activated, swapped and emptied, and requests that are refused."""
    turns, n = [], 8
    for turn in range(8):
        old = [{"name": f"g{turn}-{i}", "group": f"g{turn}", "mode": "tunnel",
                **guest(0x30000 + 32 * turn + i, "in" if i % 2 else "out")} for i in range(n)]
        new = [{"name": f"h{turn}-{i}", "group": f"g{turn}", "mode": "tunnel",
                **guest(0x30000 + 32 * turn + n + i, "in" if i % 2 else "out")} for i in range(n)]
        twice = [new[0] | {"name": "other"}, old[-1]]
        turns.append([(oid, data, wanted) for oid, data, wanted in (
            ("SA_ADD", ctl.sa_add(old), "SUCCESS"),
            ("SA_ACTIVATE", ctl.sa_refs([f"g{turn}-2", f"g{turn}-4"]), "SUCCESS"),
            ("SA_ADD", ctl.sa_add(twice), "INVALID_DATA"),
            ("SA_SWAP", ctl.sa_swap(new, 0), "SUCCESS"),
            ("SA_ACTIVATE", ctl.sa_refs([f"g{turn}-2"]), "INVALID_PARAMETER"),
            ("SA_DELETE", ctl.sa_refs([sa["name"] for sa in new]), "SUCCESS"))])
    with ctl.Client(path, timeout=PATIENCE_S) as client:
        while operations > 0:
            for turn in turns:
                for oid, data, wanted in turn:
                    done = client.request(oid, data)
                    assert done.status == wanted, f"{oid}: {done.status} {ctl.refusal(done.data)}"
            operations -= len(turns) * (4 * n + 2)
            count(len(turns) * (4 * n + 2))


def rules(path, _):
    """Policies come and go, of a group that does as well; lists and numbers are asked for."""
    sas = [{"name": f"rule-{d}", "group": "rule", "mode": "tunnel",
            **guest(0x40000 + i, d)} for i, d in enumerate(("out", "in"))]
    add = ctl.policy_add(policies("rule", 9, "rule"))
    with ctl.Client(path, timeout=PATIENCE_S) as client:
        while not is_over.is_set():
            client.sa_add(sas)
            client.set("POLICY_ADD", add)
            client.sa_delete([sa["name"] for sa in sas])
            assert "rule-out" in [p["name"] for p in client.policy_list()]
            client.policy_delete(["rule-in", "rule-out"])
            client.sa_list()
            for kind in ("sa", "port", "worker", "drop"):
                client.stats(kind, pair=0)
            count(4)


def vanish(path, _):
    """Whoever hangs up in the middle of a request, or does not wait for the answers, does no harm."""
    sas = [{"name": f"ghost-{i}", "group": "ghost", "mode": "tunnel",
            **guest(0x50000 + i, "out")} for i in range(4)]
    names = ctl.sa_refs([sa["name"] for sa in sas])
    whole = ctl.frame(ctl.SET, ctl.OID["SA_ADD"], ctl.sa_add(sas), 0, 1)
    turn = 0
    while not is_over.is_set():
        client = ctl.Client(path, timeout=PATIENCE_S)
        if turn % 2:
            client.submit("SA_ADD", ctl.sa_add(sas))
            client.submit("SA_DELETE", names)
            must(client, client.submit("SA_LIST", kind=ctl.QUERY))
            client.submit("SA_ADD", ctl.sa_add(sas))
            client.submit("SA_DELETE", names)
        else:
            client.socket.sendall(whole[:turn % len(whole)])
        client.close()
        turn += 1
        time.sleep(0.005)


def roll(path, _):
    """The SAs of one of the flows are replaced while it flows."""
    turn = 0
    with ctl.Client(path, timeout=PATIENCE_S) as client:
        while not is_over.wait(0.1):
            turn += 1
            client.sa_swap(twins("rolling", 0x60000 + turn, f"rolling-{turn}"), DRAIN_MS)
            count(4)


CLIENTS = ((lists, 0.4), (one_by_one, 0.25), (groups, 0.35), (rules, 0), (vanish, 0), (roll, 0))


def run_client(client, path, operations):
    """What went wrong, or None."""
    try:
        client(path, operations)
    except Exception as error:  # whatever it is, the others are to end
        is_over.set()
        return f"{client.__name__}: {type(error).__name__}: {error}"
    return None


# --- looking ------------------------------------------------------------------------------------


class Watch:
    """How much memory the daemon has, and how many buffers are away from their pool."""

    def __init__(self, pid, client):
        self._client = client
        self._status = Path(f"/proc/{pid}/status")
        # What a sanitizer keeps for its own purposes grows.
        self.is_sanitized = "libasan" in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
        self.samples = []

    def look(self):
        lines = self._status.read_text(encoding="utf-8").splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        self.samples.append((kib, self._client.stats("port")[0][1]["mbufs_in_use"]))

    def faults(self):
        (first_kib, first_used), (last_kib, last_used) = self.samples[0], self.samples[-1]
        faults = []
        if not self.is_sanitized and last_kib > first_kib + MOST_GROWTH_KIB:
            faults.append(f"memory, in KiB, and buffers grew: {self.samples}")
        if last_used > first_used + MOST_IN_HAND:
            faults.append(f"memory, in KiB, and buffers in use grew: {self.samples}")
        return faults


def outcomes(client):
    """What became of the packets that came in at the host port, and at the wire port."""
    return [{name: n for name, n in row.items() if n} for _, row in client.stats("drop")]


def work(path, operations, watch):
    """Lets the clients work to their end; what went wrong."""
    with concurrent.futures.ProcessPoolExecutor(len(CLIENTS)) as pool:
        runs = [pool.submit(run_client, client, path, int(operations * share))
                for client, share in CLIENTS]
        ends = [run for run, (_, share) in zip(runs, CLIENTS) if share]
        for quarter in (1, 2, 3):
            while progress.value < operations * quarter / 4 and not is_over.is_set():
                time.sleep(0.05)
            watch.look()
        concurrent.futures.wait(ends)
        is_over.set()
        return [fault for fault in (run.result() for run in runs) if fault]


def stop_traffic(client):
    """Nothing is protected any more: waits until all that was has been opened."""
    client.policy_delete([f"{group}-out" for group in FLOWS])
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        host, wire = outcomes(client)
        if sum(wire.values()) >= host["ok"]:
            break
        time.sleep(0.01)
    return host, wire


def traffic_faults(host, wire, least):
    """Every packet was protected and came back, and none of those of before the end was refused."""
    faults = []
    if host["ok"] < least:
        faults.append(f"{host} came in: too few to say anything")
    if set(host) - {"ok", "no_policy"} or wire != {"ok": host["ok"]}:
        faults.append(f"from the host {host}, from the wire {wire}")
    return faults


def number_faults(sas):
    """Each number that was given was accepted, once."""
    faults = []
    for name in STEADY:
        seen = {(s["packets"], s["sequence"], s["drops"]) for s in sas if s["group"] == name}
        if len(seen) != 1 or next(iter(seen)) != (max(seen)[0], max(seen)[0], 0):
            faults.append(f"{name}: packets, numbers and drops: {sorted(seen)}")
    rolling = [s for s in sas if s["group"] == "rolling"]
    if any(s["packets"] != s["sequence"] or s["drops"] for s in rolling if s["direction"] == "in"):
        faults.append(f"rolling: {[(s['name'], s['packets'], s['sequence']) for s in rolling]}")
    return faults


def churn(program, folder, operations, report):
    pcapio.write(folder / "traffic.pcap", pcapio.of_frames(packets(), pcapio.ETHERNET))
    with Daemon(program, folder, document(), EAL) as daemon:
        if not daemon.heard("READY=1"):
            report.add("start", [daemon.stderr()])
            return
        path = str(folder / "run" / "control.sock")
        with ctl.Client(path, timeout=PATIENCE_S) as client:
            watch = Watch(daemon.process.pid, client)
            report.add("clients", work(path, operations, watch))
            report.add("changes", [] if progress.value >= operations else [f"{progress.value}"])
            host, wire = stop_traffic(client)
            sas = client.sa_list()
            report.add("packets", traffic_faults(host, wire, operations))
            report.add("numbers", number_faults(sas))
            client.sa_delete([s["handle"] for s in sas if "draining" in s["flags"]])
            left = sorted(s["group"] for s in client.sa_list())
            report.add("SAs that are left", [] if left == sorted([*FLOWS] * 2) else [f"{left}"])
            watch.look()
            report.add("memory", watch.faults())
        status = daemon.stop()
        report.add("end", [] if status == 0 else [f"exit {status}: {daemon.stderr()}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferruled to test")
    parser.add_argument("--operations", type=int, default=200_000)
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
        churn(args.program.resolve(), Path(folder), args.operations, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
