# SPDX-License-Identifier: BSD-3-Clause
"""Which captured kernel packets concern us, and what must become of each wire frame?

Loads manifest.json of the kernel vectors, selects the cases with one ESP layer per direction,
in UDP or not, and algorithms that have a name in documents, and predicts every frame's outcome from the
RFCs alone (window model and oracle).  disagreements() compares those predictions with what the kernels
recorded.
"""

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import ip
import pcapio
from expect import NOT_OK, Expected
from ipsec_oracle import Refused, Sa, open_esp, sequence_low, without_udp
from replay_model import ReplayWindow
from sa_document import DocumentSa

PROJECT_ROOT = Path(__file__).resolve().parents[2]

_AEADS = {
    "rfc4106(gcm(aes))": "aes-gcm",
    "rfc4309(ccm(aes))": "aes-ccm",
    "rfc7539esp(chacha20,poly1305)": "chacha20-poly1305",
}
_GMAC = "rfc4543(gcm(aes))"
_CIPHERS = {
    "cbc(aes)": "aes-cbc",
    "rfc3686(ctr(aes))": "aes-ctr",
    "cbc(des3_ede)": "3des-cbc",
    "cbc(des)": "des-cbc",
    "ecb(cipher_null)": "null",
}
_MACS = {
    ("hmac(md5)", 96): "hmac-md5-96",
    ("hmac(sha1)", 96): "hmac-sha1-96",
    ("hmac(sha256)", 128): "hmac-sha2-256-128",
    ("hmac(sha256)", 96): "hmac-sha2-256-96",
    ("hmac(sha384)", 192): "hmac-sha2-384-192",
    ("hmac(sha512)", 256): "hmac-sha2-512-256",
    ("xcbc(aes)", 96): "aes-xcbc-96",
    ("cmac(aes)", 96): "aes-cmac-96",
}


class NoVectors(Exception):
    """The vectors are not part of this clone."""


