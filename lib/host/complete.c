// SPDX-License-Identifier: BSD-3-Clause
#include "host/complete.h"

#include "base/bytes.h"
#include "host/intake.h"
#include "nic/segment.h"
#include "proto/ip.h"
#include "proto/ipsec.h"
#include "proto/tcp.h"

#define ICMPV6_HEADER_BYTES 4
#define ICMPV6_CKSUM_OFF 2

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
		return len >= FER_TCP_HEADER_BYTES ? FER_TCP_CKSUM_OFF : 0;
	return f->protocol == FER_PROTO_UDP && len >= FER_UDP_HEADER_BYTES ? FER_UDP_CKSUM_OFF : 0;
}

// Writes the right checksum of a transport packet of which the field holds the pseudo header's sum.
static void finish(struct rte_mbuf *m, const struct fer_frame *f, uint16_t off)
{
	uint16_t sum = (uint16_t)~fer_segment_sum(m, f->up_off, f->end - f->up_off);
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
	if (fer_load_be16(field) == fer_ip_pseudo_sum(ip, f->protocol, f->end - f->up_off))
		finish(m, f, off);
}

void fer_complete_again(struct rte_mbuf *m, const struct fer_frame *f)
{
	bool icmpv6 = f->version == 6 && f->protocol == FER_PROTO_ICMPV6 && f->fragment == 0 &&
		      f->end - f->up_off >= ICMPV6_HEADER_BYTES;
	uint8_t room[FER_IPV6_HEADER_BYTES], field[2];
	uint16_t off = icmpv6 ? ICMPV6_CKSUM_OFF : cksum_off(f);

	if (off == 0 || !fer_segment_read(m, f->up_off + off, field, sizeof(field)) ||
		(f->protocol == FER_PROTO_UDP && f->version == 4 && fer_load_be16(field) == 0))
		return;
	const uint8_t *ip = rte_pktmbuf_read(m, f->ip_off,
		f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES, room);
	fer_store_be16(field, fer_ip_pseudo_sum(ip, f->protocol, f->end - f->up_off));
	if (fer_segment_write(m, f->up_off + off, field, sizeof(field)))
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
