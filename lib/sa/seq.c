// SPDX-License-Identifier: BSD-3-Clause
#include "sa/seq.h"

// Where the end begins: 2^20 numbers before it, with ESN 2^52.  A worker that was interrupted
// between looking and adding may find the end much nearer than it looked.  Without ESN it then adds
// past the limit, which a counter of 64 bits shows; with ESN no interruption is long enough for
// 2^52 numbers, so the counter cannot wrap.
static uint64_t near_end(const struct fer_seq *s)
{
	return s->limit - (s->limit >> 12);
}

static uint32_t left(const struct fer_seq *s, uint64_t last, uint32_t want)
{
	uint64_t n = last < s->limit ? s->limit - last : 0;

	return n < want ? (uint32_t)n : want;
}

static uint32_t take_near_end(struct fer_seq *s, uint64_t last, uint32_t want, uint64_t *first)
{
	uint32_t n;

	do {
		n = left(s, last, want);
		if (n == 0)
			break;
	} while (!atomic_compare_exchange_weak_explicit(
		&s->last, &last, last + n, memory_order_relaxed, memory_order_relaxed));
	*first = last + 1;
	return n;
}

uint32_t fer_seq_take(struct fer_seq *s, uint32_t want, uint64_t *first)
{
	uint64_t last = atomic_load_explicit(&s->last, memory_order_relaxed);

	if (last >= near_end(s))
		return take_near_end(s, last, want, first);
	last = atomic_fetch_add_explicit(&s->last, want, memory_order_relaxed);
	*first = last + 1;
	return left(s, last, want);
}
