// SPDX-License-Identifier: BSD-3-Clause
#include "fixed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "000102030405060708090a0b0c0d0e0f"
#define KEY_20 "\"" KEY "10111213\""

static const struct {
	const char *name, *text;
} ciphers[] = {
	{"aes-gcm-128", "encryption: aes-gcm-128, encryption_key: " KEY_20},
	{"aes-cbc-128", "encryption: aes-cbc-128, encryption_key: \"" KEY "\", "
			"integrity: hmac-sha1-96, integrity_key: " KEY_20},
	{"null", "encryption: null, integrity: hmac-sha1-96, integrity_key: " KEY_20},
};

#define PLAIN_ESP 0
#define IN_UDP 1
#define IN_AH 2
#define WITH_ESN 4

static const struct {
	bool tunnel, v6;
	unsigned cipher, how;
} shapes[FIXED_SAS] = {{true, false, 0, PLAIN_ESP}, {true, true, 0, PLAIN_ESP},
	{true, false, 1, PLAIN_ESP}, {false, false, 0, PLAIN_ESP}, {false, true, 1, PLAIN_ESP},
	{false, false, 2, PLAIN_ESP}, {true, true, 2, PLAIN_ESP}, {true, false, 0, WITH_ESN},
	{true, false, 0, IN_UDP}, {false, true, 1, IN_UDP}, {false, false, 0, IN_AH},
	{true, true, 1, IN_AH}};

// The number before the first of those with ESN: the high half changes soon.
#define ESN_START UINT64_C(0x1fffffe00)

static bool is_there[FIXED_SAS];
static uint64_t last_number = ESN_START;

static struct ref_sa sas[FIXED_SAS];

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

static size_t write_sa(char *text, size_t room, unsigned i)
{
	static const char *const udp = ", udp: {sport: 4500, dport: 4500}";
	unsigned how = shapes[i].how;
	char ah[160] = "", esn[80] = ", replay_window: 0";

	if (how == IN_AH)
		snprintf(ah, sizeof(ah),
			", ah: {spi: %u, integrity: hmac-sha1-96, integrity_key: " KEY_20 "}",
			512 + i);
	if (how == WITH_ESN)
		snprintf(esn, sizeof(esn), ", esn: true, replay_window: 64, sequence: %llu",
			(unsigned long long)ESN_START);
	return (size_t)snprintf(text, room,
		"  - {name: s%u, direction: in, mode: %s, src: \"%s1\", dst: \"%s2\", "
		"esp: {spi: %u, %s}%s%s%s}\n",
		i, shapes[i].tunnel ? "tunnel" : "transport",
		shapes[i].v6 ? "2001:db8::" : "192.0.2.", shapes[i].v6 ? "2001:db8::" : "192.0.2.",
		257 + i, ciphers[shapes[i].cipher].text, ah, esn, how == IN_UDP ? udp : "");
}

// The document with those that there are; NULL where one of them is not supported.
static struct box *try_open(void)
{
	char document[6144] = "sas:\n", error[BOX_ERROR_BYTES];
	size_t len = strlen(document);
	struct box *b;

	for (unsigned i = 0; i < FIXED_SAS; i++)
		if (is_there[i])
			len += write_sa(document + len, sizeof(document) - len, i);
	b = box_open(document, error);
	if (b == NULL && strstr(error, "not supported by this version") == NULL) {
		fprintf(stderr, "%s%s\n", document, error);
		abort();
	}
	return b;
}

