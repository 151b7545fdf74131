// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Outer fragments of ESP and AH packets that are addressed to us, put together before they are
// opened (RFC 4303 section 3.4.1).  Bounded in datagrams, in fragments of one datagram (8) and in
// time; one table per worker.

#include "nic/batch.h"

struct fer_sa_table;

struct fer_reassembly;

#define FER_REASSEMBLY_MAX_FRAGMENTS 8

struct fer_reassembly_params {
	uint32_t n_datagrams;   // kept waiting at once
	uint64_t timeout_ticks; // of the clock whose time is passed in
};

// NULL without memory.
__attribute__((warn_unused_result)) struct fer_reassembly *fer_reassembly_create(
	const struct fer_reassembly_params *params);

// Frees what still waits.
void fer_reassembly_destroy(struct fer_reassembly *r);

// Takes the fragments of protocol 50 and 51 whose destination is an end point of an inbound SA out
// of a parsed batch.  One that waits leaves with verdict FER_FRAGMENT_HELD and its m[i] NULL; the
// one that completes a datagram gets the whole datagram, parsed again.  FER_FRAGMENT_BAD and
// FER_FRAGMENT_LIMIT end the fragment (and the datagram it belongs to).
//   now    the caller's clock
//   times  what fragments of datagrams that were given up since the last call count as is added
//          to timed_out
void fer_reassembly_run(struct fer_reassembly *r, const struct fer_sa_table *sas,
	struct fer_batch *b, uint64_t now, uint64_t *timed_out);
