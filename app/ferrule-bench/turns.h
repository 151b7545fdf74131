// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Does one thing cost packets that another does not?  Both are done in turn, many times, so that
// whatever else the machine does falls upon both alike; each turn is compared with the one beside
// it.

#include <stdint.h>

struct fer_bench_turn {
	uint64_t arrived;
	uint64_t lost; // of these, in whatever way
};

struct fer_bench_turns_difference {
	uint32_t n_lossy; // turns in which anything was lost
	uint32_t n_more;  // in which a larger part was lost than in the one beside it
	uint32_t n_fewer; // a smaller part
	// How likely chance alone makes n_more at least as large, if both cost the same: the sign
	// test, one-sided.  1 where nothing says so.
	double p;
};

// Which of n things, an even number, is the i-th of a turn.  In n turns each is the first once, and
// follows each other once: so what one leaves behind falls upon all others alike.
unsigned fer_bench_turns_thing(unsigned turn, unsigned i, unsigned n);

struct fer_bench_turns_difference fer_bench_turns_compare(
	const struct fer_bench_turn turns[], const struct fer_bench_turn beside[], uint32_t n);
