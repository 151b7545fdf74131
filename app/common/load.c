// SPDX-License-Identifier: BSD-3-Clause
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct fer_sa_params fer_load_sa_params(const struct fer_doc_sa *s)
{
	return (struct fer_sa_params){
		.direction = s->direction,
		.mode = s->mode,
		.spi = s->spi,
		.group = s->group,
		.src = s->src,
		.dst = s->dst,
		.encryption = s->encryption,
		.integrity = s->integrity,
		.icv_bytes = s->icv_bytes,
		.encryption_key = s->encryption_key.bytes,
		.integrity_key = s->integrity_key.bytes,
		.ah = {.spi = s->ah.spi,
			.integrity = s->ah.integrity,
			.key = s->ah.key.bytes,
			.sequence = s->sequence},
		.esn = s->esn,
		.sequence = s->sequence,
		.replay_window = s->replay_window,
		.outer = s->outer,
		.tfc = s->tfc,
		.lifetime = s->lifetime,
		.udp_at = s->udp.sport != 0 ? FER_UDP_OUTSIDE | FER_UDP_INSIDE : 0,
		.udp = s->udp,
	};
}

int fer_load_sas(struct fer_sa_table *sas, const struct fer_doc *doc, uint32_t pair,
	uint64_t handles[], struct fer_doc_error *err)
{
	for (uint32_t i = 0; i < doc->n_sas; i++) {
		struct fer_sa_params params = fer_load_sa_params(&doc->sas[i]);
		const char *why = NULL;
		char field[32];

		handles[i] = 0;
		if (doc->sas[i].pair != pair)
			continue;
		int error = fer_sa_add(sas, &params, &handles[i], &why);

		if (error == 0)
			continue;
		snprintf(field, sizeof(field), "sas[%u]", i);
		fer_doc_error_set(err, doc->name, doc->sas[i].line, field, why);
		return error;
	}
	return 0;
}

struct fer_policy_rule fer_load_rule(const struct fer_doc_policy *p)
{
	static const enum fer_policy_action actions[] = {
		[FER_DOC_PROTECT] = FER_POLICY_PROTECT,
		[FER_DOC_BYPASS] = FER_POLICY_BYPASS,
		[FER_DOC_DISCARD] = FER_POLICY_DISCARD,
	};
	struct fer_policy_rule r = {
		.direction = p->direction,
		.priority = p->priority,
		.src = p->src,
		.dst = p->dst,
		.protocol = p->protocol == FER_DOC_PROTOCOL_ANY ? FER_PROTO_ANY : p->protocol,
		.sport = {p->sport.first, p->sport.last},
		.dport = {p->dport.first, p->dport.last},
		.icmp_type = p->icmp_type == FER_DOC_ICMP_TYPE_ANY ? -1 : (int16_t)p->icmp_type,
		.action = actions[p->action],
		.n_groups = (uint8_t)p->n_groups,
	};

	for (uint32_t g = 0; g < p->n_groups; g++)
		r.group[g] = p->groups[g];
	return r;
}

// The rules of a pair; how many, and the first of them in the document.
static uint32_t make_rules(
	const struct fer_doc *doc, uint32_t pair, struct fer_policy_rule *rules, uint32_t *first)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < doc->n_policies; i++) {
		if (doc->policies[i].pair != pair)
			continue;
		if (n == 0)
			*first = i;
		rules[n++] = fer_load_rule(&doc->policies[i]);
	}
	return n;
}

int fer_load_policies(const struct fer_doc *doc, uint32_t pair, struct fer_policies **policies,
	struct fer_doc_error *err)
{
	struct fer_policy_rule *rules = calloc(doc->n_policies + 1, sizeof(*rules));
	const char *why = "no memory";
	int error = -ENOMEM;
	uint32_t n = 0, first = 0;

	*policies = NULL;
	if (rules != NULL) {
		n = make_rules(doc, pair, rules, &first);
		error = 0;
	}
	if (n > 0)
		*policies = fer_policies_build(rules, n, &error, &why);
	free(rules);
	if (error != 0)
		fer_doc_error_set(
			err, doc->name, n == 0 ? 0 : doc->policies[first].line, "policies", why);
	return error;
}
