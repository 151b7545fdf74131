// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Packets that are too big for the port they leave by are cut into fragments, as the very last
// stage: what is protected is the whole packet (RFC 4303 section 3.3.4).

#include "nic/batch.h"

#define FER_FRAGMENTS_MAX 128 // of one packet: 65,535 bytes over the smallest MTU that is allowed

// Cuts the packet of a parsed frame into IP packets of up to mtu bytes, each with the same link
// header; DF does not count.  Over IPv6 they have a random identification.
//   out  set to the n fragments, which the caller then owns; they share bytes
// Returns n, with the packet freed; 0 with the packet in no state to be sent: no buffers, an IPv6
// packet with extension headers, an MTU below 1280 with IPv6 or 68 with IPv4, or more than
// FER_FRAGMENTS_MAX.
__attribute__((warn_unused_result)) unsigned fer_fragment_cut(struct rte_mbuf **m,
	const struct fer_frame *f, uint32_t mtu, struct rte_mempool *pool,
	struct rte_mbuf *out[FER_FRAGMENTS_MAX]);

// Cuts every living packet that is longer than b->mtu; what cannot be cut ends in FER_NO_ROOM.
void fer_fragment_run(struct fer_batch *b, struct rte_mempool *pool);
