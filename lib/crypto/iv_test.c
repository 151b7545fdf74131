// SPDX-License-Identifier: BSD-3-Clause
// Do counters start at the clock, and are keys for IVs random?
#include "crypto/iv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// RFC 4106 section 3.1: never repeated under one key, across restarts too.
static void counter_starts_at_the_clock_and_never_goes_back(void **state)
{
	const struct fer_iv_source *ivs = fer_iv_system();
	uint64_t before = now_ns(), first, second;

	(void)state;
	assert_int_equal(ivs->counter_start(ivs->ctx, &first), 0);
	assert_int_equal(ivs->counter_start(ivs->ctx, &second), 0);
	assert_true(before > 0 && before <= first && first <= second && second <= now_ns());
}

// RFC 3602 section 3: unpredictable.
static void block_keys_are_random(void **state)
{
	const struct fer_iv_source *ivs = fer_iv_system();
	uint8_t keys[64][FER_IV_KEY_BYTES] = {0};

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(ivs->block_key(ivs->ctx, keys[i]), 0);
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(keys[i], keys[k], FER_IV_KEY_BYTES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counter_starts_at_the_clock_and_never_goes_back),
		cmocka_unit_test(block_keys_are_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
