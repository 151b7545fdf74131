// SPDX-License-Identifier: BSD-3-Clause
#include "conf/belong.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fer_belong_init(struct fer_belong *b)
{
	*b = (struct fer_belong){0};
	return fer_index_init(&b->names);
}

void fer_belong_fini(struct fer_belong *b)
{
	fer_index_fini(&b->names);
	free(b->refs);
}

static int append(struct fer_belong *b, struct fer_trail *t, const struct fer_pair_ref *ref)
{
	if (b->n_refs == b->room) {
		uint32_t room = b->room == 0 ? 4 : 2 * b->room;
		struct fer_pair_ref *refs = reallocarray(b->refs, room, sizeof(*refs));

		if (refs == NULL)
			return fer_trail_no_memory(t);
		b->refs = refs;
		b->room = room;
	}
	b->refs[b->n_refs++] = *ref;
	return 0;
}

int fer_belong_add(
	struct fer_belong *b, struct fer_trail *t, const struct fer_pair_ref *ref, uint32_t *number)
{
	bool is_named = ref->name[0] != '\0';

	if (b->n_refs > 0 && is_named != (b->refs[0].name[0] != '\0'))
		return fer_trail_fail(t, ref->line, "pair",
			is_named ? "is given, but not in %s[%u]"
				 : "is missing, but given in %s[%u]",
			b->refs[0].list, b->refs[0].at);
	if (fer_index_put(&b->names, ref->name, strlen(ref->name), b->n_refs, number) != 0)
		return fer_trail_no_memory(t);
	return *number == b->n_refs ? append(b, t, ref) : 0;
}

static int fail(struct fer_trail *t, const struct fer_pair_ref *ref, const char *why)
{
	fer_trail_key(t, ref->list);
	fer_trail_index(t, ref->at);
	return fer_trail_fail(t, ref->line, "pair", "%s", why);
}

// Pairs that are named and not described.
static int make_up(const struct fer_belong *b, struct fer_trail *t, struct fer_doc *doc)
{
	if (b->n_refs == 0)
		return 0;
	doc->pairs = calloc(b->n_refs, sizeof(*doc->pairs));
	if (doc->pairs == NULL)
		return fer_trail_no_memory(t);
	doc->n_pairs = b->n_refs;
	for (uint32_t i = 0; i < b->n_refs; i++)
		memcpy(doc->pairs[i].name, b->refs[i].name, sizeof(b->refs[i].name));
	return 0;
}

static int look_up(struct fer_trail *t, const struct fer_pair_ref *ref, const struct fer_doc *doc,
	const struct fer_index *pair_names, uint32_t *pair)
{
	*pair = 0;
	if (ref->name[0] != '\0')
		*pair = fer_index_find(pair_names, ref->name, strlen(ref->name));
	else if (doc->n_pairs != 1)
		return fail(t, ref, "is missing, and there are several");
	if (*pair == FER_INDEX_NONE)
		return fail(t, ref, "names no pair of this document");
	return doc->pairs[*pair].mode == FER_DOC_STACK
		       ? 0
		       : fail(t, ref, "is of mode oob: its host has the SAs and policies");
}

static void renumber(struct fer_doc *doc, const uint32_t *pairs)
{
	for (uint32_t i = 0; i < doc->n_sas; i++)
		doc->sas[i].pair = pairs[doc->sas[i].pair];
	for (uint32_t i = 0; i < doc->n_policies; i++)
		doc->policies[i].pair = pairs[doc->policies[i].pair];
	for (uint32_t i = 0; i < doc->n_groups; i++)
		doc->groups[i].pair = pairs[doc->groups[i].pair];
}

int fer_belong_resolve(const struct fer_belong *b, struct fer_trail *t, struct fer_doc *doc,
	const struct fer_index *pair_names)
{
	uint32_t *pairs;
	int rc = 0;

	if (doc->n_pairs == 0)
		return make_up(b, t, doc); // by the numbers that are there
	pairs = calloc(b->n_refs + 1, sizeof(*pairs));
	if (pairs == NULL)
		return fer_trail_no_memory(t);
	for (uint32_t i = 0; rc == 0 && i < b->n_refs; i++)
		rc = look_up(t, &b->refs[i], doc, pair_names, &pairs[i]);
	if (rc == 0)
		renumber(doc, pairs);
	free(pairs);
	return rc;
}
