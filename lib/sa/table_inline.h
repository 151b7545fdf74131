// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The part of the SA table that every packet passes, for the inlines of table.h.

#include "base/bytes.h"
#include "base/prefetch.h"
#include "sa/ports.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

struct fer_udp_in;

// High halves of what an SA counts in drops.
struct fer_sa_high_drops {
	_Atomic uint32_t drops[FER_N_SA_VERDICTS - 1];
};

#define FER_HINTS_PER_LINE 8
#define FER_HINT_LINES                                                                             \
	2 // where a hint may stand: its line, or the other of the pair when that is full

// Tag of the identity << 32 | index + 1; 0: empty.  One store, so it is never torn.
struct fer_sa_hint_line {
	alignas(64) _Atomic uint64_t hint[FER_HINTS_PER_LINE];
};

static_assert(sizeof(struct fer_sa_hint_line) == 64, "one line of the cache is read");

// Read by every worker, written by the control thread at creation only, but for n_dummies.
struct fer_sa_table {
	uint8_t *blocks;
	size_t stride;
	uint32_t capacity; // handles have lower indexes
	uint32_t n_groups;
	struct fer_sa_hint_line *hints;
	uint64_t hint_seed[4];          // secret; the last two are odd
	uint32_t n_hint_lines;          // even
	_Atomic uint64_t *groups;       // handle of the active outbound SA, 0 for none
	struct fer_sa_high_drops *high; // by index; no memory until an SA has dropped 2^32 packets
	struct fer_udp_in **udp_in;     // by index; NULL: no ESP in UDP
	struct fer_ports *udp_ports;    // of inbound SAs
	struct fer_limits *in_limits;   // by index; an inbound SA has no room for them in its block
	struct fer_dummy *dummies;      // FER_DUMMIES_MAX
	_Atomic uint32_t n_dummies;     // SAs among them
	struct fer_sa_control *control; // the rest: hash, free list, grace periods
};

static inline struct fer_sa *fer_sa_at(const struct fer_sa_table *t, uint32_t index)
{
	return (struct fer_sa *)(t->blocks + t->stride * index);
}

static inline struct fer_sa *fer_sa_get(const struct fer_sa_table *t, uint64_t handle)
{
	uint32_t index = (uint32_t)handle, generation = (uint32_t)(handle >> 32);

	if (index >= t->capacity || generation == 0)
		return NULL;
	struct fer_sa *sa = fer_sa_at(t, index);
	uint32_t live = atomic_load_explicit(&sa->generation, memory_order_acquire);
	return live == generation ? sa : NULL;
}

static inline struct fer_sa *fer_sa_ah(const struct fer_sa_table *t, const struct fer_sa *sa)
{
	return likely(sa->partner == FER_NO_SA_INDEX) ? NULL : fer_sa_at(t, sa->partner);
}

static inline struct fer_sa *fer_sa_head(const struct fer_sa_table *t, struct fer_sa *sa)
{
	return fer_sa_is_outside(sa) ? fer_sa_at(t, sa->partner) : sa;
}

static inline void fer_sa_prefetch(const struct fer_sa_table *t, uint64_t handle)
{
	rte_prefetch0(fer_sa_at(t, (uint32_t)handle));
}

static inline void fer_sa_prefetch_out(const struct fer_sa_table *t, uint64_t handle)
{
	const struct fer_sa *sa = fer_sa_at(t, (uint32_t)handle);

	rte_prefetch0(&sa->out.template);
	fer_prefetch_write(&sa->out.seq);
}

// The lines that every inbound packet needs first.
static inline void fer_sa_prefetch_in(const struct fer_sa *sa)
{
	rte_prefetch0(sa);
	rte_prefetch0(&sa->in.lock);
}

static inline void fer_sa_count_drop(
	const struct fer_sa_table *t, struct fer_sa *sa, enum fer_verdict v, uint32_t n)
{
	uint32_t before = atomic_fetch_add_explicit(&sa->drops[v - 1], n, memory_order_relaxed);

	if (unlikely(before > UINT32_MAX - n))
		atomic_fetch_add_explicit(
			&t->high[sa->index].drops[v - 1], 1, memory_order_relaxed);
}

