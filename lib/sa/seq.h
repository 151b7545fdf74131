// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Outbound sequence numbers: RFC 4303 section 3.3.3.  Any number of workers take numbers from one
// SA; each number is given once, and none after the last legal one.
//
// Packets are not counted by themselves: there were as many as numbers were given, less those whose
// packet was not sent after all, or that were left out (spare).  Numbers and bytes are taken in one
// operation.

#include "base/twin.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FER_SEQ_LAST 0
#define FER_SEQ_BYTES 1

struct fer_seq {
	struct fer_twin taken;  // last number given; bytes of the packets
	_Atomic uint64_t spare; // how many of the numbers up to the last one went with no packet
	uint64_t limit;         // last legal one: 2^32 - 1, or 2^64 - 1 with ESN
};

// The last number given.
static inline uint64_t fer_seq_last(const struct fer_seq *s)
{
	uint64_t last = atomic_load_explicit(&s->taken.word[FER_SEQ_LAST], memory_order_relaxed);

	return last < s->limit ? last : s->limit;
}

// fer_seq_packets() when the last number given was `last`.
static inline uint64_t fer_seq_packets_at(const struct fer_seq *s, uint64_t last)
{
	uint64_t spare = atomic_load_explicit(&s->spare, memory_order_relaxed);

	return last > spare ? last - spare : 0; // less while numbers are left out
}

// Packets that got a number, and their bytes, less what was given back.
static inline uint64_t fer_seq_packets(const struct fer_seq *s)
{
	return fer_seq_packets_at(s, fer_seq_last(s));
}

static inline uint64_t fer_seq_bytes(const struct fer_seq *s)
{
	return atomic_load_explicit(&s->taken.word[FER_SEQ_BYTES], memory_order_relaxed);
}

static inline void fer_seq_init(struct fer_seq *s, uint64_t last, bool esn)
{
	s->limit = esn ? UINT64_MAX : UINT32_MAX;
	atomic_init(&s->taken.word[FER_SEQ_LAST], last);
	atomic_init(&s->taken.word[FER_SEQ_BYTES], 0);
	atomic_init(&s->spare, fer_seq_last(s));
}

// How many of so many there are behind last.
static inline uint32_t fer_seq_left(const struct fer_seq *s, uint64_t last, uint32_t want)
{
	uint64_t n = last < s->limit ? s->limit - last : 0;

	return n < want ? (uint32_t)n : want;
}

// Takes up to want consecutive numbers for packets of so many bytes together.  Returns how many
// were left to give, 0 to want; *first is the first of them.  The bytes are counted if these are
// all; else it is for the caller to count those of packets that go.
__attribute__((warn_unused_result)) static inline uint32_t fer_seq_take(
	struct fer_seq *s, uint32_t want, uint64_t bytes, uint64_t *first)
{
	uint64_t was[2], next[2];
	uint32_t n;

	fer_twin_read(&s->taken, was);
	do {
		n = fer_seq_left(s, was[FER_SEQ_LAST], want);
		next[FER_SEQ_LAST] = was[FER_SEQ_LAST] + n;
		next[FER_SEQ_BYTES] = was[FER_SEQ_BYTES] + (n == want ? bytes : 0);
	} while (!fer_twin_change(&s->taken, was, next));
	*first = was[FER_SEQ_LAST] + 1;
	return n;
}

static inline void fer_seq_count_bytes(struct fer_seq *s, uint64_t bytes)
{
	atomic_fetch_add_explicit(&s->taken.word[FER_SEQ_BYTES], bytes, memory_order_relaxed);
}

// A packet of so many bytes that got a number did not go.
static inline void fer_seq_give_back(struct fer_seq *s, uint64_t bytes)
{
	atomic_fetch_add_explicit(&s->spare, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&s->taken.word[FER_SEQ_BYTES], bytes, memory_order_relaxed);
}

// Leaves out the numbers up to that one, if it was not given yet.  Returns the last number before.
// One thread calls it at a time; workers take numbers meanwhile, and may find some packets less
// than there were.
uint64_t fer_seq_leave_out(struct fer_seq *s, uint64_t up_to);

// Are so few numbers left behind last that the SA should be replaced: a sixteenth, which is 2^28
// without ESN?
static inline bool fer_seq_is_low(const struct fer_seq *s, uint64_t last)
{
	return last > s->limit - (s->limit >> 4);
}

// The same as fer_seq_take() where none of the numbers is low: all are there.  Returns the first;
// 0: some are low, and nothing was taken.
__attribute__((warn_unused_result)) static inline uint64_t fer_seq_take_plenty(
	struct fer_seq *s, uint32_t want, uint64_t bytes)
{
	const uint64_t low = s->limit - (s->limit >> 4);
	uint64_t was[2], next[2];

	fer_twin_read(&s->taken, was);
	do {
		if (was[FER_SEQ_LAST] >= low || low - was[FER_SEQ_LAST] < want)
			return 0;
		next[FER_SEQ_LAST] = was[FER_SEQ_LAST] + want;
		next[FER_SEQ_BYTES] = was[FER_SEQ_BYTES] + bytes;
	} while (!fer_twin_change(&s->taken, was, next));
	return was[FER_SEQ_LAST] + 1;
}

// fer_seq_is_low() of a number that a peer gave.
static inline bool fer_seq_is_low_at_peer(uint64_t seq, bool esn)
{
	const uint64_t limit = esn ? UINT64_MAX : UINT32_MAX;

	return seq > limit - (limit >> 4);
}

// The high half of a number, from its low half and a number given at most 2^32 numbers behind it:
// RFC 4303 section 2.2.1.
static inline uint32_t fer_seq_high_before(uint64_t last, uint32_t lo)
{
	return (uint32_t)((last - (uint32_t)((uint32_t)last - lo)) >> 32);
}
