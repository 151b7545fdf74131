// SPDX-License-Identifier: BSD-3-Clause
#include "host/complete.h"

#include "base/bytes.h"
#include "host/intake.h"
#include "nic/segment.h"
#include "proto/cksum.h"
#include "proto/ip.h"

#include <string.h>

#define TCP_HEADER_BYTES 20
#define TCP_CKSUM_OFF 16

#define UDP_HEADER_BYTES 8
#define UDP_CKSUM_OFF 6

static bool is_unfinished(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;
}

// Offset of the checksum in the transport header, 0 where there is none that we could finish.
static uint16_t cksum_off(const struct fer_frame *f)
{
	uint32_t len = f->end - f->up_off;

	if (f->version == 0 || f->fragment != 0)
		return 0;
	if (f->protocol == FER_PROTO_TCP)
		return len >= TCP_HEADER_BYTES ? TCP_CKSUM_OFF : 0;
	return f->protocol == FER_PROTO_UDP && len >= UDP_HEADER_BYTES ? UDP_CKSUM_OFF : 0;
}

uint16_t fer_complete_pseudo(const uint8_t *ip, uint8_t protocol, uint32_t len)
{
	bool v4 = ip[0] >> 4 == 4;
	uint8_t pseudo[2 * 16 + 8] = {0};
	uint32_t n = v4 ? 8 : 32;

	memcpy(pseudo, ip + (v4 ? 12 : 8), n);
	fer_store_be32(pseudo + n, len);
	pseudo[n + 7] = protocol;
	return (uint16_t)~fer_cksum(pseudo, n + 8);
}

// The sum of len bytes at off, which are there.  rte_raw_cksum_mbuf() of DPDK 22.11 is wrong where
// a segment begins with the second byte of a word.
static uint16_t sum_of(const struct rte_mbuf *m, uint32_t off, uint32_t len)
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

// Writes the right checksum of a transport packet of which the field holds the pseudo header's sum.
static void finish(struct rte_mbuf *m, const struct fer_frame *f, uint16_t off)
{
	uint16_t sum = (uint16_t)~sum_of(m, f->up_off, f->end - f->up_off);
	uint8_t field[2];

	if (sum == 0 && f->protocol == FER_PROTO_UDP)
		sum = 0xffff; // 0 would say that there is none (RFC 768)
	fer_store_be16(field, sum);
	if (fer_segment_write(m, f->up_off + off, field, sizeof(field)))
		m->ol_flags &= ~RTE_MBUF_F_RX_L4_CKSUM_MASK;
}

void fer_complete_one(struct rte_mbuf *m, const struct fer_frame *f)
{
	uint8_t room[FER_IPV6_HEADER_BYTES], field[2];
	uint16_t off = is_unfinished(m) ? cksum_off(f) : 0;

	if (off == 0 || !fer_segment_read(m, f->up_off + off, field, sizeof(field)))
		return;
	const uint8_t *ip = rte_pktmbuf_read(m, f->ip_off,
		f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES, room);
	if (fer_load_be16(field) == fer_complete_pseudo(ip, f->protocol, f->end - f->up_off))
		finish(m, f, off);
}

void fer_complete_run(struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_pkt *p = &b->pkt[i];
		const struct rte_mbuf *m = b->m[i];

		if (likely(!is_unfinished(m) && !fer_is_large_send(m)) || !fer_pkt_alive(p))
			continue;
		if (fer_is_large_send(m))
			p->verdict = FER_LARGE_SEND;
		else
			fer_complete_one(b->m[i], &p->frame);
	}
}
