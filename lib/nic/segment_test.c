// SPDX-License-Identifier: BSD-3-Clause
// Do the bytes of a packet stay what they are, however its segments are cut?
#include "nic/segment.h"

#include "nic/oob.h"
#include "support/eal.h"
#include "support/mbufs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define LEN 40u
#define ROOM 64u // behind the headroom of a segment
#define N_SEGMENTS 63

static struct rte_mempool *pool;
static uint8_t bytes[2 * LEN];
static unsigned n_used;

static struct rte_mbuf *cut2(uint32_t a, uint32_t b)
{
	return test_mbuf_cut(pool, bytes, LEN, (uint32_t[]){a, b}, 2);
}

// Runs a check for every packet of up to three segments.
static void for_all_cuts(void (*check)(uint32_t a, uint32_t b))
{
	for (uint32_t a = 0; a < LEN; a++)
		for (uint32_t b = a; b < LEN; b++)
			check(a, b);
}

// Takes all that is left in the pool, and gives it back.
static struct rte_mbuf *hoard[N_SEGMENTS + 1];
static unsigned n_hoard;

static void empty_pool(void)
{
	while ((hoard[n_hoard] = rte_pktmbuf_alloc(pool)) != NULL)
		n_hoard++;
}

static void refill_pool(void)
{
	rte_pktmbuf_free_bulk(hoard, n_hoard);
	n_hoard = 0;
}

// Moves the data of a packet of one segment to the start, or to the end, of its buffer.
static struct rte_mbuf *without_headroom(struct rte_mbuf *m)
{
	memmove(m->buf_addr, rte_pktmbuf_mtod(m, void *), m->data_len);
	m->data_off = 0;
	return m;
}

static struct rte_mbuf *without_tailroom(struct rte_mbuf *m)
{
	uint16_t off = m->buf_len - m->data_len;

	memmove((uint8_t *)m->buf_addr + off, rte_pktmbuf_mtod(m, void *), m->data_len);
	m->data_off = off;
	return m;
}

static void check_read(uint32_t a, uint32_t b)
{
	struct rte_mbuf *m = cut2(a, b);
	uint8_t to[LEN];

	for (uint32_t off = 0; off <= LEN; off++)
		for (uint32_t len = 0; len <= LEN + 1 - off; len++) {
			memset(to, 0xdd, sizeof(to));
			assert_int_equal(fer_segment_read(m, off, to, len), off + len <= LEN);
			if (off + len <= LEN)
				assert_memory_equal(to, bytes + off, len);
		}
	test_assert_bytes(m, bytes, LEN);
	rte_pktmbuf_free(m);
}

static void is_every_range_read(void **state)
{
	(void)state;
	for_all_cuts(check_read);
}

static void check_write(uint32_t a, uint32_t b)
{
	struct rte_mbuf *m = cut2(a, b);
	uint8_t want[LEN], new[LEN + 1];

	memcpy(want, bytes, LEN);
	memset(new, 0x99, sizeof(new));
	for (uint32_t off = 0; off <= LEN; off += 3)
		for (uint32_t len = 0; len <= LEN + 1 - off; len++) {
			bool fits = off + len <= LEN;

			assert_int_equal(fer_segment_write(m, off, new, len), fits);
			if (fits)
				memset(want + off, 0x99, len);
			test_assert_bytes(m, want, LEN);
			assert_true(fer_segment_write(m, 0, bytes, LEN));
			memcpy(want, bytes, LEN);
		}
	rte_pktmbuf_free(m);
}

static void is_every_range_written(void **state)
{
	(void)state;
	for_all_cuts(check_write);
}

// Sums that pass 2^32 are no offsets in the packet.
static void are_offsets_that_wrap_refused(void **state)
{
	struct rte_mbuf *m = cut2(13, 20);
	uint8_t to[LEN] = {0};

	(void)state;
	for (uint32_t back = 1; back <= LEN; back++) {
		assert_false(fer_segment_read(m, -back, to, back));
		assert_false(fer_segment_read(m, -back, to, LEN));
		assert_false(fer_segment_write(m, -back, to, LEN));
		assert_false(fer_segment_is_whole(m, -back, back));
	}
	test_assert_bytes(m, bytes, LEN);
	rte_pktmbuf_free(m);
}

