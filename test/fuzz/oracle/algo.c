// SPDX-License-Identifier: BSD-3-Clause
#include "ref.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 16

static const struct ref_algo ciphers[] = {
	{.name = "null", .kind = REF_PLAIN, .align_bytes = 4},
#define CBC(n, bits)                                                                               \
	{                                                                                          \
		.name = n, .kind = REF_CBC, .primitive = "AES-" #bits "-CBC",                      \
		.key_bytes = (bits) / 8, .iv_bytes = 16, .align_bytes = 16                         \
	}
	CBC("aes-cbc-128", 128),
	CBC("aes-cbc-192", 192),
	CBC("aes-cbc-256", 256),
#define CTR(n, bits)                                                                               \
	{                                                                                          \
		.name = n, .kind = REF_CTR, .primitive = "AES-" #bits "-CTR",                      \
		.key_bytes = (bits) / 8, .salt_bytes = 4, .iv_bytes = 8, .align_bytes = 4          \
	}
	CTR("aes-ctr-128", 128),
	CTR("aes-ctr-192", 192),
	CTR("aes-ctr-256", 256),
#define AEAD(n, of, evp, key, salt, least)                                                         \
	{                                                                                          \
		.name = n, .kind = of, .primitive = evp, .key_bytes = key, .salt_bytes = salt,     \
		.iv_bytes = 8, .align_bytes = 4, .icv_bytes = 16, .icv_least = least, .aead = true \
	}
	AEAD("aes-gcm-128", REF_GCM, "AES-128-GCM", 16, 4, 8),
	AEAD("aes-gcm-192", REF_GCM, "AES-192-GCM", 24, 4, 8),
	AEAD("aes-gcm-256", REF_GCM, "AES-256-GCM", 32, 4, 8),
	AEAD("aes-ccm-128", REF_CCM, "AES-128-CCM", 16, 3, 8),
	AEAD("aes-ccm-192", REF_CCM, "AES-192-CCM", 24, 3, 8),
	AEAD("aes-ccm-256", REF_CCM, "AES-256-CCM", 32, 3, 8),
	AEAD("chacha20-poly1305", REF_CHACHA, "ChaCha20-Poly1305", 32, 4, 16),
	{.name = "3des-cbc",
		.kind = REF_CBC,
		.primitive = "DES-EDE3-CBC",
		.key_bytes = 24,
		.iv_bytes = 8,
		.align_bytes = 8,
		.legacy = true},
	// Single DES is triple DES with one key three times.
	{.name = "des-cbc",
		.kind = REF_CBC,
		.primitive = "DES-EDE3-CBC",
		.key_bytes = 8,
		.iv_bytes = 8,
		.align_bytes = 8,
		.legacy = true},
};

static const struct ref_algo integrities[] = {
#define HMAC(n, digest, key, icv)                                                                  \
	{                                                                                          \
		.name = n, .kind = REF_HMAC, .primitive = digest, .key_bytes = key,                \
		.icv_bytes = icv, .icv_least = icv                                                 \
	}
	HMAC("hmac-sha1-96", "SHA1", 20, 12),
	HMAC("hmac-sha2-256-128", "SHA256", 32, 16),
	HMAC("hmac-sha2-256-96", "SHA256", 32, 12),
	HMAC("hmac-sha2-384-192", "SHA384", 48, 24),
	HMAC("hmac-sha2-512-256", "SHA512", 64, 32),
	{.name = "hmac-md5-96",
		.kind = REF_HMAC,
		.primitive = "MD5",
		.key_bytes = 16,
		.icv_bytes = 12,
		.icv_least = 12,
		.legacy = true},
#define AES_MAC(n, of, evp)                                                                        \
	{                                                                                          \
		.name = n, .kind = of, .primitive = evp, .key_bytes = 16, .icv_bytes = 12,         \
		.icv_least = 12                                                                    \
	}
	AES_MAC("aes-xcbc-96", REF_XCBC, "AES-128-ECB"),
	AES_MAC("aes-cmac-96", REF_CMAC, "AES-128-CBC"),
#define GMAC(n, bits)                                                                              \
	{                                                                                          \
		.name = n, .kind = REF_GMAC, .primitive = "AES-" #bits "-GCM",                     \
		.key_bytes = (bits) / 8, .salt_bytes = 4, .iv_bytes = 8, .icv_bytes = 16,          \
		.icv_least = 16                                                                    \
	}
	GMAC("aes-gmac-128", 128),
	GMAC("aes-gmac-192", 192),
	GMAC("aes-gmac-256", 256),
};

