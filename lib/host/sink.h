// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where packets end: the only file that frees packets and counts outcomes.

#include "nic/batch.h"

#include <stdint.h>

// Outcomes of one worker at one port: one writer; others may read at any time.
struct fer_outcomes {
	uint64_t packets[FER_N_VERDICTS];
};

// Counts every packet of the batch under its verdict, frees those that did not end in FER_OK, and
// moves the others, in order, to out, which has room for FER_BATCH_MAX.  Returns how many; they are
// the caller's.
unsigned fer_sink(struct fer_batch *b, struct fer_outcomes *outcomes, struct rte_mbuf *out[]);

// Frees n of those packets that could not be sent after all, and counts them under v instead of
// FER_OK.
void fer_sink_unsent(
	struct fer_outcomes *outcomes, enum fer_verdict v, struct rte_mbuf *m[], unsigned n);
