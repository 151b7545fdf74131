// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The command line: lists of what to vary; every combination is one row.

#include "args.h"
#include "proto/ipsec.h"

#include <stdbool.h>
#include <stdint.h>

enum fer_bench_order { FER_BENCH_ROUND_ROBIN, FER_BENCH_RANDOM, FER_BENCH_OWN };

enum fer_bench_spis { FER_BENCH_SEQUENTIAL, FER_BENCH_SCATTERED, FER_BENCH_COLLIDING };

struct fer_bench_options {
	unsigned n_directions;
	enum fer_direction direction[FER_BENCH_MAX_ITEMS];
	struct fer_bench_algorithms algorithms;
	struct fer_bench_numbers sizes;
	struct fer_bench_numbers bursts;
	struct fer_bench_numbers sas;
	struct fer_bench_numbers workers;
	uint32_t helpers;
	struct fer_bench_numbers policies;
	bool overlap; // these selectors, and name ranges of ports
	struct fer_bench_numbers flows;
	enum fer_bench_order order;
	enum fer_bench_spis spis;
	unsigned n_packets;
	bool is_cold[FER_BENCH_MAX_ITEMS];
	double seconds;
	bool json;
	const char *html;    // file to write; NULL: none
	const char *compare; // report of before; NULL: none
	bool done;           // it only asked for help, and has it
};

// 0; or 2 after one line on standard error that says what is wrong.
__attribute__((warn_unused_result)) int fer_bench_options_parse(
	int argc, char **argv, struct fer_bench_options *o);

const char *fer_bench_order_name(enum fer_bench_order order);
const char *fer_bench_spis_name(enum fer_bench_spis spis);
