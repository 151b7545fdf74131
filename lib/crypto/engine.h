// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The crypto engine of one thread.  It works on bursts: a whole burst of ESP and AH packets, of any
// mix of associations, in one call, so that independent packets can be computed side by side.
//
// It knows the layout of an ESP packet (SPI, sequence number, IV, ciphertext, ICV) and nothing in
// front of it.  Of AH it knows no layout at all: it authenticates a run of bytes as they stand, so
// the caller has zeroed what RFC 4302 section 3.3.3 says is to be zero while the ICV is computed,
// the ICV itself included, and puts it back afterwards.  Every buffer is contiguous and private to
// the caller.

#include "base/verdict.h"
#include "crypto/algo.h"
#include "crypto/iv.h"
#include "crypto/key.h"

#include <stdbool.h>
#include <stdint.h>

#define FER_ENGINE_BURST 256 // jobs in one call at most

// One packet.
struct fer_job {
	uint8_t *start; // ESP: the SPI; AH: the IP header
	// AH only.  Seal: where the ICV goes, between start and start + len.  Open: the ICV as it
	// was received, in memory of the caller's.  With AES-GMAC the 8 bytes of the IV stand in
	// front of it in both cases, and in the packet, where they are authenticated like the rest.
	uint8_t *icv;
	const struct fer_suite *suite;
	const struct fer_key *key;
	uint64_t iv;     // seal: the IV of a counter mode, unique under its key; else unused
	uint32_t len;    // from start to the end of the ICV (ESP), of the packet (AH)
	uint32_t seq_hi; // high half of the sequence number; used with ESN
	uint8_t verdict; // set by the engine, enum fer_verdict
};

// Opens an engine: picks the code for this CPU, seeds its generator of CBC IVs, and asks every row
// of the table for known answers, which takes a few milliseconds.  Returns NULL with *error one of:
// -ENOMEM, -ENOTSUP (the CPU or the library lacks something), -EBADMSG (no row gives its answers),
// or what ivs returned.
__attribute__((warn_unused_result)) struct fer_engine *fer_engine_open(
	const struct fer_iv_source *ivs, int *error);

// Why an engine was not opened, for people.
const char *fer_engine_error(int error);

// Wipes what the engine remembers of keys and data, and frees it.  NULL does nothing.
void fer_engine_close(struct fer_engine *e);

// The rows that did not give their known answers, as a set: they are not to be used.
uint64_t fer_engine_lacks(const struct fer_engine *e);

// The instruction set in use ("AVX512", "AVX2", "SSE"), for people.
const char *fer_engine_arch(const struct fer_engine *e);

// Seals n packets in place: writes the IV, encrypts, writes the ICV.  len covers complete rooms for
// all of them, and the plaintext is a multiple of the suite's alignment: the caller framed it.
// With ESN, 4 bytes behind an AH packet are writable too; they come back as they were.
// Each job's verdict is FER_OK or FER_CRYPTO_ERROR; a packet with the latter must not be sent.
// Returns whether all are FER_OK.
bool fer_engine_seal(struct fer_engine *e, struct fer_job *jobs, unsigned n);

// Opens n packets in place: verifies, and decrypts only what verified, or what another layer has to
// verify before (fer_suite_init_bare()).  Verdicts: FER_OK;
// FER_BAD_SYNTAX, len is none that the suite can make; FER_BAD_ICV; FER_CRYPTO_ERROR.  A packet
// that is not FER_OK is byte for byte as it was.  Tags are compared in constant time.  Of an AH
// packet nothing is changed; with ESN, the 4 bytes behind it are as for fer_engine_seal().
// Returns whether all are FER_OK.
bool fer_engine_open_burst(struct fer_engine *e, struct fer_job *jobs, unsigned n);

// Makes a packet of ESP that was opened, and has not been changed since, what it was before, byte
// for byte: its IV and its ICV still stand in it.
void fer_engine_close_again(struct fer_engine *e, struct fer_job *job);
