// SPDX-License-Identifier: BSD-3-Clause
#include "host/flow.h"

#include "base/pages.h"

#include <rte_bitops.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MIN_FLOWS (UINT32_C(1) << 18)
#define MAX_FLOWS (UINT32_C(1) << 21)
#define CHUNK 64 // packets looked up at once

#define WORDS FER_FLOW_WORDS
#define WORDS_IPV4 FER_FLOW_WORDS_IPV4
#define IS_IPV6 (UINT64_C(1) << 57) // in the version of a selector

struct flow {
	uint64_t word[WORDS];
};

#define NEEDS_PORTS (UINT32_C(1) << 31) // of needs_rule; below it the rule
#define NO_RULE (NEEDS_PORTS - 1)       // there are fewer

#define LINE_BYTES FER_FLOW_LINE_BYTES
#define LINES FER_FLOW_LINES
#define BYTES_IPV4 FER_FLOW_BYTES_IPV4
#define BYTES_IPV6 64

static_assert(
	sizeof(struct fer_flow_known) + WORDS_IPV4 * sizeof(uint64_t) <= BYTES_IPV4, "2 a line");
static_assert(sizeof(struct fer_flow_known) + WORDS * sizeof(uint64_t) <= BYTES_IPV6, "1 a line");

static size_t table_bytes(const struct fer_flows *f)
{
	return (size_t)LINE_BYTES << (64 - f->lines_shift);
}

struct fer_flows *fer_flows_create(uint32_t n)
{
	struct fer_flows *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->lines_shift = 64 - rte_log2_u32(RTE_MIN(RTE_MAX(n, MIN_FLOWS), MAX_FLOWS));
	f->lines[0] = fer_pages_map(table_bytes(f));
	f->lines[1] = fer_pages_map(table_bytes(f));
	if (f->lines[0] != NULL && f->lines[1] != NULL &&
		getrandom(f->key, sizeof(f->key), 0) == sizeof(f->key)) {
		f->key[WORDS + 1] |= 1;
		return f;
	}
	fer_flows_destroy(f);
	return NULL;
}

void fer_flows_destroy(struct fer_flows *f)
{
	if (f == NULL)
		return;
	fer_pages_unmap(f->lines[0], table_bytes(f));
	fer_pages_unmap(f->lines[1], table_bytes(f));
	free(f);
}

static bool is_ipv6(const struct flow *flow)
{
	return (flow->word[0] & IS_IPV6) != 0;
}

static inline void describe(
	struct flow *flow, enum fer_direction direction, const struct fer_policy_query *q)
{
	flow->word[0] = fer_flow_first_word(direction, q->frame);
	if (!is_ipv6(flow))
		memcpy(&flow->word[1], q->ip + 12, 8);
	else
		memcpy(&flow->word[1], q->ip + 8, 32);
}

// Are the words from a on those of the flow?
static bool has_words(const uint64_t a[], const struct flow *flow)
{
	const uint64_t *b = flow->word;

	if (a[0] != b[0] || a[1] != b[1])
		return false;
	return !is_ipv6(flow) || (a[2] == b[2] && a[3] == b[3] && a[4] == b[4]);
}

uint8_t *fer_flow_home_ipv6(const struct fer_flows *f, uint64_t first, const uint8_t *ip)
{
	const uint64_t *k = f->key;
	const unsigned __int128 sum = (unsigned __int128)first * (fer_load_word(ip + 8) + k[1]) +
				      (unsigned __int128)(fer_load_word(ip + 16) + k[2]) *
					      (fer_load_word(ip + 24) + k[3]) +
				      (unsigned __int128)(fer_load_word(ip + 32) + k[4]) * k[5];

	return f->lines[1] + fer_flow_fold(f, (uint64_t)(sum >> 64), (uint64_t)sum);
}

// The k-th line in which a flow of that home may stand.
static uint8_t *line_of(const uint8_t *home, unsigned k)
{
	return (uint8_t *)((uintptr_t)home ^ k * LINE_BYTES);
}

static uint32_t rule_of(const struct fer_flow_known *k)
{
	uint32_t rule = k->needs_rule & NO_RULE;

	return rule == NO_RULE ? FER_NO_RULE : rule;
}

static size_t bytes_of(const struct flow *flow)
{
	return is_ipv6(flow) ? BYTES_IPV6 : BYTES_IPV4;
}

// A line's place with the flow, or the first that is empty; NULL: it is full of others.
static struct fer_flow_known *find_in_line(uint8_t *line, const struct flow *flow, uint32_t epoch)
{
	for (size_t at = 0; at < LINE_BYTES; at += bytes_of(flow)) {
		struct fer_flow_known *k = (struct fer_flow_known *)(line + at);

		if (k->epoch != epoch || has_words(k->word, flow))
			return k;
	}
	return NULL;
}

// Where the flow stands, or the first place that is empty; NULL: all are full of others.  In one
// epoch a place that was taken stays so: behind an empty one nothing is to be found.
static struct fer_flow_known *find_place(uint8_t *home, const struct flow *flow, uint32_t epoch)
{
	struct fer_flow_known *k = find_in_line(home, flow, epoch);

	for (unsigned i = 1; k == NULL && i < LINES; i++)
		k = find_in_line(line_of(home, i), flow, epoch);
	return k;
}

// NULL: it is not known.
static struct fer_flow_known *find_known(uint8_t *home, const struct flow *flow, uint32_t epoch)
{
	struct fer_flow_known *k = find_place(home, flow, epoch);

	return likely(k != NULL) && likely(k->epoch == epoch) ? k : NULL;
}

