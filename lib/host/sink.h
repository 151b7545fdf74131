// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where packets end: the only file that frees packets and counts outcomes.

#include "host/classes.h"
#include "nic/batch.h"

#include <stdbool.h>
#include <stdint.h>

// Outcomes of one worker at one port: one writer; others may read at any time.
struct fer_outcomes {
	uint64_t packets[FER_N_VERDICTS];
	uint64_t classes[FER_N_CLASSES]; // of FER_OK: let by for their class; FER_CLASS_NONE is 0
	uint64_t fragments;              // frames that were sent besides: one packet is several
	uint64_t made;                   // packets of our own, sent back
};

// Counts every packet of the batch under its verdict, frees those that did not end in FER_OK, and
// moves the others, in order and each with its fragments, to out, which has room for b->n and
// b->n_more.  Returns how many; they are the caller's.
unsigned fer_sink(struct fer_batch *b, struct fer_outcomes *outcomes, struct rte_mbuf *out[]);

// Moves the packets that the path made, in order, to out, which has room for b->n_side: they go
// back to the port that the batch came from.  Returns how many; they are the caller's.
unsigned fer_sink_side(struct fer_batch *b, struct fer_outcomes *outcomes, struct rte_mbuf *out[]);

// Which of the frames that fer_sink() is going to move are not the first ones of their packets?
// False: each is a packet by itself, and is_rest is not set.
bool fer_sink_rests(const struct fer_batch *b, bool is_rest[]);

// Frees n frames that could not be sent after all, the last of those fer_sink() moved, and counts
// their packets under v instead of FER_OK: also one of which only the rest is among them.
//   is_rest  of these frames; NULL: each is a packet by itself
void fer_sink_unsent(struct fer_outcomes *outcomes, enum fer_verdict v, struct rte_mbuf *m[],
	unsigned n, const bool is_rest[]);

// Likewise for packets that the path made.
void fer_sink_side_unsent(struct fer_outcomes *outcomes, struct rte_mbuf *m[], unsigned n);
