// SPDX-License-Identifier: BSD-3-Clause
#include "host/policy_parts.h"

#include "base/pages.h"

#include <rte_acl.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define N_DIRECTIONS 2
#define MAX_WILD_IN_TRIES 100

struct fer_policies {
	uint64_t generation;
	uint32_t n;
	struct fer_policy_rule *rules; // each a line of the cache
	struct fer_classifier classifier[N_DIRECTIONS][FER_POLICY_VERSIONS];
};

static_assert(sizeof(struct fer_policy_rule) == 64, "a rule is a line of the cache");
static_assert(
	offsetof(struct fer_policies, generation) == 0, "as fer_policies_generation() has it");

// --- building -----------------------------------------------------------------------------------

static bool is_range(const struct fer_port_range *r)
{
	return r->from != r->to && (r->from != 0 || r->to != UINT16_MAX);
}

// Is a rule of the kind that tries multiply out?
static bool is_wild(const struct fer_policy_rule *r)
{
	return fer_policy_has_ports(r->protocol) && is_range(&r->sport) && is_range(&r->dport);
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

// Variants that share a look-up do so with their neighbours: it is freed with the first.
static void free_lookups(struct fer_classifier *c)
{
	for (unsigned v = FER_VARIANT_WHOLE; v < FER_N_VARIANTS; v++) {
		const struct fer_policy_lookup *one = &c->lookup[v];

		if (v == FER_VARIANT_WHOLE || one->patterns != one[-1].patterns)
			fer_patterns_destroy(one->patterns);
		if (v == FER_VARIANT_WHOLE || one->acl != one[-1].acl)
			rte_acl_free(one->acl);
	}
	memset(c->lookup, 0, sizeof(c->lookup));
}

// Builds the look-ups of all variants, each by build(); leaves none where one fails.
static int build_lookups(struct fer_classifier *c, const struct fer_policy_rules *r,
	int (*build)(struct fer_classifier *c, const struct fer_policy_rules *r,
		enum fer_policy_variant v))
{
	const unsigned n = fer_policy_variants(r->version);
	int error = 0;

	for (unsigned v = FER_VARIANT_WHOLE; v < n && error == 0; v++)
		if (fer_policy_is_as_before(v, r->names))
			c->lookup[v] = c->lookup[v - 1];
		else
			error = build(c, r, v);
	if (error != 0)
		free_lookups(c);
	return error;
}

// Builds tries or boxes, of rules of which n_wild are of the kind that tries multiply out.
static int build_ordered(struct fer_classifier *c, struct fer_policy_rules *r, uint32_t n_wild)
{
	uint32_t *order = order_of(r->rules, r->n);
	int error = -ENOMEM;

	r->order = order;
	if (order != NULL && n_wild <= MAX_WILD_IN_TRIES)
		error = build_lookups(c, r, fer_policy_build_tries);
	if (order != NULL && error != 0)
		error = fer_policy_build_boxes(c, r);
	free(order);
	return error;
}

// Builds the classifier of one direction and version.
static int build_classifier(struct fer_policies *p, unsigned direction, unsigned version)
{
	struct fer_classifier *c = &p->classifier[direction][version];
	struct fer_policy_rules r = {
		.rules = p->rules, .n = p->n, .direction = direction, .version = version};
	uint32_t n_wild = 0;

	for (uint32_t i = 0; i < p->n; i++)
		if (fer_policy_belongs(&p->rules[i], direction, version)) {
			r.n_own++;
			n_wild += is_wild(&p->rules[i]);
			r.names |= fer_policy_names(&p->rules[i]);
		}
	if (r.n_own == 0)
		return 0;
	const int error = build_lookups(c, &r, fer_policy_build_table);
	return error == -E2BIG ? build_ordered(c, &r, n_wild) : error;
}

static int build_all(struct fer_policies *p)
{
	for (unsigned direction = 0; direction < N_DIRECTIONS; direction++)
		for (unsigned version = 0; version < FER_POLICY_VERSIONS; version++) {
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
	for (unsigned i = 0; i < N_DIRECTIONS * FER_POLICY_VERSIONS; i++) {
		struct fer_classifier *c =
			&p->classifier[i / FER_POLICY_VERSIONS][i % FER_POLICY_VERSIONS];

		free_lookups(c);
		fer_policy_free_boxes(c);
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

// --- looking up ----------------------------------------------------------------------------------

#define CHUNK 64 // packets looked up at once, so that the keys stay small

static_assert(FER_NO_RULE == (uint32_t)(0 - 1), "what a classifier calls 0 is no rule");

// Only a later fragment ends at one of these: everywhere else the walk goes on behind them.
static bool is_extension(uint8_t protocol)
{
	return protocol == FER_PROTO_HOPOPTS || protocol == FER_PROTO_ROUTING ||
	       protocol == FER_PROTO_FRAGMENT || protocol == FER_PROTO_DSTOPTS;
}

// What is known of this packet?
static enum fer_policy_variant variant_of(const struct fer_frame *f)
{
	if (f->has_ports && f->fragment == 0)
		return FER_VARIANT_WHOLE;
	if (f->fragment == 0)
		return fer_policy_has_ports(f->protocol) || fer_policy_has_type(f->protocol)
			       ? FER_VARIANT_PORTLESS
			       : FER_VARIANT_WHOLE;
	return f->version == 6 && is_extension(f->protocol) ? FER_VARIANT_OPAQUE
							    : FER_VARIANT_PORTLESS;
}

static void make_key(struct fer_policy_key *key, const struct fer_policy_query *q)
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
	struct fer_policy_key key[CHUNK];
	uint8_t class[CHUNK];
};

#define CLASS(version, variant) ((version)*FER_N_VARIANTS + (variant))

// Prepares a chunk; returns a set of the classes in it, one bit each.
static unsigned prepare(struct chunk *c, const struct fer_policy_query *query, unsigned n)
{
	unsigned classes = 0;

	c->n = n;
	for (unsigned i = 0; i < n; i++) {
		const struct fer_frame *f = query[i].frame;

		make_key(&c->key[i], &query[i]);
		c->class[i] = CLASS(fer_policy_version(f->version), variant_of(f));
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

// Looks the packets of one class up, whose places are at.
static void ask(const struct fer_classifier *c, const struct chunk *chunk, unsigned class,
	const uint8_t at[], unsigned n, uint32_t found[])
{
	const struct fer_policy_lookup *lookup = &c->lookup[class % FER_N_VARIANTS];
	const uint8_t *data[CHUNK];

	if (lookup->patterns != NULL) {
		for (unsigned i = 0; i < n; i++)
			found[i] = fer_policy_find_in_table(lookup->patterns, &chunk->key[at[i]]);
		return;
	}
	if (lookup->acl != NULL) {
		for (unsigned i = 0; i < n; i++)
			data[i] = (const uint8_t *)&chunk->key[at[i]];
		rte_acl_classify(lookup->acl, data, found, n, 1);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		found[i] = c->boxes == NULL ? 0
					    : fer_policy_find_in_boxes(c, class / FER_N_VARIANTS,
						      class % FER_N_VARIANTS, &chunk->key[at[i]]);
}

static void find_class(const struct fer_policies *p, enum fer_direction direction,
	const struct chunk *c, unsigned class, uint32_t rule[], bool needs_ports[])
{
	uint8_t ignored = fer_policy_ignored(class % FER_N_VARIANTS);
	uint32_t found[CHUNK];
	uint8_t at[CHUNK];
	unsigned n = list_class(c, class, at);

	ask(&p->classifier[direction][class / FER_N_VARIANTS], c, class, at, n, found);
	for (unsigned i = 0; i < n; i++) {
		uint32_t number = found[i] - 1;

		rule[at[i]] = number;
		needs_ports[at[i]] = ignored != 0 && found[i] != 0 &&
				     (fer_policy_names(&p->rules[number]) & ignored) != 0;
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
