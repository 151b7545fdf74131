// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// For tests under ThreadSanitizer, which does not see what DPDK's libraries do: buffers that go
// through rings and pools of our own, whose locks it sees.

// The name of the pools' operations: for the EAL's --mbuf-pool-ops-name.
#define SEEN_POOL_OPS "seen"

// Once the ports of the two pairs are started.
void seen_take_ports(void);

// Puts an mbuf into the ring of that name, or takes one out; NULL: it is empty.
struct rte_mbuf;
void seen_put(const char *ring, struct rte_mbuf *m);
struct rte_mbuf *seen_take(const char *ring);
