// SPDX-License-Identifier: BSD-3-Clause
#include "nic/segment.h"

#include "proto/cksum.h"

#include <rte_mbuf_dyn.h>
#include <string.h>

// Bytes that a fresh segment has room for behind its headroom.
static uint32_t fresh_room(struct rte_mempool *pool)
{
	return rte_pktmbuf_data_room_size(pool) - (uint32_t)RTE_PKTMBUF_HEADROOM;
}

// Gives to the role of first segment; from stops being it.
static void move_header(struct rte_mbuf *to, struct rte_mbuf *from)
{
	to->port = from->port;
	to->ol_flags |= from->ol_flags & ~(RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
	to->packet_type = from->packet_type;
	to->vlan_tci = from->vlan_tci;
	to->vlan_tci_outer = from->vlan_tci_outer;
	to->hash = from->hash;
	to->tx_offload = from->tx_offload;
	rte_mbuf_dynfield_copy(to, from);
	to->pkt_len = from->pkt_len;
	to->nb_segs = from->nb_segs;
	from->pkt_len = from->data_len;
	from->nb_segs = 1;
}

// Frees the segments behind the first one that have no bytes left.
static void drop_empty(struct rte_mbuf *m)
{
	while (m->next != NULL && m->next->data_len == 0) {
		struct rte_mbuf *empty = m->next;

		m->next = empty->next;
		m->nb_segs--;
		empty->next = NULL;
		rte_pktmbuf_free_seg(empty);
	}
}

// Moves len bytes from behind the first segment to its end, where there is room for them.
static void fill_first(struct rte_mbuf *m, uint32_t len)
{
	while (len > 0) {
		struct rte_mbuf *from = m->next;
		uint16_t part = (uint16_t)RTE_MIN(len, (uint32_t)from->data_len);
		uint8_t *to = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);

		memcpy(to, rte_pktmbuf_mtod(from, uint8_t *), part);
		m->data_len += part;
		from->data_len -= part;
		from->data_off += part;
		len -= part;
		drop_empty(m);
	}
}

// Puts an empty segment with the usual headroom in front.
static struct rte_mbuf *add_first(struct rte_mbuf *m, struct rte_mempool *pool)
{
	struct rte_mbuf *first = rte_pktmbuf_alloc(pool);

	if (first == NULL)
		return NULL;
	if (m->nb_segs == RTE_MBUF_MAX_NB_SEGS) {
		rte_pktmbuf_free_seg(first);
		return NULL;
	}
	move_header(first, m);
	first->nb_segs++;
	first->next = m;
	return first;
}

bool fer_segment_pull_pieces(struct rte_mbuf **m, uint32_t len, struct rte_mempool *pool)
{
	struct rte_mbuf *first = *m;

	if (len <= first->data_len)
		return true;
	if (len > first->pkt_len)
		return false;
	if (len - first->data_len > rte_pktmbuf_tailroom(first)) {
		if (len > fresh_room(pool))
			return false;
		first = add_first(first, pool);
		if (first == NULL)
			return false;
		*m = first;
	}
	fill_first(first, len - first->data_len);
	return true;
}

bool fer_segment_grow_front_pieces(
	struct rte_mbuf **m, uint32_t len, uint32_t keep, struct rte_mempool *pool)
{
	if (keep > (*m)->pkt_len || len + keep > fresh_room(pool))
		return false;

	struct rte_mbuf *first = add_first(*m, pool);
	if (first == NULL)
		return false;
	*m = first;
	first->data_len = (uint16_t)len;
	first->pkt_len += len;
	fill_first(first, keep);
	drop_empty(first);
	return true;
}

uint8_t *fer_segment_grow_back_pieces(struct rte_mbuf *m, uint32_t len, struct rte_mempool *pool)
{
	struct rte_mbuf *last = rte_pktmbuf_lastseg(m);

	if (len > rte_pktmbuf_tailroom(last)) {
		struct rte_mbuf *more = rte_pktmbuf_alloc(pool);
		if (more == NULL)
			return NULL;
		if (len > rte_pktmbuf_tailroom(more) || m->nb_segs == RTE_MBUF_MAX_NB_SEGS) {
			rte_pktmbuf_free_seg(more);
			return NULL;
		}
		last->next = more;
		m->nb_segs++;
		last = more;
	}
	uint8_t *at = rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len);
	last->data_len += (uint16_t)len;
	m->pkt_len += len;
	return at;
}

