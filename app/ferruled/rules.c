// SPDX-License-Identifier: BSD-3-Clause
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERS_PER_SECOND 100 // of each worker; RFC 4443 section 2.4 (f), RFC 1812 section 4.3.2.8

// Holds the groups of one policy: all or none.
static int hold_groups(struct fer_groups *groups, struct fer_named_policy *p)
{
	for (unsigned i = 0; i < p->rule.n_groups; i++) {
		int error = fer_groups_hold(groups, p->groups[i], &p->rule.group[i]);

		if (error == 0)
			continue;
		while (i-- > 0)
			fer_groups_release(groups, p->rule.group[i]);
		return error;
	}
	return 0;
}

static uint8_t action_of(enum fer_doc_rule rule)
{
	return rule == FER_DOC_PASS ? FER_CLASS_TO_PASS : FER_CLASS_TO_DROP;
}

// What workers see of the settings.
static void apply_settings(struct fer_host_rules *host, const struct fer_doc_pair *settings)
{
	uint8_t *action = host->classes.action;

	action[FER_CLASS_ARP] = action_of(settings->arp);
	action[FER_CLASS_ND] = action[FER_CLASS_MLD] = action_of(settings->neighbour_discovery);
	action[FER_CLASS_NON_IP] = action_of(settings->other);
	action[FER_CLASS_IKE] = action[FER_CLASS_KEEPALIVE] =
		settings->ike == FER_DOC_IKE_PASS ? FER_CLASS_TO_PASS : FER_CLASS_TO_POLICY;
	host->classes.n_peers = settings->n_ike_peers;
	host->classes.peers = settings->ike_peers;
	host->mtu[FER_OUT] = settings->wire.mtu;
	host->mtu[FER_IN] = settings->host.mtu;
	host->clamp_mss = settings->clamp_mss;
	host->answers_per_second = ANSWERS_PER_SECOND;
}

struct fer_rules *fer_rules_create(struct fer_groups *groups, const struct fer_doc_pair *settings,
	const struct fer_named_policy *policies, uint32_t n, int *error)
{
	struct fer_rules *r = calloc(1, sizeof(*r) + n * sizeof(r->named[0]));

	*error = -ENOMEM;
	if (r == NULL)
		return NULL;
	r->groups = groups;
	r->settings = *settings;
	apply_settings(&r->host, &r->settings);
	while (r->n < n) {
		r->named[r->n] = policies[r->n];
		if (r->named[r->n].serial == 0)
			r->named[r->n].serial = r->n == 0 ? 1 : r->named[r->n - 1].serial + 1;
		*error = hold_groups(groups, &r->named[r->n]);
		if (*error != 0) {
			fer_rules_destroy(r);
			return NULL;
		}
		r->n++;
	}
	*error = 0;
	return r;
}

int fer_rules_build(struct fer_rules *r, const char **why)
{
	struct fer_policy_rule *rules = calloc(r->n + 1u, sizeof(*rules));
	int error = -ENOMEM;

	*why = "no memory for the policies";
	if (rules == NULL)
		return error;
	for (uint32_t i = 0; i < r->n; i++)
		rules[i] = r->named[i].rule;
	// Without any policy there is still a value: it discards everything.
	r->policies = fer_policies_build(rules, r->n, &error, why);
	free(rules);
	if (r->policies == NULL)
		return error;
	r->host.policies = r->policies;
	return 0;
}

void fer_rules_destroy(struct fer_rules *r)
{
	if (r == NULL)
		return;
	fer_policies_destroy(r->policies);
	for (uint32_t i = 0; i < r->n; i++)
		for (unsigned g = 0; g < r->named[i].rule.n_groups; g++)
			fer_groups_release(r->groups, r->named[i].rule.group[g]);
	free(r);
}
