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
static bool start(struct fer_engine *e, const struct fer_job *j, uint8_t *tag)
{
	const struct fer_suite *s = j->suite;
	EVP_CIPHER_CTX *x = e->evp_ctx;
	imb_block aad = fer_imb_aad(j);
	uint8_t nonce[NONCE_BYTES];
	int encrypt = tag == NULL, n;

	memcpy(nonce, s->salt, SALT_BYTES);
	memcpy(nonce + SALT_BYTES, fer_imb_iv(j), sizeof(nonce) - SALT_BYTES);
	return EVP_CipherInit_ex(x, e->evp_cipher, NULL, NULL, NULL, encrypt) == 1 &&
	       EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_IVLEN, NONCE_BYTES, NULL) == 1 &&
	       EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, s->icv_bytes, tag) == 1 &&
	       EVP_CipherInit_ex(x, NULL, NULL, j->key->raw, nonce, encrypt) == 1 &&
	       EVP_CipherUpdate(x, NULL, &n, NULL, (int)fer_imb_text_bytes(j)) == 1 &&
	       EVP_CipherUpdate(x, NULL, &n, (const uint8_t *)&aad, (int)fer_imb_aad_bytes(j)) == 1;
}

static bool seal_one(struct fer_engine *e, const struct fer_job *j)
{
	uint8_t *text = fer_imb_text(j);
	int n;

	return start(e, j, NULL) &&
	       EVP_CipherUpdate(e->evp_ctx, text, &n, text, (int)fer_imb_text_bytes(j)) == 1 &&
	       EVP_CIPHER_CTX_ctrl(
		       e->evp_ctx, EVP_CTRL_AEAD_GET_TAG, j->suite->icv_bytes, fer_imb_icv(j)) == 1;
}

// What fails to verify must not be written into the packet.
static enum fer_verdict open_one(struct fer_engine *e, const struct fer_job *j)
{
	uint8_t *text = fer_imb_text(j);
	uint32_t len = fer_imb_text_bytes(j);
	int n;

	if (!start(e, j, fer_imb_icv(j)))
		return FER_CRYPTO_ERROR;
	if (EVP_CipherUpdate(e->evp_ctx, e->scratch, &n, text, (int)len) != 1)
		return FER_BAD_ICV;
	memcpy(text, e->scratch, len);
	fer_secret_wipe(e->scratch, len);
	return FER_OK;
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

		fer_imb_put_counter(j);
		if (!seal_one(e, j))
			j->verdict = FER_CRYPTO_ERROR;
	}
	forget(e);
}

void fer_imb_ccm_evp_open(struct fer_engine *e, enum fer_method m)
{
	for (unsigned i = 0; i < e->n[m]; i++)
		e->list[m][i]->verdict = (uint8_t)open_one(e, e->list[m][i]);
	forget(e);
}
