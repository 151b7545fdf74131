// SPDX-License-Identifier: BSD-3-Clause
#include "host/patterns.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 3000

struct rule {
	enum fer_pattern_kind kind;
	uint32_t priority;
	struct fer_pattern pattern;
};

static struct rule rules[N];
static uint64_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % n);
}

static enum fer_pattern_kind pattern(const void *of, uint32_t rule, struct fer_pattern *to)
{
	const struct rule *r = (const struct rule *)of + rule;

	*to = r->pattern;
	return r->kind;
}

static bool goes_before(const void *of, uint32_t rule, uint32_t other)
{
	const struct rule *r = of;

	return r[rule].priority != r[other].priority ? r[rule].priority < r[other].priority
						     : rule < other;
}

static struct fer_patterns *build(uint32_t n, int *error)
{
	const struct fer_pattern_rules all = {rules, n, pattern, goes_before};

	return fer_patterns_build(&all, error);
}

static struct fer_patterns *build_well(uint32_t n)
{
	int error = 1;
	struct fer_patterns *t = build(n, &error);

	assert_non_null(t);
	assert_int_equal(error, 0);
	return t;
}

// From so few values that keys meet rules.
static void random_words(uint64_t word[FER_PATTERN_WORDS])
{
	for (unsigned w = 0; w < FER_PATTERN_WORDS; w++)
		word[w] = (uint64_t)random_below(3) << 60 | random_below(4);
}

static void make_rules(unsigned n_sets)
{
	uint64_t mask[FER_PATTERN_SETS + 1][FER_PATTERN_WORDS] = {{0}};

	for (unsigned s = 0; s < n_sets; s++) {
		for (unsigned w = 0; w < FER_PATTERN_WORDS; w++)
			mask[s][w] = random_below(2) == 0 ? UINT64_MAX : 0;
		mask[s][0] = s; // no two are the same
	}
	for (uint32_t i = 0; i < N; i++) {
		struct rule *r = &rules[i];

		*r = (struct rule){FER_PATTERN_IS, random_below(5), {{0}, {0}}};
		memcpy(r->pattern.mask, mask[i % n_sets], sizeof(r->pattern.mask));
		random_words(r->pattern.value);
		for (unsigned w = 0; w < FER_PATTERN_WORDS; w++)
			r->pattern.value[w] &= r->pattern.mask[w];
	}
}

static bool meets(const struct rule *r, const uint64_t key[FER_PATTERN_WORDS])
{
	bool all = r->kind == FER_PATTERN_IS;

	for (unsigned w = 0; w < FER_PATTERN_WORDS; w++)
		all &= (key[w] & r->pattern.mask[w]) == r->pattern.value[w];
	return all;
}

static uint32_t walk(uint32_t n, const uint64_t key[FER_PATTERN_WORDS])
{
	uint32_t best = FER_NO_PATTERN;

	for (uint32_t i = 0; i < n; i++)
		if (meets(&rules[i], key) &&
			(best == FER_NO_PATTERN || goes_before(rules, i, best)))
			best = i;
	return best;
}

static void does_it_find_what_a_walk_finds(void **state)
{
	unsigned n_found = 0;

	(void)state;
	for (unsigned k = 0; k < 80; k++) {
		const uint32_t n = random_below(4) == 0 ? random_below(20) : random_below(N + 1);

		make_rules(1 + k % FER_PATTERN_SETS);
		for (uint32_t i = 0; i < n; i += 7)
			rules[i].kind = FER_PATTERN_NOT_IN;
		struct fer_patterns *t = build_well(n);
		for (unsigned i = 0; i < 300; i++) {
			uint64_t key[FER_PATTERN_WORDS];

			random_words(key);
			const uint32_t rule = walk(n, key);
			assert_int_equal(fer_patterns_find(t, key), rule);
			n_found += rule != FER_NO_PATTERN;
		}
		fer_patterns_destroy(t);
	}
	assert_true(n_found > 80 * 300 / 10);
}

// Of rules that want the same, wherever they stand, the earliest is found.
static void is_the_first_of_equals_found(void **state)
{
	const uint64_t key[FER_PATTERN_WORDS] = {0};

	(void)state;
	memset(rules, 0, sizeof(rules));
	for (uint32_t i = 0; i < N; i++)
		rules[i].kind = FER_PATTERN_IS, rules[i].priority = 7;
	rules[N / 2].priority = rules[N / 2 + 1].priority = 6;
	struct fer_patterns *t = build_well(N);
	assert_int_equal(fer_patterns_find(t, key), N / 2);
	fer_patterns_destroy(t);
}

// As many rules as lines are made for, each of which wants something else.
static void is_every_rule_found(void **state)
{
	(void)state;
	memset(rules, 0, sizeof(rules));
	for (uint32_t i = 0; i < N; i++) {
		rules[i].kind = FER_PATTERN_IS;
		rules[i].pattern.mask[3] = UINT64_MAX;
		rules[i].pattern.value[3] = i + 1;
	}
	for (uint32_t n = 0; n <= N; n += n < 30 ? 1 : 297) {
		struct fer_patterns *t = build_well(n);

		for (uint32_t i = 0; i <= n; i++) {
			const uint64_t key[FER_PATTERN_WORDS] = {1, 2, 3, i + 1, 5};

			assert_int_equal(fer_patterns_find(t, key), i < n ? i : FER_NO_PATTERN);
		}
		fer_patterns_destroy(t);
	}
}

static void is_what_it_cannot_hold_refused(void **state)
{
	int error = 0;

	(void)state;
	make_rules(FER_PATTERN_SETS + 1);
	assert_null(build(N, &error));
	assert_int_equal(error, -E2BIG);
	fer_patterns_destroy(build_well(FER_PATTERN_SETS));
	make_rules(1);
	rules[N - 1].kind = FER_PATTERN_OTHER;
	error = 0;
	assert_null(build(N, &error));
	assert_int_equal(error, -E2BIG);
	fer_patterns_destroy(build_well(N - 1));
	fer_patterns_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_it_find_what_a_walk_finds),
		cmocka_unit_test(is_the_first_of_equals_found),
		cmocka_unit_test(is_every_rule_found),
		cmocka_unit_test(is_what_it_cannot_hold_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
