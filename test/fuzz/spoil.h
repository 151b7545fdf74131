// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Packets that differ from sound ones in one respect: neighbours that a short cut could take for
// each other, and what nobody should accept.

#include "connection.h"

// Changes one thing in a plain packet: an address, a port, what a policy or a tunnel looks at.
void vary_plain(struct rng *r, struct ref_packet *p);

// Changes one thing in a protected packet: a bit anywhere, its length, IP version, number,
// protocol, or SPI or destination, to those of another association of c.
void spoil_wire(struct rng *r, const struct connection c[], unsigned n, struct ref_packet *p);

// Puts options or an extension header behind the outermost IP header, as nobody on the way does.
void lengthen_front(struct ref_packet *p);

// Any text with any trailer behind a right integrity value, outermost in an ESP packet of sa.
void make_hostile(
	struct rng *r, const struct ref_sa *sa, struct ref_choice *choice, struct ref_packet *wire);

#define MAX_PIECES 3

// Cuts a packet into fragments.  Returns how many; 0: there is nothing to be cut.
unsigned cut_wire(struct rng *r, const struct ref_packet *p, struct ref_packet piece[MAX_PIECES]);
