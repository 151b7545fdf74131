// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One end of a tunnel, for tests of the host half: a table of SAs and both halves of the path.

#include "host/path.h"
#include "support/sas.h"

struct test_end {
	struct fer_sa_table *sas;
	struct fer_path path;
	struct fer_host_rules rules;
	const struct fer_host_rules *_Atomic published; // rules
};

// The rules are empty: no policies, no SA.
void test_end_open(
	struct test_end *e, const char *name, struct fer_engine *engine, struct rte_mempool *pool);

// Frees the policies, too.
void test_end_close(struct test_end *e);

// Replaces the policies, of which there must be some.
void test_end_rules(struct test_end *e, const struct fer_policy_rule *rules, uint32_t n);

// A rule for all packets of that direction and priority: protect with so many groups.
struct fer_policy_rule test_rule(
	enum fer_direction direction, enum fer_policy_action action, unsigned n_groups);
