// SPDX-License-Identifier: BSD-3-Clause
#include "host/policy.h"

#include "base/bytes.h"
#include "base/pages.h"
#include "host/boxes.h"
#include "host/patterns.h"

#include <rte_acl.h>

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// There are three kinds of classifier.  A table of patterns (patterns.h) takes the least memory,
// but is for rules alone that differ in few lengths of prefixes.  The tries of rte_acl look packets
// up side by side, but multiply out what overlaps: a thousand rules with ranges of both ports are
// more than they can hold.  A tree of boxes (boxes.h) holds any rules.

// How much of a packet is known, and so which selectors of a rule are asked.  Each variant has
// tries of its own where that makes a difference.
enum variant {
	WHOLE,    // everything
	PORTLESS, // no ports, no ICMP type: a fragment, or a packet too short for them
	OPAQUE,   // no protocol either: a later IPv6 fragment that begins inside extension headers
	N_VARIANTS
};

#define N_DIRECTIONS 2
#define N_VERSIONS 2

// The selectors that a rule names, one bit each.
#define NAMES_PORTS 0x1
#define NAMES_PROTOCOL 0x2

// The rules that a table of patterns is of.
struct view {
	const struct fer_policy_rule *rules;
	unsigned direction, version;
	enum variant variant;
};

struct fer_policies {
	uint64_t generation;
	uint32_t n;
	struct fer_policy_rule *rules; // each a line of the cache
	struct classifier {
		// A variant that is no different from the one before it shares its tables, and
		// tries.  NULL: no rule, or the rules are of another kind.
		struct fer_patterns *patterns[N_VARIANTS];
		struct view view[N_VARIANTS];
		struct rte_acl_ctx *acl[N_VARIANTS];
		struct fer_boxes *boxes; // NULL: no rule, or another kind
		uint32_t *box_rule;      // that each of them is
	} classifier[N_DIRECTIONS][N_VERSIONS];
};

static_assert(sizeof(struct fer_policy_rule) == 64, "a rule is a line of the cache");
static_assert(
	offsetof(struct fer_policies, generation) == 0, "as fer_policies_generation() has it");

// What a classifier looks at.  It reads the protocol, then four bytes at a time.
struct key {
	uint8_t protocol;
	uint8_t zero[3];
	uint16_t sport_be, dport_be;
	uint8_t addresses[32]; // source, then destination
};

static_assert(sizeof(struct key) == 40 && offsetof(struct key, sport_be) % 4 == 0 &&
		      offsetof(struct key, addresses) % 4 == 0,
	"read in groups of four bytes");

#define MAX_WILD_IN_TRIES 100
#define MAX_WORDS 4 // 32-bit words of an address
#define MAX_FIELDS (1 + 2 * MAX_WORDS + 2)

RTE_ACL_RULE_DEF(acl_rule, MAX_FIELDS);

static unsigned version_index(uint8_t version)
{
	return version == 6;
}

static unsigned words_of(unsigned version)
{
	return version == 0 ? 1 : MAX_WORDS;
}

static unsigned fields_of(unsigned version)
{
	return 1 + 2 * words_of(version) + 2;
}

static bool has_ports(uint16_t protocol)
{
	return protocol == FER_PROTO_TCP || protocol == FER_PROTO_UDP || protocol == FER_PROTO_SCTP;
}

static bool has_type(uint16_t protocol)
{
	return protocol == FER_PROTO_ICMP || protocol == FER_PROTO_ICMPV6;
}

// Only a later fragment ends at one of these: everywhere else the walk goes on behind them.
static bool is_extension(uint8_t protocol)
{
	return protocol == FER_PROTO_HOPOPTS || protocol == FER_PROTO_ROUTING ||
	       protocol == FER_PROTO_FRAGMENT || protocol == FER_PROTO_DSTOPTS;
}

// Building.

static bool names_ports(const struct fer_policy_rule *r)
{
	if (has_type(r->protocol))
		return r->icmp_type >= 0;
	return has_ports(r->protocol) && (r->sport.from != 0 || r->sport.to != UINT16_MAX ||
						 r->dport.from != 0 || r->dport.to != UINT16_MAX);
}

