// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the files of the engine over intel-ipsec-mb share: the layout of expanded keys, the engine
// itself, and its parts, a file for each family of methods.  Private to the engine and its tests.
//
// A burst is dealt out into one list of jobs per method (engine_imb.c).  What the library computes
// by direct calls goes through them one by one; the rest goes as one burst per method, whatever its
// associations: the library computes up to 16 packets side by side and is slow with few.  Bursts
// are submitted unchecked: what the library would check, engine_imb.c has checked.
//
// Most bursts are of one association, or of several that use the same.  For the usual methods these
// need no lists: the jobs are taken as they lie.

#include "crypto/engine.h"
#include "proto/ipsec.h"

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

#include <endian.h>
#include <stddef.h>
#include <string.h>

#define IMB_AES_SIZES 3 // 128, 192, 256 bits
#define IMB_AES_ROUND_KEYS_BYTES (15 * 16)
#define IMB_DIGEST_BYTES 64 // the longest of any hash
#define IMB_IV_POOL 64
#define IMB_N_DES 3             // schedules of 3DES
#define IMB_RAW_KEY_BYTES 32    // of ChaCha20-Poly1305, AES-192-CCM
#define IMB_SCRATCH_BYTES 65600 // the longest packet, and what is read behind it
#define IMB_AAD_BYTES 8         // SPI and sequence number
#define IMB_AAD_ESN_BYTES 12    // with its high half
#define IMB_LINE_BYTES 64

#define IMB_GCM_TEXT_OFF 16 // SPI, sequence number, 8 bytes of IV

// Where the lines of a GCM key are told apart by the length of the packet: up to this many blocks.
#define IMB_GCM_PROBED_BLOCKS 52
#define IMB_GCM_KEYS 32

// Integrity first: without a cipher the rest is not there.
struct fer_key {
	union {
		_Alignas(IMB_LINE_BYTES) struct gcm_key_data gcm; // of AES-GCM and AES-GMAC
		struct {
			union {
				struct {
					uint8_t inner[IMB_DIGEST_BYTES]; // hash behind key ^ ipad
					uint8_t outer[IMB_DIGEST_BYTES]; // and behind key ^ opad
				};
				struct {
					uint8_t rounds[11 * 16]; // of a MAC made of AES-128
					uint8_t last[2][16]; // what the last block is mixed with
				};
			};
			union {
				struct {
					_Alignas(IMB_LINE_BYTES)
						uint8_t enc[IMB_AES_ROUND_KEYS_BYTES];
					_Alignas(IMB_LINE_BYTES)
						uint8_t dec[IMB_AES_ROUND_KEYS_BYTES];
				};
				uint64_t des[IMB_N_DES][IMB_DES_KEY_SCHED_SIZE / 8];
			};
		} pair;
		uint8_t raw[IMB_RAW_KEY_BYTES]; // what is expanded for each packet
	};
};

// 16 bytes that are written by one store, because the library reads them by one load.
typedef uint64_t imb_block __attribute__((vector_size(16)));

// AES-GCM of one key size.  Short, because each burst looks one up.
struct imb_gcm {
	aes_gcm_enc_dec_t enc;
	aes_gcm_enc_dec_t dec;
	aes_gcm_pre_t expand;
	const uint32_t *lines; // those of struct fer_engine
};

// What one method needs.  A row whose seal and open are NULL has no work to do.
struct imb_method {
	// Expands the raw key of the method into its part of k, which ends at key_end.
	void (*expand)(struct fer_engine *e, const struct fer_suite *s, const uint8_t *key,
		struct fer_key *k);
	size_t key_end;
	// Works off the method's list.  Open: what authenticates alone hands what verified on to
	// the list of its encryption.
	void (*seal)(struct fer_engine *e, enum fer_method m);
	void (*open)(struct fer_engine *e, enum fer_method m);
	bool by_runs; // there are calls for neighbours
};

extern const struct imb_method fer_imb_methods[FER_N_METHODS];

// AES-GMAC of one key size.
struct imb_gmac {
	aes_gcm_pre_t expand;
	aes_gcm_enc_dec_t encrypt;
	aes_gmac_init_t init;
	aes_gmac_update_t update;
	aes_gmac_finalize_t finalize;
};

struct fer_engine {
	IMB_MGR *wide;      // the widest code of this CPU
	IMB_MGR *narrow;    // the code that is faster for few packets; may be the same
	IMB_MGR *right_des; // the widest code whose DES is right
	const char *arch;
	uint64_t lacks; // rows that did not give their known answers

