// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Puts a document to work: its SAs into a table, its policies into a value that can be published.

#include "conf/document.h"
#include "host/policy.h"
#include "sa/table.h"

// Adds all SAs of a document, in its order; its groups are the table's, by the same index.
//   handles  n_sas of them, set on 0
// 0; or -errno with err set, and the caller destroys the table, which may hold some of them.
__attribute__((warn_unused_result)) int fer_load_sas(struct fer_sa_table *sas,
	const struct fer_doc *doc, uint64_t handles[], struct fer_doc_error *err);

// Builds the policies of a document.  *policies is NULL when it has none: that is not an error.
// 0, or -errno with err set.
__attribute__((warn_unused_result)) int fer_load_policies(
	const struct fer_doc *doc, struct fer_policies **policies, struct fer_doc_error *err);
