// SPDX-License-Identifier: BSD-3-Clause
#include "nic/share.h"

#include "nic/batch.h"

#include <rte_pause.h>

#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define AEAD_PIECE 8   // jobs
#define OTHER_PIECE 32 // jobs that are computed side by side: a few cost as much as many
#define MAX_PIECES (FER_BATCH_MAX / AEAD_PIECE)
#define AEAD_BYTES 1024 // of a job, on average, that are worth a helper
#define OTHER_BYTES 256
#define PATIENCE_PIECES 16

// Pieces from next on are free, up to n; which offer of this worker it is keeps them from being
// taken for those of another one.
#define STATE(offer, next, n) ((uint64_t)(offer) << 32 | (uint64_t)(next) << 16 | (n))

struct offer {
	alignas(64) _Atomic uint64_t state;
	alignas(64) _Atomic uint8_t finished[MAX_PIECES];
	// Set before the state is published, and left alone until all pieces are finished.
	alignas(64) struct fer_job *jobs;
	unsigned n_jobs;
	unsigned piece; // jobs of all pieces but the last
	enum fer_direction direction;

	// The rest is the worker's own.
	alignas(64) uint32_t number;
	unsigned n_pieces;
	uint64_t longest; // piece of its own, ticks
	bool is_mine[MAX_PIECES];
	bool is_late[MAX_PIECES];
	bool has_late;
	bool says_idle; // what it has in is_idle
	unsigned n_kept;
	struct rte_mbuf *kept[FER_BATCH_MAX];

	alignas(64) _Atomic bool is_idle;
};

struct fer_share {
	unsigned n_workers;
	uint64_t patience; // ticks
	struct offer offers[];
};

struct fer_share *fer_share_create(unsigned n_workers, uint32_t patience_ns)
{
	size_t bytes = sizeof(struct fer_share) + n_workers * sizeof(struct offer);
	struct fer_share *s = aligned_alloc(alignof(struct offer), RTE_ALIGN_CEIL(bytes, 64));

	if (s == NULL)
		return NULL;
	memset(s, 0, bytes);
	s->n_workers = n_workers;
	s->patience = (uint64_t)((double)rte_get_tsc_hz() / NS_PER_S * patience_ns);
	return s;
}

void fer_share_destroy(struct fer_share *s)
{
	for (unsigned i = 0; s != NULL && i < s->n_workers; i++)
		rte_pktmbuf_free_bulk(s->offers[i].kept, s->offers[i].n_kept);
	free(s);
}

static void run(
	struct fer_engine *e, enum fer_direction direction, struct fer_job jobs[], unsigned n)
{
	if (direction == FER_OUT)
		fer_engine_seal(e, jobs, n);
	else
		fer_engine_open_burst(e, jobs, n);
}

static unsigned piece_jobs(const struct offer *o, unsigned k)
{
	return RTE_MIN(o->n_jobs - k * o->piece, o->piece);
}

// Does piece k, which the caller has claimed.  Returns its jobs.
static unsigned run_piece(struct offer *o, struct fer_engine *e, unsigned k)
{
	unsigned n = piece_jobs(o, k);

	run(e, o->direction, o->jobs + k * o->piece, n);
	return n;
}

// Takes a free piece of an offer: its number, or -1 when there is none.
static int claim(struct offer *o)
{
	uint64_t state = atomic_load_explicit(&o->state, memory_order_acquire);

	for (;;) {
		unsigned next = state >> 16 & 0xffff;

		if (next >= (state & 0xffff))
			return -1;
		if (atomic_compare_exchange_weak_explicit(&o->state, &state, state + (1 << 16),
			    memory_order_acq_rel, memory_order_acquire))
			return (int)next;
	}
}

static bool has_idle_worker(const struct fer_share *s, unsigned me)
{
	for (unsigned i = 0; i < s->n_workers; i++)
		if (i != me && atomic_load_explicit(&s->offers[i].is_idle, memory_order_relaxed))
			return true;
	return false;
}

static unsigned piece_of(const struct fer_job jobs[])
{
	return jobs[0].suite->aead ? AEAD_PIECE : OTHER_PIECE;
}

// Is it worth the trouble?  Shorter packets cost more to move to another core than to work on.
static bool is_much(const struct fer_job jobs[], unsigned n)
{
	uint64_t bytes = 0;

	if (n == 0 || n <= piece_of(jobs))
		return false;
	for (unsigned i = 0; i < n; i++)
		bytes += jobs[i].len;
	return bytes >= (uint64_t)n * (jobs[0].suite->aead ? AEAD_BYTES : OTHER_BYTES);
}

