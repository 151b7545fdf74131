// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Requests of the control socket about many associations: information buffers of `list` of them
// each, made before anything is timed.
//
// Association i is that of load.h: a tunnel's end with a key of its own, outbound and inbound in
// turn, with extended sequence numbers, so that it can be updated.

#include "args.h"
#include "ctl/client.h"

struct fer_bench_requests {
	uint32_t oid;
	uint32_t n_sas;
	uint32_t list;
	uint32_t n; // buffers
	struct fer_msg_buf *buffer;
};

// Those that add associations first, first + 1 and so on.  0, or -1: no memory, or the contract
// has no identifier for the algorithm.
__attribute__((warn_unused_result)) int fer_bench_requests_add(struct fer_bench_requests *r,
	const struct fer_bench_algorithm *algorithm, uint32_t first, uint32_t n_sas, uint32_t list);

// Those that move the high half of their numbers forward, one a request.
__attribute__((warn_unused_result)) int fer_bench_requests_update(
	struct fer_bench_requests *r, const uint64_t handles[], uint32_t first, uint32_t n_sas);

__attribute__((warn_unused_result)) int fer_bench_requests_delete(
	struct fer_bench_requests *r, const uint64_t handles[], uint32_t n_sas, uint32_t list);

// Wipes and frees them.  All zero: does nothing.
void fer_bench_requests_fini(struct fer_bench_requests *r);
