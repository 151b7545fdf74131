// SPDX-License-Identifier: BSD-3-Clause

// rte_ip_frag finds and joins the fragments.  It sees the first fragment's header only, asks
// neither protocol nor ECN, and says little about what it throws away; what it leaves open is
// settled here, with a note in each fragment's own first segment.
//
// Stable from DPDK 23.07 on: rte_ip_frag_table_del_expired_entries().
#define ALLOW_EXPERIMENTAL_API

#include "host/reassemble.h"

#include "base/bytes.h"
#include "host/tunnel.h"
#include "nic/segment.h"
#include "proto/cksum.h"
#include "proto/ip.h"
#include "proto/ipsec.h"
#include "sa/table.h"

#include <rte_ip.h>
#include <rte_ip_frag.h>

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static_assert(RTE_LIBRTE_IP_FRAG_MAX_FRAG == FER_REASSEMBLY_MAX_FRAGMENTS,
	"the library's own limit is compiled in");

#define WAYS 4 // entries of a bucket; a datagram may stand in two buckets

#define FRAGMENT_HEADER_BYTES 8
#define MORE_FRAGMENTS 0x1 // in the offset field of the fragment header

// What a fragment's first segment notes, in its l4_len.  The low bits say which ECN field it had.
#define NOTE_ECN(ecn) (1u << (ecn))
#define NOTE_MIDDLE 0x10u // neither the first nor the last fragment

#define MAX_MIDDLE (FER_REASSEMBLY_MAX_FRAGMENTS - 2)

// The library's key of an IPv4 datagram lacks the protocol, which has numbers of its own (RFC 791
// section 3.2): AH and UDP over IPv4 have tables of their own.
enum { TABLE_MOST, TABLE_IPV4_AH, TABLE_IPV4_UDP, N_TABLES };

static_assert(FER_REASSEMBLY_BUFFERS(1) == N_TABLES * FER_REASSEMBLY_MAX_FRAGMENTS,
	"one for each fragment that may wait");

struct fer_reassembly {
	struct rte_ip_frag_tbl *table[N_TABLES];
	uint64_t now; // never goes back
	uint64_t timeout;
	bool may_wait; // fragments may be in the tables; the last one came at last_take
	uint64_t last_take;
	uint64_t last_eviction;
	uint64_t n_given_up; // fragments, since the call began
	uint32_t n_buffers;  // of all that waits
	uint32_t max_buffers;
	struct rte_ip_frag_death_row dead; // empty between calls
};

struct fer_reassembly *fer_reassembly_create(const struct fer_reassembly_params *params)
{
	struct fer_reassembly *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->timeout = params->timeout_ticks;
	r->max_buffers = FER_REASSEMBLY_BUFFERS(params->n_datagrams);
	for (unsigned i = 0; i < N_TABLES; i++) {
		r->table[i] = rte_ip_frag_table_create((params->n_datagrams + WAYS - 1) / WAYS,
			WAYS, params->n_datagrams, params->timeout_ticks, SOCKET_ID_ANY);
		if (r->table[i] == NULL) {
			fer_reassembly_destroy(r);
			return NULL;
		}
	}
	return r;
}

void fer_reassembly_destroy(struct fer_reassembly *r)
{
	if (r == NULL)
		return;
	for (unsigned i = 0; i < N_TABLES; i++)
		if (r->table[i] != NULL)
			rte_ip_frag_table_destroy(r->table[i]);
	free(r);
}

static void free_dead(struct fer_reassembly *r)
{
	for (uint32_t i = 0; i < r->dead.cnt; i++)
		r->n_buffers -= r->dead.row[i]->nb_segs;
	rte_ip_frag_free_death_row(&r->dead, 0);
}

// Gives up the datagrams that have waited for longer than that; says whether there were any.
static bool give_up(struct fer_reassembly *r, uint64_t ticks)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < N_TABLES; i++)
		do {
			free_dead(r);
			rte_ip_frag_table_del_expired_entries(
				r->table[i], &r->dead, r->now + r->timeout - ticks);
			n += r->dead.cnt;
		} while (r->dead.cnt != 0);
	r->n_given_up += n;
	return n != 0;
}

