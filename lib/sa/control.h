// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What stands behind the SA table and no packet passes.  Private to the files of the table:
//   table.c    creation and end of the whole, groups
//   add.c      a block becomes an SA
//   publish.c  an SA enters the look-ups and leaves them
//   remove.c   the workers let go of it, and the block is free again
//   update.c   what changes in a live SA
//   udp.c      peers behind NATs
//   dummy.c    SAs that send dummy packets
//   age.c      limits of its life, and when they are over
//   find.c     what the workers call

#include "sa/dummy.h"
#include "sa/endpoint.h"
#include "sa/keyprint.h"
#include "sa/table.h"
#include "sa/udp.h"

struct rte_hash;

// Blocks waiting for something, first come, first served.  A block is in one list at most, so one
// array of links does for all.
struct fer_index_list {
	uint32_t first, last; // FER_NO_SA_INDEX: empty
	uint32_t n;
};

struct fer_sa_control {
	struct rte_hash *hash;            // struct fer_sa_id to index
	struct rte_hash *_Atomic ah_hash; // the same for the AH of bundles; NULL: there was none
	_Atomic uint32_t n_wildcard;      // inbound SAs for any destination

	alignas(64) struct fer_endpoints *endpoints;
	struct fer_keyprints *keyprints;
	struct fer_sa_control *beside; // of another table, and so on round to this one again
	struct fer_engine *engine;
	const struct fer_iv_source *ivs;
	struct rte_rcu_qsbr *qsbr;

	// Blocks of SAs come first, then as many of AHs of bundles, of which only those are used
	// that are needed.
	uint32_t *next;        // of the lists, by index
	uint32_t *generations; // the last one given, by index
	int32_t *positions;    // removed and waiting: in the hash, negative for none; by index
	uint64_t *key_prints;  // keyed fingerprints of key and salt of counter modes, 0: of none;
			       // by index

	// The stations of a block that is no SA.
	struct fer_index_list removed; // until those waiting are through
	struct fer_index_list waiting; // for one grace period, all of them
	struct fer_index_list unused;  // any more
	struct fer_index_list unused_ah;
	uint32_t n_used;    // blocks of SAs used so far
	uint32_t n_ah;      // the same of AHs
	uint32_t n_live;    // SAs
	uint64_t token;     // of that grace period
	uint64_t n_removed; // ever
	uint64_t n_reclaimed;

	STAILQ_HEAD(fer_udp_heads, fer_udp_head) old_heads; // replaced, oldest first
	struct fer_dummy *dummies;                          // those of the table

	uint64_t iv_floor; // behind the last IV of the SAs freed so far

	// The SAs that age, as a heap: whose time comes first is in front.
	const struct fer_clock *clock;
	uint32_t *ages; // n_ages indexes
	uint32_t n_ages;
	uint32_t *age_place; // 1 and its place in ages, or 0; by index
};

void fer_index_push(struct fer_sa_control *c, struct fer_index_list *l, uint32_t index);

// FER_NO_SA_INDEX when the list is empty.
uint32_t fer_index_pop(struct fer_sa_control *c, struct fer_index_list *l);

// The table's clock.
uint64_t fer_sa_now_ns(const struct fer_sa_control *c);

// Starts the life of an SA that is not published yet.
void fer_sa_start_life(
	struct fer_sa_table *t, struct fer_sa *sa, const struct fer_lifetime *lifetime);

// It ages no more.
void fer_sa_stop_ageing(struct fer_sa_table *t, const struct fer_sa *sa);

// The hash of the AH of bundles, which is made when it is asked for first; NULL without memory.
struct rte_hash *fer_sa_ah_hash(struct fer_sa_table *t);

// Is there an inbound SA with this identity?
bool fer_sa_is_known(
	const struct fer_sa_table *t, const struct fer_addr *dst, uint8_t protocol, uint32_t spi);

static inline uint64_t fer_sa_handle(const struct fer_sa_control *c, const struct fer_sa *sa)
{
	return (uint64_t)c->generations[sa->index] << 32 | sa->index;
}

// Gives the SA its generation and enters it in hash, hints and group.  0, or -errno: then it is
// published in part and has to be unpublished.
__attribute__((warn_unused_result)) int fer_sa_publish(struct fer_sa_table *t, struct fer_sa *sa);

// Makes the SA of that handle, 0 for none, the one with which a group sends.  Two workers may see
// the group and its SAs change one after the other: whichever they ask, the answer was right when
// the change began, or is when it is done.
void fer_group_set(struct fer_sa_table *t, uint32_t group, uint64_t handle);

// Takes an SA out of every look-up and lets it wait for the workers that have it in hand.
void fer_sa_unpublish(struct fer_sa_table *t, struct fer_sa *sa);

// Starts the grace period of the blocks removed, unless others are in theirs.
void fer_sa_begin_grace(struct fer_sa_control *c);

// Frees a wide window.
void fer_sa_close_window(struct fer_sa *sa);

// Gives back what an SA of a counter mode holds of the fingerprints; others hold nothing.
void fer_sa_release_keyprint(struct fer_sa_control *c, const struct fer_sa *sa);

// Gives an SA that is not published yet what it needs for ESP in UDP.  0 or -ENOMEM, and then there
// is nothing to close.
__attribute__((warn_unused_result)) int fer_udp_open(
	struct fer_sa_table *t, struct fer_sa *sa, const struct fer_sa_params *p);

// Frees that; no worker looks any more.
void fer_udp_close(struct fer_sa_table *t, struct fer_sa *sa);

// Frees what was replaced and no worker sees any more.
void fer_udp_reclaim(struct fer_sa_control *c);

// Frees all of it.
void fer_udp_fini(struct fer_sa_control *c);

// Wipes a block and makes it usable again.
void fer_sa_free_block(struct fer_sa_table *t, uint32_t index);
