// SPDX-License-Identifier: BSD-3-Clause
// Frames packets: numbers are taken once for a run of packets of one SA, in the order of the batch.
#include "host/stages.h"

#include "host/outer_run.h"
#include "host/tfc.h"
#include "nic/oob.h"
#include "sa/dummy.h"
#include "sa/table.h"
#include "sa/udp.h"

// The SA of a round: one header, or those of a bundle.
struct bundle {
	struct fer_sa *sa;           // the head; NULL: there is none
	struct fer_sa *ah;           // outside the head; NULL: no bundle
	struct fer_outer_numbers no; // of the first packet of a group
	uint64_t ah_seq;
};

static uint32_t growth(const struct bundle *u)
{
	return fer_outer_growth(u->sa) + (likely(u->ah == NULL) ? 0 : u->ah->head_bytes);
}

// Slot 12 of a packet that has got its first headers: ESP in front of its padding, or AH, or both,
// AH in front.
static uint32_t first_header_words(
	const struct bundle *u, const struct fer_layer *layer, uint32_t sec_off)
{
	if (u->ah != NULL)
		return fer_oob_header_send(
			layer->next_header, layer->pad_len, sec_off, sec_off + u->ah->head_bytes);
	if (u->sa->protocol == FER_PROTO_AH)
		return fer_oob_header_send(0, 0, sec_off, 0);
	return fer_oob_header_send(layer->next_header, layer->pad_len, 0, sec_off);
}

// Slot 12 when the headers it speaks of have moved away from the start of the frame.
static uint32_t moved_header_words(const struct fer_oob *o, uint32_t by)
{
	uint32_t ah = fer_oob_ah_offset(o), esp = fer_oob_esp_offset(o);

	return fer_oob_header_send(fer_oob_next_header(o), fer_oob_pad_length(o),
		ah == 0 ? 0 : ah + by, esp == 0 ? 0 : esp + by);
}

static void write_words(struct fer_batch *b, unsigned i, unsigned k, const struct bundle *u)
{
	struct fer_oob *o = fer_oob_of(b->m[i]);
	const struct fer_pkt *p = &b->pkt[i];
	const struct fer_layer *outermost = fer_pkt_last_layer(b, i);

	if (k == 0) {
		o->ipsec = p->handle[0];
		o->header = first_header_words(
			u, &b->round[0][i], outermost->sec_off - outermost->ip_off);
		return;
	}
	o->tunnel = p->handle[k];
	o->header = moved_header_words(o, growth(u));
}

// Of the packet at that place in the group.
static struct fer_outer_numbers numbers_of(const struct bundle *u, uint64_t seq, uint32_t at)
{
	return (struct fer_outer_numbers){
		.seq = seq + at,
		.id = (uint16_t)(u->no.id + at * u->no.id_step),
		.id_step = u->no.id_step,
	};
}

// at: place of the packet among those of its group
static void frame_one(struct fer_host *host, struct fer_batch *b, unsigned i, unsigned k,
	const struct bundle *u, uint32_t at)
{
	struct fer_pkt *p = &b->pkt[i];
	unsigned n = p->n_layers;

	p->verdict = (uint8_t)fer_outer_put_on(
		&b->m[i], p, u->sa, numbers_of(u, u->no.seq, at), host->pool, &b->round[n++][i]);
	if (unlikely(u->ah != NULL) && fer_pkt_alive(p)) {
		p->verdict = (uint8_t)fer_outer_put_on(&b->m[i], p, u->ah,
			numbers_of(u, u->ah_seq, at), host->pool, &b->round[n++][i]);
	}
	if (!fer_pkt_alive(p))
		return;
	p->n_layers = (uint8_t)n;
	write_words(b, i, k, u);
}