static void make_sa(unsigned i)
{
	struct ref_transform *t = &sas[i].esp;

	sas[i] = (struct ref_sa){.tunnel = shapes[i].tunnel,
		.src = end_of(shapes[i].v6, 1),
		.dst = end_of(shapes[i].v6, 2),
		.esn = shapes[i].how == WITH_ESN,
		.udp = shapes[i].how == IN_UDP,
		.sport = 4500,
		.dport = 4500,
		.ttl = 64,
		.dscp = REF_COPY,
		.flow_label = REF_COPY};
	t->used = true;
	t->spi = 257 + i;
	t->cipher = find(ref_cipher, ciphers[shapes[i].cipher].name);
	t->integrity = find(ref_integrity, "hmac-sha1-96");
	for (unsigned k = 0; k < REF_MAX_KEY; k++)
		t->cipher_key[k] = t->integrity_key[k] = (uint8_t)k;
	sas[i].ah = *t;
	sas[i].ah.used = shapes[i].how == IN_AH;
	sas[i].ah.spi = 512 + i;
	sas[i].ah.icv_bytes = t->icv_bytes = 12;
	if (t->cipher->aead) {
		t->integrity = NULL;
		t->icv_bytes = 16;
	}
}

struct box *fixed_open(void)
{
	struct box *b;

	box_start();
	for (unsigned i = 0; i < FIXED_SAS; i++) {
		make_sa(i);
		is_there[i] = true;
		b = try_open();
		is_there[i] = b != NULL;
		box_close(b);
	}
	return try_open();
}

bool fixed_has(unsigned i)
{
	return is_there[i];
}

struct ref_choice fixed_choice(const struct ref_sa *sa)
{
	struct ref_choice c = {.seq = sa->esn ? ++last_number : 7, .esp_iv = {1, 2, 3}, .ecn = 4};

	return c;
}

const struct ref_sa *fixed_sa(unsigned i)
{
	return &sas[i];
}

// Header and what stays in front; returns its length.
static uint32_t put_header(
	const struct ref_sa *sa, bool more, uint8_t tos, uint8_t protocol, uint8_t *ip)
{
	static const uint8_t inner[40] = {0x60};
	static const uint8_t options[8] = {7, 7, 8, 0, 0, 0, 0, 0}, extension[8] = {0, 0, 1, 4};
	const struct ref_choice c = {.ecn = 4};
	uint32_t n = ref_outer(sa, &c, inner, ip);
	bool v4 = n == 20;

	ref_set_tos(ip, tos);
	ip[v4 ? 9 : 6] = more && !v4 ? 60 : protocol;
	if (!more)
		return n;
	memcpy(ip + n, v4 ? options : extension, 8);
	if (v4)
		ip[0] = 0x47;
	else
		ip[n] = protocol;
	return n + 8;
}

void fixed_wire(const struct ref_sa *sa, const struct ref_choice *c, bool more, uint8_t tos,
	const struct ref_packet *esp, struct ref_packet *wire)
{
	uint8_t *ip = wire->bytes;
	uint32_t n = put_header(sa, more, tos, sa->ah.used ? 51 : sa->udp ? 17 : 50, ip);
	uint32_t ah = sa->ah.used ? ref_ah_bytes(sa, c, ip[0] >> 4) : 0, udp = sa->udp ? 8 : 0;

	memcpy(ip + n + ah + udp, esp->bytes, esp->len);
	wire->len = n + ah + udp + esp->len;
	ref_ip_finish(ip, wire->len);
	if (udp != 0) {
		ref_put16(ip + n, sa->sport);
		ref_put16(ip + n + 2, sa->dport);
		ref_put16(ip + n + 4, udp + esp->len);
		ref_put16(ip + n + 6, c->udp_sum ? ref_checksum(ip, 17, n, udp + esp->len, 6) : 0);
	}
	if (ah != 0)
		ref_ah_seal(sa, c, wire, n, 50);
}

void fixed_padding(const struct ref_sa *sa, struct ref_packet *text, struct ref_choice *c)
{
	int pad = text->bytes[text->len - 2], at = (int)text->len - 2 - pad;
	int iv = (int)sa->esp.cipher->iv_bytes;
	uint8_t seq[4];

	ref_put32(seq, (uint32_t)c->seq);
	for (int i = 0; i < pad; i++, at++) {
		uint8_t value = (uint8_t)(i + 1);

		if (at >= 0)
			text->bytes[at] = value;
		else if (at >= -iv)
			c->esp_iv[iv + at] = value;
		else if (at >= -iv - 4)
			seq[iv + 4 + at] = value;
	}
	if (!sa->esn)
		c->seq = ref_get32(seq);
}
