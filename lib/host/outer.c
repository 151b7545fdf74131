// SPDX-License-Identifier: BSD-3-Clause
#include "host/outer_off.h"

#include "base/bytes.h"
#include "host/tunnel.h"
#include "nic/oob.h"
#include "nic/segment.h"
#include "proto/ah.h"
#include "sa/udp.h"

#include <string.h>

// Everything that follows the payload.
struct tail {
	uint32_t bytes; // padding, trailer, ICV
	uint8_t pad_len;
};

//   align  a power of two; 1 in AH, which pads nothing
static inline struct tail tail_of(uint32_t align, uint32_t tail_bytes, uint32_t payload)
{
	uint32_t pad = -(payload + FER_ESP_TRAILER_BYTES) & (align - 1);

	return (struct tail){pad + tail_bytes, (uint8_t)pad};
}

uint32_t fer_outer_sec_off(const struct fer_pkt *p, const struct fer_sa *sa)
{
	uint32_t ip_bytes = sa->mode == FER_TUNNEL ? sa->out.template.ip_bytes
						   : p->frame.sec_off - p->frame.ip_off;

	return ip_bytes + sa->out.template.udp_bytes;
}

uint32_t fer_outer_longest(const struct fer_sa *sa, uint32_t header_len, uint32_t most)
{
	uint32_t clear = sa->mode == FER_TUNNEL ? 0 : header_len;
	uint32_t around = clear + fer_outer_growth(sa) + sa->tail_bytes;
	uint32_t align = sa->suite.align_bytes; // of payload, padding and trailer together

	if (most < around || most - around + FER_ESP_TRAILER_BYTES < align)
		return 0;
	return clear + (most - around + FER_ESP_TRAILER_BYTES) / align * align -
	       FER_ESP_TRAILER_BYTES;
}

// Of the UDP header that an inbound SA of transport mode has in front of ESP.  Where only tunnels
// are in UDP, those of transport mode inside are not.
static uint32_t udp_bytes_of(const struct fer_sa *sa)
{
	return (sa->udp_at & FER_UDP_INSIDE) == 0 ? 0 : FER_UDP_HEADER_BYTES;
}

// In transport mode the IP header of the packet stands in front of all layers that share it.
uint32_t fer_outer_inside_transport(const struct fer_sa *sa, const struct fer_batch *b, unsigned i,
	unsigned k, uint32_t payload)
{
	const uint16_t ip_off = b->round[k][i].ip_off;

	payload -= udp_bytes_of(sa);
	for (; k > 0 && b->round[k - 1][i].ip_off == ip_off; k--) // options in between
		payload += b->round[k][i].sec_off - b->round[k - 1][i].pay_off;
	return payload + b->round[k][i].sec_off - b->round[k][i].ip_off;
}

// Where the bytes begin that will be encrypted.
static uint32_t payload_off(const struct fer_pkt *p, const struct fer_sa *sa)
{
	return sa->mode == FER_TUNNEL ? p->frame.ip_off : p->frame.sec_off;
}

static bool ends_are_those_of(
	const struct rte_mbuf *m, const struct fer_frame *f, const struct fer_sa *sa)
{
	uint8_t room[FER_IPV6_HEADER_BYTES];
	bool v4 = f->version == 4;
	const uint8_t *ip = rte_pktmbuf_read(
		m, f->ip_off, v4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES, room);
	struct fer_addr src, dst, sa_src = {.version = sa->version}, sa_dst = sa_src;

	if (ip == NULL || f->version != sa->version)
		return false;
	fer_ip_addresses(ip, &src, &dst);
	memcpy(sa_src.bytes, sa->out.src, sizeof(sa_src.bytes));
	memcpy(sa_dst.bytes, sa->dst, sizeof(sa_dst.bytes));
	return fer_addr_equal(&src, &sa_src) && fer_addr_equal(&dst, &sa_dst);
}

enum fer_verdict fer_outer_fits(const struct rte_mbuf *m, const struct fer_pkt *p,
	const struct fer_sa *sa, const struct fer_sa *ah)
{
	const struct fer_frame *f = &p->frame;
	uint32_t payload = f->end - payload_off(p, sa);
	uint32_t after = f->end - f->ip_off + fer_outer_growth(sa) +
			 tail_of(sa->suite.align_bytes, sa->tail_bytes, payload).bytes +
			 (ah != NULL ? ah->head_bytes : 0u);
	uint8_t version = sa->mode == FER_TUNNEL ? sa->out.template.version : f->version;

	if (sa->mode == FER_TRANSPORT) {
		if (!ends_are_those_of(m, f, sa))
			return FER_NO_POLICY;
		if (f->fragment != 0)
			return FER_TRANSPORT_FRAGMENT;
	}
	return after > (version == 4 ? FER_IPV4_MAX_BYTES : FER_IPV6_MAX_BYTES) ? FER_TOO_LONG
										: FER_OK;
}

