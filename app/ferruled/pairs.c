// SPDX-License-Identifier: BSD-3-Clause
#include "pairs.h"

#include "crypto/engine.h"
#include "keepalive.h"
#include "slots.h"
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POOL_CACHE 256
#define POLICY_GROUPS 16384 // that policies may name besides those of SAs

static int fail(struct fer_doc_error *err, const struct fer_doc *doc, unsigned pair, uint32_t line,
	const char *field, const char *what)
{
	char place[64];

	snprintf(place, sizeof(place), "pairs[%u].%s", pair, field);
	fer_doc_error_set(err, doc->name, line, place, what);
	return -EINVAL;
}

// Which key of the document is to blame for what a port did not like?
static int fail_port(struct fer_doc_error *err, const struct fer_doc *doc, unsigned pair,
	enum fer_side side, const struct fer_port_error *e)
{
	static const char *const names[] = {"host.port", "wire.port"};
	static const char *const mtus[] = {"host.mtu", "wire.mtu"};
	const struct fer_doc_pair *d = &doc->pairs[pair];
	const struct fer_doc_port *port = side == FER_HOST_SIDE ? &d->host : &d->wire;

	if (e->at == FER_PORT_QUEUES)
		return fail(err, doc, pair, d->queues_line, "queues", e->why);
	if (e->at == FER_PORT_MTU)
		return fail(err, doc, pair, port->mtu_line, mtus[side], e->why);
	return fail(err, doc, pair, port->port_line, names[side], e->why);
}

static int find_ports(struct fer_pair *p, const struct fer_doc *doc, struct fer_doc_error *err)
{
	const struct fer_doc_pair *d = &doc->pairs[p->number];
	const struct fer_doc_port *ports[] = {&d->host, &d->wire};
	struct fer_port_error e;

	for (unsigned side = 0; side < FER_N_SIDES; side++)
		if (fer_port_find(&p->port[side], ports[side], d->n_queues,
			    p->is_oob && side == FER_HOST_SIDE, &e) != 0)
			return fail_port(err, doc, p->number, (enum fer_side)side, &e);
	return 0;
}

// Buffers for full queues on both sides, and for what each worker has in hand or keeps waiting.
static uint32_t n_buffers(const struct fer_pair *p, unsigned n_workers)
{
	uint32_t n = n_workers * (FER_WORKER_BUFFERS + 2 * POOL_CACHE);

	for (unsigned side = 0; side < FER_N_SIDES; side++)
		n += (uint32_t)p->port[side].n_queues *
		     (p->port[side].n_rx_desc + p->port[side].n_tx_desc);
	return rte_align32pow2(n + 1) - 1;
}

static int open_pool(struct fer_pair *p, const struct fer_doc *doc, unsigned n_workers,
	struct fer_doc_error *err)
{
	uint32_t n = n_buffers(p, n_workers);
	uint32_t room = RTE_MAX(p->port[0].data_room, p->port[1].data_room);
	int socket = rte_eth_dev_socket_id(p->port[FER_WIRE_SIDE].id);
	char name[32], what[160];

	snprintf(name, sizeof(name), "ferrule-%u", p->number);
	p->pool = rte_pktmbuf_pool_create(name, n, POOL_CACHE, 0, (uint16_t)room, socket);
	if (p->pool != NULL)
		return 0;
	snprintf(what, sizeof(what), "no memory for %u buffers of %u bytes: %s", n, room,
		rte_errno == ENOMEM ? "reserve more hugepages, or give a larger -m"
				    : rte_strerror(rte_errno));
	return fail(err, doc, p->number, doc->pairs[p->number].queues_line, "queues", what);
}

static int set_up_ports(struct fer_pair *p, const struct fer_doc *doc, struct fer_doc_error *err)
{
	struct fer_port_error e;

	for (unsigned side = 0; side < FER_N_SIDES; side++)
		if (fer_port_set_up(&p->port[side], p->pool, &e) != 0)
			return fail_port(err, doc, p->number, (enum fer_side)side, &e);
	return 0;
}

