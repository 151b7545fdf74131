// SPDX-License-Identifier: BSD-3-Clause
#include "bare.h"

#include "base/secret.h"
#include "crypto/engine.h"

#include <rte_common.h>
#include <rte_cycles.h>

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

#define AAD_BYTES 8
#define CHACHA_NONCE_BYTES 12
#define AH_ICV_OFF                                                                                 \
	32 // from the start of an IPv4 header in front of it; that of GMAC follows its IV
#define ROUND_KEYS_BYTES (15 * 16)
#define DIGEST_BYTES 64
#define N_MANAGERS 3
#define TRIALS 16

struct fer_bench_bare {
	struct gcm_key_data gcm;
	struct gcm_context_data gcm_ctx;
	alignas(16) uint8_t enc[ROUND_KEYS_BYTES];
	alignas(16) uint8_t dec[ROUND_KEYS_BYTES];
	alignas(16) uint8_t state[DIGEST_BYTES]; // of an HMAC; any will do
	uint8_t nonce[16], aad[16], tag[16];
	uint8_t digest[IMB_MAX_BURST_SIZE][DIGEST_BYTES];

	struct fer_suite suite;
	enum fer_direction direction;
	IMB_MGR *manager[N_MANAGERS]; // the widest code of this CPU, and narrower ones
	IMB_MGR *cipher, *mac;        // those in use
	aes_gcm_enc_dec_t gcm_fn;
	aes_gcm_enc_dec_t gmac_fn;
	IMB_HASH_ALG hash;
	IMB_JOB cipher_jobs[IMB_MAX_BURST_SIZE];
	IMB_JOB mac_jobs[IMB_MAX_BURST_SIZE];

	// Of everything else: our own engine, which seals in both directions, because what it has
	// opened once would not verify again.
	struct fer_engine *engine;
	struct fer_key *key;
	struct fer_job jobs[IMB_MAX_BURST_SIZE];
};

static bool open_managers(struct fer_bench_bare *b)
{
	for (unsigned i = 0; i < N_MANAGERS; i++) {
		b->manager[i] = alloc_mb_mgr(0);
		if (b->manager[i] == NULL)
			return false;
	}
	init_mb_mgr_auto(b->manager[0], NULL);
	init_mb_mgr_sse(b->manager[1]);
	if ((b->manager[0]->features & IMB_FEATURE_AVX2) != 0)
		init_mb_mgr_avx2(b->manager[2]);
	else
		init_mb_mgr_sse(b->manager[2]);
	b->cipher = b->mac = b->manager[0];
	for (unsigned i = 0; i < N_MANAGERS; i++)
		if (imb_get_errno(b->manager[i]) != 0)
			return false;
	return true;
}

static void set_up_gcm(struct fer_bench_bare *b, const uint8_t *key)
{
	const IMB_MGR *m = b->manager[0];
	const aes_gcm_pre_t expand[] = {m->gcm128_pre, m->gcm192_pre, m->gcm256_pre};
	const aes_gcm_enc_dec_t seal[] = {m->gcm128_enc, m->gcm192_enc, m->gcm256_enc};
	const aes_gcm_enc_dec_t open[] = {m->gcm128_dec, m->gcm192_dec, m->gcm256_dec};
	unsigned size = b->suite.key_bytes / 8 - 2;

	expand[size](key, &b->gcm);
	b->gcm_fn = b->direction == FER_OUT ? seal[size] : open[size];
}

// AES-GMAC is AES-GCM of additional data alone.
static void set_up_gmac(struct fer_bench_bare *b, const uint8_t *key)
{
	const IMB_MGR *m = b->manager[0];
	const aes_gcm_pre_t expand[] = {m->gcm128_pre, m->gcm192_pre, m->gcm256_pre};
	const aes_gcm_enc_dec_t seal[] = {m->gcm128_enc, m->gcm192_enc, m->gcm256_enc};
	unsigned size = b->suite.auth_method - FER_METHOD_AES_GMAC_128;

	expand[size](key, &b->gcm);
	b->gmac_fn = seal[size];
}

