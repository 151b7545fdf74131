// SPDX-License-Identifier: BSD-3-Clause
#include "conf/build.h"

#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16
#define GROUP_KEY_BYTES (sizeof(uint32_t) + FER_DOC_NAME_BYTES)
#define ALL_SENDERS UINT32_MAX // a scope beside the pairs

int fer_build_init(struct fer_build *b, struct fer_doc *doc, bool is_part, struct fer_trail *t)
{
	int rc;

	*b = (struct fer_build){.doc = doc, .trail = t, .is_part = is_part};
	struct fer_index *const all[] = {&b->pair_names, &b->ports, &b->sa_names, &b->policy_names,
		&b->group_names, &b->spis, &b->keys};
	rc = fer_belong_init(&b->belong);
	for (size_t i = 0; rc == 0 && i < sizeof(all) / sizeof(all[0]); i++)
		rc = fer_index_init(all[i]);
	if (rc != 0)
		fer_doc_error_set(t->err, t->file, 0, NULL, "no random numbers");
	return rc;
}

void fer_build_fini(struct fer_build *b)
{
	fer_belong_fini(&b->belong);
	fer_index_fini(&b->pair_names);
	fer_index_fini(&b->ports);
	fer_index_fini(&b->sa_names);
	fer_index_fini(&b->policy_names);
	fer_index_fini(&b->group_names);
	fer_index_fini(&b->spis);
	fer_index_fini(&b->keys);
	free(b->refs);
}

// Makes room for one more item: the array, or a larger one that replaces it, or NULL.
static void *make_room(void *array, uint32_t n, uint32_t *room, size_t size)
{
	uint32_t larger = *room == 0 ? FIRST_ROOM : 2 * *room;

	if (n < *room)
		return array;
	array = reallocarray(array, larger, size);
	if (array != NULL)
		*room = larger;
	return array;
}

// The same for SAs, whose keys must not stay behind.
static bool make_sa_room(struct fer_doc *doc)
{
	size_t used = doc->n_sas * sizeof(doc->sas[0]);
	size_t larger = doc->sas_bytes == 0 ? 4096 : 2 * doc->sas_bytes;
	struct fer_doc_sa *sas;

	if (used + sizeof(doc->sas[0]) <= doc->sas_bytes)
		return true;
	sas = fer_secret_map(larger);
	if (sas == NULL)
		return false;
	if (used != 0)
		memcpy(sas, doc->sas, used);
	fer_secret_unmap(doc->sas, doc->sas_bytes);
	doc->sas = sas;
	doc->sas_bytes = larger;
	return true;
}

// Refuses a name that an earlier member of the same list has.
static int check_name(struct fer_build *b, struct fer_index *names, const char *name, uint32_t id,
	uint32_t line, const char *list)
{
	uint32_t found;

	if (fer_index_put(names, name, strlen(name), id, &found) != 0)
		return fer_trail_no_memory(b->trail);
	if (found != id)
		return fer_trail_fail(
			b->trail, line, "name", "is the name of %s[%u] as well", list, found);
	return 0;
}

// Ports belong to one side of one pair.
static int check_port(
	struct fer_build *b, const struct fer_doc_port *port, uint32_t id, const char *field)
{
	static const char *const sides[] = {"host", "wire"};
	uint32_t found;

	if (fer_index_put(&b->ports, port->name, strlen(port->name), id, &found) != 0)
		return fer_trail_no_memory(b->trail);
	if (found != id)
		return fer_trail_fail(b->trail, port->port_line, field,
			"is that of pairs[%u].%s as well", found / 2, sides[found % 2]);
	return 0;
}

int fer_build_pair(struct fer_build *b, const struct fer_doc_pair *d, const struct fer_lines *lines)
{
	struct fer_doc *doc = b->doc;
	uint32_t n = doc->n_pairs;
	struct fer_doc_pair *pairs = make_room(doc->pairs, n, &b->pairs_room, sizeof(*pairs));
	uint32_t line = lines->at[FER_PAIR_NAME].value;
	int rc;

	if (pairs == NULL)
		return fer_trail_no_memory(b->trail);
	doc->pairs = pairs;
	pairs[n] = *d;
	if (pairs[n].name[0] == '\0')
		snprintf(pairs[n].name, sizeof(pairs[n].name), "pair%u", n);
	rc = check_name(
		b, &b->pair_names, pairs[n].name, n, line == 0 ? lines->begin : line, "pairs");
	if (rc == 0)
		rc = check_port(b, &d->host, 2 * n, "host.port");
	if (rc == 0)
		rc = check_port(b, &d->wire, 2 * n + 1, "wire.port");
	if (rc == 0)
		doc->n_pairs++;
	return rc;
}