static void expire(struct fer_reassembly *r)
{
	give_up(r, r->timeout);
	r->may_wait = r->now - r->last_take <= r->timeout;
}

// Makes room for what comes next: the oldest datagrams, and those less than twice as young, give
// way.  Those of this very moment stay, and nobody can make us look twice in one.
static void evict_oldest(struct fer_reassembly *r)
{
	if (r->last_eviction == r->now)
		return;
	r->last_eviction = r->now;
	for (uint64_t ticks = r->timeout; !give_up(r, ticks) && ticks != 0;)
		ticks /= 2;
}

// The protocol that every fragment of the datagram names: that of the payload, or in IPv6 what the
// fragment header says.
static uint8_t fragment_protocol(const struct rte_mbuf *m, const struct fer_frame *f)
{
	uint8_t room;

	if (f->frag_off == 0)
		return f->protocol;
	return *(const uint8_t *)rte_pktmbuf_read(m, f->frag_off, 1, &room);
}

// ESP may stand behind destination options, which only the first fragment could tell, and behind
// UDP, of which later fragments do not know the port.
static bool may_be_protected(const struct fer_sa_table *sas, uint8_t version, uint8_t protocol)
{
	return protocol == FER_PROTO_ESP || protocol == FER_PROTO_AH ||
	       (version == 6 && protocol == FER_PROTO_DSTOPTS) ||
	       (protocol == FER_PROTO_UDP && fer_ports_has_any(sas->udp_ports));
}

// Is it a fragment to take?
static bool is_wanted(
	const struct fer_sa_table *sas, const struct rte_mbuf *m, const struct fer_frame *f)
{
	uint8_t room[FER_IPV6_HEADER_BYTES];
	struct fer_addr src, dst;

	if (!may_be_protected(sas, f->version, fragment_protocol(m, f)))
		return false;
	fer_ip_addresses(
		rte_pktmbuf_read(m, f->ip_off,
			f->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES, room),
		&src, &dst);
	return fer_sa_is_endpoint(sas, &dst);
}

// Where the headers end that each fragment repeats.
static uint16_t headers_end(const struct fer_frame *f)
{
	return f->version == 4 ? f->up_off : f->frag_off + FRAGMENT_HEADER_BYTES;
}

// Is there more of the datagram behind this fragment?
static bool has_more(const uint8_t *bytes, const struct fer_frame *f)
{
	if (f->version == 4)
		return (bytes[f->ip_off + 6] & 0x20) != 0;
	return (bytes[f->frag_off + 3] & MORE_FRAGMENTS) != 0;
}

static uint8_t *first_byte(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, uint8_t *);
}

static void note(struct rte_mbuf *m, const struct fer_frame *f)
{
	const uint8_t *bytes = first_byte(m);
	unsigned what = NOTE_ECN(fer_ip_tos(bytes + f->ip_off) & 3);

	if ((f->fragment & FER_FRAGMENT_LATER) != 0 && has_more(bytes, f))
		what |= NOTE_MIDDLE;
	for (struct rte_mbuf *s = m->next; s != NULL; s = s->next)
		s->tx_offload = 0;
	m->tx_offload = 0;
	m->l2_len = f->ip_off;
	m->l3_len = headers_end(f) - f->ip_off;
	m->l4_len = (uint8_t)what;
}

static unsigned table_of(uint8_t protocol)
{
	switch (protocol) {
	case FER_PROTO_AH:
		return TABLE_IPV4_AH;
	case FER_PROTO_UDP:
		return TABLE_IPV4_UDP;
	default:
		return TABLE_MOST;
	}
}

static struct rte_mbuf *put_ipv4(
	struct fer_reassembly *r, struct rte_mbuf *m, const struct fer_frame *f)
{
	return rte_ipv4_frag_reassemble_packet(r->table[table_of(f->protocol)], &r->dead, m, r->now,
		(struct rte_ipv4_hdr *)(first_byte(m) + f->ip_off));
}

