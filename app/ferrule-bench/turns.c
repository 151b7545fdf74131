// SPDX-License-Identifier: BSD-3-Clause
#include "turns.h"

static double part_lost(const struct fer_bench_turn *t)
{
	return t->arrived == 0 ? 0 : (double)t->lost / (double)t->arrived;
}

// Of n coins, that at least k show heads.
static double at_least(uint32_t k, uint32_t n)
{
	double term = 1, sum = 0; // term: that exactly i do

	for (uint32_t i = 0; i < n; i++)
		term /= 2;
	for (uint32_t i = 0; i <= n; i++) {
		sum += i >= k ? term : 0;
		term = term * (n - i) / (i + 1);
	}
	return sum < 1 ? sum : 1;
}

// A Latin square of Williams: 0, 1, n - 1, 2, n - 2 and so on, and each turn one further.
unsigned fer_bench_turns_thing(unsigned turn, unsigned i, unsigned n)
{
	const unsigned step = (i + 1) / 2;

	return (turn + (i % 2 != 0 ? step : n - step)) % n;
}

struct fer_bench_turns_difference fer_bench_turns_compare(
	const struct fer_bench_turn turns[], const struct fer_bench_turn beside[], uint32_t n)
{
	struct fer_bench_turns_difference d = {0};

	for (uint32_t i = 0; i < n; i++) {
		const double part = part_lost(&turns[i]), other = part_lost(&beside[i]);

		d.n_lossy += turns[i].lost != 0;
		d.n_more += part > other;
		d.n_fewer += part < other;
	}
	d.p = at_least(d.n_more, d.n_more + d.n_fewer);
	return d;
}
