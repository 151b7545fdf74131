// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What is to be done once no worker can hold what was taken from it: begun by the control thread,
// done by it later, never waited for.

#include <stdbool.h>
#include <stdint.h>

struct rte_rcu_qsbr;

// Lies in what is to be freed.
struct fer_deferred {
	struct fer_deferred *next;
	uint64_t token; // of the grace period
	void (*run)(struct fer_deferred *self);
};

// First come, first done.
struct fer_grace {
	struct rte_rcu_qsbr *qsbr;
	struct fer_deferred *first;
	struct fer_deferred **last;
};

void fer_grace_init(struct fer_grace *g, struct rte_rcu_qsbr *qsbr);

// run(d) is called once all workers have passed a quiescent state after this call.
void fer_grace_defer(
	struct fer_grace *g, struct fer_deferred *d, void (*run)(struct fer_deferred *self));

// Runs what may be run, so many at a time that it does not take long.  True when something still
// waits.
bool fer_grace_poll(struct fer_grace *g);

// Runs everything: no worker is there any more.
void fer_grace_fini(struct fer_grace *g);
