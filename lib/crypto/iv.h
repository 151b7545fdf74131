// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where initialization vectors come from.  Two kinds are needed: numbers that never repeat under
// one key (counter modes, RFC 4106 section 3.1) and blocks nobody can predict (CBC, RFC 3602
// section 3).  A counter starts at the real-time clock in nanoseconds, so that a restart with the
// same key cannot come back to a used one; blocks are AES of a counter under a random key of the
// engine, so that no packet costs a system call.
//
// The source is an argument wherever one is needed.  Installed programs use fer_iv_system(); a
// fixed source exists only in tests.

#include <stdint.h>

#define FER_IV_KEY_BYTES 16

struct fer_iv_source {
	// The first counter of an SA created now, greater than 0.  0 or -errno: -ETIME when the
	// clock stands before the day this program was built, so that it cannot be trusted.
	int (*counter_start)(void *ctx, uint64_t *counter);

	// A key for the generator of CBC IVs.  0 or -errno.
	int (*block_key)(void *ctx, uint8_t key[FER_IV_KEY_BYTES]);

	void *ctx;
};

// Clock and random numbers of the system.
const struct fer_iv_source *fer_iv_system(void);
