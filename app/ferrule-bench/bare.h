// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The floor: intel-ipsec-mb alone, called as directly as it can be, on the bytes of packets,
// unchecked where it has such calls.  No framing, no look-up, no answers; what it writes is of no
// use to anybody.  That is AES-GCM, ChaCha20-Poly1305, AES-GMAC, and AES-CBC or NULL with
// HMAC-SHA1, -SHA2-256 and -SHA2-512, and MACs in AH; of the others it is our own engine alone.

#include "crypto/algo.h"
#include "proto/ipsec.h"

#include <stdint.h>

struct fer_bench_bare;

// ESP: from the SPI to the end of the ICV.  AH: from the IP header to the end of the packet.
struct fer_bench_span {
	uint8_t *start;
	uint32_t len;
};

// The calls for that suite in that direction, with one key.  NULL: no memory.
__attribute__((warn_unused_result)) struct fer_bench_bare *fer_bench_bare_open(
	const struct fer_suite *suite, enum fer_direction direction,
	const uint8_t key[FER_MAX_KEY_BYTES]);

void fer_bench_bare_close(struct fer_bench_bare *bare);

// Encrypts and authenticates, or verifies and decrypts, n spans in bursts.
void fer_bench_bare_run(struct fer_bench_bare *bare, const struct fer_bench_span span[], unsigned n,
	unsigned burst);

// Tries on these spans which of the library's instruction sets is the fastest, and stays with it.
void fer_bench_bare_tune(struct fer_bench_bare *bare, const struct fer_bench_span span[],
	unsigned n, unsigned burst);
