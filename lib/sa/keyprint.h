// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Which keys of counter modes are in use: fingerprints under a random key of the process, so that
// no raw key is kept to find the same one a second time.  One key may serve one outbound SA, or any
// number of inbound ones; among several tables one outbound SA still, and inbound ones of others.

#include "crypto/algo.h"
#include "proto/ipsec.h"

#include <stdbool.h>
#include <stdint.h>

struct fer_keyprints;

// Room for the keys of capacity SAs.  NULL without memory or random numbers.
//   like  those that are to have the same fingerprint for the same key; NULL: none
__attribute__((warn_unused_result)) struct fer_keyprints *fer_keyprints_create(
	uint32_t capacity, const struct fer_keyprints *like);

// Makes room for the keys of capacity SAs where there is less.  0 or -ENOMEM.
__attribute__((warn_unused_result)) int fer_keyprints_reserve(
	struct fer_keyprints *k, uint32_t capacity);

// NULL does nothing.
void fer_keyprints_destroy(struct fer_keyprints *k);

// The fingerprint of key and salt, which follow one another at key and are as long as the row says;
// 0 when the library fails.
uint64_t fer_keyprint(struct fer_keyprints *k, const struct fer_algo *a, const uint8_t *key);

// 0, or -ENOTUNIQ when this SA or one before it is outbound.
__attribute__((warn_unused_result)) int fer_keyprints_add(
	struct fer_keyprints *k, uint64_t print, enum fer_direction direction);

// Does an outbound SA have the key?
bool fer_keyprints_has_outbound(const struct fer_keyprints *k, uint64_t print);

// Takes back one successful add.
void fer_keyprints_remove(struct fer_keyprints *k, uint64_t print);
