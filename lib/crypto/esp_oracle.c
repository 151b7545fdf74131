// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/esp_oracle.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES (65535 + 40)

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

// What OpenSSL calls the methods; %u is the length of the key in bits.  Single DES is left to a
// provider of its own, but is 3DES with one key three times.
static const struct {
	const char *cipher;
	int salt_bytes; // in front of the IV in the nonce
	const char *hash;
} names[FER_N_METHODS] = {
	[FER_METHOD_AES_GCM] = {.cipher = "AES-%u-GCM", .salt_bytes = 4},
	[FER_METHOD_AES_CCM] = {.cipher = "AES-%u-CCM", .salt_bytes = 3},
	[FER_METHOD_AES_CCM_192] = {.cipher = "AES-%u-CCM", .salt_bytes = 3},
	[FER_METHOD_CHACHA20_POLY1305] = {.cipher = "ChaCha20-Poly1305", .salt_bytes = 4},
	[FER_METHOD_AES_CBC_128] = {.cipher = "AES-128-CBC"},
	[FER_METHOD_AES_CBC_192] = {.cipher = "AES-192-CBC"},
	[FER_METHOD_AES_CBC_256] = {.cipher = "AES-256-CBC"},
	[FER_METHOD_AES_CTR_128] = {.cipher = "AES-128-CTR"},
	[FER_METHOD_AES_CTR_192] = {.cipher = "AES-192-CTR"},
	[FER_METHOD_AES_CTR_256] = {.cipher = "AES-256-CTR"},
	[FER_METHOD_3DES_CBC] = {.cipher = "DES-EDE3-CBC"},
	[FER_METHOD_DES_CBC] = {.cipher = "DES-EDE3-CBC"},
	[FER_METHOD_HMAC_SHA1] = {.hash = "SHA1"},
	[FER_METHOD_HMAC_SHA2_256] = {.hash = "SHA256"},
	[FER_METHOD_HMAC_SHA2_384] = {.hash = "SHA384"},
	[FER_METHOD_HMAC_SHA2_512] = {.hash = "SHA512"},
	[FER_METHOD_HMAC_MD5] = {.hash = "MD5"},
};

static const EVP_CIPHER *cipher_of(const struct fer_suite *s)
{
	char name[32];

	snprintf(name, sizeof(name), names[s->method].cipher, s->key_bytes * 8u);
	const EVP_CIPHER *c = EVP_get_cipherbyname(name);
	must(c != NULL);
	return c;
}

static uint8_t *text_of(const struct oracle_sa *sa, uint8_t *esp)
{
	return esp + 8 + sa->suite.iv_bytes;
}

static int text_bytes(const struct oracle_sa *sa, uint32_t len)
{
	return (int)len - 8 - sa->suite.iv_bytes - sa->suite.icv_bytes;
}

// RFC 4106 section 5, RFC 4309 section 5, RFC 7634 section 2.1: SPI and the 32- or 64-bit sequence
// number.
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

// tag: what to verify when it decrypts.
static EVP_CIPHER_CTX *start_aead(
	const struct oracle_sa *sa, const uint8_t *esp, uint32_t len, uint32_t seq_hi, uint8_t *tag)
{
	const struct fer_suite *s = &sa->suite;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int salt = names[s->method].salt_bytes, encrypt = tag == NULL, n;
	bool is_ccm = EVP_CIPHER_get_mode(cipher_of(s)) == EVP_CIPH_CCM_MODE;
	uint8_t nonce[12], aad[12];
	int aad_len = make_aad(sa, esp, seq_hi, aad);

	memcpy(nonce, s->salt, (size_t)salt);
	memcpy(nonce + salt, esp + 8, 8);
	must(EVP_CipherInit_ex(c, cipher_of(s), NULL, NULL, NULL, encrypt));
	must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, salt + 8, NULL));
	if (is_ccm || tag != NULL)
		must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, s->icv_bytes, tag));
	must(EVP_CipherInit_ex(c, NULL, NULL, sa->encryption_key, nonce, encrypt));
	if (is_ccm)
		must(EVP_CipherUpdate(c, NULL, &n, NULL, text_bytes(sa, len)));
	must(EVP_CipherUpdate(c, NULL, &n, aad, aad_len));
	return c;
}

