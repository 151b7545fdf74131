// SPDX-License-Identifier: BSD-3-Clause
// The authenticated fuzzer: what can stand behind a right integrity value?  Any plaintext, trailer
// and padding included, is sealed with the right key and opened through the whole inbound path.
// Random bytes alone never get that far.  What is accepted must be what the oracle finds.
//
// Input: which association, how (bits), type of service of the outer header, then the plaintext.
#include "target.h"

#include "../box.h"
#include "../fixed.h"
#include "../rng.h"

#include <string.h>

#define FIX_PADDING 1 // bytes in front of the trailer become 1, 2, 3, ..., wherever they are
#define INSIDE_TUNNEL 2
#define PIECES 4
#define STARVED 16     // as many buffers as the three bits above say
#define OTHER_HEADER 8 // IPv4 options, or IPv6 extension headers, in front of ESP

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

static void compare(const struct box_frame *f, enum ref_end end, const struct ref_packet *plain,
	bool is_starved)
{
	if (is_starved && f->verdict == FER_NO_ROOM)
		return;
	if (f->verdict == FER_OK) {
		TARGET_MUST(end == REF_OK);
		TARGET_MUST(f->out_len == plain->len);
		TARGET_MUST(memcmp(f->out, plain->bytes, plain->len) == 0);
		return;
	}
	// Inner packets are judged more strictly than the oracle does.
	TARGET_MUST(f->verdict != FER_BAD_ICV && f->verdict != FER_CRYPTO_ERROR);
	TARGET_MUST(f->verdict != FER_NO_SA && f->verdict != FER_NO_ROOM);
	TARGET_MUST(end != REF_BAD_PAD || f->verdict == FER_BAD_PADDING);
	TARGET_MUST(end != REF_DUMMY || f->verdict == FER_DUMMY);
	TARGET_MUST(end == REF_BAD_PAD || f->verdict != FER_BAD_PADDING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ref_packet body, wire, plain, around;
	static struct box_frame f;
	struct ref_choice choice = {.seq = 7, .esp_iv = {1, 2, 3}, .ecn = 4}, found = {0};

	if (box == NULL)
		box = fixed_open();
	const struct ref_sa *sa = fixed_sa(target_take8(&data, &size) % FIXED_SAS);
	uint8_t how = target_take8(&data, &size), tos = target_take8(&data, &size);

	if (size > 60000)
		return 0;
	make_text(sa, data, size, &body);
	if ((how & FIX_PADDING) != 0)
		fixed_padding(sa, &body, &choice);
	found.seq = choice.seq;
	ref_esp_seal(sa, &choice, &body);
	fixed_wire(sa, (how & OTHER_HEADER) != 0, tos, &body, &wire);
	enum ref_end end = ref_open(sa, &found, &wire, &plain);

	if ((how & INSIDE_TUNNEL) != 0 && ref_protect(fixed_sa(0), &choice, &wire, &around))
		wire = around;
	f.len = wire.len;
	memcpy(f.bytes, wire.bytes, wire.len);
	struct rng r = {how};
	if ((how & STARVED) != 0)
		box_set_spare(how >> 5);
	box_run(box, FER_IN, FER_LINK_RAW_IP, &f, 1, (how & PIECES) != 0 ? &r : NULL);
	box_set_spare(UINT32_MAX);
	compare(&f, end, &plain, (how & STARVED) != 0);
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
			bytes[1] = (uint8_t)(1 + (sa + t) % 8 * 2);
			bytes[2] = (uint8_t)t;
			memcpy(bytes + 3, texts[t].bytes, texts[t].len);
			snprintf(name, sizeof(name), "sa%u-text%u", sa, t);
			put(arg, name, bytes, 3 + texts[t].len);
		}
}