// Moves the fragment header of a first fragment in front of the extension headers that it stands
// behind, which makes them part of the payload; the library removes no other fragment header.
static void move_fragment_header(uint8_t *ip, uint16_t n_before)
{
	uint8_t header[FRAGMENT_HEADER_BYTES], *first = ip + FER_IPV6_HEADER_BYTES;
	uint8_t *last = first;

	for (uint8_t *at = first; at < first + n_before; at += (at[1] + 1) * 8)
		last = at;
	memcpy(header, first + n_before, sizeof(header));
	last[0] = header[0];
	header[0] = ip[6];
	ip[6] = FER_PROTO_FRAGMENT;
	memmove(first + sizeof(header), first, n_before);
	memcpy(first, header, sizeof(header));
}

// The library gets the headers as they would be if there were no others before the fragment header:
// those count as the first bytes of the datagram's payload.
static struct rte_mbuf *put_ipv6(
	struct fer_reassembly *r, struct rte_mbuf *m, const struct fer_frame *f)
{
	uint8_t *ip = first_byte(m) + f->ip_off;
	uint16_t n_before = f->frag_off - f->ip_off - FER_IPV6_HEADER_BYTES;
	uint16_t len = (uint16_t)(f->end - headers_end(f));
	struct rte_ipv6_hdr ip_header;
	struct rte_ipv6_fragment_ext fragment;

	memcpy(&ip_header, ip, sizeof(ip_header));
	memcpy(&fragment, first_byte(m) + f->frag_off, sizeof(fragment));
	if ((f->fragment & FER_FRAGMENT_LATER) != 0) {
		fragment.frag_data = rte_cpu_to_be_16(
			(uint16_t)(rte_be_to_cpu_16(fragment.frag_data) + n_before));
	} else if (n_before > 0) {
		move_fragment_header(ip, n_before);
		m->l3_len = FER_IPV6_HEADER_BYTES + FRAGMENT_HEADER_BYTES;
		len += n_before;
	}
	ip_header.payload_len = rte_cpu_to_be_16(FRAGMENT_HEADER_BYTES + len);
	return rte_ipv6_frag_reassemble_packet(
		r->table[TABLE_MOST], &r->dead, m, r->now, &ip_header, &fragment);
}

// Why did the library throw fragments away, m among them?  It counts the first, the last and the
// middle ones apart.
static enum fer_verdict why_dead(const struct rte_ip_frag_death_row *dead)
{
	unsigned n_middle = 0;

	for (uint32_t i = 0; i < dead->cnt; i++)
		n_middle += (dead->row[i]->l4_len & NOTE_MIDDLE) != 0;
	return n_middle > MAX_MIDDLE ? FER_FRAGMENT_LIMIT : FER_FRAGMENT_BAD;
}

// What became of fragment i, of which no whole datagram came.
static void settle(struct fer_reassembly *r, struct fer_batch *b, unsigned i)
{
	struct fer_pkt *p = &b->pkt[i];

	if (r->dead.cnt == 1 && r->dead.row[0] == b->m[i]) { // no room for its datagram
		p->verdict = FER_FRAGMENT_LIMIT;
		r->n_buffers -= b->m[i]->nb_segs;
		r->dead.cnt = 0;
		evict_oldest(r);
		return;
	}
	p->verdict = r->dead.cnt == 0 ? FER_FRAGMENT_HELD : (uint8_t)why_dead(&r->dead);
	b->m[i] = NULL;
	free_dead(r);
}

// Collects the notes of all fragments, wipes them, and frees segments that held headers only.
static unsigned collect_notes(struct rte_mbuf *m)
{
	unsigned notes = m->l4_len;
	struct rte_mbuf *last = m, *next;

	m->tx_offload = 0;
	for (struct rte_mbuf *s = m->next; s != NULL; s = next) {
		next = s->next;
		notes |= s->l4_len;
		s->tx_offload = 0;
		if (s->data_len != 0) {
			last = s;
			continue;
		}
		last->next = next;
		m->nb_segs--;
		s->next = NULL;
		rte_pktmbuf_free_seg(s);
	}
	return notes;
}

