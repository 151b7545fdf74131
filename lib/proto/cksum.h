// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One's-complement sums of RFC 1071.  Checksums and words are values in host order, as
// fer_load_be16() reads them and fer_store_be16() writes them.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The checksum field of a header of len bytes whose checksum field holds 0 (or, over a header that
// includes its checksum: 0 when that is right).
uint16_t fer_cksum(const void *bytes, size_t len);

// Four bytes as the sum takes them: unswapped, because a one's-complement sum of swapped words is
// the swapped sum (RFC 1071, section 2).
static inline uint32_t fer_cksum_load(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

// The checksum that a sum of up to 2^32 loaded words stands for.
static inline uint16_t fer_cksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return __builtin_bswap16((uint16_t)~sum);
}

// fer_cksum() of the 20 bytes that every IPv4 header has.
static inline uint16_t fer_cksum_20(const uint8_t *p)
{
	return fer_cksum_fold((uint64_t)fer_cksum_load(p) + fer_cksum_load(p + 4) +
			      fer_cksum_load(p + 8) + fer_cksum_load(p + 12) +
			      fer_cksum_load(p + 16));
}

// Is the checksum right of an IPv4 header without options?  Sums that fold to all ones are the
// multiples of 2^16 - 1, but for 0, which no header with a version has.  2^64 - 1 is one of them,
// so a carry out of the sum counts 1.
static inline bool fer_cksum_20_is_right(const uint8_t *p)
{
	uint64_t sum, next;

	memcpy(&sum, p, sizeof(sum));
	memcpy(&next, p + 8, sizeof(next));
	sum += next;
	next = (sum < next) + (uint64_t)fer_cksum_load(p + 16);
	sum += next;
	sum += sum < next;
	return sum % 0xffff == 0;
}

// The same where eight of its bytes, the addresses, are known from another one.
static inline uint64_t fer_cksum_addresses(const uint8_t *p)
{
	return (uint64_t)fer_cksum_load(p + 12) + fer_cksum_load(p + 16);
}

static inline bool fer_cksum_20_is_right_with(const uint8_t *p, uint64_t addresses)
{
	uint64_t sum, next = addresses + fer_cksum_load(p + 8);

	memcpy(&sum, p, sizeof(sum));
	sum += next;
	sum += sum < next;
	return sum % 0xffff == 0;
}

// The checksum after a 16-bit word covered by it changed from one value to another (RFC 1624,
// equation 3).
static inline uint16_t fer_cksum_update(uint16_t sum, uint16_t from, uint16_t to)
{
	uint32_t s = (uint16_t)~sum + (uint32_t)(uint16_t)~from + to;

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}
