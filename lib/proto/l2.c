// SPDX-License-Identifier: BSD-3-Clause
#include "proto/l2.h"

#define TAG_BYTES 4 // the EtherType that says so, and the tag control information

static bool is_tag(uint16_t type)
{
	return type == FER_ETHER_TYPE_VLAN || type == FER_ETHER_TYPE_QINQ;
}

// The EtherType at type_off, if the frame has one there.
static bool type_at(const uint8_t *frame, uint32_t avail, struct fer_l2 *l2)
{
	struct fer_cursor c = fer_cursor_init(frame, avail);
	const uint8_t *type;

	if (fer_cursor_take(&c, l2->type_off) == NULL)
		return false;
	type = fer_cursor_take(&c, sizeof(uint16_t));
	if (type == NULL)
		return false;
	l2->type = fer_load_be16(type);
	l2->len = l2->type_off + sizeof(uint16_t);
	return true;
}

static bool parse_ethernet(const uint8_t *frame, uint32_t avail, struct fer_l2 *l2)
{
	unsigned n_tags = 0;

	l2->type_off = FER_ETHER_TYPE_OFF;
	if (!type_at(frame, avail, l2))
		return false;
	for (; is_tag(l2->type); n_tags++) {
		l2->type_off += TAG_BYTES;
		if (n_tags == FER_L2_MAX_TAGS || !type_at(frame, avail, l2))
			return false;
	}
	return true;
}

static bool parse_raw_ip(const uint8_t *packet, uint32_t avail, struct fer_l2 *l2)
{
	if (avail == 0)
		return false;
	uint8_t version = packet[0] >> 4;

	l2->len = l2->type_off = 0;
	l2->type = version == 4 || version == 6 ? fer_ether_type(version) : 0;
	return true;
}

bool fer_l2_parse_other(enum fer_link link, const uint8_t *frame, uint32_t avail, struct fer_l2 *l2)
{
	if (link == FER_LINK_RAW_IP)
		return parse_raw_ip(frame, avail, l2);
	return parse_ethernet(frame, avail, l2);
}
