// SPDX-License-Identifier: BSD-3-Clause
// Is every number given once, none after the last legal one, and is every packet counted that got
// one and went?
#include "sa/seq.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct edge {
	unsigned number;
	bool esn;
	uint64_t last;
	uint32_t want;
	uint32_t given;
};

// RFC 4303 section 3.3.3.
static void numbers_end_at_the_limit(void **state)
{
	static const struct edge rows[] = {
		{1, false, 0, 1, 1},
		{2, false, 0, 256, 256},
		{3, false, 0, 0, 0},
		{4, false, UINT32_MAX - 1, 1, 1},
		{5, false, UINT32_MAX - 1, 2, 1},
		{6, false, UINT32_MAX, 1, 0},
		{7, false, UINT32_MAX - 32, 32, 32},
		{8, false, UINT32_MAX - 32, 33, 32},
		{9, false, UINT32_MAX - 32, UINT32_MAX, 32},
		{10, false, 0, UINT32_MAX, UINT32_MAX},
		{11, false, 1, UINT32_MAX, UINT32_MAX - 1},
		{12, false, UINT32_MAX - (1 << 20) - 1, 1 << 21, (1 << 20) + 1},
		{13, false, UINT32_MAX - (1 << 20) + 1, 1 << 21, (1 << 20) - 1},
		{14, true, UINT32_MAX, 2, 2},
		{15, true, UINT64_MAX - 1, 1, 1},
		{16, true, UINT64_MAX - 1, 256, 1},
		{17, true, UINT64_MAX, 1, 0},
		{18, true, UINT64_MAX - (UINT64_C(1) << 52) - 1, 256, 256},
		{19, true, UINT64_MAX - 10, UINT32_MAX, 10},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		const struct edge *r = &rows[i];
		struct fer_seq s;
		uint64_t first = 0;

		fer_seq_init(&s, r->last, r->esn);
		uint32_t given = fer_seq_take(&s, r->want, 0, &first);
		if (given != r->given || (given != 0 && first != r->last + 1))
			fail_msg("row %u: %u from %llu", r->number, given,
				(unsigned long long)first);
		if (given < r->want)
			assert_int_equal(fer_seq_take(&s, 1, 0, &first), 0);
	}
}

// Where numbers are not low yet, both ways to take them give the same ones; else the short one
// takes nothing.
static void the_short_way_gives_what_is_plenty(void **state)
{
	const uint64_t low = UINT32_MAX - (UINT32_MAX >> 4);
	const uint64_t low_esn = UINT64_MAX - (UINT64_MAX >> 4);
	const struct {
		unsigned number;
		bool esn;
		uint64_t last;
		uint32_t want;
		bool given;
	} rows[] = {
		{1, false, 0, 1, true},
		{2, false, low - 32, 32, true},
		{3, false, low - 31, 32, false},
		{4, false, low, 1, false},
		{5, false, 0, UINT32_MAX, false},
		{6, false, UINT32_MAX, 1, false},
		{7, false, UINT32_MAX + UINT64_C(77), 1, false},
		{8, true, UINT32_MAX, 32, true},
		{9, true, low_esn - 32, 32, true},
		{10, true, low_esn - 31, 32, false},
		{11, true, UINT64_MAX - 1, 32, false},
		{12, true, UINT64_MAX, 1, false},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		struct fer_seq s;

		fer_seq_init(&s, rows[i].last, rows[i].esn);
		uint64_t first = fer_seq_take_plenty(&s, rows[i].want, 100);
		if (first != (rows[i].given ? rows[i].last + 1 : 0))
			fail_msg("row %u: %llu", rows[i].number, (unsigned long long)first);
		if (atomic_load(&s.taken.word[FER_SEQ_LAST]) !=
				rows[i].last + (rows[i].given ? rows[i].want : 0) ||
			fer_seq_bytes(&s) != (rows[i].given ? 100 : 0))
			fail_msg("row %u: the counters", rows[i].number);
	}
}

// That of an association whose numbers a host of its own gives may say more than there are.
static void a_counter_behind_its_end_gives_nothing(void **state)
{
	struct fer_seq s;
	uint64_t first = 0;

	(void)state;
	fer_seq_init(&s, UINT32_MAX + UINT64_C(77), false);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fer_seq_take(&s, 32, 3200, &first), 0);
	assert_int_equal(fer_seq_last(&s), UINT32_MAX);
	assert_int_equal(fer_seq_packets(&s), 0);
	assert_int_equal(fer_seq_bytes(&s), 0);
}

static void assert_counts(const struct fer_seq *s, uint64_t last, uint64_t packets, uint64_t bytes)
{
	assert_true(fer_seq_last(s) == last);
	assert_true(fer_seq_packets(s) == packets);
	assert_true(fer_seq_bytes(s) == bytes);
}

