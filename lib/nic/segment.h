// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Bytes of packets that may lie in several segments.  All offsets count from the first byte of the
// packet; all functions return false, with the packet as it was, when the packet is shorter than
// asked for or the pool is empty.

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

// Are len bytes at off in one piece?
static inline bool fer_segment_is_whole(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	return (uint64_t)off + len <= m->data_len;
}

// Makes the first len bytes contiguous; a pointer to them may be had by rte_pktmbuf_mtod().
__attribute__((warn_unused_result)) static inline bool fer_segment_pull(
	struct rte_mbuf **m, uint32_t len, struct rte_mempool *pool);

// Adds len bytes in front, contiguous with the first keep bytes of the packet.  Their content is
// undefined.  *m becomes another segment where there is no headroom.
__attribute__((warn_unused_result)) static inline bool fer_segment_grow_front(
	struct rte_mbuf **m, uint32_t len, uint32_t keep, struct rte_mempool *pool);

// Adds len contiguous bytes at the end, of undefined content; returns where they are, or NULL.
__attribute__((warn_unused_result)) static inline uint8_t *fer_segment_grow_back(
	struct rte_mbuf *m, uint32_t len, struct rte_mempool *pool);

// Adds len zeros at the end, in as many segments as it takes.
__attribute__((warn_unused_result)) bool fer_segment_append_zeros(
	struct rte_mbuf *m, uint32_t len, struct rte_mempool *pool);

// Cuts the packet after len bytes; empty segments are freed.
static inline void fer_segment_trim(struct rte_mbuf *m, uint32_t len);

// Copies bytes out of and into a packet.
__attribute__((warn_unused_result)) bool fer_segment_read(
	const struct rte_mbuf *m, uint32_t off, void *to, uint32_t len);
__attribute__((warn_unused_result)) bool fer_segment_write(
	struct rte_mbuf *m, uint32_t off, const void *from, uint32_t len);

// A packet of these bytes, in as few segments as hold them.  NULL: the pool is empty.
__attribute__((warn_unused_result)) struct rte_mbuf *fer_segment_make(
	const uint8_t *bytes, uint32_t len, struct rte_mempool *pool);

// A packet of its own: headers, and behind them len bytes of m from off on, which are there.  The
// rest of what m is (port, flags, words) it is too.  NULL: the pool is empty.
__attribute__((warn_unused_result)) struct rte_mbuf *fer_segment_cut(const struct rte_mbuf *m,
	uint32_t off, uint32_t len, const uint8_t *headers, uint32_t n_headers,
	struct rte_mempool *pool);

// The one's-complement sum of len bytes at off, which are there, as RFC 1071 counts them.
uint16_t fer_segment_sum(const struct rte_mbuf *m, uint32_t off, uint32_t len);

// The same where one segment does not do.
__attribute__((warn_unused_result)) bool fer_segment_pull_pieces(
	struct rte_mbuf **m, uint32_t len, struct rte_mempool *pool);
__attribute__((warn_unused_result)) bool fer_segment_grow_front_pieces(
	struct rte_mbuf **m, uint32_t len, uint32_t keep, struct rte_mempool *pool);
__attribute__((warn_unused_result)) uint8_t *fer_segment_grow_back_pieces(
	struct rte_mbuf *m, uint32_t len, struct rte_mempool *pool);
void fer_segment_trim_pieces(struct rte_mbuf *m, uint32_t len);

static inline bool fer_segment_pull(struct rte_mbuf **m, uint32_t len, struct rte_mempool *pool)
{
	return likely(len <= (*m)->data_len) || fer_segment_pull_pieces(m, len, pool);
}

static inline bool fer_segment_grow_front(
	struct rte_mbuf **m, uint32_t len, uint32_t keep, struct rte_mempool *pool)
{
	if (unlikely(len > rte_pktmbuf_headroom(*m) || keep > (*m)->data_len))
		return fer_segment_grow_front_pieces(m, len, keep, pool);
	(*m)->data_off -= (uint16_t)len;
	(*m)->data_len += (uint16_t)len;
	(*m)->pkt_len += len;
	return true;
}

static inline uint8_t *fer_segment_grow_back(
	struct rte_mbuf *m, uint32_t len, struct rte_mempool *pool)
{
	if (unlikely(m->nb_segs > 1 || len > rte_pktmbuf_tailroom(m)))
		return fer_segment_grow_back_pieces(m, len, pool);
	uint8_t *at = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);
	m->data_len += (uint16_t)len;
	m->pkt_len += len;
	return at;
}

static inline void fer_segment_trim(struct rte_mbuf *m, uint32_t len)
{
	if (unlikely(m->nb_segs > 1))
		fer_segment_trim_pieces(m, len);
	else if (len < m->pkt_len)
		m->pkt_len = m->data_len = (uint16_t)len;
}
