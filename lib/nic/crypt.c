// SPDX-License-Identifier: BSD-3-Clause
#include "nic/crypt.h"

#include "base/bytes.h"
#include "base/secret.h"
#include "nic/segment.h"
#include "nic/share.h"
#include "nic/udp.h"
#include "proto/ah.h"
#include "proto/ip.h"
#include "sa/table.h"

#include <stdlib.h>

#define SHORT_PADDING FER_CRYPT_IN_FRONT // bytes at most: what aligns a text to blocks of AES

static_assert(FER_BATCH_MAX <= FER_ENGINE_BURST, "a batch is one call of the engine");

struct fer_crypt *fer_crypt_create(void)
{
	struct fer_crypt *c = malloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	c->ivs = (struct fer_ivs){0};
	c->job = c->lists[0];
	c->model = (struct fer_crypt_model){0};
	for (unsigned j = 0; j < FER_BATCH_MAX; j++)
		c->hidden[j].front = c->front[j];
	c->hidden_piece.front = c->front_piece;
	return c;
}

void fer_crypt_destroy(struct fer_crypt *c)
{
	if (c != NULL)
		fer_secret_wipe(c, sizeof(*c));
	free(c);
}

// Sets up what both directions need; the place of the bytes comes later.
static struct fer_job job_of(
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
static inline void add_esp(struct fer_crypt *c, const struct fer_batch *b, unsigned i,
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

// Where what stands in front of AH ends: at AH, unless on receive other headers of transport mode
// are in between, which are not there any more when AH is looked at by itself.
__attribute__((noinline)) static uint32_t front_end_behind(const struct fer_nic *nic,
	const struct fer_batch *b, unsigned i, unsigned k, enum fer_direction direction)
{
	const uint16_t ip_off = b->round[k][i].ip_off;
	unsigned first = k;

	while (direction == FER_IN && first > 0 && b->round[first - 1][i].ip_off == ip_off)
		first--;
	const struct fer_layer *layer = &b->round[first][i];
	const struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);
	bool in_udp = (sa->udp_at & (first == 0 ? FER_UDP_OUTSIDE : FER_UDP_INSIDE)) != 0;
	return layer->sec_off - (first != k && in_udp ? (uint32_t)FER_UDP_HEADER_BYTES : 0);
}

static inline uint32_t front_end(const struct fer_nic *nic, const struct fer_batch *b, unsigned i,
	unsigned k, enum fer_direction direction)
{
	return likely(k == 0) ? b->round[k][i].sec_off : front_end_behind(nic, b, i, k, direction);
}

static inline bool is_ah_in_place(const struct fer_nic *nic, const struct fer_batch *b, unsigned i,
	const struct fer_sa *sa, unsigned k, enum fer_direction direction)
{
	const struct fer_layer *layer = &b->round[k][i];
	const struct rte_mbuf *m = b->m[i];

	return fer_segment_is_whole(m, layer->ip_off, layer->end - layer->ip_off) &&
	       front_end(nic, b, i, k, direction) == layer->sec_off &&
	       (!sa->suite.esn || fer_crypt_has_room_behind(m, layer->end));
}

// The same for AH.  FER_BAD_SYNTAX: there is nothing that an ICV could cover.
static enum fer_verdict add_ah(const struct fer_nic *nic, struct fer_batch *b, unsigned i,
	unsigned k, const struct fer_sa *sa, enum fer_direction direction)
{
	const struct fer_layer *layer = &b->round[k][i];
	struct fer_crypt *c = nic->crypt;
	struct fer_job *job = &c->job[c->n];

	if (!is_ah_in_place(nic, b, i, sa, k, direction)) {
		c->split[c->n_split++] = (uint16_t)i;
		return FER_OK;
	}
	c->has_ah = true;
	*job = job_of(sa, layer, layer->ip_off);
	job->start = rte_pktmbuf_mtod_offset(b->m[i], uint8_t *, layer->ip_off);
	if (!fer_ah_hide(&c->hidden[c->n], job, layer->sec_off - layer->ip_off, direction))
		return FER_BAD_SYNTAX;
	c->at[c->n++] = (uint16_t)i;
	return FER_OK;
}

// Hides what does not count of the jobs of AH from first to last, whose fronts are plain.
static inline void hide_plain(struct fer_crypt *c, const struct fer_sa *sa, uint32_t front_bytes,
	unsigned first, unsigned last, enum fer_direction direction)
{
	const struct fer_ah_run run = fer_ah_run_of(&sa->suite, front_bytes);
	struct fer_ah_hidden *h = &c->hidden[first];
	struct fer_job *job = &c->job[first];

	for (const struct fer_job *end = job + (last - first); job != end; job++, h++)
		fer_ah_hide_plain(&run, h, job, direction);
}

// Puts back what was hidden of received packets, those of the jobs of AH from first to last.
static inline void show_ah(const struct fer_crypt *c, unsigned first, unsigned last)
{
	const struct fer_ah_hidden *h = &c->hidden[first];
	const struct fer_job *job = &c->job[first];

	for (const struct fer_job *end = job + (last - first); job != end; job++, h++)
		fer_ah_show(h, job, FER_IN);
}

// The same where others are among them.
__attribute__((noinline)) static void show_any(
	const struct fer_crypt *c, unsigned first, unsigned last)
{
	for (unsigned j = first; j < last; j++)
		if (c->job[j].suite->ah)
			show_ah(c, j, j + 1);
}

// Do other workers help with the jobs?
static inline bool is_shared(const struct fer_nic *nic)
{
	return unlikely(nic->share != NULL) && !nic->crypt->has_ah;
}

static unsigned share_jobs(struct fer_nic *nic, enum fer_direction direction)
{
	struct fer_crypt *c = nic->crypt;

	return fer_share_run(nic->share, nic->share_id, nic->engine, direction, c->job, c->n);
}

// Is job j late?  Then its packet ends here, and its buffer is no more ours.
static bool give_up(struct fer_nic *nic, struct fer_batch *b, unsigned j)
{
	unsigned i = nic->crypt->at[j];

	if (!fer_share_is_late(nic->share, nic->share_id, j))
		return false;
	fer_share_keep(nic->share, nic->share_id, b->m[i]);
	b->m[i] = NULL;
	b->pkt[i].pending = 0;
	b->pkt[i].verdict = FER_LATE;
	return true;
}

// What a late worker has in hand is its list for now.
static void change_lists(struct fer_crypt *c)
{
	c->job = c->job == c->lists[0] ? c->lists[1] : c->lists[0];
}

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

static void number_split(
	struct fer_crypt *c, struct fer_sa *sa, struct fer_layer *layer, struct fer_job *job)
{
	uint64_t iv = 0;

	if (sa->suite.counter)
		iv = fer_ivs_take(&c->ivs, sa, 1);
	number_job(sa, layer, job, fer_seq_last(&sa->out.seq), iv);
}

static enum fer_verdict seal_split_esp(
	struct fer_nic *nic, struct rte_mbuf *m, struct fer_sa *sa, struct fer_layer *layer)
{
	struct fer_job job = job_of(sa, layer, layer->sec_off);

	job.start = nic->crypt->piece;
	if (!fer_segment_read(m, layer->sec_off, job.start, job.len))
		return FER_CRYPTO_ERROR;
	number_split(nic->crypt, sa, layer, &job);
	fer_engine_seal(nic->engine, &job, 1);
	if (job.verdict == FER_OK && !fer_segment_write(m, layer->sec_off, job.start, job.len))
		return FER_CRYPTO_ERROR;
	return (enum fer_verdict)job.verdict;
}

// Of the copy only the AH header goes back.
static enum fer_verdict seal_split_ah(
	struct fer_nic *nic, struct rte_mbuf *m, struct fer_sa *sa, struct fer_layer *layer)
{
	struct fer_job job = job_of(sa, layer, layer->ip_off);
	uint32_t front = layer->sec_off - layer->ip_off;

	job.start = nic->crypt->piece;
	if (!fer_segment_read(m, layer->ip_off, job.start, job.len))
		return FER_CRYPTO_ERROR;
	if (!fer_ah_hide(&nic->crypt->hidden_piece, &job, front, FER_OUT))
		return FER_BAD_SYNTAX;
	number_split(nic->crypt, sa, layer, &job);
	fer_engine_seal(nic->engine, &job, 1);
	if (job.verdict == FER_OK && !fer_segment_write(m, layer->sec_off, job.start + front,
					     layer->pay_off - layer->sec_off))
		return FER_CRYPTO_ERROR;
	return (enum fer_verdict)job.verdict;
}

__attribute__((noinline)) static void seal_split(
	struct fer_nic *nic, struct fer_batch *b, unsigned i, unsigned k)
{
	struct fer_layer *layer = &b->round[k][i];
	struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);

	b->pkt[i].verdict = (uint8_t)(sa->suite.ah ? seal_split_ah(nic, b->m[i], sa, layer)
						   : seal_split_esp(nic, b->m[i], sa, layer));
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
		add_esp(c, b, i, sa, layer);
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

		b->pkt[i].verdict = (uint8_t)add_ah(nic, b, i, k, sa, FER_OUT);
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
	hide_plain(c, sa, layer->sec_off - layer->ip_off, first, last, FER_OUT);
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
		if (n_late != 0 && give_up(nic, b, j))
			continue;
		else if (c->job[j].verdict != FER_OK)
			b->pkt[c->at[j]].verdict = c->job[j].verdict;
	if (n_late != 0)
		change_lists(c);
}

