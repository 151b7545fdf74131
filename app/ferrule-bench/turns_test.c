// SPDX-License-Identifier: BSD-3-Clause
// Is it said rightly whether one kind of turns loses more than another?
#include "turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define MANY 1000 // as many as the verb takes
#define MOST 8    // things that take turns

static void what_chance_makes_of_it(void **state)
{
	static const struct {
		uint32_t n_more, n_fewer, n_alike;
		double p;
	} rows[] = {
		{0, 0, 0, 1},
		{0, 0, 9, 1},
		{1, 0, 3, 0.5},
		{5, 0, 3, 0.03125},
		{0, 5, 0, 1},
		{3, 1, 0, 0.3125}, // 5 of 16
		{2, 2, 0, 0.6875}, // 11 of 16
		{500, 500, 0, 0.512613},
		{530, 470, 0, 0.031012},
		{1000, 0, 0, 0},
	};
	static struct fer_bench_turn turns[MANY + 9], beside[MANY + 9];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint32_t n = rows[i].n_more + rows[i].n_fewer + rows[i].n_alike;

		for (uint32_t k = 0; k < n; k++) {
			turns[k] = beside[k] = (struct fer_bench_turn){1000, 1};
			if (k < rows[i].n_more)
				turns[k].lost++;
			else if (k < rows[i].n_more + rows[i].n_fewer)
				beside[k].lost++;
		}
		const struct fer_bench_turns_difference d =
			fer_bench_turns_compare(turns, beside, n);

		assert_int_equal(d.n_lossy, n);
		assert_int_equal(d.n_more, rows[i].n_more);
		assert_int_equal(d.n_fewer, rows[i].n_fewer);
		assert_true(d.p <= 1 && d.p > rows[i].p - 1e-6 && d.p < rows[i].p + 1e-6);
	}
}

// The part counts, not the number: turns do not last equally long.
static void parts_are_compared(void **state)
{
	static const struct {
		struct fer_bench_turn turn, beside;
		uint32_t n_lossy, n_more, n_fewer;
	} rows[] = {
		{{0, 0}, {0, 0}, 0, 0, 0},
		{{10, 0}, {20, 0}, 0, 0, 0},
		{{10, 1}, {20, 2}, 1, 0, 0},
		{{10, 2}, {20, 3}, 1, 1, 0},
		{{20, 3}, {10, 2}, 1, 0, 1},
		{{10, 0}, {10, 1}, 0, 0, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct fer_bench_turns_difference d =
			fer_bench_turns_compare(&rows[i].turn, &rows[i].beside, 1);

		assert_int_equal(d.n_lossy, rows[i].n_lossy);
		assert_int_equal(d.n_more, rows[i].n_more);
		assert_int_equal(d.n_fewer, rows[i].n_fewer);
	}
}

static void each_follows_each_other_once(void **state)
{
	(void)state;
	for (unsigned n = 2; n <= MOST; n += 2) {
		unsigned n_first[MOST] = {0}, n_after[MOST][MOST] = {{0}}, n_in[MOST][MOST] = {{0}};

		for (unsigned turn = 0; turn < n; turn++) {
			n_first[fer_bench_turns_thing(turn, 0, n)]++;
			for (unsigned i = 0; i < n; i++) {
				const unsigned thing = fer_bench_turns_thing(turn, i, n);

				assert_true(thing < n);
				n_in[turn][thing]++;
				if (i > 0)
					n_after[fer_bench_turns_thing(turn, i - 1, n)][thing]++;
			}
		}
		for (unsigned a = 0; a < n; a++) {
			assert_int_equal(n_first[a], 1);
			for (unsigned b = 0; b < n; b++) {
				assert_int_equal(n_in[a][b], 1);
				assert_int_equal(n_after[a][b], a != b);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_chance_makes_of_it),
		cmocka_unit_test(parts_are_compared),
		cmocka_unit_test(each_follows_each_other_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
