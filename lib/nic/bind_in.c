// SPDX-License-Identifier: BSD-3-Clause
#include "nic/bind_lookup.h"

#include "crypto/engine.h"
#include "nic/crypt.h"

// Appends the receipt of the layer that was found, whose header is head_bytes long.
static void add_layer(struct fer_batch *b, unsigned i, uint8_t udp_bytes, uint32_t head_bytes,
	const struct fer_sa *sa, enum fer_verdict v, uint64_t seq)
{
	struct fer_pkt *p = &b->pkt[i];
	const struct fer_frame *f = &p->frame;
	uint16_t sec_off = f->up_off + udp_bytes;

	b->round[p->n_layers++][i] = (struct fer_layer){
		.seq = seq,
		.sa = sa->index,
		.generation = atomic_load_explicit(&sa->generation, memory_order_relaxed),
		.ip_off = f->ip_off,
		.next_off = f->up_next_off,
		.sec_off = sec_off,
		.pay_off = (uint16_t)(sec_off + head_bytes),
		.end = f->end,
		.verdict = (uint8_t)v,
	};
	p->pending = v == FER_OK;
}

// Is there room for the number of ESP, or for the header that AH says it is?
static bool is_complete(const struct fer_frame *f, const struct fer_bind_header *h,
	const struct fer_sa *sa, uint32_t head_bytes)
{
	uint32_t left = f->end - f->up_off;

	if (likely(sa->protocol == FER_PROTO_ESP))
		return left >= (uint32_t)h->udp_bytes + FER_ESP_HEADER_BYTES && !h->is_unsound;
	return head_bytes >= sa->suite.around_bytes && head_bytes <= left;
}

// The AH that the layer outside this one is, if it is that of a bundle; FER_NO_SA_INDEX else.
static uint32_t bundle_around(const struct fer_nic *nic, const struct fer_batch *b, unsigned i)
{
	if (likely(b->pkt[i].n_layers == 0))
		return FER_NO_SA_INDEX;
	uint32_t index = b->round[b->pkt[i].n_layers - 1][i].sa;
	return fer_sa_is_outside(fer_sa_at(nic->sas, index)) ? index : FER_NO_SA_INDEX;
}

// ESP of a bundle stands inside its AH and nowhere else, and nothing else stands there.
static bool is_in_its_place(
	const struct fer_nic *nic, const struct fer_batch *b, unsigned i, const struct fer_sa *sa)
{
	uint32_t wanted = sa->protocol == FER_PROTO_ESP ? sa->partner : FER_NO_SA_INDEX;

	return bundle_around(nic, b, i) == wanted;
}

// May the layer that a header shows be opened?  Asks the window for its number.
static enum fer_verdict judge(const struct fer_nic *nic, const struct fer_batch *b,
	const struct fer_bind_header *h, const struct fer_sa *sa, uint32_t head_bytes,
	uint64_t *seq)
{
	if (!is_complete(&b->pkt[h->at].frame, h, sa, head_bytes))
		return FER_BAD_SYNTAX;
	if (!is_in_its_place(nic, b, h->at, sa))
		return FER_BAD_PROTOCOL;
	return fer_replay_check(&sa->in.replay, h->seq_lo, seq);
}

// Is the header in UDP where the SA has it, and only there?
static bool has_its_udp(
	const struct fer_pkt *p, const struct fer_bind_header *h, const struct fer_sa *sa)
{
	unsigned wanted = p->n_layers == 0 ? FER_UDP_OUTSIDE : FER_UDP_INSIDE;

	if (likely((sa->udp_at & wanted) == 0))
		return h->udp_bytes == 0;
	return h->udp_bytes != 0 && p->frame.dport == sa->udp_port;
}

// Gives a packet of any kind its receipt, and makes a job of it.  False: its layer is not to be
// opened.
static bool bind_one(struct fer_nic *nic, struct fer_batch *b, const struct fer_bind_header *h,
	const struct fer_sa *sa)
{
	struct fer_pkt *p = &b->pkt[h->at];
	uint64_t seq = h->seq_lo;

	p->pending = 0;
	if (p->n_layers == FER_MAX_ROUNDS) {
		p->verdict = FER_TOO_DEEP;
		return false;
	}
	if (!has_its_udp(p, h, sa)) {
		p->verdict = FER_WRONG_UDP;
		return false;
	}
	bool is_ah = sa->protocol == FER_PROTO_AH;
	uint32_t head_bytes = is_ah ? fer_ah_stated_bytes(h->ah) : sa->head_bytes;
	enum fer_verdict v = judge(nic, b, h, sa, head_bytes, &seq);
	add_layer(b, h->at, h->udp_bytes, head_bytes, sa, v, seq);
	if (is_ah)
		fer_pkt_last_layer(b, h->at)->next_header = h->ah[0];
	return v == FER_OK && fer_crypt_add(nic, b, h->at, sa);
}

