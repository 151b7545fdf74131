// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the integrity value of AH covers of the headers in front of it: RFC 4302 section 3.3.3.1 and
// appendix A.  Fields that routers change count as 0; those whose value on arrival can be told
// beforehand (source routes) count with that value.  Pure: bytes in, bytes out.

#include <stdbool.h>
#include <stdint.h>

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
