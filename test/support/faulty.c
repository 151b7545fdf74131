// SPDX-License-Identifier: BSD-3-Clause
// For tests: a ferruled on a machine whose crypto is wrong.  The linker puts this in the place of
// the expansion of keys; algorithms that FERRULE_FAULTS names, or all, then work with other keys
// than they were given.  It is built for tests alone and not installed.
#include "crypto/key.h"

#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

extern void __real_fer_key_init(struct fer_key *k, struct fer_engine *e, const struct fer_suite *s,
	const uint8_t *encryption_key, const uint8_t *integrity_key);

static bool is_named(const char *names, const struct fer_algo *row)
{
	const size_t len = strlen(row->name);

	if (strcmp(names, "all") == 0)
		return true;
	for (const char *at = names; (at = strstr(at, row->name)) != NULL; at += len)
		if ((at == names || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

static bool is_faulty(enum fer_algo_role role, unsigned method, unsigned key_bytes)
{
	const char *names = getenv("FERRULE_FAULTS");
	const struct fer_algo *row;

	for (unsigned i = 0; names != NULL && (row = fer_algo_row(i)) != NULL; i++)
		if (row->role == role && row->method == method &&
			(key_bytes == 0 || row->key_bytes == key_bytes) && is_named(names, row))
			return true;
	return false;
}

static size_t integrity_bytes(const struct fer_suite *s)
{
	const struct fer_algo *row;

	for (unsigned i = 0; (row = fer_algo_row(i)) != NULL; i++)
		if (row->role == FER_INTEGRITY && row->method == s->auth_method)
			return row->key_bytes;
	return 0;
}

// The key with another bit, which counts in DES as well.
static const uint8_t *spoilt(const uint8_t *key, size_t bytes, uint8_t room[FER_MAX_KEY_BYTES])
{
	memcpy(room, key, bytes);
	room[0] ^= 2;
	return room;
}

void __wrap_fer_key_init(struct fer_key *k, struct fer_engine *e, const struct fer_suite *s,
	const uint8_t *encryption_key, const uint8_t *integrity_key)
{
	uint8_t encryption[FER_MAX_KEY_BYTES], integrity[FER_MAX_KEY_BYTES];

	if (encryption_key != NULL && is_faulty(FER_ENCRYPTION, s->method, s->key_bytes))
		encryption_key = spoilt(encryption_key, s->key_bytes, encryption);
	if (integrity_key != NULL && is_faulty(FER_INTEGRITY, s->auth_method, 0))
		integrity_key = spoilt(integrity_key, integrity_bytes(s), integrity);
	__real_fer_key_init(k, e, s, encryption_key, integrity_key);
}
