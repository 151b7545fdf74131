// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The jobs of a round, which bind makes and the crypt stage does, and what else the crypt stage
// works with.

#include "crypto/engine.h"
#include "nic/ah.h"
#include "nic/stages.h"
#include "sa/ivs.h"

#define FER_CRYPT_IN_FRONT 16 // of a copy: read as if there were so much padding

// Jobs of one SA that bind made, up to those of the next run.
struct fer_crypt_run {
	struct fer_sa *sa;
	unsigned first;
};

// The plain packet that was opened last, if it was IPv4: others are compared with it, in later
// bursts too.
struct fer_crypt_model {
	struct fer_frame_ipv4_start start;
	struct fer_frame frame; // of another version: there is none
	struct fer_frame_words words;
};

// Work space of one worker.  Packets whose protected bytes lie in one piece go to the engine as
// they are, all in one call.  The others are copied out, one at a time, and copied back when it
// went well: a failed packet stays as it came.  ESP protects from its header on, AH from the IP
// header on.
struct fer_crypt {
	unsigned n;
	bool has_ah;                // among the jobs
	bool has_others;            // send: layers that bind made no jobs of
	struct fer_job *job;        // the list in use
	uint16_t at[FER_BATCH_MAX]; // place in the batch
	unsigned n_runs;            // send
	// The last one only says where the one in front of it ends.
	struct fer_crypt_run run[FER_BATCH_MAX + 1];
	unsigned n_pending; // receive: packets that show another layer
	unsigned n_split;
	uint16_t split[FER_BATCH_MAX];
	struct fer_crypt_model model; // receive
	uint8_t piece[FER_CRYPT_IN_FRONT + FER_IPV6_MAX_BYTES + FER_CRYPT_ESN_BYTES];
	struct fer_ah_hidden hidden[FER_BATCH_MAX]; // of jobs of AH
	struct fer_ah_hidden hidden_piece;
	uint8_t front[FER_BATCH_MAX][FER_HEADERS_MAX]; // of those that have more than an IP header
	uint8_t front_piece[FER_HEADERS_MAX];
	struct fer_job lists[2][FER_BATCH_MAX]; // one may be in use by a worker that is late
	struct fer_ivs ivs;                     // send
};

// Begins the jobs of a round of receive, or of the first one of send.
static inline void fer_crypt_start(struct fer_crypt *c)
{
	c->n = c->n_split = c->n_runs = 0;
	c->has_ah = c->has_others = false;
}

// Jobs of layers in one piece may be made by hand: where the next ones go, and the places of their
// packets in the batch; then, how many these are.  Those of AH stand behind a plain IP header of
// front_bytes, in a packet that has room behind.
struct fer_crypt_room {
	struct fer_job *job;
	uint16_t *at;
};

static inline struct fer_crypt_room fer_crypt_room(struct fer_crypt *c)
{
	return (struct fer_crypt_room){&c->job[c->n], &c->at[c->n]};
}

static inline void fer_crypt_fill(struct fer_crypt *c, unsigned n)
{
	c->n += n;
}

void fer_crypt_fill_ah(
	struct fer_crypt *c, unsigned n, const struct fer_sa *sa, uint32_t front_bytes);

// Send: such jobs, in the order of the batch and of packets that have one layer, lack what makes
// them unique: IV and high half of the number.  The crypt stage takes these for those of one SA at
// once, which are the jobs from first on; and it makes jobs itself of what was left without.
static inline void fer_crypt_begin_run(struct fer_crypt *c, struct fer_sa *sa, unsigned first)
{
	c->run[c->n_runs++] = (struct fer_crypt_run){sa, first};
}

static inline void fer_crypt_leave(struct fer_crypt *c)
{
	c->has_others = true;
}
