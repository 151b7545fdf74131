// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Identification of the IPv4 headers that tunnels put in front.  Where the header may be cut into
// fragments, two packets between the same addresses must not have the same one while fragments of
// the first may be about (RFC 6864 section 4.3), whichever SAs and workers send them.  So pairs of
// addresses count, not SAs; which of the counters is theirs a hash says.  A worker has counters of
// its own, whose numbers no other worker has.

#include <stdint.h>
#include <string.h>

#define FER_IDENT_BITS 6

struct fer_ident {
	uint16_t step; // from one number of this worker to the next
	uint16_t next[1 << FER_IDENT_BITS];
};

// Numbers of one worker of so many, up to 32,768.
static inline void fer_ident_init(struct fer_ident *t, unsigned worker, unsigned n_workers)
{
	t->step = 1;
	while (t->step < n_workers) // a divisor of 65,536, so that they stay apart
		t->step = (uint16_t)(t->step << 1);
	for (unsigned i = 0; i < 1 << FER_IDENT_BITS; i++)
		t->next[i] = (uint16_t)(worker + 1);
}

// The counter of packets with the addresses of that IPv4 header.
static inline uint16_t *fer_ident_counter(struct fer_ident *t, const uint8_t *ip)
{
	uint64_t addresses;

	memcpy(&addresses, ip + 12, sizeof(addresses));
	return &t->next[addresses * UINT64_C(0x9e3779b97f4a7c15) >> (64 - FER_IDENT_BITS)];
}

// Takes n numbers of a counter, step apart; returns the first.
static inline uint16_t fer_ident_take(uint16_t *counter, uint32_t step, uint32_t n)
{
	uint16_t first = *counter;

	*counter = (uint16_t)(first + n * step);
	return first;
}
