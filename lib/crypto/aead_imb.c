// SPDX-License-Identifier: BSD-3-Clause
// AEAD in ESP through the library's calls for jobs: AES-CCM (RFC 4309) and ChaCha20-Poly1305
// (RFC 7634).  The nonce is salt and IV, the additional data SPI and sequence number.
//
// AES-CCM has no other calls.  Those for one text of ChaCha20-Poly1305, in three steps, are slower
// by a third and more, because they make one block of key stream more often than the job does.
#include "crypto/imb.h"

#include "base/secret.h"

struct imb_aead {
	IMB_CIPHER_MODE cipher;
	IMB_HASH_ALG hash;
	uint8_t salt_bytes;
	IMB_CHAIN_ORDER order[2]; // as each direction wants it: seal, open
	uint16_t key_off;         // in struct fer_key
};

static const struct imb_aead aeads[FER_METHOD_FIRST_MAC] = {
	[FER_METHOD_AES_CCM] = {IMB_CIPHER_CCM, IMB_AUTH_AES_CCM, 3,
		{IMB_ORDER_HASH_CIPHER, IMB_ORDER_CIPHER_HASH}, offsetof(struct fer_key, pair.enc)},
	[FER_METHOD_CHACHA20_POLY1305] = {IMB_CIPHER_CHACHA20_POLY1305, IMB_AUTH_CHACHA20_POLY1305,
		4, {IMB_ORDER_CIPHER_HASH, IMB_ORDER_HASH_CIPHER}, offsetof(struct fer_key, raw)},
};

void fer_imb_chacha_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	(void)e;
	memcpy(k->raw, key, s->key_bytes);
}

// What of a suite's salt is not used is 0.
static imb_block nonce_of(const struct imb_aead *a, const struct fer_job *j)
{
	uint64_t iv_be = fer_imb_get_counter(j);
	unsigned salt_bits = 8u * a->salt_bytes;
	uint32_t salt;

	memcpy(&salt, j->suite->salt, sizeof(salt));
	return (imb_block){salt | iv_be << salt_bits, iv_be >> (64 - salt_bits)};
}

// What is done with a burst.
struct act {
	IMB_CIPHER_DIRECTION direction;
	bool tags_stay; // in the packets; else they go to e->tag
};

static const struct act sealing = {IMB_DIR_ENCRYPT, true};
static const struct act opening = {IMB_DIR_DECRYPT, false};
static const struct act undoing = {IMB_DIR_ENCRYPT, false};

// Describes the i-th job to the library, with all that it asks for: there stands what another job
// left.
static void fill(struct fer_engine *e, IMB_JOB *to, unsigned i, const struct imb_aead *a,
	const struct fer_job *j, const struct act *act)
{
	const struct fer_suite *s = j->suite;
	uint8_t *text = fer_imb_text(j);
	const uint32_t text_bytes = fer_imb_text_bytes(j);

	_Static_assert(offsetof(IMB_JOB, u.CCM.aad) == offsetof(IMB_JOB, u.CHACHA20_POLY1305.aad) &&
			       offsetof(IMB_JOB, u.CCM.aad_len_in_bytes) ==
				       offsetof(IMB_JOB, u.CHACHA20_POLY1305.aad_len_in_bytes),
		"additional data of one are described like those of the other");
	e->nonce[i] = nonce_of(a, j);
	e->aad[i] = fer_imb_aad(j);
	to->enc_keys = to->dec_keys = (const uint8_t *)j->key + a->key_off;
	to->key_len_in_bytes = s->key_bytes;
	to->src = to->dst = text;
	to->cipher_start_src_offset_in_bytes = to->hash_start_src_offset_in_bytes = 0;
	to->msg_len_to_cipher_in_bytes = text_bytes;
	to->msg_len_to_hash_in_bytes = text_bytes;
	to->iv = (const uint8_t *)&e->nonce[i];
	to->iv_len_in_bytes = a->salt_bytes + sizeof(j->iv);
	to->auth_tag_output = act->tags_stay ? text + text_bytes : (uint8_t *)&e->tag[i];
	to->auth_tag_output_len_in_bytes = s->icv_bytes;
	to->u.CCM.aad = &e->aad[i];
	to->u.CCM.aad_len_in_bytes = fer_imb_aad_bytes(j);
	to->cipher_mode = a->cipher;
	to->cipher_direction = act->direction;
	to->hash_alg = a->hash;
	to->chain_order = a->order[act->direction == IMB_DIR_ENCRYPT ? 0 : 1];
}

