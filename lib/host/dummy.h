// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Dummy packets: RFC 4303 section 2.6.  Where the packets of an SA are fewer than its rate says,
// dummies make up for it, so that nobody on the wire sees when it is idle.
//
// Of the workers of a table one makes dummies.  An SA sends them while it is the active one of its
// group, it has not stopped, and a packet of it has shown the link header to use.

#include "nic/batch.h"
#include "sa/dummy.h"

#include <stdint.h>

// What the worker remembers of an SA.
struct fer_dummy_pace {
	uint64_t handle;
	uint64_t tsc;     // when it looked last
	uint64_t packets; // that the SA had sent by then
	uint64_t credit;  // dummies that are due, each counted as a second's worth of ticks
};

struct fer_dummies {
	uint64_t next; // when to look again
	struct fer_dummy_pace pace[FER_DUMMIES_MAX];
	uint8_t place[FER_BATCH_MAX]; // whose dummy it is, by packet
};

// Starts a batch with the plain packets that become dummies now, parsed, each with its SA in
// handle[0]; b->n is 0 where none is due, or it is too early to look.
//   now  in ticks, of which hz are a second
//   mtu  of the port they leave by; 0: any
void fer_dummies_start(struct fer_dummies *d, const struct fer_sa_table *sas, uint64_t now,
	uint64_t hz, uint32_t mtu, struct rte_mempool *pool, struct fer_batch *b);

// Makes what was framed dummies: next header 59.
void fer_dummies_mark(const struct fer_sa_table *sas, struct fer_batch *b);

// Counts those that the NIC half has sealed.
void fer_dummies_count(
	const struct fer_dummies *d, const struct fer_sa_table *sas, const struct fer_batch *b);
