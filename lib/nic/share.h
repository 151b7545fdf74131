// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Crypto of one worker's burst on several cores: for a port that cannot spread a flow over queues,
// so that all packets of an SA come to one worker.
//
// A worker with much to do offers its jobs in pieces; it takes pieces itself, and workers that have
// nothing to do take others, each with its own engine.  It goes on when all are done, so its
// packets keep their order, and nobody but it sees them.  Nobody waits for somebody who might not
// come: what no one took it does itself.  Where one that took a piece loses its CPU, the patience
// of the offerer ends, and it gives those packets up: they are late.  Until that worker comes back,
// the offerer keeps their buffers, offers nothing, and must not report a quiescent state, since
// their SAs are still in use.
//
// Who writes what:
//   offers   their worker; pieces are claimed in one word by whoever does them
//   finished whoever did the piece
//   idle     its worker

#include "crypto/engine.h"
#include "proto/ipsec.h"

#include <stdbool.h>

struct fer_share;
struct rte_mbuf;

// A board for that many workers; they are called 0, 1, 2 ...  They wait patience_ns for a piece,
// and as long as 16 of their own take.  NULL without memory.
__attribute__((warn_unused_result)) struct fer_share *fer_share_create(
	unsigned n_workers, uint32_t patience_ns);

// All of them have ended.
void fer_share_destroy(struct fer_share *s);

// Does n jobs, all of ESP, in that direction.  Returns how many of them are late, mostly none:
// those stay in use, and so do the others of the list.
unsigned fer_share_run(struct fer_share *s, unsigned me, struct fer_engine *e,
	enum fer_direction direction, struct fer_job jobs[], unsigned n);

// Is job j of the last run late?
bool fer_share_is_late(const struct fer_share *s, unsigned me, unsigned j);

// The buffer of a late packet is the board's from now on.
void fer_share_keep(struct fer_share *s, unsigned me, struct rte_mbuf *m);

// Is there a late job of this worker that is still in use?  Frees the buffers when there is none.
bool fer_share_has_late(struct fer_share *s, unsigned me);

// Says whether a worker has nothing to do.
void fer_share_set_idle(struct fer_share *s, unsigned me, bool is_idle);

// Does a piece of what others offer, if there is one.  Returns how many jobs that was.
unsigned fer_share_help(struct fer_share *s, unsigned me, struct fer_engine *e);