static inline uint64_t fer_sa_drops(
	const struct fer_sa_table *t, const struct fer_sa *sa, enum fer_verdict v)
{
	if (v == FER_OK)
		return 0;
	uint64_t high =
		atomic_load_explicit(&t->high[sa->index].drops[v - 1], memory_order_relaxed);
	return high << 32 | atomic_load_explicit(&sa->drops[v - 1], memory_order_relaxed);
}

static inline const struct fer_limits *fer_sa_limits(
	const struct fer_sa_table *t, const struct fer_sa *sa)
{
	return sa->direction == FER_OUT ? &sa->out.limits : &t->in_limits[sa->index];
}

static inline uint64_t fer_group_active(const struct fer_sa_table *t, uint32_t group)
{
	return group < t->n_groups ? atomic_load_explicit(&t->groups[group], memory_order_acquire)
				   : 0;
}

static inline void fer_group_prefetch(const struct fer_sa_table *t, uint32_t group)
{
	if (group < t->n_groups)
		rte_prefetch0(&t->groups[group]);
}

static inline bool fer_sa_is_active(const struct fer_sa_table *t, uint64_t handle)
{
	const struct fer_sa *sa = fer_sa_at(t, (uint32_t)handle);
	const uint32_t generation = (uint32_t)(handle >> 32);

	return generation != 0 &&
	       atomic_load_explicit(&sa->generation, memory_order_acquire) == generation &&
	       (atomic_load_explicit(&sa->life, memory_order_relaxed) & FER_LIFE_ACTIVE) != 0;
}

// Without the secret nobody knows two identities that meet here more often than chance has it:
// both halves of the destination are hidden before they are multiplied with each other, and each
// product after that is with a secret.  Two SPIs of one destination never have the same hash.
static inline uint64_t fer_sa_hint_hash(const struct fer_sa_table *t, const struct fer_sa_id *id)
{
	uint64_t a, b, c;

	memcpy(&a, id->dst, sizeof(a));
	memcpy(&b, id->dst + 8, sizeof(b));
	memcpy(&c, &id->spi, sizeof(c));
	unsigned __int128 dst = (unsigned __int128)(a ^ t->hint_seed[0]) * (b ^ t->hint_seed[1]);
	uint64_t h = (uint64_t)(dst >> 64) ^ (uint64_t)dst;
	h = (h ^ c) * t->hint_seed[2];
	h = (h ^ (h >> 32)) * t->hint_seed[3];
	return h ^ (h >> 32);
}

// What a hint says of an id, besides where it stands: the half of the hash that chose no line.
static inline uint32_t fer_sa_hint_tag(uint64_t hash)
{
	return (uint32_t)hash;
}

static inline uint64_t fer_sa_hint(uint64_t hash, uint32_t index)
{
	return (uint64_t)fer_sa_hint_tag(hash) << 32 | (index + 1);
}

// choice: 0 for the line where a hint belongs, 1 for the other of the pair.
static inline struct fer_sa_hint_line *fer_sa_hint_line(
	const struct fer_sa_table *t, uint64_t hash, unsigned choice)
{
	return &t->hints[((hash >> 32) * t->n_hint_lines >> 32) ^ choice];
}

static inline bool fer_sa_is(const struct fer_sa *sa, const struct fer_sa_id *id)
{
	return atomic_load_explicit(&sa->generation, memory_order_acquire) != 0 &&
	       sa->spi == id->spi && sa->version == id->version && sa->protocol == id->protocol &&
	       sa->direction == FER_IN &&
	       fer_pair_is_zero(fer_load_pair(sa->dst) ^ fer_load_pair(id->dst));
}

static inline struct fer_sa_query fer_sa_query(
	const struct fer_sa_table *t, const struct fer_sa_id *id)
{
	const struct fer_sa_query query = {*id, fer_sa_hint_hash(t, id)};

	rte_prefetch0(fer_sa_hint_line(t, query.hash, 0));
	return query;
}
