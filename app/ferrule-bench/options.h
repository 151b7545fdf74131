// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The command line: lists of what to vary; every combination is one row.

#include "crypto/algo.h"
#include "proto/ipsec.h"

#include <stdbool.h>
#include <stdint.h>

#define FER_BENCH_MAX_ITEMS 64
#define FER_BENCH_NAME_BYTES 64

enum fer_bench_order { FER_BENCH_ROUND_ROBIN, FER_BENCH_RANDOM, FER_BENCH_OWN };

struct fer_bench_algorithm {
	char name[FER_BENCH_NAME_BYTES]; // as it was given: "aes-gcm-128", "ENCRYPTION+INTEGRITY"
	const struct fer_algo *encryption;
	const struct fer_algo *integrity; // NULL with AEAD
};

struct fer_bench_numbers {
	unsigned n;
	uint32_t value[FER_BENCH_MAX_ITEMS];
};

struct fer_bench_options {
	unsigned n_directions;
	enum fer_direction direction[FER_BENCH_MAX_ITEMS];
	unsigned n_algorithms;
	struct fer_bench_algorithm algorithm[FER_BENCH_MAX_ITEMS];
	struct fer_bench_numbers sizes;
	struct fer_bench_numbers bursts;
	struct fer_bench_numbers sas;
	struct fer_bench_numbers workers;
	struct fer_bench_numbers policies;
	enum fer_bench_order order;
	double seconds;
	bool json;
	bool done; // it only asked for help or version, and has them
};

// 0; or 2 after one line on standard error that says what is wrong.
__attribute__((warn_unused_result)) int fer_bench_options_parse(
	int argc, char **argv, struct fer_bench_options *o);

const char *fer_bench_order_name(enum fer_bench_order order);

uint32_t fer_bench_largest(const struct fer_bench_numbers *numbers);
