// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What keeps a NAT on the way from forgetting a peer (RFC 3948 section 4).

#include "sa/sa.h"

#include <rte_mbuf.h>

// Makes the datagram of one byte that an outbound SA with ESP in UDP sends while it is idle, to
// where its packets go, with the link header of its last packet.  NULL: no packet has shown that
// header yet, or there is no buffer.
struct rte_mbuf *fer_nat_keepalive(const struct fer_sa *sa, struct rte_mempool *pool);