static uint8_t names_of(const struct fer_policy_rule *r)
{
	return (names_ports(r) ? NAMES_PORTS : 0) |
	       (r->protocol != FER_PROTO_ANY ? NAMES_PROTOCOL : 0);
}

// The selectors that a variant does not ask.
static uint8_t ignored_by(enum variant variant)
{
	switch (variant) {
	case PORTLESS:
		return NAMES_PORTS;
	case OPAQUE:
		return NAMES_PORTS | NAMES_PROTOCOL;
	default:
		return 0;
	}
}

static bool prefix_fits(const struct fer_prefix *p, unsigned version)
{
	return p->addr.version == 0 || version_index(p->addr.version) == version;
}

static bool rule_belongs(const struct fer_policy_rule *r, unsigned direction, unsigned version)
{
	return r->direction == direction && prefix_fits(&r->src, version) &&
	       prefix_fits(&r->dst, version);
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

static void put_range(struct rte_acl_field *field, uint16_t from, uint16_t to)
{
	field->value.u16 = from;
	field->mask_range.u16 = to;
}

static void put_ports(
	struct rte_acl_field field[2], const struct fer_policy_rule *r, enum variant variant)
{
	uint16_t type = (uint16_t)(r->icmp_type << 8);

	put_range(&field[0], 0, UINT16_MAX);
	put_range(&field[1], 0, UINT16_MAX);
	if (variant != WHOLE || !names_ports(r))
		return;
	if (has_type(r->protocol)) {
		put_range(&field[1], type, type | 0xff);
	} else {
		put_range(&field[0], r->sport.from, r->sport.to);
		put_range(&field[1], r->dport.from, r->dport.to);
	}
}

static void put_rule(struct acl_rule *to, const struct fer_policy_rule *r, unsigned version,
	enum variant variant)
{
	unsigned n_words = words_of(version);

	*to = (struct acl_rule){.data.category_mask = 1};
	if (variant != OPAQUE && r->protocol != FER_PROTO_ANY) {
		to->field[0].value.u8 = (uint8_t)r->protocol;
		to->field[0].mask_range.u8 = UINT8_MAX;
	}
	put_prefix(&to->field[1], &r->src, n_words);
	put_prefix(&to->field[1 + n_words], &r->dst, n_words);
	put_ports(&to->field[1 + 2 * n_words], r, variant);
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
	uint8_t n_addresses = (uint8_t)(2 * words_of(version));

	put_def(&config, RTE_ACL_FIELD_TYPE_BITMASK, 1, 0, offsetof(struct key, protocol));
	for (uint8_t i = 0; i < n_addresses; i++)
		put_def(&config, RTE_ACL_FIELD_TYPE_MASK, 4, 1 + i,
			offsetof(struct key, addresses) + 4u * i);
	put_def(&config, RTE_ACL_FIELD_TYPE_RANGE, 2, 1 + n_addresses,
		offsetof(struct key, sport_be));
	put_def(&config, RTE_ACL_FIELD_TYPE_RANGE, 2, 1 + n_addresses,
		offsetof(struct key, dport_be));
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

// Adds the rules of one classifier; order says which goes first.
static int add_rules(struct rte_acl_ctx *acl, const struct fer_policies *p, const uint32_t order[],
	unsigned direction, unsigned version, enum variant variant)
{
	struct acl_rule rule;

	for (uint32_t rank = 0; rank < p->n; rank++) {
		const struct fer_policy_rule *r = &p->rules[order[rank]];

		if (!rule_belongs(r, direction, version))
			continue;
		put_rule(&rule, r, version, variant);
		rule.data.priority = (int32_t)(RTE_ACL_MAX_PRIORITY - rank);
		rule.data.userdata = order[rank] + 1;
		int error = rte_acl_add_rules(acl, (const struct rte_acl_rule *)&rule, 1);

		if (error != 0)
			return error;
	}
	return 0;
}

// Returns 0, -ENOMEM, or -E2BIG where the library gave up on the rules.
static int build_acl(struct fer_policies *p, const uint32_t order[], uint32_t n_rules,
	unsigned direction, unsigned version, enum variant variant)
{
	struct rte_acl_config config = config_of(version);
	struct rte_acl_ctx *acl = create_acl(n_rules, version);

	if (acl == NULL)
		return -ENOMEM;
	int error = add_rules(acl, p, order, direction, version, variant);

	if (error == 0 && rte_acl_build(acl, &config) != 0)
		error = -E2BIG;
	if (error != 0) {
		rte_acl_free(acl);
		return error;
	}
	p->classifier[direction][version].acl[variant] = acl;
	return 0;
}

static void free_tries(struct classifier *c)
{
	for (unsigned v = WHOLE; v < N_VARIANTS; v++)
		if (v == WHOLE || c->acl[v] != c->acl[v - 1])
			rte_acl_free(c->acl[v]);
	memset(c->acl, 0, sizeof(c->acl));
}

// Is the variant no different from the one before it, for rules that name these selectors?
static bool is_as_before(unsigned v, uint8_t names)
{
	return v != WHOLE && ((ignored_by(v) & ~ignored_by(v - 1)) & names) == 0;
}

// Builds the tries of n_rules rules, which name these selectors.
static int build_tries(struct fer_policies *p, const uint32_t order[], uint32_t n_rules,
	unsigned direction, unsigned version, uint8_t names)
{
	struct classifier *c = &p->classifier[direction][version];

	for (unsigned v = WHOLE; v < N_VARIANTS; v++) {
		int error = 0;

		if (is_as_before(v, names))
			c->acl[v] = c->acl[v - 1];
		else
			error = build_acl(p, order, n_rules, direction, version, v);
		if (error != 0) {
			free_tries(c);
			return error;
		}
	}
	return 0;
}

// As bits of a key that have to be as in `from`.  False: no bits say that.
static bool put_bits(uint16_t *mask, uint16_t *value, const struct rte_acl_field *range)
{
	const uint16_t from = range->value.u16, to = range->mask_range.u16;
	const uint16_t differing = from ^ to;

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
	const struct view *v = of;
	const struct fer_policy_rule *r = &v->rules[rule];
	const unsigned n_words = words_of(v->version);
	struct key mask = {0}, value = {0};
	struct rte_acl_field port[2];

	static_assert(sizeof(mask) == sizeof(to->mask), "a pattern is of a key");
	if (!rule_belongs(r, v->direction, v->version))
		return FER_PATTERN_NOT_IN;
	if (v->variant != OPAQUE && r->protocol != FER_PROTO_ANY) {
		mask.protocol = UINT8_MAX;
		value.protocol = (uint8_t)r->protocol;
	}
	put_ports(port, r, v->variant);
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
	const struct view *v = of;
	const uint32_t a = v->rules[rule].priority, b = v->rules[other].priority;

	return a != b ? a < b : rule < other;
}

static int build_table(struct fer_policies *p, unsigned direction, unsigned version, unsigned v)
{
	struct classifier *c = &p->classifier[direction][version];
	int error;

	c->view[v] = (struct view){p->rules, direction, version, v};
	const struct fer_pattern_rules rules = {&c->view[v], p->n, pattern_of, goes_before};
	c->patterns[v] = fer_patterns_build(&rules, &error);
	return error;
}

static void free_tables(struct classifier *c)
{
	for (unsigned v = WHOLE; v < N_VARIANTS; v++)
		if (v == WHOLE || c->patterns[v] != c->patterns[v - 1])
			fer_patterns_destroy(c->patterns[v]);
	memset(c->patterns, 0, sizeof(c->patterns));
}

static int build_tables(struct fer_policies *p, unsigned direction, unsigned version, uint8_t names)
{
	struct classifier *c = &p->classifier[direction][version];
	int error = 0;

	for (unsigned v = WHOLE; v < N_VARIANTS && error == 0; v++)
		if (is_as_before(v, names))
			c->patterns[v] = c->patterns[v - 1];
		else
			error = build_table(p, direction, version, v);
	if (error != 0)
		free_tables(c);
	return error;
}

// The dimensions of a box.
enum { SRC, DST, SPORT, DPORT, PROTOCOL };

static const unsigned any_of[N_VARIANTS] = {
	[PORTLESS] = 1u << SPORT | 1u << DPORT,
	[OPAQUE] = 1u << SPORT | 1u << DPORT | 1u << PROTOCOL,
};

// An address as a number.
static fer_coord address(const uint8_t bytes[], unsigned n_words)
{
	fer_coord number = 0;

	for (unsigned i = 0; i < n_words; i++)
		number = number << 32 | fer_load_be32(bytes + 4 * i);
	return number;
}

static void box_prefix(
	struct fer_box *box, unsigned dim, const struct fer_prefix *p, unsigned n_words)
{
	unsigned len = p->addr.version == 0 ? 0 : p->len, left = 32 * n_words - len;
	fer_coord rest = left == 128 ? ~(fer_coord)0 : ((fer_coord)1 << left) - 1;

	box->from[dim] = address(p->addr.bytes, n_words) & ~rest;
	box->to[dim] = box->from[dim] | rest;
}

static void box_range(struct fer_box *box, unsigned dim, uint16_t from, uint16_t to)
{
	box->from[dim] = from;
	box->to[dim] = to;
}

static struct fer_box box_of(const struct fer_policy_rule *r, unsigned version)
{
	bool any_protocol = r->protocol == FER_PROTO_ANY;
	struct rte_acl_field port[2];
	struct fer_box box;

	put_ports(port, r, WHOLE);
	box_prefix(&box, SRC, &r->src, words_of(version));
	box_prefix(&box, DST, &r->dst, words_of(version));
	box_range(&box, SPORT, port[0].value.u16, port[0].mask_range.u16);
	box_range(&box, DPORT, port[1].value.u16, port[1].mask_range.u16);
	box_range(&box, PROTOCOL, any_protocol ? 0 : r->protocol,
		any_protocol ? UINT8_MAX : r->protocol);
	return box;
}

static int build_boxes(struct fer_policies *p, const uint32_t order[], uint32_t n_rules,
	unsigned direction, unsigned version)
{
	struct classifier *c = &p->classifier[direction][version];
	struct fer_box *box = calloc(n_rules, sizeof(*box));
	uint32_t n = 0;

	c->box_rule = calloc(n_rules, sizeof(c->box_rule[0]));
	for (uint32_t i = 0; box != NULL && c->box_rule != NULL && i < p->n; i++) {
		const struct fer_policy_rule *r = &p->rules[order[i]];

		if (!rule_belongs(r, direction, version))
			continue;
		box[n] = box_of(r, version);
		c->box_rule[n++] = order[i];
	}
	if (n != 0)
		c->boxes = fer_boxes_build(box, n);
	free(box);
	return c->boxes == NULL ? -ENOMEM : 0;
}

static bool is_range(const struct fer_port_range *r)
{
	return r->from != r->to && (r->from != 0 || r->to != UINT16_MAX);
}

// Is a rule of the kind that tries multiply out?
static bool is_wild(const struct fer_policy_rule *r)
{
	return has_ports(r->protocol) && is_range(&r->sport) && is_range(&r->dport);
}

static size_t rule_bytes(const struct fer_policies *p)
{
	return (p->n + 1u) * sizeof(p->rules[0]);
}

struct rank {
	uint32_t priority, rule;
};

static int compare_ranks(const void *left, const void *right)
{
	const struct rank *a = left, *b = right;

	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	return a->rule < b->rule ? -1 : a->rule > b->rule;
}

// The rules in the order in which they are asked; NULL without memory.
static uint32_t *order_of(const struct fer_policy_rule *rules, uint32_t n)
{
	struct rank *ranks = calloc(n + 1u, sizeof(*ranks));
	uint32_t *order = calloc(n + 1u, sizeof(*order));

	if (ranks == NULL || order == NULL) {
		free(order);
		free(ranks);
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		ranks[i] = (struct rank){rules[i].priority, i};
	qsort(ranks, n, sizeof(*ranks), compare_ranks);
	for (uint32_t i = 0; i < n; i++)
		order[i] = ranks[i].rule;
	free(ranks);
	return order;
}

// Builds tries or boxes of n_rules rules, of which n_wild are of the kind that tries multiply out.
static int build_ordered(struct fer_policies *p, uint32_t n_rules, uint32_t n_wild,
	unsigned direction, unsigned version, uint8_t names)
{
	uint32_t *order = order_of(p->rules, p->n);
	int error = -ENOMEM;

	if (order != NULL && n_wild <= MAX_WILD_IN_TRIES)
		error = build_tries(p, order, n_rules, direction, version, names);
	if (order != NULL && error != 0)
		error = build_boxes(p, order, n_rules, direction, version);
	free(order);
	return error;
}

// Builds the classifier of one direction and version.
static int build_classifier(struct fer_policies *p, unsigned direction, unsigned version)
{
	uint32_t n_rules = 0, n_wild = 0;
	uint8_t names = 0;

	for (uint32_t i = 0; i < p->n; i++)
		if (rule_belongs(&p->rules[i], direction, version)) {
			n_rules++;
			n_wild += is_wild(&p->rules[i]);
			names |= names_of(&p->rules[i]);
		}
	if (n_rules == 0 || build_tables(p, direction, version, names) == 0)
		return 0;
	return build_ordered(p, n_rules, n_wild, direction, version, names);
}

static int build_all(struct fer_policies *p)
{
	for (unsigned direction = 0; direction < N_DIRECTIONS; direction++)
		for (unsigned version = 0; version < N_VERSIONS; version++) {
			int error = build_classifier(p, direction, version);

			if (error != 0)
				return error;
		}
	return 0;
}

// A value with the rules in it and no classifier yet.
static struct fer_policies *create(const struct fer_policy_rule *rules, uint32_t n)
{
	static _Atomic uint64_t generation;
	struct fer_policies *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->generation = atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed) + 1;
	p->n = n;
	p->rules = fer_pages_map(rule_bytes(p));
	if (p->rules == NULL) {
		fer_policies_destroy(p);
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		p->rules[i] = rules[i];
	return p;
}

struct fer_policies *fer_policies_build(
	const struct fer_policy_rule *rules, uint32_t n, int *error, const char **why)
{
	*error = -E2BIG;
	*why = "too many policies";
	if (n >= RTE_ACL_MAX_PRIORITY)
		return NULL;
	struct fer_policies *p = create(rules, n);

	*why = "no memory for the policies";
	*error = p == NULL ? -ENOMEM : build_all(p);
	if (*error == 0) {
		*why = NULL;
		return p;
	}
	fer_policies_destroy(p);
	return NULL;
}

void fer_policies_destroy(struct fer_policies *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < N_DIRECTIONS * N_VERSIONS; i++) {
		struct classifier *c = &p->classifier[i / N_VERSIONS][i % N_VERSIONS];

		free_tables(c);
		free_tries(c);
		fer_boxes_destroy(c->boxes);
		free(c->box_rule);
	}
	fer_pages_unmap(p->rules, rule_bytes(p));
	free(p);
}

const struct fer_policy_rule *fer_policies_rule(const struct fer_policies *p, uint32_t rule)
{
	return &p->rules[rule];
}

uint32_t fer_policies_count(const struct fer_policies *p)
{
	return p->n;
}

// Looking up.

#define CHUNK 64 // packets looked up at once, so that the keys stay small

static_assert(FER_NO_RULE == (uint32_t)(0 - 1), "what a classifier calls 0 is no rule");

// What is known of this packet?
static enum variant variant_of(const struct fer_frame *f)
{
	if (f->has_ports && f->fragment == 0)
		return WHOLE;
	if (f->fragment == 0)
		return has_ports(f->protocol) || has_type(f->protocol) ? PORTLESS : WHOLE;
	return f->version == 6 && is_extension(f->protocol) ? OPAQUE : PORTLESS;
}

static void make_key(struct key *key, const struct fer_policy_query *q)
{
	const struct fer_frame *f = q->frame;

	key->protocol = f->protocol;
	memset(key->zero, 0, sizeof(key->zero));
	key->sport_be = __builtin_bswap16(f->sport);
	key->dport_be = __builtin_bswap16(f->dport);
	if (f->version == 4)
		memcpy(key->addresses, q->ip + 12, 8);
	else
		memcpy(key->addresses, q->ip + 8, 32);
}

// The packets of one chunk, and the classifier that each of them asks: its version and variant.
struct chunk {
	unsigned n;
	struct key key[CHUNK];
	uint8_t class[CHUNK];
};

#define CLASS(version, variant) ((version)*N_VARIANTS + (variant))

// Prepares a chunk; returns a set of the classes in it, one bit each.
static unsigned prepare(struct chunk *c, const struct fer_policy_query *query, unsigned n)
{
	unsigned classes = 0;

	c->n = n;
	for (unsigned i = 0; i < n; i++) {
		const struct fer_frame *f = query[i].frame;

		make_key(&c->key[i], &query[i]);
		c->class[i] = CLASS(version_index(f->version), variant_of(f));
		classes |= 1u << c->class[i];
	}
	return classes;
}

// The places of the packets of one class; returns how many they are.
static unsigned list_class(const struct chunk *c, unsigned class, uint8_t at[CHUNK])
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n; i++)
		if (c->class[i] == class)
			at[n++] = (uint8_t)i;
	return n;
}

