// SPDX-License-Identifier: BSD-3-Clause
#include "repeats.h"

#include <stdlib.h>

static int compare(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

uint64_t fer_bench_repeats_median(struct fer_bench_repeats *r)
{
	const uint64_t n = r->n < FER_BENCH_REPEATS ? r->n : FER_BENCH_REPEATS;

	qsort(r->ticks, n, sizeof(r->ticks[0]), compare);
	r->n = 0;
	return r->ticks[n / 2];
}
