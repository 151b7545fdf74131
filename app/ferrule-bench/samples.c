// SPDX-License-Identifier: BSD-3-Clause
#include "samples.h"

#include <stdlib.h>

// A probe that took longer or shorter than its median by this factor was disturbed.
#define DISTURBED 1.25

static int compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return a < b ? -1 : a > b;
}

static uint32_t quantile(const uint32_t sorted[], unsigned n, double q)
{
	return sorted[(unsigned)(q * (n - 1) + 0.5)];
}

unsigned fer_bench_keep_undisturbed(struct fer_bench_sample sample[], unsigned n)
{
	uint32_t *sorted = calloc(n + 1u, sizeof(*sorted));
	unsigned n_kept = 0;

	if (sorted == NULL || n == 0) {
		free(sorted);
		return 0;
	}
	for (unsigned i = 0; i < n; i++)
		sorted[i] = sample[i].crypto;
	qsort(sorted, n, sizeof(*sorted), compare);
	double median = quantile(sorted, n, 0.5);
	bool was_quiet = true;
	for (unsigned i = 0; i < n; i++) {
		bool is_quiet = sample[i].crypto <= median * DISTURBED &&
				sample[i].crypto >= median / DISTURBED;

		if (was_quiet && is_quiet)
			sample[n_kept++] = sample[i];
		was_quiet = is_quiet;
	}
	free(sorted);
	return n_kept;
}

// Takes one value out of every sample of a kind, sorted.  Returns how many.
static unsigned column(const struct fer_bench_sample sample[], unsigned n, bool by_stage,
	const uint32_t *first, uint32_t sorted[])
{
	size_t off = (size_t)((const char *)first - (const char *)sample);
	unsigned m = 0;

	for (unsigned i = 0; i < n; i++)
		if (sample[i].by_stage == by_stage)
			sorted[m++] = *(const uint32_t *)((const char *)&sample[i] + off);
	qsort(sorted, m, sizeof(*sorted), compare);
	return m;
}

bool fer_bench_summarize(const struct fer_bench_sample sample[], unsigned n, unsigned n_packets,
	struct fer_bench_result *result)
{
	uint32_t *sorted = calloc(n + 1u, sizeof(*sorted));
	unsigned n_stage = 0, n_path = 0;

	if (sorted == NULL || n == 0)
		goto out;
	for (unsigned k = 0; k < FER_N_STAGES; k++) {
		n_stage = column(sample, n, true, &sample[0].stage[k], sorted);
		result->stage[k] =
			n_stage == 0 ? 0 : quantile(sorted, n_stage, 0.5) / (double)n_packets;
	}
	n_path = column(sample, n, false, &sample[0].crypto, sorted);
	if (n_path == 0)
		goto out;
	result->crypto = quantile(sorted, n_path, 0.5) / (double)n_packets;
	column(sample, n, false, &sample[0].path, sorted);
	result->median = quantile(sorted, n_path, 0.5) / (double)n_packets;
	result->p10 = quantile(sorted, n_path, 0.1) / (double)n_packets;
	result->p90 = quantile(sorted, n_path, 0.9) / (double)n_packets;
	result->repeats = n_path;
out:
	free(sorted);
	return n_stage > 0 && n_path > 0;
}
