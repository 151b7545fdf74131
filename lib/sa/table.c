// SPDX-License-Identifier: BSD-3-Clause
#include "sa/table.h"

#include "base/pages.h"
#include "base/secret.h"
#include "sa/control.h"

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_jhash.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MAX_CAPACITY (UINT32_C(1) << 24)
#define MAX_NAME 20        // the hash puts its own words in front
#define MIN_HASH_ENTRIES 8 // of rte_hash

void fer_index_push(struct fer_sa_control *c, struct fer_index_list *l, uint32_t index)
{
	c->next[index] = FER_NO_SA_INDEX;
	if (l->n++ == 0)
		l->first = index;
	else
		c->next[l->last] = index;
	l->last = index;
}

uint32_t fer_index_pop(struct fer_sa_control *c, struct fer_index_list *l)
{
	uint32_t index = l->first;

	if (l->n == 0)
		return FER_NO_SA_INDEX;
	l->first = c->next[index];
	l->n--;
	return index;
}

static struct rte_hash *create_hash(const struct fer_sa_table *t, const char *name, int *error)
{
	struct rte_hash *hash;
	struct rte_hash_parameters params = {
		.name = name,
		.entries = RTE_MAX(t->capacity, MIN_HASH_ENTRIES),
		.key_len = sizeof(struct fer_sa_id),
		.hash_func = rte_jhash,
		.socket_id = SOCKET_ID_ANY,
		// Buckets of overflow keep the promise of the capacity to the last entry.
		.extra_flag =
			RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};

	// Peers choose SPIs: without a secret seed they could choose them for one bucket.
	if (getrandom(&params.hash_func_init_val, sizeof(params.hash_func_init_val), 0) !=
		sizeof(params.hash_func_init_val)) {
		*error = -errno;
		return NULL;
	}
	hash = rte_hash_create(&params);
	if (hash == NULL)
		*error = -rte_errno;
	return hash;
}

struct rte_hash *fer_sa_ah_hash(struct fer_sa_table *t)
{
	struct rte_hash *hash = atomic_load_explicit(&t->control->ah_hash, memory_order_relaxed);
	char name[MAX_NAME + 1];
	int error;

	if (hash != NULL)
		return hash;
	snprintf(name, sizeof(name), "ah%" PRIxPTR, (uintptr_t)t);
	hash = create_hash(t, name, &error);
	atomic_store_explicit(&t->control->ah_hash, hash, memory_order_release);
	return hash;
}

// Half of the places stay empty at least.
static uint32_t n_hint_lines(uint32_t capacity)
{
	return RTE_ALIGN_CEIL(2 * capacity, 2u * FER_HINTS_PER_LINE) / FER_HINTS_PER_LINE;
}

static size_t hints_bytes(const struct fer_sa_table *t)
{
	return t->n_hint_lines * sizeof(t->hints[0]);
}

static bool create_hints(struct fer_sa_table *t)
{
	if (getrandom(t->hint_seed, sizeof(t->hint_seed), 0) != sizeof(t->hint_seed))
		return false;
	t->hint_seed[2] |= 1;
	t->hint_seed[3] |= 1;
	t->n_hint_lines = n_hint_lines(t->capacity);
	t->hints = fer_pages_map(hints_bytes(t));
	return t->hints != NULL;
}

static bool create_lists(struct fer_sa_control *c, uint32_t capacity)
{
	size_t n_blocks = 2 * (size_t)capacity;

	c->next = calloc(n_blocks, sizeof(c->next[0]));
	c->generations = calloc(n_blocks, sizeof(c->generations[0]));
	c->positions = calloc(n_blocks, sizeof(c->positions[0]));
	c->key_prints = calloc(n_blocks, sizeof(c->key_prints[0]));
	c->ages = calloc(capacity, sizeof(c->ages[0]));
	c->age_place = calloc(capacity, sizeof(c->age_place[0]));
	return c->next != NULL && c->generations != NULL && c->positions != NULL &&
	       c->key_prints != NULL && c->ages != NULL && c->age_place != NULL;
}

// Of all blocks, n_ah of them AHs of bundles.
static size_t blocks_bytes(const struct fer_sa_table *t, uint32_t n_ah)
{
	return t->stride * ((size_t)t->capacity + n_ah);
}

static size_t high_bytes(const struct fer_sa_table *t)
{
	return 2 * (size_t)t->capacity * sizeof(t->high[0]);
}

static bool create_parts(
	struct fer_sa_table *t, const struct fer_sa_table_params *p, struct fer_engine *engine)
{
	struct fer_sa_control *c = t->control;

	c->engine = engine;
	c->ivs = p->ivs;
	c->qsbr = p->qsbr;
	c->clock = p->clock;
	t->blocks = fer_secret_map(blocks_bytes(t, t->capacity));
	t->groups = calloc(RTE_MAX(t->n_groups, 1u), sizeof(t->groups[0]));
	t->in_limits = calloc(t->capacity, sizeof(t->in_limits[0]));
	t->high = fer_pages_map(high_bytes(t));
	t->udp_in = calloc(t->capacity, sizeof(t->udp_in[0]));
	t->udp_ports = fer_ports_create();
	STAILQ_INIT(&c->old_heads);
	c->dummies = aligned_alloc(
		alignof(struct fer_dummy), FER_DUMMIES_MAX * sizeof(struct fer_dummy));
	if (c->dummies != NULL)
		memset(c->dummies, 0, FER_DUMMIES_MAX * sizeof(struct fer_dummy));
	t->dummies = c->dummies;
	c->keyprints = fer_keyprints_create(
		t->capacity, p->beside == NULL ? NULL : p->beside->control->keyprints);
	c->endpoints = fer_endpoints_create(t->capacity, p->qsbr);
	return t->dummies != NULL && t->blocks != NULL && t->groups != NULL &&
	       t->in_limits != NULL && t->high != NULL && t->udp_in != NULL &&
	       t->udp_ports != NULL && c->keyprints != NULL && c->endpoints != NULL &&
	       create_hints(t) && create_lists(c, t->capacity);
}

