// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Does a pair, an SA or a policy contradict itself?  What takes several of them to tell is build.h.

#include "conf/schema.h"
#include "conf/trail.h"

// Checks a pair and completes it.  Returns 0, or -EINVAL with the error written.  The trail stands
// at the pair.
__attribute__((warn_unused_result)) int fer_check_pair(
	struct fer_trail *t, struct fer_doc_pair *d, const struct fer_lines *lines);

// Checks an SA whose values are all well-formed, and completes it: the ICV of its algorithm, the
// usual replay window, its own name as its group.
// Returns 0, or -EINVAL with the error written.  The trail stands at the SA.
__attribute__((warn_unused_result)) int fer_check_sa(
	struct fer_trail *t, struct fer_sa_draft *d, const struct fer_lines *lines);

// Checks a policy in the same way.
__attribute__((warn_unused_result)) int fer_check_policy(
	struct fer_trail *t, const struct fer_policy_draft *d, const struct fer_lines *lines);
