// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The AH header on the wire, RFC 4302 section 2: next header, length, 16 bits of zero, SPI,
// sequence number, integrity value, padding.  Integrity values of counter modes have their IV in
// front (RFC 4543 section 4).

#include "base/bytes.h"
#include "proto/ipsec.h"

#define FER_AH_SPI_OFF 4

// Bytes of a header whose integrity value takes icv bytes, IV included, in an IP packet of that
// version: a multiple of 4 over IPv4, of 8 over IPv6.
static inline uint32_t fer_ah_bytes(uint32_t icv, uint8_t version)
{
	uint32_t align = version == 4 ? 4 : 8;

	return (FER_AH_FIXED_BYTES + icv + align - 1) & ~(align - 1);
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

// Writes a header of len bytes whose integrity value and padding are 0.
static inline void fer_ah_write(
	uint8_t *ah, uint32_t len, uint8_t next_header, uint32_t spi, uint32_t seq)
{
	fer_store_be32(ah, (uint32_t)next_header << 24 | (uint32_t)fer_ah_length_field(len) << 16);
	// One store, because the crypto stage reads both by one load.
	fer_store_be64(ah + FER_AH_SPI_OFF, (uint64_t)spi << 32 | seq);
	memset(ah + FER_AH_FIXED_BYTES, 0, len - FER_AH_FIXED_BYTES);
}