// RFC 3168 section 5.3: a mark on one fragment marks the datagram, unless a fragment does not know
// ECN.
static enum fer_verdict merge_ecn(uint8_t *ip, unsigned notes)
{
	if ((notes & NOTE_ECN(FER_CODEPOINT_CE)) == 0)
		return FER_OK;
	if ((notes & NOTE_ECN(FER_CODEPOINT_NOT_ECT)) != 0)
		return FER_FRAGMENT_BAD;
	fer_ip_set_tos(ip, fer_ip_tos(ip) | FER_CODEPOINT_CE);
	return FER_OK;
}

// Completes the headers of a datagram whose fragments are all there.
static enum fer_verdict finish(struct rte_mbuf *m, uint8_t version, uint16_t ip_off)
{
	uint8_t *ip = first_byte(m) + ip_off;
	uint32_t max = version == 4 ? FER_IPV4_MAX_BYTES : FER_IPV6_MAX_BYTES;
	enum fer_verdict v = merge_ecn(ip, collect_notes(m));

	if (v != FER_OK)
		return v;
	if (m->pkt_len - ip_off > max)
		return FER_FRAGMENT_BAD;
	if (version == 4) {
		fer_store_be16(ip + 10, 0);
		fer_store_be16(ip + 10, fer_cksum(ip, (ip[0] & 0xf) * 4u));
	}
	return FER_OK;
}

// Can the library be given this fragment?  Makes it so.
static enum fer_verdict prepare(struct rte_mbuf **m, const struct fer_frame *f)
{
	uint16_t end = headers_end(f);

	if (f->end == end || end - f->ip_off >= 1 << RTE_MBUF_L3_LEN_BITS ||
		f->ip_off >= 1 << RTE_MBUF_L2_LEN_BITS)
		return FER_FRAGMENT_BAD;
	fer_segment_trim(*m, f->end);
	if (!fer_segment_pull(m, end, (*m)->pool))
		return FER_NO_ROOM;
	note(*m, f);
	return FER_OK;
}

static void take(struct fer_reassembly *r, struct fer_batch *b, unsigned i)
{
	struct fer_pkt *p = &b->pkt[i];
	const struct fer_frame *f = &p->frame;
	uint8_t version = f->version;

	p->verdict = (uint8_t)prepare(&b->m[i], f);
	if (p->verdict != FER_OK)
		return;
	if (b->m[i]->nb_segs > r->max_buffers - r->n_buffers) { // no more than the pool has for it
		p->verdict = FER_FRAGMENT_LIMIT;
		evict_oldest(r);
		return;
	}
	r->n_buffers += b->m[i]->nb_segs;
	r->may_wait = true;
	r->last_take = r->now;
	struct rte_mbuf *whole = version == 4 ? put_ipv4(r, b->m[i], f) : put_ipv6(r, b->m[i], f);

	if (whole == NULL) {
		settle(r, b, i);
		return;
	}
	b->m[i] = whole;
	r->n_buffers -= whole->nb_segs;
	p->verdict = (uint8_t)finish(whole, version, whole->l2_len);
	if (p->verdict == FER_OK)
		fer_batch_parse_one(b, i);
}

bool fer_reassembly_has_waiting(const struct fer_reassembly *r)
{
	return r->may_wait;
}

void fer_reassembly_run(struct fer_reassembly *r, const struct fer_sa_table *sas,
	struct fer_batch *b, uint64_t now, uint64_t *timed_out)
{
	if (r->now < now)
		r->now = now;
	r->n_given_up = 0;
	if (unlikely(r->may_wait))
		expire(r);
	for (unsigned i = 0; i < b->n; i++) {
		const struct fer_pkt *p = &b->pkt[i];

		if (likely(!fer_pkt_alive(p) || p->parsed != FER_OK || p->frame.fragment == 0))
			continue;
		if (is_wanted(sas, b->m[i], &p->frame))
			take(r, b, i);
	}
	*timed_out += r->n_given_up;
}
