// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One run of ferrule-pcap: a document and a capture file in, a capture file and outcomes out.  The
// EAL is up.

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct fer_doc;
struct fer_iv_source;

struct fer_run_params {
	const struct fer_doc *doc;
	uint32_t pair; // whose SAs and policies are used
	const char *in;
	const char *out; // NULL: packets go nowhere
	const char *oob; // NULL: no line per packet
	bool protect;    // host port to wire port; else the other way
	bool json;       // sums on stdout
	const struct fer_iv_source *ivs;
	const volatile sig_atomic_t *stop; // not 0: give up between two bursts; NULL: never
};

#define FER_RUN_ERROR_BYTES 1280

// 0; or -1 with one line in error, and no output file is left.
__attribute__((warn_unused_result)) int fer_run(
	const struct fer_run_params *params, char error[FER_RUN_ERROR_BYTES]);
