// SPDX-License-Identifier: BSD-3-Clause
// AES-CCM in ESP, RFC 4309: the nonce is salt and IV, 11 bytes, the additional data SPI and
// sequence number.
#include "crypto/imb.h"

#include "base/secret.h"

#define NONCE_BYTES 11

// The salt is a byte shorter than that of other modes; the fourth byte of a suite's salt is 0.
static imb_block nonce_of(const struct fer_job *j)
{
	uint64_t iv_be = fer_imb_get_counter(j);
	uint32_t salt;

	memcpy(&salt, j->suite->salt, sizeof(salt));
	return (imb_block){salt | iv_be << 24, iv_be >> 40};
}

// Describes a job to the library; the tag goes to e->digest.
static void fill(struct fer_engine *e, unsigned i, const struct fer_job *j, bool seal)
{
	const struct fer_suite *s = j->suite;

	e->nonce[i] = nonce_of(j);
	e->aad[i] = fer_imb_aad(j);
	e->ccm_jobs[i] = (IMB_JOB){
		.enc_keys = j->key->pair.enc,
		.dec_keys = j->key->pair.enc,
		.key_len_in_bytes = s->key_bytes,
		.src = fer_imb_text(j),
		.dst = fer_imb_text(j),
		.msg_len_to_cipher_in_bytes = fer_imb_text_bytes(j),
		.msg_len_to_hash_in_bytes = fer_imb_text_bytes(j),
		.iv = (const uint8_t *)&e->nonce[i],
		.iv_len_in_bytes = NONCE_BYTES,
		.auth_tag_output = e->digest[i],
		.auth_tag_output_len_in_bytes = s->icv_bytes,
		.u.CCM = {&e->aad[i], fer_imb_aad_bytes(j)},
		.cipher_mode = IMB_CIPHER_CCM,
		.cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
		.hash_alg = IMB_AUTH_AES_CCM,
		.chain_order = seal ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH,
	};
}

// Runs n jobs, leaving the tags in e->digest.
static void run(struct fer_engine *e, struct fer_job *const *job, unsigned n, bool seal)
{
	for (unsigned i = 0; i < n; i++)
		fill(e, i, job[i], seal);
	fer_imb_jobs_run(e, e->ccm_jobs, n);
	for (unsigned i = 0; i < n; i++)
		if (e->ccm_jobs[i].status != IMB_STATUS_COMPLETED)
			job[i]->verdict = FER_CRYPTO_ERROR;
}

static void seal_chunk(struct fer_engine *e, struct fer_job *const *job, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fer_imb_put_counter(job[i]);
	run(e, job, n, true);
	for (unsigned i = 0; i < n; i++)
		memcpy(fer_imb_icv(job[i]), e->digest[i], job[i]->suite->icv_bytes);
}

// What was taken for ciphertext, and is none, comes back when its "plaintext" is encrypted.
static void open_chunk(struct fer_engine *e, struct fer_job *const *job, unsigned n)
{
	struct fer_job *bad[IMB_MAX_BURST_SIZE];
	unsigned n_bad = 0;

	run(e, job, n, false);
	for (unsigned i = 0; i < n; i++) {
		const struct fer_suite *s = job[i]->suite;

		if (fer_secret_equal_icv(e->digest[i], fer_imb_icv(job[i]), s->icv_bytes))
			continue;
		if (job[i]->verdict == FER_OK)
			job[i]->verdict = FER_BAD_ICV;
		bad[n_bad++] = job[i];
	}
	run(e, bad, n_bad, true);
}

void fer_imb_ccm_seal(struct fer_engine *e, enum fer_method m)
{
	for (unsigned at = 0; at < e->n[m]; at += IMB_MAX_BURST_SIZE)
		seal_chunk(e, e->list[m] + at, fer_imb_chunk(e->n[m], at));
}

void fer_imb_ccm_open(struct fer_engine *e, enum fer_method m)
{
	for (unsigned at = 0; at < e->n[m]; at += IMB_MAX_BURST_SIZE)
		open_chunk(e, e->list[m] + at, fer_imb_chunk(e->n[m], at));
}
