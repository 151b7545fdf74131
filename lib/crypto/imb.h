// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the files of the engine over intel-ipsec-mb share: the layout of expanded keys, the engine
// itself, and its three parts.  Private to the engine and its tests.
//
// A burst is dealt out by method into lists of jobs (engine_imb.c); AEAD jobs go through gcm_imb.c
// one by one, the others through cbc_imb.c and hmac_imb.c as one burst per method, whatever their
// associations: the library computes up to 16 packets side by side and is slow with few.  Bursts
// are submitted unchecked: what the library would check, engine_imb.c has checked.

#include "crypto/engine.h"
#include "proto/ipsec.h"

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

#include <stddef.h>

#define IMB_AES_SIZES 3 // 128, 192, 256 bits
#define IMB_AES_ROUND_KEYS_BYTES (15 * 16)
#define IMB_DIGEST_BYTES 64 // the longest of any hash
#define IMB_N_MACS 3
#define IMB_IV_POOL 64
#define IMB_LINE_BYTES 64

#define IMB_GCM_TEXT_OFF 16 // SPI, sequence number, 8 bytes of IV

// Where the lines of a GCM key are told apart by the length of the packet: up to this many blocks.
#define IMB_GCM_PROBED_BLOCKS 52

// HMAC first: without a cipher the rest is not there.
struct fer_key {
	union {
		_Alignas(IMB_LINE_BYTES) struct gcm_key_data gcm;
		struct {
			uint8_t inner[IMB_DIGEST_BYTES]; // hash state behind key ^ ipad
			uint8_t outer[IMB_DIGEST_BYTES]; // and behind key ^ opad
			_Alignas(IMB_LINE_BYTES) uint8_t enc[IMB_AES_ROUND_KEYS_BYTES];
			_Alignas(IMB_LINE_BYTES) uint8_t dec[IMB_AES_ROUND_KEYS_BYTES];
		} pair;
	};
};

// 16 bytes that are written by one store, because the library reads them by one load.
typedef uint64_t imb_block __attribute__((vector_size(16)));

// AES-GCM of one key size.
struct imb_gcm {
	aes_gcm_enc_dec_t enc;
	aes_gcm_enc_dec_t dec;
	aes_gcm_pre_t expand;
	// Bit i of lines[n]: a packet of n blocks (the last entry: or more) reads line i of its
	// key.
	uint32_t lines[IMB_GCM_PROBED_BLOCKS + 1];
};

struct imb_list {
	unsigned n;
	struct fer_job *job[FER_ENGINE_BURST];
};

struct fer_engine {
	IMB_MGR *wide;   // the widest code of this CPU
	IMB_MGR *narrow; // the code that is faster for few packets; may be the same
	const char *arch;

	struct imb_gcm gcm[IMB_AES_SIZES];
	struct fer_key gcm_probe; // the key whose lines are probed when the engine is opened
	struct gcm_context_data gcm_ctx;
	struct imb_list aead;
	imb_block nonce[FER_ENGINE_BURST];
	imb_block aad[FER_ENGINE_BURST];
	imb_block tag[FER_ENGINE_BURST];

	struct imb_list cbc[IMB_AES_SIZES];
	IMB_JOB cbc_jobs[IMB_MAX_BURST_SIZE];

	struct imb_list mac[IMB_N_MACS];
	IMB_JOB mac_jobs[IMB_MAX_BURST_SIZE];
	uint8_t digest[IMB_MAX_BURST_SIZE][IMB_DIGEST_BYTES];
	uint32_t under_seq_hi[IMB_MAX_BURST_SIZE]; // what stands where seq_hi is hashed

	// CBC IVs: AES of (refill number, index) under a random key.
	uint64_t iv_refills;
	unsigned iv_left;
	_Alignas(16) uint8_t iv_keys[IMB_AES_ROUND_KEYS_BYTES];
	_Alignas(16) uint8_t iv_pool[IMB_IV_POOL][FER_ESP_MAX_IV_BYTES];
};

// One HMAC; the index in fer_imb_macs is fer_imb_mac_index() of its method.
struct imb_mac {
	IMB_HASH_ALG hash;
	uint8_t digest_bytes;
	uint8_t block_bytes;
	// Fewer packets than this go to the narrow code, and so do those that are left when the
	// lanes of the wide code have been filled; for short packets and for long ones.
	uint8_t few_short;
	uint8_t few_long;
	void (*one_block)(IMB_MGR *m, const void *block, void *state);
};

extern const struct imb_mac fer_imb_macs[IMB_N_MACS];

static inline unsigned fer_imb_mac_index(unsigned auth_method)
{
	return auth_method - FER_METHOD_HMAC_SHA1;
}

// 0, 1, 2 for keys of 16, 24, 32 bytes.
static inline unsigned fer_imb_aes_index(unsigned key_bytes)
{
	return key_bytes / 8 - 2;
}

// __builtin_prefetch() is no side effect to gcc: a function that does nothing else is thrown away.
static inline void fer_imb_fetch_line(const void *line)
{
	__asm__ volatile("prefetcht0 %0" : : "m"(*(const char *)line));
}

// Where the ICV stands, or goes.
static inline uint8_t *fer_imb_icv(const struct fer_job *j)
{
	return j->suite->ah ? j->icv : j->start + j->len - j->suite->icv_bytes;
}

// How many bytes from start are authenticated, without a high half of the sequence number.
static inline uint32_t fer_imb_covered(const struct fer_job *j)
{
	return j->suite->ah ? j->len : j->len - j->suite->icv_bytes;
}

static inline void fer_imb_push(struct imb_list *l, struct fer_job *j)
{
	l->job[l->n++] = j;
}

// Opens an engine that uses no wider code than that: "AVX512", "AVX2" or "SSE".
__attribute__((warn_unused_result)) struct fer_engine *fer_imb_open(
	const struct fer_iv_source *ivs, const char *widest, int *error);

// AEAD: everything in e->aead.
void fer_imb_gcm_init(struct fer_engine *e);
void fer_imb_gcm_seal(struct fer_engine *e);
void fer_imb_gcm_open(struct fer_engine *e);

// CBC: everything in e->cbc.
void fer_imb_cbc_init(struct fer_engine *e, const uint8_t iv_key[FER_IV_KEY_BYTES]);
void fer_imb_cbc_run(struct fer_engine *e, IMB_CIPHER_DIRECTION direction);

// Writes the next IV.  False when the library failed.
__attribute__((warn_unused_result)) bool fer_imb_cbc_iv(struct fer_engine *e, uint8_t *iv);

// HMAC: everything in e->mac.  Jobs that verified and have a cipher are put into e->cbc.
void fer_imb_hmac_init(struct fer_engine *e);
void fer_imb_hmac_make(struct fer_engine *e);
void fer_imb_hmac_verify(struct fer_engine *e);
