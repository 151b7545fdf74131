// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A report of the verb path for a browser: one file, which needs nothing else.

struct json_object;

// Can it be written?  0 or -errno; nothing is changed.
__attribute__((warn_unused_result)) int fer_bench_html_check(const char *path);

// all: what --json prints.  0; or -errno, and there is no new file.
__attribute__((warn_unused_result)) int fer_bench_html_write(
	const char *path, struct json_object *all);
