// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Taking the outer header of a tunnel off a packet that is as most are, inlined where it is known
// what it is like.

#include "host/outer_run.h"

// Is a packet that was opened in tunnel mode in one piece, of that version inside, and is there
// nothing to say about ECN?  Its layer, the only one, is at these places.
static inline bool fer_outer_comes_off(const struct rte_mbuf *m, const struct fer_frame *f,
	uint32_t pay_off, uint32_t ip_off, uint8_t inner_version, uint8_t outer_version)
{
	if (unlikely(m->nb_segs != 1 || f->end > m->data_len || m->data_off < FER_OUTER_IN_FRONT ||
		     f->version != inner_version))
		return false;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	return likely(!fer_tunnel_ecn_differs(
		frame[pay_off + 1], inner_version, frame[ip_off + 1], outer_version));
}

// Moves a link header to the inner header behind it, and says in it what follows.
static inline void fer_outer_bring_link(
	uint8_t *inner, const uint8_t *frame, uint32_t l2_len, uint8_t inner_version)
{
	if (l2_len == FER_ETHER_HEADER_BYTES) // what is in front of it falls away
		memcpy(inner - FER_OUTER_LINK_BYTES, frame - FER_OUTER_IN_FRONT,
			FER_OUTER_LINK_BYTES);
	else
		fer_outer_move_front(inner - l2_len, frame, l2_len);
	if (likely(l2_len > 0))
		fer_store_be16(inner - sizeof(uint16_t), fer_ether_type(inner_version));
}

// Takes the layer off a packet of which that is true, and trims what follows its payload.
static inline void fer_outer_take_off_plain(struct rte_mbuf *m, struct fer_frame *f,
	uint32_t pay_off, uint32_t l2_len, uint8_t inner_version)
{
	const uint32_t gap = pay_off - l2_len, end = f->end;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	fer_outer_bring_link(
		rte_pktmbuf_mtod_offset(m, uint8_t *, pay_off), frame, l2_len, inner_version);
	fer_outer_shift_frame(f, gap);
	m->data_off += (uint16_t)gap;
	m->pkt_len = m->data_len = (uint16_t)(end - gap);
}
