// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Outbound sequence numbers: RFC 4303 section 3.3.3.  Any number of workers take numbers from one
// SA; each number is given once, and none after the last legal one.

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fer_seq {
	_Atomic uint64_t last; // last number given; past the limit: none is left
	uint64_t limit;        // last legal one: 2^32 - 1, or 2^64 - 1 with ESN
};

static inline void fer_seq_init(struct fer_seq *s, uint64_t last, bool esn)
{
	atomic_init(&s->last, last);
	s->limit = esn ? UINT64_MAX : UINT32_MAX;
}

// The last number given, for people.
static inline uint64_t fer_seq_last(const struct fer_seq *s)
{
	uint64_t last = atomic_load_explicit(&s->last, memory_order_relaxed);

	return last < s->limit ? last : s->limit;
}

// Takes up to want consecutive numbers.  Returns how many were left to give, 0 to want; *first is
// the first of them.  One atomic operation unless the end is near.
__attribute__((warn_unused_result)) uint32_t fer_seq_take(
	struct fer_seq *s, uint32_t want, uint64_t *first);

// Are so few numbers left behind last that the SA should be replaced: a sixteenth, which is 2^28
// without ESN?
static inline bool fer_seq_is_low(const struct fer_seq *s, uint64_t last)
{
	return last > s->limit - (s->limit >> 4);
}

// The same of a number that a peer gave.
static inline bool fer_seq_is_low_at_peer(uint64_t seq, bool esn)
{
	const uint64_t limit = esn ? UINT64_MAX : UINT32_MAX;

	return seq > limit - (limit >> 4);
}

// The high half of a number given not long ago, from its low half: RFC 4303 section 2.2.1.  "Not
// long" is 2^32 numbers.
static inline uint32_t fer_seq_high(const struct fer_seq *s, uint32_t lo)
{
	uint64_t last = atomic_load_explicit(&s->last, memory_order_relaxed);

	return (uint32_t)((last - (uint32_t)((uint32_t)last - lo)) >> 32);
}
