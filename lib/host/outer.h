// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Opens and closes the gap that protection needs in a packet; the only place where the mode is
// asked.

#include "nic/batch.h"
#include "sa/sa.h"

// Makes room for what the SA puts around the packet and writes the headers in front of it: in
// tunnel mode an outer IP header, in transport mode the ESP header's place behind the IP header.
// The ESP header gets SPI and number; IV and ICV rooms stay undefined; padding and trailer are
// written. The packet's frame becomes that of the framed packet, *layer says where everything is.
// Returns FER_OK, or FER_TOO_LONG, FER_NO_ROOM with the packet as it was, headers apart.
__attribute__((warn_unused_result)) enum fer_verdict fer_outer_put_on(struct rte_mbuf **m,
	struct fer_pkt *p, const struct fer_sa *sa, uint64_t seq, struct rte_mempool *pool,
	struct fer_layer *layer);

// Could the SA carry this packet?  FER_OK, FER_TRANSPORT_FRAGMENT, or FER_NO_POLICY when the
// addresses are not those of a transport SA.
__attribute__((warn_unused_result)) enum fer_verdict fer_outer_fits(
	const struct rte_mbuf *m, const struct fer_pkt *p, const struct fer_sa *sa);

// Takes one opened layer off: the outer header in tunnel mode, the ESP header in transport mode,
// and what follows the payload.  Layers go outermost first; *shift is how many bytes earlier ones
// took from the front, 0 at first.  ECN is combined.  Returns FER_OK, FER_ECN_CE, FER_BAD_INNER,
// FER_DUMMY or FER_NO_ROOM.
__attribute__((warn_unused_result)) enum fer_verdict fer_outer_take_off(struct rte_mbuf **m,
	struct fer_pkt *p, const struct fer_sa *sa, const struct fer_layer *layer, uint32_t *shift,
	struct rte_mempool *pool);
