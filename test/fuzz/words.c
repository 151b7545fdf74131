// SPDX-License-Identifier: BSD-3-Clause
#include "words.h"

#include "nic/shim.h"
#include "oracle/ref.h"

#include <string.h>

#define RECORD (FER_SHIM_MACS_BYTES + 2)
#define LENGTH (RECORD + 2)
#define COOKIE (RECORD + 8)
#define SLOT0 (RECORD + 16)
#define SLOT1 (RECORD + 24)
#define SLOT2 (RECORD + 32)
#define SLOT11 (RECORD + 40)
#define SLOT12 (RECORD + 48)
#define TYPE (RECORD + FER_SHIM_RECORD_BYTES) // of the frame itself
#define PACKET (TYPE + 2)

static void store_le(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

uint32_t words_put(uint8_t *to, const struct fer_oob *words, uint64_t cookie, const uint8_t *frame,
	uint32_t len)
{
	memset(to, 0, TYPE);
	memcpy(to, frame, FER_SHIM_MACS_BYTES);
	ref_put16(to + FER_SHIM_MACS_BYTES, FER_SHIM_ETHER_TYPE);
	to[RECORD] = FER_SHIM_VERSION;
	store_le(to + LENGTH, FER_SHIM_RECORD_BYTES, 2);
	store_le(to + COOKIE, cookie, 8);
	store_le(to + SLOT0, words->checksum, 4);
	store_le(to + SLOT1, words->ipsec, 8);
	store_le(to + SLOT2, words->lso, 4);
	store_le(to + SLOT11, words->tunnel, 8);
	store_le(to + SLOT12, words->header, 4);
	memcpy(to + TYPE, frame + FER_SHIM_MACS_BYTES, len - FER_SHIM_MACS_BYTES);
	return TYPE + len - FER_SHIM_MACS_BYTES;
}

uint64_t words_cookie(const uint8_t *completion)
{
	uint64_t cookie = 0;

	for (unsigned i = 8; i-- > 0;)
		cookie = cookie << 8 | completion[COOKIE + i];
	return cookie;
}

static void flip(struct rng *r, uint8_t *byte)
{
	*byte ^= (uint8_t)(1u << rng_below(r, 8));
}

static void name_other(struct rng *r, const uint64_t handles[], unsigned n, uint8_t *slot)
{
	static const uint8_t nobody[8];

	switch (rng_below(r, 6)) {
	case 0:
		memcpy(slot, nobody, sizeof(nobody));
		break;
	case 1:
		flip(r, slot + rng_below(r, 8));
		break;
	case 2:
		rng_fill(r, slot, 8);
		break;
	default:
		store_le(slot, handles[rng_below(r, n)], 8);
		break;
	}
}

static void swap_handles(uint8_t *bytes)
{
	uint8_t first[8];

	memcpy(first, bytes + SLOT1, sizeof(first));
	memcpy(bytes + SLOT1, bytes + SLOT11, sizeof(first));
	memcpy(bytes + SLOT11, first, sizeof(first));
}

static void move_headers(struct rng *r, uint8_t *slot)
{
	if (rng_below(r, 2))
		flip(r, slot + rng_below(r, 4));
	else
		rng_fill(r, slot, 4);
}

// Of a request whose record does not say that it is one there would be no completion.
static void change_record(struct rng *r, uint8_t *bytes)
{
	if (rng_below(r, 2))
		flip(r, bytes + LENGTH + rng_below(r, 2));
	else
		store_le(bytes + LENGTH, FER_SHIM_RECORD_BYTES + rng_below(r, 24), 2);
}

void words_spoil(struct rng *r, const uint64_t handles[], unsigned n, const uint8_t *before,
	uint8_t *bytes, uint32_t *len)
{
	const uint32_t n_front = *len - TYPE < 100 ? *len - TYPE : 100;

	switch (rng_below(r, 11)) {
	case 0:
		name_other(r, handles, n, bytes + SLOT1);
		break;
	case 1:
		name_other(r, handles, n, bytes + SLOT11);
		break;
	case 2:
		swap_handles(bytes);
		break;
	case 3:
		move_headers(r, bytes + SLOT12);
		break;
	case 4: // few segments, that all of a burst have room
		store_le(bytes + SLOT2, (300 + rng_below(r, 600)) | rng_below(r, 4) << 30, 4);
		break;
	case 5:
		rng_fill(r, bytes + SLOT0, 4);
		break;
	case 6:
	case 7:
		flip(r, bytes + TYPE + rng_below(r, n_front));
		break;
	case 8:
		*len = TYPE + rng_below(r, *len - TYPE);
		break;
	case 9:
		change_record(r, bytes);
		break;
	default: // the words of the request before
		if (before != NULL)
			memcpy(bytes + SLOT0, before + SLOT0, TYPE - SLOT0);
		break;
	}
}
