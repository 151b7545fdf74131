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

// Everything but addresses in the first word; then source and destination, 1 word or 4.
#define WORDS 5
#define WORDS_IPV4 2
#define IS_IPV6 (UINT64_C(1) << 57) // in the version of a selector
#define DIRECTION_SHIFT 47          // no fragment has that bit

struct flow {
	uint64_t word[WORDS];
};

struct known {
	uint32_t epoch;      // in which this was learnt; 0: nothing is here
	uint32_t needs_rule; // NEEDS_PORTS, and the rule
	uint64_t note;       // 0: none
	uint64_t word[];     // of the flow
};

#define NEEDS_PORTS (UINT32_C(1) << 31)
#define NO_RULE (NEEDS_PORTS - 1) // there are fewer

// Two or one of them in a line of the cache.  A flow stands in its home line, or in the other of
// the pair when that is full.
#define LINE_BYTES 64
#define BYTES_IPV4 32
#define BYTES_IPV6 64

static_assert(sizeof(struct known) + WORDS_IPV4 * sizeof(uint64_t) <= BYTES_IPV4, "2 a line");
static_assert(sizeof(struct known) + WORDS * sizeof(uint64_t) <= BYTES_IPV6, "1 a line");

struct fer_flows {
	uint64_t key[WORDS + 2];
	uint8_t *lines[2]; // IPv4, IPv6
	unsigned lines_log2;
	uint32_t n_learnt;
	uint64_t generation; // of the policies of this epoch
	uint32_t epoch;      // another for each change of policies
};

static size_t table_bytes(const struct fer_flows *f)
{
	return (size_t)LINE_BYTES << f->lines_log2;
}

struct fer_flows *fer_flows_create(uint32_t n)
{
	struct fer_flows *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->lines_log2 = rte_log2_u32(RTE_MIN(RTE_MAX(n, MIN_FLOWS), MAX_FLOWS));
	f->lines[0] = fer_pages_map(table_bytes(f));
	f->lines[1] = fer_pages_map(table_bytes(f));
	if (f->lines[0] != NULL && f->lines[1] != NULL &&
		getrandom(f->key, sizeof(f->key), 0) == sizeof(f->key))
		return f;
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
	flow->word[0] = fer_frame_selector(q->frame) | (uint64_t)direction << DIRECTION_SHIFT;
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

// The hash NH, folded: flows of somebody who does not know the key meet by chance only.
static uint8_t *home_of(const struct fer_flows *f, const struct flow *flow)
{
	const uint64_t *w = flow->word, *k = f->key;
	unsigned __int128 sum = (unsigned __int128)(w[0] + k[0]) * (w[1] + k[1]);

	if (is_ipv6(flow))
		sum += (unsigned __int128)(w[2] + k[2]) * (w[3] + k[3]) +
		       (unsigned __int128)(w[4] + k[4]) * k[5];
	uint64_t hash = ((uint64_t)(sum >> 64) ^ (uint64_t)sum) * (k[6] | 1);
	return f->lines[is_ipv6(flow)] + (hash >> (64 - f->lines_log2)) * LINE_BYTES;
}

static uint8_t *other_of(const uint8_t *home)
{
	return (uint8_t *)((uintptr_t)home ^ LINE_BYTES);
}

static uint32_t rule_of(const struct known *k)
{
	uint32_t rule = k->needs_rule & NO_RULE;

	return rule == NO_RULE ? FER_NO_RULE : rule;
}

static size_t bytes_of(const struct flow *flow)
{
	return is_ipv6(flow) ? BYTES_IPV6 : BYTES_IPV4;
}

static struct known *find_in_line(uint8_t *line, const struct flow *flow, uint32_t epoch)
{
	for (size_t at = 0; at < LINE_BYTES; at += bytes_of(flow)) {
		struct known *k = (struct known *)(line + at);

		if (has_words(k->word, flow) && k->epoch == epoch)
			return k;
	}
	return NULL;
}

// NULL: it is not known.
static struct known *find_known(uint8_t *home, const struct flow *flow, uint32_t epoch)
{
	struct known *k = find_in_line(home, flow, epoch);