static int open_table(struct fer_pair *p, const struct fer_doc *doc,
	const struct fer_pair_params *params, struct fer_doc_error *err)
{
	const struct fer_doc_pair *d = &doc->pairs[p->number];
	struct fer_sa_table_params t = {.capacity = d->capacity,
		.n_groups = d->capacity + POLICY_GROUPS,
		.ivs = params->ivs,
		.qsbr = params->qsbr,
		.beside = params->beside == NULL ? NULL : params->beside->sas};
	char name[16], what[128];
	int error;

	snprintf(name, sizeof(name), "pair-%u", p->number);
	t.name = name;
	p->sas = fer_sa_table_create(&t, params->engine, &error);
	if (p->sas != NULL)
		fer_sa_table_prepare(p->sas);
	if (p->sas != NULL)
		error = fer_groups_init(&p->groups, t.n_groups);
	if (p->sas != NULL && error == 0)
		error = fer_names_init(&p->names);
	p->by_index = calloc(d->capacity, sizeof(p->by_index[0]));
	if (p->sas != NULL && error == 0 && p->by_index != NULL)
		return 0;
	snprintf(what, sizeof(what), "no room for %u SAs: %s", d->capacity,
		strerror(error == 0 ? ENOMEM : -error));
	return fail(err, doc, p->number, d->line, "capacity", what);
}

// The rules of a pair that has no policies yet.
static int open_rules(struct fer_pair *p, const struct fer_doc *doc, struct fer_doc_error *err)
{
	const struct fer_doc_pair *d = &doc->pairs[p->number];
	const char *why = "no memory for the policies";
	int error;

	p->rules = fer_rules_create(&p->groups, d, NULL, 0, &error);
	if (p->rules == NULL || fer_rules_build(p->rules, &why) != 0)
		return fail(err, doc, p->number, d->line, "name", why);
	atomic_init(&p->published, &p->rules->host);
	return 0;
}

// What the keywords configure.  The host half of the appliance is bound as soon as it is there; an
// external host binds by OID_OFFLOAD_ENCAPSULATION.
static int open_offload(
	struct fer_pair *p, const struct fer_doc *doc, uint64_t lacks, struct fer_doc_error *err)
{
	const struct fer_doc_pair *d = &doc->pairs[p->number];
	struct ndis_offload hardware =
		fer_offload_hardware(d->capacity, doc->legacy_algorithms, lacks);
	struct fer_keywords keywords;
	int rc = 0;

	if (p->is_oob)
		fer_slots_offer(&hardware, p->port[FER_HOST_SIDE].large_bytes);
	p->completes_all = d->completions == FER_DOC_COMPLETE_ALL;
	p->delete_after = (uint16_t)d->delete_after;
	memcpy(p->keywords, d->keywords, sizeof(p->keywords));
	fer_keywords_default(&keywords);
	if (p->keywords[0] != '\0')
		rc = fer_keywords_load(p->keywords, p->name, &keywords, err);
	if (rc == 0)
		fer_offload_init(&p->offload, &hardware, &keywords, !p->is_oob);
	return rc;
}

int fer_pair_open(struct fer_pair *p, const struct fer_doc *doc,
	const struct fer_pair_params *params, struct fer_doc_error *err)
{
	*p = (struct fer_pair){.number = params->number, .grace = params->grace};
	memcpy(p->name, doc->pairs[p->number].name, sizeof(p->name));
	p->legacy_algorithms = doc->legacy_algorithms;
	p->is_oob = doc->pairs[p->number].mode == FER_DOC_OOB;
	int rc = find_ports(p, doc, err);
	if (rc == 0)
		rc = open_offload(p, doc, fer_engine_lacks(params->engine), err);
	if (rc == 0)
		rc = open_pool(p, doc, params->n_workers, err);
	if (rc == 0 && fer_keepalive_open(p, doc->pairs[p->number].nat_keepalive) != 0)
		rc = fail(err, doc, p->number, doc->pairs[p->number].line, "nat_keepalive",
			"no memory");
	if (rc == 0)
		rc = set_up_ports(p, doc, err);
	if (rc == 0)
		rc = open_table(p, doc, params, err);
	if (rc == 0)
		rc = open_rules(p, doc, err);
	if (rc != 0)
		fer_pair_close(p);
	return rc;
}

int fer_pair_start(struct fer_pair *p, const struct fer_doc *doc, struct fer_doc_error *err)
{
	struct fer_port_error e;

	for (unsigned side = 0; side < FER_N_SIDES; side++)
		if (fer_port_start(&p->port[side], &e) != 0)
			return fail_port(err, doc, p->number, (enum fer_side)side, &e);
	return 0;
}

void fer_pair_stop(struct fer_pair *p)
{
	for (unsigned side = 0; side < FER_N_SIDES; side++)
		fer_port_stop(&p->port[side]);
}

