// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A daemon of our own: that of ferruled, in a process of its own, with one pair, one worker and a
// control socket, whose ports are those of traffic.h.  It ends with the process that opened it.
//
// The control thread, and the process that opened it, share the first CPU; the worker has the
// second one, or there is none and it naps.

#include "args.h"
#include "traffic.h"

#define FER_BENCH_BOX_ERROR_BYTES 1280

struct fer_bench_box;

struct fer_bench_box_params {
	const struct fer_bench_algorithm *algorithm; // ESP, of the tunnels that packets go through
	enum fer_direction direction;
	uint32_t size;     // of the inner IPv4 packets
	uint32_t capacity; // associations, besides those of the tunnels
	bool naps;         // while nothing comes, in place of polling
};

// NULL with a line in error.
__attribute__((warn_unused_result)) struct fer_bench_box *fer_bench_box_open(
	const struct fer_bench_box_params *params, char error[FER_BENCH_BOX_ERROR_BYTES]);

// NULL does nothing.
void fer_bench_box_close(struct fer_bench_box *box);

// Of the control socket.
const char *fer_bench_box_path(const struct fer_bench_box *box);

struct fer_bench_traffic *fer_bench_box_traffic(const struct fer_bench_box *box);

// That of the worker.  -1: it has none of its own.
int fer_bench_box_worker_cpu(const struct fer_bench_box *box);

// Has the worker a CPU of its own?
bool fer_bench_box_is_apart(const struct fer_bench_box *box);
