#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Are the packets of ferrule-gen what they are said to be, and does it see what became of them?

usage: gen_test.py FERRULE-GEN FERRULE-PCAP FERRULED

ferrule-pcap is the box for capture files, ferruled for ports.
"""

import argparse
import collections
import json
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test/support"))

import pcapio
import samples
from daemon import EAL, Daemon
from lab import wait_until
from report import Report

N_PACKETS = 3000
WINDOW = 256

V4 = {"src": "198.51.100.1", "dst": "192.0.2.1"}
V6 = {"src": "2001:db8:2::1", "dst": "2001:db8:1::1"}
IN_4 = {"src": "10.2.0.0/16", "dst": "10.1.0.0/16"}
IN_6 = {"src": "2001:db8:b::/48", "dst": "2001:db8:a::/48"}


def gcm(spi):
    return {"spi": spi, "encryption": "aes-gcm-128",
            "encryption_key": samples.make_key(f"gen {spi}", 20).hex()}


def cbc(spi):
    return {"spi": spi, "encryption": "aes-cbc-256",
            "encryption_key": samples.make_key(f"gen cbc {spi}", 32).hex(), **hmac(spi)}


def hmac(spi):
    return {"spi": spi, "integrity": "hmac-sha2-256-128",
            "integrity_key": samples.make_key(f"gen hmac {spi}", 32).hex()}


# Associations of a box, inbound as they stand: addresses, mode, protection and what else there is;
# and its selectors, None where those of the association do.
SHAPES = {
    "tunnel": ({**V4, "mode": "tunnel", "esp": gcm(0x1001)}, IN_4),
    "tunnel of cipher and HMAC": ({**V4, "mode": "tunnel", "esp": cbc(0x1002)}, IN_4),
    "tunnel with ESN": ({**V4, "mode": "tunnel", "esp": gcm(0x1003), "esn": True,
                         "sequence": 2**32 - 100}, IN_4),
    "tunnel with a small window": ({**V4, "mode": "tunnel", "esp": gcm(0x100B),
                                    "replay_window": 32}, IN_4),
    "6 in 4": ({**V4, "mode": "tunnel", "esp": gcm(0x1004)}, IN_6),
    "4 in 6": ({**V6, "mode": "tunnel", "esp": cbc(0x1005)}, IN_4),
    "6 in 6": ({**V6, "mode": "tunnel", "esp": gcm(0x1006)}, IN_6),
    "in UDP": ({**V4, "mode": "tunnel", "esp": gcm(0x1007),
                "udp": {"sport": 4500, "dport": 4500}}, IN_4),
    "transport": ({**V4, "mode": "transport", "esp": gcm(0x1008)}, None),
    "transport of IPv6": ({**V6, "mode": "transport", "esp": cbc(0x1009)}, None),
    "AH": ({**V4, "mode": "transport", "ah": hmac(0x2001)}, None),
    "AH in a tunnel": ({**V6, "mode": "tunnel", "ah": hmac(0x2002)}, IN_4),
    "a bundle": ({**V4, "mode": "tunnel", "esp": gcm(0x100A), "ah": hmac(0x2003)}, IN_4),
}


def swapped(ends):
    return {**ends, "src": ends["dst"], "dst": ends["src"]}


def document(shape, **more):
    """A box with such an association in either direction, each with keys of its own."""
    sa, selector = SHAPES[shape]
    selector = selector or {"src": sa["src"], "dst": sa["dst"]}
    back = {name: value for name, value in swapped(sa).items()
            if name not in ("sequence", "replay_window")}
    for name in {"esp", "ah"} & set(back):
        back[name] = {key: text[::-1] if key.endswith("_key") else text
                      for key, text in back[name].items()}
    name = {"group": "peer"}
    return json.dumps({
        **more,
        "sas": [{"name": "in", "direction": "in", "replay_window": WINDOW, **name, **sa},
                {"name": "out", "direction": "out", **name, **back}],
        "policies": [
            {"name": "in", "direction": "in", "action": "protect", "sas": ["peer"], **selector},
            {"name": "out", "direction": "out", "action": "protect", "sas": ["peer"],
             **swapped(selector)}],
    })


class Bench:
    def __init__(self, args, folder):
        self.gen, self.pcap, self.ferruled = (
            path.resolve() for path in (args.ferrule_gen, args.ferrule_pcap, args.ferruled))
        self.folder = folder
        self.kinds = {row["kind"]: row["verdict"] for row in self.json(self.gen, "kinds")}

    def run(self, program, arguments):
        return subprocess.run([str(program), *str(arguments).split()], cwd=self.folder,
                              capture_output=True, text=True, timeout=120, check=False)

    def json(self, program, arguments, status=0):
        result = self.run(program, f"{arguments} --json")
        if result.returncode != status:
            raise AssertionError(f"{arguments}: exit {result.returncode}: {result.stderr}"
                                 f"{result.stdout[-2000:]}")
        return json.loads(result.stdout)

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")


def wrong(what, got, wanted):
    return [] if got == wanted else [f"{what}: {got}, expected {wanted}"]


def broken(bench, shape):
    """Every kind that the association can have ends as it should, and nothing else is lost."""
    bench.write("box.yaml", document(shape))
    made = bench.json(bench.gen, f"make -c box.yaml --packets {N_PACKETS} --streams 5 "
                                 "--size 100,1280 --broken all=3% -o wire.pcap")["sent"]
    carried = bench.json(bench.pcap, "unprotect -c box.yaml -o host.pcap wire.pcap")
    back = bench.json(bench.gen, f"verify --packets {made['kinds']['sound']} host.pcap")
    return [*wrong("verdicts", carried["verdicts"], made["verdicts"]),
            *wrong("sound", back["received"]["packets"], made["kinds"]["sound"])]


def few_are_sound(bench):
    """What moves the window of a receiver are the sound packets among them."""
    bench.write("box.yaml", document("tunnel"))
    made = bench.json(bench.gen, f"make -c box.yaml --packets {N_PACKETS} --seed 2 "
                                 "--broken bad_icv=93%,out_of_window=6% -o wire.pcap")["sent"]
    carried = bench.json(bench.pcap, "unprotect -c box.yaml -o host.pcap wire.pcap")
    return wrong("verdicts", carried["verdicts"], made["verdicts"])


def copies_are_made(bench):
    """Of what was sent before as many as of anything else, but for what comes before the first."""
    bench.write("box.yaml", document("tunnel"))
    made = bench.json(bench.gen, f"make -c box.yaml --packets {N_PACKETS} "
                                 "--broken replayed=20% -o wire.pcap")["sent"]["kinds"]
    carried = bench.json(bench.pcap, "unprotect -c box.yaml -o host.pcap wire.pcap")["verdicts"]
    right = 0.18 < made["replayed"] / N_PACKETS < 0.22
    return wrong("verdicts", carried, {"ok": made["sound"], "replay": made["replayed"]}) + (
        [] if right else [f"{made}"])


def every_kind_is_made(bench, shape):
    bench.write("box.yaml", document(shape))
    made = bench.json(bench.gen, f"make -c box.yaml --packets {N_PACKETS} --broken all=3% "
                                 "-o wire.pcap")["sent"]
    verdicts = collections.Counter()
    for kind, count in made["kinds"].items():
        verdicts[bench.kinds.get(kind, "ok")] += count
    return [*wrong("kinds", set(made["kinds"]), {"sound", *bench.kinds}),
            *wrong("verdicts", made["verdicts"], dict(verdicts))]


def sealed_by_box(bench, shape):
    """What a box seals comes back whole."""
    bench.write("box.yaml", document(shape))
    bench.json(bench.gen, f"make -c box.yaml --plain --packets {N_PACKETS} --size imix -o host.pcap")
    bench.json(bench.pcap, "protect -c box.yaml -o wire.pcap host.pcap")
    back = bench.json(bench.gen, f"verify -c box.yaml --open --packets {N_PACKETS} wire.pcap")
    return [*wrong("opened", back["opened"], {"ok": N_PACKETS}),
            *wrong("right", back["right"], True)]


def sealed_is_not_plain(bench):
    """What a box has sealed is nothing that is known, unless it is opened."""
    bench.write("box.yaml", document("tunnel"))
    bench.run(bench.gen, "make -c box.yaml --packets 50 -o wire.pcap")
    back = bench.json(bench.gen, "verify wire.pcap", status=1)["received"]
    return wrong("foreign", (back["foreign"], back["packets"]), (50, 0))


def drop(frames):
    del frames[10]


def swap(frames):
    frames[10], frames[20] = frames[20], frames[10]


def repeat(frames):
    frames.insert(30, frames[5])


def flip(frames):
    frames[10] = frames[10][:-1] + bytes([frames[10][-1] ^ 1])


FAULTS = {
    drop: {"lost": 1},
    swap: {"reordered": 10},
    repeat: {"duplicated": 1},
    flip: {"corrupt": 1, "lost": 1},
}


def faults_are_seen(bench, fault):
    """A capture in which something is wrong."""
    names = ("lost", "reordered", "duplicated", "corrupt", "foreign", "late")
    bench.run(bench.gen, "make --plain --packets 100 --size 90 -o made.pcap")
    frames = pcapio.read(bench.folder / "made.pcap").frames
    fault(frames)
    pcapio.write(bench.folder / "back.pcap", pcapio.of_frames(frames, pcapio.ETHERNET))
    back = bench.json(bench.gen, "verify --packets 100 back.pcap", status=1)["received"]
    return wrong("faults", {name: back[name] for name in names if back[name]}, FAULTS[fault])


def leaks_are_seen(bench):
    """A box that lets everything by."""
    bench.write("box.yaml", document("tunnel"))
    bench.run(bench.gen, "make -c box.yaml --packets 500 --broken in_clear=10% -o wire.pcap")
    back = bench.json(bench.gen, "verify wire.pcap", status=1)["received"]
    return [] if back["leaked"].get("in_clear", 0) > 20 else [f"{back}"]


def the_seed_says_which(bench):
    """The same seed makes the same packets; another one does not know them."""
    found = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        bench.run(bench.gen, f"make --plain --packets 50 --seed {seed} -o {name}.pcap")
    read = {name: (bench.folder / f"{name}.pcap").read_bytes() for name in "abc"}
    found += wrong("the same", read["a"] == read["b"], True)
    found += wrong("another", read["a"] == read["c"], False)
    back = bench.json(bench.gen, "verify --seed 6 a.pcap", status=1)["received"]
    return found + wrong("of another seed", back["corrupt"], 50)


def over_a_ring(bench):
    """A port that gives back what it is sent; as fast as it goes, at a rate, and prepared."""
    port = "--vdev net_ring0 --tx net_ring0 --rx net_ring0"
    found = []
    for how in ("--packets 100000 --size imix", "--rate 5000 --seconds 0.2",
                "--prepare --packets 100000 --streams 300"):
        sums = bench.json(bench.gen, f"send --plain {port} {how}")
        found += wrong(how, sums["received"]["packets"], sums["sent"]["packets"])
    bench.write("box.yaml", document("tunnel"))
    sums = bench.json(bench.gen, f"send --plain -c box.yaml --open {port} --packets 500", status=1)
    found += wrong("not sealed", (sums["received"]["frames"], sums["opened"].get("ok", 0)), (500, 0))
    paced = bench.json(bench.gen, f"send --plain {port} --rate 1000 --packets 500")["sent"]
    found += [] if 0.49 <= paced["seconds"] < 30 else [f"500 at 1000/s: {paced}"]
    timed = bench.json(bench.gen, f"send --plain {port} --rate 1000 --seconds 0.5")["sent"]
    return found + ([] if 0 < timed["packets"] <= 501 else [f"1000/s for 0.5 s: {timed}"])


def into_nothing(bench):
    """A port that takes all: with broken ones among them, and nothing comes back."""
    bench.write("box.yaml", document("a bundle"))
    sums = bench.json(bench.gen, "send -c box.yaml --vdev net_null0 --tx net_null0 "
                                 "--packets 20000 --broken all=1% --size 64,1420")
    return [*wrong("sent", sums["sent"]["packets"], 20000),
            *wrong("received", "received" in sums, False)]


def memif(number, role, name):
    return f"net_memif{number},role={role},socket={name}.sock,socket-abstract=no"


def through_a_daemon(bench):
    """A live appliance decrypts what is sound, judges what is not, and encrypts what is plain."""
    devices = [f"--vdev={memif(n, 'server', bench.folder / name)}"
               for n, name in enumerate(("host", "wire"))]
    pair = {"host": {"port": "net_memif0"}, "wire": {"port": "net_memif1"}}
    bench.write("box.yaml", document("tunnel", eal=devices, pairs=[pair]))
    ports = " ".join(f"--vdev {memif(n, 'client', bench.folder / name)}"
                     for n, name in enumerate(("host", "wire")))
    found = []
    with Daemon(bench.ferruled, bench.folder, (bench.folder / "box.yaml").read_text(),
                EAL) as daemon:
        if not daemon.heard("READY=1", 120):
            return [f"it does not start: {daemon.stderr()}"]
        # Fewer than the rings hold, so that none is lost however busy the machine is.
        sums = bench.json(bench.gen, f"send -c box.yaml {ports} --tx net_memif1 --rx net_memif0 "
                                     "--packets 900 --broken all=2% --wait 60 --settle 4")
        sent = sums["sent"]
        found += wrong("kinds", set(sent["kinds"]), {"sound", *bench.kinds})
        found += wrong("opened", sums["received"]["packets"], sent["kinds"]["sound"])
        sums = bench.json(bench.gen, f"send -c box.yaml --plain {ports} --tx net_memif0 "
                                     "--rx net_memif1 --open --packets 400 --wait 60 "
                                     "--settle 4")
        found += wrong("sealed", sums["opened"], {"ok": 400})
        status = daemon.stop()
        carried = daemon.counters()["net_memif1"]
    found += wrong("verdicts", carried, {**sent["verdicts"], "received": 900, "sent": 400})
    return found + ([] if status is not None and status <= 0 else [f"exit {status}"])


def catches(process, number):
    """Has it come so far that it listens to that signal?"""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return int(line.split()[1], 16) >> (number - 1) & 1
    return False


def ends_when_asked(bench, arguments, pause, number):
    """How it ends, and what it says, when it is interrupted in whatever it is."""
    process = subprocess.Popen([str(bench.gen), *arguments.split()], cwd=bench.folder,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: catches(process, number))
    time.sleep(pause)  # most of the time enough to come to what it is to be interrupted in
    process.send_signal(number)
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
    return process.returncode, said


BEFORE = "interrupted before it sent anything"


def interrupted(bench, number):
    """It ends soon, in whatever it is; what came until then is told."""
    waits = "send --plain --vdev net_memif0,role=server,socket=w.sock,socket-abstract=no --tx net_memif0"
    sends = "send --plain --vdev net_ring0 --tx net_ring0 --rx net_ring0"
    found = []
    patient = "--wait 100 --seconds 100"
    makes = f"make --plain --packets {2**40} -o /dev/null"
    for arguments, pause, status, line in (
            (f"{waits} {patient}", 2, 1, ""), (f"{sends} {patient}", 2, 0, ""),
            (f"{sends} {patient}", 0, 1, BEFORE), (makes, 2, 1, "interrupted")):
        code, said = ends_when_asked(bench, arguments, pause, number)
        if BEFORE in said:  # this often on a busy machine
            status = 1
        found += [] if code == status and line in said else [f"{arguments}: {code}: {said}"]
    return found


# Arguments, exit status, and what the line on standard error has to say.
REFUSED = [
    ("", 2, "verb"),
    ("mak", 2, "mak"),
    ("make --packets 5", 2, "document"),
    ("make --plain --packets 5", 2, "-o"),
    ("make --plain -o x.pcap", 2, "--packets"),
    ("make --plain -o x.pcap --packets 0", 2, "--packets"),
    ("make --plain -o x.pcap --packets 5 more", 2, "arguments"),
    ("make --plain -o x.pcap --packets 5 --size 51", 2, "51"),
    ("make --plain -o x.pcap --packets 5 --size 64,,64", 2, "--size"),
    ("make --plain -o x.pcap --packets 5 --streams 0", 2, "--streams"),
    ("make --plain -o x.pcap --packets 5 --src ten", 2, "ten"),
    ("make --plain -o x.pcap --packets 5 --broken bad_icv", 2, "bad_icv"),
    ("make --plain -o x.pcap --packets 5 --broken bad_icv=101%", 2, "bad_icv"),
    ("make --plain -o x.pcap --packets 5 --broken bent=1%", 2, "bent"),
    ("make --plain -o x.pcap --packets 5 --broken bad_icv=1%", 1, "plain"),
    ("make --plain -o x.pcap --packets 5 --src 10.1.1.1 --dst ::1", 1, "versions"),
    ("make --plain -o /none/x.pcap --packets 5", 1, "/none"),
    ("make -c none.yaml -o x.pcap --packets 5", 1, "none.yaml"),
    ("make -c ah.yaml -o x.pcap --packets 5 --broken bad_padding=1%", 1, "ESP"),
    ("make -c ah.yaml -o x.pcap --packets 5 --broken bad_icv=60%,bad_ip=60%", 1, "shares"),
    ("make -c ah.yaml -o x.pcap --packets 5 --sa nobody", 1, "nobody"),
    ("make -c ah.yaml -o x.pcap --packets 5 --pair nowhere", 1, "nowhere"),
    ("verify", 2, "file"),
    ("verify none.pcap", 1, "none.pcap"),
    ("verify --open none.pcap", 2, "document"),
    ("verify --broken all=1% none.pcap", 2, "--broken"),
    ("verify -c ah.yaml none.pcap", 2, "--open"),
    ("make --plain -o x.pcap --packets 5 --tx a", 2, "--tx"),
    ("make --plain -o x.pcap --packets 5 --sa in", 2, "--sa"),
    ("make --plain -o x.pcap --packets 5 --pair p", 2, "--pair"),
    ("kinds --packets 5", 2, "--packets"),
    ("send --plain", 2, "--tx"),
    ("send --plain --tx a --prepare", 2, "--packets"),
    ("send --plain --tx a --prepare --packets 5 --seconds 1", 2, "--seconds"),
    ("send --plain --tx a --rate 0", 2, "--rate"),
    ("send --plain --tx a --seconds x", 2, "--seconds"),
    (f"send --plain --tx net_null0 --vdev net_null0 --prepare --packets {2**40}", 1, "free"),
    ("send --plain --tx nobody --vdev net_null0", 1, "nobody"),
    ("send --plain --tx a --vdev net_none0", 1, "net_none0"),
]


def refused(bench, arguments, status, word):
    bench.write("ah.yaml", document("AH"))
    result = bench.run(bench.gen, arguments)
    return [*wrong("exit", result.returncode, status), *wrong("stdout", result.stdout, ""),
            *wrong("lines", result.stderr.count("\n"), 1),
            *([] if word in result.stderr else [f"without {word}: {result.stderr}"])]


def words(bench):
    found = []
    for option, start in (("--help", "usage: ferrule-gen"), ("--version", "ferrule-gen ")):
        result = bench.run(bench.gen, option)
        found += wrong(option, (result.returncode, result.stdout.startswith(start)), (0, True))
    listed = bench.run(bench.gen, "kinds").stdout.splitlines()
    return found + wrong("kinds", [line.split()[0] for line in listed], list(bench.kinds))


def faults_of(test, *args):
    """What a test found, or that a program did not do what it was asked for."""
    try:
        return test(*args)
    except AssertionError as error:
        return [str(error)]


def tasks():
    """(name, test, what of)"""
    for shape in SHAPES:
        yield f"broken: {shape}", broken, shape
        yield f"sealed by the box: {shape}", sealed_by_box, shape
    for shape in ("tunnel", "tunnel with a small window"):
        yield f"every kind is made: {shape}", every_kind_is_made, shape
    for test in (copies_are_made, few_are_sound, sealed_is_not_plain, leaks_are_seen,
                 the_seed_says_which, into_nothing, words):
        yield test.__name__.replace("_", " "), test
    for number in (signal.SIGINT, signal.SIGHUP):
        yield f"interrupted by {number.name}", interrupted, number
    for fault in FAULTS:
        yield f"faults are seen: {fault.__name__}", faults_are_seen, fault
    for row in REFUSED:
        yield f"refused: {row[0] or 'nothing'}", refused, *row


def main():
    parser = argparse.ArgumentParser()
    for name in ("ferrule_gen", "ferrule_pcap", "ferruled"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    report = Report()

    def outcome(name, test, *of):
        with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
            return name, faults_of(test, Bench(args, Path(folder)), *of)

    # Half of what a program takes to start is a sleep of DPDK's.
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(outcome, *task) for task in tasks()]:
            report.add(*done.result())
    # These look at the clock, and have the machine for themselves.
    for test in (over_a_ring, through_a_daemon):
        report.add(*outcome(test.__name__, test))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