static void free_sas(struct fer_pair *p)
{
	uint32_t capacity = p->sas == NULL ? 0 : fer_sa_capacity(p->sas);

	for (uint32_t i = 0; p->by_index != NULL && i < capacity; i++) {
		struct fer_pair_sa *sa = p->by_index[i];

		if (sa == NULL)
			continue;
		if (sa->group != FER_NO_GROUP)
			fer_groups_release(&p->groups, sa->group);
		free(sa);
	}
	free(p->by_index);
	p->by_index = NULL;
}

void fer_pair_close(struct fer_pair *p)
{
	for (unsigned side = 0; side < FER_N_SIDES; side++)
		fer_port_close(&p->port[side]);
	fer_rules_destroy(p->rules);
	p->rules = NULL;
	free_sas(p);
	fer_names_fini(&p->names);
	fer_groups_fini(&p->groups);
	if (p->sas != NULL)
		fer_sa_table_destroy(p->sas);
	p->sas = NULL;
	fer_keepalive_close(p);
	rte_mempool_free(p->pool);
	p->pool = NULL;
}

// Enters a name and holds the group.  Undone by forget().
static int remember(struct fer_pair_sa *sa, const char *group, const char **why)
{
	struct fer_pair *p = sa->pair;
	int error = fer_names_put(&p->names, &sa->named);

	if (error == -EEXIST)
		*why = "an SA of this name is there";
	if (error != 0)
		return error;
	error = fer_groups_hold(&p->groups, group, &sa->group);
	if (error == -ENOSPC)
		*why = "there are too many groups";
	if (error != 0)
		fer_names_remove(&p->names, &sa->named);
	return error;
}

static void forget(struct fer_pair_sa *sa)
{
	if (sa->group == FER_NO_GROUP)
		return;
	fer_groups_release(&sa->pair->groups, sa->group);
	fer_names_remove(&sa->pair->names, &sa->named);
}

static void join_group(struct fer_pair_sa *sa)
{
	struct fer_group *g = fer_groups_at(&sa->pair->groups, sa->group);
	const struct fer_sa *block = fer_pair_sa_block(sa);

	sa->next = g->members;
	if (g->members != NULL)
		g->members->previous = sa;
	g->members = sa;
	g->n_sas[block->direction]++;
	g->n_transport_sas[block->direction] += block->mode == FER_TRANSPORT;
	g->n_udp_sas[block->direction] += block->udp_at != 0;
}

// Its block stays as it was until workers have let go of it.
static void leave_group(struct fer_pair_sa *sa)
{
	struct fer_group *g = fer_groups_at(&sa->pair->groups, sa->group);
	const struct fer_sa *block = fer_pair_sa_block(sa);

	if (sa->next != NULL)
		sa->next->previous = sa->previous;
	if (sa->previous != NULL)
		sa->previous->next = sa->next;
	else
		g->members = sa->next;
	g->n_sas[block->direction]--;
	g->n_transport_sas[block->direction] -= block->mode == FER_TRANSPORT;
	g->n_udp_sas[block->direction] -= block->udp_at != 0;
}

static uint8_t number_of(const struct fer_algo *row)
{
	return row == NULL ? FER_PAIR_NO_ALGO : (uint8_t)fer_algo_index(row);
}

// The SA is in the table: what is to be known of it later.
static void note(struct fer_pair_sa *sa, const struct fer_sa_params *params)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	sa->added_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	sa->encryption = number_of(params->encryption);
	sa->integrity = number_of(params->integrity);
	sa->ah_integrity = number_of(params->ah.integrity);
	sa->pair->by_index[(uint32_t)sa->handle] = sa;
	fer_keepalive_add(sa);
	if (sa->group != FER_NO_GROUP)
		join_group(sa);
}

// Room for all that is to be known of it; NULL without memory.
static struct fer_pair_sa *create_sa(
	struct fer_pair *p, const char *name, const struct fer_sa_params *params)
{
	const size_t name_bytes = strlen(name) + 1;
	size_t udp_off = RTE_ALIGN_CEIL(
		offsetof(struct fer_pair_sa, name) + name_bytes, alignof(struct fer_pair_udp));
	size_t udp_bytes = params->udp_at != 0 ? sizeof(struct fer_pair_udp) : 0;
	struct fer_pair_sa *sa = calloc(1, RTE_MAX(udp_off + udp_bytes, sizeof(*sa)));

