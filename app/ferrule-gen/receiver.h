// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where packets go when they come back: into the tally, opened before where they come sealed.

#include "mirror.h"
#include "tally.h"

#define FER_GEN_MAX_FRAME 16384 // longer ones count as foreign

struct fer_gen_receiver {
	struct fer_gen_tally *tally;
	struct fer_gen_mirror *opener; // NULL: packets come plain
	uint64_t packets;              // all that came
	struct fer_batch batch;
	struct rte_mbuf *opened[FER_BATCH_MAX];
	uint8_t flat[FER_GEN_MAX_FRAME];
};

// Takes n packets, up to FER_BATCH_MAX, which are freed.  False without memory.
__attribute__((warn_unused_result)) bool fer_gen_receive(
	struct fer_gen_receiver *r, struct rte_mbuf *m[], unsigned n, enum fer_link link);