static inline void seal_jobs(struct fer_nic *nic, struct fer_batch *b)
{
	if (is_shared(nic))
		judge_sealed(nic, b, share_jobs(nic, FER_OUT));
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
		seal_split(nic, b, c->split[j], k);
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

// Default padding of n bytes, and which bytes these are, from byte n on in front of a trailer.
static const uint8_t default_padding[2 * SHORT_PADDING] = {
	[SHORT_PADDING] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t is_padding[2 * SHORT_PADDING] = {
	[SHORT_PADDING... 2 * SHORT_PADDING - 1] = 0xff};

// Are the n bytes in front of end, SHORT_PADDING at most, 1, 2, 3, ... (RFC 4303 section 2.4)?  At
// least so many bytes of the packet are there, whatever n is.
static inline bool short_padding_is_default(const uint8_t *end, unsigned n)
{
	const fer_pair is = fer_load_pair(end - SHORT_PADDING);

	return fer_pair_is_zero(
		(is ^ fer_load_pair(default_padding + n)) & fer_load_pair(is_padding + n));
}

__attribute__((noinline)) static bool long_padding_is_default(const uint8_t *end, unsigned n)
{
	unsigned differ = 0;

	for (unsigned i = 0; i < n; i++)
		differ |= (end - n)[i] ^ (i + 1);
	return differ == 0;
}

static inline bool padding_is_default(const uint8_t *end, unsigned n)
{
	return n <= SHORT_PADDING ? short_padding_is_default(end, n)
				  : long_padding_is_default(end, n);
}

// Reads the trailer of a layer that verified.
static inline enum fer_verdict read_trailer(
	const struct fer_sa *sa, const struct fer_job *job, struct fer_layer *layer)
{
	const uint8_t *plain = job->start + FER_ESP_HEADER_BYTES + sa->suite.iv_bytes;
	const uint8_t *trailer =
		job->start + job->len - sa->suite.icv_bytes - FER_ESP_TRAILER_BYTES;

	uint8_t pad_len = trailer[0];

	layer->pad_len = pad_len;
	layer->next_header = trailer[1];
	if (pad_len > trailer - plain || !padding_is_default(trailer, pad_len))
		return FER_BAD_PADDING;
	return FER_OK;
}

// May a sound frame of a protocol of that kind show another layer?  Of UDP only where there could
// be ESP behind it.
static inline bool may_be_opened(
	const struct fer_nic *nic, const struct fer_frame *f, uint64_t kind)
{
	if (likely((kind & FER_FRAME_KIND_LAYER) == 0))
		return false;
	return f->protocol != FER_PROTO_UDP ? f->fragment == 0 : fer_udp_may_have_esp(nic->sas, f);
}

// Makes what the layer carried the packet's innermost layer.
static inline void show_inside(const struct fer_nic *nic, struct fer_batch *b, unsigned i,
	const struct fer_sa *sa, const struct fer_layer *layer)
{
	struct fer_pkt *p = &b->pkt[i];
	uint32_t end = layer->end - sa->tail_bytes - layer->pad_len;
	bool is_ip = layer->next_header == FER_PROTO_IPV4 || layer->next_header == FER_PROTO_IPV6;

	if ((sa->mode == FER_TUNNEL || sa->contract) && is_ip) {
		if (unlikely(!fer_batch_parse_inner_plain(b, i, layer->pay_off, end)))
			fer_batch_parse_inner(b, i, layer->pay_off, end);
	} else {
		p->frame.up_off = layer->pay_off;
		p->frame.protocol = layer->next_header;
		p->frame.end = end;
		if (unlikely(layer->next_header == FER_PROTO_DSTOPTS) && sa->suite.ah)
			fer_batch_pass_options(b, i);
	}
	p->pending = p->parsed == FER_OK &&
		     may_be_opened(nic, &p->frame, fer_frame_kinds[p->frame.protocol]);
}

// Tries a packet that did not verify with the number that its SA proposes, if any.  The bytes are
// as the engine saw them first.
static void try_again(
	struct fer_nic *nic, struct fer_sa *sa, struct fer_layer *layer, struct fer_job *job)
{
	uint64_t seq = layer->seq;

	rte_spinlock_lock(&sa->in.lock);
	bool is_worth_it = fer_replay_resync(&sa->in.replay, &seq);
	fer_sa_unlock_in(sa);
	if (!is_worth_it)
		return;
	job->seq_hi = (uint32_t)(seq >> 32);
	fer_engine_open_burst(nic->engine, job, 1);
	if (job->verdict == FER_OK)
		layer->seq = seq;
}

static void finish_open(const struct fer_nic *nic, struct fer_batch *b, unsigned i,
	const struct fer_sa *sa, struct fer_layer *layer, const struct fer_job *job,
	enum fer_verdict v)
{
	b->pkt[i].pending = 0;
	layer->verdict = (uint8_t)v;
	if (v != FER_OK)
		return;
	layer->verified = 1;
	if (likely(!sa->suite.ah))
		layer->verdict = (uint8_t)read_trailer(sa, job, layer);
	if (layer->verdict == FER_OK)
		show_inside(nic, b, i, sa, layer);
}

// Handle and places of a layer.
static inline fer_pair whose(const struct fer_layer *layer)
{
	static_assert(offsetof(struct fer_layer, ip_off) ==
			      offsetof(struct fer_layer, sa) + sizeof(uint64_t),
		"a pair of words");
	return fer_load_pair(&layer->sa);
}

// Are two layers of one SA, and stand at the same places?
static inline bool are_of_run(const struct fer_layer *a, const struct fer_layer *b)
{
	return fer_pair_is_zero(whose(a) ^ whose(b));
}

static_assert(
	offsetof(struct fer_pkt, like) == offsetof(struct fer_pkt, pending) + 1, "written at once");

static inline void mark_opened(struct fer_pkt *p, uint16_t pending, uint16_t like)
{
	const uint16_t mark = (uint16_t)(pending | like << 8);

	memcpy(&p->pending, &mark, sizeof(mark));
}

// Counts n packets whose receive words were written with the outcome of layer k, if these are
// complete.
//   seq  none of their numbers is higher
static inline void count_answered(
	struct fer_nic *nic, const struct fer_sa *sa, unsigned k, uint64_t seq, unsigned n)
{
	if (likely(k == 0 && fer_tag_is_plain(sa) && !fer_seq_is_low_at_peer(seq, sa->suite.esn)))
		nic->n_answered += n;
}

// Reads a trailer with little padding, and the default.  False: it is something else.
static inline bool read_short_trailer(const uint8_t *trailer, uint32_t *pad_len, uint8_t *next)
{
	*pad_len = trailer[0];
	*next = trailer[1];
	return *pad_len <= SHORT_PADDING && short_padding_is_default(trailer, *pad_len);
}

// Shows the plain IP packet, next, that is at ip_off and ends at end.  Returns its kind; 0: it is
// something else, and nothing is set that counts.
static inline uint64_t show_plain(
	struct fer_pkt *p, const uint8_t *bytes, uint16_t ip_off, uint8_t next, uint32_t end)
{
	if (likely(next == FER_PROTO_IPV4))
		return fer_frame_parse_plain_ipv4(bytes, end, end, ip_off, &p->frame);
	if (next == FER_PROTO_IPV6)
		return fer_frame_parse_plain_ipv6(bytes, end, end, ip_off, &p->frame);
	return 0;
}

// The same as finish_open() for what most packets carry: a plain IP packet in a tunnel, behind it
// little padding.  It is like none.  False: it is something else, and nothing is set that counts.
static inline bool finish_plain(struct fer_nic *nic, struct fer_pkt *p, struct rte_mbuf *m,
	struct fer_layer *layer, unsigned k)
{
	const struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);
	const bool is_ah = sa->suite.ah;
	const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t end = layer->end - sa->tail_bytes, pad_len = 0;
	uint8_t next = layer->next_header;

	if (sa->mode != FER_TUNNEL ||
		(likely(!is_ah) && !read_short_trailer(bytes + end, &pad_len, &next)))
		return false;
	end -= pad_len;
	const uint64_t kind =
		likely(end >= layer->pay_off) ? show_plain(p, bytes, layer->pay_off, next, end) : 0;
	if (kind == 0)
		return false;
	const bool pending = may_be_opened(nic, &p->frame, kind);
	const uint32_t outcome = fer_outcome_of(next, (uint8_t)pad_len);
	fer_layer_set_outcome(layer, outcome);
	fer_tag_opened(m, outcome, !is_ah);
	mark_opened(p, pending, 0);
	nic->crypt->n_pending += pending;
	count_answered(nic, sa, k, layer->seq, 1);
	return true;
}

// Makes a plain packet that was opened the model if it is IPv4.
static void learn(struct fer_crypt_model *model, const struct fer_batch *b, unsigned i)
{
	const struct fer_frame *f = &b->pkt[i].frame;

	model->frame = *f;
	if (f->version != 4)
		return;
	model->start =
		fer_frame_ipv4_start(rte_pktmbuf_mtod_offset(b->m[i], const uint8_t *, f->ip_off));
	model->words = fer_frame_words_of(
		f->ip_off, FER_IPV4_HEADER_BYTES, FER_FRAME_IPV4_NEXT, fer_frame_selector(f));
}

// Which layer of its packet a job is: in one round all packets have as many.
static inline unsigned round_of(const struct fer_crypt *c, const struct fer_batch *b, unsigned j)
{
	return b->pkt[c->at[j]].n_layers - 1u;
}

// Is job j, which verified, of the same run as the one before it, which was plain, and does what it
// carries begin as a packet of which that is the model?
static inline bool is_like_before(
	const struct fer_crypt *c, const struct fer_batch *b, unsigned j, unsigned k)
{
	const unsigned i = c->at[j], before = c->at[j - 1];
	const struct fer_frame *f = &b->pkt[before].frame;
	const struct fer_layer *layers = b->round[k];

	if (i != before + 1 || !are_of_run(&layers[before], &layers[i]) || f->version != 4 ||
		(uint32_t)f->ip_off + FER_FRAME_IPV4_LEAST > layers[i].end)
		return false;
	const struct fer_frame_ipv4_start start = fer_frame_ipv4_start(rte_pktmbuf_mtod_offset(
						  b->m[before], const uint8_t *, f->ip_off)),
					  next = fer_frame_ipv4_start(rte_pktmbuf_mtod_offset(
						  b->m[i], const uint8_t *, f->ip_off));
	return fer_frame_starts_like(&next, &start);
}

// Finishes the jobs from first to end, one by one, as long as they are plain and none is followed
// by one like it.  The last becomes the model.  Returns the first that is not finished.
__attribute__((noinline)) static unsigned finish_each(
	struct fer_nic *nic, struct fer_batch *b, unsigned first, unsigned end)
{
	struct fer_crypt *c = nic->crypt;
	const unsigned k = round_of(c, b, first);
	struct fer_layer *layers = b->round[k];
	unsigned j = first;

	while (j != end) {
		const unsigned i = c->at[j];

		if (!finish_plain(nic, &b->pkt[i], b->m[i], &layers[i], k))
			break;
		if (++j != end && unlikely(is_like_before(c, b, j, k)))
			break;
	}
	if (likely(j != first))
		learn(&c->model, b, c->at[j - 1]);
	if (unlikely(c->has_ah))
		show_any(c, first, j);
	return j;
}

// Does a trailer say that IPv4 stands in front of it, and is there little padding, and the default?
static inline bool trails_ipv4(const uint8_t *trailer, uint32_t *pad_len)
{
	uint16_t both;

	memcpy(&both, trailer, sizeof(both));
	*pad_len = both - (uint32_t)(FER_PROTO_IPV4 << 8);
	return *pad_len <= SHORT_PADDING && short_padding_is_default(trailer, *pad_len);
}

// Shows IPv4 that is like the model.  False: it is not, and nothing is set that counts.
static inline bool show_like(
	struct fer_pkt *p, const uint8_t *ip, uint32_t end, const struct fer_crypt_model *model)
{
	const uint32_t ip_off = (uint32_t)model->words.place;

	if (end < ip_off + FER_FRAME_IPV4_LEAST)
		return false;
	const struct fer_frame_ipv4_start start = fer_frame_ipv4_start(ip);
	return fer_frame_starts_like(&start, &model->start) &&
	       fer_frame_write_ipv4(&p->frame, ip, end, &model->words);
}

// Finishes the jobs from j on, up to end, as long as they are of neighbours in the batch, their
// layers are those of one run, and what they carry is like the model, which stood where they have
// theirs.  Returns the first that is not.  All packets are marked as like the one before.
__attribute__((always_inline)) static inline unsigned finish_like(struct fer_nic *nic,
	struct fer_batch *b, unsigned j, unsigned end, unsigned k, const struct fer_sa *sa,
	bool is_ah)
{
	struct fer_crypt *c = nic->crypt;
	const struct fer_crypt_model *model = &c->model;
	const uint32_t tail_bytes = is_ah ? 0 : sa->tail_bytes, ip_off = model->frame.ip_off;
	const bool pending =
		may_be_opened(nic, &model->frame, fer_frame_kinds[model->frame.protocol]);
	const uint16_t *at = &c->at[j];
	const unsigned first = *at, end_at = first + (end - j);
	const fer_pair run = whose(&b->round[k][first]);
	uint64_t seqs = 0;
	unsigned i = first;

	for (; i < end_at; i++, at++) {
		struct fer_layer *layer = &b->round[k][i];

		if (*at != i || !fer_pair_is_zero(whose(layer) ^ run))
			break;
		const uint8_t *bytes = rte_pktmbuf_mtod(b->m[i], const uint8_t *);
		uint32_t inner_end = layer->end - tail_bytes, pad_len = 0;
		if (!(is_ah ? layer->next_header == FER_PROTO_IPV4
			    : trails_ipv4(bytes + inner_end, &pad_len)) ||
			!show_like(&b->pkt[i], bytes + ip_off, inner_end - pad_len, model))
			break;
		const uint32_t outcome = fer_outcome_of(FER_PROTO_IPV4, (uint8_t)pad_len);
		fer_layer_set_outcome(layer, outcome);
		fer_tag_opened(b->m[i], outcome, !is_ah);
		seqs |= layer->seq;
		mark_opened(&b->pkt[i], pending, k == 0 ? FER_LIKE_OPENED : 0);
	}
	count_answered(nic, sa, k, seqs, i - first);
	if (unlikely(pending))
		c->n_pending += i - first;
	return j + (i - first);
}

// The same of AH, of which something is still hidden.
__attribute__((noinline)) static unsigned finish_like_ah(struct fer_nic *nic, struct fer_batch *b,
	unsigned j, unsigned end, unsigned k, const struct fer_sa *sa)
{
	const unsigned next = finish_like(nic, b, j, end, k, sa, true);

	show_ah(nic->crypt, j, next);
	return next;
}

// Finishes jobs from j on, up to end, that verified, if they are a run of the model's kind. Returns
// the first that is not finished.
//   like  FER_LIKE_OPENED: the first is like the packet before it, if that is said of any; else 0
__attribute__((noinline)) static unsigned finish_run(
	struct fer_nic *nic, struct fer_batch *b, unsigned j, unsigned end, uint8_t like)
{
	const struct fer_frame *model = &nic->crypt->model.frame;
	const unsigned at = nic->crypt->at[j], k = round_of(nic->crypt, b, j);
	const struct fer_layer *layer = &b->round[k][at];
	const struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);

	if (unlikely(model->version != 4 || model->ip_off != layer->pay_off ||
		     sa->mode != FER_TUNNEL))
		return j;
	j = likely(!sa->suite.ah) ? finish_like(nic, b, j, end, k, sa, false)
				  : finish_like_ah(nic, b, j, end, k, sa);
	b->pkt[at].like &= like;
	return j;
}

