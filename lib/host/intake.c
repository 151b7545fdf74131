// SPDX-License-Identifier: BSD-3-Clause

// rte_gso is not used: it knows no IPv6, sets no checksum, and what it makes shares bytes, which
// would have to be copied before they are encrypted.
#include "host/intake.h"

#include "base/bytes.h"
#include "host/complete.h"
#include "host/fragment.h"
#include "nic/segment.h"
#include "proto/cksum.h"
#include "proto/ip.h"
#include "proto/tcp.h"

#include <assert.h>
#include <string.h>

// L2, IP and TCP headers that a segment repeats.
#define HEADERS_MAX 512

// What the segments of a large send have in common.
struct large {
	struct rte_mbuf *m;
	struct fer_frame frame;
	uint32_t n_headers; // bytes in front of the data
	uint32_t n_data;
	uint16_t mss;
	uint8_t headers[HEADERS_MAX];
};

static bool parse(struct rte_mbuf *m, enum fer_link link, struct fer_frame *f)
{
	uint8_t room[FER_HEADERS_MAX];
	uint32_t avail = RTE_MIN(m->pkt_len, (uint32_t)FER_HEADERS_MAX);
	const uint8_t *bytes = rte_pktmbuf_read(m, 0, avail, room);
	struct fer_l2 l2;

	return fer_l2_parse(link, bytes, avail, &l2) &&
	       (l2.type == FER_ETHER_TYPE_IPV4 || l2.type == FER_ETHER_TYPE_IPV6) &&
	       fer_frame_parse(bytes, avail, m->pkt_len, l2.len, f) == FER_OK &&
	       fer_ether_type(f->version) == l2.type && f->fragment == 0;
}

// Reads the headers of a TCP packet.
static bool read_headers(struct large *l)
{
	const struct fer_frame *f = &l->frame;
	uint8_t size;

	if (f->end - f->up_off < FER_TCP_HEADER_BYTES ||
		!fer_segment_read(l->m, f->up_off + FER_TCP_DATA_OFF, &size, 1))
		return false;
	l->n_headers = f->up_off + fer_tcp_stated_bytes(size);
	if (l->n_headers < (uint32_t)f->up_off + FER_TCP_HEADER_BYTES || l->n_headers > f->end ||
		l->n_headers > HEADERS_MAX)
		return false;
	l->n_data = f->end - l->n_headers;
	l->mss = l->m->tso_segsz;
	return fer_segment_read(l->m, 0, l->headers, l->n_headers);
}

// Changes the headers of the segment with len bytes of data from off on.
static void change_headers(const struct large *l, uint8_t *headers, uint32_t off, uint32_t len)
{
	const struct fer_frame *f = &l->frame;
	uint8_t *ip = headers + f->ip_off, *tcp = headers + f->up_off;
	uint16_t tcp_len = (uint16_t)(l->n_headers - f->up_off + len);

	fer_ip_set_len(ip, l->n_headers - f->ip_off + len);
	if (f->version == 4) {
		fer_store_be16(ip + 4, (uint16_t)(fer_load_be16(ip + 4) + off / l->mss));
		fer_store_be16(ip + 10, 0);
		fer_store_be16(ip + 10, fer_cksum(ip, f->up_off - f->ip_off));
	}
	fer_tcp_cut(tcp, off, off + len == l->n_data);
	fer_store_be16(tcp + FER_TCP_CKSUM_OFF, fer_ip_pseudo_sum(ip, FER_PROTO_TCP, tcp_len));
}

// Its checksum is left unfinished, as the large send's was.
static struct rte_mbuf *make_segment(const struct large *l, uint32_t off, struct rte_mempool *pool)
{
	uint32_t len = RTE_MIN((uint32_t)l->mss, l->n_data - off);
	struct rte_mbuf *m =
		fer_segment_cut(l->m, l->n_headers + off, len, l->headers, l->n_headers, pool);

	if (m == NULL)
		return NULL;
	change_headers(l, rte_pktmbuf_mtod(m, uint8_t *), off, len);
	m->ol_flags &= ~(RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_MASK);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
	m->tso_segsz = 0;
	return m;
}

// Returns how many segments there are, and frees the large send; 0 leaves it as it is.
static unsigned cut_tcp(struct large *l, struct rte_mempool *pool, struct rte_mbuf *out[])
{
	unsigned n = 0;

	if (!read_headers(l) || l->n_data > (uint32_t)l->mss * FER_SEGMENTS_MAX)
		return 0;
	for (uint32_t off = 0; n == 0 || off < l->n_data; off += l->mss) {
		out[n] = make_segment(l, off, pool);
		if (out[n] == NULL) {
			rte_pktmbuf_free_bulk(out, n);
			return 0;
		}
		n++;
	}
	rte_pktmbuf_free(l->m);
	return n;
}

