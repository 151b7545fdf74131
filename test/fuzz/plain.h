// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Random IP packets such as hosts send: options, extension headers, any protocol, any size.

#include "oracle/ref.h"
#include "rng.h"

struct plain_wish {
	const struct ref_addr *src, *dst;
	uint32_t most; // bytes of the packet
	bool may_be_fragment;
};

void plain_make(struct rng *r, const struct plain_wish *wish, struct ref_packet *p);
