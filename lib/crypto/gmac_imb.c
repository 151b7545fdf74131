// SPDX-License-Identifier: BSD-3-Clause
// AES-GMAC in ESP and AH, RFC 4543: the nonce is salt and IV, and all that is authenticated is
// additional data of an AES-GCM that encrypts nothing, which is one call where AES-GMAC is three.
//
// With extended sequence numbers the high half is authenticated where RFC 4543 section 3.3 has it
// in ESP, in front of the low half, and in AH behind everything (RFC 4302 section 2.5.1), where it
// stands meanwhile.
#include "crypto/imb.h"

#include "base/bytes.h"
#include "base/secret.h"

#define NONCE_BYTES 12
#define SPI_BYTES 4
#define ESN_BYTES 4
#define BLOCK_BYTES 16

void fer_imb_gmac_init(struct fer_engine *e)
{
	const IMB_MGR *m = e->wide;

	e->gmac[0] = (struct imb_gmac){m->gcm128_pre, m->gcm128_enc, m->gmac128_init,
		m->gmac128_update, m->gmac128_finalize};
	e->gmac[1] = (struct imb_gmac){m->gcm192_pre, m->gcm192_enc, m->gmac192_init,
		m->gmac192_update, m->gmac192_finalize};
	e->gmac[2] = (struct imb_gmac){m->gcm256_pre, m->gcm256_enc, m->gmac256_init,
		m->gmac256_update, m->gmac256_finalize};
}

static const struct imb_gmac *gmac_of(const struct fer_engine *e, unsigned method)
{
	return &e->gmac[method - FER_METHOD_AES_GMAC_128];
}

void fer_imb_gmac_expand(
	struct fer_engine *e, const struct fer_suite *s, const uint8_t *key, struct fer_key *k)
{
	gmac_of(e, s->auth_method)->expand(key, &k->gcm);
}

// ESP with ESN: the first block, in which the high half stands, and all that is left.  The library
// is given whole blocks as long as there are any: behind a part of one it reads over the end.
static void add_esp_esn(struct fer_engine *e, const struct imb_gmac *g, const struct fer_job *j)
{
	const struct gcm_key_data *key = &j->key->gcm;
	uint32_t hi_be = htobe32(j->seq_hi);
	uint8_t first[BLOCK_BYTES];

	memcpy(first, j->start, SPI_BYTES);
	memcpy(first + SPI_BYTES, &hi_be, ESN_BYTES);
	memcpy(first + SPI_BYTES + ESN_BYTES, j->start + SPI_BYTES, BLOCK_BYTES - 8);
	g->update(key, &e->gcm_ctx, first, BLOCK_BYTES);
	g->update(key, &e->gcm_ctx, j->start + BLOCK_BYTES - ESN_BYTES,
		fer_imb_covered(j) - (BLOCK_BYTES - ESN_BYTES));
}

static void run_esp_esn(
	struct fer_engine *e, const struct imb_gmac *g, const struct fer_job *j, uint8_t *tag)
{
	const struct gcm_key_data *key = &j->key->gcm;
	imb_block nonce = fer_imb_nonce(j->suite, fer_imb_get_counter(j), 0);

	g->init(key, &e->gcm_ctx, (const uint8_t *)&nonce, NONCE_BYTES);
	add_esp_esn(e, g, j);
	g->finalize(key, &e->gcm_ctx, tag, j->suite->icv_bytes);
}

static void run_at_once(struct fer_engine *e, const struct imb_gmac *g, const struct fer_job *j,
	uint32_t covered, uint8_t *tag)
{
	imb_block nonce = fer_imb_nonce(j->suite, fer_imb_get_counter(j), 0);

	g->encrypt(&j->key->gcm, &e->gcm_ctx, NULL, NULL, 0, (const uint8_t *)&nonce, j->start,
		covered, tag, j->suite->icv_bytes);
}

static void run_ah_esn(
	struct fer_engine *e, const struct imb_gmac *g, const struct fer_job *j, uint8_t *tag)
{
	uint8_t *behind = j->start + fer_imb_covered(j), was[ESN_BYTES];

	memcpy(was, behind, sizeof(was));
	fer_store_be32(behind, j->seq_hi);
	run_at_once(e, g, j, fer_imb_covered(j) + ESN_BYTES, tag);
	memcpy(behind, was, sizeof(was));
}

static inline void run(
	struct fer_engine *e, const struct imb_gmac *g, const struct fer_job *j, uint8_t *tag)
{
	if (!j->suite->esn)
		run_at_once(e, g, j, fer_imb_covered(j), tag);
	else if (j->suite->ah)
		run_ah_esn(e, g, j, tag);
	else
		run_esp_esn(e, g, j, tag);
}

void fer_imb_gmac_seal(struct fer_engine *e, enum fer_method m)
{
	for (unsigned i = 0; i < e->n[m]; i++) {
		const struct fer_job *j = e->list[m][i];

		run(e, gmac_of(e, m), j, fer_imb_icv(j));
	}
}

void fer_imb_gmac_open(struct fer_engine *e, enum fer_method m)
{
	for (unsigned i = 0; i < e->n[m]; i++) {
		struct fer_job *j = e->list[m][i];
		uint8_t tag[16];

		run(e, gmac_of(e, m), j, tag);
		if (!fer_secret_equal_icv(tag, fer_imb_icv(j), j->suite->icv_bytes))
			j->verdict = FER_BAD_ICV;
	}
}
