// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Numbered things found by a few bytes of theirs: has an earlier one the same name, SPI or key?
// What is kept of the bytes is a fingerprint under a secret seed, so that keys leave no copy and
// nobody can choose names that collide.

#include <stddef.h>
#include <stdint.h>

#define FER_INDEX_NONE UINT32_MAX
#define FER_INDEX_SEED_BYTES 32

struct fer_index_slot {
	uint64_t fingerprint[2];
	uint32_t id;
};

struct fer_index {
	struct fer_index_slot *slots;
	uint32_t n_slots; // a power of two, or 0
	uint32_t n_used;
	uint8_t seed[FER_INDEX_SEED_BYTES];
};

// Returns 0, or -EIO when there is no randomness.
__attribute__((warn_unused_result)) int fer_index_init(struct fer_index *ix);
void fer_index_fini(struct fer_index *ix);

// The thing with these bytes, or FER_INDEX_NONE.
uint32_t fer_index_find(const struct fer_index *ix, const void *bytes, size_t len);

// Finds the thing with these bytes, or makes id the one that has them.
// Returns 0 with *found set, to id when there was none before; or -ENOMEM.
__attribute__((warn_unused_result)) int fer_index_put(
	struct fer_index *ix, const void *bytes, size_t len, uint32_t id, uint32_t *found);
