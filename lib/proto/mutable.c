// SPDX-License-Identifier: BSD-3-Clause
#include "proto/mutable.h"

#include "base/bytes.h"
#include "proto/ip.h"
#include "proto/ipsec.h"

#include <string.h>

#define IPV4_DST_OFF 16
#define IPV6_NEXT_OFF 6
#define IPV6_DST_OFF 24
#define IPV6_ADDR_BYTES 16

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_LOOSE_ROUTE 131
#define OPTION_STRICT_ROUTE 137
#define ROUTE_ADDRESSES 3 // behind type, length and pointer

#define OPTION_PAD1 0 // skip_padding() relies on it
#define OPTION_MAY_CHANGE 0x20
#define EXTENSION_OPTIONS 2 // behind next header and length

#define ROUTING_TYPE 2
#define ROUTING_LEFT 3
#define ROUTING_ADDRESSES 8

// Options that no router changes (RFC 4302 appendix A1); all others count as 0.
static bool is_immutable(uint8_t option)
{
	switch (option) {
	case 130: // security
	case 133: // extended security
	case 134: // commercial security
	case 148: // router alert
	case 149: // sender directed multi-destination delivery
		return true;
	default:
		return false;
	}
}

// The pointer of a source route counts bytes from 1; behind its end the packet has arrived.
static bool follow_ipv4_route(uint8_t *ip, const uint8_t *option, uint32_t len)
{
	if (len < ROUTE_ADDRESSES)
		return false;
	if (option[2] > len)
		return true;
	if (len < ROUTE_ADDRESSES + 4)
		return false;
	memcpy(ip + IPV4_DST_OFF, option + len - 4, 4);
	return true;
}

// Every turn passes a byte at least: an option of length 0 or 1 ends the walk.
static bool mask_ipv4_options(uint8_t *ip, uint32_t n)
{
	uint32_t len;

	for (uint32_t at = FER_IPV4_HEADER_BYTES; at < n; at += len) {
		uint8_t *option = ip + at;

		if (option[0] == OPTION_END)
			return true; // what follows is padding
		len = 1;
		if (option[0] == OPTION_NOP)
			continue;
		if (n - at < 2)
			return false;
		len = option[1];
		if (len < 2 || len > n - at)
			return false;
		if ((option[0] == OPTION_LOOSE_ROUTE || option[0] == OPTION_STRICT_ROUTE) &&
			!follow_ipv4_route(ip, option, len))
			return false;
		if (!is_immutable(option[0]))
			memset(option, 0, len);
	}
	return true;
}

static bool mask_ipv4(uint8_t *ip, uint32_t n)
{
	if (n < FER_IPV4_HEADER_BYTES)
		return false;
	ip[1] = 0;             // DSCP, ECN
	memset(ip + 6, 0, 3);  // flags, fragment offset, TTL
	memset(ip + 10, 0, 2); // checksum
	return mask_ipv4_options(ip, n);
}

// Where padding of one byte each, from at on, ends.
static uint32_t skip_padding(const uint8_t *header, uint32_t at, uint32_t n)
{
	for (uint64_t word; n - at >= sizeof(word); at += sizeof(word)) {
		word = fer_load_word(header + at);
		if (word != 0)
			return at + (uint32_t)__builtin_ctzll(word) / 8;
	}
	while (at < n && header[at] == OPTION_PAD1)
		at++;
	return at;
}

//   left  how many options there may still be; padding of one byte does not count
static bool mask_ipv6_options(uint8_t *header, uint32_t n, uint32_t *left)
{
	for (uint32_t at = EXTENSION_OPTIONS, len; (at = skip_padding(header, at, n)) < n;
		at += len) {
		uint8_t *option = header + at;

		if (n - at < 2 || *left == 0)
			return false;
		--*left;
		len = 2u + option[1];
		if (len > n - at)
			return false;
		if ((option[0] & OPTION_MAY_CHANGE) != 0)
			memset(option + 2, 0, len - 2);
	}
	return true;
}

// Makes of a route what is left of it at its end: each router on the way puts the destination in
// the place of the address that becomes the destination (RFC 2460 section 4.4).
static bool follow_ipv6_route(uint8_t *ip, uint8_t *header, uint32_t n)
{
	uint32_t left = header[ROUTING_LEFT];
	uint32_t n_addresses = (n - ROUTING_ADDRESSES) / IPV6_ADDR_BYTES;
	uint8_t *dst = ip + IPV6_DST_OFF, last[IPV6_ADDR_BYTES];

	if (left == 0)
		return true;
	if ((header[ROUTING_TYPE] != 0 && header[ROUTING_TYPE] != 2) || left > n_addresses ||
		(n - ROUTING_ADDRESSES) % IPV6_ADDR_BYTES != 0)
		return false;
	uint8_t *route = header + ROUTING_ADDRESSES + (n_addresses - left) * sizeof(last);
	memcpy(last, route + (left - 1) * sizeof(last), sizeof(last));
	memmove(route + sizeof(last), route, (left - 1) * sizeof(last));
	memcpy(route, dst, sizeof(last));
	memcpy(dst, last, sizeof(last));
	header[ROUTING_LEFT] = 0;
	return true;
}

static bool mask_extension(uint8_t *ip, uint8_t type, uint8_t *header, uint32_t n, uint32_t *left)
{
	switch (type) {
	case FER_PROTO_HOPOPTS:
	case FER_PROTO_DSTOPTS:
		return mask_ipv6_options(header, n, left);
	case FER_PROTO_ROUTING:
		return follow_ipv6_route(ip, header, n);
	default:
		return type == FER_PROTO_FRAGMENT;
	}
}

static bool mask_ipv6(uint8_t *ip, uint32_t n)
{
	uint32_t left = FER_MUTABLE_OPTIONS_MAX, len;

	if (n < FER_IPV6_HEADER_BYTES)
		return false;
	uint8_t next = ip[IPV6_NEXT_OFF];
	memcpy(ip, (const uint8_t[4]){6 << 4}, 4); // traffic class, flow label
	ip[7] = 0;                                 // hop limit
	for (uint32_t at = FER_IPV6_HEADER_BYTES; at < n; at += len) {
		uint8_t *header = ip + at, type = next;

		if (n - at < 8)
			return false;
		len = type == FER_PROTO_FRAGMENT ? 8 : (header[1] + 1u) * 8;
		next = header[0];
		if (len > n - at || !mask_extension(ip, type, header, len, &left))
			return false;
	}
	return true;
}

bool fer_mutable_mask(uint8_t *ip, uint32_t n)
{
	if (n == 0)
		return false;
	return ip[0] >> 4 == 4 ? mask_ipv4(ip, n) : mask_ipv6(ip, n);
}
