# SPDX-License-Identifier: BSD-3-Clause
"""Does config/examples/sa-from-keys.py make documents of what IKE daemons tell of their keys?

What it makes of texts as the kernel and strongSwan print them stands in tables; and ferrule-pcap
opens with such a document what was sealed with the keys themselves.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test" / "support"))

from report import Report

SCRIPT = TOP / "config" / "examples" / "sa-from-keys.py"
CAPTURES = TOP / "test" / "demo" / "captures"
AES, SHA2 = "ab" * 16, "cd" * 32
GCM = AES + "01020304"

GCM_OUT = f"""\
src 192.0.2.1 dst 198.51.100.1
	proto esp spi 0xc1000002 reqid 1 mode tunnel
	replay-window 0 flag af-unspec
	aead rfc4106(gcm(aes)) 0x{GCM} 128
	anti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000
	sel src 0.0.0.0/0 dst 0.0.0.0/0
"""
GCM_IN = f"""\
src 198.51.100.1 dst 192.0.2.1
	proto esp spi 0xc1000001 reqid 1 mode tunnel
	replay-window 32 flag af-unspec esn
	aead rfc4106(gcm(aes)) 0x{AES * 2}0a0b0c0d 64
	anti-replay esn context:
	 seq-hi 0x1, seq 0x20, oseq-hi 0x0, oseq 0x0
	 replay_window 32, bitmap-length 1
	 00000000
"""
CBC_OUT = f"""\
src 2001:db8::1 dst 2001:db8::2
	proto esp spi 0xc2000001 reqid 2 mode transport
	replay-window 0
	auth-trunc hmac(sha256) 0x{SHA2} 128
	enc cbc(aes) 0x{AES}
	anti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000
"""
OLD_OUT = GCM_OUT.replace("c1000002", "c0000009").replace(GCM, "00" * 20)
NULL_OUT = CBC_OUT.replace(f"cbc(aes) 0x{AES}", "ecb(cipher_null) ")
COMP = """\
src 192.0.2.1 dst 198.51.100.1
	proto comp spi 0x00000abc reqid 1 mode tunnel
	comp deflate