// Are the layers of an SA as most are: not in UDP, part of no bundle?
static inline bool is_plain_sa(const struct fer_sa *sa)
{
	return sa->partner == FER_NO_SA_INDEX && sa->udp_at == 0;
}

// What the layers of a plain run have in common.
struct common {
	uint64_t handle, places; // fer_layer_handle(), fer_layer_places()
	uint8_t next_header;     // of AH
};

//   header  of that protocol, the first of the run
static inline struct common common_of(
	const struct fer_frame *f, const uint8_t *header, const struct fer_sa *sa, uint8_t protocol)
{
	bool is_ah = protocol == FER_PROTO_AH;
	uint32_t head_bytes = is_ah ? fer_ah_stated_bytes(header) : sa->head_bytes;
	const uint32_t generation = atomic_load_explicit(&sa->generation, memory_order_relaxed);

	return (struct common){
		fer_layer_handle_of(sa->index, generation),
		fer_layer_places_of(f->ip_off, f->up_off, f->up_off + head_bytes) |
			(uint64_t)f->up_next_off << 16,
		is_ah ? header[0] : (uint8_t)0,
	};
}

// Do such frames, of one selector, that agree in their offsets have the byte that names their layer
// at one place?  Behind IPv6 extension headers they may not.
static inline bool has_one_place(const struct fer_frame *f)
{
	return f->version == 4 || fer_bind_has_plain_front(f);
}

// Remembers the SA of a plain run that begins with such a frame, if it is not what is remembered.
// Of one that was removed since it was found no burst is taken to be.
static void remember(struct fer_nic_found *found, const struct fer_sa *sa, const struct common *c,
	const struct fer_frame *f, uint8_t protocol)
{
	if (found->sa != sa || found->handle != c->handle) {
		*found = (struct fer_nic_found){.sa = sa,
			.handle = c->handle,
			.window = fer_replay_remember(&sa->in.replay)};
		fer_replay_prefetch(&found->window);
	}
	found->selector[protocol == FER_PROTO_ESP] = 0;
	found->selector[protocol == FER_PROTO_AH] =
		has_one_place(f) && c->handle >> 32 != 0 ? fer_frame_selector(f) : 0;
	found->offsets = fer_frame_offsets(f);
	found->places = c->places;
}

// Looks at the window of the SA that is remembered.
__attribute__((noinline)) static struct fer_replay_look look_again(struct fer_nic_found *found)
{
	found->window = fer_replay_remember(&found->sa->in.replay);
	fer_replay_prefetch(&found->window);
	return fer_replay_look(&found->sa->in.replay);
}

// The same for a run that begins with that number, if it has to be done.
static inline struct fer_replay_look look_for(struct fer_nic_found *found, uint32_t lo)
{
	return likely(fer_replay_recalls(&found->window, lo)) ? fer_replay_recall(&found->window)
							      : look_again(found);
}

// What the window says to a number.
struct answer {
	uint64_t seq;
	enum fer_verdict verdict;
};

// The same of a number that may lie in the window or left of it.
__attribute__((noinline)) static struct answer ask_window(const struct fer_sa *sa, uint32_t lo)
{
	struct answer a = {.seq = lo};

	a.verdict = fer_replay_check_any(&sa->in.replay, lo, &a.seq);
	return a;
}

// Gives a packet of a plain run its receipt.  False: its layer is not to be opened.
static inline bool write_receipt(struct fer_pkt *p, struct fer_layer *layer, const struct common *c,
	const struct answer *a, uint8_t protocol)
{
	fer_layer_write(layer, a->seq, c->handle, c->places, p->frame.end);
	if (protocol == FER_PROTO_AH)
		layer->next_header = c->next_header;
	p->n_layers = 1;
	if (likely(a->verdict == FER_OK))
		return true;
	layer->verdict = (uint8_t)a->verdict;
	p->pending = 0;
	return false;
}

static inline void write_job(
	struct fer_job *job, const struct fer_sa *sa, uint8_t *start, uint32_t len, uint64_t seq)
{
	job->start = start;
	job->suite = &sa->suite;
	job->key = fer_sa_key(sa);
	job->len = len;
	job->seq_hi = (uint32_t)(seq >> 32);
}