// Can slot 12 say where the headers of the innermost SA will be?
static bool words_can_say(const struct fer_batch *b, unsigned i, unsigned k, const struct bundle *u)
{
	const struct fer_oob *o = fer_oob_of(b->m[i]);
	uint32_t off;

	if (k == 0)
		off = fer_outer_sec_off(&b->pkt[i], u->sa) +
		      (likely(u->ah == NULL) ? 0 : u->ah->head_bytes);
	else
		off = RTE_MAX(fer_oob_esp_offset(o), fer_oob_ah_offset(o)) + growth(u);
	return off <= FER_OOB_MAX_OFFSET;
}

// Did the rounds before k put the packet in UDP?  Nobody opens that in UDP once more (R-137 of the
// contract).
static bool is_in_udp(
	const struct fer_host *host, const struct fer_batch *b, unsigned i, unsigned k)
{
	while (k-- > 0) {
		const struct fer_sa *sa = fer_sa_get(host->sas, b->pkt[i].handle[k]);

		if (sa != NULL && sa->udp_at != 0)
			return true;
	}
	return false;
}

// Can the SA carry packet i in round k?  Then it is padded.
__attribute__((noinline)) static bool fits(
	struct fer_host *host, struct fer_batch *b, unsigned i, unsigned k, const struct bundle *u)
{
	struct fer_pkt *p = &b->pkt[i];

	if (u->sa == NULL)
		p->verdict = FER_NO_ACTIVE_SA;
	else if (!words_can_say(b, i, k, u))
		p->verdict = FER_TOO_LONG;
	else if (unlikely(u->sa->udp_at != 0) && is_in_udp(host, b, i, k))
		p->verdict = FER_TOO_DEEP;
	else
		p->verdict = (uint8_t)fer_outer_fits(b->m[i], p, u->sa, u->ah);
	if (fer_pkt_alive(p) && unlikely(u->sa->out.pad_to != 0))
		p->verdict = (uint8_t)fer_tfc_pad(host->sas, b, i, k, u->sa, host->pool);
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

// Counts the group on its SA, and takes its numbers.
static unsigned take_group(
	struct fer_host *host, struct fer_batch *b, unsigned k, struct bundle *u, struct group *g)
{
	struct fer_life_taken taken;
	uint32_t n = fer_life_take(host->sas, u->sa, g->len, g->n, &taken);

