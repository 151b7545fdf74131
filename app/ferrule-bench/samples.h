// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What repeats measured, and what it comes to.  Pure.

#include "nic/batch.h"

#include <stdbool.h>
#include <stdint.h>

// One repeat over a ring: ticks for all its packets, what measuring cost already taken off.
struct fer_bench_sample {
	uint32_t crypto;
	bool by_stage; // stage is set, else path
	uint32_t path;
	uint32_t stage[FER_N_STAGES];
};

// Ticks per packet.
struct fer_bench_result {
	double median, p10, p90;
	double crypto;
	double stage[FER_N_STAGES];
	unsigned stages;  // those that packets pass, one bit each
	uint32_t repeats; // that count
	uint32_t dropped; // that were disturbed
};

// Keeps, in order and in front, those of one worker's samples, which are in order of time, in which
// nothing disturbed the crypto probe, nor that of the sample before: the path ran in between.  What
// the path itself took is no reason: that would hide what is slow.  Returns how many.
unsigned fer_bench_keep_undisturbed(struct fer_bench_sample sample[], unsigned n);

// Sums n samples up, of rings of n_packets; dropped and stages stay as they are.  False when there
// is not one of each kind, or no memory.
__attribute__((warn_unused_result)) bool fer_bench_summarize(const struct fer_bench_sample sample[],
	unsigned n, unsigned n_packets, struct fer_bench_result *result);
