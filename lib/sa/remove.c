// SPDX-License-Identifier: BSD-3-Clause
#include "base/secret.h"
#include "sa/control.h"

#include <rte_common.h>
#include <rte_hash.h>
#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <stdlib.h>

#define RECLAIMED_AT_ONCE 1000 // others wait for the control thread

void fer_sa_close_window(struct fer_sa *sa)
{
	if (sa->in.replay.seen != sa->in.window)
		free(sa->in.replay.seen);
	sa->in.replay.seen = NULL;
}

void fer_sa_release_keyprint(struct fer_sa_control *c, const struct fer_sa *sa)
{
	if (c->key_prints[sa->index] != 0)
		fer_keyprints_remove(c->keyprints, c->key_prints[sa->index]);
}

// Where nothing was counted nothing is written: that would make a page real.
static void forget_drops(struct fer_sa_table *t, uint32_t index)
{
	for (unsigned v = FER_OK + 1; v < FER_N_SA_VERDICTS; v++)
		if (atomic_load_explicit(&t->high[index].drops[v - 1], memory_order_relaxed) != 0)
			atomic_store_explicit(
				&t->high[index].drops[v - 1], 0, memory_order_relaxed);
}

// The generation is 0 already and not written: a worker with an old handle may be reading it.
void fer_sa_free_block(struct fer_sa_table *t, uint32_t index)
{
	struct fer_sa *sa = fer_sa_at(t, index);

	if (sa->direction == FER_OUT && sa->out.dummy != 0)
		fer_dummy_free(t->control, sa->out.dummy);
	forget_drops(t, index);
	fer_secret_wipe(&sa->index, t->stride - offsetof(struct fer_sa, index));
	fer_index_push(t->control,
		index < t->capacity ? &t->control->unused : &t->control->unused_ah, index);
}

int fer_sa_remove(struct fer_sa_table *t, uint64_t handle)
{
	struct fer_sa *sa = fer_sa_get(t, handle);

	if (sa == NULL)
		return -ENOENT;
	if (sa->partner != FER_NO_SA_INDEX) // from the outside: what is found is complete
		fer_sa_unpublish(t, fer_sa_at(t, sa->partner));
	fer_sa_unpublish(t, sa);
	return 0;
}

static void destroy_sa(struct fer_sa_table *t, uint32_t index)
{
	struct fer_sa_control *c = t->control;
	struct fer_sa *sa = fer_sa_at(t, index);

	if (c->positions[index] >= 0)
		rte_hash_free_key_with_position(
			fer_sa_is_outside(sa) ? c->ah_hash : c->hash, c->positions[index]);
	if (sa->direction == FER_IN)
		fer_sa_close_window(sa);
	else if (sa->suite.counter)
		c->iv_floor = RTE_MAX(
			c->iv_floor, atomic_load_explicit(&sa->out.iv, memory_order_relaxed));
	fer_udp_close(t, sa);
	fer_sa_release_keyprint(c, sa);
	fer_key_fini((struct fer_key *)sa->key, &sa->suite);
	fer_sa_free_block(t, index);
	c->n_reclaimed++;
}

uint64_t fer_sa_n_removed(const struct fer_sa_table *t)
{
	return t->control->n_removed;
}

uint64_t fer_sa_n_reclaimed(const struct fer_sa_table *t)
{
	return t->control->n_reclaimed;
}

void fer_sa_begin_grace(struct fer_sa_control *c)
{
	if (c->waiting.n != 0 || c->removed.n == 0)
		return;
	c->waiting = c->removed;
	c->removed = (struct fer_index_list){0};
	if (c->qsbr != NULL)
		c->token = rte_rcu_qsbr_start(c->qsbr);
}

static bool is_grace_over(const struct fer_sa_control *c)
{
	return c->qsbr == NULL || rte_rcu_qsbr_check(c->qsbr, c->token, false) == 1;
}

unsigned fer_sa_reclaim(struct fer_sa_table *t)
{
	struct fer_sa_control *c = t->control;

	for (unsigned n = 0; n < RECLAIMED_AT_ONCE && c->waiting.n != 0 && is_grace_over(c);) {
		for (; n < RECLAIMED_AT_ONCE && c->waiting.n != 0; n++)
			destroy_sa(t, fer_index_pop(c, &c->waiting));
		fer_sa_begin_grace(c);
	}
	fer_udp_reclaim(c);
	fer_endpoints_expire(c->endpoints, fer_sa_now_ns(c));
	fer_ports_expire(t->udp_ports, fer_sa_now_ns(c));
	return c->waiting.n + c->removed.n;
}