static enum fer_verdict open_split_esp(
	struct fer_nic *nic, struct fer_batch *b, unsigned i, struct fer_job *job)
{
	struct fer_layer *layer = fer_pkt_last_layer(b, i);

	if (!fer_segment_read(b->m[i], layer->sec_off, job->start, job->len))
		return FER_CRYPTO_ERROR;
	fer_engine_open_burst(nic->engine, job, 1);
	if (job->verdict == FER_BAD_ICV)
		try_again(nic, fer_sa_at(nic->sas, layer->sa), layer, job);
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
	uint32_t front = front_end(nic, b, i, k, FER_IN) - layer->ip_off;
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
		try_again(nic, fer_sa_at(nic->sas, layer->sa), layer, job);
	return (enum fer_verdict)job->verdict;
}

static void open_split(struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	struct fer_layer *layer = fer_pkt_last_layer(b, i);
	struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);
	struct fer_job job = job_of(sa, layer, layer->sec_off);

	job.start = nic->crypt->piece + FER_CRYPT_IN_FRONT;
	enum fer_verdict v =
		sa->suite.ah ? open_split_ah(nic, b, i, &job) : open_split_esp(nic, b, i, &job);
	finish_open(nic, b, i, sa, layer, &job, v);
}

bool fer_crypt_add(struct fer_nic *nic, struct fer_batch *b, unsigned i, const struct fer_sa *sa)
{
	unsigned k = b->pkt[i].n_layers - 1u;
	const struct fer_job *job = &nic->crypt->job[nic->crypt->n];

	if (likely(!sa->suite.ah)) {
		add_esp(nic->crypt, b, i, sa, &b->round[k][i]);
		return true;
	}
	enum fer_verdict v = add_ah(nic, b, i, k, sa, FER_IN);
	if (v != FER_OK)
		finish_open(nic, b, i, sa, &b->round[k][i], job, v);
	return v == FER_OK;
}

