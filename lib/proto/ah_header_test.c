// SPDX-License-Identifier: BSD-3-Clause
// Is an AH header what RFC 4302 section 2 says, whatever stood in its place?
#include "proto/ah.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SPI 0x12345678u
#define SEQ 0x9abcdef0u
#define AROUND 16

static void is_written_whole_and_nothing_else(void **state)
{
	static const uint8_t front[FER_AH_FIXED_BYTES] = {
		4, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0};
	uint8_t bytes[FER_AH_MOST_BYTES + 2 * AROUND], expected[sizeof(bytes)];

	(void)state;
	for (uint32_t len = FER_AH_LEAST_BYTES; len <= FER_AH_MOST_BYTES; len += 4) {
		memset(bytes, 0xa5, sizeof(bytes));
		memcpy(expected, bytes, sizeof(bytes));
		memset(expected + AROUND, 0, len);
		memcpy(expected + AROUND, front, sizeof(front));
		expected[AROUND + 1] = (uint8_t)(len / 4 - 2);
		fer_ah_write(bytes + AROUND, len, fer_ah_front(len, 4, SPI), SEQ);
		assert_memory_equal(bytes, expected, sizeof(bytes));
		assert_int_equal(fer_ah_stated_bytes(bytes + AROUND), len);
	}
}

// A multiple of 4 over IPv4, of 8 over IPv6 (RFC 4302 section 2.6).
static void has_room_for_every_integrity_value(void **state)
{
	static const struct {
		uint32_t icv, over_ipv4, over_ipv6;
	} rows[] = {{12, 24, 24}, {16, 28, 32}, {24, 36, 40}, {32, 44, 48}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(fer_ah_bytes(rows[i].icv, 4), rows[i].over_ipv4);
		assert_int_equal(fer_ah_bytes(rows[i].icv, 6), rows[i].over_ipv6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_written_whole_and_nothing_else),
		cmocka_unit_test(has_room_for_every_integrity_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
