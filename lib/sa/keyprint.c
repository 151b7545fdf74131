// SPDX-License-Identifier: BSD-3-Clause
#include "sa/keyprint.h"

#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define OUTBOUND UINT32_MAX // users of a key that an outbound SA has
#define SIPHASH_KEY_BYTES 16

// Open addressing, linear, at most four fifths full; removal shifts back, so there are no
// tombstones.  The prints are as good as random: their upper half says where to begin.
struct slot {
	uint64_t print;                // 0: empty
	uint32_t users;                // inbound SAs, or OUTBOUND
} __attribute__((packed, aligned(4))); // there is one for each SA: 12 bytes in place of 16

struct fer_keyprints {
	struct slot *slots;
	uint32_t n_slots;
	EVP_MAC_CTX *mac;
	uint8_t mac_key[SIPHASH_KEY_BYTES];
};

static bool mac_reset(struct fer_keyprints *k)
{
	size_t bytes = sizeof(uint64_t);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &bytes),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_init(k->mac, k->mac_key, sizeof(k->mac_key), params) == 1;
}

static bool choose_key(struct fer_keyprints *k, const struct fer_keyprints *like)
{
	if (like == NULL)
		return getrandom(k->mac_key, sizeof(k->mac_key), 0) == sizeof(k->mac_key);
	memcpy(k->mac_key, like->mac_key, sizeof(k->mac_key));
	return true;
}

static bool mac_open(struct fer_keyprints *k, const struct fer_keyprints *like)
{
	EVP_MAC *siphash = EVP_MAC_fetch(NULL, "SIPHASH", NULL);

	k->mac = siphash == NULL ? NULL : EVP_MAC_CTX_new(siphash);
	EVP_MAC_free(siphash);
	return k->mac != NULL && choose_key(k, like) && mac_reset(k);
}

static uint32_t slots_for(uint32_t capacity)
{
	return capacity + capacity / 4 + 1;
}

// Visited at random: large pages save a miss each time.
static struct slot *map_slots(uint32_t n)
{
	return fer_secret_map(n * sizeof(struct slot));
}

struct fer_keyprints *fer_keyprints_create(uint32_t capacity, const struct fer_keyprints *like)
{
	struct fer_keyprints *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->n_slots = slots_for(capacity);
	k->slots = map_slots(k->n_slots);
	if (k->slots == NULL || !mac_open(k, like)) {
		fer_keyprints_destroy(k);
		return NULL;
	}
	return k;
}

void fer_keyprints_destroy(struct fer_keyprints *k)
{
	if (k == NULL)
		return;
	EVP_MAC_CTX_free(k->mac);
	fer_secret_unmap_clean(k->slots, k->n_slots * sizeof(k->slots[0]));
	fer_secret_wipe(k->mac_key, sizeof(k->mac_key));
	free(k);
}

uint64_t fer_keyprint(struct fer_keyprints *k, const struct fer_algo *a, const uint8_t *key)
{
	// Whole words only, and a reset behind them: the library is left with no piece of the key.
	// Whose key it is does not count: of one key stream AES-GCM, AES-GMAC and AES-CTR all use
	// blocks.
	uint8_t text[8 + FER_MAX_KEY_BYTES] = {a->key_bytes};
	uint64_t print = 0;
	size_t bytes = 0;

	memcpy(text + 8, key, (size_t)a->key_bytes + a->salt_bytes);
	bool ok = EVP_MAC_update(k->mac, text, sizeof(text)) == 1 &&
		  EVP_MAC_final(k->mac, (uint8_t *)&print, &bytes, sizeof(print)) == 1;
	fer_secret_wipe(text, sizeof(text));
	if (!mac_reset(k) || !ok)
		return 0;
	return print == 0 ? 1 : print;
}

static uint32_t home(const struct fer_keyprints *k, uint64_t print)
{
	return (uint32_t)((print >> 32) * k->n_slots >> 32);
}

static uint32_t after(const struct fer_keyprints *k, uint32_t slot)
{
	return slot + 1 == k->n_slots ? 0 : slot + 1;
}

// The slot that has the print, or the empty one where it belongs.
static uint32_t slot_of(const struct fer_keyprints *k, uint64_t print)
{
	uint32_t slot = home(k, print);

	while (k->slots[slot].print != 0 && k->slots[slot].print != print)
		slot = after(k, slot);
	return slot;
}

int fer_keyprints_reserve(struct fer_keyprints *k, uint32_t capacity)
{
	struct fer_keyprints old = *k;

	if (slots_for(capacity) <= k->n_slots)
		return 0;
	struct slot *slots = map_slots(slots_for(capacity));
	if (slots == NULL)
		return -ENOMEM;
	k->n_slots = slots_for(capacity);
	k->slots = slots;
	for (uint32_t i = 0; i < old.n_slots; i++)
		if (old.slots[i].print != 0)
			slots[slot_of(k, old.slots[i].print)] = old.slots[i];
	fer_secret_unmap_clean(old.slots, old.n_slots * sizeof(old.slots[0]));
	return 0;
}

int fer_keyprints_add(struct fer_keyprints *k, uint64_t print, enum fer_direction direction)
{
	uint32_t slot = slot_of(k, print);

	if (k->slots[slot].print == 0) {
		k->slots[slot].print = print;
		k->slots[slot].users = direction == FER_OUT ? OUTBOUND : 1;
		return 0;
	}
	if (direction == FER_OUT || k->slots[slot].users == OUTBOUND)
		return -ENOTUNIQ;
	k->slots[slot].users++;
	return 0;
}

bool fer_keyprints_has_outbound(const struct fer_keyprints *k, uint64_t print)
{
	const struct slot *s = &k->slots[slot_of(k, print)];

	return s->print != 0 && s->users == OUTBOUND;
}

static uint32_t distance(const struct fer_keyprints *k, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + k->n_slots - from;
}

// Empties a slot and moves those behind it up that would no longer be found.
static void erase(struct fer_keyprints *k, uint32_t hole)
{
	for (uint32_t at = after(k, hole); k->slots[at].print != 0; at = after(k, at)) {
		uint32_t begin = home(k, k->slots[at].print);

		if (distance(k, begin, at) < distance(k, hole, at))
			continue;
		k->slots[hole] = k->slots[at];
		hole = at;
	}
	k->slots[hole] = (struct slot){0};
}

void fer_keyprints_remove(struct fer_keyprints *k, uint64_t print)
{
	uint32_t slot = slot_of(k, print);

	assert(print != 0 && k->slots[slot].print == print);
	if (k->slots[slot].users != OUTBOUND && --k->slots[slot].users > 0)
		return;
	erase(k, slot);
}
