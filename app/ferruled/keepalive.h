// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// NAT keep-alives (RFC 3948 section 4): where the active SA of a group has ESP in UDP and sent
// nothing for the pair's interval, the control thread makes one, and the worker of the pair's first
// queue sends it.

#include "pairs.h"

#define FER_KEEPALIVES_WAITING 512 // for the worker; what finds no room comes a second later

// 0; -ENOMEM.
__attribute__((warn_unused_result)) int fer_keepalive_open(struct fer_pair *p, uint32_t seconds);

// No worker takes from it any more.
void fer_keepalive_close(struct fer_pair *p);

// An SA has come, or goes.
void fer_keepalive_add(struct fer_pair_sa *sa);
void fer_keepalive_remove(struct fer_pair_sa *sa);

// To be called again and again; now_ns is monotonic.
void fer_keepalive_run(struct fer_pair *p, uint64_t now_ns);
