// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// From a port into batches.  Ports of virtual machines (virtio, vhost) hand over TCP in pieces of
// up to 64 KiB: these become segments first, because one may be more than a batch has room for.

#include "nic/batch.h"

#define FER_SEGMENTS_MAX 128 // of one large send: 64 KiB with an MSS of 536

// Frames on their way; a worker has one per port.
struct fer_intake {
	struct rte_mempool *pool;
	uint8_t link;                      // enum fer_link
	uint16_t n, next;                  // frames that wait: from next on
	uint16_t n_segments, next_segment; // likewise those of the large send before them
	struct rte_mbuf *m[FER_BATCH_MAX];
	struct rte_mbuf *segment[FER_SEGMENTS_MAX];
};

// Did its sender leave it to hardware to cut this into segments?
static inline bool fer_is_large_send(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_RX_LRO) != 0 && m->tso_segsz != 0;
}

void fer_intake_init(struct fer_intake *in, struct rte_mempool *pool, enum fer_link link);

// Frees what still waits.
void fer_intake_fini(struct fer_intake *in);

// Where up to FER_BATCH_MAX frames may be received into, once all are taken; then how many came.
//   n = rte_eth_rx_burst(port, queue, fer_intake_room(in), FER_BATCH_MAX);
//   fer_intake_put(in, n);
//   while (fer_intake_take(in, b))
//           ...
static inline struct rte_mbuf **fer_intake_room(struct fer_intake *in)
{
	return in->m;
}

void fer_intake_put(struct fer_intake *in, uint16_t n);

// Starts a batch with what waits, in order: b->n, b->link, b->m.  False: nothing waits.
//
// A TCP packet marked RTE_MBUF_F_RX_LRO with a tso_segsz becomes segments of so many bytes, a UDP
// datagram IP fragments.  One that cannot be cut keeps its mark: fer_complete_run() ends it.
__attribute__((warn_unused_result)) bool fer_intake_take(
	struct fer_intake *in, struct fer_batch *b);

// The same, of frames that become more than one: as many as have room together in b->more, and at
// least one.
//   more_of  how many frames one may become besides its first
__attribute__((warn_unused_result)) bool fer_intake_take_some(
	struct fer_intake *in, struct fer_batch *b, uint32_t (*more_of)(const struct rte_mbuf *m));
