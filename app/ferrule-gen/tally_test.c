// SPDX-License-Identifier: BSD-3-Clause
// Does a tally see what became of packets, each fault as what it is?
#include "tally.h"

#include "base/bytes.h"
#include "proto/ip.h"
#include "proto/ipsec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SEED 7
#define SIZE 84u
#define UDP_OFF FER_IPV4_HEADER_BYTES
#define TAG_OFF (UDP_OFF + FER_UDP_HEADER_BYTES)

static void make(uint8_t ip[SIZE], uint32_t stream, uint64_t counter, uint8_t kind)
{
	static const struct fer_addr src = {.version = 4, .bytes = {198, 18, 0, 1}};
	static const struct fer_addr dst = {.version = 4, .bytes = {198, 19, 0, 1}};
	const struct fer_ip_header header = {
		.src = &src, .dst = &dst, .len = SIZE, .ttl = 64, .protocol = FER_PROTO_UDP};
	const struct fer_gen_tag tag = {.counter = counter, .stream = stream, .kind = kind};

	memset(ip, 0, SIZE);
	fer_ip_write(ip, &header);
	fer_store_be16(ip + UDP_OFF + 4, SIZE - UDP_OFF);
	fer_gen_tag_write(ip + TAG_OFF, SIZE - TAG_OFF, SEED, &tag);
}

static void add(struct fer_gen_tally *t, uint32_t stream, uint64_t counter, uint8_t kind)
{
	uint8_t ip[SIZE];

	make(ip, stream, counter, kind);
	assert_true(fer_gen_tally_add(t, ip, SIZE));
}

struct step {
	uint32_t stream;
	uint64_t counter;
	uint8_t kind;
};

#define MAX_STEPS 8
#define FAR (FER_GEN_WINDOW + 10)

static void is_each_fault_seen_as_what_it_is(void **state)
{
	static const struct {
		const char *what;
		struct step step[MAX_STEPS];
		unsigned n;
		uint64_t sent[2]; // of streams 0 and 1
		struct fer_gen_sums sums;
	} cases[] = {
		{"nothing wrong", {{0, 0, 0}, {0, 1, 0}, {1, 0, 0}}, 3, {2, 1}, {.packets = 3}},
		{"a gap", {{0, 0, 0}, {0, 2, 0}}, 2, {3, 0}, {.packets = 2, .lost = 1}},
		{"the first", {{0, 1, 0}}, 1, {2, 0}, {.packets = 1, .lost = 1}},
		{"the last", {{0, 0, 0}}, 1, {2, 0}, {.packets = 1, .lost = 1}},
		{"a whole stream", {{0, 0, 0}}, 1, {1, 5}, {.packets = 1, .lost = 5}},
		{"twice", {{0, 0, 0}, {0, 0, 0}}, 2, {1, 0}, {.packets = 1, .duplicated = 1}},
		{"swapped", {{0, 1, 0}, {0, 0, 0}}, 2, {2, 0}, {.packets = 2, .reordered = 1}},
		{"streams have orders of their own", {{0, 0, 0}, {1, 9, 0}, {0, 1, 0}}, 3, {2, 10},
			{.packets = 3, .lost = 9}},
		{"behind the window", {{0, FAR, 0}, {0, 0, 0}}, 2, {FAR + 1, 0},
			{.packets = 1, .lost = FAR, .late = 1}},
		{"one behind the window", {{0, FER_GEN_WINDOW, 0}, {0, 0, 0}}, 2,
			{FER_GEN_WINDOW + 1, 0}, {.packets = 1, .lost = FER_GEN_WINDOW, .late = 1}},
		{"the last of the window", {{0, FAR, 0}, {0, 11, 0}, {0, 11, 0}}, 3, {FAR + 1, 0},
			{.packets = 2, .lost = FAR - 1, .reordered = 1, .duplicated = 1}},
		{"the window forgets", {{0, 3, 0}, {0, 3 + FER_GEN_WINDOW, 0}}, 2,
			{4 + FER_GEN_WINDOW, 0}, {.packets = 2, .lost = 2 + FER_GEN_WINDOW}},
		{"a broken one", {{0, 0, 0}, {0, 0, 4}}, 2, {1, 0},
			{.packets = 1, .leaked = {[4] = 1}}},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fer_gen_tally *t = fer_gen_tally_create(SEED);
		struct fer_gen_sums sums, expected = cases[i].sums;

		assert_non_null(t);
		for (unsigned k = 0; k < cases[i].n; k++)
			add(t, cases[i].step[k].stream, cases[i].step[k].counter,
				cases[i].step[k].kind);
		fer_gen_tally_sums(t, cases[i].sent, 2, &sums);
		expected.bytes = expected.packets * SIZE;
		if (memcmp(&sums, &expected, sizeof(sums)) != 0)
			fail_msg("%s", cases[i].what);
		assert_int_equal(fer_gen_sums_are_right(&sums), i == 0);
		fer_gen_tally_destroy(t);
	}
}

