// SPDX-License-Identifier: BSD-3-Clause
#include "proto/frame.h"

#define EXTENSION_UNIT_BYTES 8 // every extension header is this long, or a multiple of it

// The extension headers of IPv6 that the walk passes, one bit each: all their numbers are below 64.
#define EXTENSIONS                                                                                 \
	(1ull << FER_PROTO_HOPOPTS | 1ull << FER_PROTO_ROUTING | 1ull << FER_PROTO_FRAGMENT |      \
		1ull << FER_PROTO_DSTOPTS)

static bool is_extension(uint8_t protocol)
{
	return protocol < 64 && (EXTENSIONS >> protocol & 1) != 0;
}

// The packet ends here: nothing behind it may be taken.  The cursor stands at up_off.
static void set_end(struct fer_frame *f, struct fer_cursor *c, uint32_t end)
{
	uint32_t payload = end - f->up_off;

	f->end = end;
	if (payload < fer_cursor_left(c))
		c->end = c->at + payload;
}

static const uint8_t ports_bytes[256] = {
	[FER_PROTO_TCP] = 4,
	[FER_PROTO_UDP] = 4,
	[FER_PROTO_SCTP] = 4,
	[FER_PROTO_ICMP] = 2,
	[FER_PROTO_ICMPV6] = 2,
};

#define KIND(protocol) [protocol] = (uint64_t)(protocol) << 32
#define WITH_PORTS (UINT64_C(1) << 48 | UINT32_MAX)

const uint64_t fer_frame_kinds[256] = {
	KIND(FER_PROTO_TCP) | WITH_PORTS,
	KIND(FER_PROTO_UDP) | WITH_PORTS | FER_FRAME_KIND_LAYER,
	KIND(FER_PROTO_SCTP) | WITH_PORTS,
	KIND(FER_PROTO_ESP) | FER_FRAME_KIND_LAYER,
	KIND(FER_PROTO_AH) | FER_FRAME_KIND_LAYER,
	KIND(FER_PROTO_IPV4),
	KIND(FER_PROTO_IPV6),
};

// A packet that is too short for ports has none; one that has them where they cannot be read is
// refused, since no policy with ports could be applied to it.
static inline enum fer_verdict parse_ports(struct fer_frame *f, struct fer_cursor *c)
{
	size_t len = ports_bytes[f->protocol];

	if (len == 0 || f->end - f->up_off < len)
		return FER_OK;
	const uint8_t *p = fer_cursor_take(c, len);

	if (p == NULL)
		return FER_BAD_IP;
	f->has_ports = true;
	if (len == 4) {
		f->sport = fer_load_be16(p);
		f->dport = fer_load_be16(p + 2);
	} else {
		f->dport = fer_load_be16(p); // type and code
	}
	return FER_OK;
}

// Notes which part of a datagram the payload at up_off is.
//   offset  where it goes, in bytes
//   max     payload bytes that a datagram with these headers can have
// False when no datagram has such a part (RFC 8200 section 4.5, RFC 791 section 3.2).
static bool set_fragment(struct fer_frame *f, uint32_t offset, bool more, uint32_t max)
{
	uint32_t payload = f->end - f->up_off;

	if (more && (payload == 0 || payload % 8 != 0))
		return false;
	if (offset != 0)
		f->fragment = FER_FRAGMENT | FER_FRAGMENT_LATER;
	else if (more)
		f->fragment = FER_FRAGMENT;
	return offset + payload <= max;
}

static enum fer_verdict parse_ipv4(struct fer_frame *f, struct fer_cursor *c, uint32_t data_len)
{
	const uint8_t *ip = fer_cursor_take(c, FER_IPV4_HEADER_BYTES);

	if (ip == NULL)
		return FER_BAD_IP;
	uint32_t header_len = (ip[0] & 0xf) * 4u, total_len = fer_load_be16(ip + 2);
	uint16_t fragment = fer_load_be16(ip + 6);

	if (header_len < FER_IPV4_HEADER_BYTES || total_len < header_len || total_len > data_len)
		return FER_BAD_IP;
	if (header_len == FER_IPV4_HEADER_BYTES) {
		if (fer_cksum_20(ip) != 0)
			return FER_BAD_IP;
	} else {
		if (fer_cursor_take(c, header_len - FER_IPV4_HEADER_BYTES) == NULL ||
			fer_cksum(ip, header_len) != 0)
			return FER_BAD_IP;
		f->has_options = true;
	}
	f->version = 4;
	f->df = (fragment & 0x4000) != 0;
	f->protocol = ip[FER_FRAME_IPV4_NEXT];
	f->up_off = f->sec_off = (uint16_t)(f->ip_off + header_len);
	f->up_next_off = f->sec_next_off = f->ip_off + FER_FRAME_IPV4_NEXT;
	set_end(f, c, f->ip_off + total_len);
	if ((fragment & 0x3fff) != 0 &&
		!set_fragment(f, (fragment & 0x1fff) * 8u, (fragment & 0x2000) != 0,
			FER_IPV4_MAX_BYTES - header_len))
		return FER_BAD_IP;
	return (f->fragment & FER_FRAGMENT_LATER) != 0 ? FER_OK : parse_ports(f, c);
}

