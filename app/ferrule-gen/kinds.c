// SPDX-License-Identifier: BSD-3-Clause
#include "kinds.h"

#include "tally.h"

#include <string.h>

#define ESP FER_GEN_NEEDS_ESP
#define TUNNEL FER_GEN_NEEDS_TUNNEL
#define WINDOW FER_GEN_NEEDS_WINDOW
#define POLICY FER_GEN_NEEDS_POLICY
#define POLICIES FER_GEN_NEEDS_POLICIES
#define NO_ESN FER_GEN_NEEDS_NO_ESN

// One bit changes, or a byte is set.
#define FLIP(at, n, bits) .place = FER_GEN_AT_##at, .bytes = (n), .keep = 0xff, .flip = (bits)
#define SET(at, n, value) .place = FER_GEN_AT_##at, .bytes = (n), .keep = 0, .flip = (value)
#define WITH_ESN(v) .verdict_esn = FER_##v

static const struct fer_gen_kind kinds[] = {
	{"sound", "as it should be", FER_OK, .when = FER_GEN_NEVER},
	{"bad_icv", "one bit of the ICV is wrong", FER_BAD_ICV, .when = FER_GEN_SEALED,
		FLIP(ICV, 1, 0x01)},
	{"bad_payload", "one bit of what is protected is wrong", FER_BAD_ICV,
		.when = FER_GEN_SEALED, FLIP(PAYLOAD, 1, 0x80)},
	{"far_ahead", "a number far ahead of the window, which the ICV does not cover", FER_BAD_ICV,
		.when = FER_GEN_SEALED, FLIP(NUMBER, 1, 0x20)},
	{"zero_number", "sequence number 0", FER_REPLAY, .needs = WINDOW | NO_ESN,
		.when = FER_GEN_SEALED, SET(NUMBER, 4, 0)},
	{"replayed", "a packet that was sent before, in the window", FER_REPLAY, .needs = WINDOW,
		.when = FER_GEN_AGAIN},
	{"out_of_window", "a packet that comes when the window has passed it by", FER_REPLAY,
		WITH_ESN(BAD_ICV), .needs = WINDOW, .when = FER_GEN_LATE},
	{"wrong_spi", "an SPI that no association has", FER_NO_SA, .when = FER_GEN_SEALED,
		FLIP(SPI, 1, 0x80)},
	{"truncated", "ends behind the first headers, and its IP header says so", FER_BAD_SYNTAX,
		.when = FER_GEN_CUT, .place = FER_GEN_AT_SPI, .bytes = 8},
	{"bad_ip", "an IP version that there is not", FER_BAD_IP, .when = FER_GEN_SEALED,
		FLIP(IP, 1, 0x10)},
	{"bad_padding", "verified, but its padding is none", FER_BAD_PADDING, .needs = ESP,
		.when = FER_GEN_FRAMED, FLIP(PAD_LENGTH, 1, 0xf0)},
	{"bad_inner", "verified, but what a tunnel carries is no IP packet", FER_BAD_INNER,
		.needs = ESP | TUNNEL, .when = FER_GEN_FRAMED, SET(NEXT_HEADER, 1, 253)},
	{"dummy", "a dummy packet of RFC 4303 section 2.6", FER_DUMMY, .needs = ESP,
		.when = FER_GEN_FRAMED, SET(NEXT_HEADER, 1, 59)},
	{"wrong_selectors", "verified, but from an address that its policy does not take",
		FER_NO_POLICY, .needs = TUNNEL | POLICY, .when = FER_GEN_PLAIN, .keep = 0xff,
		.flip = 0x80},
	{"in_clear", "what should be protected, in the clear", FER_UNPROTECTED, .needs = POLICIES,
		.when = FER_GEN_CLEAR},
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

_Static_assert(N_KINDS <= FER_GEN_KINDS, "a tag names the kind");

unsigned fer_gen_n_kinds(void)
{
	return N_KINDS;
}

const struct fer_gen_kind *fer_gen_kind(unsigned kind)
{
	return &kinds[kind];
}

unsigned fer_gen_kind_find(const char *name)
{
	for (unsigned k = 1; k < N_KINDS; k++)
		if (strcmp(kinds[k].name, name) == 0)
			return k;
	return 0;
}
