// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The destinations of inbound SAs.  An address stays in the set for a while after its last SA went,
// so that late packets are still known to be ours.
//
// Chains of entries under an array of heads.  Readers follow them without locks; an entry taken out
// keeps its contents until the readers' grace period is over.

#include "proto/ip.h"

#include <stdbool.h>
#include <stdint.h>

#define FER_ENDPOINT_LINGER_NS UINT64_C(60000000000)

struct rte_rcu_qsbr;

struct fer_endpoints;

// The control thread alone may call the functions of this block.

// Room for the addresses of capacity SAs; memory is used as addresses come.  qsbr: the readers,
// NULL for none.  NULL without memory.
__attribute__((warn_unused_result)) struct fer_endpoints *fer_endpoints_create(
	uint32_t capacity, struct rte_rcu_qsbr *qsbr);

// No reader may be looking.  NULL does nothing.
void fer_endpoints_destroy(struct fer_endpoints *e);

// One SA more, or one less, has this destination.  get: 0, or -ENOSPC without memory, or when
// removed addresses that readers may still know take all room.
__attribute__((warn_unused_result)) int fer_endpoints_get(
	struct fer_endpoints *e, const struct fer_addr *a);
void fer_endpoints_put(struct fer_endpoints *e, const struct fer_addr *a, uint64_t now_ns);

// Takes out the addresses that were without SA for FER_ENDPOINT_LINGER_NS.
void fer_endpoints_expire(struct fer_endpoints *e, uint64_t now_ns);

// Any thread between two quiescent states: is a in the set?
bool fer_endpoints_has(const struct fer_endpoints *e, const struct fer_addr *a);
