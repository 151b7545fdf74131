// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The payload of generated packets: which stream it belongs to, its place there, and bytes that
// depend on all of it, so that whoever gets it back knows whether it is whole and the same.
//
//   0  magic          4 bytes
//   4  kind           1 byte: 0, or how the packet was broken
//   5  stream         3 bytes
//   8  counter        8 bytes: place among those of its stream and kind, from 0
//  16  check          8 bytes: of seed, length and the fields above
//  24  filler         made from the check
//
// Pure functions; all numbers in network byte order.

#include <stdbool.h>
#include <stdint.h>

#define FER_GEN_TAG_BYTES 24
#define FER_GEN_MAX_STREAMS (1u << 20)

struct fer_gen_tag {
	uint64_t counter;
	uint32_t stream;
	uint8_t kind;
};

enum fer_gen_finding {
	FER_GEN_SOUND,
	FER_GEN_FOREIGN, // not of a generator
	FER_GEN_CORRUPT, // of a generator, but of another seed or not as it was sent
};

// splitmix64: a permutation, whose outputs for a run of inputs look random.
static inline uint64_t fer_gen_mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

// Fills a payload of len bytes, at least FER_GEN_TAG_BYTES.
void fer_gen_tag_write(uint8_t *payload, uint32_t len, uint64_t seed, const struct fer_gen_tag *t);

// Reads a payload of any length; t is set when it is sound.
__attribute__((warn_unused_result)) enum fer_gen_finding fer_gen_tag_read(
	const uint8_t *payload, uint32_t len, uint64_t seed, struct fer_gen_tag *t);

// The same for an IP packet whose payload of UDP it is.
__attribute__((warn_unused_result)) enum fer_gen_finding fer_gen_tag_find(
	const uint8_t *ip, uint32_t len, uint64_t seed, struct fer_gen_tag *t);
