// SPDX-License-Identifier: BSD-3-Clause
#include "host/tunnel.h"

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