static void check_pull(uint32_t a, uint32_t b)
{
	for (uint32_t len = 0; len <= LEN + 1; len++) {
		struct rte_mbuf *m = cut2(a, b);

		assert_int_equal(fer_segment_pull(&m, len, pool), len <= LEN);
		assert_true(len > LEN || fer_segment_is_whole(m, 0, len));
		test_assert_bytes(m, bytes, LEN);
		rte_pktmbuf_free(m);
	}
}

static void is_the_front_made_whole(void **state)
{
	(void)state;
	for_all_cuts(check_pull);
}

static void check_pull_tight(uint32_t a, uint32_t b)
{
	for (uint32_t len = 0; len <= LEN; len++) {
		struct rte_mbuf *m = without_tailroom(cut2(a, b));

		assert_true(fer_segment_pull(&m, len, pool));
		assert_true(fer_segment_is_whole(m, 0, len));
		test_assert_bytes(m, bytes, LEN);
		rte_pktmbuf_free(m);
	}
}

static void is_the_front_made_whole_without_tailroom(void **state)
{
	(void)state;
	for_all_cuts(check_pull_tight);
}

static void grow_front_one(struct rte_mbuf *m, uint32_t len, uint32_t keep)
{
	uint8_t want[2 * LEN];

	memcpy(want, bytes + LEN, len);
	memcpy(want + len, bytes, LEN);
	assert_int_equal(fer_segment_grow_front(&m, len, keep, pool), keep <= LEN);
	if (keep <= LEN) {
		assert_true(fer_segment_is_whole(m, 0, len + keep));
		memcpy(rte_pktmbuf_mtod(m, void *), want, len);
		test_assert_bytes(m, want, len + LEN);
	} else {
		test_assert_bytes(m, bytes, LEN);
	}
	rte_pktmbuf_free(m);
}

static void check_grow_front(uint32_t a, uint32_t b)
{
	static const uint32_t lens[] = {1, 20, 36};

	for (unsigned i = 0; i < RTE_DIM(lens); i++)
		for (uint32_t keep = 0; keep <= ROOM - lens[i]; keep++) {
			struct rte_mbuf *m = cut2(a, b);

			if (i != 0)
				without_headroom(m);
			grow_front_one(m, lens[i], keep);
		}
}

static void is_there_always_room_in_front(void **state)
{
	(void)state;
	for_all_cuts(check_grow_front);
}

static void check_grow_back(uint32_t a, uint32_t b)
{
	for (unsigned tight = 0; tight < 2; tight++) {
		struct rte_mbuf *m = cut2(a, b);

		if (tight == 1)
			without_tailroom(rte_pktmbuf_lastseg(m));
		uint8_t *end = fer_segment_grow_back(m, LEN, pool);
		assert_non_null(end);
		memcpy(end, bytes + LEN, LEN);
		test_assert_bytes(m, bytes, 2 * LEN);
		rte_pktmbuf_free(m);
	}
}

static void is_there_always_room_behind(void **state)
{
	(void)state;
	for_all_cuts(check_grow_back);
}

static void is_more_than_a_segment_refused(void **state)
{
	struct rte_mbuf *m = without_headroom(without_tailroom(cut2(5, 12)));

	(void)state;
	assert_false(fer_segment_grow_front(&m, ROOM + 1, 0, pool));
	assert_false(fer_segment_grow_front(&m, ROOM, 1, pool));
	assert_null(fer_segment_grow_back(m, ROOM + 1, pool));
	test_assert_bytes(m, bytes, LEN);
	rte_pktmbuf_free(m);
}

// The packet is as it was.
static void check_empty_pool(uint32_t a, uint32_t b)
{
	struct rte_mbuf *m = without_tailroom(cut2(a, b)), *before = m;
	bool whole = m->next == NULL;

	without_tailroom(rte_pktmbuf_lastseg(m));
	empty_pool();
	assert_null(fer_segment_grow_back(m, 1, pool));
	assert_int_equal(fer_segment_pull(&m, LEN, pool), whole);
	without_headroom(m);
	assert_false(fer_segment_grow_front(&m, 1, 0, pool));
	assert_ptr_equal(m, before);
	test_assert_bytes(m, bytes, LEN);
	refill_pool();
	rte_pktmbuf_free(m);
}

static void does_an_empty_pool_change_nothing(void **state)
{
	(void)state;
	for_all_cuts(check_empty_pool);
}

