// SPDX-License-Identifier: BSD-3-Clause
// Are the same bytes read out of every way in which they are printed?
#include "hexdump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MAX_LINES 8

static const uint8_t bytes[24] = {0x80, 0x01, 0xaa, 0x00, 0x01, 0x00, 0x00, 0x00, 0x11, 0x00, 0x00,
	0x00, 0xc0, 0x00, 0x02, 0x01, 0xc0, 0x00, 0x02, 0x02, 0x41, 0x62, 0x7c, 0x20};

static const struct {
	const char *what;
	const char *lines[MAX_LINES];
} dumps[] = {
	{"bytes", {"80 01 aa 00 01 00 00 00 11 00 00 00", "c0 00 02 01 c0 00 02 02 41 62 7c 20"}},
	{"one run", {"8001aa00010000001100", "0000c0000201c000020241627c20"}},
	{"with gaps", {"8001aa00  01000000  11000000", "", "  c0000201 c0000202  41627c20"}},
	{"alone", {"8001aa00", "01000000", "11000000", "c0000201", "c0000202", "41627c20"}},
	{"0x", {"0x80 0x01 0xaa 0x00 0x01 0x00 0x00 0x00 0x11 0x00 0x00 0x00 0xc0 0x00 0x02 0x01",
		       "0xc0 0x00 0x02 0x02 0x41 0x62 0x7c 0x20"}},
	{"hexdump -C",
		{"00000000  80 01 aa 00 01 00 00 00  11 00 00 00 c0 00 02 01  |................|",
			"00000010  c0 00 02 02 41 62 7c 20                           |....Ab| |",
			"00000018"}},
	{"xxd", {"00000000: 8001 aa00 0100 0000 1100 0000 c000 0201  ................",
			"00000010: c000 0202 4162 7c20                      ....Ab| "}},
	{"xxd -g1", {"00000000: 80 01 aa 00 01 00 00 00 11 00 00 00 c0 00 02 01  ................",
			    "00000010: c0 00 02 02 41 62 7c 20                          ....Ab| "}},
	{"od", {"0000000 80 01 aa 00 01 00 00 00 11 00 00 00 c0 00 02 01",
		       "0000010 c0 00 02 02 41 62 7c 20", "0000018"}},
	{"db", {"ffffa80d`12345670  80 01 aa 00 01 00 00 00-11 00 00 00 c0 00 02 01  "
		"................",
		       "ffffa80d`12345680  c0 00 02 02 41 62 7c 20                          "
		       "....Ab| \r"}},
	{"dw", {"ffffa80d`12345670  0180 00aa 0001 0000 0011 0000 00c0 0102",
		       "ffffa80d`12345680  00c0 0202 6241 207c"}},
	{"dd", {"ffffa80d`12345670  00aa0180 00000001 00000011 010200c0",
		       "ffffa80d`12345680  020200c0 207c6241"}},
	{"dq", {"ffffa80d`12345670  00000001`00aa0180 010200c0`00000011",
		       "ffffa80d`12345680  207c6241`020200c0"}},
	{"x/16xb", {"0x7ffe0000:\t0x80\t0x01\t0xaa\t0x00\t0x01\t0x00\t0x00\t0x00",
			   "0x7ffe0008:\t0x11\t0x00\t0x00\t0x00\t0xc0\t0x00\t0x02\t0x01",
			   "0x7ffe0010 <sa+16>:\t0xc0\t0x00\t0x02\t0x02\t0x41\t0x62\t0x7c\t0x20"}},
	{"x/4xw", {"0x7ffe0000 <sa>:\t0x00aa0180\t0x00000001\t0x00000011\t0x010200c0",
			  "0x7ffe0010 <sa+16>:\t0x020200c0\t0x207c6241"}},
	{"x/2xg", {"0x7ffe0000:\t0x0000000100aa0180\t0x010200c000000011",
			  "0x7ffe0010:\t0x207c6241020200c0"}},
};

static void every_way_to_print_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dumps) / sizeof(dumps[0]); i++) {
		struct hexdump h = {0};

		for (unsigned k = 0; k < MAX_LINES && dumps[i].lines[k] != NULL; k++) {
			const char *why = hexdump_line(&h, dumps[i].lines[k]);

			if (why != NULL)
				fail_msg("%s: line %u %s", dumps[i].what, k, why);
		}
		if (h.len != sizeof(bytes) || memcmp(h.bytes, bytes, sizeof(bytes)) != 0)
			fail_msg("%s: %zu bytes, or others", dumps[i].what, h.len);
		hexdump_fini(&h);
	}
}

static void stars_stand_for_lines(void **state)
{
	static const char *const lines[] = {
		"00000000  01 02 03 04 05 06 07 08  09 0a 0b 0c 0d 0e 0f 10  |................|",
		"*", "00000040  aa                                                |.|", "00000041"};
	struct hexdump h = {0};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_null(hexdump_line(&h, lines[i]));
	assert_int_equal(h.len, 0x41);
	for (unsigned i = 0; i < 0x40; i++)
		assert_int_equal(h.bytes[i], i % 16 + 1);
	assert_int_equal(h.bytes[0x40], 0xaa);
	hexdump_fini(&h);
}

static void what_is_no_dump(void **state)
{
	static const struct {
		const char *lines[2];
		unsigned refused;
	} rows[] = {
		{{"80 1 00"}, 0},
		{{"80 0g"}, 0},
		{{"hello"}, 0},
		{{"80,01"}, 0},
		{{"00000000  80 01", "00000010  02"}, 1},
		{{"00000000  80 01", "00000001  02"}, 1},
		{{"0x7ffe0000: 0x112233445566778899"}, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hexdump h = {0};

		for (unsigned k = 0; k <= rows[i].refused; k++) {
			const char *why = hexdump_line(&h, rows[i].lines[k]);

			if ((why != NULL) != (k == rows[i].refused))
				fail_msg("row %zu, line %u: %s", i, k, why == NULL ? "taken" : why);
		}
		hexdump_fini(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_to_print_them),
		cmocka_unit_test(stars_stand_for_lines),
		cmocka_unit_test(what_is_no_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
