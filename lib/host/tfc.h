// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Traffic flow confidentiality padding: RFC 4303 section 2.7.  Zeros between a packet and the
// padding of ESP hide how long it is.
//
// A receiver finds the end of the packet only where its own headers say it: that is always so in
// tunnel mode, and in transport mode with UDP and IP in IP, behind whatever extension headers.
// Other packets are left as they are.

#include "nic/batch.h"
#include "sa/sa.h"

// What FER_TFC_MTU means where no port says what it carries.
#define FER_TFC_MTU_DEFAULT 1500

struct fer_sa_table;

// Pads packet i, which sa, its handle k, can carry and is about to be put on, as the SA wants it;
// never beyond what fits through it and those around it into b->mtu.  The frame of the packet then
// ends behind the padding.  FER_OK, or FER_NO_ROOM with the packet as it was.
__attribute__((warn_unused_result)) enum fer_verdict fer_tfc_pad(const struct fer_sa_table *sas,
	struct fer_batch *b, unsigned i, unsigned k, const struct fer_sa *sa,
	struct rte_mempool *pool);

// Where a packet ends that came in transport mode and of which f is the frame: behind the length
// that its own headers say, if nothing but zeros follow; else f->end.
uint32_t fer_tfc_end(const struct rte_mbuf *m, const struct fer_frame *f);