static void seal_aead(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, uint32_t seq_hi)
{
	EVP_CIPHER_CTX *c = start_aead(sa, esp, len, seq_hi, NULL);
	uint8_t *text = text_of(sa, esp);
	int n = text_bytes(sa, len);

	must(EVP_CipherUpdate(c, text, &n, text, n));
	must(EVP_CipherFinal_ex(c, text + n, &n));
	must(EVP_CIPHER_CTX_ctrl(
		c, EVP_CTRL_AEAD_GET_TAG, sa->suite.icv_bytes, esp + len - sa->suite.icv_bytes));
	EVP_CIPHER_CTX_free(c);
}

static bool open_aead(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, uint32_t seq_hi)
{
	static uint8_t plain[MAX_BYTES];
	EVP_CIPHER_CTX *c = start_aead(sa, esp, len, seq_hi, esp + len - sa->suite.icv_bytes);
	int n = text_bytes(sa, len), rest;

	// CCM verifies at once, the others at the end.
	bool ok = EVP_CipherUpdate(c, plain, &n, text_of(sa, esp), n) == 1 &&
		  (EVP_CIPHER_CTX_get_mode(c) == EVP_CIPH_CCM_MODE ||
			  EVP_CipherFinal_ex(c, plain + n, &rest) == 1);
	EVP_CIPHER_CTX_free(c);
	if (ok)
		memcpy(text_of(sa, esp), plain, (size_t)n);
	return ok;
}

// RFC 3686 section 4.
static void make_counter_block(const struct oracle_sa *sa, const uint8_t *iv, uint8_t block[16])
{
	memcpy(block, sa->suite.salt, 4);
	memcpy(block + 4, iv, 8);
	store_be32(block + 12, 1);
}

static void run_cipher(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, int encrypt)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t iv[16], key[FER_MAX_KEY_BYTES];
	uint8_t *text = text_of(sa, esp);
	int n = text_bytes(sa, len);

	memcpy(iv, esp + 8, sa->suite.iv_bytes);
	if (sa->suite.counter)
		make_counter_block(sa, esp + 8, iv);
	memcpy(key, sa->encryption_key, sizeof(key));
	if (sa->suite.method == FER_METHOD_DES_CBC) {
		memcpy(key + 8, key, 8);
		memcpy(key + 16, key, 8);
	}
	must(EVP_CipherInit_ex(c, cipher_of(&sa->suite), NULL, key, iv, encrypt));
	must(EVP_CIPHER_CTX_set_padding(c, 0));
	must(EVP_CipherUpdate(c, text, &n, text, n));
	EVP_CIPHER_CTX_free(c);
}

static void aes128_block(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	must(EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL));
	must(EVP_CIPHER_CTX_set_padding(c, 0));
	must(EVP_EncryptUpdate(c, out, &n, in, 16));
	EVP_CIPHER_CTX_free(c);
}

// RFC 3566 section 4: CBC-MAC under one derived key, the last block mixed with another.
static void make_xcbc(const uint8_t *key, const uint8_t *text, uint32_t len, uint8_t digest[16])
{
	uint8_t derived[3][16], last[16] = {0}, block[16];
	uint32_t whole = len == 0 ? 0 : (len - 1) / 16, rest = len - whole * 16;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	for (int i = 0; i < 3; i++) {
		memset(block, i + 1, sizeof(block));
		aes128_block(key, block, derived[i]);
	}
	memcpy(last, text + whole * 16, rest);
	if (rest < 16)
		last[rest] = 0x80;
	for (int i = 0; i < 16; i++)
		last[i] ^= derived[rest == 16 ? 1 : 2][i];
	memset(block, 0, sizeof(block));
	must(EVP_EncryptInit_ex(c, EVP_aes_128_cbc(), NULL, derived[0], block));
	must(EVP_CIPHER_CTX_set_padding(c, 0));
	for (uint32_t i = 0; i < whole; i++)
		must(EVP_EncryptUpdate(c, block, &n, text + i * 16, 16));
	must(EVP_EncryptUpdate(c, digest, &n, last, 16));
	EVP_CIPHER_CTX_free(c);
}

