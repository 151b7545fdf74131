// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/iv.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

// A clock before this cannot be right.  A constant, not the time of the build: two builds of one
// source are the same bytes.
#define EARLIEST_TIME_S 1767225600 // 2026-01-01 00:00:00 UTC

static int clock_start(void *ctx, uint64_t *counter)
{
	struct timespec now;

	(void)ctx;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -errno;
	if (now.tv_sec < EARLIEST_TIME_S)
		return -ETIME;
	*counter = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	return 0;
}

static int random_key(void *ctx, uint8_t key[FER_IV_KEY_BYTES])
{
	ssize_t n;

	(void)ctx;
	do {
		n = getrandom(key, FER_IV_KEY_BYTES, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == FER_IV_KEY_BYTES ? 0 : -EIO;
}

const struct fer_iv_source *fer_iv_system(void)
{
	static const struct fer_iv_source source = {
		.counter_start = clock_start,
		.block_key = random_key,
	};

	return &source;
}