	if (sa == NULL)
		return NULL;
	sa->pair = p;
	sa->group = FER_NO_GROUP;
	sa->named.name = memcpy(sa->name, name, name_bytes);
	if (udp_bytes != 0) {
		sa->udp = RTE_PTR_ADD(sa, udp_off);
		*sa->udp = (struct fer_pair_udp){.asked = params->udp, .sa = sa};
	}
	return sa;
}

int fer_pair_add_sa(struct fer_pair *p, const char *name, const char *group,
	const struct fer_sa_params *params, uint64_t *handle, const char **why)
{
	struct fer_pair_sa *sa = create_sa(p, name == NULL ? "" : name, params);
	struct fer_sa_params with_group = *params;
	int error;

	*why = "no memory";
	if (sa == NULL)
		return -ENOMEM;
	if (name != NULL) {
		error = remember(sa, group, why);
		if (error != 0)
			goto undo_sa;
	}
	with_group.group = sa->group;
	error = fer_sa_add(p->sas, &with_group, &sa->handle, why);
	if (error != 0)
		goto undo_names;
	note(sa, &with_group);
	*handle = sa->handle;
	return 0;
undo_names:
	forget(sa);
undo_sa:
	free(sa);
	return error;
}

static void release_sa(struct fer_deferred *d)
{
	struct fer_pair_sa *sa = RTE_PTR_SUB(d, offsetof(struct fer_pair_sa, deferred));

	if (sa->group != FER_NO_GROUP)
		fer_groups_release(&sa->pair->groups, sa->group);
	free(sa);
}

int fer_pair_remove_sa(struct fer_pair *p, uint64_t handle)
{
	struct fer_pair_sa *sa = fer_pair_sa_of(p, handle);
	int error = sa == NULL ? -ENOENT : fer_sa_remove(p->sas, handle);

	if (error != 0)
		return error;
	p->by_index[(uint32_t)handle] = NULL;
	fer_keepalive_remove(sa);
	if (sa->group != FER_NO_GROUP) {
		fer_names_remove(&p->names, &sa->named);
		leave_group(sa);
	}
	// A packet on its way may have been opened by it: until then its group is no other's.
	fer_grace_defer(p->grace, &sa->deferred, release_sa);
	return 0;
}

bool fer_pair_has_lost_port(const struct fer_pair *p)
{
	for (unsigned side = 0; side < FER_N_SIDES; side++)
		if (atomic_load_explicit(&p->port[side].is_removed, memory_order_relaxed))
			return true;
	return false;
}

void fer_pair_remove_sas(struct fer_pair *p, uint32_t most)
{
	for (; p->n_emptied < fer_sa_capacity(p->sas) && most > 0; p->n_emptied++) {
		const struct fer_pair_sa *sa = p->by_index[p->n_emptied];
		bool is_removed = sa == NULL || fer_pair_remove_sa(p, sa->handle) == 0;

		assert(is_removed);
		(void)is_removed;
		most -= sa != NULL;
	}
}

struct fer_pair_sa *fer_pair_find_sa(const struct fer_pair *p, const char *name)
{
	return (struct fer_pair_sa *)fer_names_find(&p->names, name);
}

uint32_t fer_pair_sa_spi(const struct fer_pair_sa *sa, uint8_t protocol)
{
	const struct fer_sa *head = fer_pair_sa_block(sa), *ah = fer_sa_ah(sa->pair->sas, head);

	if (head->protocol == protocol)
		return head->spi;
	return ah != NULL && ah->protocol == protocol ? ah->spi : 0;
}

struct fer_pair_sa *fer_pair_sa_of(const struct fer_pair *p, uint64_t handle)
{
	uint32_t index = (uint32_t)handle;
	struct fer_pair_sa *sa = index < fer_sa_capacity(p->sas) ? p->by_index[index] : NULL;

	return sa != NULL && sa->handle == handle ? sa : NULL;
}

static void destroy_rules(struct fer_deferred *d)
{
	fer_rules_destroy(RTE_PTR_SUB(d, offsetof(struct fer_rules, deferred)));
}

void fer_pair_publish(struct fer_pair *p, struct fer_rules *r)
{
	struct fer_rules *old = p->rules;

	p->rules = r;
	atomic_store_explicit(&p->published, &r->host, memory_order_release);
	fer_grace_defer(p->grace, &old->deferred, destroy_rules);
}
