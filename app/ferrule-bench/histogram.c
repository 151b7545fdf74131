// SPDX-License-Identifier: BSD-3-Clause
#include "histogram.h"

// The largest value of a bucket.
static uint64_t top_of(unsigned bucket)
{
	if (bucket < 64)
		return bucket;
	unsigned shift = bucket / 32 - 1;

	return ((uint64_t)(bucket - shift * 32 + 1) << shift) - 1;
}

uint64_t fer_bench_histogram_quantile(const struct fer_bench_histogram *h, double q)
{
	uint64_t rank = (uint64_t)(q * (double)h->n), seen = 0;

	for (unsigned i = 0; i < FER_BENCH_HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > rank)
			return top_of(i) < h->largest ? top_of(i) : h->largest;
	}
	return h->largest;
}
