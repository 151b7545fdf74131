// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Rows as a table for people, one line at a time, or as one JSON object at the end.

#include "compare.h"
#include "load.h"
#include "measure.h"
#include "options.h"

#include <stdio.h>

struct fer_bench_report;

struct fer_bench_report_params {
	const struct fer_bench_options *options;
	bool json;                         // else a table, on standard output
	const char *html;                  // file to write as well; NULL: none
	struct fer_bench_compare *compare; // rows of before; NULL: none
	const char *isa;                   // what the crypto engine uses on this machine
};

// NULL without memory.
__attribute__((warn_unused_result)) struct fer_bench_report *fer_bench_report_open(
	const struct fer_bench_report_params *params);

void fer_bench_report_row(struct fer_bench_report *r, const struct fer_bench_load *load,
	const struct fer_bench_row *row);

// Frees it, and first writes what is left if it is complete.  False with a line in error when
// something could not be written.
__attribute__((warn_unused_result)) bool fer_bench_report_finish(
	struct fer_bench_report *r, bool is_complete, char error[FER_BENCH_ERROR_BYTES]);
