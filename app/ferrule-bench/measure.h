// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Measures one row: workers on CPUs of their own repeat the path over their packets, all at the
// same time.

#include "load.h"
#include "samples.h"

#include <pthread.h>

struct fer_bench_row {
	uint32_t size; // or FER_BENCH_IMIX
	uint32_t burst;
	uint32_t flows; // at least
	enum fer_bench_order order;
	uint32_t workers;
	uint32_t helpers; // beside them, for their crypto alone
	bool is_cold;     // packets
	struct fer_bench_result result;
};

// CPUs that workers may run on.
unsigned fer_bench_cpus(void);

// Starts a thread on the i-th of them.  0 or an error.
__attribute__((warn_unused_result)) int fer_bench_start_thread(
	pthread_t *thread, void *(*job)(void *), void *arg, unsigned i);

// Measures for so many seconds and sets row->result.  0, or -1 with a line in error.
__attribute__((warn_unused_result)) int fer_bench_measure(struct fer_bench_load *load,
	struct fer_bench_row *row, double seconds, char error[FER_BENCH_ERROR_BYTES]);
