// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Send requests of a host of mode oob: a frame behind its shim (nic/shim.h), with words, sound and
// spoilt.

#include "nic/oob.h"
#include "rng.h"

// Writes the request; returns how long it is.
//   cookie  comes back in the completion
uint32_t words_put(uint8_t *to, const struct fer_oob *words, uint64_t cookie, const uint8_t *frame,
	uint32_t len);

// What the host told with the request, from its completion.
uint64_t words_cookie(const uint8_t *completion);

// Changes one thing in a request, which stays one with that cookie: what its words name or ask for,
// where headers are said to be, the shim's own record, or the frame behind it.
//   handles  that are there, and some that are not
//   before   the request in front of it; NULL: it is the first
void words_spoil(struct rng *r, const uint64_t handles[], unsigned n, const uint8_t *before,
	uint8_t *bytes, uint32_t *len);
