// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the offload of a pair can do, what is configured, and what is in force: contract sections
// 3.8, 3.9 and 5.  The control thread owns it; workers read what the NIC half may do.

#include "conf/keywords.h"
#include "ctl/ndis.h"

#include <stdatomic.h>
#include <stdbool.h>

struct fer_offload {
	struct ndis_offload able;                        // with all ports
	struct ndis_offload hardware;                    // now, whatever is configured
	bool is_active;                                  // as fer_offload_init() was told
	struct fer_keywords keywords;                    // configured
	struct ndis_offload_encapsulation encapsulation; // in force; a family that was never set
							 // has NDIS_OFFLOAD_SET_NO_CHANGE
	_Atomic uint32_t may; // FER_NIC_ (nic/nic.h): what follows from all that
};

// What of IPsec the hardware, which is this program, can do with so many SAs; with legacy
// algorithms or without, and without the rows of a set that the engine lacks.  What needs integrity
// is offered only where there is some.
struct ndis_offload fer_offload_hardware(uint32_t capacity, bool legacy, uint64_t lacks);

//   is_active  the host half is part of the appliance and has bound already: for an external host
//              receiving begins with its first OID_OFFLOAD_ENCAPSULATION
void fer_offload_init(struct fer_offload *o, const struct ndis_offload *hardware,
	const struct fer_keywords *keywords, bool is_active);

// What both can do: as a team of them has to say.
struct ndis_offload fer_offload_common(const struct ndis_offload *a, const struct ndis_offload *b);

// All ports have a link, or had none yet; or one of them has lost it, and nothing can be done by
// then.  True: that is new, and the hardware capabilities are others now.  SAs stay.
__attribute__((warn_unused_result)) bool fer_offload_set_ports(
	struct fer_offload *o, bool are_there);

// The configuration in force (section 5.4).
struct ndis_offload fer_offload_current(const struct fer_offload *o);

// May an SA with these protocols and this IP version be added?  NULL: yes; else why not, a
// sentence without subject.  The appliance itself has SAs while its ports are gone.
__attribute__((warn_unused_result)) const char *fer_offload_objection(
	const struct fer_offload *o, bool has_ah, bool has_esp, uint8_t version);

// Checks OID_TCP_OFFLOAD_PARAMETERS and says in *keywords what would be configured: members that do
// not say anything, and those that a lower revision lacks (they are 0), stay as they are.  Returns
// an NDIS status, with *why a sentence unless it is SUCCESS.
__attribute__((warn_unused_result)) uint32_t fer_offload_read_parameters(
	const struct fer_offload *o, const struct ndis_offload_parameters *p,
	struct fer_keywords *keywords, const char **why);

// Puts it in force.
void fer_offload_configure(struct fer_offload *o, const struct fer_keywords *keywords);

// OID_OFFLOAD_ENCAPSULATION.  Returns an NDIS status; unless it is SUCCESS, *why is a sentence and
// nothing has changed.  *is_new: it is not what was in force.
__attribute__((warn_unused_result)) uint32_t fer_offload_encapsulate(struct fer_offload *o,
	const struct ndis_offload_encapsulation *e, bool *is_new, const char **why);
