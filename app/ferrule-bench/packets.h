// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The packets of one worker: a ring that is made anew before every repeat.  Outbound they are
// plain; inbound they are sealed by ferrule's own outbound path over a mirror of their association,
// with the next sequence numbers of that.  The mirror lives only while it seals, so that there is
// no second key schedule of every association.

#include "bare.h"
#include "host/path.h"
#include "load.h"

#define FER_BENCH_RING 256 // packets at least
#define FER_BENCH_MAX_PACKETS (FER_BENCH_RING + FER_BATCH_MAX)

struct fer_bench_sealer;

struct fer_bench_packets {
	struct fer_bench_load *load;
	uint32_t size; // or FER_BENCH_IMIX: 7 of 40 bytes, 4 of 576 and 1 of 1500, mixed
	bool is_cold;
	unsigned burst;
	unsigned n; // a multiple of burst

	enum fer_bench_order order;
	uint32_t first, n_sas; // the share of the associations that is visited
	uint32_t n_flows;      // of these, in all
	uint32_t n_new;        // that have not come yet
	uint32_t cursor;
	uint64_t random;

	struct rte_mempool *pool;
	struct fer_bench_sealer *sealer; // in
	uint32_t sa[FER_BENCH_MAX_PACKETS];
	uint32_t flow[FER_BENCH_MAX_PACKETS];      // of the flows of its association
	struct rte_mbuf *m[FER_BENCH_MAX_PACKETS]; // owned; whoever replaces one says so here
	struct fer_bench_span sealed[FER_BENCH_MAX_PACKETS]; // where the protected bytes are
	uint8_t *frame;                                      // a plain packet
};

struct fer_bench_packets_params {
	struct fer_bench_load *load;
	uint32_t size;
	uint32_t burst;
	uint32_t n_flows; // at least; each association has one
	enum fer_bench_order order;
	bool is_cold;
	unsigned worker, n_workers;
};

// Megabytes that the EAL needs for the packets of a worker.
unsigned fer_bench_packets_megabytes(uint32_t size);

// 0, or -1 with a line in error; then, too, fini is called.
__attribute__((warn_unused_result)) int fer_bench_packets_init(struct fer_bench_packets *p,
	const struct fer_bench_packets_params *params, char error[FER_BENCH_ERROR_BYTES]);

void fer_bench_packets_fini(struct fer_bench_packets *p);

// Makes the ring anew: with flows that have not come yet, as long as there are any, whatever the
// order.  The thread of the worker calls.  0, or -1 with a line in error.
__attribute__((warn_unused_result)) int fer_bench_packets_fill(
	struct fer_bench_packets *p, char error[FER_BENCH_ERROR_BYTES]);

// Where packets are to be cold: moves their bytes, and no others, out of the caches that this CPU
// has for itself, as a NIC leaves them.  Where the CPU cannot move them to the shared cache they go
// to memory.
void fer_bench_packets_cool(struct fer_bench_packets *p);

// Outbound, after the path: finds the protected bytes.
void fer_bench_packets_note_sealed(struct fer_bench_packets *p);
