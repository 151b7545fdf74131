// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One row per algorithm.  Whoever needs a size, an offset or a property asks the row, never which
// algorithm it is; a new algorithm is a new row and its known answers.  Pure: no crypto library.

#include <stdbool.h>
#include <stdint.h>

#define FER_MAX_KEY_BYTES 64 // the longest key of any row, salt included
#define FER_SALT_BYTES 4     // room for the longest salt

enum fer_algo_role { FER_ENCRYPTION, FER_INTEGRITY };

// What the engine has to do: packets of one method are computed side by side.  First what encrypts,
// then what only authenticates.
enum fer_method {
	FER_METHOD_NULL,
	FER_METHOD_AES_GCM,
	FER_METHOD_AES_CCM,
	FER_METHOD_AES_CCM_192,
	FER_METHOD_CHACHA20_POLY1305,
	FER_METHOD_AES_CBC_128,
	FER_METHOD_AES_CBC_192,
	FER_METHOD_AES_CBC_256,
	FER_METHOD_AES_CTR_128,
	FER_METHOD_AES_CTR_192,
	FER_METHOD_AES_CTR_256,
	FER_METHOD_3DES_CBC,
	FER_METHOD_DES_CBC,
	FER_METHOD_HMAC_SHA1,
	FER_METHOD_HMAC_SHA2_256,
	FER_METHOD_HMAC_SHA2_384,
	FER_METHOD_HMAC_SHA2_512,
	FER_METHOD_HMAC_MD5,
	FER_METHOD_AES_XCBC,
	FER_METHOD_AES_CMAC,
	FER_METHOD_AES_GMAC_128,
	FER_METHOD_AES_GMAC_192,
	FER_METHOD_AES_GMAC_256,
	FER_N_METHODS,
	FER_METHOD_FIRST_MAC = FER_METHOD_HMAC_SHA1,
};

struct fer_algo {
	const char *name; // as in documents: "aes-gcm-128"
	enum fer_algo_role role;
	enum fer_method method;
	uint8_t key_bytes;    // without the salt
	uint8_t salt_bytes;   // follow the key in keying material
	uint8_t iv_bytes;     // in front of the ciphertext; AES-GMAC in AH: in front of the ICV
	uint8_t align_bytes;  // payload, padding and trailer are a multiple of it (at least 4)
	uint8_t icv_bytes;    // the usual length of the integrity value; 0: makes none
	uint64_t icv_choices; // bit n: an integrity value of n bytes is allowed
	bool aead;            // encrypts and authenticates with one key
	bool counter;         // a repeated IV under one key breaks it
	bool legacy;   // broken or nearly so: used only where it is asked for in so many words
	uint8_t n_des; // keys of DES that its key is made of: some of those must not be used
	uint32_t ndis; // bit of the IPsecOV2 contract; 0 when it has none
};

// The row of that name in that role; NULL when there is none.  "none" is not a row.
const struct fer_algo *fer_algo_find(enum fer_algo_role role, const char *name);

// The i-th row, in no special order; NULL behind the last.
const struct fer_algo *fer_algo_row(unsigned i);

// Which row of the table it is, below 64: its bit in a set of rows.
unsigned fer_algo_index(const struct fer_algo *row);

// NULL is in no set.
bool fer_algo_is_in(uint64_t set, const struct fer_algo *row);

// Which of the two keys of an SA ends in a salt and must never meet one IV twice: the row of a
// counter mode, or NULL.  Either row may be NULL.
const struct fer_algo *fer_algo_counter(
	const struct fer_algo *encryption, const struct fer_algo *integrity);

// Which key of a row must not be used: NULL, or the reason, a sentence without subject.  Of DES
// those are the 16 weak and semi-weak keys (RFC 2405 section 2.1, RFC 2409 appendix A), of 3DES
// also two equal neighbours, which undo each other (RFC 2451 section 2.3).  The bits of parity do
// not count.
__attribute__((warn_unused_result)) const char *fer_algo_check_key(
	const struct fer_algo *a, const uint8_t *key);

// The transform of one SA, without its keys: what every packet needs to know of its algorithms.
struct fer_suite {
	uint8_t method;      // enum fer_method of the encryption
	uint8_t auth_method; // the same of the integrity algorithm; with AEAD not used
	uint8_t key_bytes;   // of the encryption, without the salt
	uint8_t iv_bytes;
	uint8_t icv_bytes;
	uint8_t align_bytes;  // of payload, padding and trailer together; AH has none of them: 1
	uint8_t around_bytes; // fixed parts of the ESP or AH header, IV and ICV
	bool ah;
	bool aead;
	bool counter;
	bool esn;
	uint8_t salt[FER_SALT_BYTES];
};

// Combines for ESP an encryption row and an integrity row (NULL: none) into a suite; icv_bytes 0
// takes the usual length.  Salt and esn are left 0 for the caller to set. Returns NULL on success,
// or the reason for the refusal, a sentence without subject: encryption without integrity, AEAD
// with a second integrity algorithm, AES-GMAC with encryption (RFC 4543 section 3), an ICV of
// another length.
__attribute__((warn_unused_result)) const char *fer_suite_init(struct fer_suite *s,
	const struct fer_algo *encryption, const struct fer_algo *integrity, unsigned icv_bytes);

// The same for ESP without any integrity of its own, inside AH that has it: the contract wants it
// and nothing else may have it.
__attribute__((warn_unused_result)) const char *fer_suite_init_bare(
	struct fer_suite *s, const struct fer_algo *encryption);

// The same for AH: an integrity row alone.
__attribute__((warn_unused_result)) const char *fer_suite_init_ah(
	struct fer_suite *s, const struct fer_algo *integrity, unsigned icv_bytes);
