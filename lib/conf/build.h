// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Puts checked pairs, SAs and policies together to a document, and finds what only several of them
// show: names, ports, SPIs and keys that repeat, groups and pairs that do not exist.

#include "conf/belong.h"
#include "conf/index.h"
#include "conf/schema.h"
#include "conf/trail.h"

// A group named by a policy, until all SAs are known.
struct fer_group_ref {
	char name[FER_DOC_NAME_BYTES];
	uint32_t line;
	uint32_t policy;
	uint32_t place; // in its list
};

// The first algorithm that a document must allow in so many words, until it is known whether it
// does.
struct fer_legacy_use {
	const struct fer_algo *algo; // NULL: there is none
	const char *field;           // of the SA
	uint32_t sa;
	uint32_t line;
};

struct fer_build {
	struct fer_doc *doc;
	struct fer_legacy_use legacy;
	struct fer_trail *trail;
	bool is_part; // groups may have their SAs elsewhere
	struct fer_index pair_names;
	struct fer_index ports;
	struct fer_index sa_names;
	struct fer_index policy_names;
	struct fer_index group_names; // with their pairs, as the next two
	struct fer_index spis;        // of `in` SAs, with dst
	struct fer_index keys;        // of counter modes, with salt; `out` also for all pairs
	struct fer_belong belong;
	struct fer_group_ref *refs;
	uint32_t n_refs;
	uint32_t refs_room;
	uint32_t pairs_room;
	uint32_t policies_room;
	uint32_t groups_room;
};

// Returns 0; or -errno with the error written and nothing to undo.  doc is empty and stays the
// caller's.
__attribute__((warn_unused_result)) int fer_build_init(
	struct fer_build *b, struct fer_doc *doc, bool is_part, struct fer_trail *t);
void fer_build_fini(struct fer_build *b);

// Add a pair, an SA or a policy.  Return 0; or -errno with the error written.  The trail stands at
// it.
__attribute__((warn_unused_result)) int fer_build_pair(
	struct fer_build *b, const struct fer_doc_pair *d, const struct fer_lines *lines);
__attribute__((warn_unused_result)) int fer_build_sa(
	struct fer_build *b, struct fer_sa_draft *d, const struct fer_lines *lines);
__attribute__((warn_unused_result)) int fer_build_policy(
	struct fer_build *b, struct fer_policy_draft *d, const struct fer_lines *lines);

// All has been added: finds the pairs and groups that are named.  The trail stands at the root.
__attribute__((warn_unused_result)) int fer_build_finish(struct fer_build *b);