void fer_crypt_fill_ah(
	struct fer_crypt *c, unsigned n, const struct fer_sa *sa, uint32_t front_bytes)
{
	hide_plain(c, sa, front_bytes, c->n, c->n + n, FER_IN);
	c->has_ah = true;
	c->n += n;
}

// Finishes any job.
__attribute__((noinline)) static void finish_one(
	struct fer_nic *nic, struct fer_batch *b, unsigned j)
{
	struct fer_crypt *c = nic->crypt;
	unsigned i = c->at[j];
	struct fer_layer *layer = fer_pkt_last_layer(b, i);
	struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);

	if (c->job[j].verdict == FER_BAD_ICV)
		try_again(nic, sa, layer, &c->job[j]);
	if (sa->suite.ah)
		show_ah(c, j, j + 1);
	finish_open(nic, b, i, sa, layer, &c->job[j], (enum fer_verdict)c->job[j].verdict);
	c->n_pending += b->pkt[i].pending;
}

// The first job from j on that did not go well.
static unsigned next_bad(const struct fer_crypt *c, unsigned j)
{
	while (j < c->n && c->job[j].verdict == FER_OK)
		j++;
	return j;
}

// Finishes jobs from j on, up to end, that verified and are plain.  Returns the first that is not.
static unsigned finish_plain_ones(
	struct fer_nic *nic, struct fer_batch *b, unsigned j, unsigned end)
{
	const unsigned k = round_of(nic->crypt, b, j);

