// SPDX-License-Identifier: BSD-3-Clause
// RFC 4303.
#include "ref.h"

#include <string.h>

#define HEADER 8
#define TRAILER 2

// What identifies the packet, as AEAD takes it: SPI, and all of the number that there is.
static uint32_t make_aad(const struct ref_sa *sa, uint64_t seq, uint8_t aad[12])
{
	ref_put32(aad, sa->esp.spi);
	if (!sa->esn) {
		ref_put32(aad + 4, (uint32_t)seq);
		return 8;
	}
	ref_put32(aad + 4, (uint32_t)(seq >> 32));
	ref_put32(aad + 8, (uint32_t)seq);
	return 12;
}

// Integrity of an ESP packet of len bytes without its ICV.  GMAC has the high half in its place in
// the middle (RFC 4543 section 3.3), the others behind all (RFC 4303 section 2.2.1).
static void make_icv(
	const struct ref_sa *sa, uint64_t seq, const uint8_t *esp, uint32_t len, uint8_t *icv)
{
	static uint8_t text[REF_MAX_BYTES + 4];
	const struct ref_transform *t = &sa->esp;
	uint32_t n;

	if (t->integrity->kind == REF_GMAC) {
		n = make_aad(sa, seq, text);
		memcpy(text + n, esp + HEADER, len - HEADER);
		n += len - HEADER;
	} else {
		memcpy(text, esp, len);
		n = len;
		if (sa->esn) {
			ref_put32(text + n, (uint32_t)(seq >> 32));
			n += 4;
		}
	}
	ref_mac(t->integrity, t->integrity_key, esp + HEADER, text, n, icv, t->icv_bytes);
}

static uint32_t iv_bytes(const struct ref_transform *t)
{
	return t->cipher->iv_bytes + (t->integrity == NULL ? 0 : t->integrity->iv_bytes);
}

// Pad length: to the alignment, and more by choice.
static uint32_t pad_bytes(const struct ref_transform *t, uint32_t payload, uint32_t more)
{
	uint32_t align = t->cipher->align_bytes, pad = 0;

	while ((payload + pad + TRAILER) % align != 0)
		pad++;
	while (more >= align && pad + align <= 255) {
		pad += align;
		more -= align;
	}
	return pad;
}

void ref_esp_seal(const struct ref_sa *sa, const struct ref_choice *c, struct ref_packet *body)
{
	const struct ref_transform *t = &sa->esp;
	uint32_t iv = iv_bytes(t), text = body->len;
	uint8_t *esp = body->bytes, *at = esp + HEADER + iv, aad[12];

	memmove(at, body->bytes, text);
	ref_put32(esp, t->spi);
	ref_put32(esp + 4, (uint32_t)c->seq);
	memcpy(esp + HEADER, c->esp_iv, iv);
	if (t->cipher->aead) {
		ref_aead(t->cipher, t->cipher_key, c->esp_iv, aad, make_aad(sa, c->seq, aad), at,
			text, at + text, t->icv_bytes, true);
	} else {
		ref_crypt(t->cipher, t->cipher_key, c->esp_iv, at, text, true);
		make_icv(sa, c->seq, esp, HEADER + iv + text, at + text);
	}
	body->len = HEADER + iv + text + t->icv_bytes;
}

void ref_esp_wrap(
	const struct ref_sa *sa, const struct ref_choice *c, uint8_t next, struct ref_packet *body)
{
	uint32_t pad = pad_bytes(&sa->esp, body->len, c->more_pad);

	for (uint32_t i = 0; i < pad; i++)
		body->bytes[body->len++] = (uint8_t)(i + 1);
	body->bytes[body->len++] = (uint8_t)pad;
	body->bytes[body->len++] = next;
	ref_esp_seal(sa, c, body);
}

static bool decrypt(const struct ref_sa *sa, const struct ref_choice *c, uint8_t *esp, uint32_t len)
{
	const struct ref_transform *t = &sa->esp;
	uint32_t iv = iv_bytes(t), text = len - HEADER - iv - t->icv_bytes;
	uint8_t *at = esp + HEADER + iv, icv[REF_MAX_ICV], aad[12];

	if (t->cipher->aead)
		return ref_aead(t->cipher, t->cipher_key, esp + HEADER, aad,
			make_aad(sa, c->seq, aad), at, text, at + text, t->icv_bytes, false);
	make_icv(sa, c->seq, esp, len - t->icv_bytes, icv);
	if (memcmp(icv, at + text, t->icv_bytes) != 0)
		return false;
	ref_crypt(t->cipher, t->cipher_key, esp + HEADER, at, text, false);
	return true;
}

enum ref_end ref_esp_unwrap(
	const struct ref_sa *sa, struct ref_choice *c, struct ref_packet *body, uint8_t *next)
{
	const struct ref_transform *t = &sa->esp;
	uint32_t iv = iv_bytes(t), around = HEADER + iv + t->icv_bytes;
	uint8_t *esp = body->bytes, *at = esp + HEADER + iv;

	if (body->len < around + TRAILER || (body->len - around) % t->cipher->align_bytes != 0 ||
		ref_get32(esp) != t->spi || ref_get32(esp + 4) != (uint32_t)c->seq)
		return REF_OTHER;
	memcpy(c->esp_iv, esp + HEADER, iv);
	if (!decrypt(sa, c, esp, body->len))
		return REF_BAD_ICV;

	uint32_t text = body->len - around, pad = at[text - 2];

	*next = at[text - 1];
	if (pad + TRAILER > text)
		return REF_BAD_PAD;
	for (uint32_t i = 0; i < pad; i++)
		if (at[text - TRAILER - pad + i] != i + 1)
			return REF_BAD_PAD;
	c->more_pad = (uint8_t)(pad - pad % t->cipher->align_bytes);
	body->len = text - TRAILER - pad;
	memmove(body->bytes, at, body->len);
	return REF_OK;
}
