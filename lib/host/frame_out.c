// SPDX-License-Identifier: BSD-3-Clause
// Frames packets: numbers are taken once for a run of packets of one SA, in the order of the batch.
#include "host/stages.h"

#include "host/outer.h"
#include "host/tfc.h"
#include "nic/oob.h"
#include "sa/dummy.h"
#include "sa/table.h"

static void write_words(struct fer_batch *b, unsigned i, unsigned k, const struct fer_sa *sa)
{
	struct fer_oob *o = fer_oob_of(b->m[i]);
	const struct fer_layer *layer = &b->layer[i][k];

	if (k == 0) {
		o->ipsec = b->pkt[i].handle[0];
		o->header = fer_oob_header_send(
			layer->next_header, layer->pad_len, 0, layer->sec_off - layer->ip_off);
		return;
	}
	// The inner header moved away from the start of the frame.
	o->tunnel = b->pkt[i].handle[k];
	o->header = fer_oob_header_send(fer_oob_next_header(o), fer_oob_pad_length(o), 0,
		fer_oob_esp_offset(o) + fer_outer_growth(sa));
}

static void frame_one(struct fer_host *host, struct fer_batch *b, unsigned i, unsigned k,
	const struct fer_sa *sa, uint64_t seq)
{
	struct fer_pkt *p = &b->pkt[i];

	p->verdict = (uint8_t)fer_outer_put_on(&b->m[i], p, sa, seq, host->pool, &b->layer[i][k]);
	if (!fer_pkt_alive(p))
		return;
	p->n_layers = (uint8_t)(k + 1);
	write_words(b, i, k, sa);
}

// Can slot 12 say where the header of the innermost SA will be?
static bool words_can_say(
	const struct fer_batch *b, unsigned i, unsigned k, const struct fer_sa *sa)
{
	uint32_t off = k == 0 ? fer_outer_esp_off(&b->pkt[i], sa)
			      : fer_oob_esp_offset(fer_oob_of(b->m[i])) + fer_outer_growth(sa);

	return off <= FER_OOB_MAX_OFFSET;
}

// Does packet i want SA handle in round k, and can that carry it?  Then it is padded.
static bool joins(struct fer_host *host, struct fer_batch *b, unsigned i, unsigned k,
	uint64_t handle, const struct fer_sa *sa)
{
	struct fer_pkt *p = &b->pkt[i];

	if (!fer_pkt_alive(p) || p->handle[k] != handle)
		return false;
	if (sa == NULL)
		p->verdict = FER_NO_ACTIVE_SA;
	else if (!words_can_say(b, i, k, sa))
		p->verdict = FER_TOO_LONG;
	else
		p->verdict = (uint8_t)fer_outer_fits(b->m[i], p, sa);
	if (fer_pkt_alive(p) && unlikely(sa->out.pad_to != 0))
		p->verdict = (uint8_t)fer_tfc_pad(host->sas, b, i, k, sa, host->pool);
	return fer_pkt_alive(p);
}

// Packets of one SA, in the order of the batch.
struct group {
	uint32_t n;
	uint16_t at[FER_BATCH_MAX];  // place in the batch
	uint32_t len[FER_BATCH_MAX]; // of the IP packet that the SA protects
};

// Ends the packets of a group behind the first n.
static void end_rest(struct fer_batch *b, struct group *g, uint32_t n, enum fer_verdict v)
{
	while (g->n > n)
		b->pkt[g->at[--g->n]].verdict = (uint8_t)v;
}

// Counts the group on its SA: what is over a limit takes no number.
static unsigned take_life(
	struct fer_host *host, struct fer_batch *b, unsigned k, struct fer_sa *sa, struct group *g)
{
	unsigned crossed;

	end_rest(b, g, fer_life_take(host->sas, sa, g->len, g->n, &crossed), FER_EXPIRED);
	for (uint32_t j = 0; j < g->n; j++)
		b->pkt[g->at[j]].inside[k] = g->len[j];
	return crossed;
}

// Takes the numbers of the group; *first is that of the first packet.
static unsigned take_numbers(
	struct fer_batch *b, struct fer_sa *sa, struct group *g, uint64_t *first)
{
	uint32_t n = fer_seq_take(&sa->out.seq, g->n, first);
	unsigned over = n < g->n ? FER_LIFE_NUMBERS : 0;

	if (fer_seq_is_low(&sa->out.seq, *first + n - 1))
		over |= FER_LIFE_SOFT;
	end_rest(b, g, n, FER_SEQ_EXHAUSTED);
	return likely(over == 0) ? 0 : fer_life_end(sa, over);
}

// The dummies of an SA go where its packets go.
static void learn_link(struct fer_host *host, const struct fer_batch *b, unsigned i,
	const struct fer_sa *sa, uint64_t handle)
{
	const struct fer_pkt *p = &b->pkt[i];

	if (fer_pkt_alive(p) && p->l2_len <= FER_DUMMY_LINK_BYTES)
		fer_dummy_learn(host->sas, sa->out.dummy, handle,
			rte_pktmbuf_mtod(b->m[i], const uint8_t *), (uint8_t)p->l2_len);
}

// Frames the packets from first to last that join: their numbers are taken at once.
static void frame_group(struct fer_host *host, struct fer_batch *b, unsigned first, unsigned last,
	unsigned k, uint64_t handle)
{
	struct fer_sa *sa = fer_sa_get(host->sas, handle);
	struct group g;
	uint64_t seq = 0;

	g.n = 0;
	for (unsigned i = first; i < last; i++)
		if (joins(host, b, i, k, handle, sa)) {
			g.len[g.n] = b->pkt[i].frame.end - b->pkt[i].frame.ip_off;
			g.at[g.n++] = (uint16_t)i;
		}
	if (g.n == 0)
		return;
	fer_audit_life(host, sa, take_life(host, b, k, sa, &g));
	if (g.n != 0)
		fer_audit_life(host, sa, take_numbers(b, sa, &g, &seq));
	for (uint32_t j = 0; j < g.n; j++)
		frame_one(host, b, g.at[j], k, sa, seq + j);
	if (unlikely(sa->out.dummy != 0) && g.n > 0)
		learn_link(host, b, g.at[g.n - 1], sa, handle);
}

void fer_frame_out(struct fer_host *host, struct fer_batch *b, unsigned k)
{
	for (unsigned first = 0, last; first < b->n; first = last) {
		uint64_t handle = b->pkt[first].handle[k];

		for (last = first + 1; last < b->n && b->pkt[last].handle[k] == handle;)
			last++;
		if (handle != 0)
			frame_group(host, b, first, last, k, handle);
	}
	fer_batch_mark(b, FER_STAGE_FRAME);
}
