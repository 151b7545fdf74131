// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// An IV source that gives the same numbers in every run.

#include "crypto/iv.h"

#include <string.h>

#define TEST_IV_START UINT64_C(0x1122334455667788)

static inline int test_iv_counter_start(void *ctx, uint64_t *counter)
{
	(void)ctx;
	*counter = TEST_IV_START;
	return 0;
}

static inline int test_iv_block_key(void *ctx, uint8_t key[FER_IV_KEY_BYTES])
{
	(void)ctx;
	memset(key, 0x5a, FER_IV_KEY_BYTES);
	return 0;
}

static inline const struct fer_iv_source *test_iv_fixed(void)
{
	static const struct fer_iv_source fixed = {test_iv_counter_start, test_iv_block_key, NULL};

	return &fixed;
}
