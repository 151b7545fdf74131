// SPDX-License-Identifier: BSD-3-Clause
#include "host/policy_parts.h"

#include <string.h>

// As bits of a key that have to be as in `from`.  False: no bits say that.
static bool put_bits(uint16_t *mask, uint16_t *value, const struct fer_port_range *range)
{
	const uint16_t from = range->from, differing = from ^ range->to;

	*mask = __builtin_bswap16((uint16_t)~differing);
	*value = __builtin_bswap16(from);
	return (differing & (differing + 1)) == 0 && (from & differing) == 0;
}

static void put_address(uint8_t *mask, uint8_t *value, const struct fer_prefix *p, unsigned n_words)
{
	const unsigned len = p->addr.version == 0 ? 0 : p->len;

	for (unsigned i = 0; i < 4 * n_words; i++) {
		const unsigned left = len < 8 * i ? 0 : len - 8 * i;

		mask[i] = left >= 8 ? UINT8_MAX : (uint8_t) ~(UINT8_MAX >> left);
		value[i] = p->addr.bytes[i] & mask[i];
	}
}

static enum fer_pattern_kind pattern_of(const void *of, uint32_t rule, struct fer_pattern *to)
{
	const struct fer_policy_view *v = of;
	const struct fer_policy_rule *r = &v->rules[rule];
	const unsigned n_words = fer_policy_words(v->version);
	struct fer_policy_key mask = {0}, value = {0};
	struct fer_port_range port[2];

	static_assert(sizeof(mask) == sizeof(to->mask), "a pattern is of a key");
	if (!fer_policy_belongs(r, v->direction, v->version))
		return FER_PATTERN_NOT_IN;
	if (v->variant != FER_VARIANT_OPAQUE && r->protocol != FER_PROTO_ANY) {
		mask.protocol = UINT8_MAX;
		value.protocol = (uint8_t)r->protocol;
	}
	fer_policy_ports(port, r, v->variant);
	if (!put_bits(&mask.sport_be, &value.sport_be, &port[0]) ||
		!put_bits(&mask.dport_be, &value.dport_be, &port[1]))
		return FER_PATTERN_OTHER;
	put_address(mask.addresses, value.addresses, &r->src, n_words);
	put_address(mask.addresses + 4 * n_words, value.addresses + 4 * n_words, &r->dst, n_words);
	memcpy(to->mask, &mask, sizeof(mask));
	memcpy(to->value, &value, sizeof(value));
	return FER_PATTERN_IS;
}

static bool goes_before(const void *of, uint32_t rule, uint32_t other)
{
	const struct fer_policy_view *v = of;
	const uint32_t a = v->rules[rule].priority, b = v->rules[other].priority;

	return a != b ? a < b : rule < other;
}

int fer_policy_build_table(
	struct fer_classifier *c, const struct fer_policy_rules *r, enum fer_policy_variant v)
{
	int error;

	c->view[v] = (struct fer_policy_view){r->rules, r->direction, r->version, v};
	const struct fer_pattern_rules rules = {&c->view[v], r->n, pattern_of, goes_before};
	c->lookup[v].patterns = fer_patterns_build(&rules, &error);
	return error;
}

uint32_t fer_policy_find_in_table(
	const struct fer_patterns *patterns, const struct fer_policy_key *key)
{
	uint64_t word[FER_PATTERN_WORDS];

	static_assert(sizeof(word) == sizeof(*key), "the words of a key");
	memcpy(word, key, sizeof(word));
	return fer_patterns_find(patterns, word) + 1;
}