// Puts a number in front of bytes; returns how many they are together.
static size_t put_number(uint8_t *to, uint32_t number, const void *bytes, size_t len)
{
	memcpy(to, &number, sizeof(number));
	memcpy(to + sizeof(number), bytes, len);
	return sizeof(number) + len;
}

// RFC 4301 section 4.1: a receiver tells SAs apart by protocol, SPI and, here, pair and
// destination.
static int check_spi(struct fer_build *b, const struct fer_doc_sa *sa, uint32_t spi,
	uint16_t protocol, uint32_t line)
{
	struct {
		uint32_t pair;
		uint32_t spi;
		uint8_t dst[sizeof(sa->dst.bytes)];
		uint16_t version;
		uint16_t protocol;
	} id = {.pair = sa->pair, .spi = spi, .version = sa->dst.version, .protocol = protocol};
	uint32_t found;

	if (sa->direction != FER_IN || spi == 0)
		return 0;
	memcpy(id.dst, sa->dst.bytes, sizeof(id.dst));
	if (fer_index_put(&b->spis, &id, sizeof(id), b->doc->n_sas, &found) != 0)
		return fer_trail_no_memory(b->trail);
	if (found != b->doc->n_sas)
		return fer_trail_fail(b->trail, line,
			protocol == FER_PROTO_AH ? "ah.spi" : "esp.spi",
			"is that of sas[%u], which has the same dst", found);
	return 0;
}

// Finds the first SA that has this key among those of a scope: a pair, or ALL_SENDERS.
static int find_key(
	struct fer_build *b, uint32_t scope, const struct fer_doc_key *key, uint32_t *found)
{
	uint8_t bytes[sizeof(scope) + sizeof(key->bytes)];
	size_t len = put_number(bytes, scope, key->bytes, key->len);
	int rc = fer_index_put(&b->keys, bytes, len, b->doc->n_sas, found);

	fer_secret_wipe(bytes, sizeof(bytes));
	return rc == 0 ? 0 : fer_trail_no_memory(b->trail);
}

// Two senders with one key and salt would repeat each other's nonces; the receiver of the one can
// be the peer of the other.  Two receivers are harmless, and so are a sender and the receiver of
// another pair, which may be its peer.
//   algo  NULL: there is none
static int check_counter_key(struct fer_build *b, const struct fer_doc_sa *sa,
	const struct fer_algo *algo, const struct fer_doc_key *key, uint32_t line,
	const char *field)
{
	uint32_t self = b->doc->n_sas, found = self;
	int rc;

	if (algo == NULL || !algo->counter)
		return 0;
	rc = find_key(b, sa->pair, key, &found);
	if (rc == 0 && found != self && sa->direction == FER_IN &&
		b->doc->sas[found].direction == FER_IN)
		return 0;
	if (rc == 0 && found == self && sa->direction == FER_OUT)
		rc = find_key(b, ALL_SENDERS, key, &found);
	if (rc != 0 || found == self)
		return rc;
	return fer_trail_fail(b->trail, line, field,
		"has the key and salt of sas[%u]: %s would repeat nonces", found, algo->name);
}

static int check_counter_keys(
	struct fer_build *b, const struct fer_doc_sa *sa, const struct fer_lines *lines)
{
	int rc = check_counter_key(b, sa, sa->encryption, &sa->encryption_key,
		lines->at[FER_SA_ENCRYPTION_KEY].value, "esp.encryption_key");

	if (rc == 0)
		rc = check_counter_key(b, sa, sa->integrity, &sa->integrity_key,
			lines->at[FER_SA_INTEGRITY_KEY].value, "esp.integrity_key");
	if (rc == 0)
		rc = check_counter_key(b, sa, sa->ah.integrity, &sa->ah.key,
			lines->at[FER_SA_AH_KEY].value, "ah.integrity_key");
	return rc;
}

// The bytes by which a group is found; returns how many.
static size_t group_key(uint8_t bytes[GROUP_KEY_BYTES], uint32_t pair, const char *name)
{
	return put_number(bytes, pair, name, strlen(name));
}