	while (j < end) {
		const unsigned next = finish_each(nic, b, j, end);
		const bool go_on =
			next != j && next < end && is_like_before(nic->crypt, b, next, k);

		j = go_on ? finish_run(nic, b, next, end, FER_LIKE_OPENED) : next;
		if (!go_on)
			break;
	}
	return j;
}

// Finishes the jobs from j on, of which not all went well, or not all are plain.
__attribute__((noinline)) static void finish_others(
	struct fer_nic *nic, struct fer_batch *b, unsigned j)
{
	const struct fer_crypt *c = nic->crypt;

	for (unsigned bad = next_bad(c, j); j < c->n; j++) {
		j = finish_plain_ones(nic, b, j, bad);
		if (j == c->n)
			break;
		finish_one(nic, b, j);
		if (j >= bad)
			bad = next_bad(c, j + 1);
	}
}

// Finishes the jobs.
static inline void finish_all(struct fer_nic *nic, struct fer_batch *b, bool all_well)
{
	const unsigned n = nic->crypt->n;
	unsigned done = 0;

	if (likely(nic->found.sa != NULL)) // for the commit
		fer_prefetch_write(&nic->found.sa->in.lock);
	fer_replay_prefetch(&nic->found.window);
	if (likely(all_well && n != 0))
		done = finish_run(nic, b, 0, n, 0);
	if (unlikely(done != n))
		finish_others(nic, b, done);
}

