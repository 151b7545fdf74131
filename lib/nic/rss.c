// SPDX-License-Identifier: BSD-3-Clause
#include "nic/rss.h"

#include "base/bytes.h"
#include "nic/segment.h"
#include "proto/ip.h"

#include <rte_thash.h>

#define IPV4_ADDRESSES_OFF 12
#define IPV6_ADDRESSES_OFF 8
#define MAX_WORDS (2 * 16 / 4 + 1) // addresses and ports

void fer_rss_init(struct fer_rss *r, const uint8_t key[FER_RSS_KEY_BYTES])
{
	uint32_t words[FER_RSS_KEY_BYTES / 4];

	memcpy(words, key, sizeof(words));
	rte_convert_rss_key(words, r->key, FER_RSS_KEY_BYTES);
}

static bool has_ports(const struct fer_frame *f)
{
	return f->fragment == 0 && (f->protocol == FER_PROTO_TCP || f->protocol == FER_PROTO_UDP);
}

// What of the packet is hashed, in words of host order.  Returns how many there are.
static uint32_t read_tuple(const struct rte_mbuf *m, const struct fer_frame *f, uint32_t tuple[])
{
	uint32_t off = f->ip_off + (f->version == 4 ? IPV4_ADDRESSES_OFF : IPV6_ADDRESSES_OFF);
	uint32_t n_bytes = f->version == 4 ? 2 * 4 : 2 * 16;
	uint8_t bytes[MAX_WORDS * 4];

	if (!fer_segment_read(m, off, bytes, n_bytes))
		return 0;
	if (has_ports(f) && f->end - f->up_off >= 4 &&
		fer_segment_read(m, f->up_off, bytes + n_bytes, 4))
		n_bytes += 4;
	for (uint32_t i = 0; i < n_bytes / 4; i++)
		tuple[i] = fer_load_be32(bytes + i * 4);
	return n_bytes / 4;
}

static bool gets_hash(const struct fer_batch *b, unsigned i)
{
	const struct fer_pkt *p = &b->pkt[i];

	if (b->m[i] == NULL || p->parsed != FER_OK)
		return false;
	return p->n_layers > 0 ? b->round[0][i].verdict == FER_OK
			       : (b->m[i]->ol_flags & RTE_MBUF_F_RX_RSS_HASH) == 0;
}

void fer_rss_hash(const struct fer_rss *r, struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		const struct fer_pkt *p = &b->pkt[i];
		uint32_t tuple[MAX_WORDS], n = 0;

		if (gets_hash(b, i))
			n = read_tuple(b->m[i], &p->frame, tuple);
		if (n == 0)
			continue;
		b->m[i]->hash.rss = rte_softrss_be(tuple, n, (const uint8_t *)r->key);
		b->m[i]->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
	}
}
