// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One's-complement sums of RFC 1071.  Values are as loaded from memory in network byte order.

#include <stddef.h>
#include <stdint.h>

// The checksum field of a header of len bytes whose checksum field holds 0 (or, over a header that
// includes its checksum: 0 when that is right).
uint16_t fer_cksum(const void *bytes, size_t len);

// The checksum after a 16-bit word covered by it changed from one value to another (RFC 1624,
// equation 3).
static inline uint16_t fer_cksum_update(uint16_t sum, uint16_t from, uint16_t to)
{
	uint32_t s = (uint16_t)~sum + (uint32_t)(uint16_t)~from + to;

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}
