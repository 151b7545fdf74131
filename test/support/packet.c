// SPDX-License-Identifier: BSD-3-Clause
#include "support/packet.h"

#include "base/bytes.h"

#include <assert.h>
#include <string.h>

struct fer_addr test_addr(uint8_t version, uint8_t last)
{
	if (version == 4)
		return (struct fer_addr){.bytes = {192, 0, 2, last}, .version = 4};
	return (struct fer_addr){.bytes = {0x20, 1, 0xd, 0xb8, [15] = last}, .version = 6};
}

void test_packet_start(struct test_packet *p, uint32_t len, unsigned seed)
{
	assert(len <= TEST_PACKET_BYTES);
	p->len = len;
	p->ip_off = p->ip_end = 0;
	p->n_esp = 0;
	for (uint32_t i = 0; i < len; i++)
		p->bytes[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + seed);
}

// Room for n bytes in front; their content is undefined.
static uint8_t *put_front(struct test_packet *p, uint32_t n)
{
	assert(p->len + n <= TEST_PACKET_BYTES);
	memmove(p->bytes + n, p->bytes, p->len);
	p->len += n;
	p->ip_off += n;
	p->ip_end += n;
	for (unsigned k = 0; k < p->n_esp; k++)
		p->esp[k].off += n;
	return p->bytes;
}

static uint8_t *put_back(struct test_packet *p, uint32_t n)
{
	assert(p->len + n <= TEST_PACKET_BYTES);
	p->len += n;
	return p->bytes + p->len - n;
}

static uint16_t header_sum(const uint8_t *ip, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i += 2)
		sum += fer_load_be16(ip + i);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_ipv4(struct test_packet *p, const struct test_ip *ip, uint8_t protocol)
{
	uint32_t n = FER_IPV4_HEADER_BYTES + ip->n_options;
	uint8_t *at = put_front(p, n);

	memset(at, 0, FER_IPV4_HEADER_BYTES);
	memset(at + FER_IPV4_HEADER_BYTES, 1, ip->n_options); // no operation
	at[0] = (uint8_t)(0x40 | n / 4);
	at[1] = ip->tos;
	fer_store_be16(at + 2, (uint16_t)p->len);
	fer_store_be16(at + 4, ip->id);
	fer_store_be16(at + 6, (uint16_t)(ip->fragment | (ip->df ? 0x4000 : 0)));
	at[8] = ip->ttl != 0 ? ip->ttl : 64;
	at[9] = protocol;
	memcpy(at + 12, test_addr(4, ip->src).bytes, 4);
	memcpy(at + 16, test_addr(4, ip->dst).bytes, 4);
	fer_store_be16(at + 10, header_sum(at, n));
}

// An extension header of n bytes, of nothing but padding.  Returns where it names what follows.
static uint8_t *put_extension(uint8_t *at, uint32_t n, uint8_t *next, uint8_t type)
{
	memset(at, 0, n);
	at[1] = (uint8_t)(n / 8 - 1);
	if (type != FER_PROTO_ROUTING)
		memcpy(at + 2, (uint8_t[]){1, (uint8_t)(n - 4)}, 2); // PadN
	*next = type;
	return at;
}

// Hop-by-hop options of 8 bytes, then a routing header that nobody has to follow any more, then
// destination options.
static void put_ipv6_options(uint8_t *at, const struct test_ip *ip, uint8_t *next, uint8_t protocol)
{
	uint32_t n = ip->n_options;

	if (n > 0)
		next = put_extension(at, 8, next, FER_PROTO_HOPOPTS);
	if (n > 8)
		next = put_extension(at + 8, n - 8, next, FER_PROTO_ROUTING);
	if (ip->dst_options)
		next = put_extension(at + n, 8, next, FER_PROTO_DSTOPTS);
	*next = protocol;
}

static void put_ipv6(struct test_packet *p, const struct test_ip *ip, uint8_t protocol)
{
	uint32_t n = ip->n_options + (ip->dst_options ? 8u : 0);
	uint8_t *at = put_front(p, FER_IPV6_HEADER_BYTES + n);

	fer_store_be32(at, 6u << 28 | (uint32_t)ip->tos << 20 | ip->flow_label);
	fer_store_be16(at + 4, (uint16_t)(p->len - FER_IPV6_HEADER_BYTES));
	put_ipv6_options(at + FER_IPV6_HEADER_BYTES, ip, at + 6, protocol);
	at[7] = ip->ttl != 0 ? ip->ttl : 64;
	memcpy(at + 8, test_addr(6, ip->src).bytes, 16);
	memcpy(at + 24, test_addr(6, ip->dst).bytes, 16);
}

