// SPDX-License-Identifier: BSD-3-Clause
// Is every field that routers change masked, and no other?
#include "proto/mutable.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define MAX_BYTES 256
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

struct field {
	const char *name;
	uint16_t off, len; // in bytes
	bool is_covered;
	uint8_t bits; // of every byte; 0: all
};

// Every option class of RFC 4302 appendix A1, and padding behind the end of the list.
static const uint8_t ipv4[] = {
	0x4e, 0x5b, 0x01, 0x23,  // version, header length; DSCP, ECN; total length
	0xaa, 0x55, 0x40, 0x00,  // identification; flags, fragment offset
	0x3f, 51, 0x12, 0x34,    // TTL, protocol, checksum
	192, 0, 2, 1,            // source
	198, 51, 100, 1,         // destination
	7, 7, 8, 10, 0, 1, 1,    // 20: record route
	1,                       // 27: no operation
	130, 3, 0xc3,            // 28: security
	148, 4, 0, 0,            // 31: router alert
	68, 8, 9, 0, 1, 2, 3, 4, // 35: timestamp
	136, 4, 0x77, 0x78,      // 43: stream identifier, superseded
	0, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff, 0xf9, 0xf8, // 47: end of the list, padding
};

static const struct field ipv4_fields[] = {
	{"version", 0, 1, true, 0x20},
	{"DSCP", 1, 1, false, 0xfc},
	{"ECN", 1, 1, false, 0x03},
	{"total length", 2, 2, true, 0},
	{"identification", 4, 2, true, 0},
	{"flags", 6, 1, false, 0xe0},
	{"fragment offset, high", 6, 1, false, 0x1f},
	{"fragment offset, low", 7, 1, false, 0},
	{"TTL", 8, 1, false, 0},
	{"protocol", 9, 1, true, 0},
	{"header checksum", 10, 2, false, 0},
	{"source", 12, 4, true, 0},
	{"destination", 16, 4, true, 0},
	{"record route, pointer and data", 22, 5, false, 0},
	{"security, data", 30, 1, true, 0},
	{"router alert, data", 33, 2, true, 0},
	{"timestamp, data", 37, 6, false, 0},
	{"unknown option, data", 45, 2, false, 0},
	{"padding behind the end of options", 48, 8, true, 0},
};

// Hop-by-hop options, destination options, a routing header that is used up, destination options.
static const uint8_t ipv6[] = {
	0x61, 0x23, 0x45, 0x67, 0x00, 0xff, 0x00, 0x40, // version, class, label; length; next, hops
	0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,     // source
	0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,     // destination
	60, 1, 0x1e, 2, 0xaa, 0xbb, 0, 0x3e, 5, 1, 2, 3, 4, 5, 1, 0, // 40: hop-by-hop
	43, 0, 0x3e, 1, 0x77, 0x1e, 1, 0x66,                         // 56: destination
	60, 2, 0, 0, 0xa1, 0xa2, 0xa3, 0xa4,                         // 64: routing
	0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 44, 0, 0x1e, 1, 0x55, 0x3e, 1,
	0x44,                                   // 88: destination
	51, 0xee, 0, 0, 0x11, 0x22, 0x33, 0x44, // 96: an atomic fragment
};

static const struct field ipv6_fields[] = {
	{"traffic class, high", 0, 1, false, 0x0f},
	{"traffic class, low", 1, 1, false, 0xf0},
	{"flow label, high", 1, 1, false, 0x0f},
	{"flow label", 2, 2, false, 0},
	{"payload length", 4, 2, true, 0},
	{"hop limit", 7, 1, false, 0},
	{"source", 8, 16, true, 0},
	{"destination", 24, 16, true, 0},
	{"hop-by-hop, length of data", 43, 1, true, 0x01},
	{"hop-by-hop, type", 42, 1, true, 0xdf},
	{"hop-by-hop, data that stays", 44, 2, true, 0},
	{"hop-by-hop, type of data that may change", 47, 1, true, 0xdf},
	{"hop-by-hop, data that may change", 49, 5, false, 0},
	{"destination options before a route, data that may change", 60, 1, false, 0},
	{"destination options before a route, data that stays", 63, 1, true, 0},
	{"routing, reserved", 68, 4, true, 0},
	{"routing, address", 72, 16, true, 0},
	{"destination options, data that stays", 92, 1, true, 0},
	{"destination options, type", 93, 1, true, 0xdf},
	{"destination options, data that may change", 95, 1, false, 0},
	{"fragment, reserved", 97, 1, true, 0},
	{"fragment, identification", 100, 4, true, 0},
};

