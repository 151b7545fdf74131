# SPDX-License-Identifier: BSD-3-Clause
"""The statements of the contract: how strong each is, and what shows it besides live tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Statement:
    number: int
    level: str  # MUST, SHOULD or MAY
    units: tuple = ()  # (program, case) of unit tests
    static: str = ""  # what the compiler checks, so that there would be no build otherwise
    reason: str = ""  # why it cannot apply
    deviates: bool = False  # the appliance does otherwise in mode stack, which is tested as well


SHOULD = {21, 23, 30, 31, 35, 70, 72, 73, 81, 139}
MAY = {123, 126}

UNITS = {
    21: [("rss", "does_a_tunnel_show_the_flow_inside")],
    45: [("ctl_server", "a_cancel_ends_its_request_alone")],
    57: [("ctl_codec", "each_mistake_gets_its_status"),
         ("bundle", "a_bundle_is_added_whole_or_not_at_all")],
    63: [("ctl_codec", "each_mistake_gets_its_status")],
    70: [("ctl_wipe", "a_completed_request_leaves_no_key"), ("table", "nothing_is_left_of_an_sa")],
    74: [("bundle", "an_update_names_the_protocol")],
    80: [("table", "nothing_is_left_of_an_sa")],
    84: [("transmit", "does_each_packet_of_a_full_burst_get_its_own")],
    100: [("lso", "does_the_high_half_follow_a_wrap")],
    101: [("lso", "do_sends_keep_their_order")],
    102: [("lso", "is_a_tunnel_refused")],
    103: [("lso", "is_a_large_send_dropped_that_is_not_configured")],
    104: [("shim", "a_large_send_is_told_by_slot_2")],
    110: [("receive", "are_both_layers_opened")],
    111: [("receive", "are_both_layers_opened")],
    112: [("ah", "every_row_of_the_truth_table")],
    113: [("ah", "every_row_of_the_truth_table")],
    116: [("ah", "every_row_of_the_truth_table"), ("ah", "the_other_protocol_is_a_wrong_one")],
    117: [("receive", "is_padding_longer_than_the_payload_refused")],
    128: [("ah", "every_row_of_the_truth_table")],
    133: [("udp", "is_what_is_no_esp_left_alone")],
    134: [("udp", "is_what_has_no_sa_left_alone")],
    135: [("udp", "is_half_of_a_shape_left_alone")],
    136: [("udp", "is_every_shape_opened"), ("udp", "is_every_shape_sealed")],
    137: [("udp", "is_udp_in_udp_not_opened")],
    138: [("udp", "is_every_shape_opened")],
    139: [("udp", "is_what_is_no_esp_left_alone")],
    140: [("udp", "is_udp_there_where_the_sa_has_it_and_only_there")],
    143: [("table", "a_sleeping_worker_is_waited_for")],
    33: [("receive", "is_what_may_not_be_opened_left_alone")],
    94: [("transmit", "is_what_may_not_be_protected_held_back")],
}

STATICS = {7: "static asserts on every offset and size, lib/ctl/ndis.h"}

REASONS = {
    31: "it has the OID",
    69: "extended sequence numbers are always offered",
    73: "extended sequence numbers are always offered",
    130: "it coalesces nothing",
    131: "it hands frames up whole",
}

DEVIATES = {94, 118, 121, 125}

STATEMENTS = [
    Statement(n, "SHOULD" if n in SHOULD else "MAY" if n in MAY else "MUST",
              tuple(UNITS.get(n, ())), STATICS.get(n, ""), REASONS.get(n, ""), n in DEVIATES)
    for n in range(1, 145)
]
