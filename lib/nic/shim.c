// SPDX-License-Identifier: BSD-3-Clause
#include "nic/shim.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "nic/segment.h"
#include "nic/status.h"

#include <rte_byteorder.h>

#include <string.h>

#define MACS_BYTES FER_SHIM_MACS_BYTES

struct record {
	uint8_t version;
	uint8_t flags;
	rte_le16_t length;
	rte_le32_t status;
	rte_le64_t cookie;
	rte_le64_t slot0;
	rte_le64_t slot1;
	rte_le64_t slot2;
	rte_le64_t slot11;
	rte_le64_t slot12;
};

static_assert(sizeof(struct record) == FER_SHIM_RECORD_BYTES, "no padding");
static_assert(MACS_BYTES == FER_ETHER_TYPE_OFF, "they stand in front of the EtherType");
static_assert(FER_BATCH_SIDE >= FER_BATCH_MAX, "every send may have a completion");

// --- taking off -------------------------------------------------------------------------------

static bool is_send_request(const struct record *r)
{
	return r->version == FER_SHIM_VERSION && r->flags == 0 &&
	       rte_le_to_cpu_16(r->length) >= sizeof(*r);
}

// The record of a frame; false when it has none.
static bool read_record(const struct rte_mbuf *m, struct record *r)
{
	uint8_t type[2];

	return fer_segment_read(m, MACS_BYTES, type, sizeof(type)) &&
	       fer_load_be16(type) == FER_SHIM_ETHER_TYPE &&
	       fer_segment_read(m, FER_ETHER_HEADER_BYTES, r, sizeof(*r));
}

uint32_t fer_shim_more(const struct rte_mbuf *m)
{
	struct record r;

	if (!read_record(m, &r))
		return 0;
	const struct fer_oob words = {.lso = (uint32_t)rte_le_to_cpu_64(r.slot2)};
	return fer_oob_mss(&words) == 0 ? 0 : m->pkt_len / fer_oob_mss(&words);
}

static void set_words(struct rte_mbuf *m, const struct record *r)
{
	*fer_oob_of(m) = (struct fer_oob){
		.checksum = (uint32_t)rte_le_to_cpu_64(r->slot0),
		.ipsec = rte_le_to_cpu_64(r->slot1),
		.tunnel = rte_le_to_cpu_64(r->slot11),
		.lso = (uint32_t)rte_le_to_cpu_64(r->slot2),
		.header = (uint32_t)rte_le_to_cpu_64(r->slot12),
	};
}

static enum fer_verdict take_one(struct fer_shim *s, struct fer_batch *b, unsigned i)
{
	struct record r;

	if (!read_record(b->m[i], &r))
		return FER_BAD_SHIM;
	s->has_cookie[i] = r.version == FER_SHIM_VERSION && r.flags == 0;
	s->cookie[i] = rte_le_to_cpu_64(r.cookie);
	if (s->completes_all && !fer_segment_read(b->m[i], 0, s->macs[i], MACS_BYTES))
		return FER_BAD_SHIM;

	uint32_t gap = 2 + (uint32_t)rte_le_to_cpu_16(r.length);
	// An EtherType has to be there still.
	if (!is_send_request(&r) || MACS_BYTES + gap + 2 > b->m[i]->pkt_len)
		return FER_BAD_SHIM;
	if (!fer_segment_pull(&b->m[i], MACS_BYTES + gap, s->pool))
		return FER_NO_ROOM;

	uint8_t *frame = rte_pktmbuf_mtod(b->m[i], uint8_t *);
	memmove(frame + gap, frame, MACS_BYTES);
	rte_pktmbuf_adj(b->m[i], (uint16_t)gap);
	set_words(b->m[i], &r);
	s->lso[i] = fer_oob_mss(fer_oob_of(b->m[i])) != 0 ? fer_oob_of(b->m[i])->lso : 0;
	fer_batch_parse_one(b, i);
	return FER_OK;
}

void fer_shim_take(struct fer_shim *s, struct fer_batch *b)
{
	fer_batch_parse(b); // to have verdicts
	fer_batch_own(b, s->pool);
	for (unsigned i = 0; i < b->n; i++) {
		s->has_cookie[i] = false;
		s->lso[i] = 0;
		fer_oob_clear(b->m[i]);
		if (fer_pkt_alive(&b->pkt[i]))
			b->pkt[i].verdict = (uint8_t)take_one(s, b, i);
	}
	fer_batch_mark(b, FER_STAGE_PARSE);
}

void fer_shim_keep(struct fer_shim *s, const struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (s->lso[i] != 0 && fer_pkt_alive(&b->pkt[i]))
			s->lso[i] = fer_oob_of(b->m[i])->lso;
}

// --- putting on -------------------------------------------------------------------------------

