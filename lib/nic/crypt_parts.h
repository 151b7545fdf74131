// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Between the files of the crypt stage, and for nobody else: crypt.c makes jobs, crypt_out.c seals,
// crypt_in.c opens, crypt_finish.c shows what an opened packet carries, crypt_split.c works on a
// copy of a packet whose protected bytes do not lie in one piece.

#include "nic/crypt.h"
#include "nic/share.h"
#include "sa/table.h"

// Sets up what both directions need; the place of the bytes comes later.
static inline struct fer_job fer_crypt_job_of(
	const struct fer_sa *sa, const struct fer_layer *layer, uint32_t start_off)
{
	return (struct fer_job){
		.suite = &sa->suite,
		.key = fer_sa_key(sa),
		.len = layer->end - start_off,
		.seq_hi = (uint32_t)(layer->seq >> 32),
	};
}

// Adds packet i to the burst, or to those that need a copy.
static inline void fer_crypt_add_esp(struct fer_crypt *c, const struct fer_batch *b, unsigned i,
	const struct fer_sa *sa, const struct fer_layer *layer)
{
	const struct rte_mbuf *m = b->m[i];
	struct fer_job *job = &c->job[c->n];

	if (unlikely(layer->end > m->data_len)) {
		c->split[c->n_split++] = (uint16_t)i;
		return;
	}
	job->start = rte_pktmbuf_mtod_offset(m, uint8_t *, layer->sec_off);
	job->suite = &sa->suite;
	job->key = fer_sa_key(sa);
	job->len = layer->end - layer->sec_off;
	job->seq_hi = (uint32_t)(layer->seq >> 32);
	c->at[c->n++] = (uint16_t)i;
}

// The same for AH of layer k.  FER_BAD_SYNTAX: there is nothing that an ICV could cover.
enum fer_verdict fer_crypt_add_ah(const struct fer_nic *nic, struct fer_batch *b, unsigned i,
	unsigned k, const struct fer_sa *sa, enum fer_direction direction);

// Where what stands in front of AH ends: at AH, unless on receive other headers of transport mode
// are in between, which are not there any more when AH is looked at by itself.
uint32_t fer_crypt_front_end(const struct fer_nic *nic, const struct fer_batch *b, unsigned i,
	unsigned k, enum fer_direction direction);

// Hides what does not count of the jobs of AH from first to last, whose fronts are plain.
static inline void fer_crypt_hide_plain(struct fer_crypt *c, const struct fer_sa *sa,
	uint32_t front_bytes, unsigned first, unsigned last, enum fer_direction direction)
{
	const struct fer_ah_run run = fer_ah_run_of(&sa->suite, front_bytes);
	struct fer_ah_hidden *h = &c->hidden[first];
	struct fer_job *job = &c->job[first];

	for (const struct fer_job *end = job + (last - first); job != end; job++, h++)
		fer_ah_hide_plain(&run, h, job, direction);
}

// Puts back what was hidden of received packets, those of the jobs of AH from first to last.
static inline void fer_crypt_show_ah(const struct fer_crypt *c, unsigned first, unsigned last)
{
	const struct fer_ah_hidden *h = &c->hidden[first];
	const struct fer_job *job = &c->job[first];

	for (const struct fer_job *end = job + (last - first); job != end; job++, h++)
		fer_ah_show(h, job, FER_IN);
}

// Do other workers help with the jobs?
static inline bool fer_crypt_is_shared(const struct fer_nic *nic)
{
	return unlikely(nic->share != NULL) && !nic->crypt->has_ah;
}

static inline unsigned fer_crypt_share(struct fer_nic *nic, enum fer_direction direction)
{
	struct fer_crypt *c = nic->crypt;

	return fer_share_run(nic->share, nic->share_id, nic->engine, direction, c->job, c->n);
}

// Is job j late?  Then its packet ends here, and its buffer is no more ours.
bool fer_crypt_give_up(struct fer_nic *nic, struct fer_batch *b, unsigned j);

// What a late worker has in hand is its list for now.
static inline void fer_crypt_change_lists(struct fer_crypt *c)
{
	c->job = c->job == c->lists[0] ? c->lists[1] : c->lists[0];
}

// Gives a packet to be sent, which is worked on alone, what makes it unique: IV and number.
void fer_crypt_number_one(
	struct fer_crypt *c, struct fer_sa *sa, struct fer_layer *layer, struct fer_job *job);

// Seals layer k of packet i, or opens its last one, in a copy, which comes back when it went well.
void fer_crypt_seal_split(struct fer_nic *nic, struct fer_batch *b, unsigned i, unsigned k);
void fer_crypt_open_split(struct fer_nic *nic, struct fer_batch *b, unsigned i);

// Tries a packet that did not verify with the number that its SA proposes, if any.  The bytes are
// as the engine saw them first.
void fer_crypt_try_again(
	struct fer_nic *nic, struct fer_sa *sa, struct fer_layer *layer, struct fer_job *job);

// Says how a layer that was opened fared, and shows what it carries.
void fer_crypt_finish(const struct fer_nic *nic, struct fer_batch *b, unsigned i,
	const struct fer_sa *sa, struct fer_layer *layer, const struct fer_job *job,
	enum fer_verdict v);

// Finishes job j, whatever became of it.
void fer_crypt_finish_one(struct fer_nic *nic, struct fer_batch *b, unsigned j);

// Finishes the jobs, which all verified, as far as they are like what was opened last.  Returns the
// first that is not finished.
unsigned fer_crypt_finish_alike(struct fer_nic *nic, struct fer_batch *b);

// Finishes the jobs from j on, of which not all went well, or not all are plain.
void fer_crypt_finish_others(struct fer_nic *nic, struct fer_batch *b, unsigned j);
