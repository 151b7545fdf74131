// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// All workers: made, started, stopped and watched by the control thread.

#include "pairs.h"
#include "worker.h"

#include "nic/rss.h"

struct fer_workers_params {
	struct fer_pair *pairs; // open
	unsigned n_pairs;
	unsigned n_workers; // not more than queues of all pairs
	unsigned n_lcores;  // n_workers, or 0: the first that there are, but for the main one
	const uint16_t *lcores;
	bool naps;
	// A burst's crypto is shared with workers that have nothing to do; so long is waited for
	// one that lost its CPU.  0: each does its own.
	uint32_t share_patience_ns;
	const cpu_set_t *cpus; // where workers may run; NULL: on the CPUs of their lcores
	struct rte_rcu_qsbr *qsbr;
	const struct fer_iv_source *ivs;
};

struct fer_workers {
	struct fer_worker *worker; // n
	struct fer_watch *watch;
	struct fer_share *share; // NULL: each does its crypto alone
	struct fer_path *paths;
	struct fer_events **events; // of each path
	struct fer_lane *lanes;
	struct fer_shim *shims;             // by lane
	struct fer_spread *spreads;         // by worker, pair
	struct fer_rss rss;                 // of paths that spread
	struct fer_port_counters *counters; // by worker, pair, side
	unsigned n;
	unsigned n_pairs;
	unsigned n_paths;   // that are open
	unsigned n_running; // workers
};

// 0; or -errno with why, of 160 bytes, a sentence for people, and nothing left behind:
//   -ENOENT  there is no such lcore, or not so many
__attribute__((warn_unused_result)) int fer_workers_create(
	struct fer_workers *ws, const struct fer_workers_params *params, char why[160]);

// Ports are started.  0, or -EBUSY when an lcore has something else to do.
__attribute__((warn_unused_result)) int fer_workers_start(struct fer_workers *ws);

// No packet is taken any more, and those taken are sent.  False when a worker does not follow
// within a second.
bool fer_workers_quiesce(struct fer_workers *ws);

// Ends the workers.  False when one does not end within seconds: what it uses must not be freed.
bool fer_workers_join(struct fer_workers *ws);

// They have ended, or not begun.
void fer_workers_destroy(struct fer_workers *ws);

// The same without waiting: workers are told to rest, and to carry on.
void fer_workers_rest(struct fer_workers *ws);
void fer_workers_carry(struct fer_workers *ws);
bool fer_workers_are_at_rest(const struct fer_workers *ws);

enum fer_worker_news { FER_WORKER_SAME, FER_WORKER_STALLED, FER_WORKER_MOVES };

// Has a worker stood still for a second?  To be called every few milliseconds; tells each change
// once.  now_ns is monotonic.
enum fer_worker_news fer_workers_watch(struct fer_workers *ws, unsigned worker, uint64_t now_ns);

// What a worker has to tell of a pair.
struct fer_events *fer_workers_events(const struct fer_workers *ws, unsigned worker, unsigned pair);

// Adds what a worker counted at a port to *sum.
void fer_workers_count(const struct fer_workers *ws, unsigned worker, unsigned pair,
	enum fer_side side, struct fer_port_counters *sum);
