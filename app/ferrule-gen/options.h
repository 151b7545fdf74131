// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The command line of ferrule-gen.

#include "source.h"

#include <stdbool.h>
#include <stdint.h>

#define FER_GEN_MAX_EAL 64

enum fer_gen_verb { FER_GEN_MAKE, FER_GEN_VERIFY, FER_GEN_SEND, FER_GEN_LIST_KINDS };

struct fer_gen_options {
	enum fer_gen_verb verb;
	const char *config; // NULL: none
	const char *pair;   // NULL: the only one
	const char *out;    // file to make
	const char *in;     // file to verify
	bool opens;         // what comes back is sealed
	bool json;
	uint64_t packets; // 0: as long as it takes
	double seconds;   // 0: until the packets are sent
	double rate;      // packets a second; 0: as fast as possible
	bool prepare;     // all packets before the first is sent
	const char *tx;   // ports
	const char *rx;   // NULL: nothing is received
	double wait;      // seconds for the ports' links, and for the last packets
	double settle;    // seconds between the links and the first packet
	char *eal[FER_GEN_MAX_EAL];
	int n_eal;
	bool has_eal_options; // others than devices
	struct fer_gen_source_params source;
	bool done; // it only asked for help or the version
};

// 0; or the exit status, with one line on standard error.
__attribute__((warn_unused_result)) int fer_gen_options_parse(
	int argc, char **argv, struct fer_gen_options *o);
