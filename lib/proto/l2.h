// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Ethernet II framing with any number of 802.1Q and 802.1ad tags up to FER_L2_MAX_TAGS.

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define FER_ETHER_HEADER_BYTES 14
#define FER_ETHER_TYPE_OFF 12
#define FER_ETHER_TYPE_IPV4 0x0800
#define FER_ETHER_TYPE_IPV6 0x86dd
#define FER_ETHER_TYPE_VLAN 0x8100
#define FER_ETHER_TYPE_QINQ 0x88a8
#define FER_L2_MAX_TAGS 4

enum fer_link { FER_LINK_ETHERNET, FER_LINK_RAW_IP };

// What stands in front of the network header.
struct fer_l2 {
	uint16_t len;      // bytes in front of it: 14, or more with tags; 0 for raw IP
	uint16_t type_off; // offset of the EtherType that names it; 0 for raw IP
	uint16_t type;     // that EtherType; for raw IP the one that the version asks for, or 0
};

// The EtherType of an IP version.
static inline uint16_t fer_ether_type(uint8_t version)
{
	return version == 4 ? FER_ETHER_TYPE_IPV4 : FER_ETHER_TYPE_IPV6;
}

// fer_l2_parse() of what is no plain Ethernet frame.
__attribute__((warn_unused_result)) bool fer_l2_parse_other(
	enum fer_link link, const uint8_t *frame, uint32_t avail, struct fer_l2 *l2);

// Finds the network header of a frame of which avail bytes can be read.  False when the frame ends
// before it, or has too many tags.
__attribute__((warn_unused_result)) static inline bool fer_l2_parse(
	enum fer_link link, const uint8_t *frame, uint32_t avail, struct fer_l2 *l2)
{
	if (link == FER_LINK_ETHERNET && avail >= FER_ETHER_HEADER_BYTES) {
		uint16_t type = fer_load_be16(frame + FER_ETHER_TYPE_OFF);

		if (type == FER_ETHER_TYPE_IPV4 || type == FER_ETHER_TYPE_IPV6) {
			*l2 = (struct fer_l2){FER_ETHER_HEADER_BYTES, FER_ETHER_TYPE_OFF, type};
			return true;
		}
	}
	return fer_l2_parse_other(link, frame, avail, l2);
}
