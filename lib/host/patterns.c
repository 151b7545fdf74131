// SPDX-License-Identifier: BSD-3-Clause
#include "host/patterns.h"

#include "base/pages.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define WORDS FER_PATTERN_WORDS
#define LINE_PLACES 8
#define LINE_RULES 7 // on average: a look-up ends at an empty place

// A half of the hash that chose no line << 32 | rule + 1; 0: empty.  Who finds no empty place in
// its line stands in the next that has one.
struct line {
	_Alignas(64) uint64_t place[LINE_PLACES];
};

// Rules that look at the same bits.
struct set {
	uint64_t mask[WORDS];
	uint32_t first; // of its rules
};

struct fer_patterns {
	struct fer_pattern_rules rules;
	uint64_t key[WORDS + 2]; // secret; the last is odd
	unsigned n_sets;
	struct set set[FER_PATTERN_SETS]; // those with earlier rules first
	uint32_t n_lines;
	struct line *lines;
};

static bool goes_before(const struct fer_patterns *t, uint32_t rule, uint32_t other)
{
	return t->rules.goes_before(t->rules.of, rule, other);
}

static size_t line_bytes(const struct fer_patterns *t)
{
	return t->n_lines * sizeof(t->lines[0]);
}

// The hash NH, folded, of a value and the set that it is of.
static uint64_t hash_of(const struct fer_patterns *t, const uint64_t value[WORDS], unsigned set)
{
	static_assert(WORDS == 5, "and the set: three products");
	const uint64_t *k = t->key;
	const unsigned __int128 sum = (unsigned __int128)(value[0] + k[0]) * (value[1] + k[1]) +
				      (unsigned __int128)(value[2] + k[2]) * (value[3] + k[3]) +
				      (unsigned __int128)(value[4] + k[4]) * (set + k[5]);

	return ((uint64_t)(sum >> 64) ^ (uint64_t)sum) * k[WORDS + 1];
}

static bool are_same(const uint64_t a[WORDS], const uint64_t b[WORDS])
{
	uint64_t differing = 0;

	for (unsigned w = 0; w < WORDS; w++)
		differing |= a[w] ^ b[w];
	return differing == 0;
}

// Is what stands in a place the rule of that set with that value?
static bool is_of(const struct fer_patterns *t, uint64_t place, unsigned set, uint64_t hash,
	const uint64_t value[WORDS])
{
	struct fer_pattern p;

	return place >> 32 == (uint32_t)hash &&
	       t->rules.pattern(t->rules.of, (uint32_t)place - 1, &p) == FER_PATTERN_IS &&
	       are_same(p.mask, t->set[set].mask) && are_same(p.value, value);
}

// Where the rule of that set with that value stands, or the empty place where it would.
static uint64_t *find_place(
	const struct fer_patterns *t, unsigned set, uint64_t hash, const uint64_t value[WORDS])
{
	uint32_t line = (uint32_t)((hash >> 32) * t->n_lines >> 32);

	for (;; line = line + 1 == t->n_lines ? 0 : line + 1)
		for (unsigned i = 0; i < LINE_PLACES; i++) {
			uint64_t *place = &t->lines[line].place[i];

			if (*place == 0 || is_of(t, *place, set, hash, value))
				return place;
		}
}

// --- building -----------------------------------------------------------------------------------

// The set with that mask, or n_sets.
static unsigned find_set(const struct fer_patterns *t, const uint64_t mask[WORDS])
{
	unsigned s = 0;

	while (s < t->n_sets && !are_same(t->set[s].mask, mask))
		s++;
	return s;
}

// Puts a rule that looks at those bits to its set.  False: there are too many.
static bool note_set(struct fer_patterns *t, const uint64_t mask[WORDS], uint32_t rule)
{
	const unsigned s = find_set(t, mask);

	if (s == FER_PATTERN_SETS)
		return false;
	if (s == t->n_sets) {
		memcpy(t->set[t->n_sets++].mask, mask, sizeof(t->set[s].mask));
		t->set[s].first = rule;
	} else if (goes_before(t, rule, t->set[s].first)) {
		t->set[s].first = rule;
	}
	return true;
}

