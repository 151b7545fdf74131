// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What became of the packets of a phase, for people and for programs: the same in all verbs that
// let packets come.

#include "traffic.h"

struct json_object;

// A part of a line; the caller ends it.
void fer_bench_phase_print_heading(void);
void fer_bench_phase_print(const struct fer_bench_traffic *t, const struct fer_bench_phase *p);

// Adds members to o.
void fer_bench_phase_add(
	struct json_object *o, const struct fer_bench_traffic *t, const struct fer_bench_phase *p);