	uint16_t n[FER_N_METHODS]; // jobs in the lists; small, because they are cleared for each
				   // burst
	struct fer_job *list[FER_N_METHODS][FER_ENGINE_BURST];

	struct imb_gcm gcm[IMB_AES_SIZES];
	// Bit i of an entry n: ESP of n whole blocks (the last one: or more) reads line i of its
	// key.
	uint32_t gcm_lines[IMB_AES_SIZES][IMB_GCM_PROBED_BLOCKS + 1];
	const struct fer_key *gcm_keys[IMB_GCM_KEYS]; // of the last mixed packets; only compared
	struct fer_key gcm_probe; // the key whose lines are probed when the engine is opened
	struct gcm_context_data gcm_ctx;
	imb_block nonce[FER_ENGINE_BURST];
	imb_block aad[FER_ENGINE_BURST];
	imb_block tag[FER_ENGINE_BURST];

	struct imb_gmac gmac[IMB_AES_SIZES];
	struct evp_cipher_st *evp_cipher;
	struct evp_cipher_ctx_st *evp_ctx;

	// Of one burst of one method: the next one writes all that it needs.  One array stays in
	// the cache where an array for each family of methods would not.
	IMB_JOB jobs[IMB_MAX_BURST_SIZE];
	IMB_STATUS status[IMB_MAX_BURST_SIZE]; // of what was filled in jobs of the library
	const void *des[IMB_MAX_BURST_SIZE][IMB_N_DES];
	uint8_t digest[IMB_MAX_BURST_SIZE][IMB_DIGEST_BYTES];
	uint32_t under_seq_hi[IMB_MAX_BURST_SIZE]; // what stands where seq_hi is hashed

	uint8_t scratch[IMB_SCRATCH_BYTES]; // for a text that cannot be worked on in place

	// CBC IVs: AES of (refill number, index) under a random key.
	uint64_t iv_refills;
	unsigned iv_left;
	_Alignas(16) uint8_t iv_keys[IMB_AES_ROUND_KEYS_BYTES];
	_Alignas(16) uint8_t iv_pool[IMB_IV_POOL][FER_ESP_MAX_IV_BYTES];
};

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

// Where the IV stands, or goes.
static inline uint8_t *fer_imb_iv(const struct fer_job *j)
{
	return j->suite->ah ? j->icv - j->suite->iv_bytes : j->start + FER_ESP_HEADER_BYTES;
}

// What is encrypted: behind the IV, in front of the ICV.
static inline uint8_t *fer_imb_text(const struct fer_job *j)
{
	return j->start + FER_ESP_HEADER_BYTES + j->suite->iv_bytes;
}

