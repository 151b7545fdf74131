// SPDX-License-Identifier: BSD-3-Clause
#include "host/dummy.h"

#include "host/mtu.h"
#include "host/tfc.h"
#include "nic/oob.h"
#include "nic/segment.h"
#include "proto/ip.h"
#include "sa/table.h"

#include <rte_random.h>

#include <string.h>

#define LOOKS_PER_SECOND 10000 // not more often
#define MOST_AT_ONCE 32        // dummies of one SA; what is not made in time is not made up for

// The SA that is to send dummies now; NULL: none.
static struct fer_sa *sender(const struct fer_sa_table *sas, uint64_t handle)
{
	struct fer_sa *sa = handle == 0 ? NULL : fer_sa_get(sas, handle);

	if (sa == NULL || fer_group_active(sas, sa->group) != handle)
		return NULL;
	unsigned life = atomic_load_explicit(&sa->life, memory_order_relaxed);
	return (life & (FER_LIFE_HARD | FER_LIFE_NUMBERS)) == 0 ? sa : NULL;
}

// How many are due.  Each packet of the SA, a dummy too, takes one from what is due.
static unsigned due(struct fer_dummy_pace *p, uint64_t handle, const struct fer_sa *sa,
	uint32_t rate, uint64_t now, uint64_t hz)
{
	uint64_t packets = fer_seq_packets(&sa->out.seq);
	uint64_t most = MOST_AT_ONCE * hz;

	if (p->handle != handle)
		*p = (struct fer_dummy_pace){.handle = handle, .tsc = now, .packets = packets};
	uint64_t ticks = RTE_MIN(now - p->tsc, hz);
	uint64_t sent = packets > p->packets ? packets - p->packets : 0; // some are given back
	uint64_t taken = sent <= MOST_AT_ONCE ? sent * hz : UINT64_MAX;

	p->credit += ticks * rate;
	p->credit = p->credit > taken ? RTE_MIN(p->credit - taken, most) : 0;
	p->tsc = now;
	p->packets = packets;
	return (unsigned)(p->credit / hz);
}

// A packet of a random length that fits, of nothing but an IP header between the ends of the SA.
static struct rte_mbuf *make(const struct fer_sa *sa, const uint8_t *link, uint8_t link_bytes,
	uint32_t most, struct rte_mempool *pool)
{
	struct fer_addr src = {.version = sa->version}, dst = src;
	uint32_t header = sa->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (m == NULL)
		return NULL;
	uint32_t len = header + (uint32_t)rte_rand_max(most > header ? most - header + 1 : 1);
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(link_bytes + header));
	if (at == NULL || !fer_segment_append_zeros(m, len - header, pool)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memcpy(at, link, link_bytes);
	memcpy(src.bytes, sa->out.src, sizeof(src.bytes));
	memcpy(dst.bytes, sa->dst, sizeof(dst.bytes));
	fer_ip_write(at + link_bytes, &(struct fer_ip_header){.src = &src,
					      .dst = &dst,
					      .len = len,
					      .ttl = 64,
					      .protocol = FER_PROTO_NONE,
					      .df = true});
	fer_oob_clear(m);
	return m;
}

// Adds n dummies of one SA, as far as there are buffers and room.
static void add(struct fer_dummies *d, struct fer_batch *b, const struct fer_sa_table *sas,
	unsigned place, unsigned n, uint32_t mtu, struct rte_mempool *pool)
{
	struct fer_dummy *dummy = fer_dummy_at(sas, place);
	const struct fer_sa *sa = fer_sa_at(sas, (uint32_t)d->pace[place - 1].handle);
	uint64_t handles[RTE_DIM(b->pkt[0].handle)] = {d->pace[place - 1].handle};
	uint32_t header = sa->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES;
	uint32_t most =
		fer_mtu_effective(sas, handles, header, mtu != 0 ? mtu : FER_TFC_MTU_DEFAULT);
	uint8_t link[FER_DUMMY_LINK_BYTES], link_bytes;

	if (most == FER_MTU_ANY || most < header || !fer_dummy_link(dummy, link, &link_bytes))
		return;
	b->link = link_bytes > 0 ? FER_LINK_ETHERNET : FER_LINK_RAW_IP;
	for (; n > 0 && b->n < FER_BATCH_MAX; n--) {
		b->m[b->n] = make(sa, link, link_bytes, most, pool);
		if (b->m[b->n] == NULL)
			return;
		d->place[b->n++] = (uint8_t)place;
	}
}

void fer_dummies_start(struct fer_dummies *d, const struct fer_sa_table *sas, uint64_t now,
	uint64_t hz, uint32_t mtu, struct rte_mempool *pool, struct fer_batch *b)
{
	b->n = 0;
	if (now < d->next)
		return;
	d->next = now + hz / LOOKS_PER_SECOND;
	for (unsigned place = 1; place <= FER_DUMMIES_MAX; place++) {
		const struct fer_dummy *dummy = fer_dummy_at(sas, place);
		uint64_t handle = atomic_load_explicit(&dummy->handle, memory_order_acquire);
		const struct fer_sa *sa = sender(sas, handle);

		if (sa == NULL)
			continue;
		unsigned n = due(&d->pace[place - 1], handle, sa, dummy->rate, now, hz);
		if (n > 0)
			add(d, b, sas, place, n, mtu, pool);
	}
	fer_batch_parse(b);
	b->mtu = mtu;
	for (unsigned i = 0; i < b->n; i++)
		b->pkt[i].handle[0] = d->pace[d->place[i] - 1].handle;
}

void fer_dummies_mark(const struct fer_sa_table *sas, struct fer_batch *b)
{
	static const uint8_t none = FER_PROTO_NONE;

	for (unsigned i = 0; i < b->n; i++) {
		struct fer_layer *layer = &b->round[0][i];
		struct fer_oob *o = fer_oob_of(b->m[i]);

		if (!fer_pkt_alive(&b->pkt[i]))
			continue;
		layer->next_header = none;
		o->header = (o->header & ~0xffu) | none;
		// Nothing that is around it adds to the end.
		uint32_t at = b->pkt[i].frame.end - fer_sa_at(sas, layer->sa)->suite.icv_bytes - 1;
		if (!fer_segment_write(b->m[i], at, &none, sizeof(none)))
			b->pkt[i].verdict = FER_NO_ROOM;
	}
}

void fer_dummies_count(
	const struct fer_dummies *d, const struct fer_sa_table *sas, const struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (fer_pkt_alive(&b->pkt[i]))
			atomic_fetch_add_explicit(
				&fer_dummy_at(sas, d->place[i])->made, 1, memory_order_relaxed);
}
