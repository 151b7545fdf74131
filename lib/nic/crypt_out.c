// SPDX-License-Identifier: BSD-3-Clause
#include "nic/crypt_parts.h"

#include "base/bytes.h"
#include "nic/udp.h"
#include "proto/ah.h"

// A number of the SA that was given when its packets had theirs, or later.
static uint64_t last_number(
	const struct fer_batch *b, const struct fer_sa *sa, const struct fer_layer *layer)
{
	return b->numbered.handle == fer_layer_handle(layer) ? b->numbered.last
							     : fer_seq_last(&sa->out.seq);
}

// What a packet to be sent adds to its job: the high half of its number, none of which is behind
// last, and an IV of its own.  The whole number goes into the receipt, in which its high half is 0,
// or 1 for a segment behind a wrap (nic/lso.h).
static void number_job(const struct fer_sa *sa, struct fer_layer *layer, struct fer_job *job,
	uint64_t last, uint64_t iv)
{
	uint32_t off = 4;

	if (unlikely(sa->suite.ah))
		off += FER_AH_SPI_OFF + layer->sec_off - layer->ip_off;
	uint32_t lo = fer_load_be32(job->start + off), wraps = (uint32_t)(layer->seq >> 32);
	job->seq_hi = sa->suite.esn ? fer_seq_high_before(last, lo) + wraps : 0;
	job->iv = iv;
	layer->seq = (uint64_t)job->seq_hi << 32 | lo;
}

static void number_extended(struct fer_crypt *c, struct fer_batch *b, unsigned k,
	const struct fer_sa *sa, unsigned first, unsigned n, uint64_t iv)
{
	const uint64_t last = last_number(b, sa, &b->round[k][c->at[first]]);

	for (unsigned j = 0; j < n; j++)
		number_job(sa, &b->round[k][c->at[first + j]], &c->job[first + j], last, iv + j);
}

// Numbers n jobs from first on, which are of one SA.
__attribute__((noinline)) static void number_any(struct fer_crypt *c, struct fer_batch *b,
	unsigned k, struct fer_sa *sa, unsigned first, unsigned n)
{
	uint64_t iv = sa->suite.counter && n != 0 ? fer_ivs_take(&c->ivs, sa, n) : 0;
	struct fer_job *job = &c->job[first];

	if (sa->suite.esn && n != 0)
		number_extended(c, b, k, sa, first, n, iv);
	else if (sa->suite.counter)
		for (unsigned j = 0; j < n; j++)
			job[j].iv = iv + j;
}

void fer_crypt_number_one(
	struct fer_crypt *c, struct fer_sa *sa, struct fer_layer *layer, struct fer_job *job)
{
	uint64_t iv = 0;

	if (sa->suite.counter)
		iv = fer_ivs_take(&c->ivs, sa, 1);
	number_job(sa, layer, job, fer_seq_last(&sa->out.seq), iv);
}

static inline bool is_to_seal(const struct fer_batch *b, unsigned i, unsigned k)
{
	return fer_pkt_alive(&b->pkt[i]) && b->pkt[i].n_layers > k;
}

// Adds ESP packets of one SA, from first to last, to the burst.  Returns the first packet that is
// none.
static unsigned add_sealed_esp(struct fer_crypt *c, struct fer_batch *b, unsigned first,
	unsigned last, unsigned k, const struct fer_sa *sa)
{
	uint32_t index = b->round[k][first].sa;
	unsigned i = first;

	for (; i < last; i++) {
		struct fer_layer *layer = &b->round[k][i];

		if (!is_to_seal(b, i, k) || layer->sa != index || layer->end > b->m[i]->data_len)
			break;
		fer_crypt_add_esp(c, b, i, sa, layer);
		if (likely(!sa->suite.esn))
			layer->seq = fer_load_be32(c->job[c->n - 1].start + 4);
	}
	return i;
}

