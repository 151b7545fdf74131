// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The groups of a pair: names to the numbers that its SA table and its policies use.  A group
// exists as long as an SA or a policy holds it.

#include "names.h"

struct fer_pair_sa;

struct fer_group {
	struct fer_named named; // first
	uint32_t number;
	uint32_t n_holders;
	struct fer_pair_sa *members; // live SAs
	uint32_t n_sas[2];           // of them, by enum fer_direction
	uint32_t n_transport_sas[2]; // of these, those of transport mode
	uint32_t n_udp_sas[2];       // and those with ESP in UDP
	unsigned arriving;           // directions, as bits, in which a swap brings SAs
	char name[];
};

struct fer_groups {
	struct fer_names names;
	struct fer_group **by_number;
	uint32_t *unused; // numbers that were used, n_unused of them
	uint32_t n_unused;
	uint32_t n_used; // ever: the numbers below
	uint32_t n;
};

// 0, -ENOMEM, or -EIO when there is no randomness.  Numbers are below n.
__attribute__((warn_unused_result)) int fer_groups_init(struct fer_groups *g, uint32_t n);

// Nobody holds a group any more.
void fer_groups_fini(struct fer_groups *g);

// Holds the group of that name, which is made when there is none.  0 with *number set, -ENOSPC when
// there are no more numbers, or -ENOMEM.
__attribute__((warn_unused_result)) int fer_groups_hold(
	struct fer_groups *g, const char *name, uint32_t *number);

// Gives it back.  A number without holders becomes that of another group: no worker may know it by
// its old meaning any more.
void fer_groups_release(struct fer_groups *g, uint32_t number);

// NULL: nobody holds a group of that name.
const struct fer_group *fer_groups_find(const struct fer_groups *g, const char *name);

// Of a group that is held.
struct fer_group *fer_groups_at(const struct fer_groups *g, uint32_t number);
const char *fer_groups_name(const struct fer_groups *g, uint32_t number);