static void sort_sets(struct fer_patterns *t)
{
	for (unsigned s = 1; s < t->n_sets; s++)
		for (unsigned i = s; i > 0 && goes_before(t, t->set[i].first, t->set[i - 1].first);
			i--) {
			const struct set one = t->set[i];

			t->set[i] = t->set[i - 1];
			t->set[i - 1] = one;
		}
}

// Finds the sets, and how many lines there must be.  False: it cannot be done.
static bool look_at_rules(struct fer_patterns *t)
{
	struct fer_pattern p;
	uint32_t n = 0;

	for (uint32_t rule = 0; rule < t->rules.n; rule++)
		switch (t->rules.pattern(t->rules.of, rule, &p)) {
		case FER_PATTERN_NOT_IN:
			break;
		case FER_PATTERN_IS:
			n++;
			if (note_set(t, p.mask, rule))
				break;
			return false;
		default:
			return false;
		}
	t->n_lines = n / LINE_RULES + 1;
	sort_sets(t);
	return true;
}

// Of rules that want the same, no packet comes to any but the first.
static void put_rules(struct fer_patterns *t)
{
	struct fer_pattern p;

	for (uint32_t rule = 0; rule < t->rules.n; rule++) {
		if (t->rules.pattern(t->rules.of, rule, &p) != FER_PATTERN_IS)
			continue;
		const unsigned set = find_set(t, p.mask);
		const uint64_t hash = hash_of(t, p.value, set);
		uint64_t *place = find_place(t, set, hash, p.value);

		if (*place == 0 || goes_before(t, rule, (uint32_t)*place - 1))
			*place = hash << 32 | (rule + 1);
	}
}

struct fer_patterns *fer_patterns_build(const struct fer_pattern_rules *rules, int *error)
{
	struct fer_patterns *t = calloc(1, sizeof(*t));

	*error = -ENOMEM;
	if (t == NULL || getrandom(t->key, sizeof(t->key), 0) != sizeof(t->key))
		goto undo;
	t->key[WORDS + 1] |= 1;
	t->rules = *rules;
	*error = -E2BIG;
	if (!look_at_rules(t))
		goto undo;
	*error = -ENOMEM;
	t->lines = fer_pages_map(line_bytes(t));
	if (t->lines == NULL)
		goto undo;
	put_rules(t);
	*error = 0;
	return t;
undo:
	free(t);
	return NULL;
}

void fer_patterns_destroy(struct fer_patterns *t)
{
	if (t == NULL)
		return;
	fer_pages_unmap(t->lines, line_bytes(t));
	free(t);
}

// --- looking up ---------------------------------------------------------------------------------

static uint32_t find_in_set(const struct fer_patterns *t, unsigned set, const uint64_t key[WORDS])
{
	uint64_t value[WORDS];

	for (unsigned w = 0; w < WORDS; w++)
		value[w] = key[w] & t->set[set].mask[w];
	return (uint32_t)*find_place(t, set, hash_of(t, value, set), value) - 1;
}

uint32_t fer_patterns_find(const struct fer_patterns *t, const uint64_t key[WORDS])
{
	static_assert(FER_NO_PATTERN == (uint32_t)(0 - 1), "what an empty place says");
	uint32_t best = FER_NO_PATTERN;

	for (unsigned s = 0; s < t->n_sets; s++) {
		if (best != FER_NO_PATTERN && goes_before(t, best, t->set[s].first))
			break;
		const uint32_t found = find_in_set(t, s, key);

		if (found != FER_NO_PATTERN &&
			(best == FER_NO_PATTERN || goes_before(t, found, best)))
			best = found;
	}
	return best;
}
