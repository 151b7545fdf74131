// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/key.h"

#include "base/secret.h"
#include "crypto/imb.h"

#include <assert.h>
#include <string.h>

#define HMAC_MAX_BLOCK_BYTES 128
#define HMAC_IPAD 0x36
#define HMAC_OPAD 0x5c

static size_t whole_lines(size_t bytes)
{
	return (bytes + IMB_LINE_BYTES - 1) / IMB_LINE_BYTES * IMB_LINE_BYTES;
}

size_t fer_key_bytes(const struct fer_suite *s)
{
	struct fer_key *k;

	if (s->aead)
		return whole_lines(sizeof(k->gcm));
	return whole_lines(s->iv_bytes == 0 ? offsetof(struct fer_key, pair.enc) : sizeof(k->pair));
}

size_t fer_key_bytes_max(void)
{
	return whole_lines(sizeof(struct fer_key));
}

static void expand_aes(struct fer_key *k, IMB_MGR *m, unsigned key_bytes, const uint8_t *key)
{
	const keyexp_t expand[IMB_AES_SIZES] = {m->keyexp_128, m->keyexp_192, m->keyexp_256};

	expand[fer_imb_aes_index(key_bytes)](key, k->pair.enc, k->pair.dec);
}

static void expand_pad(IMB_MGR *m, const struct imb_mac *mac, const uint8_t *key, size_t key_bytes,
	uint8_t pad, uint8_t state[IMB_DIGEST_BYTES])
{
	uint8_t block[HMAC_MAX_BLOCK_BYTES];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < key_bytes; i++)
		block[i] ^= key[i];
	mac->one_block(m, block, state);
	fer_secret_wipe(block, sizeof(block));
}

void fer_key_init(struct fer_key *k, struct fer_engine *e, const struct fer_suite *s,
	const uint8_t *encryption_key, const uint8_t *integrity_key)
{
	assert((uintptr_t)k % IMB_LINE_BYTES == 0);
	if (s->aead) {
		e->gcm[fer_imb_aes_index(s->key_bytes)].expand(encryption_key, &k->gcm);
		return;
	}
	const struct imb_mac *mac = &fer_imb_macs[fer_imb_mac_index(s->auth_method)];

	// Every HMAC of IPsec has a key as long as its digest.
	expand_pad(e->wide, mac, integrity_key, mac->digest_bytes, HMAC_IPAD, k->pair.inner);
	expand_pad(e->wide, mac, integrity_key, mac->digest_bytes, HMAC_OPAD, k->pair.outer);
	if (s->iv_bytes != 0)
		expand_aes(k, e->wide, s->key_bytes, encryption_key);
}

void fer_key_fini(struct fer_key *k, const struct fer_suite *s)
{
	fer_secret_wipe(k, fer_key_bytes(s));
}