bool fer_segment_append_zeros(struct rte_mbuf *m, uint32_t len, struct rte_mempool *pool)
{
	uint32_t before = m->pkt_len;

	for (uint32_t part; len > 0; len -= part) {
		uint32_t tailroom = rte_pktmbuf_tailroom(rte_pktmbuf_lastseg(m));

		part = RTE_MIN(len, tailroom > 0 ? tailroom : fresh_room(pool));
		uint8_t *at = fer_segment_grow_back_pieces(m, part, pool);
		if (at == NULL) {
			fer_segment_trim(m, before);
			return false;
		}
		memset(at, 0, part);
	}
	return true;
}

void fer_segment_trim_pieces(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *last = m;
	uint32_t before = 0; // bytes in front of last
	uint16_t n_segs = 1;

	if (len >= m->pkt_len)
		return;
	while (len - before > last->data_len) {
		before += last->data_len;
		last = last->next;
		n_segs++;
	}
	last->data_len = (uint16_t)(len - before);
	m->pkt_len = len;
	m->nb_segs = n_segs;
	rte_pktmbuf_free(last->next);
	last->next = NULL;
}

bool fer_segment_read(const struct rte_mbuf *m, uint32_t off, void *to, uint32_t len)
{
	if ((uint64_t)off + len > m->pkt_len)
		return false;
	if (len == 0)
		return true;
	const void *at = rte_pktmbuf_read(m, off, len, to);

	if (at != to)
		memcpy(to, at, len);
	return true;
}

bool fer_segment_write(struct rte_mbuf *m, uint32_t off, const void *from, uint32_t len)
{
	const uint8_t *bytes = from;

	if ((uint64_t)off + len > m->pkt_len)
		return false;
	for (; off >= m->data_len && len > 0; m = m->next)
		off -= m->data_len;
	for (; len > 0; m = m->next, off = 0) {
		uint32_t part = RTE_MIN(len, m->data_len - off);

		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, off), bytes, part);
		bytes += part;
		len -= part;
	}
	return true;
}

struct rte_mbuf *fer_segment_make(const uint8_t *bytes, uint32_t len, struct rte_mempool *pool)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	for (uint32_t done = 0; m != NULL && done < len;) {
		uint32_t part = RTE_MIN(len - done, fresh_room(pool));
		uint8_t *to = fer_segment_grow_back(m, part, pool);

		if (to == NULL) {
			rte_pktmbuf_free(m);
			return NULL;
		}
		memcpy(to, bytes + done, part);
		done += part;
	}
	return m;
}

struct rte_mbuf *fer_segment_cut(const struct rte_mbuf *m, uint32_t off, uint32_t len,
	const uint8_t *headers, uint32_t n_headers, struct rte_mempool *pool)
{
	struct rte_mbuf *piece = rte_pktmbuf_copy(m, pool, off, len);

	if (piece == NULL)
		return NULL;
	if (!fer_segment_grow_front(&piece, n_headers, 0, pool)) {
		rte_pktmbuf_free(piece);
		return NULL;
	}
	memcpy(rte_pktmbuf_mtod(piece, uint8_t *), headers, n_headers);
	return piece;
}

// rte_raw_cksum_mbuf() of DPDK 22.11 is wrong where a segment begins with the second byte of a
// word.
uint16_t fer_segment_sum(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint32_t sum = 0, done = 0;

	for (; done < len; m = m->next) {
		if (off >= m->data_len) {
			off -= m->data_len;
			continue;
		}
		uint32_t part = RTE_MIN(len - done, m->data_len - off);
		uint16_t s = (uint16_t)~fer_cksum(
			rte_pktmbuf_mtod_offset(m, const uint8_t *, off), part);
		sum += done % 2 == 0 ? s : __builtin_bswap16(s);
		done += part;
		off = 0;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}
