// SPDX-License-Identifier: BSD-3-Clause
// What can a host do to a NIC by words?  Send requests of mode oob: any shim, any slots, handles of
// associations that are there, any frame.  A send fails whole and says so, or leaves sealed: what a
// handle asked to protect never goes out as it came, no IV goes out twice, and the peer can open
// it.
//
// Input: how (bits), which association slots 1 and 11 name (0: what stands in the record), then the
// frame from the EtherType of the shim on.
#include "target.h"

#include "../box.h"
#include "../oracle/ref.h"
#include "nic/oob.h"
#include "nic/shim.h"

#include <string.h>

#define PIECES 1
#define STARVED 2 // as many buffers as the bits above say

#define MACS FER_SHIM_MACS_BYTES
#define RECORD (MACS + 2)
#define STATUS (RECORD + 4)
#define SLOT0 (RECORD + 16)
#define SLOT1 (RECORD + 24)
#define SLOT2 (RECORD + 32)
#define SLOT11 (RECORD + 40)
#define SLOT12 (RECORD + 48)
#define PACKET                                                                                     \
	(RECORD + FER_SHIM_RECORD_BYTES + 2) // of a record without more; its EtherType is in front

#define GCM(last)                                                                                  \
	"encryption: aes-gcm-128, encryption_key: \"000102030405060708090a0b0c0d0e0f101112" last   \
	"\""
#define SHA1 "integrity: hmac-sha1-96, integrity_key: \"000102030405060708090a0b0c0d0e0f10111213\""
#define CBC "encryption: aes-cbc-128, encryption_key: \"000102030405060708090a0b0c0d0e0f\", " SHA1

static const struct association {
	const char *shape, *transform;
	bool v6, is_ah, is_clear;
	uint8_t iv_bytes, icv_bytes;
} associations[] = {
	{"mode: transport, src: 192.0.2.1, dst: 192.0.2.2", "esp: {spi: 257, " GCM("13") "}", false,
		false, false, 8, 16},
	{"mode: tunnel, src: 192.0.2.1, dst: 192.0.2.2", "esp: {spi: 258, " GCM("14") "}", false,
		false, false, 8, 16},
	{"mode: transport, src: \"2001:db8::1\", dst: \"2001:db8::2\"", "esp: {spi: 259, " CBC "}",
		true, false, false, 16, 12},
	{"mode: transport, src: 192.0.2.1, dst: 192.0.2.2",
		"esp: {spi: 260, encryption: null, " SHA1 "}", false, false, true, 0, 12},
	{"mode: transport, src: 192.0.2.1, dst: 192.0.2.2", "ah: {spi: 261, " SHA1 "}", false, true,
		true, 0, 12},
};

#define N_ASSOCIATIONS (sizeof(associations) / sizeof(associations[0]))
#define FIRST_SPI 257
#define N_IVS 4096

static struct box *sender, *receiver;
static uint64_t ivs[N_ASSOCIATIONS][N_IVS]; // of those with a counter, the last ones
static unsigned n_ivs[N_ASSOCIATIONS];

// One send.
struct sent {
	const uint8_t *frame;
	uint32_t len;
	const struct association *only; // the one handle, for the place in slot 12; NULL: not so
	unsigned n_wire, n_completions;
	uint32_t status;
	bool is_open; // the last of those on the wire, at the peer
};

static struct box *open_end(const char *direction)
{
	char document[2048] = "sas:\n", error[BOX_ERROR_BYTES];
	size_t len = strlen(document);

	for (unsigned i = 0; i < N_ASSOCIATIONS; i++)
		len += (size_t)snprintf(document + len, sizeof(document) - len,
			"  - {name: s%u, %s, %s, %s}\n", i, direction, associations[i].shape,
			associations[i].transform);
	struct box *b = box_open(document, error);

	if (b == NULL)
		fprintf(stderr, "%s%s\n", document, error);
	TARGET_MUST(b != NULL);
	return b;
}

