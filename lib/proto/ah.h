// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The AH header on the wire, RFC 4302 section 2: next header, length, 16 bits of zero, SPI,
// sequence number, integrity value, padding.  Integrity values of counter modes have their IV in
// front (RFC 4543 section 4).

#include "base/bytes.h"
#include "proto/ipsec.h"

#include <assert.h>

#define FER_AH_SPI_OFF 4

// Every header that is made here has so much: integrity values take 12 bytes at least, and 32 at
// most.
#define FER_AH_LEAST_BYTES 24
#define FER_AH_MOST_BYTES 48

// Bytes of a header whose integrity value takes icv bytes, IV included, in an IP packet of that
// version: a multiple of 4 over IPv4, of 8 over IPv6.
static inline uint32_t fer_ah_bytes(uint32_t icv, uint8_t version)
{
	uint32_t align = version == 4 ? 4 : 8;
	uint32_t len = (FER_AH_FIXED_BYTES + icv + align - 1) & ~(align - 1);

	assert(len >= FER_AH_LEAST_BYTES && len <= FER_AH_MOST_BYTES);
	return len;
}

// Bytes that a header says it has; some peers pad to 8 over IPv4 as well.
static inline uint32_t fer_ah_stated_bytes(const uint8_t *ah)
{
	return (ah[1] + 2u) * 4;
}

// What such a header says of its length.
static inline uint8_t fer_ah_length_field(uint32_t bytes)
{
	return (uint8_t)(bytes / 4 - 2);
}

// What it begins with, but for the sequence number: next header, length, SPI, and zeros.
static inline fer_pair fer_ah_front(uint32_t len, uint8_t next_header, uint32_t spi)
{
	const uint32_t first = (uint32_t)next_header | (uint32_t)fer_ah_length_field(len) << 8;

	return (fer_pair){first | (uint64_t)__builtin_bswap32(spi) << 32, 0};
}

// Writes a header of len bytes whose integrity value and padding are 0, from back to front.  SPI
// and number are one store, because the crypto stage reads both by one load.
static inline void fer_ah_write(uint8_t *ah, uint32_t len, fer_pair front, uint32_t seq)
{
	const fer_pair zero = {0};

	front[1] = __builtin_bswap32(seq);
	memcpy(ah + len - sizeof(zero), &zero, sizeof(zero));
	if (len > 2 * sizeof(zero))
		memcpy(ah + sizeof(zero), &zero, sizeof(zero));
	memcpy(ah, &front, sizeof(front));
}
