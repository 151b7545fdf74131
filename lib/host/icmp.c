// SPDX-License-Identifier: BSD-3-Clause
#include "host/icmp.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "nic/segment.h"
#include "proto/cksum.h"
#include "proto/ip.h"
#include "proto/ipsec.h"

#include <rte_ip.h>

#include <string.h>

#define ICMP_HEADER_BYTES 8
#define ICMP_UNREACHABLE 3
#define ICMP_FRAGMENTATION_NEEDED 4
#define ICMPV6_PACKET_TOO_BIG 2
#define ICMPV6_REDIRECT 137
#define MAC_BYTES 6
#define TOS_INTERNET_CONTROL 0xc0 // RFC 1812 section 4.3.2.5

// How an answer differs from one IP version to the other.
struct form {
	uint32_t most; // bytes of the whole answer
	uint8_t header_bytes;
	uint8_t protocol;
	uint8_t ttl;
	uint8_t type, code;
};

static const struct form *form_of(uint8_t version)
{
	static const struct form v4 = {576, FER_IPV4_HEADER_BYTES, FER_PROTO_ICMP, 64,
		ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED};
	static const struct form v6 = {
		1280, FER_IPV6_HEADER_BYTES, FER_PROTO_ICMPV6, 255, ICMPV6_PACKET_TOO_BIG, 0};

	return version == 4 ? &v4 : &v6;
}

// Is it an ICMP message that must not be answered, or one of which that cannot be seen?
static bool is_icmp_error(const struct fer_frame *f)
{
	uint8_t type = f->dport >> 8;

	if (f->protocol == FER_PROTO_ICMPV6)
		return !f->has_ports || type < 128 || type == ICMPV6_REDIRECT;
	if (f->protocol != FER_PROTO_ICMP)
		return false;
	return !f->has_ports || (type >= 3 && type <= 5) || type == 11 || type == 12;
}

// Is it the address of one host?
static bool is_unicast(const struct fer_addr *a)
{
	if (a->version == 4)
		return a->bytes[0] != 0 && a->bytes[0] != 127 && a->bytes[0] < 224;
	return a->bytes[0] != 0xff && (fer_load_be64(a->bytes) | fer_load_be64(a->bytes + 8)) > 1;
}

static bool is_answered(const struct rte_mbuf *m, const struct fer_pkt *p, struct fer_addr *src,
	struct fer_addr *dst)
{
	const struct fer_frame *f = &p->frame;
	uint8_t room[FER_IPV6_HEADER_BYTES], first = 0;

	if (p->parsed != FER_OK || (f->fragment & FER_FRAGMENT_LATER) != 0 || is_icmp_error(f))
		return false;
	if (p->l2_len > 0 && (!fer_segment_read(m, 0, &first, 1) || (first & 1) != 0))
		return false;
	fer_ip_addresses(
		rte_pktmbuf_read(m, f->ip_off, form_of(f->version)->header_bytes, room), src, dst);
	return is_unicast(src) && is_unicast(dst);
}

// The link header of the answer.
static bool write_link(uint8_t *to, const struct rte_mbuf *m, uint16_t len)
{
	uint8_t mac[MAC_BYTES];

	if (!fer_segment_read(m, 0, to, len))
		return false;
	if (len == 0)
		return true;
	memcpy(mac, to, MAC_BYTES);
	memcpy(to, to + MAC_BYTES, MAC_BYTES);
	memcpy(to + MAC_BYTES, mac, MAC_BYTES);
	return true;
}

// The message of len bytes behind the IP header, of which what is quoted stands there already.
static void write_message(uint8_t *ip, const struct form *form, uint32_t len, uint32_t mtu)
{
	uint8_t *icmp = ip + form->header_bytes;
	uint16_t sum;

	memset(icmp, 0, ICMP_HEADER_BYTES);
	icmp[0] = form->type;
	icmp[1] = form->code;
	if (form->protocol == FER_PROTO_ICMP) {
		fer_store_be16(icmp + 6, (uint16_t)RTE_MIN(mtu, (uint32_t)UINT16_MAX));
		fer_store_be16(icmp + 2, fer_cksum(icmp, len));
		return;
	}
	fer_store_be32(icmp + 4, mtu);
	sum = rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)ip, icmp); // any protocol will do
	memcpy(icmp + 2, &sum, sizeof(sum));
}

struct rte_mbuf *fer_icmp_too_big(
	const struct rte_mbuf *m, const struct fer_pkt *p, uint32_t mtu, struct rte_mempool *pool)
{
	const struct fer_frame *f = &p->frame;
	struct fer_addr src, dst;

	if (!is_answered(m, p, &src, &dst))
		return NULL;
	const struct form *form = form_of(f->version);
	uint32_t quoted =
		RTE_MIN(f->end - f->ip_off, form->most - form->header_bytes - ICMP_HEADER_BYTES);
	uint32_t len = form->header_bytes + ICMP_HEADER_BYTES + quoted;
	struct rte_mbuf *a = rte_pktmbuf_alloc(pool);
	uint8_t *at = a == NULL ? NULL : (uint8_t *)rte_pktmbuf_append(a, p->l2_len + len);

	if (at == NULL || !write_link(at, m, p->l2_len) ||
		!fer_segment_read(m, f->ip_off, at + p->l2_len + len - quoted, quoted)) {
		rte_pktmbuf_free(a);
		return NULL;
	}
	fer_ip_write(at + p->l2_len, &(struct fer_ip_header){.src = &dst,
					     .dst = &src,
					     .len = len,
					     .tos = TOS_INTERNET_CONTROL,
					     .ttl = form->ttl,
					     .protocol = form->protocol,
					     .df = true});
	write_message(at + p->l2_len, form, len - form->header_bytes, mtu);
	a->port = m->port;
	fer_oob_clear(a);
	return a;
}
