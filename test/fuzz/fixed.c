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

static const struct {
	bool tunnel, v6;
	unsigned cipher;
} shapes[FIXED_SAS] = {{true, false, 0}, {true, true, 0}, {true, false, 1}, {false, false, 0},
	{false, true, 1}, {false, false, 2}, {true, true, 2}};

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

static void write_document(char *text, size_t room)
{
	size_t len = (size_t)snprintf(text, room, "sas:\n");

	for (unsigned i = 0; i < FIXED_SAS && len < room; i++)
		len += (size_t)snprintf(text + len, room - len,
			"  - {name: s%u, direction: in, replay_window: 0, mode: %s, src: \"%s1\", "
			"dst: \"%s2\", esp: {spi: %u, %s}}\n",
			i, shapes[i].tunnel ? "tunnel" : "transport",
			shapes[i].v6 ? "2001:db8::" : "192.0.2.",
			shapes[i].v6 ? "2001:db8::" : "192.0.2.", 257 + i,
			ciphers[shapes[i].cipher].text);
}

struct box *fixed_open(void)
{
	char document[4096], error[BOX_ERROR_BYTES];
	struct box *b;

	box_start();
	write_document(document, sizeof(document));
	b = box_open(document, error);
	if (b == NULL) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
	for (unsigned i = 0; i < FIXED_SAS; i++) {
		struct ref_transform *t = &sas[i].esp;

		sas[i] = (struct ref_sa){.tunnel = shapes[i].tunnel,
			.src = end_of(shapes[i].v6, 1),
			.dst = end_of(shapes[i].v6, 2),
			.ttl = 64,
			.dscp = REF_COPY,
			.flow_label = REF_COPY};
		t->used = true;
		t->spi = 257 + i;
		t->cipher = find(ref_cipher, ciphers[shapes[i].cipher].name);
		if (!t->cipher->aead)
			t->integrity = find(ref_integrity, "hmac-sha1-96");
		t->icv_bytes = t->cipher->aead ? 16 : 12;
		for (unsigned k = 0; k < REF_MAX_KEY; k++)
			t->cipher_key[k] = t->integrity_key[k] = (uint8_t)k;
	}
	return b;
}

const struct ref_sa *fixed_sa(unsigned i)
{
	return &sas[i];
}

void fixed_wire(const struct ref_sa *sa, bool more, uint8_t tos, const struct ref_packet *esp,
	struct ref_packet *wire)
{
	static const uint8_t inner[40] = {0x60};
	static const uint8_t options[8] = {7, 7, 8, 0, 0, 0, 0, 0}, extension[8] = {50, 0, 1, 4};
	const struct ref_choice c = {.ecn = 4};
	uint8_t *ip = wire->bytes;
	uint32_t n = ref_outer(sa, &c, inner, ip);
	bool v4 = n == 20;

	ref_set_tos(ip, tos);
	ip[v4 ? 9 : 6] = more && !v4 ? 60 : 50;
	if (more) {
		ip[0] = v4 ? 0x47 : ip[0];
		memcpy(ip + n, v4 ? options : extension, 8);
		n += 8;
	}
	memcpy(ip + n, esp->bytes, esp->len);
	wire->len = n + esp->len;
	ref_ip_finish(ip, wire->len);
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
	c->seq = ref_get32(seq);
}
