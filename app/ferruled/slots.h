// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The offloads beside IPsec, for which an external host asks by slots 0 and 2: checksums and large
// sends.  What of them is offered, and what is in force; contract sections 2.13, 5.2 and 5.5.

#include "conf/keywords.h"
#include "ctl/ndis.h"

#include <stdbool.h>

// Adds them to what the hardware can do.
//   max_bytes  of data that a large send may have; 0: there are none
void fer_slots_offer(struct ndis_offload *hardware, uint32_t max_bytes);

// What the settings leave of them.  A family is an offload's when it is not switched off.
struct fer_slots_setting {
	const struct fer_keywords *keywords;
	bool is_off[2]; // IPv4, IPv6: OID_OFFLOAD_ENCAPSULATION said so
	bool is_on[2];  // or the opposite: receiving has begun
	bool has_ipsec; // IPsec is in force
};

// Takes out of *now what is not in force.  With a large send goes that its checksums can be made:
// without them there are none.
void fer_slots_restrict(struct ndis_offload *now, const struct fer_slots_setting *s);

// The bits FER_NIC_ (nic/nic.h) for what is in force.
uint32_t fer_slots_may(const struct ndis_offload *hardware, const struct fer_slots_setting *s);
