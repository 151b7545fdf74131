// SPDX-License-Identifier: BSD-3-Clause
#include "ref.h"

#include <string.h>

#define ESP 50
#define AH 51
#define UDP 17
#define UDP_HEADER 8
#define DUMMY 59
#define OPTIONS 60

void ref_copy(struct ref_packet *to, const struct ref_packet *from)
{
	to->len = from->len;
	memcpy(to->bytes, from->bytes, from->len);
}

static uint32_t most_bytes(uint8_t version)
{
	return version == 4 ? 65535 : 65535 + 40;
}

// RFC 4301 section 5.1.2, RFC 6040 section 4.1.
uint32_t ref_outer(
	const struct ref_sa *sa, const struct ref_choice *c, const uint8_t *inner, uint8_t *ip)
{
	bool inner_v4 = inner[0] >> 4 == 4;
	unsigned tos = ref_tos(inner), ecn = c->ecn < 4 ? c->ecn : tos & 3;
	bool df = inner_v4 ? (inner[6] & 0x40) != 0 : true;
	uint32_t label = inner_v4 ? 0 : ref_get32(inner) & 0xfffff;

	tos = (sa->dscp == REF_COPY ? tos & 0xfcu : (unsigned)sa->dscp << 2) | ecn;
	if (sa->flow_label != REF_COPY)
		label = (uint32_t)sa->flow_label;
	if (sa->df != REF_DF_COPY)
		df = sa->df == REF_DF_SET;
	if (sa->src.version == 6) {
		ref_put32(ip, 0x60000000u | tos << 20 | label);
		ref_put16(ip + 4, 0);
		ip[7] = sa->ttl;
		memcpy(ip + 8, sa->src.bytes, 16);
		memcpy(ip + 24, sa->dst.bytes, 16);
		return 40;
	}
	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = (uint8_t)tos;
	ref_put16(ip + 4, c->id);
	ref_put16(ip + 6, df ? 0x4000 : 0);
	ip[8] = sa->ttl;
	memcpy(ip + 12, sa->src.bytes, 4);
	memcpy(ip + 16, sa->dst.bytes, 4);
	return 20;
}

// Splits the packet into what stays in front, in head, and what is protected.  Returns the next
// header of the latter; *next_off is where head names it.
static uint8_t split(const struct ref_sa *sa, const struct ref_choice *c,
	const struct ref_packet *plain, struct ref_packet *head, uint32_t *next_off,
	struct ref_packet *body)
{
	uint32_t at = 0, len = plain->len;
	struct ref_ip ip;

	if (sa->tunnel) {
		head->len = ref_outer(sa, c, plain->bytes, head->bytes);
		*next_off = sa->src.version == 4 ? 9 : 6;
	} else {
		(void)ref_ip_parse(plain->bytes, plain->len, &ip);
		at = c->options_outside ? ip.upper : ip.room;
		*next_off = c->options_outside ? ip.upper_next : ip.room_next;
		len = ip.len;
		head->len = at;
		memcpy(head->bytes, plain->bytes, at);
	}
	body->len = len - at;
	memcpy(body->bytes, plain->bytes + at, body->len);
	for (uint32_t i = 0; i < c->tfc; i++)
		body->bytes[body->len++] = c->tfc_zeros ? 0 : (uint8_t)(1 + i * 7);
	if (!sa->tunnel)
		return head->bytes[*next_off];
	return plain->bytes[0] >> 4 == 4 ? 4 : 41;
}

// Moves the destination options at the end of head to the front of the body, in front of its ESP.
// Returns the next header of the body.
static uint8_t move_options(const struct ref_packet *plain, struct ref_packet *head,
	uint32_t *next_off, struct ref_packet *body)
{
	struct ref_ip ip;
	uint32_t n;

	(void)ref_ip_parse(plain->bytes, plain->len, &ip);
	n = head->len - ip.room;
	if (n == 0)
		return ESP;
	memmove(body->bytes + n, body->bytes, body->len);
	memcpy(body->bytes, head->bytes + ip.room, n);
	body->bytes[*next_off - ip.room] = ESP;
	body->len += n;
	head->len = ip.room;
	*next_off = ip.room_next;
	return OPTIONS;
}