// Does a change of one bit show after masking?
static bool shows(const uint8_t *packet, uint32_t n, uint32_t off, uint8_t bit)
{
	uint8_t plain[MAX_BYTES], changed[MAX_BYTES];

	memcpy(plain, packet, n);
	memcpy(changed, packet, n);
	changed[off] ^= bit;
	assert_true(fer_mutable_mask(plain, n));
	if (!fer_mutable_mask(changed, n))
		return true; // no packet that was sent
	return memcmp(plain, changed, n) != 0;
}

static void check_fields(const uint8_t *packet, uint32_t n, const struct field *f, size_t n_fields)
{
	for (size_t i = 0; i < n_fields; i++)
		for (uint32_t off = f[i].off; off < f[i].off + (uint32_t)f[i].len; off++)
			for (unsigned bit = 1; bit < 256; bit <<= 1) {
				if ((bit & (f[i].bits == 0 ? 0xffu : f[i].bits)) == 0)
					continue;
				if (shows(packet, n, off, (uint8_t)bit) != f[i].is_covered)
					fail_msg("%s: byte %u, bit %#x", f[i].name, off, bit);
			}
}

// RFC 4302 section 3.3.3.1.1 and appendix A1.
static void ipv4_fields_are_covered_as_the_table_says(void **state)
{
	(void)state;
	check_fields(ipv4, sizeof(ipv4), ipv4_fields, COUNT(ipv4_fields));
}

// RFC 4302 section 3.3.3.1.2 and appendix A2.
static void ipv6_fields_are_covered_as_the_table_says(void **state)
{
	(void)state;
	check_fields(ipv6, sizeof(ipv6), ipv6_fields, COUNT(ipv6_fields));
}

// RFC 4302 appendix A1: each option by its number, as one class or the other.
static void every_ipv4_option_is_of_one_class(void **state)
{
	static const uint8_t immutable[] = {130, 133, 134, 148, 149};

	(void)state;
	for (unsigned type = 2; type < 256; type++) {
		uint8_t header[28] = {0x47, [20] = (uint8_t)type, 8, 9, 1, 2, 3, 4, 5};
		bool stays = memchr(immutable, (int)type, sizeof(immutable)) != NULL;

		assert_true(fer_mutable_mask(header, sizeof(header)));
		assert_int_equal(header[20], stays ? type : 0);
		assert_int_equal(header[27], stays ? 5 : 0);
	}
}

// What a source route does to the destination while it is not used up, and afterwards.
static void ipv4_routes_lead_to_their_last_address(void **state)
{
	static const struct {
		uint8_t type, len, pointer;
		uint8_t dst; // last byte of the destination that counts
	} rows[] = {
		{131, 11, 4, 33},
		{137, 11, 4, 33},
		{131, 11, 8, 33},
		{131, 11, 12, 9}, // used up
		{137, 11, 12, 9},
		{137, 11, 255, 9},
		{131, 3, 4, 9},
		{137, 7, 4, 22},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t header[32] = {0x48, [16] = 10, 0, 0, 9, [20] = rows[i].type, rows[i].len,
			rows[i].pointer, 10, 0, 0, 22, 10, 0, 0, 33};
		uint8_t zero[12] = {0};

		if (rows[i].len < 11)
			memset(header + 20 + rows[i].len, 1, 12u - rows[i].len);
		assert_true(fer_mutable_mask(header, sizeof(header)));
		assert_int_equal(header[19], rows[i].dst);
		assert_memory_equal(header + 20, zero, rows[i].len);
	}
}

static void put_address(uint8_t *at, uint8_t last)
{
	memset(at, 0, 16);
	at[0] = 0x20;
	at[15] = last;
}