static void publish(
	struct offer *o, enum fer_direction direction, struct fer_job jobs[], unsigned n)
{
	o->jobs = jobs;
	o->n_jobs = n;
	o->direction = direction;
	o->piece = piece_of(jobs);
	o->n_pieces = (n + o->piece - 1) / o->piece;
	o->longest = 0;
	memset(o->is_mine, 0, sizeof(o->is_mine));
	for (unsigned k = 0; k < o->n_pieces; k++)
		atomic_store_explicit(&o->finished[k], 0, memory_order_relaxed);
	// Nobody else gets the first one.
	atomic_store_explicit(&o->state, STATE(++o->number, 1, o->n_pieces), memory_order_release);
}

static void run_own_piece(struct offer *o, struct fer_engine *e, unsigned k)
{
	uint64_t start = rte_rdtsc();

	o->is_mine[k] = true;
	(void)run_piece(o, e, k);
	uint64_t ticks = rte_rdtsc() - start;
	o->longest = RTE_MAX(o->longest, ticks);
}

static bool is_done(const struct offer *o, unsigned k)
{
	return o->is_mine[k] || atomic_load_explicit(&o->finished[k], memory_order_acquire) != 0;
}

// Waits for piece k until then at most.
static bool wait_for(const struct offer *o, unsigned k, uint64_t end)
{
	while (!is_done(o, k)) {
		if (rte_rdtsc() > end)
			return false;
		rte_pause();
	}
	return true;
}

// Somebody else has just written them.
static void fetch_back(const struct offer *o, unsigned k)
{
	const struct fer_job *j = o->jobs + k * o->piece;

	for (unsigned n = o->is_mine[k] ? 0 : piece_jobs(o, k); n > 0; n--, j++) {
		rte_prefetch0(j->start);
		rte_prefetch0(j->start + j->len - 1);
	}
}

// Returns how many jobs are late.
static unsigned gather(const struct fer_share *s, struct offer *o)
{
	uint64_t end = rte_rdtsc() + s->patience + PATIENCE_PIECES * o->longest;
	unsigned n_late = 0;

	for (unsigned k = 0; k < o->n_pieces; k++) {
		o->is_late[k] = !wait_for(o, k, end);
		if (likely(!o->is_late[k]))
			fetch_back(o, k);
		else
			n_late += piece_jobs(o, k);
	}
	o->has_late = n_late != 0;
	return n_late;
}

unsigned fer_share_run(struct fer_share *s, unsigned me, struct fer_engine *e,
	enum fer_direction direction, struct fer_job jobs[], unsigned n)
{
	struct offer *o = &s->offers[me];

	if (!is_much(jobs, n) || !has_idle_worker(s, me) || fer_share_has_late(s, me)) {
		run(e, direction, jobs, n);
		return 0;
	}
	publish(o, direction, jobs, n);
	for (int k = 0; k >= 0; k = claim(o))
		run_own_piece(o, e, (unsigned)k);
	return gather(s, o);
}

bool fer_share_is_late(const struct fer_share *s, unsigned me, unsigned j)
{
	const struct offer *o = &s->offers[me];

	return o->is_late[j / o->piece];
}

void fer_share_keep(struct fer_share *s, unsigned me, struct rte_mbuf *m)
{
	struct offer *o = &s->offers[me];

	o->kept[o->n_kept++] = m;
}

bool fer_share_has_late(struct fer_share *s, unsigned me)
{
	struct offer *o = &s->offers[me];

	if (likely(!o->has_late))
		return false;
	for (unsigned k = 0; k < o->n_pieces; k++)
		if (o->is_late[k] && !is_done(o, k))
			return true;
	rte_pktmbuf_free_bulk(o->kept, o->n_kept);
	o->n_kept = 0;
	o->has_late = false;
	return false;
}

void fer_share_set_idle(struct fer_share *s, unsigned me, bool is_idle)
{
	struct offer *o = &s->offers[me];

	if (o->says_idle == is_idle)
		return;
	o->says_idle = is_idle;
	atomic_store_explicit(&o->is_idle, is_idle, memory_order_relaxed);
}

unsigned fer_share_help(struct fer_share *s, unsigned me, struct fer_engine *e)
{
	for (unsigned i = 1; i < s->n_workers; i++) {
		struct offer *o = &s->offers[(me + i) % s->n_workers];
		int k = claim(o);

		if (k < 0)
			continue;
		unsigned n = run_piece(o, e, (unsigned)k);
		atomic_store_explicit(&o->finished[k], 1, memory_order_release);
		return n;
	}
	return 0;
}
