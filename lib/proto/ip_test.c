// SPDX-License-Identifier: BSD-3-Clause
// Are addresses and prefixes read strictly, and do header fields change without breaking others?
#include "proto/ip.h"

#include "base/bytes.h"
#include "proto/cksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct fer_addr addr(const char *text)
{
	struct fer_addr a;

	assert_true(fer_addr_parse(text, &a));
	return a;
}

static struct fer_prefix prefix(const char *text)
{
	struct fer_prefix p;

	assert_true(fer_prefix_parse(text, &p));
	return p;
}

// RFC 5952 section 4: one text for each address.
static void addresses_are_printed_in_the_canonical_form(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"192.0.2.1", "192.0.2.1"},
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"2001:0DB8::0001", "2001:db8::1"},                         // 4.1, 4.3
		{"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},                  // 4.2.1
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},           // 4.2.2
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},                    // 4.2.3
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},              // 4.2.3
		{"0:0:0:0:0:0:0:0", "::"},                                  // 4.2
		{"::ffff:192.0.2.1", "::ffff:192.0.2.1"},                   // 5
		{"fe80::aBcD:Ef01:2345:6789", "fe80::abcd:ef01:2345:6789"}, // 4.3
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	char text[FER_ADDR_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct fer_addr a = addr(cases[i].in), again;
		assert_ptr_equal(fer_addr_text(&a, text), text);
		assert_string_equal(text, cases[i].out);
		again = addr(text);
		assert_true(fer_addr_equal(&a, &again));
	}
	assert_string_equal(fer_addr_text(&(struct fer_addr){0}, text), "any");
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const cases[] = {"", "any", "1.2.3", "1.2.3.4.5", "1.2.3.256",
		"01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/32", "0x1.2.3.4", "1.2.3.-4", ":",
		":::", "1::2::3", "::12345", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0",
		"::1/128", "[::1]", "::g", "localhost"};
	struct fer_addr a = {.version = 99};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		assert_false(fer_addr_parse(cases[i], &a));
	assert_int_equal(a.version, 99);
}

static void addresses_differ_by_every_bit_and_by_version(void **state)
{
	struct fer_addr a = addr("::"), b = addr("::"), zero = addr("0.0.0.0");

	(void)state;
	assert_true(fer_addr_equal(&a, &b));
	assert_false(fer_addr_equal(&a, &zero));
	for (unsigned bit = 0; bit < 128; bit++) {
		b.bytes[bit / 8] ^= 1 << bit % 8;
		assert_false(fer_addr_equal(&a, &b));
		b.bytes[bit / 8] ^= 1 << bit % 8;
	}
}

static void prefixes_are_read(void **state)
{
	static const struct {
		const char *text, *addr;
		uint8_t len;
	} cases[] = {
		{"10.0.0.0/8", "10.0.0.0", 8},
		{"10.1.2.3", "10.1.2.3", 32},
		{"10.1.2.3/32", "10.1.2.3", 32},
		{"10.1.2.2/31", "10.1.2.2", 31},
		{"0.0.0.0/0", "0.0.0.0", 0},
		{"128.0.0.0/1", "128.0.0.0", 1},
		{"2001:db8::/33", "2001:db8::", 33},
		{"2001:db8:8000::/33", "2001:db8:8000::", 33},
		{"::/0", "::", 0},
		{"::1", "::1", 128},
		{"::1/128", "::1", 128},
		{"::2/127", "::2", 127},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct fer_prefix p = prefix(cases[i].text);
		struct fer_addr a = addr(cases[i].addr);
		assert_true(fer_addr_equal(&p.addr, &a));
		assert_int_equal(p.len, cases[i].len);
	}
	assert_int_equal(prefix("any").addr.version, 0);
}

static void what_is_no_prefix_is_refused(void **state)
{
	static const char *const cases[] = {"", "/", "/8", "Any", "any/0", "any ", "10.0.0.0/",
		"10.0.0.0/+8", "10.0.0.0/-0", "10.0.0.0/08", "10.0.0.0/00", "10.0.0.0/ 8",
		"10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0.0/33", "10.0.0.0/264", "10.0.0.0/4294967304",
		"10.0.0.0/0x8", "10.0.0.0/255.0.0.0", "10.0.0.1/31", "10.0.0.1/8", "0.0.0.1/0",
		"128.0.0.0/0", "::/129", "::1/127", "::1/0", "2001:db8:4000::/33", "8000::/0",
		"2001:db8::1%eth0/128",
		"0000000000000000000000000000000000000000000000000000:1::/64"};
	struct fer_prefix p = {.len = 99};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		assert_false(fer_prefix_parse(cases[i], &p));
	assert_int_equal(p.len, 99);
}

