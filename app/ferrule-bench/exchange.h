// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Sends requests over the control socket and takes the time of each: from its submission until its
// completion has been read.

#include "args.h"
#include "sa_requests.h"

#define FER_BENCH_TIMEOUT_MS 60000

struct fer_bench_link {
	struct fer_client *client;
	uint16_t pair;
	char error[1536];
};

struct fer_bench_timing {
	uint64_t n; // associations
	uint64_t n_requests;
	double seconds;                    // for all
	double median, p99, p999, longest; // microseconds, of one request
};

// Sends all of them, `window` under way at once.
//   handles  of the associations that were added, by their order, also when others were refused;
//            NULL: none were
// 0, or -1 with link->error set: one was refused, or the connection is lost.
__attribute__((warn_unused_result)) int fer_bench_exchange(struct fer_bench_link *link,
	const struct fer_bench_requests *r, uint32_t window, uint64_t handles[],
	struct fer_bench_timing *timing);

// Reads the list of all associations, page by page; *n_sas is set to how many there were.
__attribute__((warn_unused_result)) int fer_bench_dump(
	struct fer_bench_link *link, uint32_t *n_sas, struct fer_bench_timing *timing);

// A query that changes nothing, and its answer.
__attribute__((warn_unused_result)) int fer_bench_ask(struct fer_bench_link *link);

// Sums up the times of n requests, in nanoseconds, which it sorts.
void fer_bench_timing_of(struct fer_bench_timing *timing, uint64_t ns[], uint32_t n);

uint64_t fer_bench_now_ns(void);