// The packets of one chunk.  Neighbours of one flow are a run, and looked up once.
struct chunk {
	unsigned n_runs;
	uint8_t first[CHUNK + 1]; // of the packets of a run; behind the last: all of them
	struct flow flow[CHUNK + 1];
	uint8_t *home[CHUNK];
	unsigned n_missing;
	uint8_t missing[CHUNK]; // runs
};

// Where the answers go.
struct answers {
	uint32_t *rule;
	bool *needs_ports;
};

static inline void answer(const struct chunk *c, unsigned run, uint32_t rule, bool needs_ports,
	const struct answers *to)
{
	for (unsigned i = c->first[run]; i < c->first[run + 1]; i++) {
		to->rule[i] = rule;
		to->needs_ports[i] = needs_ports;
	}
}

static void remember(struct fer_flows *f, uint8_t *home, const struct flow *flow, uint32_t rule,
	bool needs_ports)
{
	struct fer_flow_known *k = find_place(home, flow, f->epoch);

	if (k == NULL) // another flow has to go
		k = (struct fer_flow_known *)(home + f->n_learnt++ * bytes_of(flow) % LINE_BYTES);
	else if (k->epoch == f->epoch) // it stands in this chunk twice
		return;
	k->epoch = f->epoch;
	k->needs_rule = (rule & NO_RULE) | (needs_ports ? NEEDS_PORTS : 0);
	k->note = 0;
	memcpy(k->word, flow->word, (is_ipv6(flow) ? WORDS : WORDS_IPV4) * sizeof(k->word[0]));
}

// Asks the classifier for those that are missing.
static void learn(struct fer_flows *f, struct chunk *c, const struct fer_policies *p,
	enum fer_direction direction, const struct fer_policy_query query[],
	const struct answers *to)
{
	struct fer_policy_query asked[CHUNK];
	uint32_t found[CHUNK];
	bool needs[CHUNK];

	for (unsigned j = 0; j < c->n_missing; j++)
		asked[j] = query[c->first[c->missing[j]]];
	fer_policies_find(p, direction, asked, c->n_missing, found, needs);
	for (unsigned j = 0; j < c->n_missing; j++) {
		unsigned r = c->missing[j];

		answer(c, r, found[j], needs[j], to);
		remember(f, c->home[r], &c->flow[r], found[j], needs[j]);
	}
}

// Finds the runs of n packets, and brings their lines into the cache.
static void find_runs(struct chunk *c, const struct fer_flows *f, enum fer_direction direction,
	const struct fer_policy_query query[], unsigned n)
{
	unsigned r = 0;

	for (unsigned i = 0; i < n; i++) {
		describe(&c->flow[r], direction, &query[i]);
		if (r > 0 && has_words(c->flow[r - 1].word, &c->flow[r]))
			continue;
		c->home[r] = fer_flow_expect(f, direction, query[i]);
		c->first[r++] = (uint8_t)i;
	}
	c->first[r] = (uint8_t)n;
	c->n_runs = r;
}

static void find_chunk(struct fer_flows *f, const struct fer_policies *p,
	enum fer_direction direction, const struct fer_policy_query query[], unsigned n,
	const struct answers *to)
{
	struct chunk c;

	c.n_missing = 0;
	find_runs(&c, f, direction, query, n);
	for (unsigned r = 0; r < c.n_runs; r++) {
		const struct fer_flow_known *k = find_known(c.home[r], &c.flow[r], f->epoch);

		if (likely(k != NULL))
			answer(&c, r, rule_of(k), (k->needs_rule & NEEDS_PORTS) != 0, to);
		else
			c.missing[c.n_missing++] = (uint8_t)r;
	}
	if (c.n_missing != 0)
		learn(f, &c, p, direction, query, to);
}

void fer_flows_begin_epoch(struct fer_flows *f, uint64_t generation)
{
	f->generation = generation;
	if (++f->epoch != 0)
		return;
	f->epoch = 1; // in which something was learnt long ago
	memset(f->lines[0], 0, table_bytes(f));
	memset(f->lines[1], 0, table_bytes(f));
}

// NOLINTBEGIN(readability-non-const-parameter): written through struct answers
void fer_flows_find(struct fer_flows *f, const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query query[], unsigned n, uint32_t rule[], bool needs_ports[])
{
	fer_flows_follow(f, p);
	for (unsigned at = 0; at < n; at += CHUNK) {
		const struct answers to = {rule + at, needs_ports + at};

		find_chunk(f, p, direction, query + at, n - at < CHUNK ? n - at : CHUNK, &to);
	}
}
// NOLINTEND(readability-non-const-parameter)

// The flow of a packet, where it stands; NULL: it is not known.
static struct fer_flow_known *find_flow(const struct fer_flows *f, enum fer_direction direction,
	struct fer_policy_query query, uint8_t *home)
{
	struct flow flow;

	describe(&flow, direction, &query);
	return find_known(home, &flow, f->epoch);
}

uint64_t fer_flow_note_elsewhere(const struct fer_flows *f, enum fer_direction direction,
	struct fer_policy_query query, uint8_t *home)
{
	const struct fer_flow_known *k = find_flow(f, direction, query, home);

	return k == NULL ? 0 : k->note;
}

void fer_flows_note(struct fer_flows *f, const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query *query, uint64_t note)
{
	if (fer_policies_generation(p) != f->generation)
		return;
	struct fer_flow_known *k =
		find_flow(f, direction, *query, fer_flow_home(f, direction, *query));
	if (k != NULL)
		k->note = note;
}
