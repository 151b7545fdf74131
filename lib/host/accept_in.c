// SPDX-License-Identifier: BSD-3-Clause
// Accepts what the NIC half opened, from its receipts alone: commits the numbers of every layer
// that verified, even of packets of which a later layer failed, then takes the layers off.
#include "host/stages.h"

#include "host/complete.h"
#include "host/outer_off.h"
#include "host/tfc.h"
#include "nic/segment.h"
#include "sa/table.h"

// Packets in a row that came over one SA in layer k, verified, and are alike: in their state, in
// the places of the layer, and in its outcome.
struct run {
	uint32_t first, n;
	unsigned k;
	bool in_sequence; // their numbers follow each other
	uint64_t bytes;   // of what is inside, in tunnel mode
};

// Packets that are not accepted yet.
struct others {
	unsigned n;
	uint16_t at[FER_BATCH_MAX];
};

static bool has_verified(const struct fer_batch *b, unsigned i, unsigned k)
{
	return k < b->pkt[i].n_layers && b->round[k][i].verified;
}

// Do two layers agree in what makes a run?
static inline bool are_alike(const struct fer_layer *a, const struct fer_layer *b)
{
	uint32_t differ = fer_layer_outcome(a) ^ fer_layer_outcome(b);

	return fer_layer_handle(a) == fer_layer_handle(b) &&
	       fer_layer_places(a) == fer_layer_places(b) && (differ & ~FER_OUTCOME_PAD_LEN) == 0;
}

// Collects the run that begins with packet first, which has verified.
static inline struct run collect_run(
	const struct fer_batch *b, unsigned first, unsigned k, const struct fer_sa *sa)
{
	const struct fer_layer *layer = &b->round[k][first], *const one = layer;
	const uint64_t state = fer_pkt_state(&b->pkt[first]), seq = layer->seq;
	uint64_t bytes = layer->end - layer->pad_len;
	unsigned i = first + 1, differs = 0;

	for (unsigned end = b->n; i < end; i++) {
		bool is_like = k == 0 && (b->pkt[i].like & FER_LIKE_OPENED) != 0;

		layer = &b->round[k][i];
		if (fer_pkt_state(&b->pkt[i]) != state || !(is_like || are_alike(layer, one)))
			break;
		differs |= layer->seq != seq + (i - first);
		bytes += layer->end - layer->pad_len;
	}
	return (struct run){
		.first = first,
		.n = i - first,
		.k = k,
		.in_sequence = differs == 0,
		.bytes = bytes - (uint64_t)(i - first) * (one->pay_off + (uint32_t)sa->tail_bytes),
	};
}

// Records the numbers of a run one by one, if they are not recorded yet, counts its packets, and
// learns from them.  True: all are fine.  The lock is held.
__attribute__((noinline)) static bool commit_each(struct fer_host *host, struct fer_batch *b,
	const struct run *r, struct fer_sa *sa, bool is_recorded)
{
	uint16_t at[FER_BATCH_MAX];
	uint32_t len[FER_BATCH_MAX]; // what has a number and no sound payload counts as a packet
	unsigned crossed, k = r->k;
	uint32_t n = 0;

	for (unsigned i = r->first, end = r->first + r->n; i < end; i++) {
		struct fer_layer *layer = &b->round[k][i];

		if (!is_recorded && fer_replay_commit(&sa->in.replay, layer->seq) != FER_OK) {
			layer->verdict = FER_REPLAY;
			continue;
		}
		at[n] = (uint16_t)i;
		len[n++] = layer->verdict == FER_OK ? fer_outer_inside(sa, b, i, k) : 0;
	}
	uint32_t n_alive = n; // what the AH of a bundle lets in counts on the head
	if (!fer_sa_is_outside(sa)) {
		n_alive = fer_life_accept(host->sas, sa, len, n, &crossed);
		fer_audit_life(host, sa, crossed);
	}
	if (sa->udp_at != 0)
		fer_nat_learn(host, b, at, n_alive, k, sa);
	for (uint32_t j = n_alive; j < n; j++)
		b->round[k][at[j]].verdict = FER_EXPIRED;
	return n_alive == r->n && b->round[k][r->first].verdict == FER_OK;
}

// Are the bytes of a run all there is to say to an SA without limits?
static inline bool is_plain(const struct fer_sa *sa, const struct fer_layer *layer)
{
	return sa->mode == FER_TUNNEL && sa->udp_at == 0 && layer->verdict == FER_OK;
}