static void stand_beside(struct fer_sa_control *c, struct fer_sa_table *other)
{
	c->beside = c;
	if (other == NULL)
		return;
	c->beside = other->control->beside;
	other->control->beside = c;
}

static void leave_others(struct fer_sa_control *c)
{
	struct fer_sa_control *before = c;

	while (before->beside != c)
		before = before->beside;
	before->beside = c->beside;
}

static bool is_valid(const struct fer_sa_table_params *p)
{
	return p->name != NULL && strlen(p->name) <= MAX_NAME && p->ivs != NULL &&
	       p->capacity >= 1 && p->capacity <= MAX_CAPACITY;
}

struct fer_sa_table *fer_sa_table_create(
	const struct fer_sa_table_params *params, struct fer_engine *engine, int *error)
{
	*error = -EINVAL;
	if (!is_valid(params) || engine == NULL)
		return NULL;
	*error = -ENOMEM;
	struct fer_sa_table *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->capacity = params->capacity;
	t->n_groups = params->n_groups;
	t->stride = RTE_ALIGN_CEIL(sizeof(struct fer_sa) + fer_key_bytes_max(), 64);
	t->control = aligned_alloc(alignof(struct fer_sa_control), sizeof(*t->control));
	if (t->control != NULL) {
		memset(t->control, 0, sizeof(*t->control));
		stand_beside(t->control, params->beside);
		if (create_parts(t, params, engine))
			t->control->hash = create_hash(t, params->name, error);
		if (t->control->hash != NULL)
			return t;
	}
	fer_sa_table_destroy(t);
	return NULL;
}

void fer_sa_table_prepare(struct fer_sa_table *t)
{
	(void)fer_pages_prepare(t->blocks, blocks_bytes(t, 0));
	(void)fer_pages_prepare(t->hints, hints_bytes(t));
}

// What SAs that nobody removed have besides their blocks.
static void close_sas(struct fer_sa_table *t)
{
	struct fer_sa_control *c = t->control;

	for (uint32_t i = 0; i < t->capacity + c->n_ah && c->generations != NULL; i++) {
		struct fer_sa *sa = fer_sa_at(t, i);

		if (c->generations[i] == 0)
			continue;
		if (sa->direction == FER_IN)
			fer_sa_close_window(sa);
		fer_udp_close(t, sa);
	}
}

static void destroy_control(struct fer_sa_control *c)
{
	leave_others(c);
	rte_hash_free(c->hash);
	rte_hash_free(c->ah_hash);
	fer_udp_fini(c);
	fer_keyprints_destroy(c->keyprints);
	fer_endpoints_destroy(c->endpoints);
	free(c->dummies);
	free(c->next);
	free(c->generations);
	free(c->positions);
	free(c->key_prints);
	free(c->ages);
	free(c->age_place);
	free(c);
}

void fer_sa_table_destroy(struct fer_sa_table *t)
{
	if (t == NULL)
		return;
	if (t->control != NULL) {
		close_sas(t);
		if (t->blocks != NULL)
			fer_secret_wipe(t->blocks, blocks_bytes(t, t->control->n_ah));
		destroy_control(t->control);
	}
	fer_secret_unmap_clean(t->blocks, blocks_bytes(t, t->capacity));
	fer_pages_unmap(t->hints, hints_bytes(t));
	fer_pages_unmap(t->high, high_bytes(t));
	fer_ports_destroy(t->udp_ports);
	free(t->udp_in);
	free(t->in_limits);
	free(t->groups);
	free(t);
}

uint32_t fer_sa_count(const struct fer_sa_table *t)
{
	return t->control->n_live;
}

uint32_t fer_sa_capacity(const struct fer_sa_table *t)
{
	return t->capacity;
}

// The generation of an SA that is on its way out is 0 already.
static void mark_active(struct fer_sa_table *t, uint64_t handle, bool is_active)
{
	struct fer_sa *sa = fer_sa_at(t, (uint32_t)handle);

	if (handle == 0)
		return;
	if (is_active)
		atomic_fetch_or_explicit(&sa->life, FER_LIFE_ACTIVE, memory_order_release);
	else
		atomic_fetch_and_explicit(
			&sa->life, (uint8_t)~FER_LIFE_ACTIVE, memory_order_release);
}

void fer_group_set(struct fer_sa_table *t, uint32_t group, uint64_t handle)
{
	uint64_t before = atomic_load_explicit(&t->groups[group], memory_order_relaxed);

	if (before == handle)
		return;
	mark_active(t, handle, true);
	atomic_store_explicit(&t->groups[group], handle, memory_order_release);
	mark_active(t, before, false);
}

int fer_group_activate(struct fer_sa_table *t, uint64_t handle)
{
	const struct fer_sa *sa = fer_sa_get(t, handle);

	if (sa == NULL)
		return -ENOENT;
	if (sa->direction != FER_OUT || sa->group == FER_NO_GROUP)
		return -EINVAL;
	fer_group_set(t, sa->group, handle);
	return 0;
}