// The index of the group of that pair and name, which is made when there is none.
static int group_of(struct fer_build *b, uint32_t pair, const char *name, uint32_t *group)
{
	uint8_t key[GROUP_KEY_BYTES];
	size_t len = group_key(key, pair, name);
	struct fer_doc *doc = b->doc;
	struct fer_doc_group *groups =
		make_room(doc->groups, doc->n_groups, &b->groups_room, sizeof(*groups));

	if (groups == NULL)
		return fer_trail_no_memory(b->trail);
	doc->groups = groups;
	if (fer_index_put(&b->group_names, key, len, doc->n_groups, group) != 0)
		return fer_trail_no_memory(b->trail);
	if (*group == doc->n_groups) {
		groups[*group] = (struct fer_doc_group){.pair = pair};
		memcpy(groups[*group].name, name, strlen(name));
		doc->n_groups++;
	}
	return 0;
}

static int add_sa(struct fer_build *b, const struct fer_doc_sa *d, const char *name, uint32_t line)
{
	struct fer_doc *doc = b->doc;
	struct fer_doc_group *group;
	struct fer_doc_sa *sa;
	uint32_t g = FER_INDEX_NONE;
	int rc = group_of(b, d->pair, name, &g);

	if (rc != 0)
		return rc;
	if (!make_sa_room(doc))
		return fer_trail_no_memory(b->trail);
	sa = &doc->sas[doc->n_sas++];
	*sa = *d;
	sa->line = line;
	sa->group = g;
	group = &doc->groups[g];
	group->n_sas[sa->direction]++;
	if (sa->mode == FER_TRANSPORT)
		group->n_transport_sas[sa->direction]++;
	if (sa->udp.sport != 0)
		group->n_udp_sas[sa->direction]++;
	return 0;
}

// Numbers the pair that an SA or a policy names, or does not name.
static int number_pair(struct fer_build *b, const char *name, const char *list, uint32_t at,
	const struct fer_lines *lines, unsigned place, uint32_t *pair)
{
	uint32_t line = lines->at[place].value;
	struct fer_pair_ref ref = {.list = list, .at = at, .line = line == 0 ? lines->begin : line};

	memcpy(ref.name, name, sizeof(ref.name));
	return fer_belong_add(&b->belong, b->trail, &ref, pair);
}

static void note_legacy(
	struct fer_build *b, const struct fer_algo *a, const char *field, uint32_t line)
{
	if (b->legacy.algo == NULL && a != NULL && a->legacy)
		b->legacy = (struct fer_legacy_use){a, field, b->doc->n_sas, line};
}

static int check_legacy(const struct fer_build *b)
{
	const struct fer_legacy_use *use = &b->legacy;
	char field[64];

	if (use->algo == NULL || b->doc->legacy_algorithms)
		return 0;
	snprintf(field, sizeof(field), "sas[%u].%s", use->sa, use->field);
	return fer_trail_fail(b->trail, use->line, field,
		"%s is a legacy algorithm and needs legacy_algorithms: true", use->algo->name);
}

int fer_build_sa(struct fer_build *b, struct fer_sa_draft *d, const struct fer_lines *lines)
{
	uint32_t n = b->doc->n_sas;
	int rc = check_name(b, &b->sa_names, d->sa.name, n, lines->at[FER_SA_NAME].value, "sas");

	if (rc == 0)
		rc = number_pair(b, d->pair, "sas", n, lines, FER_SA_PAIR, &d->sa.pair);
	if (rc == 0)
		rc = check_spi(b, &d->sa, d->sa.spi, FER_PROTO_ESP, lines->at[FER_SA_SPI].value);
	if (rc == 0)
		rc = check_spi(
			b, &d->sa, d->sa.ah.spi, FER_PROTO_AH, lines->at[FER_SA_AH_SPI].value);
	if (rc == 0)
		rc = check_counter_keys(b, &d->sa, lines);
	note_legacy(b, d->sa.encryption, "esp.encryption", lines->at[FER_SA_ENCRYPTION].value);
	note_legacy(b, d->sa.integrity, "esp.integrity", lines->at[FER_SA_INTEGRITY].value);
	note_legacy(b, d->sa.ah.integrity, "ah.integrity", lines->at[FER_SA_AH_INTEGRITY].value);
	if (rc == 0)
		rc = add_sa(b, &d->sa, d->group, lines->begin);
	return rc;
}

static int add_ref(struct fer_build *b, const struct fer_policy_draft *d, uint32_t place)
{
	struct fer_group_ref *refs = make_room(b->refs, b->n_refs, &b->refs_room, sizeof(*refs));

	if (refs == NULL)
		return fer_trail_no_memory(b->trail);
	b->refs = refs;
	refs = &refs[b->n_refs++];
	*refs = (struct fer_group_ref){
		.line = d->policy.group_lines[place], .policy = b->doc->n_policies, .place = place};
	memcpy(refs->name, d->groups[place], sizeof(refs->name));
	return 0;
}