// Does n jobs, at most a burst of the library.  Returns whether all went well.
__attribute__((always_inline)) static inline bool run(struct fer_engine *e,
	const struct imb_aead *a, struct imb_jobs jobs, unsigned n, const struct act *act)
{
	bool are_well = true;

	for (unsigned i = 0; i < n; i++) {
		IMB_JOB *next = IMB_GET_NEXT_JOB(e->wide);

		fill(e, next, i, a, fer_imb_job(jobs, i), act);
		fer_imb_job_submit(e, e->wide, next, &e->status[i]);
	}
	fer_imb_jobs_end(e->wide);
	for (unsigned i = 0; i < n; i++) {
		if (e->status[i] == IMB_STATUS_COMPLETED)
			continue;
		fer_imb_job(jobs, i)->verdict = FER_CRYPTO_ERROR;
		are_well = false;
	}
	return are_well;
}

__attribute__((always_inline)) static inline bool seal(
	struct fer_engine *e, enum fer_method m, struct imb_jobs jobs, unsigned n)
{
	bool are_well = true;

	for (unsigned i = 0; i < n; i++)
		fer_imb_put_counter(fer_imb_job(jobs, i));
	for (unsigned at = 0; at < n; at += IMB_MAX_BURST_SIZE)
		are_well &= run(
			e, &aeads[m], fer_imb_jobs_from(jobs, at), fer_imb_chunk(n, at), &sealing);
	return are_well;
}

void fer_imb_aead_seal(struct fer_engine *e, enum fer_method m)
{
	(void)seal(e, m, (struct imb_jobs){e->list[m], NULL}, e->n[m]);
}

bool fer_imb_aead_seal_run(struct fer_engine *e, struct fer_job *first, unsigned n)
{
	return seal(e, first->suite->method, (struct imb_jobs){NULL, first}, n);
}

// What was taken for ciphertext, and is none, comes back when its "plaintext" is encrypted.
__attribute__((noinline)) static void undo(
	struct fer_engine *e, const struct imb_aead *a, struct fer_job *const *bad, unsigned n)
{
	(void)run(e, a, (struct imb_jobs){bad, NULL}, n, &undoing);
}

// Opens n jobs, at most a burst of the library.
__attribute__((always_inline)) static inline bool open_chunk(
	struct fer_engine *e, const struct imb_aead *a, struct imb_jobs jobs, unsigned n)
{
	struct fer_job *bad[IMB_MAX_BURST_SIZE];
	bool are_well = run(e, a, jobs, n, &opening);
	unsigned n_bad = 0;

	for (unsigned i = 0; i < n; i++) {
		struct fer_job *j = fer_imb_job(jobs, i);

		if (fer_secret_equal_icv(
			    (const uint8_t *)&e->tag[i], fer_imb_icv(j), j->suite->icv_bytes))
			continue;
		if (j->verdict == FER_OK)
			j->verdict = FER_BAD_ICV;
		bad[n_bad++] = j;
	}
	if (n_bad == 0)
		return are_well;
	undo(e, a, bad, n_bad);
	return false;
}

__attribute__((always_inline)) static inline bool open_all(
	struct fer_engine *e, enum fer_method m, struct imb_jobs jobs, unsigned n)
{
	bool are_well = true;

	for (unsigned at = 0; at < n; at += IMB_MAX_BURST_SIZE)
		are_well &=
			open_chunk(e, &aeads[m], fer_imb_jobs_from(jobs, at), fer_imb_chunk(n, at));
	return are_well;
}

void fer_imb_aead_open(struct fer_engine *e, enum fer_method m)
{
	(void)open_all(e, m, (struct imb_jobs){e->list[m], NULL}, e->n[m]);
}

bool fer_imb_aead_open_run(struct fer_engine *e, struct fer_job *first, unsigned n)
{
	return open_all(e, first->suite->method, (struct imb_jobs){NULL, first}, n);
}
