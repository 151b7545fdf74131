// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the JSON reports of all verbs share.

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_object;

void fer_bench_add_text(struct json_object *o, const char *name, const char *text);
void fer_bench_add_u64(struct json_object *o, const char *name, uint64_t v);

// With one decimal: of ticks and microseconds, that is more than can be measured.
void fer_bench_add_tenths(struct json_object *o, const char *name, double v);

void fer_bench_add_thousandths(struct json_object *o, const char *name, double v);

// What the figures were measured on.  isa: what the crypto engine uses of this machine; NULL, and
// tsc_hz 0: not known.
struct json_object *fer_bench_machine(const char *isa, uint64_t tsc_hz);

// On one line.  False when it could not be written.
__attribute__((warn_unused_result)) bool fer_bench_print_json(FILE *to, struct json_object *o);