// Neither what was given before, nor what was left out, nor what came back, is a packet.
static void packets_are_numbers_that_went(void **state)
{
	const uint64_t start = UINT32_MAX - UINT64_C(100);
	struct fer_seq s;
	uint64_t first = 0;

	(void)state;
	fer_seq_init(&s, start, false);
	assert_counts(&s, start, 0, 0);
	assert_int_equal(fer_seq_take(&s, 8, 800, &first), 8);
	assert_counts(&s, start + 8, 8, 800);
	fer_seq_give_back(&s, 100);
	assert_counts(&s, start + 8, 7, 700);
	assert_true(fer_seq_leave_out(&s, start + 8) == start + 8);
	assert_true(fer_seq_leave_out(&s, start + 3) == start + 8);
	assert_counts(&s, start + 8, 7, 700);
	assert_true(fer_seq_leave_out(&s, start + 58) == start + 8);
	assert_counts(&s, start + 58, 7, 700);
	assert_int_equal(fer_seq_take(&s, 42, 42, &first), 42);
	assert_true(first == start + 59);
	assert_counts(&s, UINT32_MAX, 49, 742);
	assert_int_equal(fer_seq_take(&s, 1, 1, &first), 0);
	assert_counts(&s, UINT32_MAX, 49, 742);

	fer_seq_init(&s, start, false);
	assert_int_equal(fer_seq_take(&s, 101, 1, &first), 100);
	assert_counts(&s, UINT32_MAX, 100, 0);
	fer_seq_count_bytes(&s, 100);
	assert_counts(&s, UINT32_MAX, 100, 100);
}

// RFC 4303 section 2.2.1: the high half of a number given at most 2^32 numbers ago.
static void high_half_of_a_number_given(void **state)
{
	const uint64_t two_32 = UINT64_C(1) << 32;
	struct fer_seq s;

	(void)state;
	fer_seq_init(&s, 3 * two_32 + 5, true);
	assert_int_equal(fer_seq_high_before(fer_seq_last(&s), 5), 3);
	assert_int_equal(fer_seq_high_before(fer_seq_last(&s), 0), 3);
	assert_int_equal(fer_seq_high_before(fer_seq_last(&s), UINT32_MAX), 2);
	assert_int_equal(fer_seq_high_before(fer_seq_last(&s), 6), 2);
	atomic_store(&s.taken.word[FER_SEQ_LAST], 3 * two_32 - 1);
	assert_int_equal(fer_seq_high_before(fer_seq_last(&s), UINT32_MAX), 2);
	assert_int_equal(fer_seq_high_before(fer_seq_last(&s), 0), 2);
	atomic_store(&s.taken.word[FER_SEQ_LAST], 3 * two_32);
	assert_int_equal(fer_seq_high_before(fer_seq_last(&s), 0), 3);
	assert_int_equal(fer_seq_high_before(fer_seq_last(&s), UINT32_MAX), 2);
	atomic_store(&s.taken.word[FER_SEQ_LAST], UINT64_MAX);
	assert_int_equal(fer_seq_high_before(fer_seq_last(&s), UINT32_MAX), UINT32_MAX);
}

static void high_half_of_a_run_across_the_boundary(void **state)
{
	const uint64_t two_32 = UINT64_C(1) << 32;
	struct fer_seq s;
	uint64_t first = 0;

	(void)state;
	fer_seq_init(&s, 9 * two_32 - 11, true);
	assert_int_equal(fer_seq_take(&s, 20, 0, &first), 20);
	for (uint64_t seq = first; seq < first + 20; seq++)
		assert_int_equal(fer_seq_high_before(fer_seq_last(&s), (uint32_t)seq), seq >> 32);
}

// --- two threads near the end

#define LEFT 1200000
#define N_THREADS 2
#define BYTES 100 // of a packet

struct taker {
	struct fer_seq *s;
	uint64_t start;
	uint8_t *given; // shared: one byte a number
	unsigned seed;
	uint64_t n, n_back;
	bool is_wrong;
};

// Up to 40; what is left is counted, and of each seventh group one is given back.
static uint32_t take_some(struct taker *t, uint64_t *first)
{
	uint32_t want = 1 + (uint32_t)rand_r(&t->seed) % 40;
	uint32_t n = fer_seq_take(t->s, want, (uint64_t)want * BYTES, first);

	if (n < want)
		fer_seq_count_bytes(t->s, (uint64_t)n * BYTES);
	if (n != 0 && want % 7 == 0) {
		fer_seq_give_back(t->s, BYTES);
		t->n_back++;
	}
	t->n += n;
	return n;
}