// A datagram becomes IP fragments with so many bytes of payload; its checksum is one over them all.
static unsigned cut_udp(struct large *l, struct rte_mempool *pool, struct rte_mbuf *out[])
{
	const struct fer_frame *f = &l->frame;
	uint32_t headers = f->up_off - f->ip_off + (f->version == 6 ? 8 : 0);
	struct rte_mbuf *m = rte_pktmbuf_copy(l->m, pool, 0, UINT32_MAX);

	if (m == NULL)
		return 0;
	fer_complete_one(m, f);
	unsigned n = fer_fragment_cut(&m, f, headers + l->m->tso_segsz, pool, out);
	rte_pktmbuf_free(n == 0 ? m : l->m);
	return n;
}

// Is there no more data than one segment carries?
static bool is_small(const struct large *l)
{
	return l->frame.end - l->frame.up_off <= (uint32_t)l->m->tso_segsz;
}

// Cuts a large send into in->segment.  False: it goes on in one piece.
static bool cut(struct fer_intake *in, struct rte_mbuf *m)
{
	struct large l = {.m = m};
	unsigned n = 0;

	if (!parse(m, (enum fer_link)in->link, &l.frame))
		return false;
	if (is_small(&l))
		m->ol_flags &= ~RTE_MBUF_F_RX_LRO;
	else if (l.frame.protocol == FER_PROTO_TCP)
		n = cut_tcp(&l, in->pool, in->segment);
	else if (l.frame.protocol == FER_PROTO_UDP)
		n = cut_udp(&l, in->pool, in->segment);
	in->n_segments = (uint16_t)n;
	in->next_segment = 0;
	return n > 0;
}

void fer_intake_init(struct fer_intake *in, struct rte_mempool *pool, enum fer_link link)
{
	in->pool = pool;
	in->link = (uint8_t)link;
	in->n = in->next = in->n_segments = in->next_segment = 0;
}

void fer_intake_fini(struct fer_intake *in)
{
	rte_pktmbuf_free_bulk(in->segment + in->next_segment, in->n_segments - in->next_segment);
	rte_pktmbuf_free_bulk(in->m + in->next, in->n - in->next);
	in->n = in->next = in->n_segments = in->next_segment = 0;
}

void fer_intake_put(struct fer_intake *in, uint16_t n)
{
	assert(in->next == in->n && n <= FER_BATCH_MAX);
	in->next = 0;
	in->n = n;
}

// The next frame in order; NULL behind the last.
static struct rte_mbuf *next_frame(struct fer_intake *in)
{
	while (in->next_segment == in->n_segments) {
		if (in->next == in->n)
			return NULL;
		struct rte_mbuf *m = in->m[in->next++];
		if (likely(!fer_is_large_send(m)) || !cut(in, m))
			return m;
	}
	return in->segment[in->next_segment++];
}

// All that wait, where nothing has to be cut.  False: b->m is not valid.
static inline bool take_plain(struct fer_intake *in, struct fer_batch *b)
{
	bool is_large = in->next_segment != in->n_segments;

	b->n = in->n - in->next;
	for (unsigned i = 0, n = b->n; i < n; i++) {
		b->m[i] = in->m[in->next + i];
		is_large |= fer_is_large_send(b->m[i]);
	}
	return !is_large;
}

bool fer_intake_take(struct fer_intake *in, struct fer_batch *b)
{
	struct rte_mbuf *m;

	b->link = in->link;
	if (likely(take_plain(in, b))) {
		in->next = in->n;
		return b->n > 0;
	}
	for (b->n = 0; b->n < FER_BATCH_MAX && (m = next_frame(in)) != NULL; b->n++)
		b->m[b->n] = m;
	return b->n > 0;
}

// The frame that is next, unless it is a segment.
static const struct rte_mbuf *peek(const struct fer_intake *in)
{
	return in->next_segment == in->n_segments && in->next < in->n ? in->m[in->next] : NULL;
}

bool fer_intake_take_some(
	struct fer_intake *in, struct fer_batch *b, uint32_t (*more_of)(const struct rte_mbuf *m))
{
	uint32_t room = FER_BATCH_MORE;
	struct rte_mbuf *m;

	b->link = in->link;
	for (b->n = 0; b->n < FER_BATCH_MAX; b->n++) {
		const struct rte_mbuf *next = peek(in);
		uint32_t more = next == NULL ? 0 : more_of(next);

		if ((more > room && b->n > 0) || (m = next_frame(in)) == NULL)
			break;
		b->m[b->n] = m;
		room -= RTE_MIN(room, more);
	}
	return b->n > 0;
}
