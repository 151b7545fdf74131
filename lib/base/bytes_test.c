// SPDX-License-Identifier: BSD-3-Clause
// Do loads and stores mean network byte order, and can a cursor be led past its end?
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void loads_and_stores_are_big_endian(void **state)
{
	const uint8_t in[9] = {0xee, 1, 2, 3, 4, 5, 6, 7, 8}; // odd on purpose: no alignment
	uint8_t out[9] = {0xee};

	(void)state;
	assert_int_equal(fer_load_be16(in + 1), 0x0102);
	assert_int_equal(fer_load_be32(in + 1), 0x01020304);
	assert_true(fer_load_be64(in + 1) == 0x0102030405060708u);
	fer_store_be64(out + 1, 0x0102030405060708u);
	assert_memory_equal(in, out, sizeof(in));
	fer_store_be16(out + 1, 0xfffe);
	fer_store_be32(out + 3, 0xfdfcfbfa);
	assert_memory_equal(out, "\xee\xff\xfe\xfd\xfc\xfb\xfa\x07\x08", 9);
}

static void cursor_stops_at_its_end(void **state)
{
	const uint8_t in[4] = {1, 2, 3, 4};
	struct fer_cursor c = fer_cursor_init(in, sizeof(in));

	(void)state;
	assert_ptr_equal(fer_cursor_take(&c, 3), in);
	assert_null(fer_cursor_take(&c, 2));
	assert_null(fer_cursor_take(&c, SIZE_MAX));
	assert_int_equal(fer_cursor_left(&c), 1);
	assert_ptr_equal(fer_cursor_take(&c, 1), in + 3);
	assert_ptr_equal(fer_cursor_take(&c, 0), in + 4);
	assert_null(fer_cursor_take(&c, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_and_stores_are_big_endian),
		cmocka_unit_test(cursor_stops_at_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
