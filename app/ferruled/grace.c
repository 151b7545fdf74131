// SPDX-License-Identifier: BSD-3-Clause
#include "grace.h"

#include <rte_common.h>
#include <rte_rcu_qsbr.h>

#include <stddef.h>

#define RUN_AT_ONCE 2000 // requests wait for them

void fer_grace_init(struct fer_grace *g, struct rte_rcu_qsbr *qsbr)
{
	*g = (struct fer_grace){.qsbr = qsbr};
	g->last = &g->first;
}

void fer_grace_defer(
	struct fer_grace *g, struct fer_deferred *d, void (*run)(struct fer_deferred *self))
{
	d->next = NULL;
	d->run = run;
	d->token = rte_rcu_qsbr_start(g->qsbr);
	*g->last = d;
	g->last = &d->next;
}

static void run_first(struct fer_grace *g)
{
	struct fer_deferred *d = g->first;

	g->first = d->next;
	if (g->first == NULL)
		g->last = &g->first;
	d->run(d);
}

bool fer_grace_poll(struct fer_grace *g)
{
	for (unsigned i = 0; i < RUN_AT_ONCE && g->first != NULL; i++) {
		if (rte_rcu_qsbr_check(g->qsbr, g->first->token, false) != 1)
			break;
		run_first(g);
	}
	return g->first != NULL;
}

void fer_grace_fini(struct fer_grace *g)
{
	while (g->first != NULL)
		run_first(g);
}
