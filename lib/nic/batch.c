// SPDX-License-Identifier: BSD-3-Clause
#include "nic/batch.h"

#include "nic/oob.h"

#include <string.h>

#define OPTIONS_UNIT_BYTES 8

// Do the bytes that headers may lie in stand in one piece?
static bool headers_are_whole(const struct rte_mbuf *m)
{
	return m->data_len >= m->pkt_len || m->data_len >= FER_HEADERS_MAX;
}

static enum fer_verdict parse_ip(const uint8_t *bytes, uint32_t avail, uint32_t end,
	uint16_t ip_off, uint16_t ether_type, struct fer_frame *f)
{
	enum fer_verdict v = FER_NOT_IP;

	if (ether_type == FER_ETHER_TYPE_IPV4 || ether_type == FER_ETHER_TYPE_IPV6)
		v = fer_frame_parse(bytes, avail, end, ip_off, f);
	if (v == FER_OK && fer_ether_type(f->version) != ether_type)
		v = FER_BAD_IP;
	return v;
}

// Parses a frame of which the first avail bytes can be read.
static void parse_frame(struct fer_batch *b, unsigned i, const uint8_t *bytes, uint32_t avail)
{
	struct fer_pkt *p = &b->pkt[i];
	enum fer_verdict v = FER_NOT_IP;
	struct fer_l2 l2;

	if (fer_l2_parse((enum fer_link)b->link, bytes, avail, &l2)) {
		p->type_off = l2.type_off;
		p->l2_len = l2.len;
		v = parse_ip(bytes, avail, b->m[i]->pkt_len, l2.len, l2.type, &p->frame);
	}
	if (v != FER_OK)
		p->frame.version = 0;
	p->parsed = (uint8_t)v;
	p->pending = v == FER_OK && fer_pkt_shows_layer(p);
}

static void parse_inner(
	struct fer_pkt *p, const uint8_t *bytes, uint32_t avail, uint16_t ip_off, uint32_t end)
{
	p->parsed = (uint8_t)fer_frame_parse(bytes, avail, end, ip_off, &p->frame);
	if (p->parsed != FER_OK)
		p->frame.version = 0;
}

// The same of headers that stand in pieces, from a copy.
__attribute__((noinline)) static void parse_frame_in_pieces(struct fer_batch *b, unsigned i)
{
	uint8_t room[FER_HEADERS_MAX];
	uint32_t n = RTE_MIN(b->m[i]->pkt_len, (uint32_t)FER_HEADERS_MAX);

	parse_frame(b, i, rte_pktmbuf_read(b->m[i], 0, n, room), n);
}

__attribute__((noinline)) static void parse_inner_in_pieces(
	const struct rte_mbuf *m, struct fer_pkt *p, uint16_t ip_off, uint32_t end)
{
	uint8_t room[FER_HEADERS_MAX];
	uint32_t n = RTE_MIN(m->pkt_len, (uint32_t)FER_HEADERS_MAX);

	parse_inner(p, rte_pktmbuf_read(m, 0, n, room), n, ip_off, end);
}