bool ref_protect(const struct ref_sa *sa, const struct ref_choice *c,
	const struct ref_packet *plain, struct ref_packet *wire)
{
	static struct ref_packet body;
	uint32_t next_off, ah = 0, udp = sa->udp ? UDP_HEADER : 0;
	uint8_t next = split(sa, c, plain, wire, &next_off, &body);
	uint8_t *ip = wire->bytes, *at;

	if (sa->esp.used) {
		if (body.len > 66000)
			return false;
		ref_esp_wrap(sa, c, next, &body);
		next = ESP;
		if (c->options_outside && c->options_between && sa->ah.used && !sa->tunnel)
			next = move_options(plain, wire, &next_off, &body);
	}
	if (sa->ah.used)
		ah = ref_ah_bytes(sa, c, ip[0] >> 4);
	at = ip + wire->len;
	if (wire->len + ah + udp + body.len > most_bytes(ip[0] >> 4))
		return false;
	ip[next_off] = sa->ah.used ? AH : udp != 0 ? UDP : next;
	memcpy(at + ah + udp, body.bytes, body.len);
	if (udp != 0) {
		ref_put16(at, sa->sport);
		ref_put16(at + 2, sa->dport);
		ref_put16(at + 4, udp + body.len);
		ref_put16(at + 6, c->udp_checksum);
	}
	uint32_t head_len = wire->len;

	wire->len += ah + udp + body.len;
	ref_ip_finish(ip, wire->len);
	if (udp != 0 && c->udp_sum)
		ref_put16(at + 6, ref_checksum(ip, UDP, head_len, wire->len - head_len, 6));
	if (sa->ah.used)
		ref_ah_seal(sa, c, wire, head_len, next);
	return true;
}

// RFC 6040 section 4.2, figure 4.  False: the packet is dropped.
static bool decapsulate_ecn(uint8_t *inner, uint8_t outer_tos)
{
	unsigned tos = ref_tos(inner), in = tos & 3, out = outer_tos & 3, ecn = in;

	if (out == 3 && in == 0)
		return false;
	if (out == 3)
		ecn = 3;
	else if (out == 1 && in == 2)
		ecn = 1;
	if (ecn != in)
		ref_set_tos(inner, (uint8_t)((tos & 0xfc) | ecn));
	return true;
}

// Removes n bytes at off.
static void cut(struct ref_packet *p, uint32_t off, uint32_t n)
{
	memmove(p->bytes + off, p->bytes + off + n, p->len - off - n);
	p->len -= n;
}

static enum ref_end check_udp(
	const struct ref_sa *sa, struct ref_choice *c, const struct ref_packet *p, uint32_t off)
{
	const uint8_t *udp = p->bytes + off;

	if (p->len - off < UDP_HEADER || ref_get16(udp) != sa->sport ||
		ref_get16(udp + 2) != sa->dport || ref_get16(udp + 4) != p->len - off)
		return REF_OTHER;
	c->udp_checksum = (uint16_t)ref_get16(udp + 6);
	if (c->udp_checksum != 0 &&
		c->udp_checksum != ref_checksum(p->bytes, UDP, off, p->len - off, 6))
		return REF_OTHER;
	return REF_OK;
}

// Takes AH, UDP and ESP off, in that order, at off; what they protected follows there.
static enum ref_end take_off(const struct ref_sa *sa, struct ref_choice *c, struct ref_packet *p,
	uint32_t off, uint8_t *next)
{
	static struct ref_packet body;
	uint32_t ah_len;
	enum ref_end end;

	if (*next != (sa->ah.used ? AH : sa->udp ? UDP : ESP))
		return REF_OTHER;
	if (sa->ah.used) {
		end = ref_ah_check(sa, c, p, off, &ah_len, next);
		if (end != REF_OK)
			return end;
		cut(p, off, ah_len);
	}
	if (!sa->esp.used)
		return REF_OK;
	while (sa->ah.used && *next == OPTIONS && p->len - off >= 8) {
		next = p->bytes + off;
		off += (p->bytes[off + 1] + 1u) * 8;
		if (off > p->len)
			return REF_OTHER;
	}
	if (sa->udp) {
		end = check_udp(sa, c, p, off);
		if (end != REF_OK)
			return end;
		cut(p, off, UDP_HEADER);
	} else if (*next != ESP) {
		return REF_OTHER;
	}
	body.len = p->len - off;
	memcpy(body.bytes, p->bytes + off, body.len);
	end = ref_esp_unwrap(sa, c, &body, next);
	if (end != REF_OK)
		return end;
	memcpy(p->bytes + off, body.bytes, body.len);
	p->len = off + body.len;
	return REF_OK;
}

static bool is_zero(const uint8_t *p, uint32_t len)
{
	while (len > 0 && p[len - 1] == 0)
		len--;
	return len == 0;
}

