// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Packets that were made before they are sent, one behind the other: sending them costs a copy, so
// that the box and not the generator is what takes the time.

#include "source.h"

#include <signal.h>

struct fer_gen_store;

// Makes the next n packets of a source.  NULL with a line in error: also when they would take more
// memory than there is, or *stop is not 0.
struct fer_gen_store *fer_gen_store_fill(struct fer_gen_source *s, uint64_t n,
	const volatile sig_atomic_t *stop, char error[FER_GEN_ERROR_BYTES]);

// NULL does nothing.
void fer_gen_store_destroy(struct fer_gen_store *store);

// Copies of the next n packets, which there are; they are the caller's.  0; or -1, with a line in
// error.
__attribute__((warn_unused_result)) int fer_gen_store_next(struct fer_gen_store *store,
	struct rte_mempool *pool, unsigned n, struct rte_mbuf *out[],
	char error[FER_GEN_ERROR_BYTES]);