static void set_up_chacha(struct fer_bench_bare *b, const uint8_t *key)
{
	memcpy(b->enc, key, b->suite.key_bytes);
	for (unsigned i = 0; i < IMB_MAX_BURST_SIZE; i++)
		b->cipher_jobs[i] = (IMB_JOB){
			.enc_keys = b->enc,
			.dec_keys = b->enc,
			.key_len_in_bytes = b->suite.key_bytes,
			.iv = b->nonce,
			.iv_len_in_bytes = CHACHA_NONCE_BYTES,
			.auth_tag_output_len_in_bytes = b->suite.icv_bytes,
			.u.CHACHA20_POLY1305 = {b->aad, AAD_BYTES, NULL},
			.cipher_mode = IMB_CIPHER_CHACHA20_POLY1305,
			.hash_alg = IMB_AUTH_CHACHA20_POLY1305,
			.cipher_direction =
				b->direction == FER_OUT ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
			.chain_order = b->direction == FER_OUT ? IMB_ORDER_CIPHER_HASH
							       : IMB_ORDER_HASH_CIPHER,
		};
}

static void set_up_cbc(struct fer_bench_bare *b, const uint8_t *key)
{
	const IMB_MGR *m = b->manager[0];
	const keyexp_t expand[] = {m->keyexp_128, m->keyexp_192, m->keyexp_256};

	expand[b->suite.key_bytes / 8 - 2](key, b->enc, b->dec);
	for (unsigned i = 0; i < IMB_MAX_BURST_SIZE; i++)
		b->cipher_jobs[i] = (IMB_JOB){
			.enc_keys = b->enc,
			.dec_keys = b->dec,
			.key_len_in_bytes = b->suite.key_bytes,
			.iv_len_in_bytes = b->suite.iv_bytes,
			.cipher_mode = IMB_CIPHER_CBC,
			.cipher_direction =
				b->direction == FER_OUT ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
		};
}

static bool set_up_engine(struct fer_bench_bare *b, const uint8_t *key)
{
	int error;

	b->engine = fer_engine_open(fer_iv_system(), &error);
	b->key = aligned_alloc(64, fer_key_bytes_max());
	if (b->engine == NULL || b->key == NULL)
		return false;
	fer_key_init(b->key, b->engine, &b->suite, key, key);
	return true;
}

static bool set_up_mac(struct fer_bench_bare *b, const uint8_t *key)
{
	static const struct {
		uint8_t method;
		uint8_t digest_bytes;
		IMB_HASH_ALG hash;
	} macs[] = {
		{FER_METHOD_HMAC_SHA1, 20, IMB_AUTH_HMAC_SHA_1},
		{FER_METHOD_HMAC_SHA2_256, 32, IMB_AUTH_HMAC_SHA_256},
		{FER_METHOD_HMAC_SHA2_512, 64, IMB_AUTH_HMAC_SHA_512},
	};
	unsigned k = 0;

	if (b->suite.auth_method >= FER_METHOD_AES_GMAC_128) {
		set_up_gmac(b, key);
		return true;
	}
	while (k < RTE_DIM(macs) && macs[k].method != b->suite.auth_method)
		k++;
	if (k == RTE_DIM(macs))
		return set_up_engine(b, key);
	b->hash = macs[k].hash;
	for (unsigned i = 0; i < IMB_MAX_BURST_SIZE; i++) {
		b->mac_jobs[i] = (IMB_JOB){
			.hash_alg = b->hash,
			.auth_tag_output = b->digest[i],
			.auth_tag_output_len_in_bytes = macs[k].digest_bytes,
			.cipher_mode = IMB_CIPHER_NULL,
		};
		b->mac_jobs[i].u.HMAC._hashed_auth_key_xor_ipad = b->state;
		b->mac_jobs[i].u.HMAC._hashed_auth_key_xor_opad = b->state;
	}
	return true;
}

