// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Ticks of many short repeats, of which the last ones are remembered.

#include <stdint.h>

#define FER_BENCH_REPEATS 8192

struct fer_bench_repeats {
	uint64_t n;
	uint64_t ticks[FER_BENCH_REPEATS];
};

static inline void fer_bench_repeats_add(struct fer_bench_repeats *r, uint64_t ticks)
{
	r->ticks[r->n++ % FER_BENCH_REPEATS] = ticks;
}

// The median of those that are remembered, one at least; forgets them.
uint64_t fer_bench_repeats_median(struct fer_bench_repeats *r);