// The same for AH.
static unsigned add_sealed_ah(struct fer_nic *nic, struct fer_batch *b, unsigned first,
	unsigned last, unsigned k, const struct fer_sa *sa)
{
	uint32_t index = b->round[k][first].sa;
	unsigned i = first;

	for (; i < last && is_to_seal(b, i, k) && b->round[k][i].sa == index; i++) {
		struct fer_layer *layer = &b->round[k][i];
		unsigned n_before = nic->crypt->n;

		b->pkt[i].verdict = (uint8_t)fer_crypt_add_ah(nic, b, i, k, sa, FER_OUT);
		if (likely(nic->crypt->n != n_before && !sa->suite.esn))
			layer->seq = fer_load_be32(rte_pktmbuf_mtod_offset(
				b->m[i], const uint8_t *, layer->sec_off + FER_AH_SPI_OFF + 4));
	}
	return i;
}

// Adds what there is to seal of one SA, from packet first to last.  Returns the first packet behind
// it.
static unsigned add_sealed(
	struct fer_nic *nic, struct fer_batch *b, unsigned first, unsigned last, unsigned k)
{
	struct fer_sa *sa = fer_sa_at(nic->sas, b->round[k][first].sa);
	struct fer_crypt *c = nic->crypt;
	unsigned n_before = c->n;
	unsigned next = sa->suite.ah ? add_sealed_ah(nic, b, first, last, k, sa)
				     : add_sealed_esp(c, b, first, last, k, sa);

	number_any(c, b, k, sa, n_before, c->n - n_before);
	if (likely(next > first))
		return next;
	c->split[c->n_split++] = (uint16_t)first;
	return first + 1;
}

// Adds the packets of which there are no jobs yet.
__attribute__((noinline)) static void add_others(
	struct fer_nic *nic, struct fer_batch *b, unsigned k)
{
	struct fer_crypt *c = nic->crypt;
	unsigned n_bound = c->n, j = 0;

	for (unsigned i = 0; i < b->n;) {
		unsigned last = j < n_bound ? c->at[j] : b->n;

		if (i == last) {
			i++;
			j++;
		} else {
			i = is_to_seal(b, i, k) ? add_sealed(nic, b, i, last, k) : i + 1;
		}
	}
}

// Hides what does not count of the jobs from first to last, which bind made and are of one SA.
__attribute__((noinline)) static void hide_bound(struct fer_crypt *c, const struct fer_batch *b,
	const struct fer_sa *sa, unsigned first, unsigned last)
{
	const struct fer_layer *layer = &b->round[0][c->at[first]];

	c->has_ah = true;
	fer_crypt_hide_plain(c, sa, layer->sec_off - layer->ip_off, first, last, FER_OUT);
}

// Numbers the jobs that bind made from first to last, which are of one SA with ESN, or of AH.
__attribute__((noinline)) static void number_bound(
	struct fer_crypt *c, struct fer_batch *b, struct fer_sa *sa, unsigned first, unsigned last)
{
	number_any(c, b, 0, sa, first, last - first);
	if (sa->suite.ah)
		hide_bound(c, b, sa, first, last);
}

// Numbers the jobs that bind made, run by run.
__attribute__((noinline)) static void number_runs(struct fer_crypt *c, struct fer_batch *b)
{
	const struct fer_crypt_run *run = c->run, *const end = run + c->n_runs;
	struct fer_job *job = c->job;

	for (c->run[c->n_runs].first = c->n; run != end; run++) {
		struct fer_sa *sa = run->sa;
		unsigned n = run[1].first - run->first;

		if (unlikely(sa->suite.ah || sa->suite.esn)) {
			number_bound(c, b, sa, run->first, run[1].first);
			job += n;
		} else if (likely(sa->suite.counter)) {
			uint64_t iv = fer_ivs_take(&c->ivs, sa, n);
			for (; n != 0; n--)
				(job++)->iv = iv++;
		} else {
			job += n;
		}
	}
}

