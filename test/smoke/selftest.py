# SPDX-License-Identifier: BSD-3-Clause
"""What does ferruled do on a machine that does not give the known answers of an algorithm?

The program is one whose crypto is wrong for the algorithms in FERRULE_FAULTS, and right otherwise.
Ports are net_null devices, so no privileges are needed.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import ferrule_ctl as ctl
import samples
from daemon import EAL, Daemon
from report import Report

PORTS = ("--vdev=net_null0,no-rx=1", "--vdev=net_null1,no-rx=1")
FAILED = "failed its self-test on this machine"
# What is wrong, and what is then still offered: bits of authentication and of encryption.
FAULTS = [
    ("", 0x3E, 0x1F9),
    ("aes-gcm-128", 0x3E, 0x1F1),
    ("aes-gcm-128,hmac-sha1-96,aes-cbc-256", 0x3C, 0xF1),
    ("aes-gmac-192,aes-gcm-192,aes-gcm-256", 0x2E, 0x1C9),
    # Without integrity neither CBC nor no encryption at all is anything.
    ("hmac-sha1-96,hmac-sha2-256-128,hmac-sha2-256-96,aes-gmac-128,aes-gmac-192,aes-gmac-256",
     0, 0x38),
    # What the contract has no name for does not show there.
    ("chacha20-poly1305,aes-ccm-192,hmac-sha2-512-256", 0x3E, 0x1F9),
]
ALGORITHMS = [("aes-gcm-128", "none", 20), ("aes-gcm-256", "none", 36),
              ("aes-cbc-256", "hmac-sha2-256-128", 32), ("null", "hmac-sha1-96", 0)]


def document(sas=()):
    return json.dumps({
        "legacy_algorithms": False,
        "pairs": [{"host": {"port": "net_null0"}, "wire": {"port": "net_null1"}, "capacity": 8}],
        "sas": list(sas)})


def sa(encryption, integrity, key_bytes, spi=0x1001):
    integrity_bytes = {"none": 0, "hmac-sha1-96": 20, "hmac-sha2-256-128": 32}[integrity]
    esp = {"spi": spi, "encryption": encryption, "integrity": integrity,
           "encryption_key": samples.make_key("e", key_bytes).hex()}
    if integrity_bytes:
        esp["integrity_key"] = samples.make_key("i", integrity_bytes).hex()
    return {"name": encryption, "direction": "in", "mode": "transport", "src": "192.0.2.1",
            "dst": "192.0.2.2", "esp": esp}


def expect(faults, what, got, wanted):
    if got != wanted:
        faults.append(f"{what}: {got!r} instead of {wanted!r}")


def offers(client, wrong, authentication, encryption):
    """Capabilities, and SAs that are taken or refused as they say."""
    faults = []
    for offload in (client.hardware_capabilities(), client.current_config(),
                    client.hello["pairs"][0]["default_offload"]):
        expect(faults, "authentication", offload["authentication_algorithms"], authentication)
        expect(faults, "encryption", offload["encryption_algorithms"], encryption)
        expect(faults, "AH", bool(offload["ah"]), authentication != 0)
        expect(faults, "AH with ESP", bool(offload["ah_esp_combined"]), authentication != 0)
    for names in ALGORITHMS:
        completion = client.request("ADD_SA_EX", ctl.add_sa_ex(sa(*names)))
        is_wrong = bool(set(names[:2]) & set(wrong.split(",")))
        expect(faults, f"add of {names[:2]}", completion.status,
               "INVALID_DATA" if is_wrong else "SUCCESS")
        if is_wrong:
            expect(faults, "reason", FAILED in ctl.refusal(completion.data)[1], True)
        else:
            client.delete_sa([ctl.handles(completion.data)[0]])
    return faults


def started(program, wrong, authentication, encryption):
    faults = []
    os.environ["FERRULE_FAULTS"] = wrong
    with tempfile.TemporaryDirectory() as folder, \
            Daemon(program, Path(folder), document(), (*EAL, *PORTS)) as daemon:
        if not daemon.heard("READY=1"):
            return [f"does not start: {daemon.stderr()}"]
        with ctl.Client(str(Path(folder) / "run" / "control.sock"), timeout=30) as client:
            faults += offers(client, wrong, authentication, encryption)
        expect(faults, "exit status", daemon.stop(), 0)
        for name in filter(None, wrong.split(",")):
            expect(faults, f"word of {name}", f"{name} does not give its known answers" in
                   daemon.stderr(), True)
    return faults


def refused(program, wrong, sas, said):
    """It does not start, and says why in one line."""
    faults = []
    os.environ["FERRULE_FAULTS"] = wrong
    with tempfile.TemporaryDirectory() as folder, \
            Daemon(program, Path(folder), document(sas), (*EAL, *PORTS)) as daemon:
        expect(faults, "exit status", daemon.ends(), 1)
        lines = [line for line in daemon.stderr().splitlines() if "known answers on this machine ("
                 not in line]
        expect(faults, "lines", len(lines), 1)
        expect(faults, f"{said} in {lines}", all(said in line for line in lines), True)
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="a ferruled_faulty")
    program = parser.parse_args().program.resolve()
    report = Report()
    for row in FAULTS:
        report.add(f"wrong: {row[0] or 'nothing'}", started(program, *row))
    report.add("a document with what is wrong", refused(
        program, "aes-gcm-128", [sa("aes-gcm-128", "none", 20)],
        f"ferruled.yaml:1: sas[0]: has an algorithm that {FAILED}"))
    report.add("everything wrong", refused(
        program, "all", [], "no algorithm gives its known answers on this machine"))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
