// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IVs of counter modes: RFC 4106 section 3.1.  Any number of workers take them from the counter of
// one SA; each is given once.
//
// A worker that comes back to an SA takes more than it needs and gives those out from memory of its
// own, without coming back to a line that others write.  It has places for a few SAs.  When another
// SA comes to a place, the worker puts back what is left of the one before, if nobody took any
// since, so that one worker alone leaves none out; else nobody ever gets it, as when the SA is
// removed.  No more is taken ahead than the worker has given of this SA since another one was in
// its place, so of all that is taken a third at least is given: a counter that began at the clock
// (crypto/iv.h) stays behind it up to 300 million packets a second, as a restart needs.

#include "sa/sa.h"

#include <rte_branch_prediction.h>

#define FER_IVS_AHEAD 1024 // at most
#define FER_IVS_PLACES_LOG2 6

// A part of the counter of one SA, as long as that is live.
struct fer_ivs_part {
	struct fer_sa *sa;   // NULL: of none
	uint32_t generation; // never 0 with an SA
	uint32_t taken;      // since another SA was here; not all that were given count
	uint64_t next, end;  // those from next on, in front of end, are there
};

// Of one worker, all 0 at first.
struct fer_ivs {
	struct fer_ivs_part part[1 << FER_IVS_PLACES_LOG2];
};

// The place of an SA: those that were made one behind the other, or every other one of them, are
// spread.
static inline struct fer_ivs_part *fer_ivs_part_of(struct fer_ivs *v, const struct fer_sa *sa)
{
	return &v->part[sa->index * UINT32_C(0x9e3779b1) >> (32 - FER_IVS_PLACES_LOG2)];
}

// Takes n for the SA of which there are not enough in its place.
uint64_t fer_ivs_take_more(struct fer_ivs_part *v, struct fer_sa *sa, uint32_t n);

// Has the place of that SA n IVs of it?
static inline bool fer_ivs_has(const struct fer_ivs_part *v, const struct fer_sa *sa, uint32_t n)
{
	uint32_t generation = atomic_load_explicit(&sa->generation, memory_order_relaxed);

	return v->end - v->next >= n && v->sa == sa && v->generation == generation;
}

// The first of n that it has.
static inline uint64_t fer_ivs_take_held(struct fer_ivs_part *v, uint32_t n)
{
	uint64_t iv = v->next;

	v->next = iv + n;
	return iv;
}

// Returns the first of n > 0 consecutive IVs of an SA of a counter mode, one that was live when the
// worker was quiescent last.  Those of one struct fer_ivs are of one table.
static inline uint64_t fer_ivs_take(struct fer_ivs *v, struct fer_sa *sa, uint32_t n)
{
	struct fer_ivs_part *part = fer_ivs_part_of(v, sa);

	return likely(fer_ivs_has(part, sa, n)) ? fer_ivs_take_held(part, n)
						: fer_ivs_take_more(part, sa, n);
}