// Binds the packets from first to end, a plain run of that protocol, after that look at the window
// of their SA.
//   most  becomes the highest number that was passed on, if that is more than what it is
// Returns how many are to be opened.
__attribute__((always_inline)) static inline unsigned bind_alike(struct fer_nic *nic,
	struct fer_batch *b, unsigned first, unsigned end, const struct fer_sa *sa,
	const struct common c, const struct fer_replay_look look, uint64_t *most, uint8_t protocol)
{
	const bool is_ah = protocol == FER_PROTO_AH;
	const uint32_t ip_off = (uint16_t)c.places, sec_off = (uint16_t)(c.places >> 32),
		       pay_off = (uint16_t)(c.places >> 48);
	const bool has_room = !is_ah || pay_off - sec_off >= sa->suite.around_bytes;
	const uint32_t seq_off = sec_off + fer_bind_spi_off(protocol) + 4;
	const struct fer_crypt_room room = fer_crypt_room(nic->crypt);
	const uint32_t front_bytes = is_ah ? sec_off - ip_off : 0;
	uint64_t highest = *most;
	struct fer_job *job = room.job;
	uint16_t *at = room.at;

	for (unsigned i = first; i < end; i++) {
		struct fer_pkt *p = &b->pkt[i];
		struct fer_layer *layer = &b->round[0][i];
		uint8_t *bytes = rte_pktmbuf_mtod(b->m[i], uint8_t *);
		const uint32_t lo = fer_load_be32(bytes + seq_off), sec_end = p->frame.end;
		struct answer a = {look.high | lo, FER_OK};

		if (is_ah && unlikely(!has_room || pay_off > sec_end))
			a = (struct answer){lo, FER_BAD_SYNTAX};
		else if (unlikely(a.seq <= look.left))
			a = ask_window(sa, lo);
		if (unlikely(!write_receipt(p, layer, &c, &a, protocol)))
			continue;
		highest = RTE_MAX(highest, a.seq);
		write_job(job, sa, bytes + sec_off - front_bytes, sec_end - sec_off + front_bytes,
			a.seq);
		job++;
		*at++ = (uint16_t)i;
	}
	const unsigned n = (unsigned)(at - room.at);
	if (is_ah)
		fer_crypt_fill_ah(nic->crypt, n, sa, front_bytes);
	else
		fer_crypt_fill(nic->crypt, n);
	*most = highest;
	return n;
}

// The same of ESP of the SA that is remembered.
__attribute__((always_inline)) static inline unsigned bind_found_esp(
	struct fer_nic *nic, struct fer_batch *b, unsigned end)
{
	struct fer_nic_found *found = &nic->found;
	const struct common c = {found->handle, found->places, 0};
	const struct fer_replay_look look =
		look_for(found, fer_bind_number_of(b, 0, FER_PROTO_ESP));

	return bind_alike(
		nic, b, 0, end, found->sa, c, look, &found->window.highest, FER_PROTO_ESP);
}

// The same of AH.
__attribute__((noinline)) static unsigned bind_plain_ah(struct fer_nic *nic, struct fer_batch *b,
	const struct fer_bind_run *r, const struct fer_sa *sa, const struct common *c,
	const struct fer_replay_look *look, uint64_t *most)
{
	return bind_alike(nic, b, r->first, r->end, sa, *c, *look, most, FER_PROTO_AH);
}

// What a plain run of that SA has in common.
static inline struct common common_of_run(const struct fer_batch *b, const struct fer_bind_run *r,
	const struct fer_sa *sa, uint8_t protocol)
{
	const struct fer_frame *f = &b->pkt[r->first].frame;

	return common_of(f, rte_pktmbuf_mtod_offset(b->m[r->first], const uint8_t *, f->up_off), sa,
		protocol);
}

// Binds a run that is not what most are.  Returns as above.
__attribute__((noinline)) static unsigned bind_run_any(struct fer_nic *nic, struct fer_batch *b,
	const struct fer_bind_lookup *l, const struct fer_bind_run *r, const struct fer_sa *sa)
{
	unsigned n = 0;

	for (unsigned j = r->first; j < r->end; j++) {
		const struct fer_bind_header h = fer_bind_header_of(b, l, r, j);
		n += bind_one(nic, b, &h, sa);
	}
	return n;
}

