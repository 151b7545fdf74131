# SPDX-License-Identifier: BSD-3-Clause
"""Is the oracle itself right?

Published answers first (they need no files), then every selected capture of the kernel vectors:
each packet must open to the plaintext that the kernel recorded, each step of the replay and tamper
cases must end as the kernel said, and what the oracle seals again must be the kernel's own packet.
"""

import dataclasses
import sys

import ah_oracle as ah
import ip
import ipsec_oracle as oracle
import kernel_cases
import pcapio
from ipsec_oracle import Refused
from replay_model import ReplayWindow
from report import Report, difference
from samples import udp_packet

ENDS = {"mode": "tunnel", "src": "192.0.2.1", "dst": "192.0.2.2"}

# draft-mcgrew-gcm-test-01, ESP packets: SPI, sequence number, ESN, key and salt, IV, plaintext
# (padding and trailer included), ciphertext and ICV.
GCM_ANSWERS = (
    (
        0x00004321, 0x87654321_00000000, True,
        "4c80cdefbb5d10da906ac73c3613a634 2e443b68", "4956ed7e3b244cfe",
        "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000"
        "00000000045f736970045f756470037369700963796265726369747902646b00"
        "0021000101020201",
        "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34"
        "cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce"
        "61bc17d768fd9732 459018148f6cbe722fd04796562dfdb4",
    ),
    (
        0x0000A5F8, 0x0000000A, False,
        "feffe9928665731c6d6a8f9467308308feffe9928665731c cafebabe", "facedbaddecaf888",
        "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e"
        "501016d075680001",
        "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0"
        "315b27452144cc77 95457b9652037f5318027b5b4cd7a636",
    ),
)

# RFC 3602 section 4, case 5: an ICMP echo in transport mode.
CBC_KEY = bytes.fromhex("90d382b410eeba7ad938c46cec1a82bf")
CBC_IV = bytes.fromhex("e96e8c08ab465763fd098d45dd3ff893")
CBC_PLAIN = bytes.fromhex(
    "45000054 08f20000 4001f9fe c0a87b03 c0a87b64"
    "08000ebd a70a0000 8e9c083d b95b0700 08090a0b 0c0d0e0f 10111213 14151617"
    "18191a1b 1c1d1e1f 20212223 24252627 28292a2b 2c2d2e2f 30313233 34353637"
)
CBC_SEALED = bytes.fromhex(
    "f663c25d 325c18c6 a9453e19 4e120849 a4870b66 cc6b9965 330013b4 898dc856"
    "a4699e52 3a55db08 0b59ec3a 8e4b7e52 775b07d1 db34ed9c 538ab50c 551b874a"
    "a269add0 47ad2d59 13ac19b7 cfbad4a6"
)

# RFC 2202 section 3 and RFC 4868 section 2.7.2, first case of each: "Hi There".
HMAC_ANSWERS = (
    ("hmac-sha1-96", 20, "b617318655057264e28bc0b6"),
    ("hmac-sha2-256-128", 32, "198a607eb44bfbc69903a0f1cf2bbdc5"),
    (
        "hmac-sha2-512-256",
        64,
        "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8",
    ),
)

# RFC 6040 section 4.2, figure 4: rows are the inner field, columns the outer one, both in the
# order Not-ECT, ECT(0), ECT(1), CE.
ECN_ORDER = (ip.NOT_ECT, ip.ECT0, ip.ECT1, ip.CE)
ECN_TABLE = (
    (ip.NOT_ECT, ip.NOT_ECT, ip.NOT_ECT, None),
    (ip.ECT0, ip.ECT0, ip.ECT1, ip.CE),
    (ip.ECT1, ip.ECT1, ip.ECT1, ip.CE),
    (ip.CE, ip.CE, ip.CE, ip.CE),
)

# RFC 4303 appendix A2: highest number, window, low half received, full number (None: refused).
ESN_ANSWERS = (
    (0x1_00000100, 64, 0x00000101, 0x1_00000101),
    (0x1_00000100, 64, 0x000000C1, None),  # inside, but it counts as seen
    (0x1_00000100, 64, 0x000000C0, 0x2_000000C0),  # left of the window: the next subspace
    (0x1_00000010, 64, 0xFFFFFFF8, None),  # the window spans a boundary: the subspace before
    (0x1_00000010, 64, 0x00000011, 0x1_00000011),
    (0x0_FFFFFFFF, 64, 0x00000000, 0x1_00000000),
    (0x0_00000010, 64, 0xFFFFFFF8, None),  # there is no subspace before the first
    (0x0_00000000, 64, 0x00000000, None),  # 0 is never valid
)