// The checksum of a UDP header around ESP covers what was just encrypted.
__attribute__((noinline)) static void write_udp_sums(
	struct fer_nic *nic, struct fer_batch *b, unsigned k)
{
	for (unsigned i = 0; i < b->n; i++) {
		const struct fer_layer *layer = &b->round[k][i];
		const struct fer_pkt *p = &b->pkt[i];

		if (!fer_pkt_alive(p) || p->n_layers <= k)
			continue;
		unsigned udp_at = k + 1u == p->n_layers ? FER_UDP_OUTSIDE : FER_UDP_INSIDE;
		if (fer_udp_has_sum(fer_sa_at(nic->sas, layer->sa), udp_at))
			fer_udp_write_sum(b->m[i], layer->ip_off,
				layer->sec_off - (uint32_t)FER_UDP_HEADER_BYTES, layer->end);
	}
}

// Ends packets whose jobs are late, or did not go well.
__attribute__((noinline)) static void judge_sealed(
	struct fer_nic *nic, struct fer_batch *b, unsigned n_late)
{
	struct fer_crypt *c = nic->crypt;

	for (unsigned j = 0; j < c->n; j++)
		if (n_late != 0 && fer_crypt_give_up(nic, b, j))
			continue;
		else if (c->job[j].verdict != FER_OK)
			b->pkt[c->at[j]].verdict = c->job[j].verdict;
	if (n_late != 0)
		fer_crypt_change_lists(c);
}

static inline void seal_jobs(struct fer_nic *nic, struct fer_batch *b)
{
	if (fer_crypt_is_shared(nic))
		judge_sealed(nic, b, fer_crypt_share(nic, FER_OUT));
	else if (unlikely(!fer_engine_seal(nic->engine, nic->crypt->job, nic->crypt->n)))
		judge_sealed(nic, b, 0);
}

// Puts back what was hidden of packets to be sent, but for the ICV.
static void show_sealed(const struct fer_crypt *c)
{
	const struct fer_ah_hidden *h = c->hidden;
	const struct fer_job *job = c->job;

	for (const struct fer_job *end = job + c->n; job != end; job++, h++)
		if (job->suite->ah)
			fer_ah_show(h, job, FER_OUT);
}

// Seals layer k (0: innermost) of every packet that has one.
static void seal_round(struct fer_nic *nic, struct fer_batch *b, unsigned k)
{
	struct fer_crypt *c = nic->crypt;

	if (k == 0)
		number_runs(c, b);
	else
		fer_crypt_start(c);
	if (k != 0 || c->has_others)
		add_others(nic, b, k);
	seal_jobs(nic, b);
	if (c->has_ah)
		show_sealed(c);
	for (unsigned j = 0; j < c->n_split; j++)
		fer_crypt_seal_split(nic, b, c->split[j], k);
	if (b->has_udp_sums)
		write_udp_sums(nic, b, k);
}

__attribute__((noinline)) static void seal_rounds(
	struct fer_nic *nic, struct fer_batch *b, unsigned n_rounds)
{
	for (unsigned k = 0; k < n_rounds; k++) // inside out
		seal_round(nic, b, k);
}

// Numbers the jobs that bind made, if nothing else is to be sealed, and they are what they mostly
// are: one run of ESP in a counter mode without ESN, whose IVs are at hand.
static inline bool number_usual(struct fer_crypt *c)
{
	const struct fer_sa *sa = c->run[0].sa;
	const unsigned n = c->n;

	if (unlikely(c->n_runs != 1 || c->has_others || sa->suite.ah || !sa->suite.counter ||
		     sa->suite.esn))
		return false;
	struct fer_ivs_part *ivs = fer_ivs_part_of(&c->ivs, sa);
	if (unlikely(!fer_ivs_has(ivs, sa, n)))
		return false;
	uint64_t iv = fer_ivs_take_held(ivs, n);
	for (struct fer_job *job = c->job, *end = job + n; job != end; job++)
		job->iv = iv++;
	return true;
}

void fer_crypt_seal(struct fer_nic *nic, struct fer_batch *b, unsigned n_rounds)
{
	if (likely(number_usual(nic->crypt)))
		seal_jobs(nic, b);
	else
		seal_rounds(nic, b, n_rounds);
	fer_batch_mark(b, FER_STAGE_CRYPT);
}
