# SPDX-License-Identifier: BSD-3-Clause
"""What does a document say?  Its associations as the oracle takes them, and its policies.

Reads what the program accepted, so it does not check.
"""

import ipaddress
from dataclasses import dataclass

import yaml
from ipsec_oracle import OuterRules, Sa
from sa_document import DocumentSa

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


@dataclass(frozen=True)
class Document:
    sas: list  # of DocumentSa
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
    esp, outer = raw["esp"], raw.get("outer", {})
    return DocumentSa(
        name=raw["name"],
        esp=Sa(
            mode=raw["mode"],
            src=raw["src"],
            dst=raw["dst"],
            spi=esp["spi"],
            encryption=esp["encryption"] or "null",  # YAML reads no name here
            encryption_key=bytes.fromhex(esp.get("encryption_key", "")),
            integrity=esp.get("integrity", "none"),
            integrity_key=bytes.fromhex(esp.get("integrity_key", "")),
            icv_bytes=esp.get("icv_bytes", 16),
            esn=raw.get("esn", False),
            outer=OuterRules(**{k: v for k, v in outer.items() if v != "rfc6040"}),
            pad_to=raw.get("tfc", {}).get("pad_to", 0),
            udp=(raw["udp"]["sport"], raw["udp"]["dport"]) if "udp" in raw else None,
        ),
        sequence=raw.get("sequence", 0),
        replay_window=raw.get("replay_window", 1024),
        lifetime=raw.get("lifetime", {}),
    )


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