	end_rest(b, g, n, taken.rest);
	for (uint32_t j = 0; j < g->n; j++)
		b->pkt[g->at[j]].inside[k] = g->len[j];
	u->no.seq = taken.first;
	return taken.crossed;
}

// The AH of a bundle counts numbers of its own, and nothing else.
static unsigned number_ah(struct fer_batch *b, struct bundle *u, struct group *g)
{
	struct fer_seq *seq = &u->ah->out.seq;
	uint32_t n = fer_seq_take(seq, g->n, 0, &u->ah_seq);
	unsigned over = n < g->n ? FER_LIFE_NUMBERS : 0;

	if (fer_seq_is_low(seq, u->ah_seq + n - 1))
		over |= FER_LIFE_SOFT;
	end_rest(b, g, n, FER_SEQ_EXHAUSTED);
	return likely(over == 0) ? 0 : fer_life_end(u->sa, over);
}

// Takes identifications for n packets with the addresses of that header.
static inline uint16_t identify(struct fer_host *host, const uint8_t *ip, uint32_t n)
{
	return fer_ident_take(fer_ident_counter(&host->ident, ip), host->ident.step, n);
}

// In transport mode, and over IPv6, nobody asks for it.
static void identify_group(struct fer_host *host, struct bundle *u, uint32_t n)
{
	const uint8_t *ip = likely(u->sa->out.udp == NULL) ? u->sa->out.template.ip
							   : fer_udp_head_of(u->sa)->ip;

	u->no.id_step = host->ident.step;
	u->no.id = identify(host, ip, n);
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

// So do the keep-alives.
static void learn_udp_link(const struct fer_batch *b, unsigned i, const struct fer_sa *sa)
{
	const struct fer_pkt *p = &b->pkt[i];

	if (fer_pkt_alive(p) && p->l2_len <= FER_UDP_LINK_BYTES)
		fer_udp_learn_link(
			sa, rte_pktmbuf_mtod(b->m[i], const uint8_t *), (uint8_t)p->l2_len);
}

// The packets from first to last that the SA can carry.
static void collect(struct fer_host *host, struct fer_batch *b, unsigned first, unsigned last,
	unsigned k, const struct bundle *u, struct group *g)
{
	uint32_t n = 0;

	for (unsigned i = first; i < last; i++) {
		struct fer_pkt *p = &b->pkt[i];
		if (!fer_pkt_alive(p) || !fits(host, b, i, k, u))
			continue;
		g->len[n] = p->frame.end - p->frame.ip_off;
		g->at[n++] = (uint16_t)i;
	}
	g->n = n;
}

static struct bundle bundle_of(const struct fer_host *host, struct fer_sa *sa)
{
	return (struct bundle){.sa = sa, .ah = sa == NULL ? NULL : fer_sa_ah(host->sas, sa)};
}

// Frames the packets from first to last, which all want that SA: their numbers are taken at once.
__attribute__((noinline)) static void frame_group(struct fer_host *host, struct fer_batch *b,
	unsigned first, unsigned last, unsigned k, struct fer_sa *sa, uint64_t handle)
{
	struct bundle u = bundle_of(host, sa);
	struct group g;

	collect(host, b, first, last, k, &u, &g);
	if (u.sa == NULL || g.n == 0) // nobody joins what is not there
		return;
	fer_audit_life(host, u.sa, take_group(host, b, k, &u, &g));
	if (unlikely(u.ah != NULL) && g.n != 0)
		fer_audit_life(host, u.sa, number_ah(b, &u, &g));
	identify_group(host, &u, g.n);
	for (uint32_t j = 0; j < g.n; j++)
		frame_one(host, b, g.at[j], k, &u, j);
	if (unlikely(u.sa->out.dummy != 0) && g.n > 0)
		learn_link(host, b, g.at[g.n - 1], u.sa, handle);
	if (unlikely(u.sa->out.udp != NULL) && g.n > 0)
		learn_udp_link(b, g.at[g.n - 1], u.sa);
}

// Packets of a run that stand one behind the other.
struct stretch {
	unsigned first;
	uint32_t n;
	uint64_t bytes;  // that the SA protects
	uint64_t wishes; // what any of them wants in the next round
};

// Ends the packets of a stretch behind the first n, which were not counted.
static void end_behind(struct fer_batch *b, const struct stretch *s, uint32_t n, enum fer_verdict v)
{
	for (uint32_t j = n; j < s->n; j++) {
		b->pkt[s->first + j].verdict = (uint8_t)v;
		b->pkt[s->first + j].inside[0] = 0;
	}
}

// Numbers for packets that stand one behind the other.
struct numbers {
	uint64_t first;
	uint32_t n;
};

// Counts a stretch, of one packet at least, and takes its numbers.  What does not go ends here.
__attribute__((noinline)) static struct numbers take_any(
	struct fer_host *host, struct fer_batch *b, struct fer_sa *sa, struct stretch s)
{
	struct fer_life_taken taken;
	uint32_t len[FER_BATCH_MAX], n = 0;

	do
		len[n] = b->pkt[s.first + n].inside[0];
	while (++n < s.n);
	n = fer_life_take(host->sas, sa, len, s.n, &taken);
	end_behind(b, &s, n, taken.rest);
	fer_audit_life(host, sa, taken.crossed);
	return (struct numbers){taken.first, n};
}

// The same.  Mostly the SA has no limits, and many numbers more.
static inline struct numbers take(
	struct fer_host *host, struct fer_batch *b, struct fer_sa *sa, struct stretch s)
{
	struct numbers no = {0, s.n};

	if (likely(fer_life_is_free(sa)))
		no.first = fer_seq_take_plenty(&sa->out.seq, s.n, s.bytes);
	return likely(no.first != 0) ? no : take_any(host, b, sa, s);
}

// Puts the SA of a run on n packets, some of which have not the room as they mostly have.
__attribute__((noinline)) static void put_on_rest(struct fer_host *host, struct fer_batch *b,
	unsigned first, uint32_t n, struct fer_outer_run *run, uint64_t seq, uint32_t id)
{
	struct bundle u = {.sa = run->sa, .no = {seq, (uint16_t)id, (uint16_t)run->id_step}};

	for (uint32_t at = 0; at < n;) {
		frame_one(host, b, first + at, 0, &u, at);
		at++;
		at += fer_outer_put_on_run(
			b, first + at, n - at, run, seq + at, id + at * run->id_step);
	}
}

// The packets from first on, in front of last, that go with those of one plain SA, of that state,
// with a link header of so many bytes.
static inline struct stretch stretch_from(struct fer_batch *b, unsigned first, unsigned last,
	uint64_t handle, uint64_t state, uint32_t l2_len)
{
	struct fer_pkt *const begin = &b->pkt[first], *p = begin;
	uint64_t bytes = 0, wishes = 0;

	for (const struct fer_pkt *end = &b->pkt[last]; p != end; p++) {
		uint32_t len = p->frame.end - l2_len;

		if (p->handle[0] != handle || fer_pkt_state(p) != state ||
			len > FER_OUTER_PLAIN_BYTES)
			break;
		p->inside[0] = len;
		bytes += len;
		wishes |= p->handle[1];
	}
	return (struct stretch){first, (uint32_t)(p - begin), bytes, wishes};
}

// Puts headers on packets of a run that have their numbers.
__attribute__((always_inline)) static inline void put_on_run(struct fer_host *host,
	struct fer_batch *b, unsigned first, struct fer_outer_run *run, struct numbers no,
	uint32_t id)
{
	uint32_t at = fer_outer_put_on_run(b, first, no.n, run, no.first, id);

	if (unlikely(at < no.n))
		put_on_rest(
			host, b, first + at, no.n - at, run, no.first + at, id + at * run->id_step);
}

// The packets from first to end that want that SA.  Returns the first that does not.
static inline unsigned same_wish(const struct fer_batch *b, unsigned first, unsigned end,
	unsigned k, uint64_t handle, uint64_t *more)
{
	unsigned last = first;

	for (; last < end && b->pkt[last].handle[k] == handle; last++)
		*more |= b->pkt[last].handle[1];
	return last;
}

// Frames the packet at first, which wants that SA in round k, in the general way, and those behind
// it that go with it.  Returns the first that does not.
__attribute__((noinline)) static unsigned frame_any(struct fer_host *host, struct fer_batch *b,
	unsigned first, unsigned k, uint64_t handle, bool alone, uint64_t *more)
{
	unsigned last = same_wish(b, first, alone ? first + 1 : b->n, k, handle, more);

	b->numbered.handle = 0; // what is known of an SA may be of before these
	frame_group(host, b, first, last, k, fer_sa_get(host->sas, handle), handle);
	return last;
}

// Packets that stand one behind the other and have their numbers, but no headers yet.
struct due {
	struct fer_sa *sa;
	uint64_t seq; // of the first, as id is
	uint16_t id;
	uint16_t first;
	uint16_t n;
	bool is_run; // what they have in common is kept
};

// Numbers are taken for a whole burst before the first header is written: what takes them is locked
// and waits for every store before it.
struct dues {
	unsigned n;
	struct due due[FER_BATCH_MAX];
};

// Puts headers on any packets of a plain SA, and keeps what they have in common.
__attribute__((noinline)) static void put_on_many(
	struct fer_host *host, struct fer_batch *b, const struct due *d)
{
	struct fer_outer_run *run = &host->work->run;
	const struct fer_pkt *p = &b->pkt[d->first];

	if (run->handle != p->handle[0] || run->state != fer_pkt_state(p))
		fer_outer_run_init(run, d->sa, p->handle[0], p, &host->ident);
	put_on_run(host, b, d->first, run, (struct numbers){d->seq, d->n}, d->id);
}

static inline void put_on_due(struct fer_host *host, struct fer_batch *b, const struct dues *dues)
{
	for (const struct due *d = dues->due, *end = d + dues->n; d != end; d++)
		if (unlikely(d->is_run) || unlikely(!fer_outer_put_on_one(b, d->first, d->sa,
						   &host->ident, d->seq, d->id)))
			put_on_many(host, b, d);
}

static inline void add_due(struct fer_host *host, struct fer_batch *b, struct fer_sa *sa,
	unsigned first, struct numbers no, bool is_run, struct dues *dues)
{
	b->numbered = (struct fer_numbered){b->pkt[first].handle[0], no.first + no.n - 1};
	dues->due[dues->n++] = (struct due){
		.sa = sa,
		.seq = no.first,
		.id = identify(host, sa->out.template.ip, no.n),
		.first = (uint16_t)first,
		.n = (uint16_t)no.n,
		.is_run = is_run,
	};
}

// Numbers the packet at first, which is alive and wants that SA before any other, and those behind
// it that go with it.  What is not plain is framed in the general way.  Returns the first that does
// not go with it.
__attribute__((noinline)) static unsigned number_run(struct fer_host *host, struct fer_batch *b,
	unsigned first, uint64_t handle, struct dues *dues, uint64_t *more)
{
	const struct fer_pkt *p = &b->pkt[first];
	struct fer_sa *sa = fer_sa_get(host->sas, handle);

	if (sa == NULL || sa->out.template.plain == FER_SA_NOT_PLAIN)
		return frame_any(host, b, first, 0, handle, false, more);
	const struct stretch s = stretch_from(b, first, b->n, handle, fer_pkt_state(p), p->l2_len);
	if (s.n == 0)
		return frame_any(host, b, first, 0, handle, true, more);
	*more |= s.wishes;
	const struct numbers no = take(host, b, sa, s);
	if (likely(no.n != 0))
		add_due(host, b, sa, first, no, no.n > 1 || b->n == 1, dues);
	return first + s.n;
}

// Do three packets in a row want that SA?  Fewer are not worth to be told apart: where SAs take
// turns at random, nobody can foretell it.
static inline bool is_run(const struct fer_batch *b, unsigned i, uint64_t handle)
{
	const struct fer_pkt *p = &b->pkt[i];

	return i + 2 < b->n && ((p[1].handle[0] ^ handle) | (p[2].handle[0] ^ handle)) == 0;
}

// Numbers packet i alone, if it is as most are.
static inline bool number_one(
	struct fer_host *host, struct fer_batch *b, unsigned i, uint64_t handle, struct dues *dues)
{
	struct fer_pkt *p = &b->pkt[i];
	const uint32_t len = p->frame.end - p->l2_len;
	struct fer_sa *sa = fer_sa_get(host->sas, handle);

	if (unlikely(sa == NULL || sa->out.template.plain == FER_SA_NOT_PLAIN ||
		     len > FER_OUTER_PLAIN_BYTES || !fer_life_is_free(sa)))
		return false;
	const uint64_t seq = fer_seq_take_plenty(&sa->out.seq, 1, len);
	if (unlikely(seq == 0))
		return false;
	p->inside[0] = len;
	add_due(host, b, sa, i, (struct numbers){seq, 1}, false, dues);
	return true;
}

// Is it the SA that the burst before began with?  Then others will.
static inline bool comes_again(struct fer_host *host, uint64_t handle)
{
	const uint64_t before = host->work->begun;

	host->work->begun = handle;
	return handle == before;
}

// Frames round 0 of the packets from first on.  Returns what any of them wants behind it.
static uint64_t frame_first(struct fer_host *host, struct fer_batch *b, unsigned first)
{
	struct dues dues;
	uint64_t more = 0;
	unsigned i = first;

	dues.n = 0;
	while (i < b->n) {
		const struct fer_pkt *p = &b->pkt[i];
		const uint64_t handle = p->handle[0];

		if (unlikely(handle == 0)) {
			more |= p->handle[1];
			i++;
		} else if (unlikely(!fer_pkt_alive(p))) {
			i++;
		} else if (unlikely(is_run(b, i, handle)) ||
			   (unlikely(i == 0) && comes_again(host, handle)) ||
			   unlikely(!number_one(host, b, i, handle, &dues))) {
			i = number_run(host, b, i, handle, &dues, &more);
		} else {
			more |= p->handle[1];
			i++;
		}
	}
	put_on_due(host, b, &dues);
	return more;
}

// Frames round k, which is not the first.
static void frame_round(struct fer_host *host, struct fer_batch *b, unsigned k)
{
	uint64_t more = 0;

	for (unsigned i = 0; i < b->n;) {
		uint64_t handle = b->pkt[i].handle[k];

		i = handle == 0 ? i + 1 : frame_any(host, b, i, k, handle, false, &more);
	}
}

// Frames the packets from first on, and what those in front of it want behind round 0.
__attribute__((noinline)) static void frame_others(
	struct fer_host *host, struct fer_batch *b, unsigned first, uint64_t more)
{
	more |= frame_first(host, b, first);
	for (unsigned k = 1; more != 0 && k < FER_POLICY_MAX_GROUPS; k++)
		frame_round(host, b, k);
}

// put_on_run() of one packet.
static inline void put_on_alone(struct fer_host *host, struct fer_batch *b, unsigned i,
	struct fer_outer_run *run, uint64_t seq, uint32_t id)
{
	if (unlikely(!run->is_usual) ||
		unlikely(!fer_outer_put_on_plain(b->m[i], &b->pkt[i], run, true, true, true,
			FER_ETHER_HEADER_BYTES, (uint32_t)seq, (uint16_t)id)))
		put_on_rest(host, b, i, 1, run, seq, id);
}

// Counts a stretch of a run, takes its numbers, and puts headers on.
//   alone  it is one packet
__attribute__((always_inline)) static inline void frame_stretch(struct fer_host *host,
	struct fer_batch *b, struct fer_outer_run *run, struct stretch s, bool alone)
{
	const struct numbers no = take(host, b, run->sa, s);

	if (unlikely(no.n == 0))
		return;
	b->numbered = (struct fer_numbered){run->handle, no.first + no.n - 1};
	const uint16_t id = fer_ident_take(run->id_counter, run->id_step, no.n);
	if (alone)
		put_on_alone(host, b, s.first, run, no.first, id);
	else
		put_on_run(host, b, s.first, run, no, id);
}

// Mostly a burst is one stretch of the run that was framed last.
//   n  packets in the burst
__attribute__((always_inline)) static inline void frame_burst(
	struct fer_host *host, struct fer_batch *b, unsigned n)
{
	struct fer_outer_run *run = &host->work->run;
	struct stretch s = {0};

	if (likely(fer_outer_run_lives(run)))
		s = stretch_from(b, 0, n, run->handle, run->state, run->l2_len);
	if (likely(s.n != 0))
		frame_stretch(host, b, run, s, n == 1);
	if (unlikely(s.n < n || s.wishes != 0))
		frame_others(host, b, s.n, s.wishes);
	fer_batch_mark(b, FER_STAGE_FRAME);
}

// Instances of it, of which one knows that there is one packet, and pays for no loop.
__attribute__((noinline)) static void frame_alone(struct fer_host *host, struct fer_batch *b)
{
	frame_burst(host, b, 1);
}

__attribute__((noinline)) static void frame_several(struct fer_host *host, struct fer_batch *b)
{
	frame_burst(host, b, b->n);
}

void fer_frame_out(struct fer_host *host, struct fer_batch *b)
{
	if (b->n == 1)
		frame_alone(host, b);
	else
		frame_several(host, b);
}
