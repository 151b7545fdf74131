// SPDX-License-Identifier: BSD-3-Clause
#include "conf/build.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16

int fer_build_init(struct fer_build *b, struct fer_doc *doc, struct fer_trail *t)
{
	int rc;

	*b = (struct fer_build){.doc = doc, .trail = t};
	struct fer_index *const all[] = {
		&b->sa_names, &b->policy_names, &b->group_names, &b->spis, &b->keys};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		rc = fer_index_init(all[i]);
		if (rc != 0) {
			fer_doc_error_set(t->err, t->file, 0, NULL, "no random numbers");
			return rc;
		}
	}
	return 0;
}

void fer_build_fini(struct fer_build *b)
{
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

// RFC 4301 section 4.1: a receiver tells SAs apart by protocol, SPI and, here, destination.
static int check_spi(struct fer_build *b, const struct fer_doc_sa *sa, uint32_t line)
{
	uint8_t bytes[sizeof(sa->dst.bytes) + 1 + sizeof(sa->spi)];
	uint32_t found;

	if (sa->direction != FER_IN)
		return 0;
	memcpy(bytes, sa->dst.bytes, sizeof(sa->dst.bytes));
	bytes[sizeof(sa->dst.bytes)] = sa->dst.version;
	memcpy(bytes + sizeof(sa->dst.bytes) + 1, &sa->spi, sizeof(sa->spi));
	if (fer_index_put(&b->spis, bytes, sizeof(bytes), b->doc->n_sas, &found) != 0)
		return fer_trail_no_memory(b->trail);
	if (found != b->doc->n_sas)
		return fer_trail_fail(b->trail, line, "esp.spi",
			"is that of sas[%u], which has the same dst", found);
	return 0;
}

// Two senders with one key and salt would repeat each other's nonces; the receiver of the one can
// be the peer of the other.  Only two receivers are harmless.
static int check_counter_key(struct fer_build *b, const struct fer_doc_sa *sa, uint32_t line)
{
	const struct fer_doc_key *key = &sa->encryption_key;
	uint32_t found;

	if (!sa->encryption->counter)
		return 0;
	if (fer_index_put(&b->keys, key->bytes, key->len, b->doc->n_sas, &found) != 0)
		return fer_trail_no_memory(b->trail);
	if (found == b->doc->n_sas ||
		(sa->direction == FER_IN && b->doc->sas[found].direction == FER_IN))
		return 0;
	return fer_trail_fail(b->trail, line, "esp.encryption_key",
		"has the key and salt of sas[%u]: %s would repeat nonces", found,
		sa->encryption->name);
}

// The index of the group of that name, which is made when there is none.
static int group_of(struct fer_build *b, const char *name, uint32_t *group)
{
	struct fer_doc *doc = b->doc;
	struct fer_doc_group *groups =
		make_room(doc->groups, doc->n_groups, &b->groups_room, sizeof(*groups));

	if (groups == NULL)
		return fer_trail_no_memory(b->trail);
	doc->groups = groups;
	if (fer_index_put(&b->group_names, name, strlen(name), doc->n_groups, group) != 0)
		return fer_trail_no_memory(b->trail);
	if (*group == doc->n_groups) {
		groups[*group] = (struct fer_doc_group){0};
		memcpy(groups[*group].name, name, strlen(name));
		doc->n_groups++;
	}
	return 0;
}

static int add_sa(struct fer_build *b, const struct fer_sa_draft *d, uint32_t line)
{
	struct fer_doc *doc = b->doc;
	struct fer_doc_group *group;
	struct fer_doc_sa *sa;
	uint32_t g = FER_INDEX_NONE;
	int rc = group_of(b, d->group, &g);

	if (rc != 0)
		return rc;
	if (!make_sa_room(doc))
		return fer_trail_no_memory(b->trail);
	sa = &doc->sas[doc->n_sas++];
	*sa = d->sa;
	sa->line = line;
	sa->group = g;
	group = &doc->groups[g];
	group->n_sas[sa->direction]++;
	if (sa->mode == FER_TRANSPORT)
		group->n_transport_sas[sa->direction]++;
	return 0;
}

int fer_build_sa(struct fer_build *b, const struct fer_sa_draft *d, const struct fer_lines *lines)
{
	int rc = check_name(
		b, &b->sa_names, d->sa.name, b->doc->n_sas, lines->at[FER_SA_NAME].value, "sas");

	if (rc == 0)
		rc = check_spi(b, &d->sa, lines->at[FER_SA_SPI].value);
	if (rc == 0)
		rc = check_counter_key(b, &d->sa, lines->at[FER_SA_ENCRYPTION_KEY].value);
	if (rc == 0)
		rc = add_sa(b, d, lines->begin);
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
		.line = d->group_lines[place], .policy = b->doc->n_policies, .place = place};
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

int fer_build_policy(
	struct fer_build *b, const struct fer_policy_draft *d, const struct fer_lines *lines)
{
	int rc = check_name(b, &b->policy_names, d->policy.name, b->doc->n_policies,
		lines->at[FER_POLICY_NAME].value, "policies");

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

static int resolve(struct fer_build *b, const struct fer_group_ref *ref)
{
	struct fer_doc_policy *p = &b->doc->policies[ref->policy];
	uint32_t g = fer_index_find(&b->group_names, ref->name, strlen(ref->name));

	if (g == FER_INDEX_NONE)
		return fail_ref(b, ref, "names no group of this document");
	if (b->doc->groups[g].n_sas[p->direction] == 0)
		return fail_ref(b, ref,
			p->direction == FER_OUT ? "names a group without an SA of direction out"
						: "names a group without an SA of direction in");
	// What an outer SA carries is a packet that is protected already, from host to gateway
	// or gateway to gateway: transport mode between its end points has no place there.
	if (ref->place > 0 && b->doc->groups[g].n_transport_sas[p->direction] != 0)
		return fail_ref(b, ref,
			"names a group of transport mode, which only the first, innermost may be");
	p->groups[ref->place] = g;
	return 0;
}

int fer_build_finish(struct fer_build *b)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < b->n_refs; i++)
		rc = resolve(b, &b->refs[i]);
	return rc;
}
