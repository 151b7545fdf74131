// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/algo.h"

#include "base/secret.h"
#include "proto/ipsec.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define ICV(n) (UINT64_C(1) << (n))
#define DES_KEY_BYTES 8

static const struct fer_algo rows[] = {
	{.name = "null",
		.role = FER_ENCRYPTION,
		.method = FER_METHOD_NULL,
		.align_bytes = 4,
		.ndis = 0x1},
#define CBC(bits, ndis_bit)                                                                        \
	{                                                                                          \
		.name = "aes-cbc-" #bits, .role = FER_ENCRYPTION,                                  \
		.method = FER_METHOD_AES_CBC_##bits, .key_bytes = (bits) / 8, .iv_bytes = 16,      \
		.align_bytes = 16, .ndis = (ndis_bit)                                              \
	}
	CBC(128, 0x40),
	CBC(192, 0x80),
	CBC(256, 0x100),
#define GCM(bits, ndis_bit)                                                                        \
	{                                                                                          \
		.name = "aes-gcm-" #bits, .role = FER_ENCRYPTION, .method = FER_METHOD_AES_GCM,    \
		.key_bytes = (bits) / 8, .salt_bytes = 4, .iv_bytes = 8, .align_bytes = 4,         \
		.icv_bytes = 16, .icv_choices = ICV(8) | ICV(12) | ICV(16), .aead = true,          \
		.counter = true, .ndis = (ndis_bit)                                                \
	}
	GCM(128, 0x8),
	GCM(192, 0x10),
	GCM(256, 0x20),
#define CCM(bits, alg_method)                                                                      \
	{                                                                                          \
		.name = "aes-ccm-" #bits, .role = FER_ENCRYPTION, .method = (alg_method),          \
		.key_bytes = (bits) / 8, .salt_bytes = 3, .iv_bytes = 8, .align_bytes = 4,         \
		.icv_bytes = 16, .icv_choices = ICV(8) | ICV(12) | ICV(16), .aead = true,          \
		.counter = true                                                                    \
	}
	CCM(128, FER_METHOD_AES_CCM),
	CCM(192, FER_METHOD_AES_CCM_192),
	CCM(256, FER_METHOD_AES_CCM),
	{.name = "chacha20-poly1305",
		.role = FER_ENCRYPTION,
		.method = FER_METHOD_CHACHA20_POLY1305,
		.key_bytes = 32,
		.salt_bytes = 4,
		.iv_bytes = 8,
		.align_bytes = 4,
		.icv_bytes = 16,
		.icv_choices = ICV(16),
		.aead = true,
		.counter = true},
#define CTR(bits)                                                                                  \
	{                                                                                          \
		.name = "aes-ctr-" #bits, .role = FER_ENCRYPTION,                                  \
		.method = FER_METHOD_AES_CTR_##bits, .key_bytes = (bits) / 8, .salt_bytes = 4,     \
		.iv_bytes = 8, .align_bytes = 4, .counter = true                                   \
	}
	CTR(128),
	CTR(192),
	CTR(256),
#define DES(alg_name, alg_method, key, ndis_bit)                                                   \
	{                                                                                          \
		.name = (alg_name), .role = FER_ENCRYPTION, .method = (alg_method),                \
		.key_bytes = (key), .iv_bytes = 8, .align_bytes = 8, .legacy = true,               \
		.n_des = (key) / DES_KEY_BYTES, .ndis = (ndis_bit)                                 \
	}
	DES("3des-cbc", FER_METHOD_3DES_CBC, 24, 0x4),
	DES("des-cbc", FER_METHOD_DES_CBC, 8, 0x2),
#define MAC(alg_name, alg_method, key, icv, ndis_bit)                                              \
	{                                                                                          \
		.name = (alg_name), .role = FER_INTEGRITY, .method = (alg_method),                 \
		.key_bytes = (key), .icv_bytes = (icv), .icv_choices = ICV(icv),                   \
		.ndis = (ndis_bit)                                                                 \
	}
	MAC("hmac-sha1-96", FER_METHOD_HMAC_SHA1, 20, 12, 0x2),
	MAC("hmac-sha2-256-128", FER_METHOD_HMAC_SHA2_256, 32, 16, 0x4),
	MAC("hmac-sha2-256-96", FER_METHOD_HMAC_SHA2_256, 32, 12, 0),
	MAC("hmac-sha2-384-192", FER_METHOD_HMAC_SHA2_384, 48, 24, 0),
	MAC("hmac-sha2-512-256", FER_METHOD_HMAC_SHA2_512, 64, 32, 0),
	MAC("aes-xcbc-96", FER_METHOD_AES_XCBC, 16, 12, 0),
	MAC("aes-cmac-96", FER_METHOD_AES_CMAC, 16, 12, 0),
	{.name = "hmac-md5-96",
		.role = FER_INTEGRITY,
		.method = FER_METHOD_HMAC_MD5,
		.key_bytes = 16,
		.icv_bytes = 12,
		.icv_choices = ICV(12),
		.legacy = true,
		.ndis = 0x1},
#define GMAC(bits, ndis_bit)                                                                       \
	{                                                                                          \
		.name = "aes-gmac-" #bits, .role = FER_INTEGRITY,                                  \
		.method = FER_METHOD_AES_GMAC_##bits, .key_bytes = (bits) / 8, .salt_bytes = 4,    \
		.iv_bytes = 8, .icv_bytes = 16, .icv_choices = ICV(16), .counter = true,           \
		.ndis = (ndis_bit)                                                                 \
	}
	GMAC(128, 0x8),
	GMAC(192, 0x10),
	GMAC(256, 0x20),
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))
static_assert(N_ROWS <= 64, "sets of rows are 64 bits");

