// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Streams into and out of capture files.

#include "receiver.h"
#include "source.h"

#include <signal.h>

// Writes the next n packets of a source, a microsecond apart from the time 0 on.  0; or -1 with a
// line in error, and no file: also when *stop is not 0.
__attribute__((warn_unused_result)) int fer_gen_write_file(struct fer_gen_source *s, uint64_t n,
	const char *path, const volatile sig_atomic_t *stop, char error[FER_GEN_ERROR_BYTES]);

// Hands every packet of a file to a receiver.  0; or -1 with a line in error, also when *stop is
// not 0.
__attribute__((warn_unused_result)) int fer_gen_read_file(struct fer_gen_receiver *r,
	struct rte_mempool *pool, const char *path, const volatile sig_atomic_t *stop,
	char error[FER_GEN_ERROR_BYTES]);