void test_packet_put_ip(struct test_packet *p, const struct test_ip *ip, uint8_t protocol)
{
	assert(ip->n_options % 8 == 0);
	if (ip->version == 4)
		put_ipv4(p, ip, protocol);
	else
		put_ipv6(p, ip, protocol);
	p->ip_off = 0;
	p->ip_end = p->len;
}

void test_packet_put_ethernet(struct test_packet *p, unsigned n_tags)
{
	uint16_t type = fer_ether_type(p->bytes[0] >> 4);
	uint8_t *at = put_front(p, FER_ETHER_HEADER_BYTES + 4 * n_tags);

	for (uint8_t i = 0; i < 12; i++)
		at[i] = (uint8_t)(0x20 + i);
	for (at += 12; n_tags > 0; n_tags--, at += 4) {
		fer_store_be16(at, n_tags > 1 ? FER_ETHER_TYPE_QINQ : FER_ETHER_TYPE_VLAN);
		fer_store_be16(at + 2, (uint16_t)(0x6000 | n_tags));
	}
	fer_store_be16(at, type);
}

static void put_trailer(struct test_packet *p, const struct fer_suite *s, uint8_t next_header)
{
	uint8_t n_pad = 0, *at;

	while ((p->len + n_pad + 2) % s->align_bytes != 0)
		n_pad++;
	at = put_back(p, n_pad + 2u);
	for (uint8_t i = 0; i < n_pad; i++)
		at[i] = i + 1;
	at[n_pad] = n_pad;
	at[n_pad + 1] = next_header;
}

void test_packet_put_esp(struct test_packet *p, const struct oracle_sa *sa, uint32_t spi,
	uint64_t seq, uint8_t next_header)
{
	const struct fer_suite *s = &sa->suite;

	assert(p->n_esp < TEST_MAX_ESP);
	put_trailer(p, s, next_header);
	memset(put_back(p, s->icv_bytes), 0xcc, s->icv_bytes);
	uint8_t *at = put_front(p, 8u + s->iv_bytes);
	fer_store_be32(at, spi);
	fer_store_be32(at + 4, (uint32_t)seq);
	for (uint8_t i = 0; i < s->iv_bytes; i++)
		at[8 + i] = (uint8_t)(0xa0 + i + seq);
	p->esp[p->n_esp++] = (struct test_esp){0, p->len, sa, (uint32_t)(seq >> 32)};
}

void test_packet_put_udp(struct test_packet *p, uint16_t sport, uint16_t dport)
{
	uint8_t *at = put_front(p, FER_UDP_HEADER_BYTES);

	fer_store_be16(at, sport);
	fer_store_be16(at + 2, dport);
	fer_store_be16(at + 4, (uint16_t)p->len);
	fer_store_be16(at + 6, 0);
}

// RFC 768; RFC 8200 section 8.1.
void test_packet_sum_udp(struct test_packet *p, uint32_t ip_off)
{
	bool v4 = p->bytes[ip_off] >> 4 == 4;
	uint8_t *udp = p->bytes + ip_off + (v4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES);
	uint32_t len = fer_load_be16(udp + 4), sum = FER_PROTO_UDP + len;

	fer_store_be16(udp + 6, 0);
	for (uint32_t i = v4 ? 12 : 8; i < (v4 ? 20u : 40u); i += 2)
		sum += fer_load_be16(p->bytes + ip_off + i);
	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)udp[i] << 8 : udp[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	fer_store_be16(udp + 6, sum == 0xffff ? 0xffff : (uint16_t)~sum);
}

void test_packet_pad(struct test_packet *p, uint32_t n)
{
	memset(put_back(p, n), 0xee, n);
}

void test_packet_seal(struct test_packet *p, unsigned k)
{
	const struct test_esp *e = &p->esp[k];

	oracle_seal(e->sa, p->bytes + e->off, e->len, e->seq_hi);
}

void test_packet_seal_all(struct test_packet *p)
{
	for (unsigned k = 0; k < p->n_esp; k++)
		test_packet_seal(p, k);
}
