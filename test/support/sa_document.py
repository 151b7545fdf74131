# SPDX-License-Identifier: BSD-3-Clause
"""How is an association of the oracle written down for the program?"""

from dataclasses import dataclass, field

from esp_algorithms import LEGACY
from ipsec_oracle import Sa


@dataclass(frozen=True)
class DocumentSa:
    """An association with what its document says beyond the packet format."""

    name: str
    esp: Sa
    sequence: int = 0
    replay_window: int = 1024
    lifetime: dict = field(default_factory=dict)  # as in documents


def sa_document(sas, direction):
    """A document with these SAs, all `in` or all `out`, and no policies."""
    sas = list(sas)
    used = {name for sa in sas for name in (sa.esp.encryption, sa.esp.integrity)}
    head = "legacy_algorithms: true\n" if used.intersection(LEGACY) else ""
    return head + "sas:\n" + "".join(_sa_text(sa, direction) for sa in sas)


def _sa_text(sa, direction):
    esp = sa.esp
    lines = [
        f"  - name: {sa.name}",
        f"    direction: {direction}",
        f"    mode: {esp.mode}",
        f"    src: {esp.src}",
        f"    dst: {esp.dst}",
        "    esp:",
        f"      spi: {esp.spi:#010x}",
        f"      encryption: {esp.encryption}",
    ]
    if esp.encryption_key:
        lines.append(f'      encryption_key: "{esp.encryption_key.hex()}"')
    if esp.integrity == "none":
        lines.append(f"      icv_bytes: {esp.icv_bytes}")
    else:
        lines.append(f"      integrity: {esp.integrity}")
        lines.append(f'      integrity_key: "{esp.integrity_key.hex()}"')
    if esp.udp:
        lines.append(f"    udp: {{sport: {esp.udp[0]}, dport: {esp.udp[1]}}}")
    lines.append(f"    esn: {str(esp.esn).lower()}")
    lines.append(f"    sequence: {sa.sequence}")
    if direction == "in":
        lines.append(f"    replay_window: {sa.replay_window}")
    return "\n".join(lines) + "\n"
