// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// ESP, and the ICV of AH, over OpenSSL, one packet at a time, written from the RFCs and from
// nothing of the engine: what the tests of the engine compare with.  Not part of any program.

#include "crypto/algo.h"

#include <stdbool.h>
#include <stdint.h>

struct oracle_sa {
	struct fer_suite suite; // with salt and esn
	uint8_t encryption_key[FER_MAX_KEY_BYTES];
	uint8_t integrity_key[FER_MAX_KEY_BYTES];
};

// Encrypts in place with the IV that stands in the packet, and writes the ICV.
void oracle_seal(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, uint32_t seq_hi);

// Verifies and decrypts in place.  Where it does not verify the packet is left as it is.
bool oracle_open(const struct oracle_sa *sa, uint8_t *esp, uint32_t len, uint32_t seq_hi);

// Computes the ICV of AH over len bytes, in which everything that must be zero is zero.  iv: of
// AES-GMAC, as it stands among them.
void oracle_ah_icv(const struct oracle_sa *sa, const uint8_t *start, uint32_t len, uint32_t seq_hi,
	const uint8_t *iv, uint8_t *icv);
