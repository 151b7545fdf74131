// SPDX-License-Identifier: BSD-3-Clause
#include "nic/crypt_parts.h"

#include "nic/udp.h"
#include "proto/ip.h"

#define SHORT_PADDING FER_CRYPT_IN_FRONT // bytes at most: what aligns a text to blocks of AES

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

void fer_crypt_finish(const struct fer_nic *nic, struct fer_batch *b, unsigned i,
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

// Are two layers of one SA, and stand at the same places?
static inline bool are_of_run(const struct fer_layer *a, const struct fer_layer *b)
{
	return fer_pair_is_zero(fer_layer_whose(a) ^ fer_layer_whose(b));
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

// The same as fer_crypt_finish() for what most packets carry: a plain IP packet in a tunnel, behind
// it little padding.  It is like none.  False: it is something else, and nothing is set that
// counts.
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

// The same where others are among them.
__attribute__((noinline)) static void show_any(
	const struct fer_crypt *c, unsigned first, unsigned last)
{
	for (unsigned j = first; j < last; j++)
		if (c->job[j].suite->ah)
			fer_crypt_show_ah(c, j, j + 1);
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
	const fer_pair run = fer_layer_whose(&b->round[k][first]);
	uint64_t seqs = 0;
	unsigned i = first;

	for (; i < end_at; i++, at++) {
		struct fer_layer *layer = &b->round[k][i];

		if (*at != i || !fer_pair_is_zero(fer_layer_whose(layer) ^ run))
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

	fer_crypt_show_ah(nic->crypt, j, next);
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

void fer_crypt_finish_one(struct fer_nic *nic, struct fer_batch *b, unsigned j)
{
	struct fer_crypt *c = nic->crypt;
	unsigned i = c->at[j];
	struct fer_layer *layer = fer_pkt_last_layer(b, i);
	struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);

	if (c->job[j].verdict == FER_BAD_ICV)
		fer_crypt_try_again(nic, sa, layer, &c->job[j]);
	if (sa->suite.ah)
		fer_crypt_show_ah(c, j, j + 1);
	fer_crypt_finish(nic, b, i, sa, layer, &c->job[j], (enum fer_verdict)c->job[j].verdict);
	c->n_pending += b->pkt[i].pending;
}

unsigned fer_crypt_finish_alike(struct fer_nic *nic, struct fer_batch *b)
{
	return finish_run(nic, b, 0, nic->crypt->n, 0);
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

void fer_crypt_finish_others(struct fer_nic *nic, struct fer_batch *b, unsigned j)
{
	const struct fer_crypt *c = nic->crypt;

	for (unsigned bad = next_bad(c, j); j < c->n; j++) {
		j = finish_plain_ones(nic, b, j, bad);
		if (j == c->n)
			break;
		fer_crypt_finish_one(nic, b, j);
		if (j >= bad)
			bad = next_bad(c, j + 1);
	}
}