const struct fer_algo *fer_algo_find(enum fer_algo_role role, const char *name)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].role == role && strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

const struct fer_algo *fer_algo_row(unsigned i)
{
	return i < N_ROWS ? &rows[i] : NULL;
}

unsigned fer_algo_index(const struct fer_algo *row)
{
	return (unsigned)(row - rows);
}

bool fer_algo_is_in(uint64_t set, const struct fer_algo *row)
{
	return row != NULL && (set >> fer_algo_index(row) & 1) != 0;
}

const struct fer_algo *fer_algo_counter(
	const struct fer_algo *encryption, const struct fer_algo *integrity)
{
	if (encryption != NULL && encryption->counter)
		return encryption;
	return integrity != NULL && integrity->counter ? integrity : NULL;
}

// Weak and semi-weak keys are those whose two registers have a period of one or two: of each, bytes
// 0 and 2 are alike, and bytes 1 and 3.  Other bits of the keys than these four patterns are
// parity.
static bool is_weak_des(const uint8_t key[DES_KEY_BYTES])
{
	static const uint8_t left[] = {0x00, 0x1e, 0xe0, 0xfe}, right[] = {0x00, 0x0e, 0xf0, 0xfe};
	uint8_t weak[DES_KEY_BYTES], bare[DES_KEY_BYTES];
	bool found = false;

	for (unsigned i = 0; i < DES_KEY_BYTES; i++)
		bare[i] = key[i] & 0xfe;
	for (unsigned n = 0; n < 16; n++) {
		for (unsigned i = 0; i < DES_KEY_BYTES; i++) {
			unsigned pattern = i % 2 == 0 ? n / 4 : n % 4;

			weak[i] = i < 4 ? left[pattern] : right[pattern];
		}
		found |= fer_secret_equal(weak, bare, sizeof(weak));
	}
	fer_secret_wipe(bare, sizeof(bare));
	return found;
}

static bool is_same_des(const uint8_t a[DES_KEY_BYTES], const uint8_t b[DES_KEY_BYTES])
{
	uint8_t differs = 0;

	for (unsigned i = 0; i < DES_KEY_BYTES; i++)
		differs |= (a[i] ^ b[i]) & 0xfe;
	return differs == 0;
}