// A second fragment header is refused: then a fragment would have two offsets.
static bool parse_fragment_header(struct fer_frame *f, const uint8_t *header)
{
	uint16_t field = fer_load_be16(header + 2);
	uint16_t off = f->up_next_off;
	uint32_t before = off - (f->ip_off + FER_IPV6_HEADER_BYTES);

	if (f->frag_off != 0)
		return false;
	f->frag_off = off;
	return set_fragment(f, field & 0xfff8, (field & 1) != 0,
		FER_IPV6_MAX_BYTES - FER_IPV6_HEADER_BYTES - before);
}

// Passes the extension header at up_off.
static bool pass_extension(struct fer_frame *f, struct fer_cursor *c)
{
	const uint8_t *header = fer_cursor_take(c, EXTENSION_UNIT_BYTES);
	uint8_t type = f->protocol;
	size_t rest;

	if (header == NULL)
		return false;
	rest = type == FER_PROTO_FRAGMENT ? 0 : header[1] * (size_t)EXTENSION_UNIT_BYTES;
	if (fer_cursor_take(c, rest) == NULL)
		return false;
	f->up_next_off = f->up_off;
	f->up_off += (uint16_t)(EXTENSION_UNIT_BYTES + rest);
	f->protocol = header[0];
	if (type != FER_PROTO_DSTOPTS) { // those go inside, unless a routing header follows
		f->sec_off = f->up_off;
		f->sec_next_off = f->up_next_off;
	}
	return type != FER_PROTO_FRAGMENT || parse_fragment_header(f, header);
}

// Passes all of them.  Hop-by-hop options stand directly behind the IPv6 header or nowhere (RFC
// 8200 section 4.3).
static bool pass_extensions(struct fer_frame *f, struct fer_cursor *c)
{
	unsigned n = 0;

	for (; is_extension(f->protocol) && (f->fragment & FER_FRAGMENT_LATER) == 0; n++) {
		if (n == FER_EXTENSIONS_MAX || (n > 0 && f->protocol == FER_PROTO_HOPOPTS))
			return false;
		if (!pass_extension(f, c))
			return false;
	}
	f->has_options = n > 0;
	return true;
}

// A jumbogram has payload length 0 and hop-by-hop options: here they overrun the packet.
static enum fer_verdict parse_ipv6(struct fer_frame *f, struct fer_cursor *c, uint32_t data_len)
{
	const uint8_t *ip = fer_cursor_take(c, FER_IPV6_HEADER_BYTES);

	if (ip == NULL)
		return FER_BAD_IP;
	uint32_t total_len = FER_IPV6_HEADER_BYTES + (uint32_t)fer_load_be16(ip + 4);

	if (total_len > data_len)
		return FER_BAD_IP;
	f->version = 6;
	f->df = true;
	f->protocol = ip[FER_FRAME_IPV6_NEXT];
	f->up_off = f->sec_off = f->ip_off + FER_IPV6_HEADER_BYTES;
	f->up_next_off = f->sec_next_off = f->ip_off + FER_FRAME_IPV6_NEXT;
	set_end(f, c, f->ip_off + total_len);
	if (!is_extension(f->protocol))
		return parse_ports(f, c);
	if (!pass_extensions(f, c))
		return FER_BAD_IP;
	return (f->fragment & FER_FRAGMENT_LATER) != 0 ? FER_OK : parse_ports(f, c);
}

enum fer_verdict fer_frame_parse_any(
	const uint8_t *bytes, uint32_t avail, uint32_t end, uint16_t ip_off, struct fer_frame *f)
{
	uint32_t room = avail < end ? avail : end;

	if (room > FER_HEADERS_MAX)
		room = FER_HEADERS_MAX;
	if (ip_off >= room)
		return FER_BAD_IP;
	struct fer_cursor c = fer_cursor_init(bytes + ip_off, room - ip_off);

	*f = (struct fer_frame){.ip_off = ip_off};
	switch (bytes[ip_off] >> 4) {
	case 4:
		return parse_ipv4(f, &c, end - ip_off);
	case 6:
		return parse_ipv6(f, &c, end - ip_off);
	default:
		return FER_BAD_IP;
	}
}
