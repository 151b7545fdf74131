// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// All SAs of one port pair.  The control thread adds and removes; workers look up without locks.
//
// A handle is index and generation, never a pointer and never 0.  Three structures lead to a block:
//   blocks  by index: an array, one fixed stride, where the SA lives
//   hash    rte_hash by (protocol, destination, SPI), seeded: the authority for inbound look-ups;
//           the AH of bundles have one of their own, which is there as soon as there is a bundle
//   hints   a flat table in front of it, seeded too: 8 bytes an entry, verified in the block
// Only the control thread writes them.  Removal takes hash entry and hint away, then waits for a
// grace period of the workers, and only then frees the hash position and wipes the block: three
// named steps, none of which blocks.

#include "sa/sa.h"

#include <stddef.h>

struct fer_engine;
struct fer_iv_source;
struct rte_rcu_qsbr;

struct fer_sa_table;

// A clock that never goes back.
struct fer_clock {
	uint64_t (*now_ns)(void *ctx);
	void *ctx;
};

struct fer_sa_table_params {
	const char *name;  // unique in the process, up to 20 characters
	uint32_t capacity; // SAs, 1 to 2^24; a bundle is one
	uint32_t n_groups;
	const struct fer_iv_source *ivs; // where counter modes start; outlives the table
	struct rte_rcu_qsbr *qsbr;     // the workers that look up; NULL: nobody does during removal
	const struct fer_clock *clock; // by which SAs age; outlives the table; NULL: monotonic
	// Another table, such as that of another port pair: no outbound SA of it, or of a table
	// beside it, may share the key of a counter mode with one of this table.  NULL: none.
	struct fer_sa_table *beside;
};

// The control thread alone may call the functions of this block.

// Returns NULL with *error -ENOMEM, -EINVAL, or what the EAL said.
__attribute__((warn_unused_result)) struct fer_sa_table *fer_sa_table_create(
	const struct fer_sa_table_params *params, struct fer_engine *engine, int *error);

// Makes the memory of all SAs real, if there is enough: then to add one never waits for a page.
void fer_sa_table_prepare(struct fer_sa_table *t);

// Wipes and frees everything.  No worker may be looking.
void fer_sa_table_destroy(struct fer_sa_table *t);

// Creates an SA and publishes it.  *handle is set on 0 only.  Refusals:
//   -EINVAL   a parameter that no SA can have (algorithms, lengths, SPI, addresses, window), or an
//             algorithm that the engine lacks
//   -EEXIST   an inbound SA with this protocol, destination and SPI is there
//   -ENOTUNIQ an outbound SA of a counter mode whose key and salt another SA has, or the other way
//             round; or an outbound SA of a table beside this one.  An SA has its key until it is
//             reclaimed
//   -ENOSPC   the table is full, with SAs that are not reclaimed yet among the others; or
//             FER_DUMMIES_MAX of them send dummies
//   -ENOMEM   no memory for a wide window, or for the first bundle
//   -ETIME    the clock cannot be trusted (crypto/iv.h)
// *why, where why is not NULL, is set to a sentence for people, or to NULL on 0.
__attribute__((warn_unused_result)) int fer_sa_add(struct fer_sa_table *t,
	const struct fer_sa_params *params, uint64_t *handle, const char **why);

// Takes an SA out of every look-up.  Packets under way finish with it, and its identity is free at
// once.  -ENOENT: no such handle.
__attribute__((warn_unused_result)) int fer_sa_remove(struct fer_sa_table *t, uint64_t handle);

// Wipes and frees removed SAs whose grace period is over, a bounded number at a time, and starts
// the grace period of those removed since; never waits.  Returns how many are left: call it again
// until there are none.  Also forgets the end points that were removed a minute ago
// (fer_sa_is_endpoint()).
unsigned fer_sa_reclaim(struct fer_sa_table *t);

// How many SAs have ever been removed, and reclaimed.  An SA has been reclaimed when the second
// number is at least what the first was after its removal.  What fer_sa_add() refuses may count.
uint64_t fer_sa_n_removed(const struct fer_sa_table *t);
uint64_t fer_sa_n_reclaimed(const struct fer_sa_table *t);

// Moves the numbers that an SA with ESN has for that protocol forward to the beginning of the range
// with that high half, if they are not in it yet.  Out: no lower number is given any more.  In:
// lower numbers count as seen, but for those in the window.  Where a contract host has the numbers,
// they have this high half from now on, whatever it was.  -ENOENT: no such handle, or not of
// that protocol; -EINVAL: no ESN, or no way forward.
__attribute__((warn_unused_result)) int fer_sa_update_high(
	struct fer_sa_table *t, uint64_t handle, uint8_t protocol, uint32_t high);

// Makes the SA of that handle the one its group sends with.  -ENOENT: no such handle; -EINVAL: it
// is inbound or has no group.  The first outbound SA added to a group without one is made active
// by fer_sa_add() itself; removing the active one leaves the group without.
__attribute__((warn_unused_result)) int fer_group_activate(struct fer_sa_table *t, uint64_t handle);

// Something is over in the life of an SA.
struct fer_sa_notice {
	uint64_t handle;
	enum fer_life what;
};

