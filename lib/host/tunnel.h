// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a tunnel does to the fields that both headers have: RFC 4301 section 5.1.2 and RFC 6040.
// Pure functions on the values.

#include "base/bytes.h"
#include "proto/frame.h"
#include "proto/ipsec.h"
#include "proto/marks.h"

#include <stdbool.h>
#include <stdint.h>

// The ECN field (RFC 3168 section 5).
#define FER_CODEPOINT_NOT_ECT 0
#define FER_CODEPOINT_ECT1 1
#define FER_CODEPOINT_ECT0 2
#define FER_CODEPOINT_CE 3

// Flow label of an outer IPv6 header by its rule; inner is the IP header inside.
static inline uint32_t fer_tunnel_flow_label(uint32_t rule, const uint8_t *inner)
{
	if (rule != FER_FLOW_LABEL_COPY)
		return rule;
	return inner[0] >> 4 == 6 ? fer_load_be32(inner) & 0xfffff : 0;
}

// Do the ECN fields differ in the second bytes of two headers of these versions?
static inline bool fer_tunnel_ecn_differs(
	uint8_t a, uint8_t a_version, uint8_t b, uint8_t b_version)
{
	const uint32_t a_factor = a_version == 4 ? 16 : 1, b_factor = b_version == 4 ? 16 : 1;

	return ((a * a_factor ^ b * b_factor) & 0x30) != 0;
}

// The inner ECN after decapsulation (RFC 6040 section 4.2); -1: the packet has to be dropped.  What
// is the same in both headers stays so.
int fer_tunnel_ecn_out(uint8_t inner_ecn, uint8_t outer_ecn);