static void is_a_packet_made_of_bytes(void **state)
{
	(void)state;
	for (uint32_t len = 0; len <= sizeof(bytes); len += 1 + len / 7) {
		struct rte_mbuf *m = fer_segment_make(bytes, len, pool);

		assert_non_null(m);
		assert_int_equal(m->nb_segs, len == 0 ? 1 : (len + ROOM - 1) / ROOM);
		test_assert_bytes(m, bytes, len);
		rte_pktmbuf_free(m);
	}
	empty_pool();
	assert_null(fer_segment_make(bytes, 0, pool));
	refill_pool();
}

// As many zeros as asked for, behind what is there, in as many segments as it takes; or none.
static void check_append_zeros(uint32_t a, uint32_t b)
{
	static uint8_t want[LEN + 5 * ROOM];

	for (uint32_t len = 0; len <= 4 * ROOM; len += 1 + len / 5) {
		struct rte_mbuf *m = cut2(a, b);

		memset(want, 0, sizeof(want));
		memcpy(want, bytes, LEN);
		struct rte_mbuf *last = rte_pktmbuf_lastseg(m);
		memset(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), 0xee,
			rte_pktmbuf_tailroom(last));
		assert_true(fer_segment_append_zeros(m, len, pool));
		test_assert_bytes(m, want, LEN + len);
		empty_pool();
		assert_false(fer_segment_append_zeros(m, ROOM + 1, pool));
		test_assert_bytes(m, want, LEN + len);
		refill_pool();
		rte_pktmbuf_free(m);
	}
}

static void are_zeros_put_behind(void **state)
{
	(void)state;
	for_all_cuts(check_append_zeros);
}

static void check_trim(uint32_t a, uint32_t b)
{
	for (uint32_t len = 0; len <= LEN + 1; len++) {
		struct rte_mbuf *m = cut2(a, b);

		fer_segment_trim(m, len);
		test_assert_bytes(m, bytes, RTE_MIN(len, LEN));
		for (const struct rte_mbuf *s = m->next; s != NULL; s = s->next)
			assert_int_not_equal(s->data_len, 0);
		rte_pktmbuf_free(m);
	}
}

static void is_a_packet_cut_where_asked(void **state)
{
	(void)state;
	for_all_cuts(check_trim);
}

// The words, and what else belongs to the packet, go along when another segment becomes the first.
static void do_the_words_stay_with_the_packet(void **state)
{
	struct rte_mbuf *m = without_tailroom(cut2(3, 9)), *first = m;

	(void)state;
	fer_oob_of(m)->tunnel = 0x123456789abcdef0;
	fer_oob_of(m)->header = 0x11223344;
	m->port = 7;
	m->vlan_tci = 99;
	assert_true(fer_segment_pull(&m, 20, pool));
	assert_ptr_not_equal(m, first);
	first = m;
	assert_true(fer_segment_grow_front(&m, ROOM - 20, 20, pool));
	assert_ptr_equal(m, first);
	without_headroom(m);
	assert_true(fer_segment_grow_front(&m, 1, 1, pool));
	assert_ptr_not_equal(m, first);
	assert_int_equal(fer_oob_of(m)->tunnel, 0x123456789abcdef0);
	assert_int_equal(fer_oob_of(m)->header, 0x11223344);
	assert_int_equal(m->port, 7);
	assert_int_equal(m->vlan_tci, 99);
	rte_pktmbuf_free(m);
}

static int open_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	n_used = rte_mempool_in_use_count(pool);
	return 0;
}

static int close_one(void **state)
{
	(void)state;
	return rte_mempool_in_use_count(pool) == n_used ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_every_range_read),
		TEST(is_every_range_written),
		TEST(are_offsets_that_wrap_refused),
		TEST(is_the_front_made_whole),
		TEST(is_the_front_made_whole_without_tailroom),
		TEST(is_there_always_room_in_front),
		TEST(is_there_always_room_behind),
		TEST(is_more_than_a_segment_refused),
		TEST(does_an_empty_pool_change_nothing),
		TEST(is_a_packet_made_of_bytes),
		TEST(are_zeros_put_behind),
		TEST(is_a_packet_cut_where_asked),
		TEST(do_the_words_stay_with_the_packet),
	};

	fer_test_eal_init("64");
	if (fer_oob_register() != 0)
		return 1;
	pool = test_pool("segment", N_SEGMENTS, RTE_PKTMBUF_HEADROOM + ROOM);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
