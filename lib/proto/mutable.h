// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the integrity value of AH covers of the headers in front of it: RFC 4302 section 3.3.3.1 and
// appendix A.  Fields that routers change count as 0; those whose value on arrival can be told
// beforehand (source routes) count with that value.  Pure: bytes in, bytes out.

#include "proto/ip.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Options walked in all extension headers in front of AH, because that is done before anything is
// verified; more is a malformed packet (RFC 8504 section 5.3 lets a host stop at 8).  Padding of
// one byte does not count.
#define FER_MUTABLE_OPTIONS_MAX 32

// Rewrites n bytes at ip: a parsed IP header with all its options or extension headers, up to the
// AH header.  Headers that have arrived keep what has arrived, so both ends call this alike.
//   IPv4    0: type of service, flags and fragment offset, TTL, checksum, and every option but end,
//           no-operation, security (three kinds), router alert and multi-destination delivery.
//           The destination is the last one of a source route that is not used up.
//   IPv6    0: traffic class, flow label, hop limit, and the data of hop-by-hop and destination
//           options that say they may change.  A routing header of type 0 or 2 is used up.
//           Fragment headers (of atomic fragments) and routing headers that are used up stay.
// False, with the bytes in no defined state: an option or a route overruns its header, there are
// too many options, or nobody can tell the route's end (another type of routing header that is not
// used up).
__attribute__((warn_unused_result)) bool fer_mutable_mask(uint8_t *ip, uint32_t n);

// What fer_mutable_mask() changes of a header that is plain lies in its first bytes.
typedef uint64_t fer_mutable_head __attribute__((vector_size(16)));

// Is that an IP header without options or extension headers?  At least one byte can be read.
static inline bool fer_mutable_is_plain(const uint8_t *ip, uint32_t n)
{
	return (n == FER_IPV4_HEADER_BYTES && ip[0] == 0x45) ||
	       (n == FER_IPV6_HEADER_BYTES && ip[0] >> 4 == 6);
}

// The bits of it that count; n bytes long, it is of IPv4 or of IPv6.
static inline fer_mutable_head fer_mutable_kept(uint32_t n)
{
	static const uint8_t kept[2][sizeof(fer_mutable_head)] = {
		{0xff, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff},
		{0xf0, 0, 0, 0, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff},
	};
	fer_mutable_head keep;

	memcpy(&keep, kept[n != FER_IPV4_HEADER_BYTES], sizeof(keep));
	return keep;
}

static inline fer_mutable_head fer_mutable_head_of(const uint8_t *ip)
{
	fer_mutable_head head;

	memcpy(&head, ip, sizeof(head));
	return head;
}

// Writes them: what counts of a plain header is what fer_mutable_mask() makes of it.
static inline void fer_mutable_put_head(uint8_t *ip, fer_mutable_head head)
{
	memcpy(ip, &head, sizeof(head));
}