// Pad length and next header, behind padding.
static inline void write_trailer(uint8_t *at, uint32_t pad_len, uint32_t next_header)
{
	uint16_t trailer = (uint16_t)(next_header << 8 | pad_len);

	memcpy(at + pad_len, &trailer, sizeof(trailer));
}

// Padding 1, 2, 3, ..., pad length and next header.
static inline void write_tail(uint8_t *at, uint8_t pad_len, uint8_t next_header)
{
	memcpy(at, fer_outer_padding, pad_len);
	write_trailer(at, pad_len, next_header);
}

// What an SA puts around each packet.  A copy: what is written into packets might change the SA, as
// far as a compiler can see.
struct around {
	struct fer_ipv4_stamp ipv4; // tunnel: the outer header is made from this
	const uint8_t *ip;          // or from that, and the destination
	struct fer_tunnel_marks marks;
	uint32_t flow_label;
	uint32_t index;
	uint32_t spi;
	uint32_t growth;
	uint32_t tail_bytes;
	uint32_t align;
	uint8_t protocol;
	uint8_t version; // of ip
	uint8_t udp_bytes;
	uint8_t head_bytes;
};

//   udp  its UDP header; NULL: it has none
static inline struct around around_of(const struct fer_sa *sa, const struct fer_udp_head *udp)
{
	const struct fer_sa_template *t = &sa->out.template;

	const uint8_t *ip = udp == NULL ? t->ip : udp->ip;

	return (struct around){
		.ip = ip,
		.ipv4 = fer_ipv4_stamp_of(ip),
		.marks = t->marks,
		.flow_label = t->rules.flow_label,
		.index = sa->index,
		.spi = sa->spi,
		.growth = fer_outer_growth(sa),
		.tail_bytes = sa->tail_bytes,
		.align = sa->suite.align_bytes,
		.protocol = sa->protocol,
		.version = t->version,
		.udp_bytes = t->udp_bytes,
		.head_bytes = sa->head_bytes,
	};
}

// The outer header in front of an inner one, and the frame that results.
static inline void write_outer(uint8_t *frame, struct fer_pkt *p, const struct around *a, bool v4,
	uint16_t id, uint32_t len)
{
	struct fer_frame *f = &p->frame;
	uint16_t l2_len = p->l2_len;
	uint8_t *ip = frame + l2_len;
	const uint8_t *inner = ip + a->growth;
	uint32_t marks = fer_tunnel_mark(&a->marks, fer_ip_tos(inner), f->df);

	if (v4) {
		const struct fer_ipv4_stamp stamp = fer_ipv4_stamp_marked(&a->ipv4, marks);

		fer_ipv4_stamp(ip, &stamp, len, id);
		memcpy(ip + FER_IPV4_DST_OFF, a->ip + FER_IPV4_DST_OFF, 4);
	} else {
		fer_ipv6_stamp(ip, a->ip, len, fer_ip_marks_tos(marks),
			fer_tunnel_flow_label(a->flow_label, inner));
	}
	if (l2_len > 0)
		fer_store_be16(frame + p->type_off, fer_ether_type(v4 ? 4 : 6));
	const struct fer_frame_words w = fer_outer_frame_words(l2_len, v4, a->protocol);
	fer_frame_write(f, &w, len, fer_ip_marks_df(marks) || !v4);
}

// The IP header of the packet itself, which now says that ESP or AH follows.
static void change_header(uint8_t *frame, struct fer_pkt *p, uint8_t protocol, uint32_t len)
{
	struct fer_frame *f = &p->frame;
	uint8_t *ip = frame + f->ip_off;

	fer_ip_set_next(ip, f->sec_next_off - f->ip_off, protocol);
	fer_ip_set_len(ip, len);
	f->up_off = f->sec_off;
	f->up_next_off = f->sec_next_off;
	f->end = f->ip_off + len;
	f->protocol = protocol;
	f->fragment = 0;
	f->has_ports = false;
}

