// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// For the tests of the codec: one message of every kind, and a way to decode each that says whether
// what comes out stays within what went in.

#include "ctl/codec.h"

struct sample {
	const char *name;
	void (*build)(struct fer_msg_buf *b);
	// Decodes all of it.  Keys that point out of the message abort the test.
	uint32_t (*decode)(const uint8_t *bytes, size_t len, struct fer_msg_fault *fault);
	size_t spare; // bytes at the end that are not needed
};

extern const struct sample samples[];
extern const size_t n_samples;

const struct sample *sample_find(const char *name);

// A copy of bytes whose last one is the last of a page, with a page behind that nobody may touch.
struct guarded {
	uint8_t *bytes;
	void *map;
	size_t map_len;
};

struct guarded guarded_make(const void *bytes, size_t len);
void guarded_free(struct guarded *g);

// An SA for these: AES-GCM over IPv4; AES-CBC with HMAC-SHA-256 and ESN over IPv6; the same with
// HMAC-SHA1 under AH.
struct fer_msg_add sample_add(unsigned which);
struct fer_msg_sa sample_sa(const char *name);
