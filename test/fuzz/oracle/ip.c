// SPDX-License-Identifier: BSD-3-Clause
#include "ref.h"

void ref_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void ref_put32(uint8_t *p, uint32_t v)
{
	ref_put16(p, v >> 16);
	ref_put16(p + 2, v & 0xffff);
}

unsigned ref_get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

uint32_t ref_get32(const uint8_t *p)
{
	return (uint32_t)ref_get16(p) << 16 | ref_get16(p + 2);
}

static bool parse_ipv4(const uint8_t *p, uint32_t len, struct ref_ip *ip)
{
	if (len < 20)
		return false;
	ip->header = (p[0] & 15) * 4u;
	ip->len = ref_get16(p + 2);
	ip->upper = ip->room = ip->header;
	ip->upper_next = ip->room_next = 9;
	ip->is_fragment = (ref_get16(p + 6) & 0x3fff) != 0;
	return ip->header >= 20 && ip->header <= ip->len && ip->len <= len;
}

// Destination options stay behind the room, unless a routing or fragment header follows them: RFC
// 4303 section 3.1.1.
static bool parse_ipv6(const uint8_t *p, uint32_t len, struct ref_ip *ip)
{
	uint32_t at = 40, next = 6;

	if (len < 40 || 40u + ref_get16(p + 4) > len)
		return false;
	ip->header = 40;
	ip->len = 40 + ref_get16(p + 4);
	ip->room = at;
	ip->room_next = next;
	for (uint8_t type = p[next]; type == 0 || type == 43 || type == 44 || type == 60;
		type = p[next]) {
		if (at + 8 > ip->len)
			return false;
		if (type == 44 && (ref_get16(p + at + 2) & 0xfff9) != 0)
			ip->is_fragment = true;
		next = at;
		at += type == 44 ? 8 : 8u + p[at + 1] * 8u;
		if (at > ip->len)
			return false;
		if (type != 60) {
			ip->room = at;
			ip->room_next = next;
		}
		if (type == 44 && (ref_get16(p + next + 2) & 0xfff8) != 0)
			break; // what follows is no header
	}
	ip->upper = at;
	ip->upper_next = next;
	return true;
}

bool ref_ip_parse(const uint8_t *p, uint32_t len, struct ref_ip *ip)
{
	*ip = (struct ref_ip){.version = len > 0 ? p[0] >> 4 : 0};
	switch (ip->version) {
	case 4:
		return parse_ipv4(p, len, ip);
	case 6:
		return parse_ipv6(p, len, ip);
	default:
		return false;
	}
}

// One's-complement sum of bytes, added to what there is.
static uint32_t add(uint32_t sum, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

void ref_ip_finish(uint8_t *p, uint32_t len)
{
	if (p[0] >> 4 == 6) {
		ref_put16(p + 4, len - 40);
		return;
	}
	ref_put16(p + 2, len);
	ref_put16(p + 10, 0);
	ref_put16(p + 10, ~add(0, p, (p[0] & 15) * 4u) & 0xffff);
}

uint16_t ref_checksum(
	const uint8_t *ip, uint8_t protocol, uint32_t off, uint32_t len, uint32_t field)
{
	bool v4 = ip[0] >> 4 == 4;
	uint32_t sum = add(protocol + len, ip + (v4 ? 12 : 8), v4 ? 8 : 32);

	sum = add(sum, ip + off, field);
	sum = add(sum, ip + off + field + 2, len - field - 2);
	sum = ~sum & 0xffff;
	return (uint16_t)(protocol == 17 && sum == 0 ? 0xffff : sum);
}

uint8_t ref_tos(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip[1] : (uint8_t)(ref_get16(ip) >> 4);
}

void ref_set_tos(uint8_t *ip, uint8_t tos)
{
	if (ip[0] >> 4 == 4) {
		ip[1] = tos;
		ref_ip_finish(ip, ref_get16(ip + 2));
	} else {
		ref_put16(ip, (ref_get16(ip) & 0xf00fu) | (unsigned)tos << 4);
	}
}
