// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Which pair an SA or a policy belongs to.  Documents may give them before the pairs, or without
// any: so the names they use are numbered as they come, and looked up when all is known.
//
// Either all of them name their pair, or none does and there is only one.

#include "conf/index.h"
#include "conf/trail.h"

#include <stdbool.h>

// A name as it was used first; the empty one when pairs are not named.
struct fer_pair_ref {
	char name[FER_DOC_NAME_BYTES];
	const char *list; // "sas" or "policies"
	uint32_t at;      // place in it
	uint32_t line;
};

struct fer_belong {
	struct fer_index names;
	struct fer_pair_ref *refs;
	uint32_t n_refs;
	uint32_t room;
};

// Returns 0; or -EIO when there is no randomness.
__attribute__((warn_unused_result)) int fer_belong_init(struct fer_belong *b);
void fer_belong_fini(struct fer_belong *b);

// Numbers the pair that ref names.  Returns 0 with *number set, or -errno with the error written.
// The trail stands at the SA or policy.
__attribute__((warn_unused_result)) int fer_belong_add(struct fer_belong *b, struct fer_trail *t,
	const struct fer_pair_ref *ref, uint32_t *number);

// All is known: turns the numbers in doc into indexes of its pairs, which are made up where the
// document describes none.  pair_names finds those that it describes.  Returns 0, or -errno with
// the error written.  The trail stands at the root.
__attribute__((warn_unused_result)) int fer_belong_resolve(const struct fer_belong *b,
	struct fer_trail *t, struct fer_doc *doc, const struct fer_index *pair_names);
