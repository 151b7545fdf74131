// SPDX-License-Identifier: BSD-3-Clause
#include "nic/udp.h"

#include "base/bytes.h"
#include "nic/segment.h"
#include "proto/ip.h"

#define LEN_OFF 4

bool fer_udp_has_esp(
	const struct fer_sa_table *sas, const struct rte_mbuf *m, const struct fer_frame *f)
{
	uint32_t off = f->up_off + FER_UDP_HEADER_BYTES;
	uint8_t room[FER_NON_ESP_MARKER_BYTES];

	if (!fer_udp_may_have_esp(sas, f) || f->end < off + sizeof(room))
		return false;
	const uint8_t *first = rte_pktmbuf_read(m, off, sizeof(room), room);
	return first != NULL && fer_load_be32(first) != 0;
}

// The sum over pseudo header and datagram; all ones when its checksum is right.
static uint16_t sum_of(const struct rte_mbuf *m, uint32_t ip_off, uint32_t udp_off, uint32_t end)
{
	uint8_t first, room[FER_IPV6_HEADER_BYTES];
	uint32_t len = end - udp_off;

	first = *(const uint8_t *)rte_pktmbuf_read(m, ip_off, sizeof(first), &first);
	const uint8_t *ip = rte_pktmbuf_read(
		m, ip_off, first >> 4 == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES, room);
	uint32_t sum = fer_ip_pseudo_sum(ip, FER_PROTO_UDP, len) + fer_segment_sum(m, udp_off, len);

	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

bool fer_udp_is_sound(const struct rte_mbuf *m, const struct fer_frame *f)
{
	uint8_t room[FER_UDP_HEADER_BYTES];
	const uint8_t *udp = rte_pktmbuf_read(m, f->up_off, sizeof(room), room);

	if (udp == NULL || fer_load_be16(udp + LEN_OFF) != f->end - f->up_off)
		return false;
	return fer_load_be16(udp + FER_UDP_CKSUM_OFF) == 0 ||
	       sum_of(m, f->ip_off, f->up_off, f->end) == 0xffff;
}

void fer_udp_write_sum(struct rte_mbuf *m, uint32_t ip_off, uint32_t udp_off, uint32_t end)
{
	static const uint8_t none[2];
	uint8_t field[2];

	if (!fer_segment_write(m, udp_off + FER_UDP_CKSUM_OFF, none, sizeof(none)))
		return;
	uint16_t sum = (uint16_t)~sum_of(m, ip_off, udp_off, end);
	fer_store_be16(field, sum == 0 ? 0xffff : sum); // 0 would say that there is none
	(void)!fer_segment_write(m, udp_off + FER_UDP_CKSUM_OFF, field, sizeof(field));
}