static bool set_up(struct fer_bench_bare *b, const uint8_t *key)
{
	if (b->suite.ah)
		return set_up_mac(b, key);
	switch (b->suite.method) {
	case FER_METHOD_AES_GCM:
		set_up_gcm(b, key);
		return true;
	case FER_METHOD_CHACHA20_POLY1305:
		set_up_chacha(b, key);
		return true;
	case FER_METHOD_AES_CBC_128:
	case FER_METHOD_AES_CBC_192:
	case FER_METHOD_AES_CBC_256:
		set_up_cbc(b, key);
		return set_up_mac(b, key);
	case FER_METHOD_NULL:
		return set_up_mac(b, key);
	default:
		return set_up_engine(b, key);
	}
}

struct fer_bench_bare *fer_bench_bare_open(const struct fer_suite *suite,
	enum fer_direction direction, const uint8_t key[FER_MAX_KEY_BYTES])
{
	size_t bytes = RTE_ALIGN_CEIL(sizeof(struct fer_bench_bare), 64);
	struct fer_bench_bare *b = aligned_alloc(64, bytes);

	if (b == NULL)
		return NULL;
	memset(b, 0, bytes);
	b->suite = *suite;
	b->direction = direction;
	if (open_managers(b) && set_up(b, key))
		return b;
	fer_bench_bare_close(b);
	return NULL;
}

void fer_bench_bare_close(struct fer_bench_bare *bare)
{
	if (bare == NULL)
		return;
	for (unsigned i = 0; i < N_MANAGERS; i++)
		if (bare->manager[i] != NULL)
			free_mb_mgr(bare->manager[i]);
	fer_engine_close(bare->engine);
	if (bare->key != NULL)
		fer_key_fini(bare->key, &bare->suite);
	free(bare->key);
	fer_secret_wipe(bare, sizeof(*bare));
	free(bare);
}

static uint32_t text_off(const struct fer_bench_bare *b)
{
	return FER_ESP_HEADER_BYTES + b->suite.iv_bytes;
}

static void run_gcm(struct fer_bench_bare *b, const struct fer_bench_span span[], unsigned n)
{
	uint32_t off = text_off(b), around = off + b->suite.icv_bytes;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *text = span[i].start + off;
		uint32_t len = span[i].len - around;

		b->gcm_fn(&b->gcm, &b->gcm_ctx, text, text, len, b->nonce, b->aad, AAD_BYTES,
			b->direction == FER_OUT ? text + len : b->tag, b->suite.icv_bytes);
	}
}

static void run_chacha(struct fer_bench_bare *b, const struct fer_bench_span span[], unsigned n)
{
	uint32_t off = text_off(b), around = off + b->suite.icv_bytes;

	for (unsigned i = 0; i < n; i++) {
		IMB_JOB *j = IMB_GET_NEXT_JOB(b->cipher);
		uint8_t *text = span[i].start + off;
		uint32_t len = span[i].len - around;

		*j = b->cipher_jobs[0];
		j->src = j->dst = text;
		j->msg_len_to_cipher_in_bytes = j->msg_len_to_hash_in_bytes = len;
		j->auth_tag_output = b->direction == FER_OUT ? text + len : b->tag;
		IMB_SUBMIT_JOB_NOCHECK(b->cipher);
	}
}

static void run_aead(struct fer_bench_bare *b, const struct fer_bench_span span[], unsigned n)
{
	if (b->gcm_fn != NULL)
		run_gcm(b, span, n);
	else
		run_chacha(b, span, n);
}

static void run_gmac(struct fer_bench_bare *b, const struct fer_bench_span span[], unsigned n)
{
	uint32_t behind = b->suite.ah ? 0 : b->suite.icv_bytes;

	for (unsigned i = 0; i < n; i++)
		b->gmac_fn(&b->gcm, &b->gcm_ctx, NULL, NULL, 0, b->nonce, span[i].start,
			span[i].len - behind, b->tag, b->suite.icv_bytes);
}

