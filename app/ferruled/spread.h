// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Sending by several queues of one port: each flow has its queue, and keeps its order there.
//
// A virtual machine has a queue for each of its CPUs, while the packets of a tunnel come by one
// queue from the wire.  A worker that has several queues of a pair deals what it opened out among
// them, by the hash of the flow inside (nic/rss.h).
//
// The machine may have fewer queues in use than there are.  One of them that takes nothing, and has
// taken nothing for a second, while another takes, is shut: its flows go to the others, and now and
// then one packet is offered to it, until it takes one.
//
// One per worker and pair, for the worker alone.

#include "nic/batch.h"

#define FER_SPREAD_QUEUES 64

struct fer_spread_queue {
	uint16_t queue;
	uint64_t took_at;    // when it took a packet last, in ticks; 0: never
	uint64_t shut_until; // 0: it is open; else when it is offered a packet again
};

struct fer_spread {
	uint64_t second; // in ticks
	uint8_t n;
	uint8_t n_open;
	struct fer_spread_queue queue[FER_SPREAD_QUEUES];
	uint8_t open[FER_SPREAD_QUEUES]; // n_open of them, places in queue

	// What is under way: where each frame goes, and those that go to one queue.
	uint8_t to[FER_BATCH_MAX + FER_BATCH_MORE];
	bool is_part_rest[FER_BATCH_MAX + FER_BATCH_MORE];
	struct rte_mbuf *part[FER_BATCH_MAX + FER_BATCH_MORE];
};

// How frames are sent, and what becomes of those that a queue did not take.
struct fer_spread_port {
	// Returns how many it took: these are the port's.
	unsigned (*send)(void *arg, uint16_t queue, struct rte_mbuf *m[], unsigned n);
	// Takes them over; is_rest is NULL where there are no fragments.
	void (*unsent)(void *arg, struct rte_mbuf *m[], unsigned n, const bool is_rest[]);
	void *arg;
};

void fer_spread_init(struct fer_spread *s, uint64_t ticks_per_second);

// Not more than FER_SPREAD_QUEUES.
void fer_spread_add(struct fer_spread *s, uint16_t queue);

// Sends n frames, and takes them over.  Those without a hash, which are of no flow, and the rests
// of a packet that was cut, go where it is said.
//   own      one of the queues: for frames without a hash
//   is_rest  the frame goes with that in front of it; NULL: each is a packet by itself
//   now      in ticks, never 0
void fer_spread_send(struct fer_spread *s, struct rte_mbuf *m[], const bool is_rest[], unsigned n,
	uint16_t own, uint64_t now, const struct fer_spread_port *port);
