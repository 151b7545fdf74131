// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the command lines of all verbs share.  Whatever refuses prints one line on standard error
// and returns FER_BENCH_EXIT_USAGE.

#include "crypto/algo.h"
#include "proto/ipsec.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#define FER_BENCH_EXIT_USAGE 2
#define FER_BENCH_MAX_ITEMS 64
#define FER_BENCH_NAME_BYTES 64

struct fer_bench_algorithm {
	char name[FER_BENCH_NAME_BYTES]; // as it was given: "aes-gcm-128", "ENCRYPTION+INTEGRITY",
					 // "ah:INTEGRITY"
	const struct fer_algo *encryption; // NULL: AH
	const struct fer_algo *integrity;  // NULL with AEAD
};

// NULL, or why there is no such suite.
const char *fer_bench_suite(const struct fer_bench_algorithm *a, struct fer_suite *suite);

struct fer_bench_algorithms {
	unsigned n;
	struct fer_bench_algorithm value[FER_BENCH_MAX_ITEMS];
};

struct fer_bench_numbers {
	unsigned n;
	uint32_t value[FER_BENCH_MAX_ITEMS];
};

uint32_t fer_bench_largest(const struct fer_bench_numbers *numbers);

__attribute__((format(printf, 1, 2))) int fer_bench_refuse(const char *format, ...);

// Takes all options of a verb, each by take(), which finds its value in optarg; "h" prints usage
// and help instead, and sets *done.  Arguments that are no options there are none.
__attribute__((warn_unused_result)) int fer_bench_parse_options(int argc, char **argv,
	const struct option options[], const char *usage, const char *help,
	int (*take)(int option, void *into), void *into, bool *done);

// Takes the next item off a list.  False behind the last; an item that is too long comes cut.
bool fer_bench_next_item(const char **list, char item[FER_BENCH_NAME_BYTES]);

// option is the name of it, for the line that refuses.
__attribute__((warn_unused_result)) int fer_bench_parse_number(
	const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *number);
__attribute__((warn_unused_result)) int fer_bench_parse_numbers(const char *option,
	const char *list, uint32_t min, uint32_t max, struct fer_bench_numbers *numbers);

__attribute__((warn_unused_result)) int fer_bench_parse_direction(
	const char *text, enum fer_direction *direction);
const char *fer_bench_direction_name(enum fer_direction direction);

// Numbers, and the word imix, which becomes FER_BENCH_IMIX.
#define FER_BENCH_IMIX 0
__attribute__((warn_unused_result)) int fer_bench_parse_sizes(
	const char *list, uint32_t min, uint32_t max, struct fer_bench_numbers *numbers);
__attribute__((warn_unused_result)) int fer_bench_parse_algorithms(
	const char *list, struct fer_bench_algorithms *algorithms);
__attribute__((warn_unused_result)) int fer_bench_parse_seconds(const char *text, double *seconds);
