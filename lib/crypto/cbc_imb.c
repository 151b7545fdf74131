// SPDX-License-Identifier: BSD-3-Clause
// AES-CBC in ESP, RFC 3602: one burst of the library per key size and direction, over all
// associations.
#include "crypto/imb.h"

#include "base/secret.h"

#include <string.h>

#define IV_BYTES 16
#define TEXT_OFF (FER_ESP_HEADER_BYTES + IV_BYTES)

void fer_imb_cbc_init(struct fer_engine *e, const uint8_t iv_key[FER_IV_KEY_BYTES])
{
	uint8_t unused[IMB_AES_ROUND_KEYS_BYTES];

	_Static_assert(FER_IV_KEY_BYTES == IMB_KEY_128_BYTES, "IVs are made with AES-128");
	IMB_AES_KEYEXP_128(e->wide, iv_key, e->iv_keys, unused);
	fer_secret_wipe(unused, sizeof(unused));
	for (unsigned i = 0; i < IMB_MAX_BURST_SIZE; i++) {
		e->cbc_jobs[i].cipher_mode = IMB_CIPHER_CBC;
		e->cbc_jobs[i].iv_len_in_bytes = IV_BYTES;
	}
}

// Encrypts zeroes in counter mode: the key stream is AES of (refill number, index).
static bool refill(struct fer_engine *e)
{
	uint64_t start[2] = {e->iv_refills++, 0};
	IMB_JOB job = {
		.enc_keys = e->iv_keys,
		.dec_keys = e->iv_keys,
		.key_len_in_bytes = IMB_KEY_128_BYTES,
		.src = e->iv_pool[0],
		.dst = e->iv_pool[0],
		.msg_len_to_cipher_in_bytes = sizeof(e->iv_pool),
		.iv = (const uint8_t *)start,
		.iv_len_in_bytes = sizeof(start),
		.cipher_mode = IMB_CIPHER_CNTR,
		.cipher_direction = IMB_DIR_ENCRYPT,
	};

	memset(e->iv_pool, 0, sizeof(e->iv_pool));
	if (IMB_SUBMIT_CIPHER_BURST_NOCHECK(
		    e->wide, &job, 1, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) != 1)
		return false;
	e->iv_left = IMB_IV_POOL;
	return true;
}

bool fer_imb_cbc_iv(struct fer_engine *e, uint8_t *iv)
{
	if (e->iv_left == 0 && !refill(e))
		return false;
	memcpy(iv, e->iv_pool[--e->iv_left], IV_BYTES);
	return true;
}

static void fill(IMB_JOB *to, const struct fer_job *j)
{
	uint8_t *text = j->start + TEXT_OFF;

	to->enc_keys = j->key->pair.enc;
	to->dec_keys = j->key->pair.dec;
	to->key_len_in_bytes = j->suite->key_bytes;
	to->src = text;
	to->dst = text;
	to->msg_len_to_cipher_in_bytes = j->len - TEXT_OFF - j->suite->icv_bytes;
	to->iv = text - IV_BYTES;
	to->status = IMB_STATUS_BEING_PROCESSED;
}

// Fetches the round keys of one direction.
static void fetch_key(const uint8_t *round_keys, unsigned key_bytes)
{
	unsigned bytes = (key_bytes / 4 + 7) * 16;

	for (unsigned at = 0; at < bytes; at += IMB_LINE_BYTES)
		fer_imb_fetch_line(round_keys + at);
}

static void run(struct fer_engine *e, struct fer_job *const *job, unsigned n,
	IMB_CIPHER_DIRECTION direction)
{
	for (unsigned i = 0; i < n; i++) {
		const struct fer_key *key = job[i]->key;

		if (i == 0 || key != job[i - 1]->key)
			fetch_key(direction == IMB_DIR_ENCRYPT ? key->pair.enc : key->pair.dec,
				job[i]->suite->key_bytes);
		fill(&e->cbc_jobs[i], job[i]);
		e->cbc_jobs[i].cipher_direction = direction;
	}
	IMB_SUBMIT_CIPHER_BURST_NOCHECK(e->wide, e->cbc_jobs, n, IMB_CIPHER_CBC, direction,
		(IMB_KEY_SIZE_BYTES)job[0]->suite->key_bytes);
	for (unsigned i = 0; i < n; i++)
		if ((e->cbc_jobs[i].status & IMB_STATUS_COMPLETED_CIPHER) == 0)
			job[i]->verdict = FER_CRYPTO_ERROR;
}

void fer_imb_cbc_run(struct fer_engine *e, IMB_CIPHER_DIRECTION direction)
{
	for (unsigned size = 0; size < IMB_AES_SIZES; size++) {
		const struct imb_list *l = &e->cbc[size];

		for (unsigned at = 0; at < l->n; at += IMB_MAX_BURST_SIZE) {
			unsigned left = l->n - at;

			run(e, l->job + at, left < IMB_MAX_BURST_SIZE ? left : IMB_MAX_BURST_SIZE,
				direction);
		}
	}
}
