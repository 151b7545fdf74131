// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IVs of counter modes: RFC 4106 section 3.1.  Any number of workers take them from the counter of
// one SA; each is given once.
//
// A worker that stays with an SA takes more than it needs and gives those out from memory of its
// own, without coming back to a line that others write.  When another SA comes, it puts back what
// is left, if nobody took any since, so that one worker alone leaves none out; else nobody ever
// gets it, as when the SA is removed.  No more is taken ahead than the worker has given of this SA
// since another one had its turn, so of all that is taken a third at least is given: a counter that
// began at the clock (crypto/iv.h) stays behind it up to 300 million packets a second, as a restart
// needs.

#include "sa/sa.h"

#include <rte_branch_prediction.h>

#define FER_IVS_AHEAD 1024 // at most

// Of one worker, all 0 at first: a part of the counter of one SA, as long as that is live.
struct fer_ivs {
	struct fer_sa *sa;   // NULL: of none
	uint32_t generation; // never 0 with an SA
	uint64_t next, end;  // those from next on, in front of end, are there
	uint64_t begin;      // where next was when some were taken last
	uint64_t given;      // until then, since another SA had its turn
};

// The same as fer_ivs_take() when there are not enough.
uint64_t fer_ivs_take_more(struct fer_ivs *v, struct fer_sa *sa, uint32_t n);

// Has it n IVs of that SA?
static inline bool fer_ivs_has(const struct fer_ivs *v, const struct fer_sa *sa, uint32_t n)
{
	uint32_t generation = atomic_load_explicit(&sa->generation, memory_order_relaxed);

	return v->sa == sa && v->generation == generation && v->end - v->next >= n;
}

// The first of n that it has.
static inline uint64_t fer_ivs_take_held(struct fer_ivs *v, uint32_t n)
{
	uint64_t iv = v->next;

	v->next = iv + n;
	return iv;
}

// Returns the first of n > 0 consecutive IVs of an SA of a counter mode, one that was live when the
// worker was quiescent last.  Those of one struct fer_ivs are of one table.
static inline uint64_t fer_ivs_take(struct fer_ivs *v, struct fer_sa *sa, uint32_t n)
{
	return likely(fer_ivs_has(v, sa, n)) ? fer_ivs_take_held(v, n)
					     : fer_ivs_take_more(v, sa, n);
}