// True: all packets of the run are fine.
static inline bool commit_run(
	struct fer_host *host, struct fer_batch *b, const struct run *r, struct fer_sa *sa)
{
	const struct fer_layer *layer = &b->round[r->k][r->first];
	bool plain = is_plain(sa, layer), all = true;

	rte_spinlock_lock(&sa->in.lock);
	bool is_recorded =
		r->in_sequence && fer_replay_commit_run(&sa->in.replay, layer->seq, r->n);
	if (unlikely(!is_recorded || !plain || !fer_life_accept_free(sa, r->n, r->bytes)))
		all = commit_each(host, b, r, sa, is_recorded);
	fer_sa_unlock_in(sa);
	return all;
}

static void commit_layer(struct fer_host *host, struct fer_batch *b, unsigned k)
{
	for (unsigned i = 0, next; i < b->n; i = next) {
		next = i + 1;
		if (!has_verified(b, i, k))
			continue;
		struct fer_sa *sa = fer_sa_at(host->sas, b->round[k][i].sa);
		const struct run r = collect_run(b, i, k, sa);
		commit_run(host, b, &r, sa);
		next = i + r.n;
	}
}

// A packet ends on the outermost layer that went wrong.
static void judge_layers(struct fer_batch *b, unsigned i)
{
	struct fer_pkt *p = &b->pkt[i];

	for (unsigned k = 0; k < p->n_layers && fer_pkt_alive(p); k++)
		p->verdict = b->round[k][i].verdict;
}

// Takes the padding off that hid the length of a packet in transport mode.
static void cut_padding(struct rte_mbuf *m, struct fer_frame *f)
{
	uint32_t end = fer_tfc_end(m, f);

	if (end == f->end)
		return;
	fer_ip_set_len(rte_pktmbuf_mtod_offset(m, uint8_t *, f->ip_off), end - f->ip_off);
	fer_segment_trim(m, end);
	f->end = end;
}

static enum fer_verdict strip_one(struct fer_host *host, struct fer_batch *b, unsigned i)
{
	struct fer_outer_progress done = {0};
	struct fer_pkt *p = &b->pkt[i];
	bool passed_nat = false; // the IP header that is outermost now may have

	if (p->parsed != FER_OK) // what a tunnel carried is no sound IP
		return FER_BAD_INNER;
	const struct fer_sa *last = fer_sa_at(host->sas, fer_pkt_last_layer(b, i)->sa);
	for (unsigned k = 0; k < p->n_layers; k++) {
		struct fer_layer *layer = &b->round[k][i];
		const struct fer_sa *sa = fer_sa_at(host->sas, layer->sa);

		layer->verdict =
			(uint8_t)fer_outer_take_off(&b->m[i], p, sa, layer, &done, host->pool);
		if (layer->verdict != FER_OK)
			return (enum fer_verdict)layer->verdict;
		passed_nat = sa->mode == FER_TRANSPORT &&
			     (passed_nat || (sa->udp_at & FER_UDP_INSIDE) != 0);
	}
	fer_outer_shift_frame(&p->frame, done.shift);
	fer_segment_trim(b->m[i], p->frame.end);
	if (done.shift != done.ip_shift) // headers were rewritten: what they carry shows only now
		fer_batch_parse_one(b, i);
	if (p->parsed != FER_OK)
		return FER_BAD_INNER;
	if (last->mode == FER_TRANSPORT && last->protocol == FER_PROTO_ESP)
		cut_padding(b->m[i], &p->frame);
	if (unlikely(passed_nat))
		fer_complete_again(b->m[i], &p->frame);
	return FER_OK;
}

// Commits what is inside the outermost layer, and takes all layers off.
__attribute__((noinline)) static void accept_others(
	struct fer_host *host, struct fer_batch *b, const struct others *others)
{
	unsigned most = 0;

	for (unsigned j = 0; j < others->n; j++)
		most = RTE_MAX(most, (unsigned)b->pkt[others->at[j]].n_layers);
	for (unsigned k = 1; k < most; k++)
		commit_layer(host, b, k);
	for (unsigned j = 0; j < others->n; j++) {
		unsigned i = others->at[j];

		judge_layers(b, i);
		if (fer_pkt_alive(&b->pkt[i]))
			b->pkt[i].verdict = (uint8_t)strip_one(host, b, i);
	}
}