// The UDP header between the IP header and ESP, without checksum: over IPv4 it has none (RFC 3948
// section 2.1), over IPv6 it gets one when the rest is encrypted.
static void write_udp(uint8_t *frame, struct fer_pkt *p, const struct fer_udp_head *head)
{
	struct fer_frame *f = &p->frame;
	uint8_t *udp = frame + f->up_off;

	fer_ip_set_next(frame + f->ip_off, f->up_next_off - f->ip_off, FER_PROTO_UDP);
	fer_store_be16(udp, head->sport);
	fer_store_be16(udp + 2, head->peer.port);
	fer_store_be32(udp + 4, (f->end - f->up_off) << 16);
	f->protocol = FER_PROTO_UDP;
	f->sport = head->sport;
	f->dport = head->peer.port;
	f->has_ports = true;
}

__attribute__((noinline)) static uint8_t *make_room_in_pieces(struct rte_mbuf **m, uint32_t end,
	uint32_t growth, uint32_t keep, uint32_t tail, struct rte_mempool *pool)
{
	fer_segment_trim(*m, end);
	uint8_t *at = fer_segment_grow_back(*m, tail, pool);
	return at != NULL && fer_segment_grow_front(m, growth, keep, pool) ? at : NULL;
}

// Makes the packet end at end, and longer by growth in front, where keep bytes stay in one piece,
// and by tail behind.  Returns where the tail is; NULL: there is no room.
static inline uint8_t *make_room(struct rte_mbuf **m, uint32_t end, uint32_t growth, uint32_t keep,
	uint32_t tail, struct rte_mempool *pool)
{
	struct rte_mbuf *s = *m;

	if (unlikely(s->nb_segs != 1 || s->data_len < end || s->data_off < growth ||
		     s->data_off + end + tail > s->buf_len))
		return make_room_in_pieces(m, end, growth, keep, tail, pool);
	s->data_off -= (uint16_t)growth;
	s->pkt_len = s->data_len = (uint16_t)(end + growth + tail);
	return rte_pktmbuf_mtod_offset(s, uint8_t *, growth + end);
}

// Compiled again and again: for any SA, and for plain ones, of which so much is known.
__attribute__((always_inline)) static inline enum fer_verdict put_on(struct rte_mbuf **m,
	struct fer_pkt *p, const struct around *a, bool tunnel, bool v4, bool esp,
	const struct fer_udp_head *udp, uint64_t seq, uint16_t id, struct rte_mempool *pool,
	struct fer_layer *layer)
{
	uint32_t front = tunnel ? p->frame.ip_off : p->frame.sec_off; // stays in front of the gap
	struct tail tail = tail_of(a->align, a->tail_bytes, p->frame.end - front);
	uint32_t len = p->frame.end - p->frame.ip_off + a->growth + tail.bytes;
	uint32_t ip_bytes = p->frame.version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES;
	uint8_t next_header = p->frame.version == 4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6;
	uint8_t *end = make_room(
		m, p->frame.end, a->growth, tunnel ? front + ip_bytes : front, tail.bytes, pool);

	if (unlikely(end == NULL))
		return FER_NO_ROOM;
	uint8_t *frame = rte_pktmbuf_mtod(*m, uint8_t *);
	fer_outer_move_front(frame, frame + a->growth, front);
	if (tunnel) {
		write_outer(frame, p, a, v4, id, len);
	} else {
		next_header = frame[p->frame.sec_next_off];
		change_header(frame, p, a->protocol, len);
	}
	if (udp != NULL)
		write_udp(frame, p, udp);
	uint16_t sec_off = p->frame.up_off + a->udp_bytes;
	if (esp) {
		write_tail(end, tail.pad_len, next_header);
		// One store, because the crypto stage reads both by one load.
		fer_store_be64(frame + sec_off, (uint64_t)a->spi << 32 | (uint32_t)seq);
	} else {
		fer_ah_write(frame + sec_off, a->head_bytes,
			fer_ah_front(a->head_bytes, next_header, a->spi), (uint32_t)seq);
	}
	*layer = (struct fer_layer){
		.seq = seq,
		.sa = a->index,
		.ip_off = p->frame.ip_off,
		.next_off = p->frame.up_next_off,
		.sec_off = sec_off,
		.pay_off = (uint16_t)(sec_off + a->head_bytes),
		.end = p->frame.end,
		.next_header = next_header,
		.pad_len = tail.pad_len,
	};
	return FER_OK;
}

