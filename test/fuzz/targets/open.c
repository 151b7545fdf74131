// SPDX-License-Identifier: BSD-3-Clause
// The authenticated fuzzer: what can stand behind a right integrity value?  Any plaintext, trailer
// and padding included, is sealed with the right key and opened through the whole inbound path.
// Random bytes alone never get that far.  What is accepted must be what the oracle finds.
//
// Input: which association, how (bits), type of service of the outer header, then the plaintext.
#include "target.h"

#include "../box.h"
#include "../oracle/ref.h"
#include "../rng.h"

#include <string.h>

#define FIX_PADDING 1 // bytes in front of the trailer become 1, 2, 3, ...
#define INSIDE_TUNNEL 2
#define PIECES 4
#define OTHER_HEADER 8 // IPv4 options, or IPv6 extension headers, in front of ESP

#define SA(n, way, from, to, spi, more)                                                            \
	"  - {name: " n ", direction: in, replay_window: 0, mode: " way ", src: \"" from           \
	"\", dst: \"" to "\", esp: {spi: " spi ", " more "}}\n"
#define GCM "encryption: aes-gcm-128, encryption_key: \"000102030405060708090a0b0c0d0e0f10111213\""
#define CBC                                                                                        \
	"encryption: aes-cbc-128, encryption_key: \"000102030405060708090a0b0c0d0e0f\", "          \
	"integrity: hmac-sha1-96, integrity_key: \"000102030405060708090a0b0c0d0e0f10111213\""
#define PLAIN                                                                                      \
	"encryption: null, integrity: hmac-sha1-96, "                                              \
	"integrity_key: \"000102030405060708090a0b0c0d0e0f10111213\""

static const char document[] = "sas:\n" SA("a", "tunnel", "192.0.2.1", "192.0.2.2", "257", GCM)
	SA("b", "tunnel", "2001:db8::1", "2001:db8::2", "258", GCM) SA("c", "tunnel", "192.0.2.1",
		"192.0.2.2", "259", CBC) SA("d", "transport", "192.0.2.1", "192.0.2.2", "260", GCM)
		SA("e", "transport", "2001:db8::1", "2001:db8::2", "261", CBC)
			SA("f", "transport", "192.0.2.1", "192.0.2.2", "262", PLAIN)
				SA("g", "tunnel", "2001:db8::1", "2001:db8::2", "263", PLAIN);

static const struct {
	bool tunnel, v6;
	const char *cipher;
} shapes[] = {{true, false, "aes-gcm-128"}, {true, true, "aes-gcm-128"},
	{true, false, "aes-cbc-128"}, {false, false, "aes-gcm-128"}, {false, true, "aes-cbc-128"},
	{false, false, "null"}, {true, true, "null"}};

#define N_SAS (sizeof(shapes) / sizeof(shapes[0]))

static struct ref_sa sas[N_SAS];
static struct box *box;

static const struct ref_algo *find(const struct ref_algo *(*row)(unsigned), const char *name)
{
	unsigned i = 0;

	while (strcmp(row(i)->name, name) != 0)
		i++;
	return row(i);
}

static struct ref_addr end_of(bool v6, uint8_t last)
{
	struct ref_addr a = {4, {192, 0, 2, last}};

	if (!v6)
		return a;
	a = (struct ref_addr){6, {0x20, 1, 0xd, 0xb8}};
	a.bytes[15] = last;
	return a;
}

static void start(void)
{
	char error[BOX_ERROR_BYTES];

	if (box != NULL)
		return;
	box_start();
	box = box_open(document, error);
	TARGET_MUST(box != NULL);
	for (unsigned i = 0; i < N_SAS; i++) {
		struct ref_transform *t = &sas[i].esp;

		sas[i] = (struct ref_sa){.tunnel = shapes[i].tunnel,
			.src = end_of(shapes[i].v6, 1),
			.dst = end_of(shapes[i].v6, 2),
			.ttl = 64,
			.dscp = REF_COPY,
			.flow_label = REF_COPY};
		t->used = true;
		t->spi = 257 + i;
		t->cipher = find(ref_cipher, shapes[i].cipher);
		if (!t->cipher->aead)
			t->integrity = find(ref_integrity, "hmac-sha1-96");
		t->icv_bytes = t->cipher->aead ? 16 : 12;
		for (unsigned k = 0; k < REF_MAX_KEY; k++)
			t->cipher_key[k] = t->integrity_key[k] = (uint8_t)k;
	}
}

