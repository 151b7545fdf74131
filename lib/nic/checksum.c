// SPDX-License-Identifier: BSD-3-Clause
#include "nic/checksum.h"

#include "base/bytes.h"
#include "nic/nic.h"
#include "nic/oob.h"
#include "nic/segment.h"
#include "proto/ah.h"
#include "proto/cksum.h"
#include "proto/ip.h"
#include "proto/tcp.h"
#include "sa/table.h"

#define IPV4_SUM_OFF 10
#define IPV4_MAX_HEADER_BYTES 60

// What stands behind an IP header, and all that protects it.
struct upper {
	uint32_t ip_off;
	uint32_t off;
	uint32_t end;
	uint8_t version; // 0: nothing that has a checksum
	uint8_t protocol;
};

// TCP or UDP: where they differ.
struct kind {
	uint8_t protocol;
	uint8_t sum_off;
	uint8_t least_bytes;
	bool may_be_without; // over IPv4
	uint32_t ask, succeeded, failed;
	uint32_t may[2]; // over IPv4 and IPv6
};

static const struct kind kinds[] = {
	{FER_PROTO_TCP, FER_TCP_CKSUM_OFF, FER_TCP_HEADER_BYTES, false, FER_OOB_SUM_TCP,
		FER_OOB_TCP_SUCCEEDED, FER_OOB_TCP_FAILED, {FER_NIC_SUM_TCP4, FER_NIC_SUM_TCP6}},
	{FER_PROTO_UDP, FER_UDP_CKSUM_OFF, FER_UDP_HEADER_BYTES, true, FER_OOB_SUM_UDP,
		FER_OOB_UDP_SUCCEEDED, FER_OOB_UDP_FAILED, {FER_NIC_SUM_UDP4, FER_NIC_SUM_UDP6}},
};

static struct upper upper_of(const struct fer_frame *f)
{
	return (struct upper){
		.ip_off = f->ip_off,
		.off = f->up_off,
		.end = f->end,
		.version = f->fragment == 0 ? f->version : 0,
		.protocol = f->protocol,
	};
}

// NULL: it has no checksum of ours.
static const struct kind *kind_of(const struct upper *u)
{
	for (size_t i = 0; u->version != 0 && i < RTE_DIM(kinds); i++)
		if (kinds[i].protocol == u->protocol && u->end - u->off >= kinds[i].least_bytes)
			return &kinds[i];
	return NULL;
}

static uint32_t may_be(const struct kind *k, const struct upper *u)
{
	return k->may[u->version == 6];
}

