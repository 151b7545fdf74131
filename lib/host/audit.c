// SPDX-License-Identifier: BSD-3-Clause
// Tells the control thread what it should know: ends in the lives of SAs, and packets that RFC 4301
// to 4303 call auditable.
#include "host/stages.h"

#include "base/bytes.h"
#include "host/event.h"
#include "sa/table.h"

#include <rte_cycles.h>

#define NOT_AUDITED 0 // of the kinds, one that no packet causes

// An appliance hears from the wire what nobody should send it; from its own host, only that a
// fragment came where whole datagrams are protected.
static const uint8_t kinds[2][FER_N_VERDICTS] = {
	[FER_OUT] = {[FER_TRANSPORT_FRAGMENT] = FER_EVENT_AUDIT_FRAGMENT,
		[FER_FRAGMENT_NEEDS_PORTS] = FER_EVENT_AUDIT_FRAGMENT},
	[FER_IN] = {[FER_NO_SA] = FER_EVENT_AUDIT_NO_SA,
		[FER_WRONG_UDP] = FER_EVENT_AUDIT_NO_SA,
		[FER_BAD_ICV] = FER_EVENT_AUDIT_BAD_ICV,
		[FER_REPLAY] = FER_EVENT_AUDIT_REPLAY,
		[FER_NO_POLICY] = FER_EVENT_AUDIT_POLICY,
		[FER_POLICY_MISMATCH] = FER_EVENT_AUDIT_POLICY,
		[FER_UNPROTECTED] = FER_EVENT_AUDIT_POLICY,
		[FER_FRAGMENT_BAD] = FER_EVENT_AUDIT_FRAGMENT,
		[FER_FRAGMENT_LIMIT] = FER_EVENT_AUDIT_FRAGMENT,
		[FER_FRAGMENT_NEEDS_PORTS] = FER_EVENT_AUDIT_FRAGMENT},
};

static_assert((int)FER_EVENT_SOFT_LIFETIME == NOT_AUDITED, "no packet is a lifetime");

// SPI and protocol are those of the header, the handle is that of its bundle.
static void name_sa(const struct fer_host *host, struct fer_event *e, const struct fer_sa *sa)
{
	const struct fer_sa *head = fer_sa_is_outside(sa) ? fer_sa_at(host->sas, sa->partner) : sa;
	uint64_t generation = atomic_load_explicit(&head->generation, memory_order_relaxed);

	e->handle = generation == 0 ? 0 : generation << 32 | head->index;
	e->spi = sa->spi;
	e->protocol = sa->protocol;
}

static void put_life(struct fer_host *host, const struct fer_sa *sa, enum fer_event_kind kind)
{
	bool out = sa->direction == FER_OUT;
	struct fer_event e = {.tsc = rte_rdtsc(), .kind = (uint8_t)kind};

	name_sa(host, &e, sa);
	e.number = out ? fer_seq_last(&sa->out.seq) : fer_replay_top(&sa->in.replay);
	e.src.version = e.dst.version = sa->version;
	memcpy(e.src.bytes, out ? sa->out.src : sa->in.src, sizeof(e.src.bytes));
	memcpy(e.dst.bytes, sa->dst, sizeof(e.dst.bytes));
	fer_events_put(host->events, &e);
}

void fer_audit_life(struct fer_host *host, const struct fer_sa *sa, unsigned crossed)
{
	if (likely(crossed == 0) || host->events == NULL)
		return;
	if ((crossed & FER_LIFE_SOFT) != 0)
		put_life(host, sa, FER_EVENT_SOFT_LIFETIME);
	if ((crossed & FER_LIFE_HARD) != 0)
		put_life(host, sa, FER_EVENT_HARD_LIFETIME);
	if ((crossed & FER_LIFE_NUMBERS) != 0)
		put_life(host, sa, FER_EVENT_SEQUENCE_EXHAUSTED);
}

void fer_audit_move(
	struct fer_host *host, const struct fer_sa *sa, uint64_t seq, const struct fer_peer *to)
{
	struct fer_event e = {.tsc = rte_rdtsc(), .kind = FER_EVENT_PEER_MOVED, .number = seq};

	if (host->events == NULL)
		return;
	name_sa(host, &e, sa);
	e.src = to->addr;
	e.sport = to->port;
	e.dst.version = sa->version;
	memcpy(e.dst.bytes, sa->dst, sizeof(e.dst.bytes));
	fer_events_put(host->events, &e);
}

static void read_ip(struct fer_event *e, const struct rte_mbuf *m, uint32_t ip_off)
{
	uint8_t room[FER_IPV6_HEADER_BYTES];
	const uint8_t *ip = rte_pktmbuf_read(m, ip_off, FER_IPV4_HEADER_BYTES, room);

	if (ip != NULL && ip[0] >> 4 == 6)
		ip = rte_pktmbuf_read(m, ip_off, FER_IPV6_HEADER_BYTES, room);
	if (ip == NULL)
		return;
	fer_ip_addresses(ip, &e->src, &e->dst);
	if (e->src.version == 6)
		e->flow_label = fer_load_be32(ip) & 0xfffff;
}

// SPI and number of an ESP or AH header that nobody opened.
static void read_header(struct fer_event *e, const struct rte_mbuf *m, const struct fer_frame *f)
{
	uint32_t off = f->protocol == FER_PROTO_AH ? f->up_off + 4 : f->up_off;
	uint8_t room[FER_ESP_HEADER_BYTES];

	e->protocol = f->protocol;
	if ((f->protocol != FER_PROTO_AH && f->protocol != FER_PROTO_ESP) ||
		(f->fragment & FER_FRAGMENT_LATER) != 0)
		return;
	const uint8_t *header = rte_pktmbuf_read(m, off, sizeof(room), room);
	if (header == NULL || off + sizeof(room) > f->end)
		return;
	e->spi = fer_load_be32(header);
	e->number = fer_load_be32(header + 4);
}

// A packet that failed in a layer stands there as it came; one that its policy refused has no
// protection on it any more.
static void describe(const struct fer_host *host, struct fer_event *e, const struct fer_batch *b,
	unsigned i, const struct fer_sa *sa, const struct fer_layer *layer)
{
	const struct fer_frame *f = &b->pkt[i].frame;
	const struct rte_mbuf *m = b->m[i];

	if (layer != NULL && layer->verdict != FER_OK)
		read_ip(e, m, layer->ip_off);
	else if (f->version != 0)
		read_ip(e, m, f->ip_off);
	if (layer != NULL)
		e->number = layer->seq;
	if (sa != NULL)
		name_sa(host, e, sa);
	else if (f->version != 0)
		read_header(e, m, f);
}

void fer_audit_end(struct fer_host *host, const struct fer_batch *b, unsigned i,
	enum fer_direction direction, const struct fer_sa *sa, const struct fer_layer *layer)
{
	enum fer_verdict v = (enum fer_verdict)b->pkt[i].verdict;
	enum fer_event_kind kind = (enum fer_event_kind)kinds[direction][v];

	if (kind == NOT_AUDITED || host->events == NULL)
		return;
	struct fer_event e = {.tsc = rte_rdtsc(), .kind = (uint8_t)kind, .verdict = (uint8_t)v};
	if (!fer_events_admit(host->events, kind, e.tsc))
		return;
	if (b->m[i] != NULL)
		describe(host, &e, b, i, sa, layer);
	fer_events_put(host->events, &e);
}
