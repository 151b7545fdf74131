// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// TCP connections agree on segments that fit through the tunnel, whatever becomes of ICMP: the
// maximum segment size that a SYN announces is lowered to what fits on the way to who announced it
// (RFC 4459 section 3.2).

#include "nic/batch.h"

// Lowers every MSS option of a whole TCP SYN to mss, and corrects the checksum by as much as that
// changes; never raises one.  Reads options as far as they are sound.  Returns whether one changed.
bool fer_mss_clamp(struct rte_mbuf *m, const struct fer_frame *f, uint16_t mss);
