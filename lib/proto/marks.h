// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// DSCP, ECN and DF of an outer header: RFC 4301 section 5.1.2 and RFC 6040.

#include "proto/ip.h"
#include "proto/ipsec.h"

#include <stdbool.h>
#include <stdint.h>

// The rules of a tunnel for DSCP and DF, as what is kept of the marks of the inner header
// (proto/ip.h) and what is set.
struct fer_tunnel_marks {
	uint16_t kept, set;
};

static inline struct fer_tunnel_marks fer_tunnel_marks_of(const struct fer_outer_rules *r)
{
	bool copy = r->dscp == FER_DSCP_COPY;

	return (struct fer_tunnel_marks){
		.kept = (uint16_t)fer_ip_marks(copy ? 0xff : 3, r->df == FER_DF_COPY),
		.set = (uint16_t)fer_ip_marks(
			copy ? 0 : (uint8_t)(r->dscp << 2), r->df == FER_DF_SET),
	};
}

// The marks of the outer header: DSCP and DF by the rules, ECN copied (RFC 6040 section 4.1, normal
// mode).
static inline uint32_t fer_tunnel_mark(
	const struct fer_tunnel_marks *m, uint8_t inner_tos, bool inner_df)
{
	return (fer_ip_marks(inner_tos, inner_df) & m->kept) | m->set;
}
