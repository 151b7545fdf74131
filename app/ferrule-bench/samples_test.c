// SPDX-License-Identifier: BSD-3-Clause
// Which repeats count, and what do they come to?
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N 10

// Crypto of ten repeats in order of time, and which of them count: their own probe and the one
// before are within a quarter of the median.
static const struct {
	const char *name;
	uint32_t crypto[N];
	const char *kept; // by number
} cases[] = {
	{"all alike", {100, 101, 99, 100, 100, 100, 100, 100, 100, 100}, "0123456789"},
	{"a quarter is no disturbance", {100, 125, 100, 80, 100, 100, 100, 100, 100, 100},
		"0123456789"},
	{"a slow one, and the one behind it", {100, 100, 126, 100, 100, 100, 100, 100, 100, 100},
		"01456789"},
	{"a fast one as well", {100, 100, 100, 100, 79, 100, 100, 100, 100, 100}, "01236789"},
	{"the first has none before it", {100, 100, 100, 100, 100, 100, 100, 100, 100, 300},
		"012345678"},
	{"a slow phase", {100, 100, 200, 210, 190, 100, 100, 100, 100, 100}, "016789"},
	{"the first is slow", {300, 100, 100, 100, 100, 100, 100, 100, 100, 100}, "23456789"},
};

static void counts_what_nothing_disturbed(void **state)
{
	(void)state;
	for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct fer_bench_sample sample[N];
		char kept[N + 1] = "";

		for (unsigned i = 0; i < N; i++)
			sample[i] =
				(struct fer_bench_sample){.crypto = cases[c].crypto[i], .path = i};
		unsigned n = fer_bench_keep_undisturbed(sample, N);
		for (unsigned i = 0; i < n; i++)
			kept[i] = (char)('0' + sample[i].path);
		assert_string_equal(kept, cases[c].kept);
	}
}

// However slow the path was: dropping that would hide what is slow.
static void path_is_no_reason(void **state)
{
	struct fer_bench_sample sample[N];

	(void)state;
	for (unsigned i = 0; i < N; i++)
		sample[i] = (struct fer_bench_sample){.crypto = 100, .path = i == 3 ? 9000 : 200};
	assert_int_equal(fer_bench_keep_undisturbed(sample, N), N);
}

static void nothing_is_nothing(void **state)
{
	struct fer_bench_sample sample[1] = {0};
	struct fer_bench_result result;

	(void)state;
	assert_int_equal(fer_bench_keep_undisturbed(sample, 0), 0);
	assert_false(fer_bench_summarize(sample, 0, 256, &result));
}

// Path and stages come from repeats of their own; crypto from those of the path.
static void sums_up_per_packet(void **state)
{
	struct fer_bench_sample sample[N + 1];
	struct fer_bench_result result = {.dropped = 7};

	(void)state;
	for (unsigned i = 0; i < N; i++)
		sample[i] = (struct fer_bench_sample){.crypto = 1000, .path = 2000 + 100 * i};
	assert_false(fer_bench_summarize(sample, N, 10, &result)); // no stages
	sample[N] = (struct fer_bench_sample){.crypto = 5000, .by_stage = true, .stage = {30, 40}};
	assert_true(fer_bench_summarize(sample, N + 1, 10, &result));
	assert_int_equal(result.repeats, N);
	assert_int_equal(result.dropped, 7);
	assert_int_equal(10 * result.crypto, 1000);
	assert_int_equal(10 * result.p10, 2100);
	assert_int_equal(10 * result.median, 2500);
	assert_int_equal(10 * result.p90, 2800);
	assert_int_equal(10 * result.stage[0], 30);
	assert_int_equal(10 * result.stage[1], 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_what_nothing_disturbed),
		cmocka_unit_test(path_is_no_reason),
		cmocka_unit_test(nothing_is_nothing),
		cmocka_unit_test(sums_up_per_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