uint32_t ref_told_bytes(const struct ref_packet *p, const struct ref_ip *ip)
{
	const uint8_t *upper = p->bytes + ip->upper;
	uint32_t len = p->len - ip->upper;

	switch (p->bytes[ip->upper_next]) {
	case UDP:
		return len >= UDP_HEADER ? ref_get16(upper + 4) : UINT32_MAX;
	case 4:
		return len >= 20 ? ref_get16(upper + 2) : UINT32_MAX;
	case 41:
		return len >= 40 ? 40 + ref_get16(upper + 4) : UINT32_MAX;
	default:
		return UINT32_MAX;
	}
}

// In transport mode padding is what stands behind the length that the upper layer says of itself,
// if these are zeros: there might be options of UDP (RFC 9868), which never are.
static enum ref_end cut_transport(struct ref_choice *c, struct ref_packet *p)
{
	struct ref_ip ip;
	uint32_t told, end;

	if (!ref_ip_parse(p->bytes, p->len, &ip))
		return REF_BAD_INSIDE;
	told = ref_told_bytes(p, &ip);
	end = told >= p->len - ip.upper ? p->len : ip.upper + told;
	if (ip.is_fragment || told < UDP_HEADER || !is_zero(p->bytes + end, p->len - end))
		return REF_OK;
	c->tfc = p->len - end;
	p->len = end;
	ref_ip_finish(p->bytes, p->len);
	return REF_OK;
}

void ref_sum_again(struct ref_packet *p)
{
	static const struct {
		uint8_t version, protocol, header, field; // version 0: any
	} sums[] = {{0, 6, 20, 16}, {0, UDP, UDP_HEADER, 6}, {6, 58, 4, 2}};
	struct ref_ip ip;

	if (!ref_ip_parse(p->bytes, p->len, &ip) || ip.is_fragment)
		return;
	uint8_t protocol = p->bytes[ip.upper_next], *upper = p->bytes + ip.upper;

	for (unsigned i = 0; i < 3; i++) {
		if (protocol != sums[i].protocol || p->len - ip.upper < sums[i].header ||
			(sums[i].version != 0 && sums[i].version != ip.version))
			continue;
		if (protocol == UDP && ip.version == 4 && ref_get16(upper + 6) == 0)
			continue; // it has none
		ref_put16(upper + sums[i].field, ref_checksum(p->bytes, protocol, ip.upper,
							 p->len - ip.upper, sums[i].field));
	}
}

static enum ref_end leave_tunnel(
	struct ref_choice *c, struct ref_packet *p, uint32_t off, uint8_t next, uint8_t outer_tos)
{
	struct ref_ip inner;

	cut(p, 0, off);
	if (!ref_ip_parse(p->bytes, p->len, &inner) || next != (inner.version == 4 ? 4 : 41))
		return REF_BAD_INSIDE;
	c->tfc = p->len - inner.len;
	c->tfc_zeros = is_zero(p->bytes + inner.len, c->tfc);
	p->len = inner.len;
	return decapsulate_ecn(p->bytes, outer_tos) ? REF_OK : REF_CONGESTED;
}

enum ref_end ref_open(const struct ref_sa *sa, struct ref_choice *c, const struct ref_packet *wire,
	struct ref_packet *plain)
{
	struct ref_ip ip;
	enum ref_end end;
	uint8_t next;

	memcpy(plain->bytes, wire->bytes, wire->len);
	plain->len = wire->len;
	if (!ref_ip_parse(plain->bytes, plain->len, &ip) || ip.is_fragment)
		return REF_OTHER;
	plain->len = ip.len;
	c->id = ip.version == 4 ? (uint16_t)ref_get16(plain->bytes + 4) : 0;
	c->ecn = ref_tos(plain->bytes) & 3;
	c->options_outside = ip.upper != ip.room;
	next = plain->bytes[ip.upper_next];
	end = take_off(sa, c, plain, ip.upper, &next);
	if (end != REF_OK)
		return end;
	if (next == DUMMY)
		return REF_DUMMY;
	if (sa->tunnel)
		return leave_tunnel(c, plain, ip.upper, next, ref_tos(wire->bytes));
	plain->bytes[ip.upper_next] = next;
	ref_ip_finish(plain->bytes, plain->len);
	if (sa->esp.used)
		end = cut_transport(c, plain);
	if (sa->udp && end == REF_OK)
		ref_sum_again(plain);
	return end;
}
