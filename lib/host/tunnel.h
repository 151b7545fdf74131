// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a tunnel does to the fields that both headers have: RFC 4301 section 5.1.2 and RFC 6040.
// Pure functions on the values.

#include "base/bytes.h"
#include "proto/frame.h"
#include "proto/ipsec.h"

#include <stdbool.h>
#include <stdint.h>

// The ECN field (RFC 3168 section 5).
#define FER_CODEPOINT_NOT_ECT 0
#define FER_CODEPOINT_ECT1 1
#define FER_CODEPOINT_ECT0 2
#define FER_CODEPOINT_CE 3

// Type of service of the outer header from that of the inner one: DSCP by the rule, ECN copied
// (RFC 6040 section 4.1, normal mode).
static inline uint8_t fer_tunnel_tos(const struct fer_outer_rules *r, uint8_t inner_tos)
{
	uint8_t dscp = r->dscp == FER_DSCP_COPY ? inner_tos & 0xfc : (uint8_t)(r->dscp << 2);

	return dscp | (inner_tos & 3);
}

// DF of an outer IPv4 header.
static inline bool fer_tunnel_df(const struct fer_outer_rules *r, const struct fer_frame *inner)
{
	return r->df == FER_DF_SET || (r->df == FER_DF_COPY && inner->df);
}

// Flow label of an outer IPv6 header; inner is the IP header inside.
static inline uint32_t fer_tunnel_flow_label(const struct fer_outer_rules *r, const uint8_t *inner)
{
	if (r->flow_label != FER_FLOW_LABEL_COPY)
		return r->flow_label;
	return inner[0] >> 4 == 6 ? fer_load_be32(inner) & 0xfffff : 0;
}

// How far left the ECN field stands in the second byte of a header.
static inline unsigned fer_tunnel_ecn_shift(uint8_t version)
{
	return version == 4 ? 0 : 4;
}

// The inner ECN after decapsulation (RFC 6040 section 4.2); -1: the packet has to be dropped.  What
// is the same in both headers stays so.
int fer_tunnel_ecn_out(uint8_t inner_ecn, uint8_t outer_ecn);
