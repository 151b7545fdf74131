// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The command line of the verb control.

#include "args.h"

#define FER_BENCH_MAX_TURNS 1000

struct fer_bench_control_options {
	const char *socket; // NULL: a daemon of our own
	uint32_t pair;
	struct fer_bench_algorithms algorithms;
	uint32_t count;               // associations of each row
	uint32_t list;                // of them in one request
	uint32_t sas;                 // to load and dump; 0: none
	enum fer_direction direction; // of the packets
	uint32_t load;                // of the worker: per cent of what it can carry
	uint32_t rate;                // changes a second while packets flow; 0: none
	uint32_t turns;               // in which that happens, and what it is compared with
	double seconds;               // of each, all turns together
	bool realtime;                // the worker is, meanwhile
	bool sas_given;               // sas is not the default
	bool json;
	bool done; // it only asked for help, and has it
};

// 0; or 2 after one line on standard error that says what is wrong.
__attribute__((warn_unused_result)) int fer_bench_control_parse(
	int argc, char **argv, struct fer_bench_control_options *o);
