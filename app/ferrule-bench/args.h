// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the command lines of all verbs share.  Whatever refuses prints one line on standard error
// and returns FER_BENCH_EXIT_USAGE.

#include "crypto/algo.h"
#include "proto/ipsec.h"

#include <stdbool.h>
#include <stddef.h>
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

struct fer_bench_option;

// Reads what an option was given into what it sets.
typedef int fer_bench_reader(const struct fer_bench_option *o, const char *text, void *to);

// An option of a verb: which member of the verb's options it sets, and how.  "json" is --json.
struct fer_bench_option {
	const char *name;
	fer_bench_reader *read;
	size_t to;         // offset of what is set, in the verb's options
	uint32_t min, max; // of numbers
};

// Takes all options of a verb, the n of its table and --help, which prints usage and help instead
// and sets *done.  Arguments that are no options there are none.
//   into  the verb's options
__attribute__((warn_unused_result)) int fer_bench_parse_options(int argc, char **argv,
	const struct fer_bench_option options[], unsigned n, const char *usage, const char *help,
	void *into, bool *done);

// They set: bool (an option without a value), const char *, uint32_t; struct fer_bench_numbers, the
// same with FER_BENCH_IMIX for imix, enum fer_direction; struct fer_bench_algorithms, double.
fer_bench_reader fer_bench_read_flag, fer_bench_read_text, fer_bench_read_number,
	fer_bench_read_numbers, fer_bench_read_sizes, fer_bench_read_direction,
	fer_bench_read_algorithms, fer_bench_read_seconds;

// Reads a list with commas, item by item: up to FER_BENCH_MAX_ITEMS values of so many bytes each.
__attribute__((warn_unused_result)) int fer_bench_read_list(const struct fer_bench_option *o,
	const char *text, unsigned *n, void *values, size_t value_bytes, fer_bench_reader *read);

// Sets an unsigned, or an enum, to the place of text among n names.
__attribute__((warn_unused_result)) int fer_bench_read_name(const struct fer_bench_option *o,
	const char *text, const char *const names[], unsigned n, void *value);

// Sets whether text is the second of two names.
__attribute__((warn_unused_result)) int fer_bench_read_either(const struct fer_bench_option *o,
	const char *text, const char *const names[2], bool *is_second);

const char *fer_bench_direction_name(enum fer_direction direction);

#define FER_BENCH_IMIX 0 // what the word imix becomes among sizes

// The algorithms of a list, for a default.
__attribute__((warn_unused_result)) int fer_bench_parse_algorithms(
	const char *list, struct fer_bench_algorithms *algorithms);
