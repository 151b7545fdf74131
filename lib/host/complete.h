// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Checksums that a sender left for hardware to finish (virtio, vhost, TAP with offloads): an
// unfinished one must not be protected, so it is finished here first.

#include "nic/batch.h"

// Finishes the checksum of a TCP or UDP packet that a port marked RTE_MBUF_F_RX_L4_CKSUM_NONE.
// Drivers say that of other packets as well: a checksum that does not look unfinished stays, for
// the receiver to judge.
void fer_complete_one(struct rte_mbuf *m, const struct fer_frame *f);

// Makes the checksum of a TCP, UDP or ICMPv6 packet new that transport mode protected on a way on
// which a NAT may have changed its addresses (RFC 3948 section 3.1.2): the bytes under it were
// authenticated.  A UDP packet over IPv4 without checksum stays without.
void fer_complete_again(struct rte_mbuf *m, const struct fer_frame *f);

// fer_complete_one() for all packets of a batch, which is parsed and shares no bytes.  What still
// is a large send (host/intake.h) ends in FER_LARGE_SEND.
void fer_complete_run(struct fer_batch *b);

// Could that find something to do among packets whose ol_flags together are these?
static inline bool fer_complete_has_work(uint64_t flags)
{
	return (flags & RTE_MBUF_F_RX_LRO) != 0 ||
	       (flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;
}
