// SPDX-License-Identifier: BSD-3-Clause
#include "host/flow.h"

#include <rte_prefetch.h>

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define LINES_LOG2 13
#define CHUNK 64 // packets looked up at once

// Everything but addresses in the first word; then source and destination, 1 word or 4.
#define WORDS 5
#define IS_IPV6 (UINT64_C(1) << 63)

struct flow {
	uint64_t word[WORDS];
};

struct line {
	alignas(64) struct flow flow;
	uint64_t generation; // of the policies; 0: nothing is here
	uint32_t rule;
	bool needs_ports;
};

static_assert(sizeof(struct line) == 64, "a look-up reads one line of the cache");

struct fer_flows {
	struct line line[1 << LINES_LOG2];
	uint64_t seed[2];
};

struct fer_flows *fer_flows_create(void)
{
	struct fer_flows *f = aligned_alloc(alignof(struct fer_flows), sizeof(*f));

	if (f == NULL)
		return NULL;
	memset(f, 0, sizeof(*f));
	if (getrandom(f->seed, sizeof(f->seed), 0) == sizeof(f->seed))
		return f;
	free(f);
	return NULL;
}

void fer_flows_destroy(struct fer_flows *f)
{
	free(f);
}

static bool is_ipv6(const struct flow *flow)
{
	return (flow->word[0] & IS_IPV6) != 0;
}

static void describe(
	struct flow *flow, enum fer_direction direction, const struct fer_policy_query *q)
{
	const struct fer_frame *f = q->frame;

	flow->word[0] = f->sport | (uint64_t)f->dport << 16 | (uint64_t)f->protocol << 32 |
			(uint64_t)f->fragment << 40 | (uint64_t)f->has_ports << 48 |
			(uint64_t)direction << 49;
	if (f->version == 4) {
		memcpy(&flow->word[1], q->ip + 12, 8);
	} else {
		flow->word[0] |= IS_IPV6;
		memcpy(&flow->word[1], q->ip + 8, 32);
	}
}

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

static struct line *line_of(struct fer_flows *f, const struct flow *flow)
{
	uint64_t h = mix(mix(f->seed[0], flow->word[0]), flow->word[1]);

	if (is_ipv6(flow))
		h = mix(mix(mix(h, flow->word[2]), flow->word[3]), flow->word[4]);
	return &f->line[h * (f->seed[1] | 1) >> (64 - LINES_LOG2)];
}

static bool has_flow(const struct line *l, const struct flow *flow, uint64_t generation)
{
	const uint64_t *a = l->flow.word, *b = flow->word;

	if (l->generation != generation || a[0] != b[0] || a[1] != b[1])
		return false;
	return !is_ipv6(flow) || (a[2] == b[2] && a[3] == b[3] && a[4] == b[4]);
}

// The packets of one chunk.
struct chunk {
	struct flow flow[CHUNK];
	struct line *line[CHUNK];
	unsigned n_missing;
	uint8_t missing[CHUNK];
};

// Asks the classifier for those that are missing.
static void learn(struct chunk *c, const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query query[], uint32_t rule[], bool needs_ports[])
{
	uint64_t generation = fer_policies_generation(p);
	struct fer_policy_query asked[CHUNK];
	uint32_t found[CHUNK];
	bool needs[CHUNK];

	for (unsigned j = 0; j < c->n_missing; j++)
		asked[j] = query[c->missing[j]];
	fer_policies_find(p, direction, asked, c->n_missing, found, needs);
	for (unsigned j = 0; j < c->n_missing; j++) {
		unsigned i = c->missing[j];
		struct line *l = c->line[i];

		rule[i] = l->rule = found[j];
		needs_ports[i] = l->needs_ports = needs[j];
		l->flow = c->flow[i];
		l->generation = generation;
	}
}

static void find_chunk(struct fer_flows *f, const struct fer_policies *p,
	enum fer_direction direction, const struct fer_policy_query query[], unsigned n,
	uint32_t rule[], bool needs_ports[])
{
	uint64_t generation = fer_policies_generation(p);
	struct chunk c;

	c.n_missing = 0;
	for (unsigned i = 0; i < n; i++) {
		describe(&c.flow[i], direction, &query[i]);
		c.line[i] = line_of(f, &c.flow[i]);
		rte_prefetch0(c.line[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		if (has_flow(c.line[i], &c.flow[i], generation)) {
			rule[i] = c.line[i]->rule;
			needs_ports[i] = c.line[i]->needs_ports;
		} else {
			c.missing[c.n_missing++] = (uint8_t)i;
		}
	}
	if (c.n_missing != 0)
		learn(&c, p, direction, query, rule, needs_ports);
}

void fer_flows_find(struct fer_flows *f, const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query query[], unsigned n, uint32_t rule[], bool needs_ports[])
{
	for (unsigned at = 0; at < n; at += CHUNK)
		find_chunk(f, p, direction, query + at, n - at < CHUNK ? n - at : CHUNK, rule + at,
			needs_ports + at);
}
