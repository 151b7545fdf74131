// SPDX-License-Identifier: BSD-3-Clause
// ChaCha20-Poly1305 in ESP, RFC 7634: the nonce is salt and IV, the additional data SPI and
// sequence number.
#include "crypto/imb.h"

#include "base/secret.h"

void fer_imb_chacha_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	(void)e;
	memcpy(k->raw, key, s->key_bytes);
}

static void start(struct fer_engine *e, const struct fer_job *j)
{
	imb_block nonce = fer_imb_nonce(j->suite, fer_imb_get_counter(j), 0);
	imb_block aad = fer_imb_aad(j);

	IMB_CHACHA20_POLY1305_INIT(
		e->wide, j->key->raw, &e->chacha_ctx, &nonce, &aad, fer_imb_aad_bytes(j));
}

static void encrypt(struct fer_engine *e, const struct fer_job *j, uint8_t *tag)
{
	uint8_t *text = fer_imb_text(j);

	start(e, j);
	IMB_CHACHA20_POLY1305_ENC_UPDATE(
		e->wide, j->key->raw, &e->chacha_ctx, text, text, fer_imb_text_bytes(j));
	IMB_CHACHA20_POLY1305_ENC_FINALIZE(e->wide, &e->chacha_ctx, tag, j->suite->icv_bytes);
}

static void decrypt(struct fer_engine *e, const struct fer_job *j, uint8_t *tag)
{
	uint8_t *text = fer_imb_text(j);

	start(e, j);
	IMB_CHACHA20_POLY1305_DEC_UPDATE(
		e->wide, j->key->raw, &e->chacha_ctx, text, text, fer_imb_text_bytes(j));
	IMB_CHACHA20_POLY1305_DEC_FINALIZE(e->wide, &e->chacha_ctx, tag, j->suite->icv_bytes);
}

void fer_imb_chacha_seal(struct fer_engine *e, enum fer_method m)
{
	for (unsigned i = 0; i < e->n[m]; i++) {
		const struct fer_job *j = e->list[m][i];

		fer_imb_put_counter(j);
		encrypt(e, j, fer_imb_icv(j));
	}
	fer_secret_wipe(&e->chacha_ctx, sizeof(e->chacha_ctx));
}

void fer_imb_chacha_open(struct fer_engine *e, enum fer_method m)
{
	for (unsigned i = 0; i < e->n[m]; i++) {
		struct fer_job *j = e->list[m][i];
		uint8_t tag[16];

		decrypt(e, j, tag);
		if (fer_secret_equal_icv(tag, fer_imb_icv(j), j->suite->icv_bytes))
			continue;
		// What was taken for ciphertext comes back when its "plaintext" is encrypted.
		j->verdict = FER_BAD_ICV;
		encrypt(e, j, tag);
	}
	fer_secret_wipe(&e->chacha_ctx, sizeof(e->chacha_ctx));
}
