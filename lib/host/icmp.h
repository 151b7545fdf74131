// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the appliance says itself: that a packet is too big (RFC 1191 section 4, RFC 4443 section
// 3.2).  It speaks in the name of the packet's destination, since it has no address of its own.

#include "nic/batch.h"

// Makes the answer to a parsed packet: from its destination to its source, MAC addresses swapped
// and tags kept, with as much of it as may be quoted (RFC 1812 section 4.3.2.3: 576 bytes in all;
// RFC 4443 section 3.2: 1280).
//   mtu  longest packet that would have passed
// NULL: it must not be answered (RFC 1122 section 3.2.2, RFC 4443 section 2.4: an ICMP error or
// redirect, a later fragment, to or from more than one host), or there is no buffer.
struct rte_mbuf *fer_icmp_too_big(
	const struct rte_mbuf *m, const struct fer_pkt *p, uint32_t mtu, struct rte_mempool *pool);