static int add_policy(struct fer_build *b, const struct fer_policy_draft *d, uint32_t line)
{
	struct fer_doc *doc = b->doc;
	struct fer_doc_policy *policies =
		make_room(doc->policies, doc->n_policies, &b->policies_room, sizeof(*policies));

	if (policies == NULL)
		return fer_trail_no_memory(b->trail);
	doc->policies = policies;
	policies[doc->n_policies] = d->policy;
	policies[doc->n_policies].line = line;
	doc->n_policies++;
	return 0;
}

int fer_build_policy(struct fer_build *b, struct fer_policy_draft *d, const struct fer_lines *lines)
{
	uint32_t n = b->doc->n_policies;
	int rc = check_name(b, &b->policy_names, d->policy.name, n,
		lines->at[FER_POLICY_NAME].value, "policies");

	if (rc == 0)
		rc = number_pair(
			b, d->pair, "policies", n, lines, FER_POLICY_PAIR, &d->policy.pair);

	for (uint32_t i = 0; rc == 0 && i < d->policy.n_groups; i++)
		rc = add_ref(b, d, i);
	if (rc == 0)
		rc = add_policy(b, d, lines->begin);
	return rc;
}

static int fail_ref(struct fer_build *b, const struct fer_group_ref *ref, const char *why)
{
	fer_trail_key(b->trail, "policies");
	fer_trail_index(b->trail, ref->policy);
	fer_trail_key(b->trail, "sas");
	fer_trail_index(b->trail, ref->place);
	return fer_trail_fail(b->trail, ref->line, NULL, "%s", why);
}

static int check_group(struct fer_build *b, const struct fer_group_ref *ref,
	const struct fer_doc_group *g, enum fer_direction direction)
{
	if (g->n_sas[direction] == 0 && !b->is_part)
		return fail_ref(b, ref,
			direction == FER_OUT ? "names a group without an SA of direction out"
					     : "names a group without an SA of direction in");
	// What an outer SA carries is a packet that is protected already, from host to gateway
	// or gateway to gateway: transport mode between its end points has no place there.
	if (ref->place > 0 && g->n_transport_sas[direction] != 0)
		return fail_ref(b, ref,
			"names a group of transport mode, which only the first, innermost may be");
	return 0;
}

// The groups in front of it are known.
static int check_udp(struct fer_build *b, const struct fer_group_ref *ref)
{
	const struct fer_doc_policy *p = &b->doc->policies[ref->policy];
	unsigned n = 0;

	for (uint32_t i = 0; i <= ref->place; i++)
		n += b->doc->groups[p->groups[i]].n_udp_sas[p->direction] != 0;
	if (n < 2 || b->doc->groups[p->groups[ref->place]].n_udp_sas[p->direction] == 0)
		return 0;
	return fail_ref(b, ref, "names a second group with udp, but nobody opens UDP in UDP");
}

static int resolve(struct fer_build *b, const struct fer_group_ref *ref)
{
	struct fer_doc_policy *p = &b->doc->policies[ref->policy];
	uint32_t *g = &p->groups[ref->place];
	uint8_t key[GROUP_KEY_BYTES];
	int rc = 0;

	if (b->is_part)
		rc = group_of(b, p->pair, ref->name, g);
	else
		*g = fer_index_find(&b->group_names, key, group_key(key, p->pair, ref->name));
	if (rc == 0 && *g == FER_INDEX_NONE)
		rc = fail_ref(b, ref, "names no group of this document");
	if (rc == 0)
		rc = check_group(b, ref, &b->doc->groups[*g], p->direction);
	return rc == 0 ? check_udp(b, ref) : rc;
}

// A worker without a queue would only burn a CPU.
static int check_workers(struct fer_build *b)
{
	const struct fer_doc *doc = b->doc;
	uint32_t n_queues = 0;

	for (uint32_t i = 0; i < doc->n_pairs; i++)
		n_queues += doc->pairs[i].n_queues;
	if (doc->n_pairs == 0 || doc->daemon.n_workers <= n_queues)
		return 0;
	return fer_trail_fail(b->trail, doc->daemon.workers_line, "workers",
		"are %u, but all pairs together have %u queues", doc->daemon.n_workers, n_queues);
}

int fer_build_finish(struct fer_build *b)
{
	int rc = check_workers(b);

	for (uint32_t i = 0; rc == 0 && i < b->n_refs; i++)
		rc = resolve(b, &b->refs[i]);
	if (rc == 0)
		rc = fer_belong_resolve(&b->belong, b->trail, b->doc, &b->pair_names);
	if (rc == 0)
		rc = check_legacy(b);
	return rc;
}
