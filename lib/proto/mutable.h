// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the integrity value of AH covers of the headers in front of it: RFC 4302 section 3.3.3.1 and
// appendix A.  Fields that routers change count as 0; those whose value on arrival can be told
// beforehand (source routes) count with that value.  Pure: bytes in, bytes out.

#include "proto/ip.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Rewrites n bytes at ip: a parsed IP header with all its options or extension headers, up to the
// AH header.  Headers that have arrived keep what has arrived, so both ends call this alike.
//   IPv4    0: type of service, flags and fragment offset, TTL, checksum, and every option but end,
//           no-operation, security (three kinds), router alert and multi-destination delivery.
//           The destination is the last one of a source route that is not used up.
//   IPv6    0: traffic class, flow label, hop limit, and the data of hop-by-hop and destination
//           options that say they may change.  A routing header of type 0 or 2 is used up.
//           Fragment headers (of atomic fragments) and routing headers that are used up stay.
// False, with the bytes in no defined state: an option or a route overruns its header, or nobody
// can tell the route's end (another type of routing header that is not used up).
__attribute__((warn_unused_result)) bool fer_mutable_mask(uint8_t *ip, uint32_t n);

// What fer_mutable_mask() changes of a header that is plain lies in its first bytes.
struct fer_mutable_head {
	uint64_t first;
	uint32_t next;
};

// Is that an IP header without options or extension headers?  At least one byte can be read.
static inline bool fer_mutable_is_plain(const uint8_t *ip, uint32_t n)
{
	return (n == FER_IPV4_HEADER_BYTES && ip[0] == 0x45) ||
	       (n == FER_IPV6_HEADER_BYTES && ip[0] >> 4 == 6);
}

// Rewrites such a header as fer_mutable_mask() does; returns its first bytes as they were.
static inline struct fer_mutable_head fer_mutable_mask_plain(uint8_t *ip)
{
	static const uint8_t kept[2][sizeof(uint64_t) + sizeof(uint32_t)] = {
		{0xff, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, 0, 0},
		{0xf0, 0, 0, 0, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff},
	};
	const uint8_t *keep = kept[ip[0] >> 4 == 6];
	struct fer_mutable_head was, mask;

	memcpy(&was.first, ip, sizeof(was.first));
	memcpy(&was.next, ip + sizeof(was.first), sizeof(was.next));
	memcpy(&mask.first, keep, sizeof(mask.first));
	memcpy(&mask.next, keep + sizeof(mask.first), sizeof(mask.next));
	mask.first &= was.first;
	mask.next &= was.next;
	memcpy(ip, &mask.first, sizeof(mask.first));
	memcpy(ip + sizeof(mask.first), &mask.next, sizeof(mask.next));
	return was;
}

// Puts them back.
static inline void fer_mutable_restore_plain(uint8_t *ip, const struct fer_mutable_head *was)
{
	memcpy(ip, &was->first, sizeof(was->first));
	memcpy(ip + sizeof(was->first), &was->next, sizeof(was->next));
}
