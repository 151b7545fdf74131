// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The whole way of a burst through both halves, for one worker: what the appliance, the program for
// capture files and the benchmark all run.

#include "host/host.h"
#include "host/reassemble.h"
#include "nic/nic.h"
#include "sa/table.h"

struct fer_iv_source;

struct fer_path {
	struct fer_nic nic;
	struct fer_host host;
	struct fer_reassembly *reassembly;
	struct fer_dummies *dummies;
	struct rte_mempool *pool;
};

struct fer_path_params {
	struct fer_sa_table *sas;
	struct rte_mempool *pool; // buffers for what the path adds or copies: headers and trailers
				  // that find no room, fragments, answers, dummies, packets that
				  // others have references to
	const struct fer_iv_source *ivs;
	const struct fer_host_rules *_Atomic *rules; // published by the control thread
	struct fer_reassembly_params reassembly;
	struct fer_events *events; // of this worker; NULL: it tells nobody
	// Number of this worker, from 0, among those that send for these SAs; 0 and 0: the only
	// one.
	unsigned worker, n_workers;
};

// 0 or -errno, with nothing left behind.
__attribute__((warn_unused_result)) int fer_path_init(
	struct fer_path *path, const struct fer_path_params *params);

void fer_path_fini(struct fer_path *path);

// Host port to wire port.  In: b->n, b->link and b->m are set; frames of a port come through a
// struct fer_intake (host/intake.h).  Out: every packet has its verdict; those with FER_OK are
// ready to be sent, some in fragments.  Where the rules let the path answer, answers are in the
// side list.  fer_sink() and fer_sink_side() come next.
void fer_path_out(struct fer_path *path, struct fer_batch *b);

// Does an SA send dummies?
static inline bool fer_path_has_dummies(const struct fer_path *path)
{
	return unlikely(
		atomic_load_explicit(&path->host.sas->n_dummies, memory_order_relaxed) != 0);
}

// Makes a batch of the dummies that are due, as fer_path_out() leaves one; b->n is 0 where there
// are none.  One path of a table does so, again and again while fer_path_has_dummies().
//   now  in TSC ticks
void fer_path_dummies(struct fer_path *path, struct fer_batch *b, uint64_t now);

// Wire port to host port.  now is the clock of the reassembly timeout; what timed out is added to
// timed_out.
void fer_path_in(struct fer_path *path, struct fer_batch *b, uint64_t now, uint64_t *timed_out);