static inline uint32_t fer_imb_text_bytes(const struct fer_job *j)
{
	return j->len - j->suite->around_bytes;
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

// Salt and IV one behind the other, and last another 32 bits, as in memory.
static inline imb_block fer_imb_nonce(const struct fer_suite *s, uint64_t iv_be, uint32_t last)
{
	uint32_t salt;

	memcpy(&salt, s->salt, sizeof(salt));
	return (imb_block){salt | iv_be << 32, iv_be >> 32 | (uint64_t)last << 32};
}

// The same of a received packet, whose IV stands where it belongs behind another 32 bits.
//   salt  that block of IV 0
static inline imb_block fer_imb_received_nonce(imb_block salt, const uint8_t *esp)
{
	static const uint8_t of_iv[16] = {[4] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	imb_block block, mask;

	memcpy(&block, esp + FER_ESP_HEADER_BYTES - sizeof(uint32_t), sizeof(block));
	memcpy(&mask, of_iv, sizeof(mask));
	return (block & mask) | salt;
}

// The additional data of AEAD in ESP: SPI and sequence number, with ESN all 64 bits of it.
static inline imb_block fer_imb_aad_of(const uint8_t *esp, bool esn, uint32_t seq_hi)
{
	uint64_t head; // SPI, then sequence number

	memcpy(&head, esp, sizeof(head));
	if (esn)
		return (imb_block){(uint32_t)head | (uint64_t)htobe32(seq_hi) << 32, head >> 32};
	return (imb_block){head, 0};
}

static inline imb_block fer_imb_aad(const struct fer_job *j)
{
	return fer_imb_aad_of(j->start, j->suite->esn, j->seq_hi);
}

static inline uint32_t fer_imb_aad_bytes(const struct fer_job *j)
{
	return j->suite->esn ? IMB_AAD_ESN_BYTES : IMB_AAD_BYTES;
}

// The longest payload of an IP packet.  The library counts some lengths in 16 bits.
#define IMB_MAX_ESP_BYTES 65535

// Is len one that a suite can make?  There is at least the trailer (RFC 4303 section 2.4), or an IP
// header.
//   around  bytes that are always there; max: the most; mask: of the alignment of the rest
static inline bool fer_imb_is_possible(uint32_t len, uint32_t around, uint32_t max, uint32_t mask)
{
	uint32_t rest = len - around; // huge when there is less than that

	return rest - 1 < max - around && (rest & mask) == 0;
}

// Writes the IV of a counter mode; returns it as it stands in the packet.
static inline uint64_t fer_imb_put_counter(const struct fer_job *j)
{
	uint64_t iv_be = htobe64(j->iv);

	memcpy(fer_imb_iv(j), &iv_be, sizeof(iv_be));
	return iv_be;
}

// The IV of a counter mode as it stands in the packet.
static inline uint64_t fer_imb_get_counter(const struct fer_job *j)
{
	uint64_t iv_be;

	memcpy(&iv_be, fer_imb_iv(j), sizeof(iv_be));
	return iv_be;
}

static inline void fer_imb_push(struct fer_engine *e, unsigned method, struct fer_job *j)
{
	e->list[method][e->n[method]++] = j;
}

// Jobs to work on: those of a list, or, without one, neighbours from first on.  What works on both
// is inlined where it is known which these are.
struct imb_jobs {
	struct fer_job *const *list;
	struct fer_job *first;
};

static inline struct fer_job *fer_imb_job(struct imb_jobs jobs, unsigned i)
{
	return jobs.list != NULL ? jobs.list[i] : jobs.first + i;
}

static inline struct imb_jobs fer_imb_jobs_from(struct imb_jobs jobs, unsigned i)
{
	return jobs.list != NULL ? (struct imb_jobs){jobs.list + i, NULL}
				 : (struct imb_jobs){NULL, jobs.first + i};
}

// How many of n jobs, the first ones, are of one suite, and so of one association.
static inline unsigned fer_imb_run(struct fer_job *const *job, unsigned n)
{
	unsigned i = 1;

	while (i < n && job[i]->suite == job[0]->suite)
		i++;
	return i;
}

// How many of n jobs, those from at on, fit in one burst of the library.
static inline unsigned fer_imb_chunk(unsigned n, unsigned at)
{
	return n - at < IMB_MAX_BURST_SIZE ? n - at : IMB_MAX_BURST_SIZE;
}

// Runs what the library has no burst for, by calls of a manager of e for one job at a time, and
// sets the status of each as a burst does.
void fer_imb_jobs_run(struct fer_engine *e, IMB_MGR *m, IMB_JOB *jobs, unsigned n);

// The same for a job that IMB_GET_NEXT_JOB(m) returned and that was filled there, which spares a
// copy.  *status is set at the latest when all jobs of m are ended.
void fer_imb_job_submit(struct fer_engine *e, IMB_MGR *m, IMB_JOB *job, IMB_STATUS *status);
void fer_imb_jobs_end(IMB_MGR *m);

// Opens an engine that uses no wider code than that: "AVX512", "AVX2" or "SSE".
__attribute__((warn_unused_result)) struct fer_engine *fer_imb_open(
	const struct fer_iv_source *ivs, const char *widest, int *error);

// Seals or opens n jobs of any methods; returns whether all are FER_OK.
__attribute__((warn_unused_result)) bool fer_imb_seal_any(
	struct fer_engine *e, struct fer_job *jobs, unsigned n);
__attribute__((warn_unused_result)) bool fer_imb_open_any(
	struct fer_engine *e, struct fer_job *jobs, unsigned n);

// AES-GCM.

// Seals n jobs, n > 0, of which the first is one of AES-GCM: in the usual way, if all are of its
// suite and of possible lengths, and like any jobs else.  Returns whether all are FER_OK.
__attribute__((warn_unused_result)) bool fer_imb_gcm_seal_run(
	struct fer_engine *e, struct fer_job *jobs, unsigned n);

// The same for opening.
__attribute__((warn_unused_result)) bool fer_imb_gcm_open_run(
	struct fer_engine *e, struct fer_job *jobs, unsigned n);

void fer_imb_gcm_init(struct fer_engine *e);
void fer_imb_gcm_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k);
void fer_imb_gcm_seal(struct fer_engine *e, enum fer_method m);
void fer_imb_gcm_open(struct fer_engine *e, enum fer_method m);

// AES-GMAC.
void fer_imb_gmac_init(struct fer_engine *e);
void fer_imb_gmac_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k);
void fer_imb_gmac_seal(struct fer_engine *e, enum fer_method m);
void fer_imb_gmac_open(struct fer_engine *e, enum fer_method m);