static void is_every_changed_byte_of_a_payload_seen(void **state)
{
	uint8_t ip[SIZE];
	struct fer_gen_tag tag;

	(void)state;
	make(ip, 3, 17, 0);
	assert_int_equal(fer_gen_tag_find(ip, SIZE, SEED, &tag), FER_GEN_SOUND);
	assert_int_equal(tag.stream, 3);
	assert_int_equal(tag.counter, 17);
	assert_int_equal(fer_gen_tag_find(ip, SIZE, SEED + 1, &tag), FER_GEN_CORRUPT);
	for (unsigned at = TAG_OFF; at < SIZE; at++) {
		ip[at] ^= 1;
		assert_int_equal(fer_gen_tag_find(ip, SIZE, SEED, &tag),
			at < TAG_OFF + 4 ? FER_GEN_FOREIGN : FER_GEN_CORRUPT);
		ip[at] ^= 1;
	}
}

// Whatever the length, nothing is read behind it.
static void is_what_is_cut_no_sound_packet(void **state)
{
	uint8_t ip[SIZE];
	struct fer_gen_tag tag;

	(void)state;
	make(ip, 0, 0, 0);
	for (uint32_t len = 0; len < SIZE; len++)
		assert_int_not_equal(fer_gen_tag_find(ip, len, SEED, &tag), FER_GEN_SOUND);
	fer_ip_set_len(ip, SIZE - 1);
	assert_int_equal(fer_gen_tag_find(ip, SIZE, SEED, &tag), FER_GEN_CORRUPT);
	assert_int_equal(
		fer_gen_tag_read(ip + TAG_OFF, FER_GEN_TAG_BYTES - 1, SEED, &tag), FER_GEN_FOREIGN);
}

// Padding behind the datagram stays where a box does not cut it off.
static void does_padding_behind_the_datagram_not_matter(void **state)
{
	uint8_t ip[SIZE + 16];
	struct fer_gen_tag tag;

	(void)state;
	make(ip, 0, 0, 0);
	memset(ip + SIZE, 0, 16);
	fer_ip_set_len(ip, SIZE + 16);
	assert_int_equal(fer_gen_tag_find(ip, SIZE + 16, SEED, &tag), FER_GEN_SOUND);
}

static void is_what_was_sent_in_all_missed(void **state)
{
	struct fer_gen_tally *t = fer_gen_tally_create(SEED);
	struct fer_gen_sums sums;

	(void)state;
	assert_non_null(t);
	fer_gen_tally_sums_of(t, 0, &sums);
	assert_false(fer_gen_sums_are_right(&sums)); // nothing came at all
	add(t, 0, 0, 0);
	fer_gen_tally_sums_of(t, 0, &sums);
	assert_true(fer_gen_sums_are_right(&sums));
	fer_gen_tally_sums_of(t, 3, &sums);
	assert_int_equal(sums.lost, 2);
	fer_gen_tally_destroy(t);
}

static void is_each_fault_alone_too_much(void **state)
{
	static const struct fer_gen_sums faults[] = {
		{.packets = 1, .lost = 1},
		{.packets = 1, .duplicated = 1},
		{.packets = 1, .reordered = 1},
		{.packets = 1, .late = 1},
		{.packets = 1, .corrupt = 1},
		{.packets = 1, .leaked = {[1] = 1}},
		{.packets = 1, .leaked = {[FER_GEN_KINDS - 1] = 1}},
	};
	static const struct fer_gen_sums foreign = {.packets = 1, .foreign = 1};

	(void)state;
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		assert_false(fer_gen_sums_are_right(&faults[i]));
	assert_true(fer_gen_sums_are_right(&foreign));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_each_fault_seen_as_what_it_is),
		cmocka_unit_test(is_every_changed_byte_of_a_payload_seen),
		cmocka_unit_test(is_what_is_cut_no_sound_packet),
		cmocka_unit_test(does_padding_behind_the_datagram_not_matter),
		cmocka_unit_test(is_what_was_sent_in_all_missed),
		cmocka_unit_test(is_each_fault_alone_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
