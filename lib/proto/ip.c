// SPDX-License-Identifier: BSD-3-Clause
#include "proto/ip.h"

#include "base/bytes.h"
#include "proto/cksum.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#define IPV4_CKSUM_OFF 10

static_assert(sizeof(struct fer_addr) == 17, "addresses are compared as bytes");

static bool is_ipv4(const uint8_t *ip)
{
	return ip[0] >> 4 == 4;
}

static unsigned addr_bits(uint8_t version)
{
	return version == 4 ? 32 : 128;
}

bool fer_addr_parse(const char *text, struct fer_addr *a)
{
	struct fer_addr out = {.version = strchr(text, ':') == NULL ? 4 : 6};

	if (inet_pton(out.version == 4 ? AF_INET : AF_INET6, text, out.bytes) != 1)
		return false;
	*a = out;
	return true;
}

// Reads a decimal number up to max, written in the only way there is.
static bool parse_len(const char *text, unsigned max, uint8_t *len)
{
	unsigned n = 0;
	const char *at = text;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (; *at != '\0'; at++) {
		if (*at < '0' || *at > '9')
			return false;
		n = n * 10 + (unsigned)(*at - '0');
		if (n > max)
			return false;
	}
	*len = (uint8_t)n;
	return true;
}

// Are the first len bits of a and b the same?
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned len)
{
	unsigned whole = len / 8, rest = len % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool has_host_bits(const struct fer_prefix *p)
{
	struct fer_addr net = {.version = p->addr.version};

	memcpy(net.bytes, p->addr.bytes, p->len / 8);
	if (p->len % 8 != 0)
		net.bytes[p->len / 8] = p->addr.bytes[p->len / 8] & (0xff00 >> p->len % 8);
	return !fer_addr_equal(&net, &p->addr);
}

bool fer_prefix_parse(const char *text, struct fer_prefix *p)
{
	char addr[FER_ADDR_TEXT_BYTES];
	struct fer_prefix out = {0};
	size_t addr_len = strcspn(text, "/");

	if (strcmp(text, "any") == 0) {
		*p = out;
		return true;
	}
	if (addr_len >= sizeof(addr))
		return false;
	memcpy(addr, text, addr_len);
	addr[addr_len] = '\0';
	if (!fer_addr_parse(addr, &out.addr))
		return false;
	out.len = (uint8_t)addr_bits(out.addr.version);
	if (text[addr_len] == '/' && !parse_len(text + addr_len + 1, out.len, &out.len))
		return false;
	if (has_host_bits(&out))
		return false;
	*p = out;
	return true;
}

const char *fer_addr_text(const struct fer_addr *a, char text[FER_ADDR_TEXT_BYTES])
{
	if (a->version == 0)
		return memcpy(text, "any", sizeof("any"));
	return inet_ntop(a->version == 4 ? AF_INET : AF_INET6, a->bytes, text, FER_ADDR_TEXT_BYTES);
}

bool fer_addr_equal(const struct fer_addr *a, const struct fer_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool fer_prefix_has(const struct fer_prefix *p, const struct fer_addr *a)
{
	if (p->addr.version == 0)
		return true;
	return p->addr.version == a->version && same_bits(p->addr.bytes, a->bytes, p->len);
}

void fer_ip_addresses(const uint8_t *ip, struct fer_addr *src, struct fer_addr *dst)
{
	if (is_ipv4(ip)) {
		*src = *dst = (struct fer_addr){.version = 4};
		memcpy(src->bytes, ip + 12, 4);
		memcpy(dst->bytes, ip + 16, 4);
	} else {
		src->version = dst->version = 6;
		memcpy(src->bytes, ip + 8, 16);
		memcpy(dst->bytes, ip + 24, 16);
	}
}

// Changes a 16-bit word of an IPv4 header, and its checksum with it.
static void set_ipv4_word(uint8_t *ip, unsigned off, uint16_t to)
{
	uint16_t sum = fer_load_be16(ip + IPV4_CKSUM_OFF);

	sum = fer_cksum_update(sum, fer_load_be16(ip + off), to);
	fer_store_be16(ip + off, to);
	fer_store_be16(ip + IPV4_CKSUM_OFF, sum);
}

void fer_ip_set_len(uint8_t *ip, uint32_t len)
{
	if (is_ipv4(ip)) {
		assert(len >= FER_IPV4_HEADER_BYTES && len <= FER_IPV4_MAX_BYTES);
		set_ipv4_word(ip, 2, (uint16_t)len);
	} else {
		assert(len >= FER_IPV6_HEADER_BYTES && len <= FER_IPV6_MAX_BYTES);
		fer_store_be16(ip + 4, (uint16_t)(len - FER_IPV6_HEADER_BYTES));
	}
}

void fer_ip_set_next(uint8_t *ip, uint16_t next_off, uint8_t protocol)
{
	if (is_ipv4(ip))
		set_ipv4_word(ip, next_off - 1u, (uint16_t)(ip[next_off - 1] << 8 | protocol));
	else
		ip[next_off] = protocol;
}

void fer_ip_set_tos(uint8_t *ip, uint8_t tos)
{
	if (is_ipv4(ip))
		set_ipv4_word(ip, 0, (uint16_t)(ip[0] << 8 | tos));
	else
		fer_store_be16(ip, (uint16_t)((fer_load_be16(ip) & 0xf00f) | tos << 4));
}

static unsigned write_ipv4(uint8_t *ip, const struct fer_ip_header *h)
{
	assert(h->len >= FER_IPV4_HEADER_BYTES && h->len <= FER_IPV4_MAX_BYTES);
	ip[0] = 4 << 4 | FER_IPV4_HEADER_BYTES / 4;
	ip[1] = h->tos;
	fer_store_be16(ip + 2, (uint16_t)h->len);
	fer_store_be16(ip + 4, h->id);
	fer_store_be16(ip + 6, h->df ? 0x4000 : 0);
	ip[8] = h->ttl;
	ip[9] = h->protocol;
	fer_store_be16(ip + IPV4_CKSUM_OFF, 0);
	memcpy(ip + 12, h->src->bytes, 4);
	memcpy(ip + 16, h->dst->bytes, 4);
	fer_store_be16(ip + IPV4_CKSUM_OFF, fer_cksum_20(ip));
	return FER_IPV4_HEADER_BYTES;
}

static unsigned write_ipv6(uint8_t *ip, const struct fer_ip_header *h)
{
	assert(h->len >= FER_IPV6_HEADER_BYTES && h->len <= FER_IPV6_MAX_BYTES);
	fer_store_be32(ip, 6u << 28 | (uint32_t)h->tos << 20 | (h->flow_label & 0xfffff));
	fer_store_be16(ip + 4, (uint16_t)(h->len - FER_IPV6_HEADER_BYTES));
	ip[6] = h->protocol;
	ip[7] = h->ttl;
	memcpy(ip + 8, h->src->bytes, 16);
	memcpy(ip + 24, h->dst->bytes, 16);
	return FER_IPV6_HEADER_BYTES;
}

unsigned fer_ip_write(uint8_t *ip, const struct fer_ip_header *h)
{
	assert(h->src->version == h->dst->version);
	return h->src->version == 4 ? write_ipv4(ip, h) : write_ipv6(ip, h);
}

uint16_t fer_ip_pseudo_sum(const uint8_t *ip, uint8_t protocol, uint32_t len)
{
	bool v4 = is_ipv4(ip);
	uint8_t pseudo[2 * 16 + 8] = {0};
	uint32_t n = v4 ? 8 : 32;

	memcpy(pseudo, ip + (v4 ? 12 : 8), n);
	fer_store_be32(pseudo + n, len);
	pseudo[n + 7] = protocol;
	return (uint16_t)~fer_cksum(pseudo, n + 8);
}
