# SPDX-License-Identifier: BSD-3-Clause
"""What does a document say?  Its associations as the oracles take them, and its policies.

Reads what the program accepted, so it does not check.
"""

import ipaddress
from dataclasses import dataclass

import ah_oracle
import ip
import ipsec_oracle
import second_opinions
import yaml
from ipsec_oracle import OuterRules

_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132}


@dataclass(frozen=True)
class Policy:
    name: str
    direction: str
    priority: int
    src: object  # a network, or None for any
    dst: object
    protocol: int  # or None
    sport: tuple  # (from, to), or None
    dport: tuple
    icmp_type: int  # or None
    action: str
    groups: tuple  # innermost first

    @property
    def needs_ports(self):
        return (self.sport, self.dport, self.icmp_type) != (None, None, None)


class Esp:
    """The ESP header of an association."""

    protocol, sequence_at, least_bytes = ip.ESP, 4, 8

    def __init__(self, sa):
        self.sa, self.spi = sa, sa.spi

    def seal(self, packet, seq, **how):
        return ipsec_oracle.seal_esp(packet, self.sa, seq, **how)

    def open(self, packet, seq):
        """Opens also what says "no next header": a sender in transport mode has to seal it."""
        return ipsec_oracle.open_esp(packet, self.sa, seq, keep_dummy=True)

    def sender_faults(self, plain, sealed, opened):
        return ipsec_oracle.sender_faults(plain, sealed, opened, self.sa)

    def scapy_faults(self, sealed, plain, numbers):
        # It cuts no TFC padding off.
        right = second_opinions.scapy_is_right(self.sa) and not self.sa.pad_to
        return second_opinions.scapy_faults(sealed, plain, numbers, self.sa) if right else []


@dataclass(frozen=True)
class AhOpened:
    packet: bytes
    header: ip.Header
    iv: bytes
    next_header: int = None  # that of ESP alone is told
    pad_length: int = None


class Ah:
    """The AH header of an association: alone, or of transport mode over the ESP of a bundle."""

    protocol, sequence_at, least_bytes = ah_oracle.AH, 8, 12

    def __init__(self, ah, tunnel, outer):
        self.ah, self.spi = ah, ah.spi
        self._tunnel, self._outer = tunnel, outer

    def seal(self, packet, seq, **how):
        return ah_oracle.put_on(packet, self.ah, seq, tunnel=self._tunnel, **how)

    def open(self, packet, seq):
        header = ip.parse(packet)
        at = header.payload_at + self.least_bytes
        inner = ah_oracle.take_off(packet, self.ah, seq, tunnel=self._tunnel)
        return AhOpened(inner, header, packet[at : at + self.ah.iv_bytes])

    def sender_faults(self, plain, sealed, opened):
        faults, at = [], opened.header.payload_at
        length, wanted = (sealed[at + 1] + 2) * 4, ah_oracle.header_bytes(self.ah, sealed[0] >> 4)
        if length != wanted:
            faults.append(f"AH has {length} bytes, expected {wanted}")
        if self._tunnel:
            return faults + ipsec_oracle.outer_faults(plain, sealed, self.ah, self._outer)
        split_at, split = ip.transport_split(plain)
        front = ip.with_payload(plain[:split], split_at, self.protocol, sealed[split:])[:split]
        if sealed[:at] != front:
            faults.append(f"headers in front of AH are {sealed[:at].hex()}, expected {front.hex()}")
        return faults

    def scapy_faults(self, sealed, plain, numbers):
        if not second_opinions.scapy_is_right_about_ah(self.ah):
            return []
        return second_opinions.scapy_ah_faults(sealed, plain, numbers, self.ah, self._tunnel)


@dataclass(frozen=True)
class Association:
    name: str
    mode: str
    src: str
    dst: str
    esn: bool
    sequence: int
    replay_window: int
    lifetime: dict
    udp: tuple  # (source port, destination port), or None
    headers: tuple  # Esp, Ah, or both: innermost first

    @property
    def esp(self):
        return self.headers[0].sa


@dataclass(frozen=True)
class Document:
    sas: list  # of Association
    groups: dict  # name of an association -> name of its group
    policies: list

    def active(self, group):
        """The association that a group sends with."""
        return next(sa for sa in self.sas if self.groups[sa.name] == group)


def load(path):
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Document(
        sas=[_association(sa) for sa in raw["sas"]],
        groups={sa["name"]: sa.get("group", sa["name"]) for sa in raw["sas"]},
        policies=sorted(map(_policy, raw.get("policies", [])), key=lambda p: p.priority),
    )


def _association(raw):
    outer = OuterRules(**{k: v for k, v in raw.get("outer", {}).items() if v != "rfc6040"})
    udp = (raw["udp"]["sport"], raw["udp"]["dport"]) if "udp" in raw else None
    headers = [_esp(raw, outer, udp)] if "esp" in raw else []
    if "ah" in raw:
        headers.append(_ah(raw, raw["mode"] == "tunnel" and not headers, outer))
    return Association(
        **{key: raw[key] for key in ("name", "mode", "src", "dst")},
        esn=raw.get("esn", False),
        sequence=raw.get("sequence", 0),
        replay_window=raw.get("replay_window", 1024),
        lifetime=raw.get("lifetime", {}),
        udp=udp,
        headers=tuple(headers),
    )


def _esp(raw, outer, udp):
    esp = raw["esp"]
    return Esp(ipsec_oracle.Sa(
        **{key: raw[key] for key in ("mode", "src", "dst")},
        spi=esp["spi"],
        encryption=esp["encryption"] or "null",  # YAML reads no name here
        encryption_key=bytes.fromhex(esp.get("encryption_key", "")),
        integrity=esp.get("integrity", "none"),
        integrity_key=bytes.fromhex(esp.get("integrity_key", "")),
        icv_bytes=esp.get("icv_bytes", 16),
        esn=raw.get("esn", False),
        outer=outer,
        pad_to=raw.get("tfc", {}).get("pad_to", 0),
        udp=udp,
    ))


def _ah(raw, tunnel, outer):
    ah = raw["ah"]
    return Ah(ah_oracle.Ah(
        src=raw["src"],
        dst=raw["dst"],
        spi=ah["spi"],
        integrity=ah["integrity"],
        integrity_key=bytes.fromhex(ah["integrity_key"]),
        esn=raw.get("esn", False),
    ), tunnel, outer)


def _policy(raw):
    protocol = raw.get("protocol", "any")
    return Policy(
        name=raw["name"],
        direction=raw["direction"],
        priority=raw.get("priority", 0),
        src=_network(raw["src"]),
        dst=_network(raw["dst"]),
        protocol=None if protocol == "any" else _PROTOCOLS.get(protocol, protocol),
        sport=_range(raw.get("sport")),
        dport=_range(raw.get("dport")),
        icmp_type=raw.get("icmp_type"),
        action=raw["action"],
        groups=tuple(raw.get("sas", ())),
    )


def _network(text):
    return None if text == "any" else ipaddress.ip_network(text)


def _range(value):
    if value is None:
        return None
    low, _, high = str(value).partition("-")
    return int(low), int(high or low)