static void make_route(
	uint8_t header[MAX_BYTES], uint8_t type, uint8_t left, uint8_t dst, const uint8_t list[3])
{
	memset(header, 0, 96);
	header[0] = 6 << 4;
	header[6] = 43;
	put_address(header + 24, dst);
	memcpy(header + 40, (const uint8_t[4]){51, 6, type, left}, 4);
	for (unsigned i = 0; i < 3; i++)
		put_address(header + 48 + 16 * i, list[i]);
}

// RFC 2460 section 4.4: the packet as it is at each hop, and as it arrives.
static void ipv6_routes_are_used_up(void **state)
{
	static const struct {
		uint8_t left, dst, list[3];
	} rows[] = {
		{3, 1, {2, 3, 4}},
		{2, 2, {1, 3, 4}},
		{1, 3, {1, 2, 4}},
		{0, 4, {1, 2, 3}},
	};
	static const uint8_t types[] = {0, 2};
	uint8_t want[MAX_BYTES], header[MAX_BYTES];

	(void)state;
	for (size_t t = 0; t < COUNT(types); t++)
		for (size_t i = 0; i < COUNT(rows); i++) {
			make_route(want, types[t], 0, 4, (const uint8_t[3]){1, 2, 3});
			make_route(header, types[t], rows[i].left, rows[i].dst, rows[i].list);
			assert_true(fer_mutable_mask(header, 96));
			assert_memory_equal(header, want, 96);
		}
}

struct refusal {
	const char *what;
	uint8_t n;
	uint8_t bytes[64];
};

