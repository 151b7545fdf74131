// SPDX-License-Identifier: BSD-3-Clause
#include "nic/crypt_parts.h"

#include "nic/segment.h"
#include "proto/ah.h"
#include "proto/ip.h"

static enum fer_verdict seal_split_esp(
	struct fer_nic *nic, struct rte_mbuf *m, struct fer_sa *sa, struct fer_layer *layer)
{
	struct fer_job job = fer_crypt_job_of(sa, layer, layer->sec_off);

	job.start = nic->crypt->piece;
	if (!fer_segment_read(m, layer->sec_off, job.start, job.len))
		return FER_CRYPTO_ERROR;
	fer_crypt_number_one(nic->crypt, sa, layer, &job);
	fer_engine_seal(nic->engine, &job, 1);
	if (job.verdict == FER_OK && !fer_segment_write(m, layer->sec_off, job.start, job.len))
		return FER_CRYPTO_ERROR;
	return (enum fer_verdict)job.verdict;
}

// Of the copy only the AH header goes back.
static enum fer_verdict seal_split_ah(
	struct fer_nic *nic, struct rte_mbuf *m, struct fer_sa *sa, struct fer_layer *layer)
{
	struct fer_job job = fer_crypt_job_of(sa, layer, layer->ip_off);
	uint32_t front = layer->sec_off - layer->ip_off;

	job.start = nic->crypt->piece;
	if (!fer_segment_read(m, layer->ip_off, job.start, job.len))
		return FER_CRYPTO_ERROR;
	if (!fer_ah_hide(&nic->crypt->hidden_piece, &job, front, FER_OUT))
		return FER_BAD_SYNTAX;
	fer_crypt_number_one(nic->crypt, sa, layer, &job);
	fer_engine_seal(nic->engine, &job, 1);
	if (job.verdict == FER_OK && !fer_segment_write(m, layer->sec_off, job.start + front,
					     layer->pay_off - layer->sec_off))
		return FER_CRYPTO_ERROR;
	return (enum fer_verdict)job.verdict;
}

void fer_crypt_seal_split(struct fer_nic *nic, struct fer_batch *b, unsigned i, unsigned k)
{
	struct fer_layer *layer = &b->round[k][i];
	struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);

	b->pkt[i].verdict = (uint8_t)(sa->suite.ah ? seal_split_ah(nic, b->m[i], sa, layer)
						   : seal_split_esp(nic, b->m[i], sa, layer));
}

static enum fer_verdict open_split_esp(
	struct fer_nic *nic, struct fer_batch *b, unsigned i, struct fer_job *job)
{
	struct fer_layer *layer = fer_pkt_last_layer(b, i);

	if (!fer_segment_read(b->m[i], layer->sec_off, job->start, job->len))
		return FER_CRYPTO_ERROR;
	fer_engine_open_burst(nic->engine, job, 1);
	if (job->verdict == FER_BAD_ICV)
		fer_crypt_try_again(nic, fer_sa_at(nic->sas, layer->sa), layer, job);
	if (job->verdict == FER_OK &&
		!fer_segment_write(b->m[i], layer->sec_off, job->start, job->len))
		return FER_CRYPTO_ERROR;
	return (enum fer_verdict)job->verdict;
}

// Copies the packet as AH covers it: headers of transport mode between the IP header and AH are
// left out, as if they had been taken off.  Returns the bytes in front of AH; 0: there are not as
// many as there should be.
static uint32_t copy_ah(
	const struct fer_nic *nic, const struct fer_batch *b, unsigned i, struct fer_job *job)
{
	unsigned k = b->pkt[i].n_layers - 1u;
	const struct fer_layer *layer = &b->round[k][i];
	uint32_t front = fer_crypt_front_end(nic, b, i, k, FER_IN) - layer->ip_off;
	uint32_t rest = layer->end - layer->sec_off;

	job->len = front + rest;
	if (!fer_segment_read(b->m[i], layer->ip_off, job->start, front) ||
		!fer_segment_read(b->m[i], layer->sec_off, job->start + front, rest))
		return 0;
	if (layer->ip_off + front != layer->sec_off) {
		fer_ip_set_next(job->start, layer->next_off - layer->ip_off, FER_PROTO_AH);
		fer_ip_set_len(job->start, job->len);
	}
	return front;
}

// Nothing of the copy goes back.
static enum fer_verdict open_split_ah(
	struct fer_nic *nic, struct fer_batch *b, unsigned i, struct fer_job *job)
{
	struct fer_layer *layer = fer_pkt_last_layer(b, i);
	uint32_t front = copy_ah(nic, b, i, job);

	if (front == 0)
		return FER_CRYPTO_ERROR;
	if (!fer_ah_hide(&nic->crypt->hidden_piece, job, front, FER_IN))
		return FER_BAD_SYNTAX;
	fer_engine_open_burst(nic->engine, job, 1);
	if (job->verdict == FER_BAD_ICV)
		fer_crypt_try_again(nic, fer_sa_at(nic->sas, layer->sa), layer, job);
	return (enum fer_verdict)job->verdict;
}

void fer_crypt_open_split(struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	struct fer_layer *layer = fer_pkt_last_layer(b, i);
	struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);
	struct fer_job job = fer_crypt_job_of(sa, layer, layer->sec_off);

	job.start = nic->crypt->piece + FER_CRYPT_IN_FRONT;
	enum fer_verdict v =
		sa->suite.ah ? open_split_ah(nic, b, i, &job) : open_split_esp(nic, b, i, &job);
	fer_crypt_finish(nic, b, i, sa, layer, &job, v);
}

// In a copy, wherever the packet lies: it is rare.
void fer_crypt_close_again(struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	const struct fer_layer *layer = &b->round[0][i];
	const struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);
	struct fer_job job = fer_crypt_job_of(sa, layer, layer->sec_off);

	job.start = nic->crypt->piece;
	if (!fer_segment_read(b->m[i], layer->sec_off, job.start, job.len))
		return;
	fer_engine_close_again(nic->engine, &job);
	if (job.verdict != FER_OK ||
		!fer_segment_write(b->m[i], layer->sec_off, job.start, job.len))
		return;
	struct fer_oob *o = fer_oob_of(b->m[i]);
	o->ipsec = o->header = 0;
	b->pkt[i].n_layers = 0;
	fer_batch_parse_one(b, i);
	b->pkt[i].pending = 0;
}