static void a_prefix_has_its_addresses_and_no_others(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool has;
	} cases[] = {
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.0/8", "9.255.255.255", false},
		{"10.1.128.0/17", "10.1.128.0", true},
		{"10.1.128.0/17", "10.1.127.255", false},
		{"10.1.2.2/31", "10.1.2.3", true},
		{"10.1.2.2/31", "10.1.2.4", false},
		{"10.1.2.3", "10.1.2.3", true},
		{"10.1.2.3", "10.1.2.2", false},
		{"0.0.0.0/0", "255.1.2.3", true},
		{"0.0.0.0/0", "::", false},
		{"::/0", "0.0.0.0", false},
		{"::/0", "ffff::1", true},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"::1", "::1", true},
		{"::1", "::", false},
		{"any", "1.2.3.4", true},
		{"any", "::1", true},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct fer_prefix p = prefix(cases[i].prefix);
		struct fer_addr a = addr(cases[i].addr);
		assert_int_equal(fer_prefix_has(&p, &a), cases[i].has);
	}
}

static void bits_behind_each_length_do_not_matter(void **state)
{
	struct fer_prefix p = {.addr.version = 6};
	struct fer_addr a = {.version = 6};

	(void)state;
	for (unsigned len = 0; len <= 128; len++) {
		p.len = (uint8_t)len;
		for (unsigned bit = 0; bit < 128; bit++) {
			a.bytes[bit / 8] = 0x80 >> bit % 8;
			assert_int_equal(fer_prefix_has(&p, &a), bit >= len);
			a.bytes[bit / 8] = 0;
		}
	}
}

static const struct fer_addr v4_src = {{192, 0, 2, 1}, 4}, v4_dst = {{198, 51, 100, 2}, 4};
static const struct fer_addr v6_src = {{0x20, 1, 0xd, 0xb8, [15] = 1}, 6};
static const struct fer_addr v6_dst = {{0x20, 1, 0xd, 0xb8, [14] = 0xff, [15] = 2}, 6};

static struct fer_ip_header sample(uint8_t version)
{
	return (struct fer_ip_header){
		.src = version == 4 ? &v4_src : &v6_src,
		.dst = version == 4 ? &v4_dst : &v6_dst,
		.len = 1500,
		.flow_label = 0xfffabcde,
		.id = 0x1234,
		.tos = 0xb9,
		.ttl = 64,
		.protocol = 50,
		.df = true,
	};
}

// RFC 791 section 3.1.
static void an_ipv4_header_is_written_byte_for_byte(void **state)
{
	static const uint8_t want[] = {0x45, 0xb9, 0x05, 0xdc, 0x12, 0x34, 0x40, 0x00, 64, 50, 0x35,
		0xcc, 192, 0, 2, 1, 198, 51, 100, 2};
	struct fer_ip_header h = sample(4);
	uint8_t ip[20];

	(void)state;
	memset(ip, 0xee, sizeof(ip));
	assert_int_equal(fer_ip_write(ip, &h), 20);
	assert_int_equal(fer_cksum(ip, 20), 0);
	assert_memory_equal(ip, want, sizeof(want));
	h.df = false;
	fer_ip_write(ip, &h);
	assert_int_equal(fer_load_be16(ip + 6), 0);
	assert_int_equal(fer_cksum(ip, 20), 0);
}

// RFC 8200 section 3.
static void an_ipv6_header_is_written_byte_for_byte(void **state)
{
	static const uint8_t want[] = {0x6b, 0x9a, 0xbc, 0xde, 0x05, 0xb4, 50, 64, 0x20, 1, 0xd,
		0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0xff, 2};
	struct fer_ip_header h = sample(6);
	uint8_t ip[40];

	(void)state;
	memset(ip, 0xee, sizeof(ip));
	assert_int_equal(fer_ip_write(ip, &h), 40);
	assert_memory_equal(ip, want, sizeof(want));
}

static void the_longest_packets_can_be_written(void **state)
{
	struct fer_ip_header four = sample(4), six = sample(6);
	uint8_t ip[40];

	(void)state;
	four.len = FER_IPV4_MAX_BYTES;
	fer_ip_write(ip, &four);
	assert_int_equal(fer_load_be16(ip + 2), 65535);
	six.len = FER_IPV6_MAX_BYTES;
	fer_ip_write(ip, &six);
	assert_int_equal(fer_load_be16(ip + 4), 65535);
	fer_ip_set_len(ip, 40);
	assert_int_equal(fer_load_be16(ip + 4), 0);
}

static void addresses_come_back_from_the_header(void **state)
{
	(void)state;
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct fer_ip_header h = sample(version);
		struct fer_addr src, dst;
		uint8_t ip[40];
		memset(&src, 0xee, sizeof(src));
		memset(&dst, 0xee, sizeof(dst));
		fer_ip_write(ip, &h);
		fer_ip_addresses(ip, &src, &dst);
		assert_true(fer_addr_equal(&src, h.src));
		assert_true(fer_addr_equal(&dst, h.dst));
	}
}

