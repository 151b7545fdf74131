// SPDX-License-Identifier: BSD-3-Clause
#include "nic/crypt_parts.h"

void fer_crypt_try_again(
	struct fer_nic *nic, struct fer_sa *sa, struct fer_layer *layer, struct fer_job *job)
{
	uint64_t seq = layer->seq;

	rte_spinlock_lock(&sa->in.lock);
	bool is_worth_it = fer_replay_resync(&sa->in.replay, &seq);
	fer_sa_unlock_in(sa);
	if (!is_worth_it)
		return;
	job->seq_hi = (uint32_t)(seq >> 32);
	fer_engine_open_burst(nic->engine, job, 1);
	if (job->verdict == FER_OK)
		layer->seq = seq;
}

// Finishes the jobs.
static inline void finish_all(struct fer_nic *nic, struct fer_batch *b, bool all_well)
{
	const unsigned n = nic->crypt->n;
	unsigned done = 0;

	if (likely(nic->found.sa != NULL)) // for the commit
		fer_prefetch_write(&nic->found.sa->in.lock);
	fer_replay_prefetch(&nic->found.window);
	if (likely(all_well && n != 0))
		done = fer_crypt_finish_alike(nic, b);
	if (unlikely(done != n))
		fer_crypt_finish_others(nic, b, done);
}

// The same when some are late.
static void finish_punctual(struct fer_nic *nic, struct fer_batch *b)
{
	struct fer_crypt *c = nic->crypt;

	for (unsigned j = 0; j < c->n; j++)
		if (!fer_crypt_give_up(nic, b, j))
			fer_crypt_finish_one(nic, b, j);
	fer_crypt_change_lists(c);
}

__attribute__((noinline)) static void open_shared(struct fer_nic *nic, struct fer_batch *b)
{
	if (fer_crypt_share(nic, FER_IN) == 0)
		fer_crypt_finish_others(nic, b, 0);
	else
		finish_punctual(nic, b);
}

__attribute__((noinline)) static void open_splits(struct fer_nic *nic, struct fer_batch *b)
{
	struct fer_crypt *c = nic->crypt;

	for (unsigned j = 0; j < c->n_split; j++) {
		fer_crypt_open_split(nic, b, c->split[j]);
		c->n_pending += b->pkt[c->split[j]].pending;
	}
}

unsigned fer_crypt_open(struct fer_nic *nic, struct fer_batch *b)
{
	struct fer_crypt *c = nic->crypt;

	c->n_pending = 0;
	if (fer_crypt_is_shared(nic))
		open_shared(nic, b);
	else
		finish_all(nic, b, fer_engine_open_burst(nic->engine, c->job, c->n));
	if (unlikely(c->n_split != 0))
		open_splits(nic, b);
	fer_batch_mark(b, FER_STAGE_CRYPT);
	return c->n_pending;
}
