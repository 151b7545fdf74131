// SPDX-License-Identifier: BSD-3-Clause
#include "host/tunnel.h"

#include "base/bytes.h"

uint32_t fer_tunnel_flow_label(const struct fer_outer_rules *r, const uint8_t *inner)
{
	if (r->flow_label != FER_FLOW_LABEL_COPY)
		return r->flow_label;
	return inner[0] >> 4 == 6 ? fer_load_be32(inner) & 0xfffff : 0;
}

int fer_tunnel_ecn_out(uint8_t inner_ecn, uint8_t outer_ecn)
{
	// RFC 6040 figure 4: a row per inner, a column per outer (Not-ECT, ECT(1), ECT(0), CE).
	static const int8_t out[4][4] = {
		[FER_CODEPOINT_NOT_ECT] = {FER_CODEPOINT_NOT_ECT, FER_CODEPOINT_NOT_ECT,
			FER_CODEPOINT_NOT_ECT, -1},
		[FER_CODEPOINT_ECT1] = {FER_CODEPOINT_ECT1, FER_CODEPOINT_ECT1, FER_CODEPOINT_ECT1,
			FER_CODEPOINT_CE},
		[FER_CODEPOINT_ECT0] = {FER_CODEPOINT_ECT0, FER_CODEPOINT_ECT1, FER_CODEPOINT_ECT0,
			FER_CODEPOINT_CE},
		[FER_CODEPOINT_CE] = {FER_CODEPOINT_CE, FER_CODEPOINT_CE, FER_CODEPOINT_CE,
			FER_CODEPOINT_CE},
	};

	return out[inner_ecn & 3][outer_ecn & 3];
}
