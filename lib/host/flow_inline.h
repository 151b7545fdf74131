// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The part of the memory of flows that every packet passes, for the inlines of flow.h.

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

// Everything but addresses in the first word; then source and destination, 1 word or 4.
#define FER_FLOW_WORDS 5
#define FER_FLOW_WORDS_IPV4 2
#define FER_FLOW_DIRECTION_SHIFT 47 // no fragment has that bit

struct fer_flow_known {
	uint32_t epoch;      // in which this was learnt; 0: nothing is here
	uint32_t needs_rule; // of flow.c
	uint64_t note;       // 0: none
	uint64_t word[];     // of the flow
};

// Two or one of them in a line of the cache.  A flow stands in its home line, or in the first of
// its neighbours that had room for it.
#define FER_FLOW_LINE_BYTES 64
#define FER_FLOW_LINES 8 // that are neighbours
#define FER_FLOW_BYTES_IPV4 32

struct fer_flows {
	uint64_t key[FER_FLOW_WORDS + 2]; // secret; the last is odd
	uint8_t *lines[2];                // IPv4, IPv6
	unsigned lines_shift;             // of a hash of 64 bits
	unsigned n_learnt;
	uint64_t generation; // of the policies of this epoch
	uint32_t epoch;      // another for each change of policies
};

// Begins the epoch of other policies.
void fer_flows_begin_epoch(struct fer_flows *f, uint64_t generation);

static inline void fer_flows_follow(struct fer_flows *f, const struct fer_policies *p)
{
	if (unlikely(fer_policies_generation(p) != f->generation))
		fer_flows_begin_epoch(f, fer_policies_generation(p));
}

// The note of a flow that is not known to stand in its home line.
uint64_t fer_flow_note_elsewhere(const struct fer_flows *f, enum fer_direction direction,
	struct fer_policy_query query, uint8_t *home);

// The home line of a flow over IPv6.
//   first  its first word and that of the key
uint8_t *fer_flow_home_ipv6(const struct fer_flows *f, uint64_t first, const uint8_t *ip);

static inline uint64_t fer_flow_first_word(
	enum fer_direction direction, const struct fer_frame *frame)
{
	return fer_frame_selector(frame) | (uint64_t)direction << FER_FLOW_DIRECTION_SHIFT;
}

// The hash NH, folded: flows of somebody who does not know the key meet by chance only.
static inline size_t fer_flow_fold(const struct fer_flows *f, uint64_t high, uint64_t low)
{
	return ((high ^ low) * f->key[FER_FLOW_WORDS + 1] >> f->lines_shift) * FER_FLOW_LINE_BYTES;
}

static inline uint8_t *fer_flow_home(
	const struct fer_flows *f, enum fer_direction direction, struct fer_policy_query query)
{
	const uint64_t first = fer_flow_first_word(direction, query.frame) + f->key[0];

	if (unlikely(query.frame->version != 4))
		return fer_flow_home_ipv6(f, first, query.ip);
	const unsigned __int128 product =
		(unsigned __int128)first * (fer_load_word(query.ip + 12) + f->key[1]);
	return f->lines[0] + fer_flow_fold(f, (uint64_t)(product >> 64), (uint64_t)product);
}

static inline uint8_t *fer_flow_expect(
	const struct fer_flows *f, enum fer_direction direction, struct fer_policy_query query)
{
	uint8_t *home = fer_flow_home(f, direction, query);

	rte_prefetch0(home);
	return home;
}

// Which of both places of a line has the flow is nothing that a CPU could predict.
static inline uint64_t fer_flow_note(const struct fer_flows *f, enum fer_direction direction,
	struct fer_policy_query query, uint8_t *home)
{
	const uint64_t first = fer_flow_first_word(direction, query.frame);
	const struct fer_flow_known *k = (const struct fer_flow_known *)home;

	if (unlikely(query.frame->version != 4))
		return fer_flow_note_elsewhere(f, direction, query, home);
	const uint64_t addresses = fer_load_word(query.ip + 12);
	const bool is_second = ((k->word[0] ^ first) | (k->word[1] ^ addresses)) != 0;
	k = (const struct fer_flow_known *)(home + is_second * (size_t)FER_FLOW_BYTES_IPV4);
	if (likely(k->word[0] == first && k->word[1] == addresses && k->epoch == f->epoch))
		return k->note;
	return fer_flow_note_elsewhere(f, direction, query, home);
}
