// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Expanded keys: round keys, hash powers, HMAC states.  A key is expanded once, in the memory where
// it is used, and wiped there; raw key bytes live nowhere else in the data path.

#include "crypto/algo.h"

#include <stddef.h>
#include <stdint.h>

struct fer_engine;

// The expanded keys of one SA.  Opaque; 64-byte aligned; its size depends on the suite.
struct fer_key;

// Bytes of a struct fer_key for this suite: a multiple of 64.
size_t fer_key_bytes(const struct fer_suite *s);

// The largest fer_key_bytes() of all suites of this build.
size_t fer_key_bytes_max(void);

// Expands raw keys (without salt) into k.  Either may be NULL where the suite has no such key.  The
// engine is any open one of the calling thread.
void fer_key_init(struct fer_key *k, struct fer_engine *e, const struct fer_suite *s,
	const uint8_t *encryption_key, const uint8_t *integrity_key);

// Wipes k.
void fer_key_fini(struct fer_key *k, const struct fer_suite *s);