enum fer_verdict fer_outer_put_on(struct rte_mbuf **m, struct fer_pkt *p, const struct fer_sa *sa,
	struct fer_outer_numbers no, struct rte_mempool *pool, struct fer_layer *layer)
{
	const struct fer_udp_head *udp = likely(sa->out.udp == NULL) ? NULL : fer_udp_head_of(sa);
	const struct around a = around_of(sa, udp);

	return put_on(m, p, &a, sa->mode == FER_TUNNEL, a.version == 4,
		sa->protocol == FER_PROTO_ESP, udp, no.seq, no.id, pool, layer);
}

void fer_outer_adapt_kept(struct fer_outer_run *run, const struct fer_pkt *p, const uint8_t *inner)
{
	fer_outer_adapt(run, p, inner);
}

void fer_outer_run_init(struct fer_outer_run *run, struct fer_sa *sa, uint64_t handle,
	const struct fer_pkt *p, struct fer_ident *ident)
{
	*run = fer_outer_run_of(sa, handle, p, sa->out.template.version == 4,
		sa->protocol == FER_PROTO_ESP, p->l2_len, ident);
}

// Of AH over IPv4, behind an Ethernet header: apart, so that each loop has the registers for
// itself.
__attribute__((noinline)) static uint32_t put_on_ah_run(struct fer_batch *b, unsigned first,
	uint32_t n, struct fer_outer_run *run, uint32_t seq, uint32_t id)
{
	return fer_outer_put_on_each(
		b, first, n, run, true, false, FER_ETHER_HEADER_BYTES, seq, id);
}

uint32_t fer_outer_put_on_run_any(struct fer_batch *b, unsigned first, uint32_t n,
	struct fer_outer_run *run, uint64_t seq, uint32_t id)
{
	bool v4 = run->sa->out.template.version == 4, esp = run->sa->protocol == FER_PROTO_ESP;
	uint32_t lo = (uint32_t)seq, l2_len = run->l2_len;

	if (unlikely(l2_len != FER_ETHER_HEADER_BYTES || esp == v4))
		return fer_outer_put_on_each(b, first, n, run, v4, esp, l2_len, lo, id);
	if (!esp)
		return put_on_ah_run(b, first, n, run, lo, id);
	return fer_outer_put_on_each(b, first, n, run, false, true, FER_ETHER_HEADER_BYTES, lo, id);
}

bool fer_outer_put_on_one_any(struct fer_batch *b, unsigned i, struct fer_sa *sa,
	struct fer_ident *ident, uint64_t seq, uint16_t id)
{
	const bool v4 = sa->out.template.version == 4, esp = sa->protocol == FER_PROTO_ESP;
	struct fer_pkt *p = &b->pkt[i];
	struct fer_outer_run run = fer_outer_run_of(sa, p->handle[0], p, v4, esp, p->l2_len, ident);

	return fer_outer_put_on_plain(
		b->m[i], p, &run, false, v4, esp, p->l2_len, (uint32_t)seq, id);
}

// Takes the bytes from keep to keep + gap out of the packet; all in front of them is contiguous.
static inline void close_gap(struct rte_mbuf *m, uint32_t keep, uint32_t gap)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

	fer_outer_move_front(frame + gap, frame, keep);
	rte_pktmbuf_adj(m, (uint16_t)gap);
}

static inline enum fer_verdict take_off_tunnel(struct rte_mbuf *m, const struct fer_pkt *p,
	const struct fer_layer *layer, struct fer_outer_progress *done)
{
	uint8_t version = layer->next_header == FER_PROTO_IPV4 ? 4 : 6;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint8_t *inner = frame + layer->pay_off - done->shift;

	if (inner[0] >> 4 != version)
		return FER_BAD_INNER;

	uint8_t tos = fer_ip_tos(inner);
	uint8_t outer_tos = fer_ip_tos(frame + layer->ip_off - done->ip_shift);
	int ecn = ((tos ^ outer_tos) & 3) == 0 ? tos & 3 : fer_tunnel_ecn_out(tos, outer_tos);
	if (ecn < 0)
		return FER_ECN_CE;
	if (ecn != (tos & 3))
		fer_ip_set_tos(inner, (uint8_t)((tos & 0xfc) | ecn));

	uint32_t gap = (uint32_t)(inner - frame) - p->l2_len;
	close_gap(m, p->l2_len, gap);
	if (p->l2_len > 0)
		fer_store_be16(frame + gap + p->type_off, fer_ether_type(version));
	done->shift += gap;
	done->ip_shift = done->shift;
	return FER_OK;
}

