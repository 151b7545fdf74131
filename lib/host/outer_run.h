// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The loop that puts the SA of a run on its packets, inlined where it is known what they are like.

#include "base/bytes.h"
#include "host/outer.h"
#include "host/tunnel.h"
#include "nic/oob.h"
#include "proto/ah.h"

#include <nmmintrin.h>
#include <string.h>

// Moves what stays in front of a gap: mostly a link header, which is two moves that overlap.
static inline void fer_outer_move_front(uint8_t *to, const uint8_t *from, uint32_t n)
{
	uint64_t head, tail;

	if (unlikely(n < sizeof(head) || n > 2 * sizeof(head))) {
		memmove(to, from, n);
		return;
	}
	memcpy(&head, from, sizeof(head));
	memcpy(&tail, from + n - sizeof(tail), sizeof(tail));
	memcpy(to, &head, sizeof(head));
	memcpy(to + n - sizeof(tail), &tail, sizeof(tail));
}

static const uint8_t fer_outer_padding[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// What must be free behind a packet that gets its padding by one store, whatever its length: of
// that store a trailer and the shortest ICV are in the packet.
#define FER_OUTER_SPARE_BYTES                                                                      \
	((uint32_t)sizeof(fer_outer_padding) - FER_ESP_TRAILER_BYTES - FER_SA_PLAIN_ICV_BYTES)

// The same for such a packet, of which slot 12 says both.
static inline void fer_outer_write_tail(uint8_t *at, uint64_t pad_len, uint32_t slot12)
{
	memcpy(at, fer_outer_padding, sizeof(fer_outer_padding));
	fer_store_be16(at + pad_len, (uint16_t)slot12);
}

// One move, of an Ethernet header and a bit of what it stands in front of.
#define FER_OUTER_LINK_BYTES 16
#define FER_OUTER_IN_FRONT (FER_OUTER_LINK_BYTES - FER_ETHER_HEADER_BYTES) // or in front of it

// Moves a link header to the front of its packet, and says in it what follows.
static inline void fer_outer_move_link(uint8_t *to, const uint8_t *from, uint32_t l2_len, bool v4)
{
	if (l2_len == FER_ETHER_HEADER_BYTES)
		memcpy(to, from, FER_OUTER_LINK_BYTES); // the outer header comes over the rest
	else
		fer_outer_move_front(to, from, l2_len);
	if (likely(l2_len > 0))
		fer_store_be16(to + l2_len - sizeof(uint16_t), fer_ether_type(v4 ? 4 : 6));
}

// The frame that an outer header makes.
static inline struct fer_frame_words fer_outer_frame_words(
	uint32_t l2_len, bool v4, uint8_t protocol)
{
	return fer_frame_words_of((uint16_t)l2_len,
		v4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES,
		v4 ? FER_FRAME_IPV4_NEXT : FER_FRAME_IPV6_NEXT,
		fer_frame_bare_selector(protocol, v4 ? 4 : 6));
}

// fer_outer_run_init(); inlined where it is known what they are like, and no more is made of it
// than is used.
__attribute__((always_inline)) static inline struct fer_outer_run fer_outer_run_of(
	struct fer_sa *sa, uint64_t handle, const struct fer_pkt *p, bool v4, bool esp,
	uint32_t l2_len, struct fer_ident *ident)
{
	const struct fer_sa_template *t = &sa->out.template;
	const uint32_t growth = fer_outer_growth(sa);

	return (struct fer_outer_run){
		.handle = handle,
		.state = fer_pkt_state(p),
		.sa = sa,
		.l2_len = l2_len,
		.is_usual = l2_len == FER_ETHER_HEADER_BYTES && v4 && esp,
		.id_counter = fer_ident_counter(ident, t->ip),
		.id_step = ident->step,
		.ip = t->ip,
		.ends = {fer_load_word(t->ip + FER_IPV4_ENDS_OFF), __builtin_bswap32(sa->spi)},
		.spi = sa->spi,
		.growth = growth,
		.head_bytes = sa->head_bytes,
		.around = growth + sa->tail_bytes,
		.pad_from = l2_len - FER_ESP_TRAILER_BYTES,
		.pad_mask = sa->suite.align_bytes - 1u,
		.frame = fer_outer_frame_words(l2_len, v4, esp ? FER_PROTO_ESP : FER_PROTO_AH),
		.traits = UINT64_MAX, // of no packet
	};
}

// The bits in the first 8 bytes of an inner header that what is put on hangs from: version, type of
// service, DF.
static inline uint64_t fer_outer_traits(uint8_t version)
{
	return version == 4 ? __builtin_bswap64(0xf0ff000000004000)
			    : __builtin_bswap64(0xfff0000000000000);
}

// Makes what follows from the traits of a packet, whose IP header is there.
__attribute__((always_inline)) static inline void fer_outer_adapt(
	struct fer_outer_run *run, const struct fer_pkt *p, const uint8_t *inner)
{
	const struct fer_sa_template *t = &run->sa->out.template;
	const uint32_t marks = fer_tunnel_mark(&t->marks, fer_ip_tos(inner), p->frame.df);
	const struct fer_ipv4_stamp ipv4 = fer_ipv4_stamp_of(t->ip);
	const uint8_t next = p->frame.version == 4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6;

	run->traits_mask = fer_outer_traits(p->frame.version);
	run->traits = fer_load_word(inner) & run->traits_mask;
	run->ipv4 = fer_ipv4_stamp_marked(&ipv4, marks);
	run->tos = fer_ip_marks_tos(marks);
	run->df = fer_ip_marks_df(marks) || t->version == 6;
	run->ah_front = fer_ah_front(run->head_bytes, next, run->spi);
	run->slot12 = run->sa->protocol == FER_PROTO_ESP
			      ? fer_oob_header_send(next, 0, 0, t->ip_bytes)
			      : fer_oob_header_send(0, 0, t->ip_bytes, 0);
}

// The same, called: of a run that is kept it is rarely needed.
void fer_outer_adapt_kept(struct fer_outer_run *run, const struct fer_pkt *p, const uint8_t *inner);

// The outer header, with SPI and number behind it, which the crypto stage reads by one load and
// which therefore are one store.  Returns where they stand.
static inline uint8_t *fer_outer_write_ipv4(
	uint8_t *ip, const struct fer_outer_run *run, uint32_t len, uint32_t seq, uint16_t id)
{
	const __m128i ends = _mm_insert_epi32((__m128i)run->ends, (int)__builtin_bswap32(seq), 3);

	fer_ipv4_stamp(ip, &run->ipv4, len, id);
	_mm_storeu_si128((__m128i *)(void *)(ip + FER_IPV4_ENDS_OFF), ends);
	return ip + FER_IPV4_HEADER_BYTES;
}

static inline uint8_t *fer_outer_write_ipv6(uint8_t *ip, const struct fer_outer_run *run,
	uint32_t len, uint32_t seq, const uint8_t *inner)
{
	const uint32_t rule = run->sa->out.template.rules.flow_label;

	fer_ipv6_stamp(ip, run->ip, len, run->tos, fer_tunnel_flow_label(rule, inner));
	fer_store_be64(ip + FER_IPV6_HEADER_BYTES, (uint64_t)run->spi << 32 | seq);
	return ip + FER_IPV6_HEADER_BYTES;
}

// put_on() for a packet of a run, and the send words.  False: it has not the room as it mostly has,
// and nothing was done.
__attribute__((always_inline)) static inline bool fer_outer_put_on_plain(struct rte_mbuf *m,
	struct fer_pkt *p, struct fer_outer_run *run, bool is_kept, bool v4, bool esp,
	uint32_t l2_len, uint32_t seq, uint16_t id)
{
	const uint32_t old_end = p->frame.end, growth = run->growth;
	const uint32_t pad = (run->pad_from - old_end) & run->pad_mask;
	const uint64_t off = m->data_off - growth; // endless where there is not so much
	const uint64_t end = old_end + run->around + pad;

	if (unlikely(m->nb_segs != 1 || m->data_len < old_end ||
		     off + end + FER_OUTER_SPARE_BYTES > m->buf_len))
		return false;
	uint8_t *frame = (uint8_t *)m->buf_addr + off, *ip = frame + l2_len;
	const uint8_t *inner = ip + growth;
	if (!is_kept)
		fer_outer_adapt(run, p, inner);
	else if (unlikely((fer_load_word(inner) & run->traits_mask) != run->traits))
		fer_outer_adapt_kept(run, p, inner);
	m->data_off = (uint16_t)off;
	m->data_len = (uint16_t)end;
	m->pkt_len = (uint32_t)end;
	uint32_t len = (uint32_t)end - l2_len, slot12 = run->slot12;

	if (esp) {
		slot12 |= pad << 8;
		fer_outer_write_tail(frame + growth + old_end, pad, slot12);
	}
	fer_outer_move_link(frame, frame + growth, l2_len, v4);
	uint8_t *sec = v4 ? fer_outer_write_ipv4(ip, run, len, seq, id)
			  : fer_outer_write_ipv6(ip, run, len, seq, inner);
	if (!esp)
		fer_ah_write(sec, run->head_bytes, run->ah_front, seq);
	fer_frame_write(&p->frame, &run->frame, len, run->df);
	struct fer_oob *o = fer_oob_of(m);
	o->ipsec = run->handle;
	o->header = slot12;
	return true;
}

__attribute__((always_inline)) static inline uint32_t fer_outer_put_on_each(struct fer_batch *b,
	unsigned first, uint32_t n, struct fer_outer_run *run, bool v4, bool esp, uint32_t l2_len,
	uint32_t seq, uint32_t id)
{
	struct fer_pkt *const begin = &b->pkt[first], *p = begin;
	struct rte_mbuf **m = &b->m[first];

	for (struct fer_pkt *end = begin + n; p != end; p++, m++) {
		if (!fer_outer_put_on_plain(*m, p, run, true, v4, esp, l2_len, seq, (uint16_t)id))
			break;
		seq++;
		id += run->id_step;
	}
	return (uint32_t)(p - begin);
}

// The same where nothing is known of them.
__attribute__((warn_unused_result)) uint32_t fer_outer_put_on_run_any(struct fer_batch *b,
	unsigned first, uint32_t n, struct fer_outer_run *run, uint64_t seq, uint32_t id);

// Puts the SA of a run on n packets of it, from first on, which are not too long, with numbers from
// these on, and writes their send words.  What the words say is not said again in layers.  Returns
// how many that were: as many as are in one piece with room on both sides; where that is none, the
// first one has to go through fer_outer_put_on().
__attribute__((warn_unused_result, always_inline)) static inline uint32_t fer_outer_put_on_run(
	struct fer_batch *b, unsigned first, uint32_t n, struct fer_outer_run *run, uint64_t seq,
	uint32_t id)
{
	if (unlikely(!run->is_usual))
		return fer_outer_put_on_run_any(b, first, n, run, seq, id);
	return fer_outer_put_on_each(
		b, first, n, run, true, true, FER_ETHER_HEADER_BYTES, (uint32_t)seq, id);
}

// fer_outer_put_on_one() where nothing is known of it.
__attribute__((warn_unused_result)) bool fer_outer_put_on_one_any(struct fer_batch *b, unsigned i,
	struct fer_sa *sa, struct fer_ident *ident, uint64_t seq, uint16_t id);

// The same of one packet, of which nothing is kept.  False: it has not the room as it mostly has,
// and nothing was done.
__attribute__((warn_unused_result, always_inline)) static inline bool fer_outer_put_on_one(
	struct fer_batch *b, unsigned i, struct fer_sa *sa, struct fer_ident *ident, uint64_t seq,
	uint16_t id)
{
	struct fer_pkt *p = &b->pkt[i];

	if (unlikely(p->l2_len != FER_ETHER_HEADER_BYTES ||
		     sa->out.template.plain != FER_SA_PLAIN_ESP4))
		return fer_outer_put_on_one_any(b, i, sa, ident, seq, id);
	struct fer_outer_run run =
		fer_outer_run_of(sa, p->handle[0], p, true, true, FER_ETHER_HEADER_BYTES, ident);
	return fer_outer_put_on_plain(
		b->m[i], p, &run, false, true, true, FER_ETHER_HEADER_BYTES, (uint32_t)seq, id);
}