// Takes the layer off the packets of a run that have no other, as far as they are as most are.
static inline void take_off_run(
	struct fer_batch *b, const struct run *r, const struct fer_sa *sa, struct others *others)
{
	unsigned i = r->first, end = r->first + r->n;

	while (i < end) {
		i += fer_outer_take_off_run(b, i, end - i, sa);
		if (unlikely(i < end))
			others->at[others->n++] = (uint16_t)i++;
	}
}

// Are both packets behind packet i over the SA that it came over, and their layers where its layer
// is?  A shorter run is not worth what makes it one.
static inline bool begins_run(const struct fer_batch *b, unsigned i)
{
	const struct fer_layer *layer = &b->round[0][i];

	if (i + 2 >= b->n)
		return false;
	const fer_pair one = fer_layer_whose(layer);
	return fer_pair_is_zero(
		(fer_layer_whose(layer + 1) ^ one) | (fer_layer_whose(layer + 2) ^ one));
}

// Is a packet as most are: did its only layer verify, with IPv4 in it, behind an Ethernet header?
static inline bool is_usual(const struct fer_pkt *p, const struct fer_layer *layer)
{
	return fer_pkt_has_one_layer(p) && p->l2_len == FER_ETHER_HEADER_BYTES &&
	       (fer_layer_outcome(layer) & ~FER_OUTCOME_PAD_LEN) ==
		       fer_outcome_of(FER_PROTO_IPV4, 0);
}

// The same of an SA: a tunnel over IPv4 that is not in UDP.
static inline bool is_usual_sa(const struct fer_sa *sa)
{
	return sa->mode == FER_TUNNEL && sa->version == 4 && sa->udp_at == 0;
}

// Records a number of an SA that has no limits.  False: nothing was done.
static inline bool commit_one(struct fer_sa *sa, uint64_t seq, uint32_t bytes)
{
	rte_spinlock_lock(&sa->in.lock);
	const bool is_done = fer_life_is_free(sa) && fer_replay_commit_run(&sa->in.replay, seq, 1);
	if (likely(is_done))
		fer_life_count_in(sa, 1, bytes);
	fer_sa_unlock_in(sa);
	return is_done;
}

// Accepts a packet by itself, if it and its SA are as most are.  False: nothing was done.
static inline bool accept_one(struct fer_host *host, struct fer_batch *b, unsigned i)
{
	const struct fer_layer *layer = &b->round[0][i];
	struct fer_pkt *p = &b->pkt[i];
	const uint32_t pay_off = layer->pay_off;

	if (unlikely(!is_usual(p, layer)))
		return false;
	struct fer_sa *sa = fer_sa_at(host->sas, layer->sa);
	const uint32_t around = pay_off + (uint32_t)sa->tail_bytes + layer->pad_len;
	if (unlikely(!is_usual_sa(sa) ||
		     !fer_outer_comes_off(b->m[i], &p->frame, pay_off, layer->ip_off, 4, 4) ||
		     !commit_one(sa, layer->seq, layer->end - around)))
		return false;
	fer_outer_take_off_plain(b->m[i], &p->frame, pay_off, FER_ETHER_HEADER_BYTES, 4);
	return true;
}

// Accepts the run that begins with packet i, or leaves it to the others.  Returns the first packet
// behind it.
__attribute__((noinline)) static unsigned accept_run(
	struct fer_host *host, struct fer_batch *b, unsigned i, struct others *others)
{
	unsigned next = i + 1;

	if (likely(has_verified(b, i, 0))) {
		struct fer_sa *sa = fer_sa_at(host->sas, b->round[0][i].sa);
		const struct run r = collect_run(b, i, 0, sa);

		next = i + r.n;
		if (likely(commit_run(host, b, &r, sa))) {
			take_off_run(b, &r, sa, others);
			return next;
		}
	}
	for (; i < next && b->pkt[i].n_layers != 0; i++)
		others->at[others->n++] = (uint16_t)i;
	return next;
}

void fer_accept_in(struct fer_host *host, struct fer_batch *b)
{
	struct others others;
	unsigned i = 0;

	others.n = 0;
	while (i < b->n)
		i = !begins_run(b, i) && likely(accept_one(host, b, i))
			    ? i + 1
			    : accept_run(host, b, i, &others);
	if (unlikely(others.n != 0))
		accept_others(host, b, &others);
	fer_batch_mark(b, FER_STAGE_ACCEPT);
}
