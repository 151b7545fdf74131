// SPDX-License-Identifier: BSD-3-Clause
#include "conf/index.h"

#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_SLOTS 64
#define LONGEST 128

int fer_index_init(struct fer_index *ix)
{
	*ix = (struct fer_index){0};
	return getrandom(ix->seed, sizeof(ix->seed), 0) == sizeof(ix->seed) ? 0 : -EIO;
}

void fer_index_fini(struct fer_index *ix)
{
	free(ix->slots);
	fer_secret_wipe(ix, sizeof(*ix));
}

// Half of SHA-256: two things with the same fingerprint have the same bytes.
static void fingerprint(const struct fer_index *ix, const void *bytes, size_t len, uint64_t to[2])
{
	uint8_t message[FER_INDEX_SEED_BYTES + LONGEST];
	uint8_t digest[SHA256_DIGEST_LENGTH];

	assert(len <= LONGEST);
	memcpy(message, ix->seed, sizeof(ix->seed));
	memcpy(message + sizeof(ix->seed), bytes, len);
	SHA256(message, sizeof(ix->seed) + len, digest);
	memcpy(to, digest, 2 * sizeof(to[0]));
	fer_secret_wipe(message, sizeof(message));
}

// The slot with that fingerprint, or the free one where it belongs.
static struct fer_index_slot *slot_of(const struct fer_index *ix, const uint64_t fp[2])
{
	for (uint64_t i = fp[0];; i++) {
		struct fer_index_slot *s = &ix->slots[i & (ix->n_slots - 1)];
		if (s->id == FER_INDEX_NONE ||
			(s->fingerprint[0] == fp[0] && s->fingerprint[1] == fp[1]))
			return s;
	}
}

uint32_t fer_index_find(const struct fer_index *ix, const void *bytes, size_t len)
{
	uint64_t fp[2];

	if (ix->n_slots == 0)
		return FER_INDEX_NONE;
	fingerprint(ix, bytes, len, fp);
	return slot_of(ix, fp)->id;
}

static int grow(struct fer_index *ix)
{
	struct fer_index_slot *old = ix->slots;
	uint32_t n_old = ix->n_slots;
	uint32_t n = n_old == 0 ? FIRST_SLOTS : 2 * n_old;
	struct fer_index_slot *slots = calloc(n, sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		slots[i].id = FER_INDEX_NONE;
	ix->slots = slots;
	ix->n_slots = n;
	for (uint32_t i = 0; i < n_old; i++)
		if (old[i].id != FER_INDEX_NONE)
			*slot_of(ix, old[i].fingerprint) = old[i];
	free(old);
	return 0;
}

int fer_index_put(struct fer_index *ix, const void *bytes, size_t len, uint32_t id, uint32_t *found)
{
	struct fer_index_slot *s;
	uint64_t fp[2];

	if (ix->n_used >= ix->n_slots / 2 && grow(ix) != 0)
		return -ENOMEM;
	fingerprint(ix, bytes, len, fp);
	s = slot_of(ix, fp);
	if (s->id == FER_INDEX_NONE) {
		memcpy(s->fingerprint, fp, sizeof(fp));
		s->id = id;
		ix->n_used++;
	}
	*found = s->id;
	return 0;
}
