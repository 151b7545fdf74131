// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A pair of ports with its SAs, policies and settings.  The control thread owns it and alone calls
// these functions; workers see the ports, the SA table and the published rules.

#include "names.h"
#include "offload.h"
#include "ports.h"
#include "rules.h"

#include "sa/table.h"

#include <stdatomic.h>
#include <sys/queue.h>

struct fer_engine;
struct fer_iv_source;
struct rte_mempool;
struct rte_rcu_qsbr;

// Of an SA with ESP in UDP.
struct fer_pair_udp {
	struct fer_udp asked;          // ports, as it was added with
	LIST_ENTRY(fer_pair_udp) link; // outbound ones
	struct fer_pair_sa *sa;
	uint64_t packets;  // that it had sent
	uint64_t since_ns; // then, or at its last keep-alive
};

// What is known of an SA besides its block in the table.  There may be a million of them: what the
// block says is not repeated here, and few have a name, a group and ESP in UDP all together.
struct fer_pair_sa {
	struct fer_named named; // first; the name is empty where it has none
	union {
		struct {
			struct fer_pair_sa *next; // of its group, as the next
			struct fer_pair_sa *previous;
			struct fer_pair_udp *udp; // NULL: not in UDP
		};
		struct fer_deferred deferred; // once it is removed
	};
	struct fer_pair *pair;
	uint64_t handle;
	uint64_t added_ns;                           // Unix time
	uint32_t group;                              // held; FER_NO_GROUP: none
	uint8_t encryption, integrity, ah_integrity; // fer_algo_row(); FER_PAIR_NO_ALGO: none
	bool is_new : 1;                             // a swap that is not done yet has added it
	bool is_draining : 1;                        // a swap replaces it, and it goes soon
	bool asks_deletion : 1;                      // it has stopped, and that was told
	char name[];                                 // behind it: the struct for UDP, if it has one
};

#define FER_PAIR_NO_ALGO UINT8_MAX

static_assert(sizeof(struct fer_pair_sa) == 72, "80 bytes with what malloc() adds");

struct fer_pair {
	char name[FER_DOC_NAME_BYTES];
	unsigned number;        // place among the pairs
	bool legacy_algorithms; // the configuration allows them
	bool is_oob;            // an external host plays the host half
	bool completes_all;
	uint16_t delete_after;             // struct fer_nic
	char keywords[FER_DOC_PATH_BYTES]; // file; empty: none
	struct fer_offload offload;
	struct fer_port port[FER_N_SIDES];
	struct rte_mempool *pool; // of both ports
	struct fer_sa_table *sas;
	const struct fer_host_rules *_Atomic published; // that of rules

	struct fer_rules *rules; // in force
	struct fer_grace *grace;
	struct fer_groups groups;
	struct fer_names names;        // of struct fer_pair_sa
	struct fer_pair_sa **by_index; // in the table; NULL: no live SA
	uint32_t n_emptied;            // of these, once a port is lost

	struct rte_ring *keepalives; // from the control thread to the worker of the first queue
	uint64_t keepalive_ns;       // interval; 0: none are sent
	uint64_t kept_ns;            // when it was looked last
	LIST_HEAD(fer_pair_udp_sas, fer_pair_udp) in_udp;
};

struct fer_pair_params {
	unsigned number;
	unsigned n_workers; // that may work for it
	struct fer_engine *engine;
	const struct fer_iv_source *ivs;
	struct rte_rcu_qsbr *qsbr;
	struct fer_grace *grace;
	const struct fer_pair *beside; // another pair, whose keys count with those of this one;
				       // NULL: it is the first
};

// Finds and sets up the ports, and makes what belongs to the pair: no SAs, and rules that discard
// all packets.  0; or -errno with err set, and nothing left behind.
__attribute__((warn_unused_result)) int fer_pair_open(struct fer_pair *p, const struct fer_doc *doc,
	const struct fer_pair_params *params, struct fer_doc_error *err);

// 0; or -errno with err set.
__attribute__((warn_unused_result)) int fer_pair_start(
	struct fer_pair *p, const struct fer_doc *doc, struct fer_doc_error *err);

// Workers have ended, or not begun.
void fer_pair_stop(struct fer_pair *p);

// Wipes its SAs and frees everything; what was deferred has been run.
void fer_pair_close(struct fer_pair *p);

// Adds an SA to the group of that name, which is made when there is none; params->group is not
// looked at.  name and group may both be NULL: an SA known by its handle alone, with which no
// policy sends.  0 with *handle set; or what fer_sa_add() says, -EEXIST for the name as well, with
// *why a sentence for people.
__attribute__((warn_unused_result)) int fer_pair_add_sa(struct fer_pair *p, const char *name,
	const char *group, const struct fer_sa_params *params, uint64_t *handle, const char **why);

// Takes an SA out of all look-ups; its name is free at once.  -ENOENT: no such handle.
__attribute__((warn_unused_result)) int fer_pair_remove_sa(struct fer_pair *p, uint64_t handle);

// Has a port of it been removed?  Then it carries nothing any more, and nobody may change it.
bool fer_pair_has_lost_port(const struct fer_pair *p);

// Removes SAs of a pair that has lost a port, at most that many at a time, until no key is kept.
void fer_pair_remove_sas(struct fer_pair *p, uint32_t most);

// NULL: there is none.
struct fer_pair_sa *fer_pair_find_sa(const struct fer_pair *p, const char *name);
struct fer_pair_sa *fer_pair_sa_of(const struct fer_pair *p, uint64_t handle);

// The block of an SA; of a bundle that of its ESP.
static inline const struct fer_sa *fer_pair_sa_block(const struct fer_pair_sa *sa)
{
	return fer_sa_at(sa->pair->sas, (uint32_t)sa->handle);
}

static inline bool fer_pair_sa_is_out(const struct fer_pair_sa *sa)
{
	return fer_pair_sa_block(sa)->direction == FER_OUT;
}

// Of its ESP or AH, in host order; 0: it has none.
uint32_t fer_pair_sa_spi(const struct fer_pair_sa *sa, uint8_t protocol);

// Puts rules that are built in the place of those in force, which are freed when no worker sees
// them any more.
void fer_pair_publish(struct fer_pair *p, struct fer_rules *r);

// Adds the SAs of the document, and publishes its policies for this pair.  0; or -errno with err
// set, and the caller closes the pair, which may have some of the SAs.
__attribute__((warn_unused_result)) int fer_pair_load(
	struct fer_pair *p, const struct fer_doc *doc, struct fer_doc_error *err);