// The same as bind_alike() for packet i alone, which is plain and of a plain SA, where nothing is
// remembered.
__attribute__((always_inline)) static inline unsigned bind_alone(struct fer_nic *nic,
	struct fer_batch *b, unsigned i, const struct fer_sa *sa, uint8_t protocol)
{
	const bool is_ah = protocol == FER_PROTO_AH;
	struct fer_pkt *p = &b->pkt[i];
	const uint32_t sec_off = p->frame.up_off, end = p->frame.end;
	uint8_t *header = rte_pktmbuf_mtod_offset(b->m[i], uint8_t *, sec_off);
	const struct common c = common_of(&p->frame, header, sa, protocol);
	const struct fer_replay_look look = fer_replay_look(&sa->in.replay);
	const uint32_t lo = fer_load_be32(header + fer_bind_spi_off(protocol) + 4),
		       head_bytes = (uint16_t)(c.places >> 48) - sec_off,
		       front_bytes = is_ah ? sec_off - p->frame.ip_off : 0;
	const struct fer_crypt_room room = fer_crypt_room(nic->crypt);
	struct answer a = {look.high | lo, FER_OK};

	fer_replay_prefetch_top(&sa->in.replay, look.left);
	if (is_ah && unlikely(head_bytes < sa->suite.around_bytes || sec_off + head_bytes > end))
		a = (struct answer){lo, FER_BAD_SYNTAX};
	else if (unlikely(a.seq <= look.left))
		a = ask_window(sa, lo);
	if (unlikely(!write_receipt(p, &b->round[0][i], &c, &a, protocol)))
		return 0;
	write_job(room.job, sa, header - front_bytes, end - sec_off + front_bytes, a.seq);
	*room.at = (uint16_t)i;
	if (is_ah)
		fer_crypt_fill_ah(nic->crypt, 1, sa, front_bytes);
	else
		fer_crypt_fill(nic->crypt, 1);
	return 1;
}

// Binds a plain run of more than one packet of a plain SA.  Returns as above.
__attribute__((noinline)) static unsigned bind_plain_run(struct fer_nic *nic, struct fer_batch *b,
	const struct fer_bind_run *r, const struct fer_sa *sa)
{
	const struct common c = common_of_run(b, r, sa, sa->protocol);
	const struct fer_replay_look look = fer_replay_look(&sa->in.replay);
	uint64_t most = 0;

	fer_replay_prefetch_top(&sa->in.replay, look.left);
	if (likely(sa->protocol == FER_PROTO_ESP))
		return bind_alike(nic, b, r->first, r->end, sa, c, look, &most, FER_PROTO_ESP);
	return bind_plain_ah(nic, b, r, sa, &c, &look, &most);
}

// Binds a plain packet of AH that is alone.  Returns as above.
__attribute__((noinline)) static unsigned bind_ah_alone(
	struct fer_nic *nic, struct fer_batch *b, unsigned i, const struct fer_sa *sa)
{
	return bind_alone(nic, b, i, sa, FER_PROTO_AH);
}

// Binds any run.  Returns as above.  Where there are several, most are of one packet.
__attribute__((always_inline)) static inline unsigned bind_run(struct fer_nic *nic,
	struct fer_batch *b, const struct fer_bind_lookup *l, const struct fer_bind_run *r,
	const struct fer_sa *sa)
{
	const unsigned first = r->first;

	if (unlikely(!r->is_plain || !is_plain_sa(sa)))
		return bind_run_any(nic, b, l, r, sa);
	if (unlikely(r->end != first + 1))
		return bind_plain_run(nic, b, r, sa);
	return likely(sa->protocol == FER_PROTO_ESP) ? bind_alone(nic, b, first, sa, FER_PROTO_ESP)
						     : bind_ah_alone(nic, b, first, sa);
}

// Binds a plain run that is all of a burst, and remembers its SA, which is plain.  Returns as
// above.
__attribute__((noinline)) static unsigned bind_all(
	struct fer_nic *nic, struct fer_batch *b, const struct fer_sa *sa)
{
	const struct fer_bind_run r = {true, 0, b->n};
	const uint8_t protocol = sa->protocol;
	const struct common c = common_of_run(b, &r, sa, protocol);

	remember(&nic->found, sa, &c, &b->pkt[0].frame, protocol);
	if (protocol == FER_PROTO_ESP)
		return bind_found_esp(nic, b, b->n);
	const struct fer_replay_look look =
		look_for(&nic->found, fer_bind_number_of(b, 0, protocol));
	return bind_plain_ah(nic, b, &r, sa, &c, &look, &nic->found.window.highest);
}

