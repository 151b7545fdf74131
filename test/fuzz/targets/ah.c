// SPDX-License-Identifier: BSD-3-Clause
// Which headers in front of an AH make trouble?  The packet of the input gets an AH with the right
// integrity value, as the oracle masks what may change on the way, and goes through the whole
// inbound path: a wrong value there means that the two mask differently.
//
// Input: how (bits), then an IP packet whose addresses become those of the association.
#include "target.h"

#include "../box.h"
#include "../oracle/ref.h"
#include "../plain.h"

#include <string.h>

#define PIECES 1
#define OUTSIDE 2 // destination options stay in front
#define WIDE 4    // over IPv4, too, a multiple of 8 bytes

#define SA(name, src, dst, spi)                                                                    \
	"  - {name: " name ", direction: in, replay_window: 0, mode: transport, src: \"" src       \
	"\", dst: \"" dst "\", ah: {spi: " spi ", integrity: hmac-sha2-256-128, "                  \
	"integrity_key: \"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"}}\n"

static const char document[] = "sas:\n" SA("v4", "192.0.2.1", "192.0.2.2", "257")
	SA("v6", "2001:db8::1", "2001:db8::2", "258");

static const struct ref_addr ends[2][2] = {{{4, {192, 0, 2, 1}}, {4, {192, 0, 2, 2}}},
	{{6, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
		{6, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}}}};

static struct ref_sa sas[2];
static struct box *box;
static bool is_started;

// False where this version has no AH.
static bool start(void)
{
	char error[BOX_ERROR_BYTES];
	unsigned k = 0;

	if (is_started)
		return box != NULL;
	is_started = true;
	box_start();
	box = box_open(document, error);
	TARGET_MUST(box != NULL || strstr(error, "not supported by this version") != NULL);
	while (strcmp(ref_integrity(k)->name, "hmac-sha2-256-128") != 0)
		k++;
	for (unsigned i = 0; i < 2; i++) {
		sas[i] = (struct ref_sa){.src = ends[i][0], .dst = ends[i][1]};
		sas[i].ah = (struct ref_transform){.used = true,
			.spi = 257 + i,
			.integrity = ref_integrity(k),
			.icv_bytes = 16};
		for (unsigned b = 0; b < REF_MAX_KEY; b++)
			sas[i].ah.integrity_key[b] = (uint8_t)b;
	}
	return box != NULL;
}

// Brings addresses, length and checksum in order.  False: it cannot become a packet.
static bool make_packet(struct ref_packet *p, const uint8_t *data, size_t size)
{
	struct ref_ip ip;
	unsigned v6;

	if (size < 40 || size > 2000)
		return false;
	p->len = (uint32_t)size;
	memcpy(p->bytes, data, size);
	v6 = p->bytes[0] >> 4 == 6;
	memcpy(p->bytes + (v6 ? 8 : 12), ends[v6][0].bytes, v6 ? 16 : 4);
	memcpy(p->bytes + (v6 ? 24 : 16), ends[v6][1].bytes, v6 ? 16 : 4);
	ref_ip_finish(p->bytes, p->len);
	return ref_ip_parse(p->bytes, p->len, &ip) && !ip.is_fragment;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ref_packet plain, wire;
	static struct box_frame f;
	uint8_t how = target_take8(&data, &size);
	struct rng r = {how};
	const struct ref_choice choice = {.seq = 1,
		.options_outside = (how & OUTSIDE) != 0,
		.ah_multiple_of_8 = (how & WIDE) != 0};

	if (!start() || !make_packet(&plain, data, size) ||
		!ref_protect(&sas[plain.bytes[0] >> 4 == 6], &choice, &plain, &wire))
		return 0;
	f.len = wire.len;
	memcpy(f.bytes, wire.bytes, wire.len);
	box_run(box, FER_IN, FER_LINK_RAW_IP, &f, 1, (how & PIECES) != 0 ? &r : NULL);
	TARGET_MUST(f.verdict != FER_BAD_ICV);
	if (f.verdict == FER_OK) {
		TARGET_MUST(f.out_len == plain.len);
		TARGET_MUST(memcmp(f.out, plain.bytes, plain.len) == 0);
	}
	return 0;
}

void target_seeds(target_put *put, void *arg)
{
	static struct ref_packet p;
	static uint8_t bytes[REF_MAX_BYTES];
	struct rng r = {2};
	char name[32];

	for (unsigned i = 0; i < 32; i++) {
		const struct plain_wish wish = {&ends[i % 2][0], &ends[i % 2][1], 400, false};

		plain_make(&r, &wish, &p);
		bytes[0] = (uint8_t)(i % 8);
		memcpy(bytes + 1, p.bytes, p.len);
		snprintf(name, sizeof(name), "packet%02u", i);
		put(arg, name, bytes, 1 + p.len);
	}
}