static void *take_until_the_end(void *arg)
{
	struct taker *t = arg;
	unsigned n_empty = 0;

	while (n_empty < 3) {
		uint64_t first = 0;
		uint32_t n = take_some(t, &first);

		n_empty += n == 0;
		for (uint32_t i = 0; i < n; i++) {
			uint64_t at = first + i - t->start - 1;
			uint8_t *given = &t->given[at % LEFT];

			t->is_wrong |= at >= LEFT || __atomic_fetch_add(given, 1, __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

static void race_to_the_end(bool esn, uint64_t limit)
{
	struct fer_seq s;
	struct taker takers[N_THREADS];
	pthread_t threads[N_THREADS];
	uint8_t *given = calloc(LEFT, 1);
	uint64_t n = 0, n_back = 0;

	assert_non_null(given);
	fer_seq_init(&s, limit - LEFT, esn);
	for (unsigned i = 0; i < N_THREADS; i++) {
		takers[i] =
			(struct taker){.s = &s, .start = limit - LEFT, .given = given, .seed = i};
		assert_int_equal(
			pthread_create(&threads[i], NULL, take_until_the_end, &takers[i]), 0);
	}
	for (unsigned i = 0; i < N_THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_false(takers[i].is_wrong);
		n += takers[i].n;
		n_back += takers[i].n_back;
	}
	assert_int_equal(n, LEFT);
	assert_null(memchr(given, 0, LEFT));
	assert_true(n_back > 0);
	assert_counts(&s, limit, LEFT - n_back, (LEFT - n_back) * BYTES);
	free(given);
}

static void two_threads_share_the_last_numbers(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		race_to_the_end(false, UINT32_MAX);
		race_to_the_end(true, UINT64_MAX);
	}
}

// --- two threads, and one that leaves numbers out meanwhile

#define GROUPS 300000

static _Atomic unsigned n_done;

static void *take_groups(void *arg)
{
	struct taker *t = arg;
	uint64_t first, end = 0;

	for (unsigned i = 0; i < GROUPS; i++) {
		uint32_t n = take_some(t, &first);

		t->is_wrong |= n == 0 || first <= end;
		end = first + n - 1;
	}
	atomic_fetch_add(&n_done, 1);
	return NULL;
}

static void numbers_left_out_meanwhile_are_no_packets(void **state)
{
	struct fer_seq s;
	struct taker takers[N_THREADS];
	pthread_t threads[N_THREADS];
	uint64_t n = 0, bytes = 0, left_out = 0;

	(void)state;
	fer_seq_init(&s, 7, true);
	for (unsigned i = 0; i < N_THREADS; i++) {
		takers[i] = (struct taker){.s = &s, .seed = i};
		assert_int_equal(pthread_create(&threads[i], NULL, take_groups, &takers[i]), 0);
	}
	while (atomic_load(&n_done) < N_THREADS) {
		uint64_t up_to = fer_seq_last(&s) + 50, last = fer_seq_leave_out(&s, up_to);

		left_out += last < up_to ? up_to - last : 0;
	}
	for (unsigned i = 0; i < N_THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_false(takers[i].is_wrong);
		n += takers[i].n;
		bytes += (takers[i].n - takers[i].n_back) * BYTES;
	}
	assert_counts(&s, 7 + n + left_out, bytes / BYTES, bytes);
}

static void low_begins_a_sixteenth_before_the_end(void **state)
{
	static const struct {
		bool esn;
		uint64_t last;
		bool is_low;
	} rows[] = {
		{false, 0, false},
		{false, (UINT64_C(1) << 32) - (UINT64_C(1) << 28), false},
		{false, (UINT64_C(1) << 32) - (UINT64_C(1) << 28) + 1, true},
		{false, UINT32_MAX, true},
		{true, UINT32_MAX, false},
		{true, 0 - (UINT64_C(1) << 60), false},
		{true, 0 - (UINT64_C(1) << 60) + 1, true},
		{true, UINT64_MAX, true},
	};
	struct fer_seq s;

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		fer_seq_init(&s, 0, rows[i].esn);
		assert_int_equal(fer_seq_is_low(&s, rows[i].last), rows[i].is_low);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_end_at_the_limit),
		cmocka_unit_test(the_short_way_gives_what_is_plenty),
		cmocka_unit_test(a_counter_behind_its_end_gives_nothing),
		cmocka_unit_test(packets_are_numbers_that_went),
		cmocka_unit_test(high_half_of_a_number_given),
		cmocka_unit_test(high_half_of_a_run_across_the_boundary),
		cmocka_unit_test(two_threads_share_the_last_numbers),
		cmocka_unit_test(numbers_left_out_meanwhile_are_no_packets),
		cmocka_unit_test(low_begins_a_sixteenth_before_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
