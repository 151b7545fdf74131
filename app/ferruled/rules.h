// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Policies and settings of a pair as one immutable value, with the names that people know them by.

#include "conf/document.h"
#include "grace.h"
#include "groups.h"

#include "host/host.h"

// One policy.  rule.group is not looked at: groups are given by name.
struct fer_named_policy {
	char name[FER_DOC_NAME_BYTES];
	char groups[FER_POLICY_MAX_GROUPS][FER_DOC_NAME_BYTES];
	struct fer_policy_rule rule;
	uint64_t serial; // ascends; 0: to be given one
};

struct fer_rules {
	struct fer_host_rules host; // what workers see
	struct fer_deferred deferred;
	struct fer_groups *groups;
	struct fer_doc_pair settings;  // of which host names the peers
	struct fer_policies *policies; // NULL until they are built
	uint32_t n;
	struct fer_named_policy named[]; // in the order in which they were given
};

// Takes copies of the settings and of n policies, and holds their groups.  The control thread calls
// it.  NULL with *error -ENOMEM, or -ENOSPC when there are too many groups.
__attribute__((warn_unused_result)) struct fer_rules *fer_rules_create(struct fer_groups *groups,
	const struct fer_doc_pair *settings, const struct fer_named_policy *policies, uint32_t n,
	int *error);

// Builds the classifier, once, after which the value can be published.  Any thread may do so.  0,
// or what fer_policies_build() said, with *why a sentence for people.
__attribute__((warn_unused_result)) int fer_rules_build(struct fer_rules *r, const char **why);

// No worker sees it any more.  The control thread calls it.  NULL does nothing.
void fer_rules_destroy(struct fer_rules *r);