// The same when some are late.
static void finish_punctual(struct fer_nic *nic, struct fer_batch *b)
{
	struct fer_crypt *c = nic->crypt;

	for (unsigned j = 0; j < c->n; j++)
		if (!give_up(nic, b, j))
			finish_one(nic, b, j);
	change_lists(c);
}

__attribute__((noinline)) static void open_shared(struct fer_nic *nic, struct fer_batch *b)
{
	if (share_jobs(nic, FER_IN) == 0)
		finish_others(nic, b, 0);
	else
		finish_punctual(nic, b);
}

__attribute__((noinline)) static void open_splits(struct fer_nic *nic, struct fer_batch *b)
{
	struct fer_crypt *c = nic->crypt;

	for (unsigned j = 0; j < c->n_split; j++) {
		open_split(nic, b, c->split[j]);
		c->n_pending += b->pkt[c->split[j]].pending;
	}
}

unsigned fer_crypt_open(struct fer_nic *nic, struct fer_batch *b)
{
	struct fer_crypt *c = nic->crypt;

	c->n_pending = 0;
	if (is_shared(nic))
		open_shared(nic, b);
	else
		finish_all(nic, b, fer_engine_open_burst(nic->engine, c->job, c->n));
	if (unlikely(c->n_split != 0))
		open_splits(nic, b);
	fer_batch_mark(b, FER_STAGE_CRYPT);
	return c->n_pending;
}

// In a copy, wherever the packet lies: it is rare.
void fer_crypt_close_again(struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	const struct fer_layer *layer = &b->round[0][i];
	const struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);
	struct fer_job job = job_of(sa, layer, layer->sec_off);

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
