// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IPv4 and IPv6 headers: addresses, and the fields that IPsec changes.  Above this layer nobody
// asks which version it is.

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FER_IPV4_HEADER_BYTES 20
#define FER_IPV4_ENDS_OFF 12 // both addresses
#define FER_IPV4_DST_OFF 16
#define FER_IPV6_HEADER_BYTES 40
#define FER_IPV4_MAX_BYTES 65535        // total length
#define FER_IPV6_MAX_BYTES (65535 + 40) // payload length and the header; no jumbograms
#define FER_ADDR_TEXT_BYTES 46

// An address of either version, in network byte order; IPv4 takes the first four bytes and the
// others are 0, so two addresses are equal when all bytes of the struct are.
struct fer_addr {
	uint8_t bytes[16];
	uint8_t version; // 4 or 6; 0: any address of any version
};

// One end of a UDP flow.
struct fer_peer {
	struct fer_addr addr;
	uint16_t port; // host order
};

// A prefix: bits after len are 0.  version 0 in addr: any.
struct fer_prefix {
	struct fer_addr addr;
	uint8_t len; // 0 to 32 or 128
};

// Reads an address as people write it, without zone or prefix.  False when it is none.
__attribute__((warn_unused_result)) bool fer_addr_parse(const char *text, struct fer_addr *a);

// Reads "ADDRESS/LEN", "ADDRESS" (a host) or "any".  False when it is none of these, when LEN is
// out of range, or when bits behind the prefix are set.
__attribute__((warn_unused_result)) bool fer_prefix_parse(const char *text, struct fer_prefix *p);

// Writes an address as RFC 5952 says; "any" for version 0.  Returns text.
const char *fer_addr_text(const struct fer_addr *a, char text[FER_ADDR_TEXT_BYTES]);

bool fer_addr_equal(const struct fer_addr *a, const struct fer_addr *b);

// Is a in p?  A prefix of version 0 has every address in it.
bool fer_prefix_has(const struct fer_prefix *p, const struct fer_addr *a);

// The functions below work on a complete IPv4 or IPv6 header at ip, told apart by its first four
// bits.  The IPv4 header checksum is kept right by incremental update (RFC 1624), so a wrong one
// stays wrong.

// Source and destination, as they stand in the header (no routing header is looked at).
void fer_ip_addresses(const uint8_t *ip, struct fer_addr *src, struct fer_addr *dst);

// Sets the length of the whole packet, header included: total length, or payload length.
void fer_ip_set_len(uint8_t *ip, uint32_t len);

// Sets the protocol byte next_off bytes behind ip: the protocol of IPv4 (9), or a next-header byte
// of IPv6 or of one of its extension headers.
void fer_ip_set_next(uint8_t *ip, uint16_t next_off, uint8_t protocol);

// DSCP and ECN as one byte: type of service, or traffic class.
static inline uint8_t fer_ip_tos(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip[1] : (uint8_t)(fer_load_be16(ip) >> 4);
}
void fer_ip_set_tos(uint8_t *ip, uint8_t tos);

// Writes a fresh outer header without options: len is the length of the whole packet, id is used
// by IPv4 and flow_label by IPv6 only.  Returns its size, 20 or 40.
struct fer_ip_header {
	const struct fer_addr *src, *dst; // the version of both says which header it is
	uint32_t len;
	uint32_t flow_label;
	uint16_t id;
	uint8_t tos;
	uint8_t ttl;
	uint8_t protocol;
	bool df;
};
unsigned fer_ip_write(uint8_t *ip, const struct fer_ip_header *h);

// The sum of the pseudo header for len bytes (RFC 9293 section 3.1, RFC 8200 section 8.1), not
// complemented: what an unfinished checksum holds.
uint16_t fer_ip_pseudo_sum(const uint8_t *ip, uint8_t protocol, uint32_t len);

// Type of service and DF, where the first and the fourth 16 bits of an IPv4 header have them, as
// these lie in memory.
static inline uint32_t fer_ip_marks(uint8_t tos, bool df)
{
	return (uint32_t)tos << 8 | (uint32_t)df << 6;
}

static inline uint8_t fer_ip_marks_tos(uint32_t marks)
{
	return (uint8_t)(marks >> 8);
}

static inline bool fer_ip_marks_df(uint32_t marks)
{
	return (marks >> 6 & 1) != 0;
}

// What an IPv4 header has in common with those that fer_ip_write() makes for one empty packet, with
// identification and type of service 0 and without DF.
struct fer_ipv4_stamp {
	// All but the destination, as in memory; length, identification and checksum are 0.
	uint16_t words __attribute__((vector_size(16)));
	uint32_t sum; // of all that, the destination and the length of the header alone taken away
};

static inline struct fer_ipv4_stamp fer_ipv4_stamp_of(const uint8_t *from)
{
	struct fer_ipv4_stamp s;

	memcpy(&s.words, from, sizeof(s.words));
	s.sum = (uint16_t)~fer_load_be16(from + 10) + (0xffff - FER_IPV4_HEADER_BYTES);
	s.words[1] = s.words[5] = 0;
	return s;
}

// The same with marks.
static inline struct fer_ipv4_stamp fer_ipv4_stamp_marked(
	const struct fer_ipv4_stamp *s, uint32_t marks)
{
	struct fer_ipv4_stamp marked = *s;

	marked.words[0] |= (uint16_t)(marks & 0xff00);
	marked.words[3] |= (uint16_t)(marks & 0xff);
	marked.sum += (marks >> 8) + ((marks & 0xff) << 8);
	return marked;
}

// Writes all of such a header but the destination, with length and identification; put together in
// a register, because packets are best made of few wide stores.
static inline void fer_ipv4_stamp(
	uint8_t *ip, const struct fer_ipv4_stamp *s, uint32_t len, uint16_t id)
{
	uint16_t words __attribute__((vector_size(16))) = s->words;
	uint32_t sum = s->sum + len + id;

	sum += sum << 16 | sum >> 16; // both halves and their carry are in the upper one
	words[1] = __builtin_bswap16((uint16_t)len);
	words[2] = __builtin_bswap16(id);
	words[5] = (uint16_t)__builtin_bswap32(~sum);
	memcpy(ip, &words, sizeof(words));
}

// Likewise for IPv6, from a header with traffic class and flow label 0.
static inline void fer_ipv6_stamp(
	uint8_t *ip, const uint8_t *from, uint32_t len, uint8_t tos, uint32_t flow_label)
{
	memcpy(ip, from, FER_IPV6_HEADER_BYTES);
	fer_store_be32(ip, 0x60000000u | (uint32_t)tos << 20 | flow_label);
	fer_store_be16(ip + 4, (uint16_t)(len - FER_IPV6_HEADER_BYTES));
}
