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
__attribute__((warn_unused_result)) bool fer_segment_pull(
	struct rte_mbuf **m, uint32_t len, struct rte_mempool *pool);

// Adds len bytes in front, contiguous with the first keep bytes of the packet.  Their content is
// undefined.  *m becomes another segment where there is no headroom.
__attribute__((warn_unused_result)) bool fer_segment_grow_front(
	struct rte_mbuf **m, uint32_t len, uint32_t keep, struct rte_mempool *pool);

// Adds len contiguous bytes at the end, of undefined content; returns where they are, or NULL.
__attribute__((warn_unused_result)) uint8_t *fer_segment_grow_back(
	struct rte_mbuf *m, uint32_t len, struct rte_mempool *pool);

// Cuts the packet after len bytes; empty segments are freed.
void fer_segment_trim(struct rte_mbuf *m, uint32_t len);

// Copies bytes out of and into a packet.
__attribute__((warn_unused_result)) bool fer_segment_read(
	const struct rte_mbuf *m, uint32_t off, void *to, uint32_t len);
__attribute__((warn_unused_result)) bool fer_segment_write(
	struct rte_mbuf *m, uint32_t off, const void *from, uint32_t len);
