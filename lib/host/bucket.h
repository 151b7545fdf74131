// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A token bucket: so many events a second, and as many at once after a quiet second.  One worker
// has it.

#include <stdbool.h>
#include <stdint.h>

struct fer_bucket {
	uint64_t spent_until; // the time up to which tokens are spent; never behind now
};

// Takes a token at time now, of a clock with that many ticks a second.  False: there is none.
static inline bool fer_bucket_take(
	struct fer_bucket *b, uint32_t per_second, uint64_t now, uint64_t ticks_per_second)
{
	if (per_second == 0)
		return false;
	uint64_t spent = b->spent_until;

	if (now > ticks_per_second && spent < now - ticks_per_second)
		spent = now - ticks_per_second;
	spent += ticks_per_second / per_second;
	if (spent > now)
		return false;
	b->spent_until = spent;
	return true;
}