@dataclass
class Case:
    name: str
    category: str
    sas: dict  # id -> DocumentSa
    entries: list
    steps: list
    _files: dict = field(repr=False)

    @cached_property
    def wire(self):
        return pcapio.read(self._files["wire"])

    @cached_property
    def plain(self):
        return pcapio.read(self._files["plain"]).frames if "plain" in self._files else []

    @cached_property
    def received(self):
        return pcapio.read(self._files["rcvd"]).frames if "rcvd" in self._files else []

    @cached_property
    def _fragments(self):
        """Last frame -> all frames, for packets that crossed the wire in fragments."""
        lists = [entry[0] for entry in self.entries if isinstance(entry[0], list)]
        return {max(frames): tuple(frames) for frames in lists}

    @cached_property
    def expected(self):
        """One Expected per wire frame, when all SAs of the case are `in` SAs of one document."""
        held = {i for last, frames in self._fragments.items() for i in frames if i != last}
        windows = {
            sa.name: ReplayWindow(sa.sequence, sa.replay_window, sa.esp.esn)
            for sa in self.sas.values()
        }
        outcome = []
        for index in range(len(self.wire.frames)):
            if index in held:
                outcome.append(Expected(("fragment_held",)))
            else:
                outcome.append(self._predict(self._fragments.get(index, (index,)), windows))
        return outcome

    def whole_packet(self, frames):
        """The IP packet that crossed the wire in these frames, without link-layer padding."""
        packets = [pcapio.network_packet(self.wire.frames[i], self.wire.link) for i in frames]
        packets = [packet[: ip.total_length(packet)] for packet in packets]
        return ip.reassemble(packets) if len(packets) > 1 else packets[0]

    def _predict(self, frames, windows):
        try:
            wire = self.whole_packet(frames)
            packet = without_udp(wire, self._receiver(wire))
            header = ip.parse(packet)
            spi, low = sequence_low(packet)
        except (ip.IpError, Refused):
            return Expected(NOT_OK)
        key = (header.dst, spi)
        sa = next((s for s in self.sas.values() if (s.esp.dst, s.esp.spi) == key), None)
        if sa is None:
            return Expected(("no_sa",))
        window = windows[sa.name]
        seq = window.check(low)
        if seq is None:
            return self._predict_replay(wire, sa, low)
        try:
            opened = open_esp(wire, sa.esp, seq)
        except Refused as refused:
            return Expected(self._predict_refusal(refused, sa), sa)
        window.commit(seq)
        known = dict(sa=sa, seq=seq, next_header=opened.next_header, pad_length=opened.pad_length)
        output = opened.packet
        if sa.esp.mode == "tunnel":
            ecn = ip.decapsulated_ecn(ip.parse(output).ecn, opened.header.ecn)
            if ecn is None:
                return Expected(("ecn_ce",), frames=frames, **known)
            output = ip.with_ecn(output, ecn)
        return Expected(("ok",), output=output, frames=frames, **known)

    def _receiver(self, wire):
        """An SA of the end that a packet goes to: all of one end are in UDP, or none is."""
        dst = ip.parse(wire).dst
        esps = [sa.esp for sa in self.sas.values()]
        return next((esp for esp in esps if esp.dst == dst), esps[0])

    @staticmethod
    def _predict_refusal(refused, sa):
        """With ESN a number left of the window counts as one of the next 2^32 and fails its ICV; one
        that was still in the window when its burst began fails as a replay."""
        if refused.verdict != "bad_icv":
            return NOT_OK
        return ("bad_icv", "replay") if sa.esp.esn else ("bad_icv",)

    @staticmethod
    def _predict_replay(packet, sa, low):
        """A number that was seen.  It is a replay, unless the ICV may be looked at first.

        With ESN another burst size can infer another high half, under which the ICV is wrong; and a
        forged packet with the number of an authentic one of the same burst has a wrong ICV.
        """
        if sa.esp.esn:
            return Expected(("replay", "bad_icv"), sa)
        try:
            open_esp(packet, sa.esp, low)
        except Refused:
            return Expected(("replay", "bad_icv"), sa)
        return Expected(("replay",), sa)

    def to_protect(self, sa_id):
        """The plain packets that this SA carried, in order."""
        if self.steps:
            sa = self.sas[sa_id]
            return [e.output for e in self.expected if e.is_ok and e.sa == sa]
        return [self.plain[entry[1]] for entry in self.entries if entry[2] == [sa_id]]


def vectors_folder():
    return Path(PROJECT_ROOT, os.environ.get("FERRULE_VECTORS", "../shared/vectors"))


def manifest():
    """The manifest and the folder where its files are; raises NoVectors."""
    folder = vectors_folder() / "kernel"
    try:
        return json.loads((folder / "manifest.json").read_text(encoding="utf-8")), folder
    except FileNotFoundError:
        raise NoVectors(f"no kernel vectors in {folder} (set FERRULE_VECTORS)") from None


def load():
    """All selected cases; raises NoVectors."""
    raw, folder = manifest()
    return [_case(case, folder) for case in raw["cases"] if _is_ours(case)]


def _is_ours(raw):
    return all(
        sa["proto"] == "esp" and sa["layer"] == 0 and _algorithms(sa)
        for sa in raw["sas"]
    )


def integrity_name(sa):
    """The document's name of the integrity algorithm of AH, or None."""
    auth = sa.get("auth", {})
    return _MACS.get((auth.get("alg"), auth.get("icv_bits")))


def esp_algorithms(sa):
    """The document's fields for the algorithms of ESP, or None where the oracle has none."""
    return _algorithms(sa)


def _algorithms(sa):
    """The document's fields for the SA's algorithms, or None where they have no name there."""
    if "aead" in sa:
        return _aead(sa["aead"])
    cipher = _CIPHERS.get(sa.get("enc", {}).get("alg"))
    integrity = _MACS.get((sa.get("auth", {}).get("alg"), sa.get("auth", {}).get("icv_bits")))
    if cipher is None or integrity is None:
        return None
    return {
        "encryption": _sized(cipher, sa["enc"]),
        "encryption_key": _keying_material(sa["enc"]),
        "integrity": integrity,
        "integrity_key": bytes.fromhex(sa["auth"]["key"]),
    }


