// SPDX-License-Identifier: BSD-3-Clause
#include "host/nat.h"

#include "base/bytes.h"
#include "host/stages.h"
#include "nic/oob.h"
#include "nic/udp.h"
#include "sa/udp.h"

#define KEEPALIVE_TTL 64

// Whence the packet of a layer that came in UDP was sent.
static bool read_source(
	const struct rte_mbuf *m, const struct fer_layer *layer, struct fer_peer *from)
{
	uint8_t room[FER_IPV6_HEADER_BYTES], port[2];
	const uint8_t *ip = rte_pktmbuf_read(m, layer->ip_off, FER_IPV4_HEADER_BYTES, room);
	struct fer_addr dst;

	if (ip != NULL && ip[0] >> 4 == 6)
		ip = rte_pktmbuf_read(m, layer->ip_off, FER_IPV6_HEADER_BYTES, room);
	if (ip == NULL)
		return false;
	*from = (struct fer_peer){0};
	fer_ip_addresses(ip, &from->addr, &dst);
	const uint8_t *udp =
		rte_pktmbuf_read(m, layer->sec_off - FER_UDP_HEADER_BYTES, sizeof(port), port);
	if (udp == NULL)
		return false;
	from->port = fer_load_be16(udp);
	return true;
}

void fer_nat_learn(struct fer_host *host, const struct fer_batch *b, const uint16_t at[],
	unsigned n, unsigned k, const struct fer_sa *sa)
{
	const struct fer_layer *newest = NULL;
	const struct rte_mbuf *m = NULL;
	struct fer_peer from;

	if (!fer_udp_has_peer(host->sas, sa))
		return;
	for (unsigned j = 0; j < n; j++) {
		const struct fer_layer *layer = &b->round[k][at[j]];

		// Another worker may still have the packet, for a layer inside.
		if (b->m[at[j]] != NULL && (newest == NULL || layer->seq > newest->seq)) {
			newest = layer;
			m = b->m[at[j]];
		}
	}
	if (newest != NULL && read_source(m, newest, &from) &&
		fer_udp_learn(host->sas, sa, newest->seq, &from))
		fer_audit_move(host, sa, newest->seq, &from);
}

struct rte_mbuf *fer_nat_keepalive(const struct fer_sa *sa, struct rte_mempool *pool)
{
	uint8_t link[FER_UDP_LINK_BYTES], n_link;
	const struct fer_udp_head *head = fer_udp_head_of(sa);
	struct fer_addr src = {.version = sa->version};
	struct rte_mbuf *m = fer_udp_link(sa, link, &n_link) ? rte_pktmbuf_alloc(pool) : NULL;
	uint32_t ip_bytes = sa->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES;

	if (m == NULL)
		return NULL;
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(
		m, (uint16_t)(n_link + ip_bytes + FER_UDP_HEADER_BYTES + 1));
	if (at == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	fer_oob_clear(m);
	memcpy(at, link, n_link);
	memcpy(src.bytes, sa->out.src, sizeof(src.bytes));
	at += n_link;
	at += fer_ip_write(at, &(struct fer_ip_header){.src = &src,
				       .dst = &head->peer.addr,
				       .len = ip_bytes + FER_UDP_HEADER_BYTES + 1,
				       .ttl = KEEPALIVE_TTL,
				       .protocol = FER_PROTO_UDP});
	fer_store_be16(at, head->sport);
	fer_store_be16(at + 2, head->peer.port);
	fer_store_be32(at + 4, (FER_UDP_HEADER_BYTES + 1) << 16);
	at[FER_UDP_HEADER_BYTES] = FER_NAT_KEEPALIVE;
	if (sa->version == 6)
		fer_udp_write_sum(m, n_link, n_link + ip_bytes, m->pkt_len);
	return m;
}