static void make_cmac(const uint8_t *key, const uint8_t *text, uint32_t len, uint8_t *digest)
{
	size_t n;

	must(EVP_Q_mac(NULL, "CMAC", NULL, "AES-128-CBC", NULL, key, 16, text, len, digest,
		     EVP_MAX_MD_SIZE, &n) != NULL);
}

// RFC 4543 section 3.3: all of it is additional data.
static void make_gmac(const struct oracle_sa *sa, const uint8_t *iv, const uint8_t *text,
	uint32_t len, uint8_t *tag)
{
	static const char *const ciphers[] = {"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"};
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t nonce[12];
	int n;

	memcpy(nonce, sa->suite.salt, 4);
	memcpy(nonce + 4, iv, 8);
	must(EVP_EncryptInit_ex(c,
		EVP_get_cipherbyname(ciphers[sa->suite.auth_method - FER_METHOD_AES_GMAC_128]),
		NULL, sa->integrity_key, nonce));
	must(EVP_EncryptUpdate(c, NULL, &n, text, (int)len));
	must(EVP_EncryptFinal_ex(c, tag, &n));
	must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, tag));
	EVP_CIPHER_CTX_free(c);
}

// Everything that is authenticated: the n bytes and, with ESN, the high half of the number.  RFC
// 4303 section 2.2.1 and RFC 4302 section 2.5.1 put it last, RFC 4543 section 3.3 puts it in front
// of the low half in ESP.
static uint32_t make_text(const struct oracle_sa *sa, const uint8_t *start, uint32_t n,
	uint32_t seq_hi, uint8_t *text)
{
	bool in_front = sa->suite.counter && sa->suite.method == FER_METHOD_NULL && !sa->suite.ah;
	uint32_t hi_at = in_front ? 4 : n;

	memcpy(text, start, n);
	if (!sa->suite.esn)
		return n;
	memmove(text + hi_at + 4, text + hi_at, n - hi_at);
	store_be32(text + hi_at, seq_hi);
	return n + 4;
}

static void make_icv(const struct oracle_sa *sa, const uint8_t *start, uint32_t n, uint32_t seq_hi,
	const uint8_t *iv, uint8_t digest[EVP_MAX_MD_SIZE])
{
	static uint8_t text[MAX_BYTES + 4];
	uint32_t len = make_text(sa, start, n, seq_hi, text);
	const char *hash = names[sa->suite.auth_method].hash;

	if (sa->suite.auth_method == FER_METHOD_AES_XCBC) {
		make_xcbc(sa->integrity_key, text, len, digest);
	} else if (sa->suite.auth_method == FER_METHOD_AES_CMAC) {
		make_cmac(sa->integrity_key, text, len, digest);
	} else if (hash == NULL) {
		make_gmac(sa, iv, text, len, digest);
	} else {
		const EVP_MD *md = EVP_get_digestbyname(hash);

		must(HMAC(md, sa->integrity_key, EVP_MD_size(md), text, len, digest, NULL) != NULL);
	}
}

void oracle_seal(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, uint32_t seq_hi)
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (sa->suite.aead) {
		seal_aead(sa, esp, len, seq_hi);
		return;
	}
	if (sa->suite.method != FER_METHOD_NULL)
		run_cipher(sa, esp, len, 1);
	make_icv(sa, esp, len - sa->suite.icv_bytes, seq_hi, esp + 8, digest);
	memcpy(esp + len - sa->suite.icv_bytes, digest, sa->suite.icv_bytes);
}

bool oracle_open(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, uint32_t seq_hi)
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (sa->suite.aead)
		return open_aead(sa, esp, len, seq_hi);
	make_icv(sa, esp, len - sa->suite.icv_bytes, seq_hi, esp + 8, digest);
	if (memcmp(esp + len - sa->suite.icv_bytes, digest, sa->suite.icv_bytes) != 0)
		return false;
	if (sa->suite.method != FER_METHOD_NULL)
		run_cipher(sa, esp, len, 0);
	return true;
}

void oracle_ah_icv(const struct oracle_sa *sa, const uint8_t *start, uint32_t len, uint32_t seq_hi,
	const uint8_t *iv, uint8_t *icv)
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	make_icv(sa, start, len, seq_hi, iv, digest);
	memcpy(icv, digest, sa->suite.icv_bytes);
}