static inline void parse_one(struct fer_batch *b, unsigned i)
{
	const struct rte_mbuf *m = b->m[i];

	if (likely(headers_are_whole(m)))
		parse_frame(b, i, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	else
		parse_frame_in_pieces(b, i);
}

void fer_batch_parse_one(struct fer_batch *b, unsigned i)
{
	parse_one(b, i);
	b->pkt[i].like = 0;
	if (i + 1u < b->n)
		b->pkt[i + 1].like = 0;
}

void fer_batch_parse_inner(struct fer_batch *b, unsigned i, uint16_t ip_off, uint32_t end)
{
	const struct rte_mbuf *m = b->m[i];

	if (likely(headers_are_whole(m)))
		parse_inner(
			&b->pkt[i], rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, ip_off, end);
	else
		parse_inner_in_pieces(m, &b->pkt[i], ip_off, end);
}

void fer_batch_pass_options(struct fer_batch *b, unsigned i)
{
	struct fer_frame *f = &b->pkt[i].frame;
	uint32_t at = f->up_off, next_off = f->up_next_off;
	uint8_t type = f->protocol;

	while (type == FER_PROTO_DSTOPTS) {
		uint8_t room[2];
		const uint8_t *header = at + OPTIONS_UNIT_BYTES <= f->end
						? rte_pktmbuf_read(b->m[i], at, sizeof(room), room)
						: NULL;

		if (header == NULL)
			return;
		type = header[0];
		next_off = at;
		at += (header[1] + 1u) * OPTIONS_UNIT_BYTES;
		if (at > FER_HEADERS_MAX)
			return;
	}
	if (type != FER_PROTO_ESP || at > f->end)
		return;
	f->up_off = (uint16_t)at;
	f->up_next_off = (uint16_t)next_off;
	f->protocol = type;
}

// Resets what is known of a packet, but for its frame and where that stands.
static inline void reset_pkt(struct fer_pkt *p)
{
	p->verdict = FER_OK;
	p->n_layers = 0;
	p->class = 0;
	p->handle[0] = p->handle[1] = 0;
	p->inside[0] = p->inside[1] = 0;
}

#define PLAIN_BYTES (FER_ETHER_HEADER_BYTES + FER_FRAME_IPV4_LEAST)

static_assert(offsetof(struct fer_pkt, type_off) == 32 && offsetof(struct fer_pkt, l2_len) == 34 &&
		      offsetof(struct fer_pkt, pending) == 36 &&
		      offsetof(struct fer_pkt, like) == 37 &&
		      offsetof(struct fer_pkt, handle) == 40,
	"the rest is a word");

// What is known of a plain packet behind its frame, from type_off on.
static inline uint64_t rest_of_plain(bool pending, uint8_t like)
{
	return FER_ETHER_TYPE_OFF | FER_ETHER_HEADER_BYTES << 16 | (uint64_t)pending << 32 |
	       (uint64_t)like << 40;
}

static inline void start_with(struct fer_pkt *p, uint64_t rest)
{
	const fer_pair pair = {rest, 0}, none = {0, 0};

	p->verdict = p->parsed = FER_OK;
	p->n_layers = 0;
	p->class = 0;
	memcpy(&p->type_off, &pair, sizeof(pair));
	memcpy(&p->handle[1], &none, sizeof(none));
}

static_assert(offsetof(struct fer_pkt, handle[1]) == offsetof(struct fer_pkt, type_off) + 16 &&
		      sizeof(struct fer_pkt) == offsetof(struct fer_pkt, handle[1]) + 16,
	"two pairs to the end");

// Have two headers of one version the same addresses?
static inline bool same_addresses(const uint8_t *ip, const uint8_t *other, uint8_t version)
{
	uint64_t differs = 0;

	if (version == 4)
		return fer_load_word(ip + 12) == fer_load_word(other + 12);
	for (unsigned at = 8; at < FER_IPV6_HEADER_BYTES; at += sizeof(differs))
		differs |= fer_load_word(ip + at) ^ fer_load_word(other + at);
	return differs == 0;
}

// How packet i, of which anything may be known, is like the one before it.
static inline uint8_t like_before(const struct fer_batch *b, unsigned i)
{
	if (i == 0)
		return 0;
	const struct fer_pkt *p = &b->pkt[i], *before = &b->pkt[i - 1];
	if (p->parsed != FER_OK || before->parsed != FER_OK ||
		fer_frame_selector(&p->frame) != fer_frame_selector(&before->frame) ||
		p->frame.up_off > b->m[i]->data_len || before->frame.up_off > b->m[i - 1]->data_len)
		return 0;
	return same_addresses(rte_pktmbuf_mtod_offset(b->m[i], const uint8_t *, p->frame.ip_off),
		       rte_pktmbuf_mtod_offset(b->m[i - 1], const uint8_t *, before->frame.ip_off),
		       p->frame.version)
		       ? FER_LIKE_FLOW
		       : 0;
}

// Starts packet i if it is plain IPv4: without options, on Ethernet without tags.  False: it is
// not, and nothing is set.
static inline bool start_ipv4(struct fer_batch *b, unsigned i, const uint8_t *bytes)
{
	const uint32_t avail = b->m[i]->data_len, end = b->m[i]->pkt_len;
	struct fer_pkt *p = &b->pkt[i];

	if (b->link != FER_LINK_ETHERNET || avail < PLAIN_BYTES ||
		fer_load_be16(bytes + FER_ETHER_TYPE_OFF) != FER_ETHER_TYPE_IPV4)
		return false;
	const uint64_t kind =
		fer_frame_parse_plain_ipv4(bytes, avail, end, FER_ETHER_HEADER_BYTES, &p->frame);
	if (unlikely(kind == 0))
		return false;
	start_with(p, rest_of_plain((kind & FER_FRAME_KIND_LAYER) != 0, 0));
	return true;
}

// The same of IPv6.
static inline bool start_ipv6(struct fer_batch *b, unsigned i, const uint8_t *bytes)
{
	const uint32_t avail = b->m[i]->data_len, end = b->m[i]->pkt_len;
	struct fer_pkt *p = &b->pkt[i];

	if (b->link != FER_LINK_ETHERNET || avail < PLAIN_BYTES ||
		fer_load_be16(bytes + FER_ETHER_TYPE_OFF) != FER_ETHER_TYPE_IPV6)
		return false;
	const uint64_t kind =
		fer_frame_parse_plain_ipv6(bytes, avail, end, FER_ETHER_HEADER_BYTES, &p->frame);
	if (kind == 0)
		return false;
	start_with(p, rest_of_plain((kind & FER_FRAME_KIND_LAYER) != 0, 0));
	p->like = like_before(b, i);
	return true;
}

// Starts any packet.
__attribute__((noinline)) static void start_other(struct fer_batch *b, unsigned i)
{
	struct fer_pkt *p = &b->pkt[i];

	reset_pkt(p);
	parse_one(b, i);
	p->like = like_before(b, i);
}

// What is gathered over the frames of a burst.
struct sight {
	uint64_t flags;
	uint32_t counts; // of references, and of segments
	bool has_other;  // one is not plain
};

// Those of one frame that came from a port.
static inline void greet(struct rte_mbuf *m, struct sight *sight)
{
	uint32_t counts;

	static_assert(offsetof(struct rte_mbuf, nb_segs) == offsetof(struct rte_mbuf, refcnt) + 2,
		"both in one word");
	memcpy(&counts, (const uint8_t *)m + offsetof(struct rte_mbuf, refcnt), sizeof(counts));
	sight->counts |= counts;
	sight->flags |= m->ol_flags;
	fer_oob_clear(m);
}

// Starts the packets from i on that are like the one before them, which is plain IPv4.  Returns the
// first that is not.
static inline unsigned start_alike(
	struct fer_batch *b, unsigned i, bool greets, struct sight *sight)
{
	const uint64_t rest =
		rest_of_plain(b->pkt[i - 1].pending != 0, FER_LIKE_FLOW | FER_LIKE_START);
	const struct fer_frame_words words =
		fer_frame_words_of(FER_ETHER_HEADER_BYTES, FER_IPV4_HEADER_BYTES,
			FER_FRAME_IPV4_NEXT, fer_frame_selector(&b->pkt[i - 1].frame));
	const uint8_t *before = rte_pktmbuf_mtod(b->m[i - 1], const uint8_t *);
	const struct fer_frame_model model =
		fer_frame_model_of(before + FER_ETHER_HEADER_BYTES, &words);

	for (unsigned n = b->n; i < n; i++) {
		struct rte_mbuf *m = b->m[i];
		struct fer_pkt *p = &b->pkt[i];
		const uint8_t *ip =
			rte_pktmbuf_mtod_offset(m, const uint8_t *, FER_ETHER_HEADER_BYTES);

		if (greets)
			greet(m, sight);
		if (m->data_len < PLAIN_BYTES || !fer_frame_is_like(ip, &model) ||
			unlikely(!fer_frame_write_like(&p->frame, ip, m->pkt_len, &model)))
			break;
		start_with(p, rest);
	}
	return i;
}

// Starts packet i.  Returns its bytes if it is plain IPv4, else NULL.
static inline const uint8_t *start_one(
	struct fer_batch *b, unsigned i, bool greets, struct sight *sight)
{
	struct rte_mbuf *m = b->m[i];
	const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);

	if (greets)
		greet(m, sight);
	if (likely(start_ipv4(b, i, bytes)))
		return bytes;
	if (!start_ipv6(b, i, bytes)) {
		start_other(b, i);
		sight->has_other = true;
	}
	return NULL;
}