def _aead(raw):
    if raw["alg"] == _GMAC:
        return {
            "encryption": "null",
            "integrity": _sized("aes-gmac", raw),
            "integrity_key": _keying_material(raw),
        }
    return {
        "encryption": _sized(_AEADS[raw["alg"]], raw),
        "encryption_key": _keying_material(raw),
        "icv_bytes": raw["icv_bits"] // 8,
    }


def _sized(family, raw):
    """The name of the algorithm of a family that has a key as long as this one."""
    return f"{family}-{len(raw['key']) * 4}" if family.startswith("aes-") else family


def _keying_material(raw):
    return bytes.fromhex(raw.get("key", "") + raw.get("salt", ""))


def _case(raw, folder):
    files = {k: folder / raw[k]["file"] for k in ("wire", "plain", "rcvd") if k in raw}
    return Case(
        name=raw["name"],
        category=raw["category"],
        sas={sa["id"]: _document_sa(sa) for sa in raw["sas"]},
        entries=raw.get("packets", []),
        steps=raw.get("steps", []),
        _files=files,
    )


def _document_sa(raw):
    esp = Sa(
        mode=raw["mode"],
        src=raw["src"],
        dst=raw["dst"],
        spi=int(raw["spi"], 16),
        esn=raw["esn"],
        udp=(raw["encap"]["sport"], raw["encap"]["dport"]) if "encap" in raw else None,
        **_algorithms(raw),
    )
    sequence = raw["seq_start_hi"] << 32 | raw["seq_start"]
    return DocumentSa(raw["id"], esp, sequence, raw["replay_window"])


def disagreements(case):
    """Where the predictions are not what the manifest recorded and no RFC explains it."""
    faults = []
    for step in case.steps:
        faults += _step_disagreements(case, step)
    for entry in case.entries:
        faults += _entry_disagreements(case, entry)
    return faults


def _step_disagreements(case, step):
    frame, what, accepted, _, delivered = step[:5]
    expected = case.expected[frame]
    differs = len(step) > 5 and "kernel_differs_from_rfc4303" in step[5]
    if expected.is_ok != accepted and not differs:
        return [f"frame {frame} ({what}): the kernel says accepted={accepted}, we {expected}"]
    if accepted and delivered and case.received[delivered[0]] != expected.output:
        return [f"frame {frame} ({what}): opened differently from what the kernel delivered"]
    return []


def _entry_disagreements(case, entry):
    frames, plain_index, sa_ids, numbers, received = entry[:5]
    last = max(frames) if isinstance(frames, list) else frames
    expected = case.expected[last]
    where = f"frame {last}"
    plain = case.plain[plain_index]
    if "ok" not in (expected.verdicts or ()):
        if expected.verdicts == ("ecn_ce",) and ip.parse(plain).ecn == ip.NOT_ECT:
            return []
        if expected.verdicts == ("replay",) and received is None:
            return []
        return [f"{where}: predicted {expected.verdicts}, the manifest has a good packet"]
    faults = []
    if ([expected.sa.name], [expected.seq]) != (sa_ids, numbers):
        faults.append(f"{where}: predicted {expected.sa.name} {expected.seq}, not {numbers}")
    marked = ip.with_ecn(plain, ip.parse(expected.output).ecn)
    if expected.output != marked:
        faults.append(f"{where}: opened to {expected.output.hex()}, recorded {plain.hex()}")
    if isinstance(received, int):
        delivered = case.received[received]
        # The kernel may have been told to change the DSCP; the ECN field follows RFC 6040.
        if ip.parse(delivered).ecn != ip.parse(expected.output).ecn:
            faults.append(f"{where}: another ECN field than the kernel delivered")
    return faults
