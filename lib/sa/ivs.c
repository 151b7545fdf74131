// SPDX-License-Identifier: BSD-3-Clause
#include "sa/ivs.h"

#include <rte_common.h>

#define FEW 8 // IVs, for which another SA that shares the place may come at any time

// Whoever takes some gives of them at once, and puts back less.  So a counter that stands where the
// worker left it was not elsewhere in between: what is behind that is not given, and nobody has it.
__attribute__((noinline)) static void put_back(const struct fer_ivs_part *v)
{
	uint64_t end = v->end;

	if (v->sa != NULL &&
		atomic_load_explicit(&v->sa->generation, memory_order_acquire) == v->generation)
		atomic_compare_exchange_strong_explicit(
			&v->sa->out.iv, &end, v->next, memory_order_relaxed, memory_order_relaxed);
}

// Where several SAs share a place nobody can predict which one comes, so this branches on it only
// where something is left.
uint64_t fer_ivs_take_more(struct fer_ivs_part *v, struct fer_sa *sa, uint32_t n)
{
	const uint32_t generation = atomic_load_explicit(&sa->generation, memory_order_acquire);
	const bool is_same = (v->sa == sa) & (v->generation == generation);
	const uint32_t left = (uint32_t)(v->end - v->next);
	const uint32_t given = (v->taken - left) & -(uint32_t)is_same;
	const uint32_t most = RTE_MIN(given, (uint32_t)FER_IVS_AHEAD);
	const uint32_t ahead = most < FEW ? 0 : most;

	if (unlikely(left != 0) && !is_same)
		put_back(v);
	const uint64_t first =
		atomic_fetch_add_explicit(&sa->out.iv, (uint64_t)n + ahead, memory_order_relaxed);
	const bool follow = unlikely(left != 0) && is_same && first == v->end; // on what is left
	const uint64_t begin = first - (follow ? left : 0);

	v->sa = generation != 0 ? sa : NULL; // NULL: it is being removed
	v->generation = generation;
	v->end = first + n + ahead;
	v->next = begin + n;
	v->taken = most + (uint32_t)(v->end - begin);
	return begin;
}