// A header in front of ESP: that of the tunnel, or that of the hosts.
static uint32_t put_header(const struct ref_sa *sa, uint8_t how, uint8_t tos, uint8_t *ip)
{
	static const uint8_t inner[40] = {0x60};
	static const uint8_t options[8] = {7, 7, 8, 0, 0, 0, 0, 0}, extension[8] = {60, 0, 1, 4};
	const struct ref_choice c = {.ecn = 4};
	uint32_t n = ref_outer(sa, &c, inner, ip);

	ref_set_tos(ip, tos);
	ip[n == 20 ? 9 : 6] = 50;
	if ((how & OTHER_HEADER) == 0)
		return n;
	memcpy(ip + n, n == 20 ? options : extension, 8);
	if (n == 20) {
		ip[0] = 0x47;
	} else {
		ip[n] = 50;
		ip[6] = 60;
	}
	return n + 8;
}

// The plaintext as it will be sealed: a whole number of blocks.
static void make_text(const struct ref_sa *sa, uint8_t how, const uint8_t *data, size_t size,
	struct ref_packet *text)
{
	uint32_t align = sa->esp.cipher->align_bytes, len = (uint32_t)size / align * align;

	memset(text->bytes, 0, align);
	text->len = len == 0 ? align : len;
	memcpy(text->bytes, data, len);
	uint32_t pad = text->bytes[text->len - 2];

	if ((how & FIX_PADDING) != 0 && pad + 2 <= text->len)
		for (uint32_t i = 0; i < pad; i++)
			text->bytes[text->len - 2 - pad + i] = (uint8_t)(i + 1);
}

static void compare(const struct box_frame *f, enum ref_end end, const struct ref_packet *plain)
{
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
	static const struct ref_choice choice = {.seq = 7, .esp_iv = {1, 2, 3}, .ecn = 4};
	struct ref_choice found = {.seq = 7};

	start();
	const struct ref_sa *sa = &sas[target_take8(&data, &size) % N_SAS];
	uint8_t how = target_take8(&data, &size), tos = target_take8(&data, &size);

	if (size > 60000)
		return 0;
	make_text(sa, how, data, size, &body);
	ref_esp_seal(sa, &choice, &body);
	wire.len = put_header(sa, how, tos, wire.bytes);
	memcpy(wire.bytes + wire.len, body.bytes, body.len);
	wire.len += body.len;
	ref_ip_finish(wire.bytes, wire.len);
	enum ref_end end = ref_open(sa, &found, &wire, &plain);

	if ((how & INSIDE_TUNNEL) != 0 && ref_protect(&sas[0], &choice, &wire, &around))
		wire = around;
	f.len = wire.len;
	memcpy(f.bytes, wire.bytes, wire.len);
	struct rng r = {how};
	box_run(box, FER_IN, FER_LINK_RAW_IP, &f, 1, (how & PIECES) != 0 ? &r : NULL);
	compare(&f, end, &plain);
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

	for (unsigned sa = 0; sa < N_SAS; sa++)
		for (unsigned t = 0; t < 4; t++) {
			bytes[0] = (uint8_t)sa;
			bytes[1] = (uint8_t)(1 + (sa + t) % 8 * 2);
			bytes[2] = (uint8_t)t;
			memcpy(bytes + 3, texts[t].bytes, texts[t].len);
			snprintf(name, sizeof(name), "sa%u-text%u", sa, t);
			put(arg, name, bytes, 3 + texts[t].len);
		}
}
