// SPDX-License-Identifier: BSD-3-Clause
// Look-up of inbound SAs: what workers call.
#include "sa/control.h"

#include <rte_branch_prediction.h>
#include <rte_hash.h>

#include <assert.h>
#include <string.h>

static_assert(FER_SA_FIND_MAX <= RTE_HASH_LOOKUP_BULK_MAX, "more keys in one call crash rte_hash");
static_assert(sizeof(struct fer_sa_id) == 24, "the key has no padding");

// 1 and the index that a line of hints has; 0 when it has none.  Two hints with one tag in a line
// make nonsense: what comes out is verified anyway.  Hints are read two at a time, each of them
// whole, as a load of the CPU that is aligned does.
__attribute__((no_sanitize("thread"))) static inline uint32_t hinted_by(
	const struct fer_sa_hint_line *line, uint32_t tag)
{
	const fer_pair wanted = {tag, tag};
	fer_pair found = {0};

	for (unsigned i = 0; i < FER_HINTS_PER_LINE; i += 2) {
		fer_pair hints;

		// Not by a function: that one would be instrumented.
		memcpy(&hints, (const uint8_t *)line + i * sizeof(line->hint[0]), sizeof(hints));
		found |= hints & (fer_pair)(hints >> 32 == wanted);
	}
	return (uint32_t)(found[0] | found[1]);
}

// The block that hints lead to, on its way into the cache; NULL when there is none.
static inline const struct fer_sa *hinted(const struct fer_sa_table *t, uint64_t hash)
{
	uint32_t tag = fer_sa_hint_tag(hash);
	uint32_t found = hinted_by(fer_sa_hint_line(t, hash, 0), tag);

	if (unlikely(found == 0))
		found = hinted_by(fer_sa_hint_line(t, hash, 1), tag);
	if (unlikely(found - 1 >= 2 * t->capacity))
		return NULL;
	const struct fer_sa *sa = fer_sa_at(t, found - 1);
	fer_sa_prefetch_in(sa);
	return sa;
}

// Asks the authority for n ids, 1 to FER_SA_FIND_MAX.
static void find_in_hash(const struct rte_hash *hash, const struct fer_sa_id *const id[],
	unsigned n, uint32_t index[])
{
	const void *key[FER_SA_FIND_MAX];
	hash_sig_t sig[FER_SA_FIND_MAX];
	void *data[FER_SA_FIND_MAX];
	uint64_t hits = 0;

	for (unsigned i = 0; i < n; i++) {
		key[i] = id[i];
		sig[i] = rte_hash_hash(hash, id[i]);
	}
	rte_hash_lookup_with_hash_bulk_data(hash, key, sig, n, &hits, data);
	for (unsigned i = 0; i < n; i++)
		index[i] = (hits >> i & 1) != 0 ? (uint32_t)(uintptr_t)data[i] : FER_NO_SA_INDEX;
}

// Those that are looked for: places in what fer_sa_find() was handed.
struct search {
	unsigned n;
	uint8_t place[FER_SA_FIND_MAX];
};

// Looks in one hash for what is left, for SAs of any destination if that is said; leaves what it
// does not find.
static void search(const struct fer_sa_table *t, const struct rte_hash *hash, bool any_dst,
	const struct fer_sa_query query[], struct search *left, const struct fer_sa *sa[])
{
	struct fer_sa_id any[FER_SA_FIND_MAX];
	const struct fer_sa_id *at[FER_SA_FIND_MAX];
	uint32_t found[FER_SA_FIND_MAX];
	unsigned n = 0;

	if (left->n == 0)
		return;
	for (unsigned i = 0; i < left->n; i++) {
		at[i] = &query[left->place[i]].id;
		if (!any_dst)
			continue;
		any[i] = *at[i];
		memset(any[i].dst, 0, sizeof(any[i].dst));
		at[i] = &any[i];
	}
	find_in_hash(hash, at, left->n, found);
	for (unsigned i = 0; i < left->n; i++) {
		if (found[i] != FER_NO_SA_INDEX)
			sa[left->place[i]] = fer_sa_at(t, found[i]);
		else
			left->place[n++] = left->place[i];
	}
	left->n = n;
}

// Finds what the hints did not have.
__attribute__((noinline)) static void find_missing(const struct fer_sa_table *t,
	const struct fer_sa_query query[], struct search *left, const struct fer_sa *sa[])
{
	const struct fer_sa_control *c = t->control;
	const struct rte_hash *ah = atomic_load_explicit(&c->ah_hash, memory_order_acquire);

	for (unsigned i = 0; i < left->n; i++)
		sa[left->place[i]] = NULL;
	search(t, c->hash, false, query, left, sa);
	if (ah != NULL)
		search(t, ah, false, query, left, sa);
	if (left->n == 0 || atomic_load_explicit(&c->n_wildcard, memory_order_acquire) == 0)
		return;
	search(t, c->hash, true, query, left, sa);
	if (ah != NULL)
		search(t, ah, true, query, left, sa);
}

void fer_sa_find(const struct fer_sa_table *t, const struct fer_sa_query query[], unsigned n,
	const struct fer_sa *sa[])
{
	struct search left;

	left.n = 0;
	assert(n <= FER_SA_FIND_MAX);
	for (unsigned i = 0; i < n; i++)
		sa[i] = hinted(t, query[i].hash);
	for (unsigned i = 0; i < n; i++)
		if (unlikely(sa[i] == NULL || !fer_sa_is(sa[i], &query[i].id)))
			left.place[left.n++] = (uint8_t)i;
	if (unlikely(left.n != 0))
		find_missing(t, query, &left, sa);
}

bool fer_sa_is_endpoint(const struct fer_sa_table *t, const struct fer_addr *a)
{
	return fer_endpoints_has(t->control->endpoints, a);
}