static void run_cipher(struct fer_bench_bare *b, const struct fer_bench_span span[], unsigned n)
{
	uint32_t off = text_off(b), around = off + b->suite.icv_bytes;

	for (unsigned i = 0; i < n; i++) {
		IMB_JOB *j = &b->cipher_jobs[i];

		j->src = j->dst = span[i].start + off;
		j->iv = span[i].start + FER_ESP_HEADER_BYTES;
		j->msg_len_to_cipher_in_bytes = span[i].len - around;
		j->status = IMB_STATUS_BEING_PROCESSED;
	}
	IMB_SUBMIT_CIPHER_BURST_NOCHECK(b->cipher, b->cipher_jobs, n, IMB_CIPHER_CBC,
		b->direction == FER_OUT ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
		(IMB_KEY_SIZE_BYTES)b->suite.key_bytes);
}

static void run_mac(struct fer_bench_bare *b, const struct fer_bench_span span[], unsigned n)
{
	uint32_t behind = b->suite.ah ? 0 : b->suite.icv_bytes;

	for (unsigned i = 0; i < n; i++) {
		IMB_JOB *j = &b->mac_jobs[i];

		j->src = span[i].start;
		j->msg_len_to_hash_in_bytes = span[i].len - behind;
		j->status = IMB_STATUS_BEING_PROCESSED;
	}
	IMB_SUBMIT_HASH_BURST_NOCHECK(b->mac, b->mac_jobs, n, b->hash);
}

static void run_pair(struct fer_bench_bare *b, const struct fer_bench_span span[], unsigned n)
{
	bool has_cipher = b->suite.method != FER_METHOD_NULL && !b->suite.ah;

	if (has_cipher && b->direction == FER_OUT)
		run_cipher(b, span, n);
	run_mac(b, span, n);
	if (has_cipher && b->direction == FER_IN)
		run_cipher(b, span, n);
}

static void run_engine(struct fer_bench_bare *b, const struct fer_bench_span span[], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		b->jobs[i] = (struct fer_job){.start = span[i].start,
			.suite = &b->suite,
			.key = b->key,
			.icv = b->suite.ah ? span[i].start + AH_ICV_OFF + b->suite.iv_bytes : NULL,
			.iv = i,
			.len = span[i].len};
	fer_engine_seal(b->engine, b->jobs, n);
}

void fer_bench_bare_run(
	struct fer_bench_bare *bare, const struct fer_bench_span span[], unsigned n, unsigned burst)
{
	unsigned step = RTE_MIN(burst, (unsigned)IMB_MAX_BURST_SIZE);

	for (unsigned first = 0, end = burst; first < n; end += burst)
		for (; first < end; first += RTE_MIN(step, end - first)) {
			if (bare->engine != NULL)
				run_engine(bare, span + first, RTE_MIN(step, end - first));
			else if (bare->suite.aead)
				run_aead(bare, span + first, RTE_MIN(step, end - first));
			else if (bare->gmac_fn != NULL)
				run_gmac(bare, span + first, RTE_MIN(step, end - first));
			else
				run_pair(bare, span + first, RTE_MIN(step, end - first));
		}
}

void fer_bench_bare_tune(
	struct fer_bench_bare *bare, const struct fer_bench_span span[], unsigned n, unsigned burst)
{
	uint64_t best = UINT64_MAX;
	unsigned choice = 0;

	for (unsigned t = 0; t < TRIALS * N_MANAGERS * N_MANAGERS; t++) {
		unsigned at = t % (N_MANAGERS * N_MANAGERS);

		bare->cipher = bare->manager[at / N_MANAGERS];
		bare->mac = bare->manager[at % N_MANAGERS];
		uint64_t start = rte_rdtsc_precise();
		fer_bench_bare_run(bare, span, n, burst);
		uint64_t ticks = rte_rdtsc_precise() - start;
		if (ticks < best) {
			best = ticks;
			choice = at;
		}
	}
	bare->cipher = bare->manager[choice / N_MANAGERS];
	bare->mac = bare->manager[choice % N_MANAGERS];
}