// Fetches the first bytes of every packet but the first.
static inline void fetch(const struct fer_batch *b)
{
	for (unsigned i = 1, n = b->n; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(b->m[i], void *));
}

// How a plain IPv4 packet is like the one before it, which is plain too.  Nobody could predict it
// where flows take turns.
static inline uint8_t like_plain(const uint8_t *bytes, const uint8_t *before)
{
	const unsigned back = FER_ETHER_HEADER_BYTES + FER_FRAME_BACK_OFF;
	const bool agrees =
		fer_frame_backs_agree(fer_load_pair(bytes + back), fer_load_pair(before + back));

	return (uint8_t)(agrees * (FER_LIKE_FLOW | FER_LIKE_START));
}

// So many packets that each are like the one before promise more of them, which a model pays for.
#define RUN_BEGINS 0x7u

// Starts the packets behind the first one, for which start_one() returned before.  Adds them to
// what was seen.
__attribute__((always_inline)) static inline struct sight start_others(
	struct fer_batch *b, const uint8_t *before, bool greets, struct sight sight)
{
	// A bit for each packet, the last is lowest: is it like the one before?  A burst may be a
	// run.
	uint32_t alike = before == NULL ? 0 : RUN_BEGINS;

	fetch(b);
	for (unsigned i = 1, n = b->n; i < n; i++) {
		if (unlikely((alike & RUN_BEGINS) == RUN_BEGINS)) {
			i = start_alike(b, i, greets, &sight);
			if (i == n)
				break;
			before = rte_pktmbuf_mtod(b->m[i - 1], const uint8_t *);
		}
		const uint8_t *bytes = start_one(b, i, greets, &sight);

		alike <<= 1;
		if (likely(bytes != NULL && before != NULL)) {
			const uint8_t like = like_plain(bytes, before);

			b->pkt[i].like = like;
			alike |= like & FER_LIKE_FLOW;
		}
		before = bytes;
	}
	return sight;
}

