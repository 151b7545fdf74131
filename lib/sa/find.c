// SPDX-License-Identifier: BSD-3-Clause
// Look-up of inbound SAs: what workers call.
#include "sa/control.h"

#include <rte_branch_prediction.h>
#include <rte_hash.h>

#include <assert.h>
#include <string.h>

static_assert(FER_SA_FIND_MAX <= RTE_HASH_LOOKUP_BULK_MAX, "more keys in one call crash rte_hash");
static_assert(sizeof(struct fer_sa_id) == 24, "the key has no padding");

// The handle that a line of hints has; 0 when it has none.  Two hints with one tag in a line make
// nonsense: what comes out is verified anyway.
static uint64_t hinted_by(const struct fer_sa_hint_line *line, uint64_t spi_tag)
{
	uint64_t handle = 0;

	for (unsigned i = 0; i < FER_HINTS_PER_LINE; i++) {
		const struct fer_sa_hint *hint = &line->hint[i];
		uint64_t found =
			atomic_load_explicit(&hint->generation_index, memory_order_relaxed);

		if (atomic_load_explicit(&hint->spi_tag, memory_order_relaxed) == spi_tag)
			handle |= found;
	}
	return handle;
}

static uint64_t hinted(const struct fer_sa_table *t, const struct fer_sa_id *id)
{
	uint64_t hash = fer_sa_hint_hash(t, id);
	uint64_t spi_tag = fer_sa_hint_spi_tag(id->spi, hash);
	uint64_t handle = hinted_by(fer_sa_hint_line(t, hash, 0), spi_tag);

	return likely(handle != 0) ? handle : hinted_by(fer_sa_hint_line(t, hash, 1), spi_tag);
}

// The block that a hint leads to; NULL when there is none, or none any more.
static const struct fer_sa *block_of(const struct fer_sa_table *t, uint64_t hint)
{
	uint32_t index = (uint32_t)hint, generation = (uint32_t)(hint >> 32);

	if (index >= 2 * t->capacity || generation == 0)
		return NULL;
	const struct fer_sa *sa = fer_sa_at(t, index);
	uint32_t live = atomic_load_explicit(&sa->generation, memory_order_acquire);
	return live == generation ? sa : NULL;
}

static bool is_sa_of(const struct fer_sa *sa, const struct fer_sa_id *id)
{
	return sa->spi == id->spi && sa->version == id->version && sa->protocol == id->protocol &&
	       sa->direction == FER_IN && memcmp(sa->dst, id->dst, sizeof(sa->dst)) == 0;
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
static void search(const struct rte_hash *hash, bool any_dst, const struct fer_sa_id *const id[],
	struct search *left, uint32_t index[])
{
	struct fer_sa_id any[FER_SA_FIND_MAX];
	const struct fer_sa_id *at[FER_SA_FIND_MAX];
	uint32_t found[FER_SA_FIND_MAX];
	unsigned n = 0;

	if (left->n == 0)
		return;
	for (unsigned i = 0; i < left->n; i++) {
		at[i] = id[left->place[i]];
		if (!any_dst)
			continue;
		any[i] = *at[i];
		memset(any[i].dst, 0, sizeof(any[i].dst));
		at[i] = &any[i];
	}
	find_in_hash(hash, at, left->n, found);
	for (unsigned i = 0; i < left->n; i++) {
		index[left->place[i]] = found[i];
		if (found[i] == FER_NO_SA_INDEX)
			left->place[n++] = left->place[i];
	}
	left->n = n;
}

// Finds what the hints did not have.
static void find_missing(const struct fer_sa_table *t, const struct fer_sa_id *const id[],
	struct search *left, uint32_t index[])
{
	const struct fer_sa_control *c = t->control;
	const struct rte_hash *ah = atomic_load_explicit(&c->ah_hash, memory_order_acquire);

	search(c->hash, false, id, left, index);
	if (ah != NULL)
		search(ah, false, id, left, index);
	if (left->n == 0 || atomic_load_explicit(&c->n_wildcard, memory_order_acquire) == 0)
		return;
	search(c->hash, true, id, left, index);
	if (ah != NULL)
		search(ah, true, id, left, index);
}

void fer_sa_find(const struct fer_sa_table *t, const struct fer_sa_id *const id[], unsigned n,
	uint32_t index[])
{
	uint64_t handle[FER_SA_FIND_MAX];
	struct search left;

	left.n = 0;
	assert(n <= FER_SA_FIND_MAX);
	for (unsigned i = 0; i < n; i++) {
		handle[i] = hinted(t, id[i]);
		fer_sa_prefetch_in(t, handle[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		const struct fer_sa *sa = block_of(t, handle[i]);

		if (sa != NULL && is_sa_of(sa, id[i]))
			index[i] = (uint32_t)handle[i];
		else
			left.place[left.n++] = (uint8_t)i;
	}
	if (left.n != 0)
		find_missing(t, id, &left, index);
}

bool fer_sa_is_endpoint(const struct fer_sa_table *t, const struct fer_addr *a)
{
	return fer_endpoints_has(t->control->endpoints, a);
}