// The sum over pseudo header, header and data: all ones when the checksum in it is right.
static uint16_t sum_of(const struct rte_mbuf *m, const struct upper *u)
{
	uint8_t room[FER_IPV6_HEADER_BYTES];
	uint32_t len = u->end - u->off;
	const uint8_t *ip = rte_pktmbuf_read(m, u->ip_off,
		u->version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES, room);
	uint32_t sum = fer_ip_pseudo_sum(ip, u->protocol, len) + fer_segment_sum(m, u->off, len);

	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

// Sums the IPv4 header at ip_off, its checksum included: 0 when that is right.  False: there is
// none.
static bool sum_header(const struct rte_mbuf *m, uint32_t ip_off, uint16_t *sum)
{
	uint8_t ip[IPV4_MAX_HEADER_BYTES];

	if (!fer_segment_read(m, ip_off, ip, 1) || ip[0] >> 4 != 4)
		return false;
	uint32_t len = (ip[0] & 0xf) * 4u;
	if (len < FER_IPV4_HEADER_BYTES || !fer_segment_read(m, ip_off, ip, len))
		return false;
	*sum = fer_cksum(ip, len);
	return true;
}

// --- send -------------------------------------------------------------------------------------

static void write_field(struct rte_mbuf *m, uint32_t off, uint16_t value)
{
	uint8_t field[2];

	fer_store_be16(field, value);
	(void)!fer_segment_write(m, off, field, sizeof(field)); // it is there
}

bool fer_checksum_header(struct rte_mbuf *m, uint32_t ip_off)
{
	uint16_t sum;

	if (!sum_header(m, ip_off, &sum))
		return false;
	write_field(m, ip_off + IPV4_SUM_OFF, 0);
	(void)sum_header(m, ip_off, &sum); // it did once
	write_field(m, ip_off + IPV4_SUM_OFF, sum);
	return true;
}

static void write_upper(struct rte_mbuf *m, const struct upper *u, const struct kind *k)
{
	write_field(m, u->off + k->sum_off, 0);
	uint16_t sum = (uint16_t)~sum_of(m, u);

	if (sum == 0 && k->may_be_without)
		sum = UINT16_MAX; // 0 would say that there is none (RFC 768)
	write_field(m, u->off + k->sum_off, sum);
}

void fer_checksum_tcp(struct rte_mbuf *m, uint32_t ip_off, uint32_t off, uint32_t end)
{
	uint8_t first = 0;

	(void)!fer_segment_read(m, ip_off, &first, sizeof(first)); // it is there
	const struct upper u = {ip_off, off, end, first >> 4, FER_PROTO_TCP};
	write_upper(m, &u, &kinds[0]);
}

// A large send gets its checksums when it is cut.
static bool asks(const struct fer_batch *b, unsigned i, uint32_t what)
{
	const struct fer_oob *o = fer_oob_of(b->m[i]);

	return fer_pkt_alive(&b->pkt[i]) && (o->checksum & what) != 0 && fer_oob_mss(o) == 0;
}

void fer_checksum_outer(struct fer_batch *b, uint32_t may)
{
	for (unsigned i = 0; (may & FER_NIC_SUM_IP4) != 0 && i < b->n; i++) {
		const struct fer_pkt *p = &b->pkt[i];

		if (asks(b, i, FER_OOB_SUM_IP) && p->parsed != FER_NOT_IP &&
			fer_checksum_header(b->m[i], p->l2_len))
			fer_batch_parse_one(b, i);
	}
}

// Passes the headers of an SA, and leaves its trailer out.  False: they are not there.
static bool pass_headers(const struct rte_mbuf *m, const struct fer_sa *sa, struct upper *u)
{
	uint8_t ah[FER_AH_FIXED_BYTES], trailer[FER_ESP_TRAILER_BYTES];

	if (u->protocol == FER_PROTO_UDP && sa->udp_at != 0) {
		u->off += FER_UDP_HEADER_BYTES;
		u->protocol = FER_PROTO_ESP;
	}
	if (u->protocol == FER_PROTO_AH) {
		if (!fer_segment_read(m, u->off, ah, sizeof(ah)))
			return false;
		u->off += fer_ah_stated_bytes(ah);
		u->protocol = ah[0];
	}
	if (sa->protocol == FER_PROTO_AH)
		return u->off <= u->end;
	if (u->protocol != FER_PROTO_ESP || u->end < sa->tail_bytes ||
		!fer_segment_read(m, u->end - sa->tail_bytes, trailer, sizeof(trailer)))
		return false;
	u->off += sa->head_bytes;
	u->end -= sa->tail_bytes;
	u->protocol = trailer[1];
	if (u->end < u->off || trailer[0] > u->end - u->off)
		return false;
	u->end -= trailer[0];
	return true;
}

// Looks at the IP packet that a tunnel carries.
static struct upper look_inside(struct fer_batch *b, unsigned i, const struct upper *u)
{
	struct fer_pkt *p = &b->pkt[i];
	const struct fer_frame outer = p->frame;
	const uint8_t parsed = p->parsed;

	fer_batch_parse_inner(b, i, (uint16_t)u->off, u->end);
	const struct upper inside = upper_of(&p->frame);
	p->frame = outer;
	p->parsed = parsed;
	return inside;
}

// Goes from the outermost IP header inwards, along the handles, and completes the header of IPv4
// inside a tunnel on the way.  What it comes to has version 0 where that is not what the handles
// say.
static struct upper find_upper(
	const struct fer_nic *nic, struct fer_batch *b, unsigned i, bool has_header_sum)
{
	const struct fer_oob *o = fer_oob_of(b->m[i]);
	const uint64_t handles[2] = {o->tunnel, o->ipsec};
	struct upper u = upper_of(&b->pkt[i].frame);

	for (unsigned k = 0; k < RTE_DIM(handles) && u.version != 0; k++) {
		const struct fer_sa *sa = fer_sa_get(nic->sas, handles[k]);

		if (handles[k] == 0)
			continue;
		if (sa == NULL || sa->direction != FER_OUT || !pass_headers(b->m[i], sa, &u))
			return (struct upper){0};
		if (u.protocol != FER_PROTO_IPV4 && u.protocol != FER_PROTO_IPV6)
			continue;
		if (has_header_sum)
			(void)fer_checksum_header(b->m[i], u.off);
		u = look_inside(b, i, &u);
	}
	return u;
}

static void send_one(const struct fer_nic *nic, struct fer_batch *b, unsigned i, uint32_t may)
{
	uint32_t ask = fer_oob_of(b->m[i])->checksum;
	bool has_header_sum = (ask & FER_OOB_SUM_IP) != 0 && (may & FER_NIC_SUM_IP4) != 0;
	const struct upper u = find_upper(nic, b, i, has_header_sum);
	const struct kind *k = kind_of(&u);

	if (k != NULL && (ask & k->ask) != 0 && (may & may_be(k, &u)) != 0)
		write_upper(b->m[i], &u, k);
}

void fer_checksum_send(const struct fer_nic *nic, struct fer_batch *b, uint32_t may)
{
	for (unsigned i = 0; i < b->n; i++)
		if (asks(b, i, FER_OOB_SUM_IP | FER_OOB_SUM_TCP | FER_OOB_SUM_UDP) &&
			b->pkt[i].parsed == FER_OK)
			send_one(nic, b, i, may);
}

// --- receive ----------------------------------------------------------------------------------

static uint32_t judge_upper(const struct rte_mbuf *m, const struct upper *u, uint32_t may)
{
	const struct kind *k = kind_of(u);
	uint8_t field[2];

	if (k == NULL || (may & FER_NIC_JUDGE(may_be(k, u))) == 0 ||
		!fer_segment_read(m, u->off + k->sum_off, field, sizeof(field)))
		return 0;
	if (k->may_be_without && fer_load_be16(field) == 0)
		return u->version == 4 ? 0 : k->failed; // RFC 8200 section 8.1
	return sum_of(m, u) == UINT16_MAX ? k->succeeded : k->failed;
}

// All headers in the clear: those that something was taken off behind, and the innermost one.
static uint32_t judge_headers(const struct fer_batch *b, unsigned i)
{
	const struct fer_pkt *p = &b->pkt[i];
	unsigned n = p->n_layers;
	bool is_any = false;
	uint16_t sum;

	for (unsigned k = 0; k <= n; k++) {
		uint32_t ip_off = k == 0   ? p->l2_len
				  : k == n ? p->frame.ip_off
					   : b->round[k][i].ip_off;

		if (!sum_header(b->m[i], ip_off, &sum))
			continue;
		if (sum != 0)
			return FER_OOB_IP_FAILED;
		is_any = true;
	}
	return is_any ? FER_OOB_IP_SUCCEEDED : 0;
}

void fer_checksum_judge(struct fer_batch *b, uint32_t may)
{
	for (unsigned i = 0; i < b->n; i++) {
		const struct fer_pkt *p = &b->pkt[i];
		const struct upper u = upper_of(&p->frame);
		uint32_t word = 0;

		if (b->m[i] == NULL || (p->n_layers == 0 && p->parsed == FER_NOT_IP))
			continue;
		if ((may & FER_NIC_JUDGE(FER_NIC_SUM_IP4)) != 0)
			word |= judge_headers(b, i);
		if (p->parsed == FER_OK)
			word |= judge_upper(b->m[i], &u, may);
		fer_oob_of(b->m[i])->checksum = word;
	}
}
