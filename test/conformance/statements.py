# SPDX-License-Identifier: BSD-3-Clause
"""The statements of the contract: how strong each is, and what shows it besides live tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Statement:
    number: int
    level: str  # MUST, SHOULD or MAY
    units: tuple = ()  # (program, case) of unit tests
    reason: str = ""  # why it cannot apply
    deviates: bool = False  # the appliance does otherwise in mode stack, which is tested as well


SHOULD = {21, 23, 30, 31, 35, 70, 72, 73, 81, 139}
MAY = {123, 126}

UNITS = {
    45: [("ctl_server", "a_cancel_ends_its_request_alone")],
    70: [("ctl_wipe", "a_completed_request_leaves_no_key"), ("table", "nothing_is_left_of_an_sa")],
    84: [("transmit", "does_each_packet_of_a_full_burst_get_its_own")],
    110: [("receive", "are_both_layers_opened")],
    111: [("receive", "are_both_layers_opened")],
    143: [("table", "a_sleeping_worker_is_waited_for")],
    33: [("receive", "is_what_may_not_be_opened_left_alone")],
    94: [("transmit", "is_what_may_not_be_protected_held_back")],
}

REASONS = {
    31: "it has the OID",
    130: "it coalesces nothing",
}

DEVIATES = {94, 118, 121, 125}

STATEMENTS = [
    Statement(n, "SHOULD" if n in SHOULD else "MAY" if n in MAY else "MUST",
              tuple(UNITS.get(n, ())), REASONS.get(n, ""), n in DEVIATES)
    for n in range(1, 145)
]
