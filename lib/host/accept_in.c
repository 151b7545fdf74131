// SPDX-License-Identifier: BSD-3-Clause
// Accepts what the NIC half opened, from its receipts alone: commits the numbers of every layer
// that verified, even of packets of which a later layer failed, then takes the layers off.
#include "host/stages.h"

#include "host/complete.h"
#include "host/outer.h"
#include "host/tfc.h"
#include "nic/segment.h"
#include "sa/table.h"

static bool has_verified(const struct fer_batch *b, unsigned i, unsigned k)
{
	return k < b->pkt[i].n_layers && b->layer[i][k].verified;
}

// Commits layer k of the packets from first to last, which all came over sa.
static void commit_group(struct fer_host *host, struct fer_batch *b, unsigned first, unsigned last,
	unsigned k, struct fer_sa *sa)
{
	uint16_t at[FER_BATCH_MAX];
	uint32_t len[FER_BATCH_MAX]; // what has a number and no sound payload counts as a packet
	uint32_t n = 0;
	unsigned crossed;

	rte_spinlock_lock(&sa->in.lock);
	for (unsigned i = first; i < last; i++) {
		struct fer_layer *layer = &b->layer[i][k];

		if (fer_replay_commit(&sa->in.replay, layer->seq) != FER_OK) {
			layer->verdict = FER_REPLAY;
			continue;
		}
		len[n] = layer->verdict == FER_OK ? fer_outer_inside(sa, b->layer[i], k) : 0;
		at[n++] = (uint16_t)i;
	}
	uint32_t n_alive = n; // what the AH of a bundle lets in counts on the head
	if (likely(!fer_sa_is_outside(sa))) {
		n_alive = fer_life_accept(host->sas, sa, len, n, &crossed);
		fer_audit_life(host, sa, crossed);
	}
	if (unlikely(sa->udp_at != 0))
		fer_nat_learn(host, b, at, n_alive, k, sa);
	rte_spinlock_unlock(&sa->in.lock);
	for (uint32_t j = n_alive; j < n; j++)
		b->layer[at[j]][k].verdict = FER_EXPIRED;
}

// Returns how many packets have layers inside layer k.
static unsigned commit_layer(struct fer_host *host, struct fer_batch *b, unsigned k)
{
	unsigned n_inside = 0;

	for (unsigned first = 0, last, n = b->n; first < n; first = last) {
		last = first + 1;
		n_inside += k + 1 < b->pkt[first].n_layers;
		if (!has_verified(b, first, k))
			continue;
		uint32_t sa = b->layer[first][k].sa;
		for (; last < n && has_verified(b, last, k) && b->layer[last][k].sa == sa; last++)
			n_inside += k + 1 < b->pkt[last].n_layers;
		commit_group(host, b, first, last, k, fer_sa_at(host->sas, sa));
	}
	return n_inside;
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
	for (unsigned k = 0; k < FER_MAX_ROUNDS && commit_layer(host, b, k) > 0; k++)
		;
	for (unsigned i = 0; i < b->n; i++)
		judge_layers(b, i);
}

static enum fer_verdict strip_one(struct fer_host *host, struct fer_batch *b, unsigned i)
{
	struct fer_outer_progress done = {0};
	struct fer_pkt *p = &b->pkt[i];
	bool passed_nat = false; // the IP header that is outermost now may have

	if (p->parsed != FER_OK) // what a tunnel carried is no sound IP
		return FER_BAD_INNER;
	const struct fer_sa *last = fer_sa_at(host->sas, fer_pkt_last_layer(b, i)->sa);
	if (last->mode == FER_TRANSPORT && last->protocol == FER_PROTO_ESP)
		p->frame.end = fer_tfc_end(b->m[i], &p->frame);
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
	if (unlikely(passed_nat))
		fer_complete_again(b->m[i], &p->frame);
	return p->parsed == FER_OK ? FER_OK : FER_BAD_INNER;
}

// Of SAs as most are one that packet after packet came over.
struct plain {
	uint32_t sa; // FER_NO_SA_INDEX: none
};

// Strips a packet of one layer of ESP in tunnel mode.  False: it is none, or not in one piece.
static inline bool strip_plain(
	struct fer_host *host, struct fer_batch *b, unsigned i, struct plain *plain)
{
	struct fer_layer *layer = b->layer[i];

	if (b->pkt[i].n_layers != 1)
		return false;
	if (unlikely(layer->sa != plain->sa)) {
		const struct fer_sa *sa = fer_sa_at(host->sas, layer->sa);
		if (sa->mode != FER_TUNNEL || sa->protocol != FER_PROTO_ESP)
			return false;
		plain->sa = layer->sa;
	}
	return fer_outer_take_off_plain(b->m[i], &b->pkt[i], layer);
}

void fer_strip_in(struct fer_host *host, struct fer_batch *b)
{
	struct plain plain = {FER_NO_SA_INDEX};

	for (unsigned i = 0, n = b->n; i < n; i++)
		if (fer_pkt_alive(&b->pkt[i]) && b->pkt[i].n_layers > 0 &&
			!strip_plain(host, b, i, &plain))
			b->pkt[i].verdict = (uint8_t)strip_one(host, b, i);
	fer_batch_mark(b, FER_STAGE_ACCEPT);
}
