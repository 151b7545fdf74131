// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Outbound SAs that send dummy packets (RFC 4303 section 2.6), one place each in an array of their
// table, so that whoever makes dummies need not look for them among all SAs.
//
// Who writes what:
//   handle, rate, is_used  the control thread
//   link                   any worker that frames packets of the SA, and holds lock
//   made                   the worker that makes dummies

#include <rte_spinlock.h>

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FER_DUMMIES_MAX 64      // SAs of one table
#define FER_DUMMY_LINK_BYTES 22 // Ethernet with two tags

struct fer_sa_control;
struct fer_sa_table;

struct fer_dummy {
	alignas(64) _Atomic uint64_t handle; // written last; 0: nobody
	_Atomic uint64_t made;
	uint32_t rate;       // packets a second; fixed while there is a handle
	rte_spinlock_t lock; // nobody waits for it
	uint8_t is_linked;   // a packet has told the link header
	uint8_t is_used;
	uint8_t link_bytes;
	uint8_t link[FER_DUMMY_LINK_BYTES];
};

// The place numbered from 1 on, as an SA knows its own.
struct fer_dummy *fer_dummy_at(const struct fer_sa_table *t, unsigned place);

// Notes the link header of a packet of the SA with that handle, unless somebody else is at it.
void fer_dummy_learn(const struct fer_sa_table *t, unsigned place, uint64_t handle,
	const uint8_t *link, uint8_t n);

// Copies the link header out; false when there is none yet, or somebody writes it.
__attribute__((warn_unused_result)) bool fer_dummy_link(
	struct fer_dummy *d, uint8_t link[FER_DUMMY_LINK_BYTES], uint8_t *n);

// The control thread alone: takes a free place, 0 when there is none; makes it known to be that of
// a live SA; makes it unknown again; and frees it, once no worker can see the SA any more.
__attribute__((warn_unused_result)) uint8_t fer_dummy_take(struct fer_sa_control *c, uint32_t rate);
void fer_dummy_publish(struct fer_sa_table *t, unsigned place, uint64_t handle);
void fer_dummy_unpublish(struct fer_sa_table *t, unsigned place);
void fer_dummy_free(struct fer_sa_control *c, unsigned place);
