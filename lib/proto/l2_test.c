// SPDX-License-Identifier: BSD-3-Clause
// Is the network header found behind any number of tags, and nowhere else?
#include "proto/l2.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define FRAME_BYTES 64

// A frame with the EtherTypes given, four bytes apart; returns the bytes up to the last one's end.
static uint32_t make_frame(uint8_t frame[FRAME_BYTES], const uint16_t *types, unsigned n)
{
	memset(frame, 0xa5, FRAME_BYTES);
	for (unsigned i = 0; i < n; i++)
		fer_store_be16(frame + 12 + 4 * i, types[i]);
	return 10 + 4 * n;
}

// IEEE 802.1Q section 9.3: a tag is the EtherType 0x8100 or 0x88a8 and two more bytes.
static void tags_are_passed_and_truncated_frames_refused(void **state)
{
	static const struct {
		uint16_t types[6];
		unsigned n;
		bool ok;
	} cases[] = {
		{{0x0800}, 1, true},
		{{0x86dd}, 1, true},
		{{0x0806}, 1, true},
		{{0x05dc}, 1, true}, // an 802.3 length
		{{0x9100}, 1, true}, // not a tag that we know
		{{0x8100, 0x0800}, 2, true},
		{{0x88a8, 0x8100, 0x86dd}, 3, true},
		{{0x8100, 0x8100, 0x88a8, 0x88a8, 0x0800}, 5, true},
		{{0x8100, 0x8100, 0x88a8, 0x88a8, 0x8100, 0x0800}, 6, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fer_l2 l2;
		uint8_t frame[FRAME_BYTES];
		uint32_t len = make_frame(frame, cases[i].types, cases[i].n);
		assert_int_equal(
			fer_l2_parse(FER_LINK_ETHERNET, frame, FRAME_BYTES, &l2), cases[i].ok);
		if (!cases[i].ok)
			continue;
		assert_int_equal(l2.len, len);
		assert_int_equal(l2.type_off, len - 2);
		assert_int_equal(l2.type, cases[i].types[cases[i].n - 1]);
		for (uint32_t avail = 0; avail <= len; avail++) {
			uint8_t *copy = malloc(avail + 1); // an overread hits the sanitizer's zone
			memcpy(copy + 1, frame, avail);
			assert_int_equal(fer_l2_parse(FER_LINK_ETHERNET, copy + 1, avail, &l2),
				avail == len);
			free(copy);
		}
	}
}

static void raw_ip_is_named_by_its_version(void **state)
{
	struct fer_l2 l2;

	(void)state;
	for (unsigned first = 0; first < 256; first++) {
		uint8_t byte = (uint8_t)first;
		assert_true(fer_l2_parse(FER_LINK_RAW_IP, &byte, 1, &l2));
		assert_int_equal(l2.len, 0);
		assert_int_equal(l2.type, first >> 4 == 4   ? FER_ETHER_TYPE_IPV4
					  : first >> 4 == 6 ? FER_ETHER_TYPE_IPV6
							    : 0);
	}
	assert_false(fer_l2_parse(FER_LINK_RAW_IP, (const uint8_t *)"", 0, &l2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_passed_and_truncated_frames_refused),
		cmocka_unit_test(raw_ip_is_named_by_its_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
