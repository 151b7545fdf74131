// SPDX-License-Identifier: BSD-3-Clause
// Fragments in any order, of any extent, overlapping, repeated, never complete.  The parts are
// those of a sealed packet: whatever is put together must open to what was in it, and what waits
// stays within its bound and is given up in time.
//
// Input: steps of six bytes: how (bits), identification, offset and length in units of 8 bytes, two
// bytes of seconds that pass.
#include "target.h"

#include "../box.h"
#include "../oracle/ref.h"

#include <string.h>

#define IPV6 1
#define MORE 2
#define OTHER_PROTOCOL 4 // ESP is named, but that is not what it is
#define ALONE 8          // not in one burst with the step before

#define MAX_WAITING (16 * 8 * 2 * 2) // datagrams, fragments, tables, buffers of each

static const char document[] =
	"sas:\n"
	"  - {name: v4, direction: in, replay_window: 0, mode: tunnel, src: 192.0.2.1, "
	"dst: 192.0.2.2, esp: {spi: 257, encryption: aes-gcm-128, "
	"encryption_key: \"000102030405060708090a0b0c0d0e0f10111213\"}}\n"
	"  - {name: v6, direction: in, replay_window: 0, mode: tunnel, src: \"2001:db8::1\", "
	"dst: \"2001:db8::2\", esp: {spi: 258, encryption: aes-gcm-128, "
	"encryption_key: \"000102030405060708090a0b0c0d0e0f10111213\"}}\n";

static struct box *box;
static struct ref_packet plain, wire[2];
static uint64_t now;

static void start(void)
{
	static const struct ref_choice choice = {.seq = 1, .ecn = 4};
	char error[BOX_ERROR_BYTES];
	unsigned k = 0;

	if (box != NULL)
		return;
	box_start();
	box = box_open(document, error);
	TARGET_MUST(box != NULL);
	plain.len = 600;
	memcpy(plain.bytes,
		(const uint8_t[20]){
			0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2},
		20);
	for (uint32_t i = 20; i < plain.len; i++)
		plain.bytes[i] = (uint8_t)(i * 7);
	ref_ip_finish(plain.bytes, plain.len);
	while (strcmp(ref_cipher(k)->name, "aes-gcm-128") != 0)
		k++;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct ref_sa sa = {.tunnel = true, .ttl = 64, .dscp = REF_COPY};

		sa.src = v6 ? (struct ref_addr){6, {0x20, 1, 0xd, 0xb8}}
			    : (struct ref_addr){4, {192, 0, 2, 1}};
		sa.dst = v6 ? sa.src : (struct ref_addr){4, {192, 0, 2, 2}};
		if (v6)
			sa.src.bytes[15] = 1, sa.dst.bytes[15] = 2;
		sa.esp = (struct ref_transform){
			.used = true, .spi = 257 + v6, .cipher = ref_cipher(k), .icv_bytes = 16};
		for (unsigned i = 0; i < 20; i++)
			sa.esp.cipher_key[i] = (uint8_t)i;
		TARGET_MUST(ref_protect(&sa, &choice, &plain, &wire[v6]));
	}
}

// Bytes off to off + len of what the sealed packet carries, as a fragment.
static void make_fragment(struct box_frame *f, uint8_t how, uint8_t id, uint32_t off, uint32_t len)
{
	unsigned v6 = how & IPV6;
	const struct ref_packet *w = &wire[v6];
	uint32_t header = v6 ? 40 : 20, at = v6 ? 48 : 20, all = w->len - header;
	bool more = (how & MORE) != 0;

	if (!more && off < all)
		len = all - off; // the true end
	memcpy(f->bytes, w->bytes, header);
	if (v6) {
		f->bytes[6] = 44;
		memset(f->bytes + 40, 0, 8);
		f->bytes[40] = how & OTHER_PROTOCOL ? 60 : 50;
		ref_put16(f->bytes + 42, off | more);
		f->bytes[47] = id;
	} else {
		f->bytes[5] = id;
		ref_put16(f->bytes + 6, off / 8 | (more ? 0x2000u : 0));
	}
	for (uint32_t i = 0; i < len; i++)
		f->bytes[at + i] = off + i < all ? w->bytes[header + off + i] : 0;
	f->len = at + len;
	ref_ip_finish(f->bytes, f->len);
}

static void run(struct box_frame *frames, unsigned n)
{
	if (n == 0)
		return;
	box_set_time(box, now);
	box_run(box, FER_IN, FER_LINK_RAW_IP, frames, n, NULL);
	for (unsigned i = 0; i < n; i++)
		if (frames[i].verdict == FER_OK) {
			TARGET_MUST(frames[i].out_len == plain.len);
			TARGET_MUST(memcmp(frames[i].out, plain.bytes, plain.len) == 0);
		}
	TARGET_MUST(box_in_use() <= MAX_WAITING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct box_frame frames[BOX_BURST];
	unsigned n = 0;

	start();
	while (size >= 6) {
		uint8_t how = target_take8(&data, &size), id = target_take8(&data, &size);
		uint32_t off = target_take8(&data, &size) * 8u,
			 len = target_take8(&data, &size) * 8u;
		uint16_t wait = target_take16(&data, &size);

		if (n == BOX_BURST || (how & ALONE) != 0) {
			run(frames, n);
			n = 0;
			now += wait % 64;
		}
		make_fragment(&frames[n++], how, id, off, len);
	}
	run(frames, n);
	// Some time later nothing is left.  The clock of the path moves with its packets.
	now += 1000;
	frames[0].len = 0;
	run(frames, 1);
	TARGET_MUST(box_in_use() == 0);
	return 0;
}

void target_seeds(target_put *put, void *arg)
{
	static const struct {
		const char *name;
		uint8_t len, bytes[48];
	} seeds[] = {
		{"in-order", 12, {2, 1, 0, 40, 0, 0, 0, 1, 40, 0, 0, 0}},
		{"in-order-6", 12, {3, 1, 0, 40, 0, 0, 1, 1, 40, 0, 0, 0}},
		{"turned-round", 18, {0, 2, 60, 0, 0, 0, 2, 2, 30, 30, 0, 0, 2, 2, 0, 30, 0, 0}},
		{"overlap", 12, {2, 3, 0, 41, 0, 0, 0, 3, 40, 0, 0, 0}},
		{"twice", 18, {2, 4, 0, 40, 0, 0, 2, 4, 0, 40, 0, 0, 0, 4, 40, 0, 0, 0}},
		{"late", 12, {2, 5, 0, 40, 0, 0, 8, 5, 40, 0, 0, 60}},
		{"tiny", 18, {2, 6, 0, 1, 0, 0, 2, 6, 1, 1, 0, 0, 0, 6, 2, 0, 0, 0}},
		{"holes", 12, {2, 7, 0, 8, 0, 0, 0, 7, 40, 0, 0, 0}},
		{"options-6", 12, {7, 1, 0, 40, 0, 0, 5, 1, 40, 0, 0, 0}},
	};

	for (unsigned i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		put(arg, seeds[i].name, seeds[i].bytes, seeds[i].len);
}
