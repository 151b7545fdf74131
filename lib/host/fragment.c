// SPDX-License-Identifier: BSD-3-Clause

// rte_ip_frag cuts; it knows no link header, sets no checksum and gives no identification to IPv6.
#include "host/fragment.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "nic/segment.h"
#include "proto/cksum.h"
#include "proto/ip.h"

#include <rte_ip_frag.h>
#include <rte_random.h>

#include <string.h>

#define LINK_BYTES_MAX (FER_ETHER_HEADER_BYTES + 4 * FER_L2_MAX_TAGS)
#define DF 0x4000
#define FRAGMENT_ID_OFF (FER_IPV6_HEADER_BYTES + 4)

// Leaves the IP packet alone, with its headers in the first segment, which goes on behind them.
static bool bare_ip(struct rte_mbuf **m, const struct fer_frame *f, uint8_t link[LINK_BYTES_MAX])
{
	if (f->ip_off > LINK_BYTES_MAX || f->up_off >= f->end)
		return false;
	fer_segment_trim(*m, f->end);
	if (!fer_segment_pull(m, f->up_off + 1u, (*m)->pool))
		return false;
	memcpy(link, rte_pktmbuf_mtod(*m, void *), f->ip_off);
	return rte_pktmbuf_adj(*m, f->ip_off) != NULL;
}

static int cut(struct rte_mbuf *m, const struct fer_frame *f, uint32_t mtu,
	struct rte_mempool *pool, struct rte_mbuf *out[FER_FRAGMENTS_MAX])
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t most = (uint16_t)RTE_MIN(mtu, (uint32_t)UINT16_MAX);

	if (f->version == 6)
		return rte_ipv6_fragment_packet(m, out, FER_FRAGMENTS_MAX, most, pool, pool);
	fer_store_be16(ip + 6, fer_load_be16(ip + 6) & ~DF); // the checksum is made anew
	return rte_ipv4_fragment_packet(m, out, FER_FRAGMENTS_MAX, most, pool, pool);
}

static void complete_ip(uint8_t *ip, uint32_t id)
{
	if (ip[0] >> 4 == 6) {
		fer_store_be32(ip + FRAGMENT_ID_OFF, id);
		return;
	}
	fer_store_be16(ip + 10, 0);
	fer_store_be16(ip + 10, fer_cksum(ip, (ip[0] & 0xf) * 4u));
}

// Makes a frame of a fragment, which begins in a fresh segment.
static void complete(struct rte_mbuf *m, const uint8_t *link, uint16_t n_link, uint32_t id)
{
	complete_ip(rte_pktmbuf_mtod(m, uint8_t *), id);
	memcpy(rte_pktmbuf_prepend(m, n_link), link, n_link);
	m->tx_offload = 0;
	fer_oob_clear(m);
}

unsigned fer_fragment_cut(struct rte_mbuf **m, const struct fer_frame *f, uint32_t mtu,
	struct rte_mempool *pool, struct rte_mbuf *out[FER_FRAGMENTS_MAX])
{
	uint8_t link[LINK_BYTES_MAX];
	uint32_t id = (uint32_t)rte_rand();

	if ((f->version == 6 && f->has_options) || !bare_ip(m, f, link))
		return 0;
	int n = cut(*m, f, mtu, pool, out);
	if (n <= 0)
		return 0;
	for (int i = 0; i < n; i++) {
		out[i]->port = (*m)->port;
		complete(out[i], link, f->ip_off, id);
	}
	rte_pktmbuf_free(*m); // what the fragments share of it stays
	return (unsigned)n;
}

static enum fer_verdict run_one(struct fer_batch *b, unsigned i, struct rte_mempool *pool)
{
	struct rte_mbuf *fragments[FER_FRAGMENTS_MAX];
	const struct fer_pkt *p = &b->pkt[i];

	fer_batch_parse_one(b, i); // it is not the packet any more that was parsed
	if (p->parsed != FER_OK || p->frame.end - p->frame.ip_off <= b->mtu)
		return FER_OK;
	unsigned n = fer_fragment_cut(&b->m[i], &p->frame, b->mtu, pool, fragments);
	if (n == 0)
		return FER_NO_ROOM;
	b->m[i] = fragments[0];
	if (b->n_more + n - 1 > FER_BATCH_MORE) {
		rte_pktmbuf_free_bulk(fragments + 1, n - 1);
		return FER_NO_ROOM;
	}
	for (unsigned k = 1; k < n; k++) {
		b->more_of[b->n_more] = (uint16_t)i;
		b->more[b->n_more++] = fragments[k];
	}
	return FER_OK;
}

void fer_fragment_run(struct fer_batch *b, struct rte_mempool *pool)
{
	if (b->mtu == 0)
		return;
	for (unsigned i = 0; i < b->n; i++) {
		struct fer_pkt *p = &b->pkt[i];

		if (fer_pkt_alive(p) && unlikely(b->m[i]->pkt_len > b->mtu + p->l2_len))
			p->verdict = (uint8_t)run_one(b, i, pool);
	}
}