// RFC 1624 section 3: a changed field gives the header that would have been written with it.
static void setting_a_field_is_writing_it(void **state)
{
	static const uint32_t lens[] = {40, 255, 256, 1499, 65535};

	(void)state;
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct fer_ip_header h = sample(version);
		uint8_t ip[40] = {0}, want[40] = {0};
		uint16_t next_off = version == 4 ? 9 : 6;
		fer_ip_write(ip, &h);
		for (unsigned value = 0; value < 256; value++) {
			h.len = lens[value % N(lens)];
			h.tos = (uint8_t)value;
			h.protocol = (uint8_t)(255 - value);
			fer_ip_set_len(ip, h.len);
			fer_ip_set_tos(ip, h.tos);
			fer_ip_set_next(ip, next_off, h.protocol);
			fer_ip_write(want, &h);
			assert_memory_equal(ip, want, sizeof(want));
			assert_int_equal(fer_ip_tos(ip), value);
		}
	}
}

static void a_wrong_checksum_stays_wrong(void **state)
{
	struct fer_ip_header h = sample(4);
	uint8_t ip[20];

	(void)state;
	fer_ip_write(ip, &h);
	ip[8]--;
	fer_ip_set_len(ip, 1000);
	fer_ip_set_tos(ip, 3);
	fer_ip_set_next(ip, 9, 17);
	assert_int_not_equal(fer_cksum(ip, 20), 0);
	ip[8]++;
	assert_int_equal(fer_cksum(ip, 20), 0);
}

static void the_next_header_of_an_extension_is_that_byte_alone(void **state)
{
	struct fer_ip_header h = sample(6);
	uint8_t ip[48] = {0}, want[48] = {0};

	(void)state;
	fer_ip_write(ip, &h);
	memcpy(want, ip, sizeof(ip));
	fer_ip_set_next(ip, 40, 50);
	want[40] = 50;
	assert_memory_equal(ip, want, sizeof(want));
}

// A stamped template is the header that would have been written at once.
static void stamping_is_writing(void **state)
{
	static const uint32_t lens[] = {20, 21, 40, 41, 576, 0x7fff, 0x8000, 65534, 65535};
	static const uint16_t ids[] = {0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff};

	(void)state;
	for (unsigned i = 0; i < 4 * N(lens) * N(ids) * 256; i++) {
		uint8_t version = i & 1 ? 6 : 4;
		struct fer_addr src = {{0}, version}, dst = {{0}, version};
		struct fer_ip_header h = {.src = &src, .dst = &dst, .ttl = 64, .protocol = 50};
		uint8_t empty[40], stamped[40], written[40];

		for (unsigned k = 0; k < (version == 4 ? 4u : 16u); k++) {
			src.bytes[k] = (uint8_t)(i * 7 + k * 31);
			dst.bytes[k] = (uint8_t)(i * 13 + k * 17);
		}
		h.len = version == 4 ? 20 : 40;
		fer_ip_write(empty, &h);
		h.df = i >> 1 & 1;
		h.len = lens[i / 4 % N(lens)] + (version == 4 ? 0 : 40);
		h.id = ids[i / 4 / N(lens) % N(ids)];
		h.tos = (uint8_t)(i / 4 / N(lens) / N(ids));
		h.flow_label = version == 4 ? 0 : (i * 0x12345) & 0xfffff;
		unsigned n = fer_ip_write(written, &h);
		struct fer_ipv4_stamp v4 = fer_ipv4_stamp_of(empty);
		if (version == 4) {
			v4 = fer_ipv4_stamp_marked(&v4, fer_ip_marks(h.tos, h.df));
			fer_ipv4_stamp(stamped, &v4, h.len, h.id);
			memcpy(stamped + FER_IPV4_DST_OFF, dst.bytes, 4);
		} else {
			fer_ipv6_stamp(stamped, empty, h.len, h.tos, h.flow_label);
		}
		assert_memory_equal(stamped, written, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_printed_in_the_canonical_form),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(addresses_differ_by_every_bit_and_by_version),
		cmocka_unit_test(prefixes_are_read),
		cmocka_unit_test(what_is_no_prefix_is_refused),
		cmocka_unit_test(a_prefix_has_its_addresses_and_no_others),
		cmocka_unit_test(bits_behind_each_length_do_not_matter),
		cmocka_unit_test(an_ipv4_header_is_written_byte_for_byte),
		cmocka_unit_test(an_ipv6_header_is_written_byte_for_byte),
		cmocka_unit_test(the_longest_packets_can_be_written),
		cmocka_unit_test(addresses_come_back_from_the_header),
		cmocka_unit_test(setting_a_field_is_writing_it),
		cmocka_unit_test(a_wrong_checksum_stays_wrong),
		cmocka_unit_test(stamping_is_writing),
		cmocka_unit_test(the_next_header_of_an_extension_is_that_byte_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