	return likely(k != NULL) ? k : find_in_line(other_of(home), flow, epoch);
}

// An empty place in a line; NULL: there is none.
static struct known *find_room(uint8_t *line, const struct flow *flow, uint32_t epoch)
{
	for (size_t at = 0; at < LINE_BYTES; at += bytes_of(flow)) {
		struct known *k = (struct known *)(line + at);

		if (k->epoch != epoch)
			return k;
	}
	return NULL;
}

// The place for a new flow: where it is full, another flow has to go.
static struct known *make_room(struct fer_flows *f, uint8_t *home, const struct flow *flow)
{
	struct known *k = find_room(home, flow, f->epoch);

	if (k == NULL)
		k = find_room(other_of(home), flow, f->epoch);
	if (k == NULL)
		k = (struct known *)(home + f->n_learnt++ * bytes_of(flow) % LINE_BYTES);
	return k;
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
	uint64_t *note;
};

static inline void answer(const struct chunk *c, unsigned run, uint32_t rule, bool needs_ports,
	uint64_t note, const struct answers *to)
{
	for (unsigned i = c->first[run]; i < c->first[run + 1]; i++) {
		to->rule[i] = rule;
		to->needs_ports[i] = needs_ports;
		to->note[i] = note;
	}
}

static void remember(struct fer_flows *f, uint8_t *home, const struct flow *flow, uint32_t rule,
	bool needs_ports)
{
	if (find_known(home, flow, f->epoch) != NULL) // it stands in this chunk twice
		return;
	struct known *k = make_room(f, home, flow);

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

		answer(c, r, found[j], needs[j], 0, to);
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
		c->home[r] = home_of(f, &c->flow[r]);
		rte_prefetch0(c->home[r]);
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
		const struct known *k = find_known(c.home[r], &c.flow[r], f->epoch);

		if (likely(k != NULL))
			answer(&c, r, rule_of(k), (k->needs_rule & NEEDS_PORTS) != 0, k->note, to);
		else
			c.missing[c.n_missing++] = (uint8_t)r;
	}
	if (c.n_missing != 0)
		learn(f, &c, p, direction, query, to);
}

// One flow alone.  False: it is not known.
static inline bool find_one(const struct fer_flows *f, enum fer_direction direction,
	const struct fer_policy_query *q, uint32_t *rule, bool *needs_ports, uint64_t *note)
{
	struct flow flow;

	describe(&flow, direction, q);
	const struct known *k = find_known(home_of(f, &flow), &flow, f->epoch);
	if (unlikely(k == NULL))
		return false;
	*rule = rule_of(k);
	*needs_ports = (k->needs_rule & NEEDS_PORTS) != 0;
	*note = k->note;
	return true;
}

// What was learnt from other policies is forgotten.
static void begin_epoch(struct fer_flows *f, uint64_t generation)
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
	const struct fer_policy_query query[], unsigned n, uint32_t rule[], bool needs_ports[],
	uint64_t note[])
{
	if (unlikely(fer_policies_generation(p) != f->generation))
		begin_epoch(f, fer_policies_generation(p));
	if (n == 1 && likely(find_one(f, direction, query, rule, needs_ports, note)))
		return;
	for (unsigned at = 0; at < n; at += CHUNK) {
		const struct answers to = {rule + at, needs_ports + at, note + at};

		find_chunk(f, p, direction, query + at, n - at < CHUNK ? n - at : CHUNK, &to);
	}
}
// NOLINTEND(readability-non-const-parameter)

void fer_flows_note(struct fer_flows *f, const struct fer_policies *p, enum fer_direction direction,
	const struct fer_policy_query *query, uint64_t note)
{
	struct flow flow;

	if (fer_policies_generation(p) != f->generation)
		return;
	describe(&flow, direction, query);
	struct known *k = find_known(home_of(f, &flow), &flow, f->epoch);
	if (k != NULL)
		k->note = note;
}
