// SPDX-License-Identifier: BSD-3-Clause
// What a document says of the SAs and policies of a pair.
#include "pairs.h"

#include "../common/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int load_sas(struct fer_pair *p, const struct fer_doc *doc, struct fer_doc_error *err)
{
	for (uint32_t i = 0; i < doc->n_sas; i++) {
		const struct fer_doc_sa *sa = &doc->sas[i];
		struct fer_sa_params params = fer_load_sa_params(sa);
		const char *why;
		char field[32];
		uint64_t handle;

		if (sa->pair != p->number)
			continue;
		int error = fer_pair_add_sa(
			p, sa->name, doc->groups[sa->group].name, &params, &handle, &why);
		if (error == 0)
			continue;
		snprintf(field, sizeof(field), "sas[%u]", i);
		fer_doc_error_set(err, doc->name, sa->line, field, why);
		return error;
	}
	return 0;
}

static struct fer_named_policy name_policy(
	const struct fer_doc *doc, const struct fer_doc_policy *p)
{
	struct fer_named_policy named = {.rule = fer_load_rule(p)};

	memcpy(named.name, p->name, sizeof(named.name));
	for (unsigned g = 0; g < p->n_groups; g++)
		memcpy(named.groups[g], doc->groups[p->groups[g]].name, sizeof(named.groups[g]));
	return named;
}

static int load_policies(struct fer_pair *p, const struct fer_doc *doc, struct fer_doc_error *err)
{
	struct fer_named_policy *named = calloc(doc->n_policies + 1u, sizeof(*named));
	const char *why = "no memory for the policies";
	uint32_t n = 0, line = doc->pairs[p->number].line;
	struct fer_rules *r = NULL;
	int error = -ENOMEM;

	for (uint32_t i = 0; named != NULL && i < doc->n_policies; i++) {
		if (doc->policies[i].pair != p->number)
			continue;
		line = n == 0 ? doc->policies[i].line : line;
		named[n++] = name_policy(doc, &doc->policies[i]);
	}
	if (named != NULL)
		r = fer_rules_create(&p->groups, &doc->pairs[p->number], named, n, &error);
	free(named);
	if (r != NULL)
		error = fer_rules_build(r, &why);
	if (error == 0) {
		fer_pair_publish(p, r);
		return 0;
	}
	fer_rules_destroy(r);
	fer_doc_error_set(err, doc->name, line, "policies", why);
	return error;
}

int fer_pair_load(struct fer_pair *p, const struct fer_doc *doc, struct fer_doc_error *err)
{
	int error = load_sas(p, doc, err);

	return error == 0 ? load_policies(p, doc, err) : error;
}