// Puts a record behind the MAC addresses.  False when there is no buffer: nothing has changed.
static bool put_record(struct fer_shim *s, struct rte_mbuf **m, const struct record *r)
{
	if (!fer_segment_grow_front(m, FER_SHIM_BYTES, MACS_BYTES, s->pool))
		return false;
	uint8_t *frame = rte_pktmbuf_mtod(*m, uint8_t *);

	memmove(frame, frame + FER_SHIM_BYTES, MACS_BYTES);
	fer_store_be16(frame + MACS_BYTES, FER_SHIM_ETHER_TYPE);
	memcpy(frame + FER_ETHER_HEADER_BYTES, r, sizeof(*r));
	return true;
}

static struct record record_of(struct rte_mbuf *m, uint8_t flags)
{
	const struct fer_oob *o = fer_oob_of(m);

	return (struct record){
		.version = FER_SHIM_VERSION,
		.flags = flags,
		.length = rte_cpu_to_le_16(sizeof(struct record)),
		.slot0 = rte_cpu_to_le_64(o->checksum),
		.slot1 = rte_cpu_to_le_64(o->ipsec),
		.slot2 = rte_cpu_to_le_64(o->lso),
		.slot11 = rte_cpu_to_le_64(o->tunnel),
		.slot12 = rte_cpu_to_le_64(o->header),
	};
}

void fer_shim_indicate(struct fer_shim *s, struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		if (!fer_pkt_alive(&b->pkt[i]))
			continue;
		const struct record r = record_of(b->m[i], FER_SHIM_INDICATION);
		if (b->m[i]->pkt_len < FER_ETHER_HEADER_BYTES)
			b->pkt[i].verdict = FER_NOT_IP;
		else if (!put_record(s, &b->m[i], &r))
			b->pkt[i].verdict = FER_NO_ROOM;
	}
	fer_batch_mark(b, FER_STAGE_TAG);
}

// --- completions ------------------------------------------------------------------------------

// Makes a completion of what begins with the MAC addresses of a send request.
static bool make_completion(
	struct fer_shim *s, struct rte_mbuf **m, uint64_t cookie, enum fer_verdict v)
{
	struct record r = record_of(*m, FER_SHIM_COMPLETION);
	uint8_t *frame = rte_pktmbuf_mtod(*m, uint8_t *), from[MACS_BYTES / 2];

	r.cookie = rte_cpu_to_le_64(cookie);
	r.status = rte_cpu_to_le_32(fer_status_of_send(v));
	memcpy(from, frame + sizeof(from), sizeof(from)); // it goes back to its sender
	memcpy(frame + sizeof(from), frame, sizeof(from));
	memcpy(frame, from, sizeof(from));
	return put_record(s, m, &r);
}

// Of a send that failed, out of its own buffer, which is there whatever the pool has.
static struct rte_mbuf *complete_failed(struct fer_shim *s, struct fer_batch *b, unsigned i)
{
	const struct fer_pkt *p = &b->pkt[i];
	uint32_t l2_len = p->parsed == FER_OK ? p->l2_len : FER_ETHER_HEADER_BYTES;
	struct rte_mbuf *m = b->m[i];
	struct record r;

	b->m[i] = NULL;
	if (read_record(m, &r)) { // nothing was taken off: there is no packet
		set_words(m, &r);
		fer_segment_trim(m, MACS_BYTES);
	} else {
		fer_segment_trim(m, l2_len + FER_SHIM_PACKET_BYTES);
	}
	if (s->lso[i] != 0)
		fer_oob_of(m)->lso = fer_oob_lso_done(s->lso[i], 0);
	if (fer_segment_pull(&m, MACS_BYTES, s->pool) &&
		make_completion(s, &m, s->cookie[i], (enum fer_verdict)p->verdict))
		return m;
	rte_pktmbuf_free(m);
	return NULL;
}

// Of a send that went out: no packet is in it.
static struct rte_mbuf *complete_sent(struct fer_shim *s, unsigned i)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->pool);
	uint8_t *macs = m == NULL ? NULL : (uint8_t *)rte_pktmbuf_append(m, MACS_BYTES);

	if (macs != NULL) {
		memcpy(macs, s->macs[i], MACS_BYTES);
		fer_oob_clear(m);
		fer_oob_of(m)->lso = s->lso[i];
		if (make_completion(s, &m, s->cookie[i], FER_OK))
			return m;
	}
	rte_pktmbuf_free(m);
	return NULL;
}

void fer_shim_complete(struct fer_shim *s, struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		bool went_out = fer_pkt_alive(&b->pkt[i]);
		struct rte_mbuf *m = NULL;

		if (!s->has_cookie[i] || (went_out && !s->completes_all))
			continue;
		m = went_out ? complete_sent(s, i) : complete_failed(s, b, i);
		if (m != NULL)
			b->side[b->n_side++] = m;
	}
}
