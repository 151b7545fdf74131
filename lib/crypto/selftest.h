// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Known answers that an engine is asked for when it is opened: what does not give them on this
// machine is not used.  Private to the engine and its tests.

#include "crypto/engine.h"

#include <stddef.h>

// Packets that differ, at most: of each of four lengths, without and with ESN.
#define SELFTEST_PACKETS 8
#define SELFTEST_PACKET_BYTES 1536

// What a row is asked: keys, and how much of its packets is its own work.
struct selftest_question {
	struct fer_suite suite[2]; // without and with ESN; a cipher has an HMAC beside it
	uint8_t key[FER_MAX_KEY_BYTES];
	enum fer_method method;
	uint8_t n_packets; // the shorter half for what is slow, and has one code for all lengths
	uint8_t not_judged_bytes; // at the end: the ICV of that HMAC
};

void fer_selftest_ask(struct selftest_question *q, const struct fer_algo *row);

// Writes packet i as it is before it is sealed, IV included; returns its length.
uint32_t fer_selftest_packet(const struct selftest_question *q, unsigned i, uint8_t *packet);

// One number for all packets of a row, sealed, one behind the other: FNV-1a, from this on.
#define SELFTEST_DIGEST UINT64_C(0xcbf29ce484222325)
uint64_t fer_selftest_digest(uint64_t digest, const uint8_t *bytes, size_t n);

// That number as it should be; 0: not known, which no engine can give.
uint64_t fer_selftest_answer(const struct fer_algo *row);

// Asks for all rows.  0 with *failed set, bit i for fer_algo_row(i); or -ENOMEM.
__attribute__((warn_unused_result)) int fer_selftest_run(struct fer_engine *e, uint64_t *failed);
