// SPDX-License-Identifier: BSD-3-Clause
// Does wiping wipe, comparing compare, and is memory for keys what it promises to be?
#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void wipe_leaves_zeroes(void **state)
{
	uint8_t key[33];

	(void)state;
	memset(key, 0xa5, sizeof(key));
	fer_secret_wipe(key, 32);
	for (int i = 0; i < 32; i++)
		assert_int_equal(key[i], 0);
	assert_int_equal(key[32], 0xa5);
}

static void equal_sees_every_byte(void **state)
{
	uint8_t a[16] = {0}, b[16] = {0};

	(void)state;
	assert_true(fer_secret_equal(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] = 1;
		assert_false(fer_secret_equal(a, b, sizeof(a)));
		assert_true(fer_secret_equal(a, b, i));
		b[i] = 0;
	}
}

static void equal_icv_sees_every_byte_of_every_length(void **state)
{
	uint8_t a[33] = {0}, b[33] = {0};

	(void)state;
	for (size_t len = 8; len <= 32; len++) {
		assert_true(fer_secret_equal_icv(a + 1, b + 1, len));
		for (size_t i = 0; i < sizeof(a); i++) {
			b[i] = 0x80;
			assert_int_equal(
				fer_secret_equal_icv(a + 1, b + 1, len), i == 0 || i > len);
			b[i] = 0;
		}
	}
}

static void equal_tag_sees_every_byte_of_every_length(void **state)
{
	uint8_t a[17] = {0}, b[17] = {0};

	(void)state;
	for (size_t len = 8; len <= 16; len++) {
		assert_true(fer_secret_equal_tag(a + 1, b + 1, len));
		for (size_t i = 0; i < sizeof(a); i++) {
			b[i] = 0x80;
			assert_int_equal(
				fer_secret_equal_tag(a + 1, b + 1, len), i == 0 || i > len);
			b[i] = 0;
		}
	}
}

static void mapped_memory_is_zeroed_aligned_and_writable(void **state)
{
	static const size_t sizes[] = {1, 4096, 4097, (2 << 20) - 1, 2 << 20, (2 << 20) + 1};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *p = fer_secret_map(sizes[i]);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % (sizes[i] >= 2 << 20 ? 2 << 20 : 4096), 0);
		assert_int_equal(p[0] | p[sizes[i] - 1], 0);
		p[0] = p[sizes[i] - 1] = 1;
		fer_secret_unmap(p, sizes[i]);
	}
	fer_secret_unmap(NULL, 1);
	assert_null(fer_secret_map(SIZE_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wipe_leaves_zeroes),
		cmocka_unit_test(equal_sees_every_byte),
		cmocka_unit_test(equal_icv_sees_every_byte_of_every_length),
		cmocka_unit_test(equal_tag_sees_every_byte_of_every_length),
		cmocka_unit_test(mapped_memory_is_zeroed_aligned_and_writable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
