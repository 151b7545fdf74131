// SPDX-License-Identifier: BSD-3-Clause
// Are sums those of RFC 1071, and does an update give what a sum from scratch gives?
#include "proto/cksum.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

// The sum as RFC 1071 section 4.1 writes it, byte by byte.
static uint16_t slow_cksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? p[i] << 8 : p[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

// RFC 1071 section 3: the numerical example.
static void the_example_of_the_rfc_sums_up(void **state)
{
	const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	(void)state;
	assert_int_equal(fer_cksum(bytes, sizeof(bytes)), (uint16_t)~0xddf2);
}

static void a_real_header_is_right_and_every_changed_bit_is_seen(void **state)
{
	uint8_t ip[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61,
		0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

	(void)state;
	assert_int_equal(fer_cksum(ip, sizeof(ip)), 0);
	assert_int_equal(fer_cksum_20(ip), 0);
	for (size_t bit = 0; bit < sizeof(ip) * 8; bit++) {
		ip[bit / 8] ^= 1 << bit % 8;
		assert_int_not_equal(fer_cksum_20(ip), 0);
		ip[bit / 8] ^= 1 << bit % 8;
	}
	fer_store_be16(ip + 10, 0);
	assert_int_equal(fer_cksum_20(ip), 0xb861);
}

// RFC 1071 section 4.1: an odd byte counts as if a 0 followed it.
static void every_length_and_alignment_gives_the_slow_sum(void **state)
{
	uint8_t bytes[300];
	unsigned seed = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(rand_r(&seed) >> 7);
	for (size_t from = 0; from < 8; from++)
		for (size_t len = 0; len <= sizeof(bytes) - from; len++)
			assert_int_equal(
				fer_cksum(bytes + from, len), slow_cksum(bytes + from, len));
	assert_int_equal(fer_cksum_20(bytes + 3), slow_cksum(bytes + 3, 20));
}

static void carries_are_not_lost(void **state)
{
	static uint8_t bytes[65535];

	(void)state;
	assert_int_equal(fer_cksum(bytes, sizeof(bytes)), 0xffff);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(fer_cksum(bytes, sizeof(bytes)), slow_cksum(bytes, sizeof(bytes)));
	assert_int_equal(fer_cksum_20(bytes), 0);
	assert_int_equal(fer_cksum_fold(UINT64_MAX), 0);
	assert_int_equal(fer_cksum_fold(0x1ffff), 0xfeff); // 0x0001, as memory has it
}

// Whether it is right is the same with the sum of the addresses from elsewhere, carries included.
static void known_addresses_change_nothing(void **state)
{
	static const uint8_t fills[] = {0x45, 0xff, 0xfe, 0x80};

	(void)state;
	for (size_t f = 0; f < sizeof(fills); f++)
		for (uint32_t word = 0; word < 0x10000; word++) {
			uint8_t ip[20];

			memset(ip, fills[f], sizeof(ip));
			fer_store_be16(ip + 10, (uint16_t)word);
			assert_int_equal(fer_cksum_20_is_right_with(ip, fer_cksum_addresses(ip)),
				slow_cksum(ip, sizeof(ip)) == 0);
		}
}

// RFC 1624 section 4: the example that the older equation gets wrong.
static void update_has_the_answer_of_the_rfc(void **state)
{
	(void)state;
	assert_int_equal(fer_cksum_update(0xdd2f, 0x5555, 0x3285), 0x0000);
}

// RFC 1624 section 3, equation 3: the same as a sum from scratch, for every pair of values that
// meets a carry.
static void update_is_a_sum_from_scratch(void **state)
{
	static const uint16_t edges[] = {0, 1, 2, 0x00ff, 0x0100, 0x5555, 0x7fff, 0x8000, 0x8001,
		0xaaaa, 0xff00, 0xfffe, 0xffff};
	const size_t n = sizeof(edges) / sizeof(edges[0]);
	uint8_t header[20] = {0x45};

	(void)state;
	for (size_t i = 0; i < n * n * n; i++) {
		uint16_t from = edges[i % n], to = edges[i / n % n];
		fer_store_be16(header + 12, edges[i / n / n]);
		fer_store_be16(header + 4, from);
		uint16_t before = slow_cksum(header, sizeof(header));
		fer_store_be16(header + 4, to);
		assert_int_equal(
			fer_cksum_update(before, from, to), slow_cksum(header, sizeof(header)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_rfc_sums_up),
		cmocka_unit_test(a_real_header_is_right_and_every_changed_bit_is_seen),
		cmocka_unit_test(every_length_and_alignment_gives_the_slow_sum),
		cmocka_unit_test(carries_are_not_lost),
		cmocka_unit_test(known_addresses_change_nothing),
		cmocka_unit_test(update_has_the_answer_of_the_rfc),
		cmocka_unit_test(update_is_a_sum_from_scratch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