// Packets without an SA may have the SPI and destination of one of the other protocol: the contract
// has a status for them.
//   missing  the runs, of which there are n
__attribute__((noinline)) static void bind_other_protocol(struct fer_nic *nic, struct fer_batch *b,
	const struct fer_bind_lookup *l, const uint8_t missing[], unsigned n)
{
	const struct fer_sa *sa[FER_SA_FIND_MAX];

	fer_bind_look_up_other_protocol(l, nic, missing, n, sa);
	for (unsigned k = 0; k < n; k++) {
		const struct fer_bind_run *r = &l->run[missing[k]];

		for (unsigned j = r->first; j < r->end; j++) {
			const struct fer_bind_header h = fer_bind_header_of(b, l, r, j);

			b->pkt[h.at].pending = 0;
			if (sa[k] != NULL && b->pkt[h.at].n_layers < FER_MAX_ROUNDS)
				add_layer(
					b, h.at, h.udp_bytes, 0, sa[k], FER_BAD_PROTOCOL, h.seq_lo);
		}
	}
}

// Is what was looked up one plain run that is all of the burst, of a plain SA?
static inline bool is_all_plain(const struct fer_bind_lookup *l, const struct fer_batch *b)
{
	return unlikely(l->n_runs == 1) && l->run[0].is_plain &&
	       l->run[0].end - l->run[0].first == b->n && l->sa[0] != NULL && is_plain_sa(l->sa[0]);
}

// Binds what was looked up.  Returns how many packets are to be opened.
static unsigned bind_looked_up(
	struct fer_nic *nic, struct fer_batch *b, const struct fer_bind_lookup *l)
{
	unsigned n_bound = 0, n_missing = 0;
	uint8_t missing[FER_SA_FIND_MAX];

	if (is_all_plain(l, b))
		return bind_all(nic, b, l->sa[0]);
	nic->found.window.holds = false; // numbers pass by it
	for (unsigned r = 0; r < l->n_runs; r++) {
		if (unlikely(l->sa[r] == NULL))
			missing[n_missing++] = (uint8_t)r;
		else
			n_bound += bind_run(nic, b, l, &l->run[r], l->sa[r]);
	}
	if (unlikely(n_missing != 0))
		bind_other_protocol(nic, b, l, missing, n_missing);
	return n_bound;
}

// Binds packets from first on.  Returns how many are to be opened.
__attribute__((noinline)) static unsigned bind_others(
	struct fer_nic *nic, struct fer_batch *b, unsigned first)
{
	struct fer_bind_lookup l;
	unsigned n_bound = 0;

	for (unsigned i = first; i < b->n;) {
		i = fer_bind_look_up(&l, nic, b, i);
		if (likely(l.n_runs > 0))
			n_bound += bind_looked_up(nic, b, &l);
	}
	return n_bound;
}

// Binds the packets of AH that a burst begins with, if they are of the SA that is remembered.
//   end  becomes the first packet behind them
// Returns how many are to be opened.
static unsigned bind_found_ah(struct fer_nic *nic, struct fer_batch *b, unsigned *end)
{
	struct fer_nic_found *found = &nic->found;

	if (!fer_bind_begins_as_found(found, b, FER_PROTO_AH) || !fer_bind_is_plain_ah(b, 0))
		return 0;
	*end = fer_bind_end_of_ah(b, 0, found->sa->spi);
	const struct fer_bind_run r = {true, 0, (uint16_t)*end};
	const struct common c = common_of_run(b, &r, found->sa, FER_PROTO_AH);
	const struct fer_replay_look look = look_for(found, fer_bind_number_of(b, 0, FER_PROTO_AH));
	return bind_plain_ah(nic, b, &r, found->sa, &c, &look, &found->window.highest);
}

// Binds a burst that does not begin with ESP of the SA that is remembered.  Returns as above.
__attribute__((noinline)) static unsigned bind_any(struct fer_nic *nic, struct fer_batch *b)
{
	unsigned end = 0, n_bound = bind_found_ah(nic, b, &end);

	return end == b->n ? n_bound : n_bound + bind_others(nic, b, end);
}

// Mostly a burst is one run of the SA that is remembered.
unsigned fer_bind_in(struct fer_nic *nic, struct fer_batch *b)
{
	unsigned n_bound;

	nic->n_answered = 0;
	fer_crypt_start(nic->crypt);
	if (likely(fer_bind_begins_as_found(&nic->found, b, FER_PROTO_ESP))) {
		const unsigned end = fer_bind_end_of_esp(b, 0);

		n_bound = bind_found_esp(nic, b, end);
		if (unlikely(end != b->n))
			n_bound += bind_others(nic, b, end);
	} else {
		n_bound = bind_any(nic, b);
	}
	fer_batch_mark(b, FER_STAGE_BIND);
	return n_bound;
}