"""

# As strongSwan 5.9 writes it, and as Wireshark 4 does.
def esp_sa(*cells):
    return ",".join(f'"{cell}"' for cell in ("IPv4", *cells)) + "\n"


ESP_SA = "# a comment\n" + esp_sa(
    "192.0.2.1", "198.51.100.1", "0xc1000002", "AES-GCM [RFC4106]", f"0x{GCM}",
    "ANY 128 bit authentication [no checking]", "0x") + esp_sa(
    "198.51.100.1", "192.0.2.1", "0xc1000001", "AES-CBC [RFC3602]", f"0x{AES}",
    "HMAC-SHA-256-128 [RFC4868]", f"0x{SHA2}")
SHORT_ICV = esp_sa("192.0.2.1", "198.51.100.1", "0xc1", "AES-GCM with 8 octet ICV [RFC4106]",
                   f"0x{GCM}", "NULL", "", "64-bit")


def sa(direction, spi, ends, mode="tunnel", esp=(), **more):
    src, dst = ends if direction == "out" else ends[::-1]
    window = {"replay_window": 1024} if direction == "in" else {}
    return {"name": f"ike-{direction}-{spi:08x}", "group": "ike", "direction": direction,
            "mode": mode, "src": src, "dst": dst, "esp": {"spi": spi, **dict(esp)},
            **window, **more}


FOUR, SIX = ("192.0.2.1", "198.51.100.1"), ("2001:db8::1", "2001:db8::2")
WANTED_GCM_OUT = sa("out", 0xC1000002, FOUR, esp={
    "encryption": "aes-gcm-128", "encryption_key": GCM, "icv_bytes": 16})
WANTED_GCM_IN = sa("in", 0xC1000001, FOUR, esn=True, sequence=(1 << 32) + 32, esp={
    "encryption": "aes-gcm-256", "encryption_key": f"{AES * 2}0a0b0c0d", "icv_bytes": 8})
CBC_ESP = {"encryption": "aes-cbc-128", "encryption_key": AES, "integrity": "hmac-sha2-256-128",
           "integrity_key": SHA2}

# What it is asked, what it is given, the associations that it makes of it.
MADE = (
    ((), GCM_OUT + GCM_IN + COMP, [WANTED_GCM_IN, WANTED_GCM_OUT]),
    (("--only", "in"), GCM_OUT + GCM_IN, [WANTED_GCM_IN]),
    (("--newest",), GCM_OUT + OLD_OUT, [WANTED_GCM_OUT]),  # the kernel lists the newest first
    (("--local", "2001:db8::1"), CBC_OUT, [sa("out", 0xC2000001, SIX, "transport", CBC_ESP)]),
    (("--local", "2001:db8::1"), NULL_OUT, [sa("out", 0xC2000001, SIX, "transport", {
        "encryption": "null", "integrity": "hmac-sha2-256-128", "integrity_key": SHA2})]),
    (("--only", "out"), GCM_OUT.replace("rfc4106", "rfc4543"), [sa("out", 0xC1000002, FOUR, esp={
        "encryption": "null", "integrity": "aes-gmac-128", "integrity_key": GCM})]),
    ((), GCM_OUT + GCM_OUT.replace("192.0.2.1", "192.0.2.77").replace("proto esp", "proto ah")
     + GCM_OUT.replace("192.0.2.1", "192.0.2.78").replace("gcm(aes)", "gcm(sm4)"),
     [WANTED_GCM_OUT]),
    ((), ESP_SA, [WANTED_GCM_OUT, sa("in", 0xC1000001, FOUR, esp=CBC_ESP)]),
    (("--newest", "--only", "out"), ESP_SA + ESP_SA.replace("c1000002", "c1000003"),
     [{**WANTED_GCM_OUT, "name": "ike-out-c1000003",
       "esp": {**WANTED_GCM_OUT["esp"], "spi": 0xC1000003}}]),
    (("--mode", "transport"), SHORT_ICV, [sa("out", 0xC1, FOUR, "transport", esn=True, esp={
        "encryption": "aes-gcm-128", "encryption_key": GCM, "icv_bytes": 8})]),
)
REFUSED = (
    ("a used sender", GCM_OUT.replace("oseq 0x0", "oseq 0x7"), "has sent 7 packets"),
    ("unknown algorithm", GCM_OUT.replace("gcm(aes)", "gcm(sm4)"), "rfc4106(gcm(sm4))"),
    ("AH", GCM_OUT + GCM_IN.replace("proto esp", "proto ah"), "is of AH"),
    ("hidden keys", GCM_OUT.replace(f"0x{GCM}", "<<Keys hidden>>"), "keys are hidden"),
    ("of others", GCM_OUT.replace("192.0.2.1", "192.0.2.77"), "nothing from or to 192.0.2.1"),
    ("8 bytes or 12", ESP_SA.replace("ANY 128", "ANY 64"), "8 bytes or 12"),
    ("half a key", ESP_SA.replace(f"0x{GCM}", "0xabc"), "not hexadecimal"),
    ("something else", "Security Associations (1 up, 0 connecting):\n", "neither ip xfrm state"),
    ("nothing", "", "nothing from or to"),
)


def make(text, *options, local="192.0.2.1"):
    return subprocess.run([sys.executable, SCRIPT, "--local", local, *options], input=text,
                          capture_output=True, text=True, check=False)


def opens_what_was_sealed(pcap, folder):
    """Two gateways seal a session; each opens its half with a document made from the keys."""
    def run(verb, document, source, target):
        done = subprocess.run([pcap, verb, "-c", document, "-o", target, "--json", source],
                              cwd=folder, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["out_packets"]

    n = run("protect", CAPTURES / "seal.yaml", CAPTURES / "tcp.plain.pcap", "sealed.pcap")
    opened = 0
    text = (CAPTURES / "wireshark" / "esp_sa").read_text(encoding="utf-8")
    for local in ("192.0.2.1", "203.0.113.1"):
        made = make(text, "--only", "in", local=local).stdout
        (folder / "made.yaml").write_text(made, encoding="utf-8")
        opened += run("unprotect", "made.yaml", "sealed.pcap", "opened.pcap")
    return [] if n == opened > 0 else [f"{opened} of {n} packets were opened"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the ferrule-pcap to test")
    program = parser.parse_args().program.resolve()
    report = Report()
    for options, text, wanted in MADE:
        done = make(text, *options)
        got = (yaml.safe_load(done.stdout) or {}).get("sas")
        report.add(f"{' '.join(options)} {text[:40]!r}",
                   [] if got == wanted else [f"got {got}", f"not {wanted}", done.stderr])
    for name, text, why in REFUSED:
        done = make(text)
        lines = done.stderr.splitlines()
        right = done.returncode == 1 and not done.stdout and len(lines) == 1 and why in lines[0]
        report.add(name, [] if right else [f"exit {done.returncode}, {done.stderr!r}"])
    with tempfile.TemporaryDirectory(prefix="ferrule-test-") as folder:
        report.add("opened", opens_what_was_sealed(program, Path(folder)))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
