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

// Numbers and counts are taken as they were judged, or judged again.
static uint32_t take_limited(const struct fer_limits *l, struct fer_seq *s, const uint32_t len[],
	uint32_t n, struct fer_life_taken *taken)
{
	uint64_t was[2], next[2];
	uint32_t n_left, n_going;

	fer_twin_read(&s->taken, was);
	do {
		n_left = fer_seq_left(s, was[FER_SEQ_LAST], n);
		taken->crossed = n_left < n ? FER_LIFE_NUMBERS : 0;
		n_going = cut(l, fer_seq_packets_at(s, was[FER_SEQ_LAST]), was[FER_SEQ_BYTES], len,
			n_left, &taken->crossed);
		next[FER_SEQ_LAST] = was[FER_SEQ_LAST] + n_going;
		next[FER_SEQ_BYTES] = was[FER_SEQ_BYTES] + sum(len, n_going);
	} while (!fer_twin_change(&s->taken, was, next));
	taken->first = was[FER_SEQ_LAST] + 1;
	taken->rest = n_going < n_left ? FER_EXPIRED : FER_SEQ_EXHAUSTED;
	if (n_going < n_left)
		taken->crossed &= ~(unsigned)FER_LIFE_NUMBERS;
	return n_going;
}

static uint32_t take_free(
	struct fer_seq *s, const uint32_t len[], uint32_t n, struct fer_life_taken *taken)
{
	uint32_t n_left = fer_seq_take(s, n, sum(len, n), &taken->first);

	if (unlikely(n_left < n)) {
		fer_seq_count_bytes(s, sum(len, n_left));
		taken->crossed = FER_LIFE_NUMBERS;
		taken->rest = FER_SEQ_EXHAUSTED;
	}
	return n_left;
}

uint32_t fer_life_take(const struct fer_sa_table *t, struct fer_sa *sa, const uint32_t len[],
	uint32_t n, struct fer_life_taken *taken)
{
	unsigned life = atomic_load_explicit(&sa->life, memory_order_relaxed);
	struct fer_seq *s = &sa->out.seq;

	*taken = (struct fer_life_taken){.rest = FER_EXPIRED};
	if (unlikely((life & FER_LIFE_HARD) != 0))
		return 0;
	if (unlikely((life & FER_LIFE_COUNTED) != 0))
		n = take_limited(fer_sa_limits(t, sa), s, len, n, taken);
	else
		n = take_free(s, len, n, taken);
	if (unlikely(fer_seq_is_low(s, taken->first + n - 1)))
		taken->crossed |= FER_LIFE_SOFT;
	taken->crossed = fer_life_end(sa, taken->crossed);
	return n;
}

static uint32_t judge_in(const struct fer_sa_table *t, struct fer_sa *sa, const uint32_t len[],
	uint32_t n, unsigned *crossed)
{
	unsigned over = 0;
	uint32_t n_left = cut(fer_sa_limits(t, sa), sa->in.packets, sa->in.bytes, len, n, &over);

	*crossed = fer_life_end(sa, over);
	return n_left;
}

uint32_t fer_life_accept(const struct fer_sa_table *t, struct fer_sa *sa, const uint32_t len[],
	uint32_t n, unsigned *crossed)
{
	unsigned life = atomic_load_explicit(&sa->life, memory_order_relaxed);

	*crossed = 0;
	if (unlikely((life & FER_LIFE_HARD) != 0))
		return 0;
	if (unlikely((life & FER_LIFE_COUNTED) != 0))
		n = judge_in(t, sa, len, n, crossed);
	fer_life_count_in(sa, n, sum(len, n));
	return n;
}
