// SPDX-License-Identifier: BSD-3-Clause
// What a NAT on the way leaves to the receiver: where the peer is now.
#include "host/stages.h"

#include "base/bytes.h"
#include "sa/udp.h"

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
	const struct fer_layer *newest;
	unsigned i;
	struct fer_peer from;

	if (n == 0 || !fer_udp_has_peer(host->sas, sa))
		return;
	i = at[0];
	for (unsigned j = 1; j < n; j++)
		if (b->layer[at[j]][k].seq > b->layer[i][k].seq)
			i = at[j];
	newest = &b->layer[i][k];
	if (read_source(b->m[i], newest, &from) && fer_udp_learn(host->sas, sa, newest->seq, &from))
		fer_audit_move(host, sa, newest->seq, &from);
}