#define N_CIPHERS (sizeof(ciphers) / sizeof(ciphers[0]))
#define N_INTEGRITIES (sizeof(integrities) / sizeof(integrities[0]))

const struct ref_algo *ref_cipher(unsigned i)
{
	return i < N_CIPHERS ? &ciphers[i] : NULL;
}

const struct ref_algo *ref_integrity(unsigned i)
{
	return i < N_INTEGRITIES ? &integrities[i] : NULL;
}

static void must(int ok)
{
	if (ok != 1)
		abort();
}

// OpenSSL takes long to find a cipher by its name.
static const EVP_CIPHER *fetch(const char *name)
{
	static struct {
		const char *name;
		EVP_CIPHER *cipher;
	} found[N_CIPHERS + N_INTEGRITIES];
	unsigned i = 0;

	while (found[i].name != NULL && strcmp(found[i].name, name) != 0)
		i++;
	if (found[i].name == NULL) {
		found[i].name = name;
		found[i].cipher = EVP_CIPHER_fetch(NULL, name, NULL);
		must(found[i].cipher != NULL);
	}
	return found[i].cipher;
}

static EVP_CIPHER_CTX *context(void)
{
	static EVP_CIPHER_CTX *c;

	if (c == NULL)
		c = EVP_CIPHER_CTX_new();
	must(c != NULL && EVP_CIPHER_CTX_reset(c));
	return c;
}

void ref_crypt(const struct ref_algo *a, const uint8_t *key, const uint8_t *iv, uint8_t *data,
	uint32_t len, bool encrypt)
{
	uint8_t wide_key[REF_MAX_KEY], block[BLOCK];
	EVP_CIPHER_CTX *c = context();
	int n = 0;

	if (a->kind == REF_PLAIN || len == 0)
		return;
	for (unsigned i = 0; i < sizeof(wide_key); i++)
		wide_key[i] = key[i % a->key_bytes];
	memcpy(block, iv, a->iv_bytes);
	if (a->kind == REF_CTR) { // RFC 3686 section 4: nonce, IV, block counter 1
		memcpy(block, key + a->key_bytes, 4);
		memcpy(block + 4, iv, 8);
		ref_put32(block + 12, 1);
	}
	must(EVP_CipherInit_ex(c, fetch(a->primitive), NULL, wide_key, block, encrypt));
	must(EVP_CIPHER_CTX_set_padding(c, 0));
	must(EVP_CipherUpdate(c, data, &n, data, (int)len));
	must((uint32_t)n == len);
}

// GCM and ChaCha20-Poly1305: salt and IV are the nonce.  CCM wants lengths first.
static EVP_CIPHER_CTX *start_aead(const struct ref_algo *a, const uint8_t *key, const uint8_t *iv,
	unsigned tag_len, const uint8_t *tag, uint32_t len, bool seal)
{
	EVP_CIPHER_CTX *c = context();
	uint8_t nonce[BLOCK];
	int nonce_len = (int)(a->salt_bytes + 8), n;

	memcpy(nonce, key + a->key_bytes, a->salt_bytes);
	memcpy(nonce + a->salt_bytes, iv, 8);
	must(EVP_CipherInit_ex(c, fetch(a->primitive), NULL, NULL, NULL, seal));
	must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, nonce_len, NULL));
	if (a->kind == REF_CCM)
		must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, (int)tag_len,
			seal ? NULL : (void *)(uintptr_t)tag));
	must(EVP_CipherInit_ex(c, NULL, NULL, key, nonce, seal));
	if (a->kind == REF_CCM)
		must(EVP_CipherUpdate(c, NULL, &n, NULL, (int)len));
	return c;
}