// The number of the rule, and 1; 0 when there is none.
static uint32_t find_in_boxes(
	const struct classifier *c, unsigned version, enum variant variant, const struct key *key)
{
	unsigned n_words = words_of(version);
	const fer_coord point[FER_BOX_DIMS] = {
		[SRC] = address(key->addresses, n_words),
		[DST] = address(key->addresses + 4 * n_words, n_words),
		[SPORT] = __builtin_bswap16(key->sport_be),
		[DPORT] = __builtin_bswap16(key->dport_be),
		[PROTOCOL] = key->protocol,
	};
	uint32_t box = fer_boxes_find(c->boxes, point, any_of[variant]);

	return box == FER_NO_BOX ? 0 : c->box_rule[box] + 1;
}

static uint32_t find_pattern(const struct fer_patterns *patterns, const struct key *key)
{
	uint64_t word[FER_PATTERN_WORDS];

	memcpy(word, key, sizeof(word));
	return fer_patterns_find(patterns, word);
}

// Looks the packets of one class up, whose places are at.
static void ask(const struct classifier *c, const struct chunk *chunk, unsigned class,
	const uint8_t at[], unsigned n, uint32_t found[])
{
	const struct rte_acl_ctx *acl = c->acl[class % N_VARIANTS];
	const struct fer_patterns *patterns = c->patterns[class % N_VARIANTS];
	const uint8_t *data[CHUNK];

	if (patterns != NULL) {
		for (unsigned i = 0; i < n; i++)
			found[i] = find_pattern(patterns, &chunk->key[at[i]]) + 1;
		return;
	}
	if (acl != NULL) {
		for (unsigned i = 0; i < n; i++)
			data[i] = (const uint8_t *)&chunk->key[at[i]];
		rte_acl_classify(acl, data, found, n, 1);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		found[i] = c->boxes == NULL ? 0
					    : find_in_boxes(c, class / N_VARIANTS,
						      class % N_VARIANTS, &chunk->key[at[i]]);
}

static void find_class(const struct fer_policies *p, enum fer_direction direction,
	const struct chunk *c, unsigned class, uint32_t rule[], bool needs_ports[])
{
	uint8_t ignored = ignored_by(class % N_VARIANTS);
	uint32_t found[CHUNK];
	uint8_t at[CHUNK];
	unsigned n = list_class(c, class, at);

	ask(&p->classifier[direction][class / N_VARIANTS], c, class, at, n, found);
	for (unsigned i = 0; i < n; i++) {
		uint32_t number = found[i] - 1;

		rule[at[i]] = number;
		needs_ports[at[i]] = ignored != 0 && found[i] != 0 &&
				     (names_of(&p->rules[number]) & ignored) != 0;
	}
}

void fer_policies_find(const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query *query, unsigned n, uint32_t rule[], bool needs_ports[])
{
	struct chunk c;

	for (unsigned at = 0; at < n; at += CHUNK) {
		unsigned classes = prepare(&c, query + at, n - at < CHUNK ? n - at : CHUNK);

		for (; classes != 0; classes &= classes - 1)
			find_class(p, direction, &c, (unsigned)__builtin_ctz(classes), rule + at,
				needs_ports + at);
	}
}