const char *fer_algo_check_key(const struct fer_algo *a, const uint8_t *key)
{
	for (unsigned i = 0; i < a->n_des; i++)
		if (is_weak_des(key + (size_t)i * DES_KEY_BYTES))
			return a->n_des == 1 ? "is a weak key of DES" : "holds a weak key of DES";
	for (unsigned i = 1; i < a->n_des; i++)
		if (is_same_des(
			    key + (size_t)(i - 1) * DES_KEY_BYTES, key + (size_t)i * DES_KEY_BYTES))
			return "has two equal neighbours, which leaves single DES of it";
	return NULL;
}

static const char *choose_icv(const struct fer_algo *tag, unsigned *icv_bytes)
{
	if (*icv_bytes == 0)
		*icv_bytes = tag->icv_bytes;
	if (*icv_bytes > FER_ESP_MAX_ICV_BYTES || (tag->icv_choices & ICV(*icv_bytes)) == 0)
		return "has no integrity value of this length";
	return NULL;
}

const char *fer_suite_init(struct fer_suite *s, const struct fer_algo *encryption,
	const struct fer_algo *integrity, unsigned icv_bytes)
{
	if (encryption->aead && integrity != NULL)
		return "has integrity of its own and takes no second algorithm";
	if (!encryption->aead && integrity == NULL)
		return "needs an integrity algorithm: encryption without integrity does not exist";

	uint8_t own_iv = integrity == NULL ? 0 : integrity->iv_bytes;
	if (own_iv != 0 && encryption->iv_bytes != 0)
		return "cannot be combined with an integrity algorithm that has an IV of its own";

	const char *why = choose_icv(encryption->aead ? encryption : integrity, &icv_bytes);
	if (why != NULL)
		return why;

	*s = (struct fer_suite){
		.method = (uint8_t)encryption->method,
		.auth_method = integrity == NULL ? FER_METHOD_NULL : (uint8_t)integrity->method,
		.key_bytes = encryption->key_bytes,
		.iv_bytes = encryption->iv_bytes + own_iv,
		.icv_bytes = (uint8_t)icv_bytes,
		.align_bytes = encryption->align_bytes,
		.around_bytes =
			(uint8_t)(FER_ESP_HEADER_BYTES + encryption->iv_bytes + own_iv + icv_bytes),
		.aead = encryption->aead,
		.counter = fer_algo_counter(encryption, integrity) != NULL,
	};
	return NULL;
}

const char *fer_suite_init_bare(struct fer_suite *s, const struct fer_algo *encryption)
{
	if (encryption->aead)
		return "has integrity of its own";
	*s = (struct fer_suite){
		.method = (uint8_t)encryption->method,
		.auth_method = FER_METHOD_NULL,
		.key_bytes = encryption->key_bytes,
		.iv_bytes = encryption->iv_bytes,
		.align_bytes = encryption->align_bytes,
		.around_bytes = (uint8_t)(FER_ESP_HEADER_BYTES + encryption->iv_bytes),
		.counter = encryption->counter,
	};
	return NULL;
}

const char *fer_suite_init_ah(
	struct fer_suite *s, const struct fer_algo *integrity, unsigned icv_bytes)
{
	const char *why = choose_icv(integrity, &icv_bytes);
	if (why != NULL)
		return why;

	*s = (struct fer_suite){
		.method = FER_METHOD_NULL,
		.auth_method = (uint8_t)integrity->method,
		.iv_bytes = integrity->iv_bytes,
		.icv_bytes = (uint8_t)icv_bytes,
		.align_bytes = 1,
		.around_bytes = (uint8_t)(FER_AH_FIXED_BYTES + integrity->iv_bytes + icv_bytes),
		.ah = true,
		.counter = integrity->counter,
	};
	return NULL;
}