// Instances of it, of which each knows whether the frames came from a port.
__attribute__((noinline)) static void parse_others(struct fer_batch *b, const uint8_t *before)
{
	(void)start_others(b, before, false, (struct sight){0});
}

__attribute__((noinline)) static struct sight greet_others(
	struct fer_batch *b, const uint8_t *before, struct sight sight)
{
	return start_others(b, before, true, sight);
}

static inline void reset(struct fer_batch *b)
{
	b->mtu = 0;
	b->n_more = b->n_side = 0;
}

void fer_batch_parse(struct fer_batch *b)
{
	struct sight sight = {0};

	reset(b);
	if (b->n != 0) {
		const uint8_t *first = start_one(b, 0, false, &sight);
		if (b->n > 1)
			parse_others(b, first);
	}
	fer_batch_mark(b, FER_STAGE_PARSE);
}

struct fer_arrival fer_batch_arrive(struct fer_batch *b)
{
	struct sight sight = {0};

	reset(b);
	if (b->n != 0) {
		const uint8_t *first = start_one(b, 0, true, &sight);
		if (b->n > 1)
			sight = greet_others(b, first, sight);
	}
	fer_batch_mark(b, FER_STAGE_PARSE);
	return (struct fer_arrival){
		.flags = sight.flags,
		.is_odd = (sight.counts & ~0x00010001u) != 0,
		.has_other = sight.has_other,
	};
}

// Pinned external memory is that of the pool: it comes and goes with the segment.
static bool segment_is_shared(const struct rte_mbuf *s)
{
	if (rte_mbuf_refcnt_read(s) != 1 || RTE_MBUF_CLONED(s))
		return true;
	if (likely(!RTE_MBUF_HAS_EXTBUF(s)))
		return false;
	return !RTE_MBUF_HAS_PINNED_EXTBUF(s) || rte_mbuf_ext_refcnt_read(s->shinfo) != 1;
}

static bool is_shared(const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		if (segment_is_shared(m))
			return true;
	return false;
}

void fer_batch_own(struct fer_batch *b, struct rte_mempool *pool)
{
	for (unsigned i = 0; i < b->n; i++) {
		if (likely(!is_shared(b->m[i])))
			continue;
		struct rte_mbuf *copy = rte_pktmbuf_copy(b->m[i], pool, 0, UINT32_MAX);
		if (copy == NULL) {
			b->pkt[i].verdict = FER_NO_ROOM;
			continue;
		}
		rte_pktmbuf_free(b->m[i]);
		b->m[i] = copy;
	}
}
