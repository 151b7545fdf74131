// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Inbound ESP associations that never change, in a box and for the oracle: tunnels and transport
// mode, both IP versions, AEAD, cipher and HMAC, and no encryption.  They have no window, so
// numbers may repeat.

#include "box.h"
#include "oracle/ref.h"

#define FIXED_SAS 7

struct box *fixed_open(void);

const struct ref_sa *fixed_sa(unsigned i);

// Puts a header in front of an ESP packet: that of the tunnel, or that of the hosts.
//   more  with IPv4 options, or an IPv6 extension header
void fixed_wire(const struct ref_sa *sa, bool more, uint8_t tos, const struct ref_packet *esp,
	struct ref_packet *wire);

// Makes the padding of a text, whose trailer stands, 1, 2, 3, ... as far as the pad length says:
// where that is beyond the text, over IV and sequence number as well, which are the sender's, too.
void fixed_padding(const struct ref_sa *sa, struct ref_packet *text, struct ref_choice *c);
