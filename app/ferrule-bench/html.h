// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A report of the verb path for a browser: one file, which needs nothing else.

#include <stdbool.h>

struct json_object;

// all: what --json prints.  False when the file cannot be written; errno says why.
__attribute__((warn_unused_result)) bool fer_bench_html_write(
	const char *path, struct json_object *all);
