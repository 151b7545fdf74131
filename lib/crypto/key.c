// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/key.h"

#include "base/secret.h"
#include "crypto/imb.h"

#include <assert.h>

static size_t whole_lines(size_t bytes)
{
	return (bytes + IMB_LINE_BYTES - 1) / IMB_LINE_BYTES * IMB_LINE_BYTES;
}

size_t fer_key_bytes(const struct fer_suite *s)
{
	size_t cipher = fer_imb_methods[s->method].key_end;
	size_t mac = fer_imb_methods[s->auth_method].key_end;

	return whole_lines(cipher > mac ? cipher : mac);
}

size_t fer_key_bytes_max(void)
{
	return whole_lines(sizeof(struct fer_key));
}

void fer_key_init(struct fer_key *k, struct fer_engine *e, const struct fer_suite *s,
	const uint8_t *encryption_key, const uint8_t *integrity_key)
{
	assert((uintptr_t)k % IMB_LINE_BYTES == 0);
	fer_imb_methods[s->method].expand(e, s, encryption_key, k);
	fer_imb_methods[s->auth_method].expand(e, s, integrity_key, k);
}

void fer_key_fini(struct fer_key *k, const struct fer_suite *s)
{
	fer_secret_wipe(k, fer_key_bytes(s));
}
