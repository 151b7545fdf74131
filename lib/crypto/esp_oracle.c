// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/esp_oracle.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES (65535 + 40)

static const EVP_CIPHER *gcm_of(unsigned key_bytes)
{
	return key_bytes == 16   ? EVP_aes_128_gcm()
	       : key_bytes == 24 ? EVP_aes_192_gcm()
				 : EVP_aes_256_gcm();
}

static const EVP_CIPHER *cbc_of(unsigned key_bytes)
{
	return key_bytes == 16   ? EVP_aes_128_cbc()
	       : key_bytes == 24 ? EVP_aes_192_cbc()
				 : EVP_aes_256_cbc();
}

static const EVP_MD *hash_of(unsigned method)
{
	return method == FER_METHOD_HMAC_SHA1       ? EVP_sha1()
	       : method == FER_METHOD_HMAC_SHA2_256 ? EVP_sha256()
						    : EVP_sha512();
}

static void must(int ok)
{
	if (ok != 1)
		abort();
}

static void store_be32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

// RFC 4106 section 5: SPI and the 32- or 64-bit sequence number.
static int make_aad(
	const struct oracle_sa *sa, const uint8_t *esp, uint32_t seq_hi, uint8_t aad[12])
{
	memcpy(aad, esp, 8);
	if (!sa->suite.esn)
		return 8;
	store_be32(aad + 4, seq_hi);
	memcpy(aad + 8, esp + 4, 4);
	return 12;
}

static EVP_CIPHER_CTX *start_gcm(
	const struct oracle_sa *sa, const uint8_t *esp, uint32_t seq_hi, int encrypt)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t nonce[12], aad[12];
	int aad_len = make_aad(sa, esp, seq_hi, aad), n;

	memcpy(nonce, sa->suite.salt, 4);
	memcpy(nonce + 4, esp + 8, 8);
	must(EVP_CipherInit_ex(
		c, gcm_of(sa->suite.key_bytes), NULL, sa->encryption_key, nonce, encrypt));
	must(EVP_CipherUpdate(c, NULL, &n, aad, aad_len));
	return c;
}

static void seal_gcm(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, uint32_t seq_hi)
{
	EVP_CIPHER_CTX *c = start_gcm(sa, esp, seq_hi, 1);
	int n = (int)len - 16 - sa->suite.icv_bytes;

	must(EVP_CipherUpdate(c, esp + 16, &n, esp + 16, n));
	must(EVP_CipherFinal_ex(c, esp + 16 + n, &n));
	must(EVP_CIPHER_CTX_ctrl(
		c, EVP_CTRL_AEAD_GET_TAG, sa->suite.icv_bytes, esp + len - sa->suite.icv_bytes));
	EVP_CIPHER_CTX_free(c);
}

static bool open_gcm(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, uint32_t seq_hi)
{
	static uint8_t plain[MAX_BYTES];
	EVP_CIPHER_CTX *c = start_gcm(sa, esp, seq_hi, 0);
	int n = (int)len - 16 - sa->suite.icv_bytes, rest;

	must(EVP_CipherUpdate(c, plain, &n, esp + 16, n));
	must(EVP_CIPHER_CTX_ctrl(
		c, EVP_CTRL_AEAD_SET_TAG, sa->suite.icv_bytes, esp + len - sa->suite.icv_bytes));
	bool ok = EVP_CipherFinal_ex(c, plain + n, &rest) == 1;
	EVP_CIPHER_CTX_free(c);
	if (ok)
		memcpy(esp + 16, plain, (size_t)n);
	return ok;
}

static void run_cbc(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, int encrypt)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = (int)len - 24 - sa->suite.icv_bytes;

	must(EVP_CipherInit_ex(
		c, cbc_of(sa->suite.key_bytes), NULL, sa->encryption_key, esp + 8, encrypt));
	must(EVP_CIPHER_CTX_set_padding(c, 0));
	must(EVP_CipherUpdate(c, esp + 24, &n, esp + 24, n));
	EVP_CIPHER_CTX_free(c);
}

// RFC 4303 section 2.2.1, RFC 4302 section 2.5.1: the high half of an extended number is hashed
// last.
static void make_hmac(const struct oracle_sa *sa, const uint8_t *start, uint32_t n, uint32_t seq_hi,
	uint8_t digest[EVP_MAX_MD_SIZE])
{
	static uint8_t text[MAX_BYTES + 4];
	const EVP_MD *md = hash_of(sa->suite.auth_method);

	memcpy(text, start, n);
	if (sa->suite.esn) {
		store_be32(text + n, seq_hi);
		n += 4;
	}
	must(HMAC(md, sa->integrity_key, EVP_MD_size(md), text, n, digest, NULL) != NULL);
}

void oracle_seal(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, uint32_t seq_hi)
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (sa->suite.aead) {
		seal_gcm(sa, esp, len, seq_hi);
		return;
	}
	if (sa->suite.method != FER_METHOD_NULL)
		run_cbc(sa, esp, len, 1);
	make_hmac(sa, esp, len - sa->suite.icv_bytes, seq_hi, digest);
	memcpy(esp + len - sa->suite.icv_bytes, digest, sa->suite.icv_bytes);
}

bool oracle_open(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, uint32_t seq_hi)
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (sa->suite.aead)
		return open_gcm(sa, esp, len, seq_hi);
	make_hmac(sa, esp, len - sa->suite.icv_bytes, seq_hi, digest);
	if (memcmp(esp + len - sa->suite.icv_bytes, digest, sa->suite.icv_bytes) != 0)
		return false;
	if (sa->suite.method != FER_METHOD_NULL)
		run_cbc(sa, esp, len, 0);
	return true;
}

void oracle_ah_icv(const struct oracle_sa *sa, const uint8_t *start, uint32_t len, uint32_t seq_hi,
	uint8_t *icv)
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	make_hmac(sa, start, len, seq_hi, digest);
	memcpy(icv, digest, sa->suite.icv_bytes);
}
