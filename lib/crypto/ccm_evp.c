// SPDX-License-Identifier: BSD-3-Clause
// AES-CCM with keys of 192 bits in ESP, RFC 4309, over OpenSSL: intel-ipsec-mb has none.
//
// OpenSSL expands the key into memory of its own, where it stays until another takes its place: so
// every burst ends with one that is no secret.
#include "crypto/imb.h"

#include "base/secret.h"

#include <openssl/evp.h>

#define NONCE_BYTES 11
#define SALT_BYTES 3

bool fer_imb_ccm_evp_init(struct fer_engine *e)
{
	e->evp_cipher = EVP_CIPHER_fetch(NULL, "AES-192-CCM", NULL);
	e->evp_ctx = EVP_CIPHER_CTX_new();
	return e->evp_cipher != NULL && e->evp_ctx != NULL;
}

void fer_imb_ccm_evp_fini(struct fer_engine *e)
{
	EVP_CIPHER_CTX_free(e->evp_ctx);
	EVP_CIPHER_free(e->evp_cipher);
}

void fer_imb_ccm_evp_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	(void)e;
	memcpy(k->raw, key, s->key_bytes);
}

// Key, nonce and additional data.  tag: what to verify; NULL: encrypts.
static bool start(struct fer_engine *e, const struct imb_ccm *c, uint8_t *tag)
{
	EVP_CIPHER_CTX *x = e->evp_ctx;
	int encrypt = tag == NULL, n;

	return EVP_CipherInit_ex(x, e->evp_cipher, NULL, NULL, NULL, encrypt) == 1 &&
	       EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_IVLEN, c->nonce_bytes, NULL) == 1 &&
	       EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, c->tag_bytes, tag) == 1 &&
	       EVP_CipherInit_ex(x, NULL, NULL, c->key, c->nonce, encrypt) == 1 &&
	       EVP_CipherUpdate(x, NULL, &n, NULL, c->text_bytes) == 1 &&
	       EVP_CipherUpdate(x, NULL, &n, c->aad, c->aad_bytes) == 1;
}

bool fer_imb_ccm_evp_encrypt(struct fer_engine *e, const struct imb_ccm *c)
{
	int n;

	return start(e, c, NULL) &&
	       EVP_CipherUpdate(e->evp_ctx, c->text, &n, c->text, c->text_bytes) == 1 &&
	       EVP_CIPHER_CTX_ctrl(e->evp_ctx, EVP_CTRL_AEAD_GET_TAG, c->tag_bytes, c->tag) == 1;
}

// What fails to verify must not be written into the packet.
enum fer_verdict fer_imb_ccm_evp_decrypt(struct fer_engine *e, const struct imb_ccm *c)
{
	int n;

	if (!start(e, c, c->tag))
		return FER_CRYPTO_ERROR;
	if (EVP_CipherUpdate(e->evp_ctx, e->scratch, &n, c->text, c->text_bytes) != 1)
		return FER_BAD_ICV;
	memcpy(c->text, e->scratch, (size_t)c->text_bytes);
	fer_secret_wipe(e->scratch, (size_t)c->text_bytes);
	return FER_OK;
}

// A packet, with room for what it does not hold in the form that is wanted.
struct packet {
	struct imb_ccm ccm;
	imb_block aad;
	uint8_t nonce[NONCE_BYTES];
};

static const struct imb_ccm *describe(const struct fer_job *j, struct packet *p)
{
	const struct fer_suite *s = j->suite;

	p->aad = fer_imb_aad(j);
	memcpy(p->nonce, s->salt, SALT_BYTES);
	memcpy(p->nonce + SALT_BYTES, fer_imb_iv(j), sizeof(p->nonce) - SALT_BYTES);
	p->ccm = (struct imb_ccm){.key = j->key->raw,
		.nonce = p->nonce,
		.nonce_bytes = NONCE_BYTES,
		.aad = (const uint8_t *)&p->aad,
		.aad_bytes = (int)fer_imb_aad_bytes(j),
		.text = fer_imb_text(j),
		.text_bytes = (int)fer_imb_text_bytes(j),
		.tag = fer_imb_icv(j),
		.tag_bytes = s->icv_bytes};
	return &p->ccm;
}

// Expands a key of zeroes in the place of the last one.
static void forget(struct fer_engine *e)
{
	static const uint8_t zero[IMB_RAW_KEY_BYTES];

	EVP_CipherInit_ex(e->evp_ctx, NULL, NULL, zero, zero, 1);
}

void fer_imb_ccm_evp_seal(struct fer_engine *e, enum fer_method m)
{
	for (unsigned i = 0; i < e->n[m]; i++) {
		struct fer_job *j = e->list[m][i];
		struct packet p;

		fer_imb_put_counter(j);
		if (!fer_imb_ccm_evp_encrypt(e, describe(j, &p)))
			j->verdict = FER_CRYPTO_ERROR;
	}
	forget(e);
}

void fer_imb_ccm_evp_open(struct fer_engine *e, enum fer_method m)
{
	for (unsigned i = 0; i < e->n[m]; i++) {
		struct fer_job *j = e->list[m][i];
		struct packet p;

		j->verdict = (uint8_t)fer_imb_ccm_evp_decrypt(e, describe(j, &p));
	}
	forget(e);
}