def known_answers(report):
    for spi, seq, esn, key, iv, plaintext, sealed in GCM_ANSWERS:
        key = bytes.fromhex(key)
        name = f"aes-gcm-{(len(key) - 4) * 8}"
        sa = oracle.Sa(**ENDS, spi=spi, encryption=name, encryption_key=key, esn=esn)
        crypto = oracle.algorithm(sa)
        iv, plaintext, sealed = (bytes.fromhex(x) for x in (iv, plaintext, sealed))
        faults = difference("sealed", crypto.seal(spi, seq, iv, plaintext), iv + sealed)
        faults += difference("opened", crypto.open(spi, seq, iv + sealed)[1], plaintext)
        report.add(f"published answer {name}", faults)

    cbc = oracle.Sa(
        mode="transport", src="192.168.123.3", dst="192.168.123.100", spi=0x4321,
        encryption="aes-cbc-128", encryption_key=CBC_KEY,
        integrity="hmac-sha1-96", integrity_key=bytes(20),
    )
    packet = oracle.seal_esp(CBC_PLAIN, cbc, 1, iv=CBC_IV)
    faults = difference("ciphertext", packet[28:-12], CBC_IV + CBC_SEALED)
    faults += difference("opened", oracle.open_esp(packet, cbc, 1).packet, CBC_PLAIN)
    report.add("published answer aes-cbc-128", faults)

    for name, key_bytes, wanted in HMAC_ANSWERS:
        sa = dataclasses.replace(cbc, integrity=name, integrity_key=b"\x0b" * key_bytes)
        # "Hi T" and "here" stand where SPI and sequence number do; nothing follows them.
        spi, low = int.from_bytes(b"Hi T", "big"), int.from_bytes(b"here", "big")
        sa = dataclasses.replace(sa, encryption="null", encryption_key=b"")
        got = oracle.algorithm(sa).seal(spi, low, b"", b"")
        report.add(f"published answer {name}", difference("ICV", got, bytes.fromhex(wanted)))


def rules(report):
    faults = []
    for inner, row in zip(ECN_ORDER, ECN_TABLE):
        for outer, wanted in zip(ECN_ORDER, row):
            got = ip.decapsulated_ecn(inner, outer)
            if got != wanted:
                faults.append(f"inner {inner}, outer {outer}: {got}, expected {wanted}")
    report.add("RFC 6040 table", faults)
    faults = []
    for top, width, low, wanted in ESN_ANSWERS:
        got = ReplayWindow(top, width, esn=True).check(low)
        if got != wanted:
            faults.append(f"top {top:#x}, low half {low:#x}: {got}, expected {wanted}")
    report.add("RFC 4303 appendix A2", faults)


def refusals(report):
    """Everything that must be refused behind a right ICV, and the quiet dummy."""
    sa = oracle.Sa(
        **ENDS, spi=0x1000, encryption="aes-gcm-128",
        encryption_key=bytes(range(20)),
    )
    inner = ip.with_length(bytes.fromhex("45000000 00010000 40110000 0a010001 0a020001") + bytes(8))
    cases = (
        ("good", inner + b"\x01\x02\x02\x04", None),
        ("padding not 1, 2, 3", inner + b"\x01\x03\x02\x04", "bad_padding"),
        ("pad length beyond the payload", inner + b"\x01\x02\xff\x04", "bad_padding"),
        ("next header says IPv6", inner + b"\x01\x02\x02\x29", "bad_inner"),
        ("next header says UDP", inner + b"\x01\x02\x02\x11", "bad_inner"),
        ("inner packet longer than the payload", inner[:-4] + b"\x01\x02\x02\x04", "bad_inner"),
        ("no inner packet", b"\x01\x02\x02\x04", "bad_inner"),
        ("dummy", inner + b"\x01\x02\x02\x3b", "dummy"),
        ("trailer off the boundary", inner + b"\x01\x01\x04", "bad_syntax"),
    )
    outer = oracle.seal_esp(inner, sa, 1)[:20]
    for name, plaintext, wanted in cases:
        body = oracle.algorithm(sa).seal(sa.spi, 1, bytes(8), plaintext)
        packet = ip.with_payload(outer, 9, ip.ESP, bytes.fromhex("0000100000000001") + body)
        try:
            oracle.open_esp(packet, sa, 1)
            got = None
        except oracle.Refused as refused:
            got = refused.verdict
        report.add(f"refusal: {name}", [] if got == wanted else [f"{got}, expected {wanted}"])


