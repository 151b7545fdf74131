// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Rows of the verb path against those of a report that an earlier run wrote.  What the machine
// gives differs from hour to hour: so what counts is ticks in relation to bare crypto, then and
// now.

#include <stdbool.h>
#include <stdint.h>

struct json_object;
struct fer_bench_compare;

// More than this in either direction is no accident.
#define FER_BENCH_TOLERANCE 0.03

struct fer_bench_ratio {
	double ticks;     // now to then
	double adjusted;  // the same, divided by that of bare crypto
	const char *flag; // "slower", "faster", "same"
};

struct fer_bench_compare_sums {
	uint32_t compared, slower, faster, missing;
};

// NULL, with a line of 256 bytes in error that says what the file holds: it must have a row that
// can be compared.
__attribute__((warn_unused_result)) struct fer_bench_compare *fer_bench_compare_open(
	const char *path, char error[256]);

void fer_bench_compare_close(struct fer_bench_compare *c);

// False, with their names in a line, when members of this machine are others than those of before.
__attribute__((warn_unused_result)) bool fer_bench_compare_machine(
	const struct fer_bench_compare *c, struct json_object *machine, char differs[64]);

// Finds the row of before with the same inputs, counts it, and adds what comes of it to the row
// itself as "compare".  False: there is none.
__attribute__((warn_unused_result)) bool fer_bench_compare_row(
	struct fer_bench_compare *c, struct json_object *row, struct fer_bench_ratio *ratio);

struct fer_bench_compare_sums fer_bench_compare_sums(const struct fer_bench_compare *c);
