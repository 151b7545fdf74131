// SPDX-License-Identifier: BSD-3-Clause
#include "support/end.h"

#include "support/iv_fixed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

void test_end_open(
	struct test_end *e, const char *name, struct fer_engine *engine, struct rte_mempool *pool)
{
	*e = (struct test_end){.sas = test_sas_open(name, engine)};
	atomic_init(&e->published, &e->rules);
	const struct fer_path_params params = {
		.sas = e->sas,
		.pool = pool,
		.ivs = test_iv_fixed(),
		.rules = &e->published,
		.reassembly = {.n_datagrams = 16, .timeout_ticks = 100},
	};
	assert_int_equal(fer_path_init(&e->path, &params), 0);
}

void test_end_close(struct test_end *e)
{
	fer_path_fini(&e->path);
	fer_sa_table_destroy(e->sas);
	fer_policies_destroy((struct fer_policies *)(uintptr_t)e->rules.policies);
}

void test_end_rules(struct test_end *e, const struct fer_policy_rule *rules, uint32_t n)
{
	const char *why = NULL;
	int error = 0;

	fer_policies_destroy((struct fer_policies *)(uintptr_t)e->rules.policies);
	e->rules.policies = fer_policies_build(rules, n, &error, &why);
	if (e->rules.policies == NULL)
		fail_msg("policies: %s", why);
}

struct fer_policy_rule test_rule(
	enum fer_direction direction, enum fer_policy_action action, unsigned n_groups)
{
	return (struct fer_policy_rule){
		.direction = direction,
		.protocol = FER_PROTO_ANY,
		.sport = {0, UINT16_MAX},
		.dport = {0, UINT16_MAX},
		.icmp_type = -1,
		.action = action,
		.n_groups = (uint8_t)n_groups,
		.group = {0, 1},
	};
}