static uint32_t load_le32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store_le(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

// Where slot 12 of a send says that the header of its one SA is, from the IP header on; 0: nowhere.
static uint32_t place_of(const struct sent *s)
{
	uint32_t word = load_le32(s->frame + SLOT12);

	return (s->only->is_ah ? word >> 16 & 0xff : word >> 24) * 4;
}

// Behind the VLAN tags of a frame; 0: it is too short.
static uint32_t ip_of(const uint8_t *frame, uint32_t len)
{
	uint32_t at = MACS;

	while (at + 2 <= len &&
		(ref_get16(frame + at) == 0x8100 || ref_get16(frame + at) == 0x88a8))
		at += 4;
	return at + 2 <= len ? at + 2 : 0;
}

static void see_indication(void *arg, const uint8_t *frame, uint32_t len, bool is_side)
{
	bool *is_open = arg;

	TARGET_MUST(!is_side && len >= PACKET && ref_get16(frame + MACS) == FER_SHIM_ETHER_TYPE);
	uint32_t word = load_le32(frame + SLOT1);
	*is_open = (word & FER_OOB_CRYPTO_DONE) != 0 && word >> FER_OOB_CRYPTO_STATUS_SHIFT == 0;
}

static void check_iv(const struct association *a, const uint8_t *bytes)
{
	size_t which = (size_t)(a - associations);
	uint64_t iv;

	memcpy(&iv, bytes, sizeof(iv));
	for (unsigned i = 0; i < N_IVS && i < n_ivs[which]; i++)
		TARGET_MUST(ivs[which][i] != iv);
	ivs[which][n_ivs[which]++ % N_IVS] = iv;
}

// What went out for a handle: the bytes of its header, at at.
static void check_sealed(const struct sent *s, const uint8_t *frame, uint32_t len, uint32_t at)
{
	const struct association *a = s->only;
	uint32_t spi = FIRST_SPI + (uint32_t)(a - associations), text = at + 8 + a->iv_bytes;

	if (a->is_ah) {
		TARGET_MUST(at + 12 + a->icv_bytes <= len && ref_get32(frame + at + 4) == spi);
		return;
	}
	TARGET_MUST(text + a->icv_bytes <= len && ref_get32(frame + at) == spi);
	if (a->iv_bytes == 8)
		check_iv(a, frame + at + 8);

	// A large send is cut: its bytes stand elsewhere.
	bool is_large = (load_le32(s->frame + SLOT2) & 0xfffff) != 0;
	uint32_t gap = 2 + (s->frame[RECORD + 2] | (uint32_t)s->frame[RECORD + 3] << 8);
	uint32_t n = len - text - a->icv_bytes;
	if (!is_large && !a->is_clear && n >= 16)
		TARGET_MUST(memcmp(frame + text, s->frame + gap + text, n) != 0);
}

static void see_sent(void *arg, const uint8_t *frame, uint32_t len, bool is_side)
{
	struct sent *s = arg;

	if (is_side) {
		TARGET_MUST(len >= RECORD + FER_SHIM_RECORD_BYTES &&
			    frame[RECORD + 1] == FER_SHIM_COMPLETION);
		s->n_completions++;
		s->status = load_le32(frame + STATUS);
		return;
	}
	s->n_wire++;
	box_indicate(receiver, frame, len, see_indication, &s->is_open);
	if (s->only == NULL || place_of(s) == 0)
		return;
	uint32_t ip = ip_of(frame, len);

	TARGET_MUST(ip != 0);
	check_sealed(s, frame, len, ip + place_of(s));
}

static void name_sa(uint8_t *slot, unsigned which)
{
	if (which != 0)
		store_le(slot, which <= N_ASSOCIATIONS ? box_handle(sender, which - 1) : 0, 8);
}

// Runs a frame of the host; true when it left, and the peer opened it.
static bool run(uint8_t *frame, uint32_t len, uint8_t how, const uint8_t which[2])
{
	static const uint8_t nobody[8];
	struct sent s = {.frame = frame, .len = len};
	struct rng r = {how};

	if (len >= PACKET) {
		name_sa(frame + SLOT1, which[0]);
		name_sa(frame + SLOT11, which[1]);
		if (which[0] != 0 && which[0] <= N_ASSOCIATIONS &&
			memcmp(frame + SLOT11, nobody, sizeof(nobody)) == 0)
			s.only = &associations[which[0] - 1];
	}
	if ((how & STARVED) != 0)
		box_set_spare(how >> 2);
	box_send(sender, frame, len, (how & PIECES) != 0 ? &r : NULL, see_sent, &s);
	box_set_spare(UINT32_MAX);
	TARGET_MUST(s.n_completions <= 1);
	if (s.n_wire > 0)
		TARGET_MUST(s.n_completions == 0 || s.status == 0);
	else
		TARGET_MUST(s.n_completions == 0 || s.status != 0);
	return s.n_wire > 0 && s.is_open;
}

static void start(void)
{
	if (sender != NULL)
		return;
	box_start();
	sender = open_end("direction: out");
	receiver = open_end("direction: in, replay_window: 0");
}

// --- sends that are right ---------------------------------------------------------------------

static uint32_t put_tcp(uint8_t *at, uint32_t data)
{
	static const uint8_t tcp[20] = {0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1};

	memcpy(at, tcp, sizeof(tcp));
	for (uint32_t i = 0; i < data; i++)
		at[sizeof(tcp) + i] = (uint8_t)i;
	return sizeof(tcp) + data;
}

// A frame as a host makes it for an association: protection framed, to be done.  mss 0: no large
// send.
static uint32_t put_send(const struct association *a, uint32_t data, uint32_t mss, uint8_t *input)
{
	uint8_t *frame = input + 3 - MACS,
		*ip = frame + PACKET; // MAC addresses are not in the input
	uint32_t spi = FIRST_SPI + (uint32_t)(a - associations), ip_bytes = a->v6 ? 40 : 20;
	uint32_t at = ip_bytes, pad = (16 - (20 + data + 2) % 16) % 16;

	memset(input, 0, 3 + PACKET);
	input[1] = (uint8_t)(a - associations + 1);
	input[2] = (uint8_t)(N_ASSOCIATIONS + 1);
	ref_put16(frame + MACS, FER_SHIM_ETHER_TYPE);
	frame[RECORD] = FER_SHIM_VERSION;
	frame[RECORD + 2] = FER_SHIM_RECORD_BYTES;
	store_le(frame + SLOT0, 4 | 1u << 16, 4);
	if (mss != 0)
		store_le(frame + SLOT2, mss | 1u << 30 | (a->v6 ? 1u << 31 : 0), 4);
	store_le(frame + SLOT12,
		ip_bytes / 4 << (a->is_ah ? 16 : 24) | (a->is_ah ? 0 : pad << 8) | 6, 4);
	ref_put16(ip - 2, a->v6 ? 0x86dd : 0x0800);
	memset(ip, 0, 128);
	if (a->is_ah) {
		ip[at] = 6;
		ip[at + 1] = (12 + 12) / 4 - 2;
		ref_put32(ip + at + 4, spi);
		ref_put32(ip + at + 8, 1);
		at += 12 + a->icv_bytes;
	} else {
		ref_put32(ip + at, spi);
		ref_put32(ip + at + 4, 1);
		at += 8 + a->iv_bytes;
	}
	at += put_tcp(ip + at, data);
	if (!a->is_ah) {
		for (uint32_t i = 0; i < pad; i++)
			ip[at++] = (uint8_t)(i + 1);
		ip[at++] = (uint8_t)pad;
		ip[at++] = 6;
		memset(ip + at, 0, a->icv_bytes);
		at += a->icv_bytes;
	}
	ip[0] = a->v6 ? 0x60 : 0x45;
	ip[a->v6 ? 6 : 9] = a->is_ah ? 51 : 50;
	ip[a->v6 ? 7 : 8] = 64;
	if (a->v6) {
		static const uint8_t prefix[4] = {0x20, 1, 0xd, 0xb8};
		memcpy(ip + 8, prefix, 4);
		memcpy(ip + 24, prefix, 4);
		ip[23] = 1;
		ip[39] = 2;
	} else {
		ref_put32(ip + 12, 0xc0000201);
		ref_put32(ip + 16, 0xc0000202);
	}
	ref_ip_finish(ip, at);
	return 3 + PACKET - MACS + at;
}

// Does the target see what it says it sees?  Once, before anything else.
static void check_right_ones(void)
{
	static uint8_t input[MACS + 8192], frame[MACS + 8192];

	for (unsigned i = 0; i < N_ASSOCIATIONS; i++)
		for (uint32_t mss = 0; mss <= 500; mss += 500) {
			if (mss != 0 && strstr(associations[i].shape, "tunnel") != NULL)
				continue;
			uint32_t n =
				put_send(&associations[i], mss == 0 ? 100 : 3000, mss, input) - 3;

			memset(frame, 2, MACS);
			memcpy(frame + MACS, input + 3, n);
			TARGET_MUST(run(frame, MACS + n, 0, input + 1));
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[BOX_FRAME_BYTES];

	if (sender == NULL) {
		start();
		check_right_ones();
	}
	uint8_t how = target_take8(&data, &size), which[2];

	which[0] = target_take8(&data, &size);
	which[1] = target_take8(&data, &size);
	if (size > sizeof(frame) - MACS)
		return 0;
	memset(frame, 2, MACS);
	memcpy(frame + MACS, data, size);
	(void)run(frame, MACS + (uint32_t)size, how, which);
	return 0;
}

void target_seeds(target_put *put, void *arg)
{
	static uint8_t input[MACS + 8192];
	char name[32];

	for (unsigned i = 0; i < N_ASSOCIATIONS; i++)
		for (uint32_t mss = 0; mss <= 500; mss += 250) {
			uint32_t n = put_send(&associations[i], mss == 0 ? 100 : 800, mss, input);

			snprintf(name, sizeof(name), "sa%u-mss%u", i, mss);
			put(arg, name, input, n);
		}
}
