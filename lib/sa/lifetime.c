// SPDX-License-Identifier: BSD-3-Clause
#include "sa/lifetime.h"

#include "sa/table.h"

#include <rte_branch_prediction.h>

static uint64_t sum(const uint32_t len[], uint32_t n)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < n; i++)
		total += len[i];
	return total;
}

unsigned fer_life_end(struct fer_sa *sa, unsigned over)
{
	unsigned life = atomic_load_explicit(&sa->life, memory_order_relaxed);

	if ((over & ~life) == 0)
		return 0;
	life = atomic_fetch_or_explicit(&sa->life, (uint8_t)over, memory_order_relaxed);
	return over & ~life;
}

// How many packets, from the first on, keep to the hard limits when packets and bytes were counted
// before.
static uint32_t cut(const struct fer_limits *l, uint64_t packets, uint64_t bytes,
	const uint32_t len[], uint32_t n, unsigned *over)
{
	for (uint32_t i = 0; i < n; i++) {
		packets++;
		bytes += len[i];
		if (packets > l->soft_packets || bytes > l->soft_bytes)
			*over |= FER_LIFE_SOFT;
		if (packets > l->hard_packets || bytes > l->hard_bytes) {
			*over |= FER_LIFE_HARD;
			return i;
		}
	}
	return n;
}

// The same, and says what is over.
static uint32_t judge(const struct fer_sa_table *t, struct fer_sa *sa, uint64_t packets,
	uint64_t bytes, const uint32_t len[], uint32_t n, unsigned *crossed)
{
	unsigned over = 0;
	uint32_t n_left = cut(fer_sa_limits(t, sa), packets, bytes, len, n, &over);

	*crossed = fer_life_end(sa, over);
	return n_left;
}

// Counts are taken whole and what is over the limit is given back.  Whoever adds in between finds
// them too high, but only when the SA has stopped anyway; and whoever adds after that, and did not
// see it stop, stays within the limit with all that really went.
uint32_t fer_life_take(const struct fer_sa_table *t, struct fer_sa *sa, const uint32_t len[],
	uint32_t n, unsigned *crossed)
{
	unsigned life = atomic_load_explicit(&sa->life, memory_order_relaxed);
	uint64_t total = sum(len, n);

	*crossed = 0;
	if (unlikely((life & FER_LIFE_HARD) != 0))
		return 0;
	uint64_t packets = atomic_fetch_add_explicit(&sa->out.packets, n, memory_order_relaxed);
	uint64_t bytes = atomic_fetch_add_explicit(&sa->out.bytes, total, memory_order_relaxed);
	if (likely((life & FER_LIFE_COUNTED) == 0))
		return n;
	uint32_t n_left = judge(t, sa, packets, bytes, len, n, crossed);
	for (uint32_t i = n_left; i < n; i++)
		fer_life_give_back(sa, len[i]);
	return n_left;
}

void fer_life_give_back(struct fer_sa *sa, uint32_t len)
{
	atomic_fetch_sub_explicit(&sa->out.packets, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&sa->out.bytes, len, memory_order_relaxed);
}

uint32_t fer_life_accept(const struct fer_sa_table *t, struct fer_sa *sa, const uint32_t len[],
	uint32_t n, unsigned *crossed)
{
	unsigned life = atomic_load_explicit(&sa->life, memory_order_relaxed);

	*crossed = 0;
	if (unlikely((life & FER_LIFE_HARD) != 0))
		return 0;
	if (unlikely((life & FER_LIFE_COUNTED) != 0))
		n = judge(t, sa, sa->in.packets, sa->in.bytes, len, n, crossed);
	fer_life_count_in(sa, n, sum(len, n));
	return n;
}
