// SPDX-License-Identifier: BSD-3-Clause
#include "nic/batch.h"

#include "nic/oob.h"

#include <string.h>

// The bytes that headers may lie in: where they are, or copied to room when they are in pieces.
static const uint8_t *headers(const struct rte_mbuf *m, uint8_t room[FER_HEADERS_MAX], uint32_t *n)
{
	uint32_t want = RTE_MIN(m->pkt_len, (uint32_t)FER_HEADERS_MAX);

	*n = RTE_MAX(want, (uint32_t)m->data_len);
	if (likely(m->data_len >= want))
		return rte_pktmbuf_mtod(m, const uint8_t *);
	*n = want;
	return rte_pktmbuf_read(m, 0, want, room);
}

static enum fer_verdict parse_ip(const uint8_t *bytes, uint32_t avail, uint32_t end,
	uint16_t ip_off, uint16_t ether_type, struct fer_frame *f)
{
	enum fer_verdict v = FER_NOT_IP;

	if (ether_type == FER_ETHER_TYPE_IPV4 || ether_type == FER_ETHER_TYPE_IPV6)
		v = fer_frame_parse(bytes, avail, end, ip_off, f);
	if (v == FER_OK && fer_ether_type(f->version) != ether_type)
		v = FER_BAD_IP;
	if (v != FER_OK)
		f->version = 0;
	return v;
}

void fer_batch_parse_one(struct fer_batch *b, unsigned i)
{
	uint8_t room[FER_HEADERS_MAX];
	const struct rte_mbuf *m = b->m[i];
	struct fer_pkt *p = &b->pkt[i];
	struct fer_l2 l2;
	uint32_t avail;
	const uint8_t *bytes = headers(m, room, &avail);

	p->parsed = FER_NOT_IP;
	p->pending = 0;
	p->frame.version = 0;
	if (!fer_l2_parse((enum fer_link)b->link, bytes, avail, &l2))
		return;
	p->type_off = l2.type_off;
	p->l2_len = l2.len;
	p->parsed = (uint8_t)parse_ip(bytes, avail, m->pkt_len, l2.len, l2.type, &p->frame);
	p->pending = fer_pkt_shows_layer(p);
}

void fer_batch_parse_inner(struct fer_batch *b, unsigned i, uint16_t ip_off, uint32_t end)
{
	uint8_t room[FER_HEADERS_MAX];
	struct fer_pkt *p = &b->pkt[i];
	uint32_t avail;
	const uint8_t *bytes = headers(b->m[i], room, &avail);

	p->parsed = (uint8_t)fer_frame_parse(bytes, avail, end, ip_off, &p->frame);
	if (p->parsed != FER_OK)
		p->frame.version = 0;
}

void fer_batch_parse(struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		if (i + 2 < b->n)
			rte_prefetch0(rte_pktmbuf_mtod(b->m[i + 2], void *));
		struct fer_pkt *p = &b->pkt[i];
		p->verdict = FER_OK;
		p->n_layers = 0;
		p->handle[0] = p->handle[1] = 0;
		p->inside[0] = p->inside[1] = 0;
		fer_batch_parse_one(b, i);
	}
	fer_batch_mark(b, FER_STAGE_PARSE);
}

// Pinned external memory is that of the pool: it comes and goes with the segment.
static bool segment_is_shared(const struct rte_mbuf *s)
{
	if (rte_mbuf_refcnt_read(s) != 1 || RTE_MBUF_CLONED(s))
		return true;
	if (likely(!RTE_MBUF_HAS_EXTBUF(s)))
		return false;
	return !RTE_MBUF_HAS_PINNED_EXTBUF(s) || rte_mbuf_ext_refcnt_read(s->shinfo) != 1;
}

static bool is_shared(const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		if (segment_is_shared(m))
			return true;
	return false;
}

void fer_batch_own(struct fer_batch *b, struct rte_mempool *pool)
{
	for (unsigned i = 0; i < b->n; i++) {
		if (likely(!is_shared(b->m[i])))
			continue;
		struct rte_mbuf *copy = rte_pktmbuf_copy(b->m[i], pool, 0, UINT32_MAX);
		if (copy == NULL) {
			b->pkt[i].verdict = FER_NO_ROOM;
			continue;
		}
		rte_pktmbuf_free(b->m[i]);
		b->m[i] = copy;
	}
}
