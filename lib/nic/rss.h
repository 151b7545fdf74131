// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A hash of the flow inside, for packets that were opened: what their port would have given them
// had they come in the clear.  The port could only hash what is around them.  So that all have one,
// packets that came in the clear get theirs where their port gave none.
//
// Toeplitz over source and destination, and the ports of TCP and UDP packets that are no fragments,
// of the innermost layer in the clear.

#include "nic/batch.h"

#define FER_RSS_KEY_BYTES 40

struct fer_rss {
	uint32_t key[FER_RSS_KEY_BYTES / 4]; // in the order in which the hash takes it
};

//   key  that of the port (rte_eth_dev_rss_hash_conf_get()), or any
void fer_rss_init(struct fer_rss *r, const uint8_t key[FER_RSS_KEY_BYTES]);

// Writes hash.rss, and RTE_MBUF_F_RX_RSS_HASH, of the packets of which a layer was opened, and of
// sound IP packets without protection that have no hash.  Others keep what their port gave them.
void fer_rss_hash(const struct fer_rss *r, struct fer_batch *b);
