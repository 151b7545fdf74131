// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Outer fragments of ESP and AH packets, and of UDP where that may carry ESP, that are addressed to
// us, put together before they are opened (RFC 4303 section 3.4.1).  Bounded in datagrams, in
// fragments of one datagram, in buffers and in time; one table per worker.
//
// A datagram is good or it is not: a fragment that overlaps another one or repeats it ends the
// whole datagram (RFC 8200 section 4.5 for overlaps; the library makes no difference), and so does
// one too many.  What follows of that datagram starts a new one, which then times out.  Who can
// guess addresses and identification can prevent a datagram; what comes out is for the ICV to
// judge.
//
// The datagram has the headers of its first fragment.  A congestion mark on any fragment is kept;
// with one that does not know ECN the datagram is dropped (RFC 3168 section 5.3).

#include "nic/batch.h"

struct fer_sa_table;

struct fer_reassembly;

#define FER_REASSEMBLY_MAX_FRAGMENTS 8

// Buffers that may wait at once: one for each fragment.  Where long fragments take several each,
// that many fewer fragments wait, so that nobody outside can leave a pool empty.
#define FER_REASSEMBLY_BUFFERS(n_datagrams) (3 * (n_datagrams)*FER_REASSEMBLY_MAX_FRAGMENTS)

struct fer_reassembly_params {
	uint32_t n_datagrams;   // kept waiting at once, at least 1; AH and UDP over IPv4 each by
				// itself
	uint64_t timeout_ticks; // of the clock whose time is passed in
};

// NULL without memory.
__attribute__((warn_unused_result)) struct fer_reassembly *fer_reassembly_create(
	const struct fer_reassembly_params *params);

// Frees what still waits.
void fer_reassembly_destroy(struct fer_reassembly *r);

// Does any fragment wait?  While none does, a batch without fragments needs no run.
bool fer_reassembly_has_waiting(const struct fer_reassembly *r);

// Takes the fragments of protocol 50 and 51, and of 17 while an inbound SA has ESP in UDP, whose
// destination is an end point of an inbound SA out of a parsed batch; over IPv6 also those that
// begin with destination options, behind which ESP may stand.  All others are left as they are.
// Their bytes are changed: they must not be shared (fer_batch_own()).
//
// Verdicts:
//   FER_OK              it completes the datagram, which takes its place, parsed again
//   FER_FRAGMENT_HELD   it waits
//   FER_FRAGMENT_BAD    it ends, with its datagram: an overlap, a fragment twice, more than 65,535
//                       bytes in all, contradicting ECN fields; or alone: nothing in it, or headers
//                       longer than the library can take
//   FER_FRAGMENT_LIMIT  it ends, with its datagram: more than 8 fragments; or alone: no room for
//                       another datagram, or as many buffers wait as may; then the oldest that
//                       wait give way to what comes behind it
//   FER_NO_ROOM         it ends alone: its headers lie in pieces, and no buffer to join them
// b->m[i] becomes NULL where the fragment is held or was freed with its datagram.
//
//   now        the caller's clock; where it goes back it stands still
//   timed_out  what waited too long, or gave way, is freed, and the number of these fragments added
void fer_reassembly_run(struct fer_reassembly *r, const struct fer_sa_table *sas,
	struct fer_batch *b, uint64_t now, uint64_t *timed_out);
