// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Rows as a table for people, one line at a time, or as one JSON object at the end.

#include "load.h"
#include "measure.h"

#include <stdio.h>

struct fer_bench_report;

// isa: what the crypto engine uses on this machine.  NULL without memory.
__attribute__((warn_unused_result)) struct fer_bench_report *fer_bench_report_open(
	FILE *to, bool json, const char *isa);

void fer_bench_report_row(struct fer_bench_report *r, const struct fer_bench_load *load,
	const struct fer_bench_row *row);

// Writes what is left and frees it.  False when something could not be written.
__attribute__((warn_unused_result)) bool fer_bench_report_finish(struct fer_bench_report *r);
