// SPDX-License-Identifier: BSD-3-Clause
// Can any bytes lead the parser of frames outside of them?  Where it finds a packet sound, the
// oracle must see the same.
#include "target.h"

#include "../oracle/ref.h"
#include "../plain.h"
#include "proto/frame.h"
#include "proto/l2.h"

#include <string.h>

static void compare(const uint8_t *ip, uint32_t len, const struct fer_frame *f)
{
	uint32_t at = f->ip_off;
	struct ref_ip want;

	TARGET_MUST(ref_ip_parse(ip + at, len - at, &want));
	TARGET_MUST(f->version == want.version);
	TARGET_MUST(f->end - at == want.len && f->end <= len);
	TARGET_MUST((uint32_t)f->up_off - at == want.upper && f->up_off <= f->end);
	TARGET_MUST((uint32_t)f->up_next_off - at == want.upper_next);
	TARGET_MUST(f->protocol == ip[f->up_next_off]);
	TARGET_MUST((f->fragment != 0) == want.is_fragment);
	if (f->fragment == 0) {
		TARGET_MUST((uint32_t)f->sec_off - at == want.room);
		TARGET_MUST((uint32_t)f->sec_next_off - at == want.room_next);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how = target_take8(&data, &size);
	enum fer_link link = how & 1 ? FER_LINK_ETHERNET : FER_LINK_RAW_IP;
	struct fer_frame f;
	struct fer_l2 l2;
	uint32_t avail = (uint32_t)size, end = avail;

	if (!fer_l2_parse(link, data, avail, &l2))
		return 0;
	TARGET_MUST(l2.len <= avail);
	if (how & 2) // the end of an outer layer comes before that of the frame
		end -= (uint32_t)(how >> 2) < end - l2.len ? how >> 2 : 0;
	if (fer_frame_parse(data, avail, end, l2.len, &f) == FER_OK)
		compare(data, end, &f);
	return 0;
}

void target_seeds(target_put *put, void *arg)
{
	static struct ref_packet p;
	const struct ref_addr ends[2][2] = {{{4, {192, 0, 2, 1}}, {4, {192, 0, 2, 2}}},
		{{6, {0x20, 1, 0xd, 0xb8, 1}}, {6, {0x20, 1, 0xd, 0xb8, 2}}}};
	static uint8_t bytes[REF_MAX_BYTES + 32];
	struct rng r = {1};
	char name[32];

	for (unsigned i = 0; i < 24; i++) {
		const struct plain_wish wish = {&ends[i % 2][0], &ends[i % 2][1], 300, true};

		plain_make(&r, &wish, &p);
		bytes[0] = (uint8_t)(i & 2) >> 1;
		uint32_t l2 = bytes[0] ? 14 : 0;
		memset(bytes + 1, 2, l2);
		if (l2 != 0)
			ref_put16(bytes + 13, i % 2 == 0 ? 0x0800 : 0x86dd);
		memcpy(bytes + 1 + l2, p.bytes, p.len);
		snprintf(name, sizeof(name), "plain%02u", i);
		put(arg, name, bytes, 1 + l2 + p.len);
	}
}
