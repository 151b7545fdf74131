// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The ways in which a packet can be broken: one row each, and what a sound receiver answers.
//
// A row says when the packet is changed, and which bytes of it: the others stay as the data path
// of ferrule made them, so each packet has one thing wrong with it.

#include "base/verdict.h"

#include <stdint.h>

enum fer_gen_when {
	FER_GEN_NEVER,  // it is sound
	FER_GEN_PLAIN,  // before it is framed: another source address
	FER_GEN_FRAMED, // when it is framed, and not sealed yet
	FER_GEN_SEALED, // when it is sealed
	FER_GEN_CUT,    // sealed, and cut behind the bytes that the row says
	FER_GEN_CLEAR,  // it is not protected at all
	FER_GEN_AGAIN,  // a copy of one that was sent lately
	FER_GEN_LATE,   // kept back until the window of its association has passed it by
};

// Which bytes.
enum fer_gen_place {
	FER_GEN_AT_IP,          // the first byte of the outer header
	FER_GEN_AT_SPI,         // of the outermost protection, as the next three
	FER_GEN_AT_NUMBER,      //
	FER_GEN_AT_PAYLOAD,     //
	FER_GEN_AT_ICV,         //
	FER_GEN_AT_PAD_LENGTH,  // of the trailer of ESP, as the next one
	FER_GEN_AT_NEXT_HEADER, //
};

// What an association, or what is said of it, has to have for that.
#define FER_GEN_NEEDS_ESP 0x1
#define FER_GEN_NEEDS_TUNNEL 0x2
#define FER_GEN_NEEDS_WINDOW 0x4
#define FER_GEN_NEEDS_POLICY 0x8    // one that does not take every source address
#define FER_GEN_NEEDS_POLICIES 0x10 // any at all
#define FER_GEN_NEEDS_NO_ESN 0x20   // with it the low half of a number says little

struct fer_gen_kind {
	const char *name;
	const char *text;
	enum fer_verdict verdict;
	enum fer_verdict verdict_esn; // with ESN; FER_OK: the same.  What lies behind the window
				      // there looks as if it lay ahead (RFC 4303 appendix A2)
	uint8_t needs;
	uint8_t when;  // enum fer_gen_when
	uint8_t place; // enum fer_gen_place; of FER_GEN_CUT: behind how many bytes of the headers
	uint8_t bytes; // how many there, from the first on; each becomes (byte & keep) ^ flip
	uint8_t keep;
	uint8_t flip;
};

// 0 is the sound packet.
unsigned fer_gen_n_kinds(void);
const struct fer_gen_kind *fer_gen_kind(unsigned kind);

// 0: there is none of that name.
unsigned fer_gen_kind_find(const char *name);