// AES-CCM with 128 and 256 bits, ChaCha20-Poly1305.
void fer_imb_chacha_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k);
void fer_imb_aead_seal(struct fer_engine *e, enum fer_method m);
void fer_imb_aead_open(struct fer_engine *e, enum fer_method m);

// The same for n neighbours of one of these methods.  Returns whether all are FER_OK.
__attribute__((warn_unused_result)) bool fer_imb_aead_seal_run(
	struct fer_engine *e, struct fer_job *first, unsigned n);
__attribute__((warn_unused_result)) bool fer_imb_aead_open_run(
	struct fer_engine *e, struct fer_job *first, unsigned n);

// AES-CCM with 192 bits, which the library lacks.
__attribute__((warn_unused_result)) bool fer_imb_ccm_evp_init(struct fer_engine *e);
void fer_imb_ccm_evp_fini(struct fer_engine *e);
void fer_imb_ccm_evp_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k);

// One text of it, in place.
struct imb_ccm {
	const uint8_t *key, *nonce, *aad;
	uint8_t *text, *tag;
	int nonce_bytes, aad_bytes, text_bytes, tag_bytes;
};

// Writes text and tag.  False when OpenSSL failed.
__attribute__((warn_unused_result)) bool fer_imb_ccm_evp_encrypt(
	struct fer_engine *e, const struct imb_ccm *c);

// Leaves the text alone where the verdict is not FER_OK.
__attribute__((warn_unused_result)) enum fer_verdict fer_imb_ccm_evp_decrypt(
	struct fer_engine *e, const struct imb_ccm *c);
void fer_imb_ccm_evp_seal(struct fer_engine *e, enum fer_method m);
void fer_imb_ccm_evp_open(struct fer_engine *e, enum fer_method m);

// Encryption without integrity of its own.  The IV stands in the packet.
void fer_imb_cipher_init(struct fer_engine *e, const uint8_t iv_key[FER_IV_KEY_BYTES]);
void fer_imb_cipher_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k);
void fer_imb_des_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k);
void fer_imb_3des_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k);
void fer_imb_cipher_seal(struct fer_engine *e, enum fer_method m);
void fer_imb_cipher_open(struct fer_engine *e, enum fer_method m);

// The same for n neighbours of AES-CBC, of suites that are alike, at most a burst; those to be
// sealed get IVs.  Returns whether all went well.
//   one_key  of one suite; else each has a key of its own, which is fetched
__attribute__((warn_unused_result)) bool fer_imb_cipher_seal_run(
	struct fer_engine *e, struct fer_job *first, unsigned n, bool one_key);
__attribute__((warn_unused_result)) bool fer_imb_cipher_open_run(
	struct fer_engine *e, struct fer_job *first, unsigned n, bool one_key);

// Writes IVs that nobody can predict into n packets of ESP.
void fer_imb_put_random_ivs(
	struct fer_engine *e, struct fer_job *const *job, unsigned n, size_t iv_bytes);

// Integrity.
void fer_imb_mac_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k);
void fer_imb_xcbc_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k);
void fer_imb_cmac_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k);
void fer_imb_mac_seal(struct fer_engine *e, enum fer_method m);
void fer_imb_mac_open(struct fer_engine *e, enum fer_method m);

// Are the tags of that suite, of an HMAC that has bursts, as long as the library cuts them?
__attribute__((warn_unused_result)) bool fer_imb_mac_cuts(const struct fer_suite *s);

// The same for n neighbours of such suites that are alike, without ESN; those to be opened may have
// tags of any length.  Returns whether all went well.
__attribute__((warn_unused_result)) bool fer_imb_mac_seal_run(
	struct fer_engine *e, struct fer_job *first, unsigned n, bool one_key);
__attribute__((warn_unused_result)) bool fer_imb_mac_open_run(
	struct fer_engine *e, struct fer_job *first, unsigned n, bool one_key);
