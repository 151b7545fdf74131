// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// For tests: two appliances in one process, back to back, over rings that the test holds.
//
//	host[EAST].in ─► east ─► wire ─► west ─► host[WEST].out, and back
//
// What does not succeed fails the test.

#include "workers.h"

#define N_ENDS 2

enum end { EAST, WEST };

struct host_rings {
	struct rte_ring *in;  // the test puts packets here
	struct rte_ring *out; // and takes them here
};

struct two_pairs {
	struct fer_doc *doc;
	struct fer_engine *engine;
	struct rte_rcu_qsbr *qsbr;
	struct fer_grace grace;
	struct fer_pair pair[N_ENDS];
	struct fer_workers workers;
	struct rte_mempool *pool; // of the test
	struct host_rings host[N_ENDS];
};

// Starts the EAL with that many lcores for workers, which share a CPU if they must, and with one
// more option (NULL: none).
void two_pairs_eal(unsigned n_workers, const char *option);

// Rings of that many entries (a power of two) between ports with these names:
// net_ring_east_host, net_ring_east_wire, net_ring_west_host, net_ring_west_wire.
void two_pairs_open(struct two_pairs *t, const char *document, unsigned n_workers, unsigned ring);

void two_pairs_start(struct two_pairs *t);

// Ends the workers, if they run, and frees everything.
void two_pairs_close(struct two_pairs *t);

// A document: both ends in tunnel mode with AES-GCM, everything protected.  more goes into the
// mappings of both pairs, such as ", queues: 2".
const char *two_pairs_document(const char *more);

// Puts n copies of a frame in.
void two_pairs_put(
	struct two_pairs *t, enum end end, const uint8_t *bytes, uint32_t len, unsigned n);

// Takes packets as they come out, up to n of them, within some seconds; all are compared with
// bytes (NULL: not compared) and freed.  Returns how many came.
unsigned two_pairs_take(
	struct two_pairs *t, enum end end, const uint8_t *bytes, uint32_t len, unsigned n);

// What all workers counted at a port.
struct fer_port_counters two_pairs_count(
	const struct two_pairs *t, enum end end, enum fer_side side);

// The same, once they have counted at least n packets received there and what became of them, or
// some seconds later.
struct fer_port_counters two_pairs_await(
	const struct two_pairs *t, enum end end, enum fer_side side, uint64_t n);