bool ref_aead(const struct ref_algo *a, const uint8_t *key, const uint8_t *iv, const uint8_t *aad,
	uint32_t aad_len, uint8_t *data, uint32_t len, uint8_t *tag, unsigned tag_len, bool seal)
{
	EVP_CIPHER_CTX *c = start_aead(a, key, iv, tag_len, tag, len, seal);
	uint8_t rest[BLOCK];
	int n;

	must(EVP_CipherUpdate(c, NULL, &n, aad, (int)aad_len));
	if (!seal && a->kind == REF_CCM) // this is where CCM compares
		return EVP_CipherUpdate(c, data, &n, data, (int)len) == 1;
	must(EVP_CipherUpdate(c, data, &n, data, (int)len));
	if (!seal) {
		must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, (int)tag_len, tag));
		return EVP_CipherFinal_ex(c, rest, &n) == 1;
	}
	must(EVP_CipherFinal_ex(c, rest, &n));
	must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, (int)tag_len, tag));
	return true;
}

static void ecb(const uint8_t *key, const uint8_t in[BLOCK], uint8_t out[BLOCK])
{
	EVP_CIPHER_CTX *c = context();
	int n;

	must(EVP_EncryptInit_ex(c, fetch("AES-128-ECB"), NULL, key, NULL));
	must(EVP_CIPHER_CTX_set_padding(c, 0));
	must(EVP_EncryptUpdate(c, out, &n, in, BLOCK));
}

// RFC 3566 section 4.
static void xcbc(const uint8_t *key, const uint8_t *data, uint32_t len, uint8_t mac[BLOCK])
{
	uint8_t k[3][BLOCK], block[BLOCK], e[BLOCK] = {0};
	uint32_t last;

	for (int i = 0; i < 3; i++) {
		memset(block, i + 1, BLOCK);
		ecb(key, block, k[i]);
	}
	for (; len > BLOCK; data += BLOCK, len -= BLOCK) {
		for (int i = 0; i < BLOCK; i++)
			e[i] ^= data[i];
		memcpy(block, e, BLOCK);
		ecb(k[0], block, e);
	}
	last = len == BLOCK ? 1 : 2;
	memset(block, 0, BLOCK);
	memcpy(block, data, len);
	if (len < BLOCK)
		block[len] = 0x80;
	for (int i = 0; i < BLOCK; i++)
		block[i] ^= (uint8_t)(e[i] ^ k[last][i]);
	ecb(k[0], block, mac);
}

static void evp_mac(const char *mac, const char *parameter, const struct ref_algo *a,
	const uint8_t *key, const uint8_t *data, uint32_t len, uint8_t full[REF_MAX_ICV])
{
	static EVP_MAC_CTX *contexts[N_INTEGRITIES];
	EVP_MAC_CTX **c = &contexts[a - integrities];
	char primitive[32];
	const OSSL_PARAM params[] = {
		{parameter, OSSL_PARAM_UTF8_STRING, primitive, strlen(a->primitive), 0},
		{NULL, 0, NULL, 0, 0},
	};
	size_t n;

	strncpy(primitive, a->primitive, sizeof(primitive) - 1);
	primitive[sizeof(primitive) - 1] = '\0';
	if (*c == NULL) {
		EVP_MAC *m = EVP_MAC_fetch(NULL, mac, NULL);

		*c = EVP_MAC_CTX_new(m);
		EVP_MAC_free(m);
	}
	must(EVP_MAC_init(*c, key, a->key_bytes, params));
	must(EVP_MAC_update(*c, data, len));
	must(EVP_MAC_final(*c, full, &n, REF_MAX_ICV));
}

void ref_mac(const struct ref_algo *a, const uint8_t *key, const uint8_t *iv, const uint8_t *data,
	uint32_t len, uint8_t *icv, unsigned n)
{
	uint8_t full[REF_MAX_ICV], nothing = 0;

	switch (a->kind) {
	case REF_HMAC:
		evp_mac("HMAC", "digest", a, key, data, len, full);
		break;
	case REF_CMAC:
		evp_mac("CMAC", "cipher", a, key, data, len, full);
		break;
	case REF_XCBC:
		xcbc(key, data, len, full);
		break;
	case REF_GMAC: // GCM with nothing to encrypt
		must(ref_aead(a, key, iv, data, len, &nothing, 0, full, a->icv_bytes, true));
		break;
	default:
		abort();
	}
	memcpy(icv, full, n);
}
