// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Counts values of any size with a relative error below 1/32.  One writer; what another thread
// reads meanwhile is a little old.

#include <stdint.h>

#define FER_BENCH_HISTOGRAM_BUCKETS (60 * 32)

struct fer_bench_histogram {
	uint64_t n;
	uint64_t largest;
	uint64_t bucket[FER_BENCH_HISTOGRAM_BUCKETS];
};

// Values below 64 have a bucket each; then every power of two has 32.
static inline unsigned fer_bench_bucket_of(uint64_t value)
{
	if (value < 64)
		return (unsigned)value;
	unsigned shift = 58u - (unsigned)__builtin_clzll(value);

	return shift * 32 + (unsigned)(value >> shift);
}

static inline void fer_bench_histogram_add(struct fer_bench_histogram *h, uint64_t value)
{
	h->n++;
	h->largest = value > h->largest ? value : h->largest;
	h->bucket[fer_bench_bucket_of(value)]++;
}

// The value that q (0 to 1) of all are not above; 0 of none.
uint64_t fer_bench_histogram_quantile(const struct fer_bench_histogram *h, double q);