def kernel_captures(report, cases):
    for case in cases:
        report.add(f"{case.name} against the manifest", kernel_cases.disagreements(case))
        report.add(f"{case.name} sealed again", resealing_faults(case))


def resealing_faults(case):
    """With the kernel's IV and the plaintext, the oracle must make the kernel's ESP, bit by bit."""
    faults = []
    for expected in (e for e in case.expected if e.frames):
        packet = case.whole_packet(expected.frames)
        sa, seq = expected.sa.esp, expected.seq
        opened = oracle.open_esp(packet, sa, seq)
        tfc = bytes(opened.tfc_bytes)
        # Senders may differ in where destination options go: seal where this one did.
        split = opened.header.protocol_at, opened.esp_at
        sealed = oracle.seal_esp(opened.packet, sa, seq, iv=opened.iv, tfc=tfc, split=split)
        remade = sealed[ip.parse(sealed).payload_at :]
        where = f"frame {expected.frames[-1]}"
        esp = oracle.without_udp(packet, sa)[opened.esp_at :]
        faults += difference(where, remade, esp)
    return faults


def ah_rules(report):
    """What a router changes does not count, everything else does."""
    for version, ends in ((4, ("192.0.2.1", "192.0.2.2")), (6, ("2001:db8::1", "2001:db8::2"))):
        for integrity, key_bytes in (("hmac-sha1-96", 20), ("aes-gmac-128", 20)):
            sa = ah.Ah(*ends, 0x1000, integrity, bytes(range(key_bytes)), esn=True)
            plain = udp_packet(*ends, payload=b"ferrule")
            sealed = ah.put_on(plain, sa, 1 << 32 | 7)
            hops = ip.with_length(sealed[:8] + b"\x05" + sealed[9:]) if version == 4 \
                else sealed[:7] + b"\x05" + sealed[8:]
            faults = []
            for name, packet, seq, wanted in (
                    ("as it is", sealed, 1 << 32 | 7, True), ("hops", hops, 1 << 32 | 7, True),
                    ("ECN", ip.with_ecn(sealed, ip.CE), 1 << 32 | 7, True),
                    ("another high half", sealed, 7, False),
                    ("payload", sealed[:-1] + b"?", 1 << 32 | 7, False)):
                try:
                    ah.take_off(packet, sa, seq)
                    got = True
                except Refused:
                    got = False
                if got != wanted:
                    faults.append(f"{name}: {got}")
            report.add(f"AH over IPv{version} with {integrity}", faults)


def ah_captures(report):
    """Every capture of the kernel with AH alone, but for source routes, opens to its plaintext."""
    listed, folder = kernel_cases.manifest()
    for case in listed["cases"]:
        if any(sa["proto"] != "ah" for sa in case["sas"]) or "plain" not in case \
                or case["category"] in ("replay", "tamper") \
                or any(part in case["name"] for part in ("lsrr", "rh0", "replay", "tamper", "ecn-ce")):
            continue
        sas = {sa["id"]: ah.Ah(sa["src"], sa["dst"], int(sa["spi"], 16),
                               kernel_cases.integrity_name(sa), bytes.fromhex(sa["auth"]["key"]),
                               sa["esn"]) for sa in case["sas"]}
        if any(sa.integrity is None for sa in sas.values()):
            continue
        report.add(f"{case['name']} opened", ah_faults(case, sas, folder))


def ah_faults(case, sas, folder):
    wire = pcapio.read(folder / case["wire"]["file"])
    plain = pcapio.read(folder / case["plain"]["file"]).frames
    faults = []
    for frames, at, ids, seqs, outcome, *_ in case["packets"]:
        if isinstance(frames, list) or outcome != "same":
            continue
        packet = pcapio.network_packet(wire.frames[frames], wire.link)
        packet = packet[:ip.total_length(packet)]
        try:
            opened = ah.take_off(packet, sas[ids[0]], seqs[0])
        except (Refused, ip.IpError) as why:
            faults.append(f"frame {frames}: {why}")
            continue
        faults += difference(f"frame {frames}", opened, plain[at])
    return faults


def main():
    report = Report()
    ah_rules(report)
    known_answers(report)
    rules(report)
    refusals(report)
    try:
        kernel_captures(report, kernel_cases.load())
        ah_captures(report)
    except kernel_cases.NoVectors as missing:
        report.absent("all kernel captures", str(missing))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
