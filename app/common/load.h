// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Puts a document to work: its SAs into a table, its policies into a value that can be published.

#include "conf/document.h"
#include "host/policy.h"
#include "sa/table.h"

// What the SA table and the policies want to know.  Groups are those of the document, by its index.
struct fer_sa_params fer_load_sa_params(const struct fer_doc_sa *s);
struct fer_policy_rule fer_load_rule(const struct fer_doc_policy *p);

// Adds the SAs of a pair, in the order of the document.
//   handles  n_sas of them, set on 0; 0 for an SA of another pair
// 0; or -errno with err set, and the caller destroys the table, which may hold some of them.
__attribute__((warn_unused_result)) int fer_load_sas(struct fer_sa_table *sas,
	const struct fer_doc *doc, uint32_t pair, uint64_t handles[], struct fer_doc_error *err);

// Builds the policies of a pair.  *policies is NULL when it has none: that is not an error.
// 0, or -errno with err set.
__attribute__((warn_unused_result)) int fer_load_policies(const struct fer_doc *doc, uint32_t pair,
	struct fer_policies **policies, struct fer_doc_error *err);
