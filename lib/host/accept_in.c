// SPDX-License-Identifier: BSD-3-Clause
// Accepts what the NIC half opened, from its receipts alone: commits the numbers of every layer
// that verified, even of packets of which a later layer failed, then takes the layers off.
#include "host/stages.h"

#include "host/complete.h"
#include "host/outer.h"
#include "host/tfc.h"
#include "nic/segment.h"
#include "sa/table.h"

// Packets in a row that came over one SA in one layer, and verified.
struct run {
	uint32_t n;
	bool in_sequence; // their numbers are first, first + 1, ...
	uint64_t first;
	unsigned bad;                // not 0: not all of them are FER_OK
	uint64_t seq[FER_BATCH_MAX]; // of the first n packets
	uint16_t at[FER_BATCH_MAX];  // their places in the batch
	uint32_t len[FER_BATCH_MAX]; // what has a number and no sound payload counts as a packet
};

static bool has_verified(const struct fer_batch *b, unsigned i, unsigned k)
{
	return k < b->pkt[i].n_layers && b->layer[i][k].verified;
}

// Collects the run that begins with packet first, which has verified.
static void collect_run(struct run *r, const struct fer_batch *b, unsigned first, unsigned k,
	const struct fer_sa *sa)
{
	uint64_t next = b->layer[first][k].seq;
	unsigned n = 0;

	r->first = next;
	r->in_sequence = true;
	r->bad = 0;
	for (unsigned i = first, end = b->n; i < end && has_verified(b, i, k); i++, n++) {
		const struct fer_layer *layer = &b->layer[i][k];

		if (layer->sa != sa->index)
			break;
		r->in_sequence &= layer->seq == next++;
		r->bad |= layer->verdict;
		r->seq[n] = layer->seq;
		r->at[n] = (uint16_t)i;
		r->len[n] =
			likely(layer->verdict == FER_OK) ? fer_outer_inside(sa, b->layer[i], k) : 0;
	}
	r->n = n;
}

// Records the numbers one by one.  What is refused leaves the run.
__attribute__((noinline)) static void commit_each(
	struct run *r, struct fer_batch *b, unsigned k, struct fer_sa *sa)
{
	uint32_t n = 0;

	for (uint32_t j = 0; j < r->n; j++) {
		if (fer_replay_commit(&sa->in.replay, r->seq[j]) != FER_OK) {
			b->layer[r->at[j]][k].verdict = FER_REPLAY;
			r->bad = 1;
			continue;
		}
		r->len[n] = r->len[j];
		r->at[n++] = r->at[j];
	}
	r->n = n;
}

// Commits layer k of the packets of a run.
static void commit_run(
	struct fer_host *host, struct fer_batch *b, struct run *r, unsigned k, struct fer_sa *sa)
{
	unsigned crossed;

	rte_spinlock_lock(&sa->in.lock);
	if (!r->in_sequence || !fer_replay_commit_run(&sa->in.replay, r->first, r->n))
		commit_each(r, b, k, sa);
	uint32_t n_alive = r->n; // what the AH of a bundle lets in counts on the head
	if (likely(!fer_sa_is_outside(sa))) {
		n_alive = fer_life_accept(host->sas, sa, r->len, r->n, &crossed);
		fer_audit_life(host, sa, crossed);
	}
	if (unlikely(sa->udp_at != 0))
		fer_nat_learn(host, b, r->at, n_alive, k, sa);
	rte_spinlock_unlock(&sa->in.lock);
	for (uint32_t j = n_alive; j < r->n; j++)
		b->layer[r->at[j]][k].verdict = FER_EXPIRED;
	r->bad |= n_alive != r->n;
}

// Adds to *bad where a packet is not FER_OK.
static void commit_layer(struct fer_host *host, struct fer_batch *b, unsigned k, unsigned *bad)
{
	struct run r;

	for (unsigned i = 0, next; i < b->n; i = next) {
		const struct fer_layer *layer = &b->layer[i][k];

		next = i + 1;
		if (b->pkt[i].n_layers <= k)
			continue;
		if (!layer->verified) {
			*bad = 1;
			continue;
		}
		struct fer_sa *sa = fer_sa_at(host->sas, layer->sa);
		collect_run(&r, b, i, k, sa);
		next = i + r.n;
		commit_run(host, b, &r, k, sa);
		*bad |= r.bad;
	}
}

static unsigned most_layers(const struct fer_batch *b)
{
	unsigned most = 0;

	for (unsigned i = 0; i < b->n; i++)
		most = RTE_MAX(most, (unsigned)b->pkt[i].n_layers);
	return most;
}

// A packet ends on the outermost layer that went wrong.
static void judge_layers(struct fer_batch *b, unsigned i)
{
	struct fer_pkt *p = &b->pkt[i];

	for (unsigned k = 0; k < p->n_layers && fer_pkt_alive(p); k++)
		p->verdict = b->layer[i][k].verdict;
}

void fer_commit_in(struct fer_host *host, struct fer_batch *b)
{
	unsigned bad = 0;

	for (unsigned k = 0, n = most_layers(b); k < n; k++)
		commit_layer(host, b, k, &bad);
	for (unsigned i = 0; bad != 0 && i < b->n; i++)
		judge_layers(b, i);
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
		struct fer_layer *layer = &b->layer[i][k];
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

void fer_strip_in(struct fer_host *host, struct fer_batch *b)
{
	for (unsigned i = 0, next; i < b->n; i = next) {
		next = i + 1;
		if (!fer_pkt_alive(&b->pkt[i]) || b->pkt[i].n_layers == 0)
			continue;
		const struct fer_sa *sa = fer_sa_at(host->sas, b->layer[i][0].sa);
		unsigned n = fer_outer_take_off_run(b, i, sa);
		if (likely(n != 0))
			next = i + n;
		else
			b->pkt[i].verdict = (uint8_t)strip_one(host, b, i);
	}
	fer_batch_mark(b, FER_STAGE_ACCEPT);
}
