// SPDX-License-Identifier: BSD-3-Clause
// The authenticated fuzzer: what can stand behind a right integrity value?  Any plaintext, trailer
// and padding included, is sealed with the right key and opened through the whole inbound path.
// Random bytes alone never get that far.  What is accepted must be what the oracle finds.
//
// Input: which association, how (bits), around (bits), type of service of the outer header, then
// the plaintext.
#include "target.h"

#include "../box.h"
#include "../fixed.h"
#include "../rng.h"

#include <string.h>

#define FIX_PADDING 1 // bytes in front of the trailer become 1, 2, 3, ..., wherever they are
#define PIECES 4
#define STARVED 16     // as many buffers as the three bits above say
#define OTHER_HEADER 8 // IPv4 options, or IPv6 extension headers, in front of ESP

// Around.
#define DEPTH 7 // so many tunnels
#define TWICE 8 // in one burst
#define ETHERNET 16
#define UDP_SUM 32

static struct box *box;

// The plaintext as it will be sealed: a whole number of blocks.
static void make_text(
	const struct ref_sa *sa, const uint8_t *data, size_t size, struct ref_packet *text)
{
	uint32_t align = sa->esp.cipher->align_bytes, len = (uint32_t)size / align * align;

	memset(text->bytes, 0, align);
	text->len = len == 0 ? align : len;
	memcpy(text->bytes, data, len);
}

struct want {
	enum ref_end end;
	bool is_starved, is_too_deep, is_replay;
	const struct ref_packet *plain;
};

static void compare(const struct box_frame *f, const struct want *w, uint32_t l2)
{
	if (w->is_starved && f->verdict == FER_NO_ROOM)
		return;
	TARGET_MUST((f->verdict == FER_TOO_DEEP) == w->is_too_deep);
	TARGET_MUST((f->verdict == FER_REPLAY) == w->is_replay);
	if (w->is_too_deep || w->is_replay)
		return;
	if (f->verdict == FER_OK) {
		TARGET_MUST(w->end == REF_OK);
		TARGET_MUST(f->out_len == l2 + w->plain->len);
		TARGET_MUST(memcmp(f->out + l2, w->plain->bytes, w->plain->len) == 0);
		return;
	}
	// Inner packets are judged more strictly than the oracle does.
	TARGET_MUST(f->verdict != FER_BAD_ICV && f->verdict != FER_CRYPTO_ERROR);
	TARGET_MUST(f->verdict != FER_NO_SA && f->verdict != FER_NO_ROOM);
	TARGET_MUST(w->end != REF_BAD_PAD || f->verdict == FER_BAD_PADDING);
	TARGET_MUST(w->end != REF_DUMMY || f->verdict == FER_DUMMY);
	TARGET_MUST(w->end == REF_BAD_PAD || f->verdict != FER_BAD_PADDING);
}

// Puts tunnels around the packet; false when it becomes too long.
static bool wrap(struct ref_packet *wire, unsigned depth)
{
	static struct ref_packet around;
	static const struct ref_choice choice = {.seq = 1, .ecn = 4};

	for (; depth > 0; depth--) {
		if (!ref_protect(fixed_sa(0), &choice, wire, &around))
			return false;
		*wire = around;
	}
	return true;
}

static void make_frame(struct box_frame *f, const struct ref_packet *wire, uint32_t l2)
{
	memset(f->bytes, 2, l2);
	if (l2 != 0)
		ref_put16(f->bytes + l2 - 2, wire->bytes[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	memcpy(f->bytes + l2, wire->bytes, wire->len);
	f->len = l2 + wire->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ref_packet body, wire, plain;
	static struct box_frame f[2];

	if (box == NULL)
		box = fixed_open();
	unsigned which = target_take8(&data, &size) % FIXED_SAS;
	const struct ref_sa *sa = fixed_sa(which);
	uint8_t how = target_take8(&data, &size), around = target_take8(&data, &size);
	uint8_t tos = target_take8(&data, &size);
	unsigned depth = around & DEPTH, n = around & TWICE ? 2 : 1;
	uint32_t l2 = around & ETHERNET ? 14 : 0;

	if (size > 60000 || !fixed_has(which))
		return 0;
	struct ref_choice choice = fixed_choice(sa), found = {0};

	choice.udp_sum = (around & UDP_SUM) != 0;
	make_text(sa, data, size, &body);
	if ((how & FIX_PADDING) != 0)
		fixed_padding(sa, &body, &choice);
	found.seq = choice.seq;
	ref_esp_seal(sa, &choice, &body);
	fixed_wire(sa, &choice, (how & OTHER_HEADER) != 0, tos, &body, &wire);
	struct want want = {.end = ref_open(sa, &found, &wire, &plain),
		.is_starved = (how & STARVED) != 0,
		.is_too_deep = depth + 1 + sa->ah.used > FER_MAX_ROUNDS,
		.plain = &plain};

	if (!wrap(&wire, depth))
		return 0;
	for (unsigned i = 0; i < n; i++)
		make_frame(&f[i], &wire, l2);
	struct rng r = {how};
	if (want.is_starved)
		box_set_spare(how >> 5);
	box_run(box, FER_IN, l2 != 0 ? FER_LINK_ETHERNET : FER_LINK_RAW_IP, f, n,
		(how & PIECES) != 0 ? &r : NULL);
	box_set_spare(UINT32_MAX);
	for (unsigned i = 0; i < n; i++) {
		compare(&f[i], &want, l2);
		want.is_replay = sa->esn && !want.is_too_deep && f[0].verdict != FER_NO_ROOM;
	}
	return 0;
}

void target_seeds(target_put *put, void *arg)
{
	// An IPv4 packet of 28 bytes, an IPv6 packet of 48, something else; then padding 1, 2 and
	// the trailer.
	static const uint8_t v4[] = {0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0xf6, 0xcf, 10, 0, 0, 1,
		10, 0, 0, 2, 0, 1, 0, 2, 0, 8, 0, 0, 1, 2, 2, 4};
	static const uint8_t v6[] = {0x60, 0, 0, 0, 0, 8, 17, 64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 1, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1,
		0, 2, 0, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 14, 41};
	static const uint8_t udp[] = {0, 1, 0, 2, 0, 12, 0, 0, 9, 8, 7, 6, 1, 2, 2, 17};
	static const uint8_t dummy[] = {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 7, 8, 0, 59};
	static const struct {
		const uint8_t *bytes;
		size_t len;
	} texts[] = {
		{v4, sizeof(v4)}, {v6, sizeof(v6)}, {udp, sizeof(udp)}, {dummy, sizeof(dummy)}};
	uint8_t bytes[128];
	char name[32];

	for (unsigned sa = 0; sa < FIXED_SAS; sa++)
		for (unsigned t = 0; t < 4; t++) {
			bytes[0] = (uint8_t)sa;
			bytes[1] = (uint8_t)(1 + (sa + t) % 8 * 4);
			bytes[2] = (uint8_t)((sa + t) % 4 | t << 3);
			bytes[3] = (uint8_t)t;
			memcpy(bytes + 4, texts[t].bytes, texts[t].len);
			snprintf(name, sizeof(name), "sa%u-text%u", sa, t);
			put(arg, name, bytes, 4 + texts[t].len);
		}
}
