// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What became of generated packets: are all there, once, in order, whole, and only those that
// should be?  One thread owns a tally.
//
// Each stream has its own order.  The newest FER_GEN_WINDOW numbers of a stream are remembered one
// by one; what comes later than that is `late`, and whether it came before is not known.

#include "tag.h"

#include <stdbool.h>
#include <stdint.h>

#define FER_GEN_WINDOW 65536u // packets of a stream, a power of two
#define FER_GEN_KINDS 32      // room for kinds of packets; 0 is the sound one

struct fer_gen_sums {
	uint64_t packets; // sound ones, each counted once
	uint64_t bytes;   // of their IP packets
	uint64_t lost;    // below the number that comes next, and not there
	uint64_t duplicated;
	uint64_t reordered; // behind one of its stream with a higher number
	uint64_t late;      // so far behind that it may be a duplicate; counts as lost
	uint64_t corrupt;
	uint64_t foreign;               // no generator made it
	uint64_t leaked[FER_GEN_KINDS]; // broken packets that came through, by kind
};

struct fer_gen_tally;

// NULL without memory.
struct fer_gen_tally *fer_gen_tally_create(uint64_t seed);

void fer_gen_tally_destroy(struct fer_gen_tally *t);

// Takes an IP packet.  False without memory for its stream.
__attribute__((warn_unused_result)) bool fer_gen_tally_add(
	struct fer_gen_tally *t, const uint8_t *ip, uint32_t len);

// Takes a frame that is no IP packet.
void fer_gen_tally_foreign(struct fer_gen_tally *t);

// Sound packets that have come so far.
uint64_t fer_gen_tally_packets(const struct fer_gen_tally *t);

// The sums.  Of stream i, expected[i] packets were sent.
//   n_streams  0: nobody knows; what comes behind the highest number of a stream is not missed
void fer_gen_tally_sums(const struct fer_gen_tally *t, const uint64_t expected[],
	uint32_t n_streams, struct fer_gen_sums *sums);

// The same where `packets` were sent in all, over streams that took turns.
void fer_gen_tally_sums_of(
	const struct fer_gen_tally *t, uint64_t packets, struct fer_gen_sums *sums);

// Is everything as it was sent?
bool fer_gen_sums_are_right(const struct fer_gen_sums *sums);
