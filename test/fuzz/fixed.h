// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Inbound ESP associations that never change, in a box and for the oracle: tunnels and transport
// mode, both IP versions, AEAD, cipher and HMAC, and no encryption.  They have no window, so
// numbers may repeat.

#include "box.h"
#include "oracle/ref.h"

#define FIXED_SAS 12

struct box *fixed_open(void);

const struct ref_sa *fixed_sa(unsigned i);

// Is it there?  What this version does not support is left out.
bool fixed_has(unsigned i);

// What a sender chooses for its next packet.
struct ref_choice fixed_choice(const struct ref_sa *sa);

// Puts in front of an ESP packet what goes there: UDP, AH, and the header of the tunnel or that of
// the hosts.
//   more  with IPv4 options, or an IPv6 extension header
void fixed_wire(const struct ref_sa *sa, const struct ref_choice *c, bool more, uint8_t tos,
	const struct ref_packet *esp, struct ref_packet *wire);

// Makes the padding of a text, whose trailer stands, 1, 2, 3, ... as far as the pad length says:
// where that is beyond the text, over IV and sequence number as well, which are the sender's, too
// (the number not where there is a window).
void fixed_padding(const struct ref_sa *sa, struct ref_packet *text, struct ref_choice *c);
