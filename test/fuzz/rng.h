// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Random numbers that a seed repeats: splitmix64.

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

// Below n, which is not 0.
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

// Once in n times.
static inline bool rng_once_in(struct rng *r, uint32_t n)
{
	return rng_below(r, n) == 0;
}

static inline void rng_fill(struct rng *r, uint8_t *to, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = (uint8_t)(rng_next(r) >> 56);
}
