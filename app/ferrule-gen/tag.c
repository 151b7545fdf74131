// SPDX-License-Identifier: BSD-3-Clause
#include "tag.h"

#include "base/bytes.h"
#include "proto/frame.h"
#include "proto/ipsec.h"

#define MAGIC UINT32_C(0x66677631) // "fgv1"

static uint64_t check_of(uint64_t seed, uint32_t len, const struct fer_gen_tag *t)
{
	uint64_t check = fer_gen_mix(seed ^ (uint64_t)len << 32 ^ MAGIC);

	check = fer_gen_mix(check ^ ((uint64_t)t->kind << 32 | t->stream));
	return fer_gen_mix(check ^ t->counter);
}

// The j-th word of the filler: cheap, and another one for each packet.
static uint64_t filler_word(uint64_t check, uint32_t j)
{
	return (check ^ check >> 29) + j * (check | 1);
}

void fer_gen_tag_write(uint8_t *payload, uint32_t len, uint64_t seed, const struct fer_gen_tag *t)
{
	uint64_t check = check_of(seed, len, t);
	uint32_t left = len - FER_GEN_TAG_BYTES;
	uint8_t *at = payload + FER_GEN_TAG_BYTES;

	fer_store_be32(payload, MAGIC);
	fer_store_be32(payload + 4, (uint32_t)t->kind << 24 | t->stream);
	fer_store_be64(payload + 8, t->counter);
	fer_store_be64(payload + 16, check);
	for (uint32_t j = 0; left > 0; j++) {
		uint32_t part = left < 8 ? left : 8;
		uint64_t word = filler_word(check, j);

		memcpy(at, &word, part);
		at += part;
		left -= part;
	}
}

static bool filler_is_right(const uint8_t *at, uint32_t left, uint64_t check)
{
	uint64_t wrong = 0;

	for (uint32_t j = 0; left > 0; j++) {
		uint32_t part = left < 8 ? left : 8;
		uint64_t word = filler_word(check, j), is = word;

		memcpy(&is, at, part);
		wrong |= is ^ word;
		at += part;
		left -= part;
	}
	return wrong == 0;
}

enum fer_gen_finding fer_gen_tag_read(
	const uint8_t *payload, uint32_t len, uint64_t seed, struct fer_gen_tag *t)
{
	if (len < FER_GEN_TAG_BYTES || fer_load_be32(payload) != MAGIC)
		return FER_GEN_FOREIGN;
	uint32_t word = fer_load_be32(payload + 4);
	struct fer_gen_tag found = {
		.counter = fer_load_be64(payload + 8),
		.stream = word & 0xffffff,
		.kind = (uint8_t)(word >> 24),
	};
	uint64_t check = check_of(seed, len, &found);

	if (fer_load_be64(payload + 16) != check || found.stream >= FER_GEN_MAX_STREAMS ||
		!filler_is_right(payload + FER_GEN_TAG_BYTES, len - FER_GEN_TAG_BYTES, check))
		return FER_GEN_CORRUPT;
	*t = found;
	return FER_GEN_SOUND;
}

enum fer_gen_finding fer_gen_tag_find(
	const uint8_t *ip, uint32_t len, uint64_t seed, struct fer_gen_tag *t)
{
	struct fer_frame f;

	if (fer_frame_parse(ip, len, len, 0, &f) != FER_OK || f.protocol != FER_PROTO_UDP ||
		f.fragment != 0 || f.end < (uint32_t)f.up_off + FER_UDP_HEADER_BYTES)
		return FER_GEN_FOREIGN;
	const uint8_t *udp = ip + f.up_off;
	uint32_t len_said = fer_load_be16(udp + 4);

	// Behind the UDP datagram may be padding (RFC 4303 section 2.7).
	if (len_said < FER_UDP_HEADER_BYTES || len_said > f.end - f.up_off)
		return FER_GEN_CORRUPT;
	return fer_gen_tag_read(
		udp + FER_UDP_HEADER_BYTES, len_said - FER_UDP_HEADER_BYTES, seed, t);
}