// Ends what is too old, of up to max SAs, and writes a notice of everything that was not over
// before: up to 2 * max.  Returns how many.  To be called at fer_sa_next_age().
unsigned fer_sa_age(struct fer_sa_table *t, struct fer_sa_notice notices[], unsigned max);

// When the next SA is too old, in nanoseconds of the table's clock, perhaps in the past;
// UINT64_MAX: none will be.
uint64_t fer_sa_next_age(const struct fer_sa_table *t);

// Is it news that this is over?  To be asked of every event about the life of an SA: a worker tells
// once, but what fer_sa_untold() found in the meantime comes a second time.  False as well for an
// SA that was removed.
__attribute__((warn_unused_result)) bool fer_sa_tell(
	struct fer_sa_table *t, uint64_t handle, enum fer_life what);

// Looks for what is over although no event told it, because a worker's ring was full: goes on at
// *cursor, which is 0 at first, over up to max SAs.  Returns how many notices there are, up to
// 3 * max.  It is through when *cursor is the capacity.
unsigned fer_sa_untold(
	struct fer_sa_table *t, uint32_t *cursor, struct fer_sa_notice notices[], unsigned max);

// What is left of an SA's lifetime as it was asked for; zero where there is no limit.
struct fer_lifetime fer_sa_lifetime(const struct fer_sa_table *t, const struct fer_sa *sa);

uint32_t fer_sa_count(const struct fer_sa_table *t);
uint32_t fer_sa_capacity(const struct fer_sa_table *t);

// Any thread may call the functions below; workers between two quiescent states.

// The block at an index, live or not.  That of an SA is below the capacity, that of a bundle's AH
// below twice the capacity.
static inline struct fer_sa *fer_sa_at(const struct fer_sa_table *t, uint32_t index);

// The SA of a handle; NULL when there is none, or none any more.
static inline struct fer_sa *fer_sa_get(const struct fer_sa_table *t, uint64_t handle);

// The AH of the bundle whose head this is; NULL: it is none.
static inline struct fer_sa *fer_sa_ah(const struct fer_sa_table *t, const struct fer_sa *sa);

// The head of the bundle that a block belongs to; another SA itself.
static inline struct fer_sa *fer_sa_head(const struct fer_sa_table *t, struct fer_sa *sa);

// Brings the line into the cache that says whether the SA of a handle lives.  The handle is one
// that was live, or one without generation, which does no harm.
static inline void fer_sa_prefetch(const struct fer_sa_table *t, uint64_t handle);

// The same for what every outbound packet of an SA needs besides, its key aside: when it is known
// that it lives, because lines come one behind the other.
static inline void fer_sa_prefetch_out(const struct fer_sa_table *t, uint64_t handle);

// Counts n packets that ended on the SA with v, one of FER_SA_VERDICTS and not FER_OK.
static inline void fer_sa_count_drop(
	const struct fer_sa_table *t, struct fer_sa *sa, enum fer_verdict v, uint32_t n);

// Packets that ended on the SA with v; none with FER_OK.  While the 2^32nd is being counted it may
// say as many too few.
static inline uint64_t fer_sa_drops(
	const struct fer_sa_table *t, const struct fer_sa *sa, enum fer_verdict v);

// The limits of an SA whose life says that it has some.
static inline const struct fer_limits *fer_sa_limits(
	const struct fer_sa_table *t, const struct fer_sa *sa);

// The handle with which a group sends; 0 when it has none, or the group does not exist.
static inline uint64_t fer_group_active(const struct fer_sa_table *t, uint32_t group);

// Brings into the cache what fer_group_active() reads.
static inline void fer_group_prefetch(const struct fer_sa_table *t, uint32_t group);

// Is that handle what fer_group_active() would return for its group?  Asked of the SA itself, whose
// line a packet needs anyway.  The handle is one that was active, or one without generation, which
// is not.
static inline bool fer_sa_is_active(const struct fer_sa_table *t, uint64_t handle);

// What identifies an inbound SA.  Bytes without use are 0: keys are compared whole.
struct fer_sa_id {
	uint8_t dst[16];
	uint32_t spi; // host order
	uint8_t version;
	uint8_t protocol;
	uint8_t zero[2];
};

// Is it live, and the inbound SA that id names?  Not asked of those for any destination.
static inline bool fer_sa_is(const struct fer_sa *sa, const struct fer_sa_id *id);

#define FER_SA_FIND_MAX 64

// One identity to be looked up.
struct fer_sa_query {
	struct fer_sa_id id;
	uint64_t hash; // of it
};

// Begins to look an identity up: brings its hint into the cache.
static inline struct fer_sa_query fer_sa_query(
	const struct fer_sa_table *t, const struct fer_sa_id *id);

// Finds n (up to FER_SA_FIND_MAX) inbound SAs; sa[i] becomes NULL where there is none.  An exact
// destination goes before an SA for any destination of that IP version.  What is found may have
// been removed since: its generation is 0 then, its contents stay to the next quiescent state.
void fer_sa_find(const struct fer_sa_table *t, const struct fer_sa_query query[], unsigned n,
	const struct fer_sa *sa[]);

// Is this the destination of an inbound SA, live or removed in the last minute?  Decides whether an
// ESP packet without SA is ours or somebody else's.
bool fer_sa_is_endpoint(const struct fer_sa_table *t, const struct fer_addr *a);

#include "sa/table_inline.h"