// CVE-2018-6918 and its like: lengths that do not lead on, or lead out.
static void lengths_that_lead_nowhere_are_refused(void **state)
{
	static const struct refusal rows[] = {
		{"nothing", 0, {0x45}},
		{"a short IPv4 header", 19, {0x45}},
		{"a short IPv6 header", 39, {0x60}},
		{"an option of length 0", 24, {0x46, [20] = 7, 0}},
		{"an option of length 1", 24, {0x46, [20] = 7, 1}},
		{"an option beyond the header", 24, {0x46, [20] = 7, 5}},
		{"an option without length", 24, {0x46, [20] = 1, 1, 1, 7}},
		{"a route without pointer", 24, {0x46, [20] = 131, 2, 0, 0}},
		{"a route without the address it points to", 24, {0x46, [20] = 137, 4, 4, 0}},
		{"a truncated extension header", 47, {0x60, [6] = 60, [40] = 51}},
		{"an extension header beyond", 48, {0x60, [6] = 60, [40] = 51, 1}},
		{"a protocol that is no extension header", 48, {0x60, [6] = 6, [40] = 51}},
		{"an option beyond its header", 48, {0x60, [6] = 60, [40] = 51, 0, 0x3e, 5}},
		{"an IPv6 option without length", 48,
			{0x60, [6] = 0, [40] = 51, 0, 0, 0, 0, 0, 0, 0x3e}},
		{"more segments than addresses", 48, {0x60, [6] = 43, [40] = 51, 0, 0, 1}},
		{"half an address", 56, {0x60, [6] = 43, [40] = 51, 1, 0, 1}},
		{"a route nobody can follow", 64, {0x60, [6] = 43, [40] = 51, 2, 4, 1}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t *exact = malloc(rows[i].n + 1u); // an overrun hits the sanitizer's zone

		exact[0] = 0;
		memcpy(exact + 1, rows[i].bytes, rows[i].n);
		if (fer_mutable_mask(exact + 1, rows[i].n))
			fail_msg("%s is taken", rows[i].what);
		free(exact);
	}
}

// RFC 8504 section 5.3 lets a host bound them.  Padding of one byte is none of them, wherever it
// is.
static void options_are_walked_up_to_their_bound(void **state)
{
	(void)state;
	for (unsigned n = FER_MUTABLE_OPTIONS_MAX - 2; n <= FER_MUTABLE_OPTIONS_MAX + 2; n++)
		for (unsigned gap = 0; gap < 20; gap++) {
			uint8_t ip[40 + 8 + 1024] = {0x60}, *header = ip + 48;
			uint32_t at = 2;

			ip[6] = ip[40] = 60; // of the first header one option, which pads
			ip[42] = 1;
			ip[43] = 4;
			for (unsigned k = 1; k < n; k++, at += 3 + gap) {
				header[at] = 0x3e;
				header[at + 1] = 1;
				header[at + 2] = 0xaa;
			}
			header[1] = (uint8_t)((at - 1) / 8);
			uint32_t len = 48 + (header[1] + 1u) * 8;
			assert_int_equal(fer_mutable_mask(ip, len), n <= FER_MUTABLE_OPTIONS_MAX);
			for (uint32_t i = 2; n <= FER_MUTABLE_OPTIONS_MAX && i < len - 48; i++)
				assert_int_not_equal(header[i], 0xaa);
		}
}

// A route of a type that nobody can follow arrives like any other.
static void a_route_that_has_arrived_stays(void **state)
{
	uint8_t header[64] = {0x60, [6] = 43, [40] = 51, 2, 4, 0, 7, 7}, want[64];

	(void)state;
	memcpy(want, header, sizeof(want));
	assert_true(fer_mutable_mask(header, sizeof(header)));
	assert_memory_equal(header, want, sizeof(want));
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

// Any bytes, in memory of exactly their length.  What is masked stays as it is when masked again:
// both ends call it alike.
static void any_bytes_are_safe_and_masked_once(void **state)
{
	uint32_t seed = 4302;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		bool v4 = (next_random(&seed) & 1) != 0;
		uint32_t n = v4 ? 20 + next_random(&seed) % 41 : 40 + next_random(&seed) % 80;
		uint8_t *bytes = malloc(n), *again = malloc(n);
		static const uint8_t likely[] = {0, 1, 2, 3, 4, 7, 43, 44, 51, 60, 131, 137};

		for (uint32_t j = 0; j < n; j++)
			bytes[j] = (next_random(&seed) & 3) == 0
					   ? (uint8_t)next_random(&seed)
					   : likely[next_random(&seed) % sizeof(likely)];
		bytes[0] = v4 ? 0x45 : 0x60;
		if (fer_mutable_mask(bytes, n)) {
			memcpy(again, bytes, n);
			assert_true(fer_mutable_mask(again, n));
			assert_memory_equal(again, bytes, n);
		}
		free(bytes);
		free(again);
	}
}

// A header without options goes a shorter way to the same bytes, and back.
static void a_plain_header_is_masked_the_same_and_restored(void **state)
{
	uint32_t seed = 3331;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		bool v4 = (next_random(&seed) & 1) != 0;
		uint32_t n = v4 ? 20 : 40;
		uint8_t ip[40], was[40], want[40];

		for (uint32_t j = 0; j < n; j++)
			ip[j] = (uint8_t)next_random(&seed);
		ip[0] = v4 ? 0x45 : (uint8_t)(0x60 | (ip[0] & 0xf));
		memcpy(was, ip, n);
		memcpy(want, ip, n);
		assert_true(fer_mutable_is_plain(ip, n));
		assert_true(fer_mutable_mask(want, n));
		fer_mutable_head head = fer_mutable_head_of(ip);
		fer_mutable_put_head(ip, head & fer_mutable_kept(n));
		assert_memory_equal(ip, want, n);
		fer_mutable_put_head(ip, head);
		assert_memory_equal(ip, was, n);
		assert_false(fer_mutable_is_plain(ip, n + 4));
		ip[0] ^= v4 ? 1 : 0x20; // options; another version
		assert_false(fer_mutable_is_plain(ip, n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_fields_are_covered_as_the_table_says),
		cmocka_unit_test(ipv6_fields_are_covered_as_the_table_says),
		cmocka_unit_test(every_ipv4_option_is_of_one_class),
		cmocka_unit_test(ipv4_routes_lead_to_their_last_address),
		cmocka_unit_test(ipv6_routes_are_used_up),
		cmocka_unit_test(lengths_that_lead_nowhere_are_refused),
		cmocka_unit_test(options_are_walked_up_to_their_bound),
		cmocka_unit_test(a_route_that_has_arrived_stays),
		cmocka_unit_test(any_bytes_are_safe_and_masked_once),
		cmocka_unit_test(a_plain_header_is_masked_the_same_and_restored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
