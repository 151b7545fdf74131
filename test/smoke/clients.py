# SPDX-License-Identifier: BSD-3-Clause
"""Is a running ferruled there for all its clients, whatever some of them do, and for nobody else?"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ferrule_ctl as ctl
from daemon import EAL, Daemon
from report import Report

PATIENCE_S = 60
CROWD = 1000
NOBODY = 65534
PORTS = tuple(f"--vdev=net_null{n},no-rx=1" for n in range(2))


def document(path):
    return json.dumps({"control": {"socket": str(path)}, "pairs": [
        {"host": {"port": "net_null0"}, "wire": {"port": "net_null1"}, "capacity": 8}]})


def is_served(path, n=1):
    with ctl.Client(str(path), timeout=PATIENCE_S) as client:
        for _ in range(n):
            client.sa_list()


def crowd(path):
    """So many clients at once, each of which is answered."""
    clients = [ctl.Client(path, timeout=PATIENCE_S) for _ in range(CROWD)]
    ids = [client.submit("SA_LIST", kind=ctl.QUERY) for client in clients]
    done = {client.collect(i).status for client, i in zip(clients, ids)}
    for client in clients:
        client.close()
    return [] if done == {"SUCCESS"} else [f"{done}"]


def silent(path):
    """Clients that ask for ever and never read: they are no longer listened to, the others are."""
    request = ctl.frame(ctl.QUERY, ctl.OID["STATS_DROP"], ctl.page(), ctl.ALL_PAIRS, 1, 1 << 20)
    faults, sockets = [], []
    for _ in range(4):
        client = ctl.Client(path)
        client.socket.setblocking(False)
        end = time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < end:
                client.socket.send(request * 64)
        except BlockingIOError:
            pass
        else:
            faults.append("everything is read of a client that reads nothing")
        sockets.append(client)
    is_served(path, 100)
    for client in sockets:
        client.close()
    is_served(path)
    return faults


def slow(path):
    """A request that comes byte by byte is answered, and meanwhile the others are."""
    request = ctl.frame(ctl.QUERY, ctl.OID["SA_LIST"], ctl.page(), 0, 7, 1 << 16)
    with ctl.Client(path, timeout=PATIENCE_S) as client:
        for byte in request:
            client.socket.sendall(bytes([byte]))
            is_served(path)
        done = client.collect(7)
    return [] if done.status == "SUCCESS" else [f"{done}"]


def turned_away(path):
    """What somebody else is told who connects."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            ctl.Client(path)
            os.write(write, b"welcome")
        except OSError as error:
            os.write(write, f"{error}".encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as told:
        return told.read()


def strangers(path):
    """Somebody else is turned away even where the mode of the socket would let him in."""
    for way in (path.parent.parent, path.parent):
        way.chmod(0o755)
    mode = path.stat().st_mode & 0o777
    path.chmod(0o666)
    told = turned_away(str(path))
    path.chmod(mode)
    faults = [] if mode == 0o600 else [f"the mode of the socket is {mode:o}"]
    return faults if told == "NOT_ACCEPTED" else [*faults, told]


def second(program, folder, path):
    """Another daemon for the same socket says so, and leaves it alone."""
    folder.mkdir()
    with Daemon(program, folder, document(path), (*EAL, *PORTS)) as daemon:
        status, said = daemon.ends(), daemon.stderr().splitlines()
    is_served(path)
    if status == 1 and len(said) == 1 and str(path) in said[0] and "listens" in said[0]:
        return []
    return [f"exit {status}: {said}"]


def successor(program, folder, path):
    """A daemon that was killed leaves its socket behind: the next one takes its place."""
    folder.mkdir()
    if not path.exists():
        return ["the socket of a daemon that was killed is gone"]
    try:
        ctl.Client(str(path))
        return ["somebody listens for a daemon that was killed"]
    except ConnectionRefusedError:
        pass
    with Daemon(program, folder, document(path), (*EAL, *PORTS)) as daemon:
        if not daemon.heard("READY=1"):
            return [daemon.stderr()]
        is_served(path)
        status = daemon.stop()
    return [] if status == 0 and not path.exists() else [f"exit {status}, {path.exists()}"]


def more_files():
    """A thousand sockets are more than a process usually may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4 * CROWD), most))
    return most >= 2 * CROWD


def check(program, folder, report):
    path = folder / "run" / "c.sock"
    with Daemon(program, folder, document(path), (*EAL, *PORTS)) as daemon:
        if not daemon.heard("READY=1"):
            report.add("start", [daemon.stderr()])
            return
        if more_files():
            report.add("crowd", crowd(str(path)))
        else:
            report.skip("crowd", "this process may not have so many files open")
        report.add("silent", silent(str(path)))
        report.add("slow", slow(str(path)))
        if os.geteuid() == 0:
            report.add("strangers", strangers(path))
        else:
            report.skip("strangers", "only root can be somebody else")
        report.add("second", second(program, folder / "second", path))
        daemon.process.kill()
        daemon.process.wait()
    report.add("successor", successor(program, folder / "successor", path))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path, help="the ferruled to test")
    args = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
        check(args.program.resolve(), Path(folder), report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
