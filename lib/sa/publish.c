// SPDX-License-Identifier: BSD-3-Clause
#include "sa/control.h"

#include <rte_hash.h>

#include <string.h>
#include <time.h>

uint64_t fer_sa_now_ns(const struct fer_sa_control *c)
{
	struct timespec now;

	if (c->clock != NULL)
		return c->clock->now_ns(c->clock->ctx);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct fer_sa_id id_of(const struct fer_sa *sa)
{
	struct fer_sa_id id = {.spi = sa->spi, .version = sa->version, .protocol = sa->protocol};

	memcpy(id.dst, sa->dst, sizeof(id.dst));
	return id;
}

// The first of the places where a hint of that hash may stand that has this word in it; NULL when
// none has.
static _Atomic uint64_t *find_hint(struct fer_sa_table *t, uint64_t hash, uint64_t hint)
{
	for (unsigned i = 0; i < FER_HINT_LINES * FER_HINTS_PER_LINE; i++) {
		struct fer_sa_hint_line *line = fer_sa_hint_line(t, hash, i / FER_HINTS_PER_LINE);
		_Atomic uint64_t *place = &line->hint[i % FER_HINTS_PER_LINE];

		if (atomic_load_explicit(place, memory_order_relaxed) == hint)
			return place;
	}
	return NULL;
}

// Where there is no room, none is made: the hash finds the SA as well.
static void set_hint(struct fer_sa_table *t, const struct fer_sa_id *id, uint32_t index)
{
	uint64_t hash = fer_sa_hint_hash(t, id);
	_Atomic uint64_t *place = find_hint(t, hash, 0);

	if (place != NULL)
		atomic_store_explicit(place, fer_sa_hint(hash, index), memory_order_release);
}

static void clear_hint(struct fer_sa_table *t, const struct fer_sa_id *id, uint32_t index)
{
	uint64_t hash = fer_sa_hint_hash(t, id);
	_Atomic uint64_t *place = find_hint(t, hash, fer_sa_hint(hash, index));

	if (place != NULL)
		atomic_store_explicit(place, 0, memory_order_relaxed);
}

static bool is_wildcard(const struct fer_sa *sa)
{
	static const uint8_t zero[sizeof(sa->dst)];

	return memcmp(sa->dst, zero, sizeof(zero)) == 0;
}

bool fer_sa_is_known(
	const struct fer_sa_table *t, const struct fer_addr *dst, uint8_t protocol, uint32_t spi)
{
	struct fer_sa_id id = {.spi = spi, .version = dst->version, .protocol = protocol};
	const struct fer_sa_control *c = t->control;

	memcpy(id.dst, dst->bytes, sizeof(id.dst));
	return rte_hash_lookup(c->hash, &id) >= 0 ||
	       (c->ah_hash != NULL && rte_hash_lookup(c->ah_hash, &id) >= 0);
}

static struct rte_hash *hash_of(const struct fer_sa_control *c, const struct fer_sa *sa)
{
	return fer_sa_is_outside(sa) ? c->ah_hash : c->hash;
}

static int publish_in(struct fer_sa_table *t, const struct fer_sa *sa)
{
	struct fer_sa_control *c = t->control;
	struct fer_sa_id id = id_of(sa);

	if (sa->udp_at != 0)
		fer_ports_get(t->udp_ports, sa->udp_port);
	if (is_wildcard(sa))
		atomic_fetch_add_explicit(&c->n_wildcard, 1, memory_order_release);
	int error = rte_hash_add_key_data(hash_of(c, sa), &id, (void *)(uintptr_t)sa->index);
	if (error == 0 && !is_wildcard(sa))
		set_hint(t, &id, sa->index);
	return error;
}

static void publish_out(struct fer_sa_table *t, const struct fer_sa *sa)
{
	if (sa->out.dummy != 0)
		fer_dummy_publish(t, sa->out.dummy, fer_sa_handle(t->control, sa));
	if (sa->group != FER_NO_GROUP && !fer_sa_is_outside(sa) &&
		fer_group_active(t, sa->group) == 0)
		fer_group_set(t, sa->group, fer_sa_handle(t->control, sa));
}

int fer_sa_publish(struct fer_sa_table *t, struct fer_sa *sa)
{
	uint32_t *generation = &t->control->generations[sa->index];

	if (++*generation == 0)
		*generation = 1;
	t->control->n_live += !fer_sa_is_outside(sa);
	atomic_store_explicit(&sa->generation, *generation, memory_order_release);
	if (sa->direction == FER_IN)
		return publish_in(t, sa);
	publish_out(t, sa);
	return 0;
}

static int32_t unpublish_in(struct fer_sa_table *t, const struct fer_sa *sa)
{
	struct fer_sa_control *c = t->control;
	struct fer_sa_id id = id_of(sa);
	struct fer_addr dst = {.version = sa->version};
	int32_t position = rte_hash_del_key(hash_of(c, sa), &id);

	clear_hint(t, &id, sa->index);
	if (sa->udp_at != 0)
		fer_ports_put(t->udp_ports, sa->udp_port, fer_sa_now_ns(c));
	if (is_wildcard(sa)) {
		atomic_fetch_sub_explicit(&c->n_wildcard, 1, memory_order_release);
		return position;
	}
	memcpy(dst.bytes, sa->dst, sizeof(dst.bytes));
	fer_endpoints_put(c->endpoints, &dst, fer_sa_now_ns(c));
	return position;
}

static void unpublish_out(struct fer_sa_table *t, const struct fer_sa *sa)
{
	if (sa->out.dummy != 0)
		fer_dummy_unpublish(t, sa->out.dummy);
	if (fer_group_active(t, sa->group) == fer_sa_handle(t->control, sa))
		fer_group_set(t, sa->group, 0);
}

void fer_sa_unpublish(struct fer_sa_table *t, struct fer_sa *sa)
{
	struct fer_sa_control *c = t->control;
	int32_t position = -1;

	atomic_store_explicit(&sa->generation, 0, memory_order_release);
	c->n_live -= !fer_sa_is_outside(sa);
	if (sa->direction == FER_IN)
		position = unpublish_in(t, sa);
	else
		unpublish_out(t, sa);
	if (!fer_sa_is_outside(sa))
		fer_sa_stop_ageing(t, sa);
	c->positions[sa->index] = position;
	fer_index_push(c, &c->removed, sa->index);
	c->n_removed++;
	fer_sa_begin_grace(c);
}
