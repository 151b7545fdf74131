// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Sizes: what fits through the SAs of a packet and through the port it leaves by (RFC 4301 section
// 8), judged before a packet costs a number.
//
// On the way out a packet that is too big is cut into fragments once it is protected
// (host/fragment.h), if its sender allowed that and the outer header does: IPv4 without DF, also
// what a policy lets by.  Else it ends in FER_TOO_BIG, and its sender is told the size that
// fits.  An IPv6 packet of up to 1280 bytes is always carried, in fragments if need be, because no
// sender makes smaller ones (RFC 2473 section 7.1).
// On the way in what is too big for the host's port goes the same way, but nobody is told: the
// sender is behind the tunnel.

#include "nic/batch.h"
#include "proto/ipsec.h"

#define FER_MTU_ANY UINT32_MAX
#define FER_IPV6_MIN_MTU 1280

struct fer_sa_table;

// Longest IP packet that outbound SAs (innermost first, 0: none) make into one of up to mtu bytes.
//   header_len  of the packet, in front of the place where transport mode protects
// FER_MTU_ANY when one of them lives no more; 0 when nothing fits.
uint32_t fer_mtu_effective(const struct fer_sa_table *sas, const uint64_t handle[2],
	uint32_t header_len, uint32_t mtu);
