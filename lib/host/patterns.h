// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Finds the first of many rules that a key meets, where these look at few sets of its bits: as most
// policies do, whose prefixes have a few lengths, with or without a protocol and a port.
//
// One table has them all, in 9 bytes each, and is asked once for each set, until what was found
// comes before all that is left.  Immutable once built; any number of threads may look up.  Places
// are chosen by a hash with a secret key, so nobody who sends packets knows which meet.

#include <stdbool.h>
#include <stdint.h>

#define FER_PATTERN_WORDS 5 // of a key
#define FER_PATTERN_SETS 8  // at most
#define FER_NO_PATTERN UINT32_MAX

struct fer_pattern {
	uint64_t mask[FER_PATTERN_WORDS];  // what a rule looks at
	uint64_t value[FER_PATTERN_WORDS]; // and wants to be there; 0 elsewhere
};

enum fer_pattern_kind {
	FER_PATTERN_NOT_IN, // such a rule is none of the table
	FER_PATTERN_OTHER,  // it is, but no pattern says what it wants
	FER_PATTERN_IS,
};

// The rules, numbered from 0; to be there as long as the table is.
struct fer_pattern_rules {
	const void *of; // for both functions
	uint32_t n;     // below FER_NO_PATTERN
	enum fer_pattern_kind (*pattern)(const void *of, uint32_t rule, struct fer_pattern *to);
	bool (*goes_before)(const void *of, uint32_t rule, uint32_t other);
};

struct fer_patterns;

// Returns NULL with *error -ENOMEM, or -E2BIG: there are too many sets, or a rule is no pattern.
__attribute__((warn_unused_result)) struct fer_patterns *fer_patterns_build(
	const struct fer_pattern_rules *rules, int *error);

void fer_patterns_destroy(struct fer_patterns *t);

// The rule that goes before all others that the key meets, or FER_NO_PATTERN.
uint32_t fer_patterns_find(const struct fer_patterns *t, const uint64_t key[FER_PATTERN_WORDS]);