static enum fer_verdict take_off_transport(struct rte_mbuf *m, const struct fer_pkt *p,
	const struct fer_sa *sa, const struct fer_layer *layer, struct fer_outer_progress *done)
{
	uint32_t ip_off = layer->ip_off - done->ip_shift;
	uint32_t udp_bytes = udp_bytes_of(sa);
	uint32_t gap = udp_bytes + layer->pay_off - layer->sec_off;
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, ip_off);
	uint32_t keep = layer->sec_off - udp_bytes - done->shift;

	// Another byte than that of the layer around it stands behind all that was taken off.
	if (layer->next_off != done->next_off) {
		done->next_off = layer->next_off;
		done->next_at = (uint16_t)(layer->next_off - done->shift - ip_off);
	}
	done->shift += gap;
	fer_ip_set_next(ip, done->next_at, layer->next_header);
	fer_ip_set_len(ip, p->frame.end - done->shift - ip_off);
	close_gap(m, keep, gap);
	return FER_OK;
}

enum fer_verdict fer_outer_take_off(struct rte_mbuf **m, const struct fer_pkt *p,
	const struct fer_sa *sa, const struct fer_layer *layer, struct fer_outer_progress *done,
	struct rte_mempool *pool)
{
	bool is_ip = layer->next_header == FER_PROTO_IPV4 || layer->next_header == FER_PROTO_IPV6;
	bool tunnel = sa->mode == FER_TUNNEL;
	// Headers in one piece, the inner one of a tunnel included.
	uint32_t whole = layer->pay_off - done->shift;

	if (layer->next_header == FER_PROTO_NONE && sa->protocol == FER_PROTO_ESP)
		return FER_DUMMY;
	if (tunnel && !is_ip)
		return FER_BAD_INNER;
	if (tunnel)
		whole += layer->next_header == FER_PROTO_IPV4 ? FER_IPV4_HEADER_BYTES
							      : FER_IPV6_HEADER_BYTES;
	if (whole > (*m)->pkt_len)
		return FER_BAD_INNER;
	if (!fer_segment_pull(m, whole, pool))
		return FER_NO_ROOM;
	return tunnel ? take_off_tunnel(*m, p, layer, done)
		      : take_off_transport(*m, p, sa, layer, done);
}

// Of fer_outer_take_off_run(), with what all of the packets have in common.
__attribute__((always_inline)) static inline unsigned take_off_run(struct rte_mbuf *m[],
	struct fer_pkt p[], unsigned n, uint32_t pay_off, uint32_t ip_off, uint32_t l2_len,
	uint8_t inner_version, uint8_t outer_version)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (unlikely(!fer_outer_comes_off(
			    m[i], &p[i].frame, pay_off, ip_off, inner_version, outer_version)))
			break;
		fer_outer_take_off_plain(m[i], &p[i].frame, pay_off, l2_len, inner_version);
	}
	return i;
}

// The same with any link header and any versions.
__attribute__((noinline)) static unsigned take_off_run_any(struct fer_batch *b, unsigned first,
	unsigned n, uint8_t inner_version, uint8_t outer_version)
{
	const struct fer_layer *layer = &b->round[0][first];
	struct fer_pkt *p = &b->pkt[first];

	return take_off_run(&b->m[first], p, n, layer->pay_off, layer->ip_off, p->l2_len,
		inner_version, outer_version);
}

unsigned fer_outer_take_off_run(
	struct fer_batch *b, unsigned first, unsigned n, const struct fer_sa *sa)
{
	const struct fer_layer *layer = &b->round[0][first];
	struct fer_pkt *p = &b->pkt[first];
	uint8_t version = p->frame.version;

	if (sa->mode != FER_TUNNEL || !fer_pkt_has_one_layer(p) ||
		layer->next_header != (version == 4 ? FER_PROTO_IPV4 : FER_PROTO_IPV6))
		return 0;
	if (likely(version == 4 && sa->version == 4 && p->l2_len == FER_ETHER_HEADER_BYTES))
		return take_off_run(&b->m[first], p, n, layer->pay_off, layer->ip_off,
			FER_ETHER_HEADER_BYTES, 4, 4);
	return take_off_run_any(b, first, n, version, sa->version);
}
