// SPDX-License-Identifier: BSD-3-Clause
#include "host/policy_parts.h"

#include "base/bytes.h"

#include <rte_acl.h>

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#define MAX_FIELDS (1 + 2 * FER_POLICY_MAX_WORDS + 2)

RTE_ACL_RULE_DEF(acl_rule, MAX_FIELDS);

static unsigned fields_of(unsigned version)
{
	return 1 + 2 * fer_policy_words(version) + 2;
}

// One prefix as so many 32-bit words with a prefix length each.
static void put_prefix(struct rte_acl_field *field, const struct fer_prefix *p, unsigned n_words)
{
	unsigned left = p->addr.version == 0 ? 0 : p->len;

	for (unsigned i = 0; i < n_words; i++) {
		unsigned len = left < 32 ? left : 32;

		field[i].value.u32 = fer_load_be32(p->addr.bytes + 4 * i);
		field[i].mask_range.u32 = len;
		left -= len;
	}
}

static void put_range(struct rte_acl_field *field, const struct fer_port_range *range)
{
	field->value.u16 = range->from;
	field->mask_range.u16 = range->to;
}

static void put_rule(struct acl_rule *to, const struct fer_policy_rule *r, unsigned version,
	enum fer_policy_variant variant)
{
	unsigned n_words = fer_policy_words(version);
	struct fer_port_range port[2];

	*to = (struct acl_rule){.data.category_mask = 1};
	if (variant != FER_VARIANT_OPAQUE && r->protocol != FER_PROTO_ANY) {
		to->field[0].value.u8 = (uint8_t)r->protocol;
		to->field[0].mask_range.u8 = UINT8_MAX;
	}
	put_prefix(&to->field[1], &r->src, n_words);
	put_prefix(&to->field[1 + n_words], &r->dst, n_words);
	fer_policy_ports(port, r, variant);
	put_range(&to->field[1 + 2 * n_words], &port[0]);
	put_range(&to->field[2 + 2 * n_words], &port[1]);
}

static void put_def(struct rte_acl_config *config, uint8_t type, uint8_t size, uint8_t input_index,
	size_t offset)
{
	uint8_t i = (uint8_t)config->num_fields++;

	config->defs[i] = (struct rte_acl_field_def){
		.type = type,
		.size = size,
		.field_index = i,
		.input_index = input_index,
		.offset = (uint32_t)offset,
	};
}

// The fields in the order in which they are looked at.
static struct rte_acl_config config_of(unsigned version)
{
	struct rte_acl_config config = {.num_categories = 1};
	uint8_t n_addresses = (uint8_t)(2 * fer_policy_words(version));

	put_def(&config, RTE_ACL_FIELD_TYPE_BITMASK, 1, 0,
		offsetof(struct fer_policy_key, protocol));
	for (uint8_t i = 0; i < n_addresses; i++)
		put_def(&config, RTE_ACL_FIELD_TYPE_MASK, 4, 1 + i,
			offsetof(struct fer_policy_key, addresses) + 4u * i);
	put_def(&config, RTE_ACL_FIELD_TYPE_RANGE, 2, 1 + n_addresses,
		offsetof(struct fer_policy_key, sport_be));
	put_def(&config, RTE_ACL_FIELD_TYPE_RANGE, 2, 1 + n_addresses,
		offsetof(struct fer_policy_key, dport_be));
	assert(config.num_fields == fields_of(version));
	return config;
}

// A new, empty context.  The library hands out the old one when it knows the name.
static struct rte_acl_ctx *create_acl(uint32_t n_rules, unsigned version)
{
	static _Atomic uint64_t generation;
	char name[RTE_ACL_NAMESIZE];
	struct rte_acl_param param = {
		.name = name,
		.socket_id = SOCKET_ID_ANY,
		.rule_size = RTE_ACL_RULE_SZ(fields_of(version)),
		.max_rule_num = n_rules,
	};

	snprintf(name, sizeof(name), "fer_%" PRIx64,
		atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed));
	return rte_acl_create(&param);
}

static int add_rules(
	struct rte_acl_ctx *acl, const struct fer_policy_rules *r, enum fer_policy_variant variant)
{
	struct acl_rule rule;

	for (uint32_t rank = 0; rank < r->n; rank++) {
		const struct fer_policy_rule *one = &r->rules[r->order[rank]];

		if (!fer_policy_belongs(one, r->direction, r->version))
			continue;
		put_rule(&rule, one, r->version, variant);
		rule.data.priority = (int32_t)(RTE_ACL_MAX_PRIORITY - rank);
		rule.data.userdata = r->order[rank] + 1;
		int error = rte_acl_add_rules(acl, (const struct rte_acl_rule *)&rule, 1);

		if (error != 0)
			return error;
	}
	return 0;
}

int fer_policy_build_tries(
	struct fer_classifier *c, const struct fer_policy_rules *r, enum fer_policy_variant v)
{
	struct rte_acl_config config = config_of(r->version);
	struct rte_acl_ctx *acl = create_acl(r->n_own, r->version);

	if (acl == NULL)
		return -ENOMEM;
	int error = add_rules(acl, r, v);

	if (error == 0 && rte_acl_build(acl, &config) != 0)
		error = -E2BIG; // the library gave up on them
	if (error != 0) {
		rte_acl_free(acl);
		return error;
	}
	c->lookup[v].acl = acl;
	return 0;
}
