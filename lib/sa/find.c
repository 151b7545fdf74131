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

// The same for SAs that take any destination of the id's version.
static void find_wildcard(const struct rte_hash *hash, const struct fer_sa_id *const id[],
	unsigned n, uint32_t index[])
{
	struct fer_sa_id any[FER_SA_FIND_MAX];
	const struct fer_sa_id *at[FER_SA_FIND_MAX];

	for (unsigned i = 0; i < n; i++) {
		any[i] = *id[i];
		memset(any[i].dst, 0, sizeof(any[i].dst));
		at[i] = &any[i];
	}
	find_in_hash(hash, at, n, index);
}

// Finds what the hints did not have: missing[] are places in id[] and index[].
static void find_missing(const struct fer_sa_table *t, const struct fer_sa_id *const id[],
	const uint8_t missing[], unsigned n, uint32_t index[])
{
	const struct fer_sa_control *c = t->control;
	const struct fer_sa_id *at[FER_SA_FIND_MAX];
	uint8_t place[FER_SA_FIND_MAX];
	uint32_t found[FER_SA_FIND_MAX];
	unsigned n_left = 0;

	for (unsigned i = 0; i < n; i++)
		at[i] = id[missing[i]];
	find_in_hash(c->hash, at, n, found);
	for (unsigned i = 0; i < n; i++) {
		index[missing[i]] = found[i];
		if (found[i] == FER_NO_SA_INDEX) {
			at[n_left] = at[i];
			place[n_left++] = missing[i];
		}
	}
	if (n_left == 0 || atomic_load_explicit(&c->n_wildcard, memory_order_acquire) == 0)
		return;
	find_wildcard(c->hash, at, n_left, found);
	for (unsigned i = 0; i < n_left; i++)
		index[place[i]] = found[i];
}

void fer_sa_find(const struct fer_sa_table *t, const struct fer_sa_id *const id[], unsigned n,
	uint32_t index[])
{
	uint64_t handle[FER_SA_FIND_MAX];
	uint8_t missing[FER_SA_FIND_MAX];
	unsigned n_missing = 0;

	assert(n <= FER_SA_FIND_MAX);
	for (unsigned i = 0; i < n; i++) {
		handle[i] = hinted(t, id[i]);
		fer_sa_prefetch_in(t, handle[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		const struct fer_sa *sa = fer_sa_get(t, handle[i]);

		if (sa != NULL && is_sa_of(sa, id[i]))
			index[i] = (uint32_t)handle[i];
		else
			missing[n_missing++] = (uint8_t)i;
	}
	if (n_missing != 0)
		find_missing(t, id, missing, n_missing, index);
}

bool fer_sa_is_endpoint(const struct fer_sa_table *t, const struct fer_addr *a)
{
	return fer_endpoints_has(t->control->endpoints, a);
}
