// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One worker: a loop on its own core that carries packets between the ports of pairs, in both
// directions of the queues it was given.
//
// It takes a burst, runs it to completion, sends what is left, and reports a quiescent state; it
// never blocks, allocates or logs.  Around drivers that can sleep in the kernel, and while it naps,
// it is offline: a grace period does not wait for it.
//
// Who writes what:
//   order              the control thread
//   state, beat, ports the worker, with relaxed stores; others may read at any time
//   everything else    the control thread before the start, the worker afterwards

#include "ports.h"
#include "spread.h"

#include "host/intake.h"
#include "host/path.h"
#include "host/sink.h"
#include "nic/shim.h"

#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rte_rcu_qsbr;

#define FER_WORKER_BURST 64
#define FER_WORKER_DATAGRAMS 256 // of each pair, that may wait for fragments at once

// Buffers that one worker may have in hand or keep waiting for one pair.
#define FER_WORKER_BUFFERS                                                                         \
	(FER_REASSEMBLY_BUFFERS(FER_WORKER_DATAGRAMS) + 4 * FER_BATCH_MAX + FER_SEGMENTS_MAX +     \
		FER_BATCH_MORE + FER_BATCH_SIDE)

// What one worker did at one port.
struct fer_port_counters {
	alignas(64) uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	struct fer_outcomes outcomes; // of what came in here; OK: the other port has sent it
};

// One queue of a pair, both ways: what comes in at one side is sent by the same queue of the other,
// but for what goes to a host port that shows its queues to several CPUs.
struct fer_lane {
	struct fer_path *path;
	struct fer_shim *shim; // an external host plays the host half; NULL: the path does
	const struct fer_port *port[FER_N_SIDES];
	struct fer_port_counters *counters[FER_N_SIDES];
	struct fer_intake intake[FER_N_SIDES];
	struct rte_ring *keepalives; // for this lane to send; NULL: another one does
	struct fer_spread *spread;   // sends to the host by all queues of the worker; NULL: by this
	uint16_t queue;
};

enum fer_worker_order { FER_WORKER_REST, FER_WORKER_CARRY, FER_WORKER_END };

struct fer_worker {
	unsigned id; // 0, 1, 2 and so on; its thread in qsbr
	unsigned lcore;
	struct rte_rcu_qsbr *qsbr;
	bool naps;               // instead of polling while nothing comes
	struct fer_share *share; // crypto is done for each other; NULL: by each alone
	const cpu_set_t *cpus;   // that it may run on; NULL: those of its lcore
	struct fer_lane *lanes;
	unsigned n_lanes;
	unsigned n_empty;          // rounds in which nothing came
	struct fer_outcomes burst; // of the batch at hand
	struct rte_mbuf *out[FER_BATCH_MAX + FER_BATCH_MORE];
	bool is_rest[FER_BATCH_MAX + FER_BATCH_MORE]; // of out: not the first of its packet
	uint16_t at[FER_BATCH_MAX + FER_BATCH_MORE];  // of out: place in the batch
	struct fer_batch batch;

	alignas(64) _Atomic unsigned order; // enum fer_worker_order
	alignas(64) _Atomic unsigned state; // the order it has followed: nothing older is under way
	_Atomic uint64_t beat;              // moves as long as the worker does
};

// One burst of each lane and direction; how many packets came.  For whoever has a loop of his own:
// he reports quiescent states.
unsigned fer_worker_round(struct fer_worker *w);

// The loop, for rte_eal_remote_launch(); comes back after FER_WORKER_END.
int fer_worker_run(void *worker);
