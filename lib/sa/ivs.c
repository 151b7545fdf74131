// SPDX-License-Identifier: BSD-3-Clause
#include "sa/ivs.h"

#include <rte_common.h>

static bool is_of(const struct fer_ivs *v, const struct fer_sa *sa)
{
	return v->sa == sa && v->sa != NULL &&
	       atomic_load_explicit(&sa->generation, memory_order_acquire) == v->generation;
}

// Whoever takes some gives of them at once, and puts back less.  So a counter that stands where the
// worker left it was not elsewhere in between: what is behind that is not given, and nobody has it.
static void put_back(struct fer_ivs *v)
{
	uint64_t end = v->end;

	if (v->next != end && is_of(v, v->sa))
		atomic_compare_exchange_strong_explicit(
			&v->sa->out.iv, &end, v->next, memory_order_relaxed, memory_order_relaxed);
	*v = (struct fer_ivs){0};
}

uint64_t fer_ivs_take_more(struct fer_ivs *v, struct fer_sa *sa, uint32_t n)
{
	if (!is_of(v, sa))
		put_back(v);
	uint64_t given = v->given + (v->next - v->begin);
	uint64_t ahead = RTE_MIN(given, (uint64_t)FER_IVS_AHEAD);
	uint64_t first = atomic_fetch_add_explicit(&sa->out.iv, n + ahead, memory_order_relaxed);
	uint32_t generation = atomic_load_explicit(&sa->generation, memory_order_relaxed);

	if (v->sa == NULL || first != v->end) // else these follow on what is left
		v->next = first;
	v->sa = generation != 0 ? sa : NULL; // NULL: it is being removed
	v->generation = generation;
	v->end = first + n + ahead;
	v->begin = v->next;
	v->given = given;
	v->next += n;
	return v->begin;
}
