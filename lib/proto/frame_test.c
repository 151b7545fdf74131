// SPDX-License-Identifier: BSD-3-Clause
// Does one look at the headers find what is there, refuse what cannot be, and stay inside its
// bytes, whatever they are?
#include "proto/frame.h"

#include "base/bytes.h"
#include "proto/cksum.h"
#include "proto/ip.h"
#include "proto/ipsec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define PACKET_BYTES 1280
#define PAGE_BYTES 4096
#define MAX_EXTENSIONS 20
#define MORE4 0x2000
#define DF4 0x4000
#define MORE6 1

// A packet behind ip_off bytes of something else.
struct packet {
	uint8_t bytes[PACKET_BYTES];
	uint32_t len; // all of it, ip_off included
	uint16_t ip_off;
};

struct extension {
	uint8_t type; // 0 is hop-by-hop options, so a list needs a count
	uint8_t units;
	uint16_t fragment;
};

static void fix_checksum(struct packet *p)
{
	uint8_t *ip = p->bytes + p->ip_off;

	fer_store_be16(ip + 10, 0);
	fer_store_be16(ip + 10, fer_cksum(ip, (ip[0] & 0xf) * 4u));
}

// Payload that would be ports 0x1122 and 0x3344, or ICMP type 0x11 and code 0x22.
static void add_payload(struct packet *p, uint32_t len)
{
	static const uint8_t ports[] = {0x11, 0x22, 0x33, 0x44};

	memset(p->bytes + p->len, 0xa5, len);
	memcpy(p->bytes + p->len, ports, len < sizeof(ports) ? len : sizeof(ports));
	p->len += len;
}

static struct packet make_ipv4(uint16_t ip_off, unsigned option_words, uint16_t fragment,
	uint8_t protocol, uint32_t payload)
{
	struct packet p = {.ip_off = ip_off};
	uint8_t *ip = p.bytes + ip_off;

	memset(p.bytes, 0x77, ip_off);
	memset(ip + 20, 1, option_words * 4); // no operation
	ip[0] = (uint8_t)(0x45 + option_words);
	ip[8] = 64;
	ip[9] = protocol;
	fer_store_be32(ip + 12, 0xc0000201);
	fer_store_be32(ip + 16, 0xc6336402);
	fer_store_be16(ip + 6, fragment);
	p.len = ip_off + 20 + option_words * 4;
	add_payload(&p, payload);
	fer_store_be16(ip + 2, (uint16_t)(p.len - ip_off));
	fix_checksum(&p);
	return p;
}

static void add_extension(struct packet *p, const struct extension *e, uint8_t next)
{
	uint8_t *header = p->bytes + p->len;

	memset(header, 0, e->units * 8u);
	header[0] = next;
	header[1] = (uint8_t)(e->units - 1);
	if (e->type == FER_PROTO_FRAGMENT) {
		header[1] = 0xff; // reserved, and no length (RFC 8200 section 4.5)
		fer_store_be16(header + 2, e->fragment);
	}
	p->len += e->units * 8u;
}

static struct packet make_ipv6(
	uint16_t ip_off, const struct extension *e, unsigned n, uint8_t protocol, uint32_t payload)
{
	struct packet p = {.ip_off = ip_off, .len = ip_off + 40u};
	uint8_t *ip = p.bytes + ip_off;

	memset(p.bytes, 0x77, ip_off);
	ip[0] = 0x60;
	ip[6] = n > 0 ? e[0].type : protocol;
	ip[7] = 64;
	for (unsigned i = 0; i < n; i++)
		add_extension(&p, &e[i], i + 1 < n ? e[i + 1].type : protocol);
	add_payload(&p, payload);
	fer_store_be16(ip + 4, (uint16_t)(p.len - ip_off - 40));
	return p;
}

static bool is_same(const struct fer_frame *a, const struct fer_frame *b)
{
	return a->ip_off == b->ip_off && a->up_off == b->up_off &&
	       a->up_next_off == b->up_next_off && a->sec_off == b->sec_off &&
	       a->sec_next_off == b->sec_next_off && a->frag_off == b->frag_off &&
	       a->end == b->end && a->sport == b->sport && a->dport == b->dport &&
	       a->version == b->version && a->protocol == b->protocol &&
	       a->has_ports == b->has_ports && a->has_options == b->has_options && a->df == b->df &&
	       a->fragment == b->fragment;
}

// What is known of plain packets at once is what the walk over any headers finds.
static enum fer_verdict parse_both(
	const uint8_t *bytes, uint32_t avail, uint32_t end, uint16_t ip_off, struct fer_frame *f)
{
	struct fer_frame walked;
	enum fer_verdict v = fer_frame_parse(bytes, avail, end, ip_off, f);

	assert_int_equal(fer_frame_parse_any(bytes, avail, end, ip_off, &walked), v);
	assert_true(v != FER_OK || is_same(f, &walked));
	return v;
}

static enum fer_verdict parse(const struct packet *p, struct fer_frame *f)
{
	return parse_both(p->bytes, p->len, p->len, p->ip_off, f);
}

static void assert_parses(const struct packet *p, struct fer_frame *f)
{
	assert_int_equal(parse(p, f), FER_OK);
	assert_int_equal(f->ip_off, p->ip_off);
	assert_int_equal(f->end, p->len);
}

static void assert_bad(const struct packet *p)
{
	struct fer_frame f;

	assert_int_equal(parse(p, &f), FER_BAD_IP);
}

// RFC 791 section 3.1; padding of the link behind the packet is not part of it.
static void an_ipv4_packet_is_found_wherever_it_begins(void **state)
{
	static const uint16_t offs[] = {0, 14, 18, 98, 900};
	struct fer_frame f;

	(void)state;
	for (size_t i = 0; i < N(offs); i++) {
		struct packet p = make_ipv4(offs[i], 0, 0, FER_PROTO_TCP, 20);
		assert_parses(&p, &f);
		assert_int_equal(f.version, 4);
		assert_int_equal(f.protocol, FER_PROTO_TCP);
		assert_int_equal(f.up_off, offs[i] + 20);
		assert_int_equal(f.up_next_off, offs[i] + 9);
		assert_int_equal(f.sec_off, offs[i] + 20);
		assert_int_equal(f.sec_next_off, offs[i] + 9);
		assert_true(f.has_ports && f.sport == 0x1122 && f.dport == 0x3344);
		assert_false(f.has_options || f.df || f.fragment || f.frag_off);
		uint32_t end = p.len;
		p.len += 6;
		assert_int_equal(parse(&p, &f), FER_OK);
		assert_int_equal(f.end, end);
	}
}

// RFC 791 section 3.1: options; RFC 4303 section 3.1.1: ESP goes behind them.
static void ipv4_options_are_passed(void **state)
{
	struct fer_frame f;

	(void)state;
	for (unsigned words = 1; words <= 10; words++) {
		struct packet p = make_ipv4(14, words, DF4, FER_PROTO_UDP, 8);
		assert_parses(&p, &f);
		assert_int_equal(f.up_off, 34 + words * 4);
		assert_int_equal(f.sec_off, 34 + words * 4);
		assert_int_equal(f.sec_next_off, 14 + 9);
		assert_true(f.has_options && f.df && f.has_ports && f.dport == 0x3344);
	}
}

// RFC 791 section 3.1, RFC 1122 section 3.2.1: what a header says must be possible.
static void an_impossible_ipv4_header_is_refused(void **state)
{
	static const struct {
		uint8_t off, value;
	} cases[] = {
		{0, 0x05}, {0, 0x15}, {0, 0x35}, {0, 0x55}, {0, 0x75}, {0, 0xf5}, // versions
		{0, 0x40}, {0, 0x44},                                             // header length
		{0, 0x4f},                                   // a header longer than the packet
		{3, 0}, {3, 19}, {3, 29}, {2, 1}, {2, 0xff}, // total length; 28 is right
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct packet p = make_ipv4(14, 0, 0, FER_PROTO_UDP, 8);
		p.bytes[14 + cases[i].off] = cases[i].value;
		if (p.bytes[14] >= 0x40 && p.bytes[14] < 0x50)
			fix_checksum(&p);
		assert_bad(&p);
	}
	struct packet p = make_ipv4(14, 2, 0, FER_PROTO_UDP, 8);
	fer_store_be16(p.bytes + 14 + 2, 27); // options that the packet ends in
	fix_checksum(&p);
	assert_bad(&p);
}

// RFC 1122 section 3.2.1.2: the checksum of every header is verified.
static void every_wrong_bit_of_an_ipv4_header_is_refused(void **state)
{
	(void)state;
	for (unsigned words = 0; words <= 10; words += 5) {
		struct packet p = make_ipv4(14, words, 0, FER_PROTO_UDP, 8);
		for (unsigned bit = 0; bit < (20 + words * 4) * 8; bit++) {
			p.bytes[14 + bit / 8] ^= 1 << bit % 8;
			assert_bad(&p);
			p.bytes[14 + bit / 8] ^= 1 << bit % 8;
		}
	}
}

// RFC 791 section 3.2: fragments; the last extent that fits a datagram, and the first that does
// not.
static void ipv4_fragments_are_told_apart(void **state)
{
	static const struct {
		uint16_t field;
		uint32_t payload;
		uint8_t fragment;
		bool ok, has_ports;
	} cases[] = {
		{0, 16, 0, true, true},
		{0x8000, 16, 0, true, true}, // the reserved bit
		{DF4, 16, 0, true, true},
		{MORE4, 16, FER_FRAGMENT, true, true},
		{MORE4 | DF4, 16, FER_FRAGMENT, true, true},
		{MORE4 | 1, 16, FER_FRAGMENT | FER_FRAGMENT_LATER, true, false},
		{1, 16, FER_FRAGMENT | FER_FRAGMENT_LATER, true, false},
		{2, 13, FER_FRAGMENT | FER_FRAGMENT_LATER, true, false},
		{MORE4, 0, 0, false, false},
		{MORE4, 12, 0, false, false},
		{MORE4 | 5, 0, 0, false, false},
		{MORE4 | 5, 15, 0, false, false},
		{0x1fff, 8, 0, false, false},                               // 65,528 + 8
		{8188, 11, FER_FRAGMENT | FER_FRAGMENT_LATER, true, false}, // 20 + 65,504 + 11
		{8188, 12, 0, false, false},                                // 65,536: ping of death
		{8187, 16, FER_FRAGMENT | FER_FRAGMENT_LATER, true, false},
		{MORE4 | 8187, 24, 0, false, false},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct packet p = make_ipv4(14, 0, cases[i].field, FER_PROTO_UDP, cases[i].payload);
		struct fer_frame f;
		if (!cases[i].ok) {
			assert_bad(&p);
			continue;
		}
		assert_parses(&p, &f);
		assert_int_equal(f.fragment, cases[i].fragment);
		assert_int_equal(f.has_ports, cases[i].has_ports);
		assert_int_equal(f.df, (cases[i].field & DF4) != 0);
		assert_int_equal(f.protocol, FER_PROTO_UDP);
		assert_int_equal(f.up_off, 34);
		assert_int_equal(f.frag_off, 0);
	}
}

// RFC 4301 section 4.4.1.1: selectors are taken from the next layer's header where it is there.
static void ports_are_read_where_the_packet_has_them(void **state)
{
	static const struct {
		uint8_t protocol;
		uint32_t need; // 0: never has ports
		uint16_t sport, dport;
	} cases[] = {
		{FER_PROTO_TCP, 4, 0x1122, 0x3344},
		{FER_PROTO_UDP, 4, 0x1122, 0x3344},
		{FER_PROTO_SCTP, 4, 0x1122, 0x3344},
		{FER_PROTO_ICMP, 2, 0, 0x1122},
		{FER_PROTO_ICMPV6, 2, 0, 0x1122},
		{FER_PROTO_ESP, 0, 0, 0},
		{FER_PROTO_AH, 0, 0, 0},
		{FER_PROTO_IPV4, 0, 0, 0},
		{FER_PROTO_IPV6, 0, 0, 0},
		{FER_PROTO_NONE, 0, 0, 0},
		{FER_PROTO_MOBILITY, 0, 0, 0},
		{139, 0, 0, 0}, // HIP
		{140, 0, 0, 0}, // Shim6
		{253, 0, 0, 0},
		{255, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < N(cases) * 12; i++) {
		uint8_t protocol = cases[i / 12].protocol;
		uint32_t payload = i % 6, need = cases[i / 12].need;
		bool has = need != 0 && payload >= need;
		struct packet p = i / 6 % 2 == 0 ? make_ipv4(0, 0, 0, protocol, payload)
						 : make_ipv6(0, NULL, 0, protocol, payload);
		struct fer_frame f;
		p.len += 8; // padding holds no ports
		memset(p.bytes + p.len - 8, 0xff, 8);
		assert_int_equal(parse(&p, &f), FER_OK);
		assert_int_equal(f.protocol, protocol);
		assert_int_equal(f.has_ports, has);
		assert_int_equal(f.sport, has ? cases[i / 12].sport : 0);
		assert_int_equal(f.dport, has ? cases[i / 12].dport : 0);
	}
}

// An IPv4 packet has no extension headers, whatever its protocol.
static void ipv4_walks_no_extensions(void **state)
{
	static const uint8_t protocols[] = {
		FER_PROTO_HOPOPTS, FER_PROTO_ROUTING, FER_PROTO_FRAGMENT, FER_PROTO_DSTOPTS};
	struct fer_frame f;

	(void)state;
	for (size_t i = 0; i < N(protocols); i++) {
		struct packet p = make_ipv4(14, 0, 0, protocols[i], 16);
		assert_parses(&p, &f);
		assert_int_equal(f.up_off, 34);
		assert_int_equal(f.protocol, protocols[i]);
	}
}

// RFC 8200 section 3.
static void an_ipv6_packet_is_found_wherever_it_begins(void **state)
{
	static const uint16_t offs[] = {0, 14, 18, 98, 900};
	struct fer_frame f;

	(void)state;
	for (size_t i = 0; i < N(offs); i++) {
		struct packet p = make_ipv6(offs[i], NULL, 0, FER_PROTO_UDP, 8);
		assert_parses(&p, &f);
		assert_int_equal(f.version, 6);
		assert_int_equal(f.protocol, FER_PROTO_UDP);
		assert_int_equal(f.up_off, offs[i] + 40);
		assert_int_equal(f.up_next_off, offs[i] + 6);
		assert_int_equal(f.sec_off, offs[i] + 40);
		assert_int_equal(f.sec_next_off, offs[i] + 6);
		assert_true(f.df && f.has_ports && f.sport == 0x1122 && f.dport == 0x3344);
		assert_false(f.has_options || f.fragment || f.frag_off);
		uint32_t end = p.len;
		p.len += 6;
		assert_int_equal(parse(&p, &f), FER_OK);
		assert_int_equal(f.end, end);
	}
}

#define HOP(units)                                                                                 \
	{                                                                                          \
		FER_PROTO_HOPOPTS, units, 0                                                        \
	}
#define ROUTE(units)                                                                               \
	{                                                                                          \
		FER_PROTO_ROUTING, units, 0                                                        \
	}
#define DST(units)                                                                                 \
	{                                                                                          \
		FER_PROTO_DSTOPTS, units, 0                                                        \
	}
#define FRAG(field)                                                                                \
	{                                                                                          \
		FER_PROTO_FRAGMENT, 1, field                                                       \
	}

// RFC 8200 section 4.1: the order of extension headers; RFC 4303 section 3.1.1: ESP goes behind
// hop-by-hop, routing and fragment headers, and may go in front of destination options.
static void transport_protection_goes_behind_what_routers_read(void **state)
{
	static const struct {
		struct extension e[6];
		unsigned n, before; // how many there are, and how many stay outside
	} cases[] = {
		{{HOP(1)}, 1, 1},
		{{HOP(4)}, 1, 1},
		{{ROUTE(3)}, 1, 1},
		{{DST(2)}, 1, 0},
		{{HOP(1), DST(1)}, 2, 1},
		{{DST(1), ROUTE(3)}, 2, 2},
		{{ROUTE(3), DST(1)}, 2, 1},
		{{HOP(1), DST(2), ROUTE(3), DST(4)}, 4, 3},
		{{HOP(1), DST(2), ROUTE(3), FRAG(0), DST(4)}, 5, 4},
		{{FRAG(0)}, 1, 1},
		{{FRAG(0), DST(1)}, 2, 1},
		{{DST(1), FRAG(0)}, 2, 2},
		{{DST(1), DST(2)}, 2, 0},
		{{ROUTE(1), ROUTE(2)}, 2, 2},
		{{FRAG(0), ROUTE(2), DST(1)}, 3, 2},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct packet p = make_ipv6(14, cases[i].e, cases[i].n, FER_PROTO_TCP, 20);
		struct fer_frame f;
		uint16_t sec_off = 14 + 40, sec_next_off = 14 + 6;
		for (unsigned k = 0; k < cases[i].before; k++) {
			sec_next_off = sec_off;
			sec_off += cases[i].e[k].units * 8;
		}
		assert_parses(&p, &f);
		assert_int_equal(f.sec_off, sec_off);
		assert_int_equal(f.sec_next_off, sec_next_off);
		assert_int_equal(f.up_off, p.len - 20);
		assert_int_equal(p.bytes[f.up_next_off], FER_PROTO_TCP);
		assert_int_equal(f.protocol, FER_PROTO_TCP);
		assert_true(f.has_options && f.has_ports && f.df && !f.fragment);
		assert_int_equal(p.bytes[f.sec_next_off], cases[i].before < cases[i].n
								  ? cases[i].e[cases[i].before].type
								  : FER_PROTO_TCP);
	}
}

// RFC 8200 section 4.3: hop-by-hop options directly follow the IPv6 header.
static void hop_by_hop_options_elsewhere_are_refused(void **state)
{
	static const struct extension cases[][2] = {{HOP(1), HOP(1)}, {DST(1), HOP(1)},
		{ROUTE(1), HOP(1)}, {FRAG(0), HOP(1)}, {FRAG(MORE6), HOP(1)}};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct packet p = make_ipv6(14, cases[i], 2, FER_PROTO_TCP, 24);
		assert_bad(&p);
	}
}

// RFC 8200 section 4.7: no next header; sections 4.1 and 4.8: ESP, AH and what is unknown.
static void what_is_no_extension_ends_the_walk(void **state)
{
	static const struct extension e[] = {HOP(1), DST(1)};
	struct fer_frame f;

	(void)state;
	for (unsigned protocol = 0; protocol < 256; protocol++) {
		if (protocol == FER_PROTO_HOPOPTS || protocol == FER_PROTO_ROUTING ||
			protocol == FER_PROTO_FRAGMENT || protocol == FER_PROTO_DSTOPTS)
			continue;
		struct packet p = make_ipv6(14, e, N(e), (uint8_t)protocol, 32);
		assert_parses(&p, &f);
		assert_int_equal(f.protocol, protocol);
		assert_int_equal(f.up_off, 14 + 40 + 16);
	}
}

// RFC 8200 section 4.5: fragments; RFC 6946: one that is whole is none.
static void ipv6_fragments_are_told_apart(void **state)
{
	static const struct {
		uint16_t field; // offset in units of 8 bytes << 3 | reserved << 1 | more
		uint32_t payload;
		uint8_t fragment;
		bool ok, has_ports;
	} cases[] = {
		{0, 20, 0, true, true},
		{6, 20, 0, true, true}, // reserved bits
		{MORE6, 24, FER_FRAGMENT, true, true},
		{MORE6 | 8, 24, FER_FRAGMENT | FER_FRAGMENT_LATER, true, false},
		{8, 20, FER_FRAGMENT | FER_FRAGMENT_LATER, true, false},
		{MORE6, 0, 0, false, false},
		{MORE6, 20, 0, false, false},
		{MORE6 | 8, 0, 0, false, false},
		{MORE6 | 8, 25, 0, false, false},
		{0xfff8, 7, 0, false, false}, // 65,528 + 7, but hop-by-hop options count, too
		{65512, 15, FER_FRAGMENT | FER_FRAGMENT_LATER, true, false}, // 65,527 + 8
		{65512, 16, 0, false, false},
		{MORE6 | 65504, 24, 0, false, false},
		{MORE6 | 65504, 16, FER_FRAGMENT | FER_FRAGMENT_LATER, true, false},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		const struct extension e[] = {HOP(1), FRAG(cases[i].field)};
		struct packet p = make_ipv6(14, e, 2, FER_PROTO_UDP, cases[i].payload);
		struct fer_frame f;
		if (!cases[i].ok) {
			assert_bad(&p);
			continue;
		}
		assert_parses(&p, &f);
		assert_int_equal(f.fragment, cases[i].fragment);
		assert_int_equal(f.has_ports, cases[i].has_ports);
		assert_int_equal(f.protocol, FER_PROTO_UDP);
		assert_int_equal(f.frag_off, 14 + 40 + 8);
		assert_int_equal(f.up_off, 14 + 40 + 16);
		assert_int_equal(f.up_next_off, f.frag_off);
		assert_true(f.df && f.has_options);
	}
}

static void the_last_fragment_of_the_longest_datagram_is_one(void **state)
{
	const struct extension last = FRAG(0xfff8);
	struct fer_frame f;

	(void)state;
	struct packet p = make_ipv6(0, &last, 1, FER_PROTO_UDP, 7);
	assert_parses(&p, &f);
	p = make_ipv6(0, &last, 1, FER_PROTO_UDP, 8);
	assert_bad(&p);
}

// RFC 8200 section 4.5: headers behind the fragment header are in the first fragment only.
static void a_later_fragment_is_not_walked(void **state)
{
	static const uint8_t protocols[] = {FER_PROTO_DSTOPTS, FER_PROTO_ROUTING, FER_PROTO_ESP,
		FER_PROTO_FRAGMENT, FER_PROTO_TCP};
	const struct extension later = FRAG(8 * 8), first = FRAG(MORE6);
	struct fer_frame f;

	(void)state;
	for (size_t i = 0; i < N(protocols); i++) {
		struct packet p = make_ipv6(14, &later, 1, protocols[i], 5);
		assert_parses(&p, &f);
		assert_int_equal(f.protocol, protocols[i]);
		assert_int_equal(f.up_off, 14 + 48);
		assert_int_equal(f.sec_off, 14 + 48);
		assert_int_equal(f.sec_next_off, 14 + 40);
		assert_false(f.has_ports);
	}
	const struct extension e[] = {first, DST(2)};
	struct packet p = make_ipv6(14, e, 2, FER_PROTO_TCP, 24);
	assert_parses(&p, &f);
	assert_int_equal(f.fragment, FER_FRAGMENT);
	assert_int_equal(f.up_off, 14 + 48 + 16);
	assert_int_equal(f.sec_off, 14 + 48);
	assert_true(f.has_ports);
}

// RFC 8200 section 4.1: at most one fragment header; two offsets cannot both be meant.
static void a_second_fragment_header_is_refused(void **state)
{
	static const uint16_t fields[] = {0, MORE6, 8};
	const struct extension dst = DST(1);

	(void)state;
	for (size_t i = 0; i < N(fields); i++) {
		const struct extension e[] = {FRAG(0), dst, FRAG(fields[i])};
		struct packet p = make_ipv6(14, e, 3, FER_PROTO_UDP, 24);
		assert_bad(&p);
	}
}

// RFC 8200 section 3: payload length; RFC 2675 section 3: a jumbogram says 0 there.
static void an_impossible_ipv6_length_is_refused(void **state)
{
	const struct extension hop = HOP(1);
	struct packet p = make_ipv6(14, NULL, 0, FER_PROTO_TCP, 20);
	struct fer_frame f;

	(void)state;
	fer_store_be16(p.bytes + 14 + 4, 21);
	assert_bad(&p);
	fer_store_be16(p.bytes + 14 + 4, 65535);
	assert_bad(&p);
	fer_store_be16(p.bytes + 14 + 4, 0);
	assert_int_equal(parse(&p, &f), FER_OK);
	assert_int_equal(f.end, 14 + 40);
	assert_false(f.has_ports);

	p = make_ipv6(14, &hop, 1, FER_PROTO_TCP, 20);
	memcpy(p.bytes + 14 + 40 + 2, "\xc2\x04\x00\x01\x00\x00", 6);
	fer_store_be16(p.bytes + 14 + 4, 0);
	assert_bad(&p);
}

static void an_extension_that_overruns_the_packet_is_refused(void **state)
{
	static const struct extension cases[] = {HOP(2), ROUTE(2), DST(2), FRAG(0)};
	struct fer_frame f;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		uint16_t whole = cases[i].units * 8;
		struct packet p = make_ipv6(14, &cases[i], 1, FER_PROTO_NONE, 8);
		for (uint16_t len = 0; len < whole; len++) {
			fer_store_be16(p.bytes + 14 + 4, len);
			// With no payload there is no extension header either; it is still named.
			assert_bad(&p);
		}
		fer_store_be16(p.bytes + 14 + 4, whole);
		assert_int_equal(parse(&p, &f), FER_OK);
		assert_int_equal(f.up_off, f.end);
		if (cases[i].type != FER_PROTO_FRAGMENT) {
			p.bytes[14 + 40 + 1] = 255;
			assert_bad(&p);
		}
	}
}

static void extensions_are_counted(void **state)
{
	struct extension e[FER_EXTENSIONS_MAX + 1];
	struct fer_frame f;

	(void)state;
	for (size_t i = 0; i < N(e); i++)
		e[i] = (struct extension)DST(1);
	struct packet p = make_ipv6(14, e, FER_EXTENSIONS_MAX, FER_PROTO_ESP, 8);
	assert_parses(&p, &f);
	assert_int_equal(f.up_off, 14 + 40 + 8 * FER_EXTENSIONS_MAX);
	p = make_ipv6(14, e, FER_EXTENSIONS_MAX + 1, FER_PROTO_ESP, 8);
	assert_bad(&p);
}

static void headers_end_within_their_limit(void **state)
{
	const struct extension e = DST((FER_HEADERS_MAX - 40) / 8);
	struct packet p = make_ipv6(0, &e, 1, FER_PROTO_ESP, 100);
	struct fer_frame f;

	(void)state;
	assert_parses(&p, &f);
	assert_int_equal(f.up_off, FER_HEADERS_MAX);
	p = make_ipv6(1, &e, 1, FER_PROTO_ESP, 100);
	assert_bad(&p);
	p = make_ipv4(FER_HEADERS_MAX - 20, 0, 0, FER_PROTO_ESP, 100);
	assert_parses(&p, &f);
	p = make_ipv4(FER_HEADERS_MAX - 19, 0, 0, FER_PROTO_ESP, 100);
	assert_bad(&p);
}

// A policy with ports must not miss a packet that hides them.
static void ports_out_of_reach_are_refused_unless_the_packet_has_none(void **state)
{
	const struct extension e = DST((FER_HEADERS_MAX - 40) / 8);
	struct packet p = make_ipv6(0, &e, 1, FER_PROTO_TCP, 100);
	struct fer_frame f;

	(void)state;
	assert_bad(&p);
	p = make_ipv6(0, &e, 1, FER_PROTO_TCP, 3);
	assert_parses(&p, &f);
	assert_false(f.has_ports);
	p = make_ipv4(FER_HEADERS_MAX - 24, 0, 0, FER_PROTO_UDP, 100);
	assert_parses(&p, &f);
	p = make_ipv4(FER_HEADERS_MAX - 23, 0, 0, FER_PROTO_UDP, 100);
	assert_bad(&p);
}

// RFC 4301 section 5.2: the inner packet is judged by itself, so it ends where the outer one ends.
static void an_inner_packet_stays_inside_the_outer_one(void **state)
{
	struct packet inner = make_ipv4(0, 0, 0, FER_PROTO_UDP, 30);
	struct packet outer = make_ipv6(14, NULL, 0, FER_PROTO_IPV4, inner.len);
	struct fer_frame f;
	uint16_t at = 14 + 40;

	(void)state;
	memcpy(outer.bytes + at, inner.bytes, inner.len);
	assert_int_equal(fer_frame_parse(outer.bytes, outer.len + 99, outer.len, at, &f), FER_OK);
	assert_int_equal(f.end, outer.len);
	assert_int_equal(
		fer_frame_parse(outer.bytes, outer.len + 99, outer.len - 1, at, &f), FER_BAD_IP);
	assert_int_equal(fer_frame_parse(outer.bytes, outer.len, at, at, &f), FER_BAD_IP);
	assert_int_equal(fer_frame_parse(outer.bytes, outer.len, at - 1, at, &f), FER_BAD_IP);
	assert_int_equal(fer_frame_parse(outer.bytes, 0, 0, 0, &f), FER_BAD_IP);
	assert_int_equal(fer_frame_parse(outer.bytes, outer.len, UINT32_MAX, at, &f), FER_OK);
	assert_int_equal(f.end, outer.len);
}

// Room for bytes that end where no byte may be read any more.
static uint8_t *guarded(void)
{
	static uint8_t *room;

	if (room == NULL) {
		room = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(room, MAP_FAILED);
		assert_int_equal(mprotect(room + PAGE_BYTES, PAGE_BYTES, PROT_NONE), 0);
	}
	return room + PAGE_BYTES;
}

static enum fer_verdict parse_guarded(
	const struct packet *p, uint32_t avail, uint32_t end, struct fer_frame *f)
{
	uint8_t *at = guarded() - avail;

	memcpy(at, p->bytes, avail);
	return parse_both(at, avail, end, p->ip_off, f);
}

static unsigned make_samples(struct packet samples[12])
{
	static const struct extension all[] = {HOP(1), DST(2), ROUTE(3), FRAG(0), DST(4)},
				      first = FRAG(MORE6), later = FRAG(800);
	unsigned n = 0;

	samples[n++] = make_ipv4(0, 0, 0, FER_PROTO_TCP, 20);
	samples[n++] = make_ipv4(14, 0, 0, FER_PROTO_UDP, 8);
	samples[n++] = make_ipv4(14, 10, 0, FER_PROTO_SCTP, 12);
	samples[n++] = make_ipv4(14, 3, MORE4, FER_PROTO_ICMP, 8);
	samples[n++] = make_ipv4(14, 0, 100, FER_PROTO_UDP, 9);
	samples[n++] = make_ipv4(14, 0, 0, FER_PROTO_ESP, 40);
	samples[n++] = make_ipv6(0, NULL, 0, FER_PROTO_TCP, 20);
	samples[n++] = make_ipv6(14, NULL, 0, FER_PROTO_ICMPV6, 8);
	samples[n++] = make_ipv6(14, all, N(all), FER_PROTO_UDP, 8);
	samples[n++] = make_ipv6(18, &first, 1, FER_PROTO_TCP, 24);
	samples[n++] = make_ipv6(18, &later, 1, FER_PROTO_TCP, 24);
	samples[n++] = make_ipv6(14, all, 1, FER_PROTO_AH, 24);
	return n;
}

static uint32_t bytes_needed(const struct fer_frame *f)
{
	if (!f->has_ports)
		return f->up_off;
	return f->up_off +
	       (f->protocol == FER_PROTO_ICMP || f->protocol == FER_PROTO_ICMPV6 ? 2 : 4);
}

// A packet cut short is refused; one whose headers can be read parses as if all of it could be.
static void every_truncation_is_refused_or_makes_no_difference(void **state)
{
	static struct packet samples[12];
	unsigned n = make_samples(samples);

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		const struct packet *p = &samples[i];
		struct fer_frame whole, f;
		assert_parses(p, &whole);
		for (uint32_t len = 0; len < p->len; len++) {
			assert_int_equal(parse_guarded(p, len, len, &f), FER_BAD_IP);
			assert_int_equal(parse_guarded(p, len, p->len, &f),
				len >= bytes_needed(&whole) ? FER_OK : FER_BAD_IP);
			if (len >= bytes_needed(&whole)) {
				assert_int_equal(f.end, whole.end);
				assert_int_equal(f.up_off, whole.up_off);
				assert_int_equal(f.has_ports, whole.has_ports);
				assert_int_equal(f.dport, whole.dport);
			}
		}
	}
}

// What every accepted packet must satisfy for later stages to use the offsets without looking.
static void assert_sound(
	const uint8_t *bytes, uint32_t avail, uint32_t end, const struct fer_frame *f)
{
	uint32_t room = avail < FER_HEADERS_MAX ? avail : FER_HEADERS_MAX;

	assert_true(f->version == 4 || f->version == 6);
	assert_true(f->end <= end && f->up_off <= f->end && bytes_needed(f) <= room);
	assert_true(f->sec_off >= f->ip_off + (f->version == 4 ? 20 : 40));
	assert_true(f->sec_off <= f->up_off);
	assert_true(f->ip_off < f->sec_next_off && f->sec_next_off < f->sec_off);
	assert_true(f->sec_next_off <= f->up_next_off && f->up_next_off < f->up_off);
	assert_int_equal(bytes[f->up_next_off], f->protocol);
	assert_true(f->sec_off != f->up_off || f->sec_next_off == f->up_next_off);
	assert_true(f->sec_off == f->up_off || bytes[f->sec_next_off] == FER_PROTO_DSTOPTS);
	assert_true(f->frag_off == 0 || (f->version == 6 && f->frag_off < f->up_off));
	assert_true(f->fragment != FER_FRAGMENT_LATER);
	assert_false((f->fragment & FER_FRAGMENT_LATER) != 0 && f->has_ports);
	assert_true(f->has_ports || (f->sport == 0 && f->dport == 0));
}

static uint32_t pick(unsigned *seed, uint32_t below)
{
	return (uint32_t)rand_r(seed) % below;
}

// Changes a few bytes of a packet's headers, or all of its bytes.
static void garble(struct packet *p, unsigned *seed)
{
	uint32_t headers = p->len - p->ip_off;
	uint8_t *ip = p->bytes + p->ip_off;

	if (pick(seed, 8) == 0)
		for (uint32_t i = 0; i < headers; i++)
			ip[i] = (uint8_t)(rand_r(seed) >> 8);
	else
		for (unsigned n = pick(seed, 4); n > 0; n--)
			ip[pick(seed, headers)] = (uint8_t)(rand_r(seed) >> 8);
	if (ip[0] >> 4 == 4 && pick(seed, 4) != 0)
		fix_checksum(p);
}

static void no_bytes_lead_astray(void **state)
{
	static struct packet samples[12];
	unsigned n = make_samples(samples), seed = 20220101, n_ok = 0;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		struct packet *p = &samples[i % n];
		uint8_t before[256];
		struct fer_frame f;
		memcpy(before, p->bytes, sizeof(before));
		garble(p, &seed);
		uint32_t avail = pick(&seed, 2) ? p->len : pick(&seed, p->len + 1);
		uint32_t end = pick(&seed, 2) ? p->len : pick(&seed, p->len + 40);
		if (parse_guarded(p, avail, end, &f) == FER_OK) {
			assert_sound(p->bytes, avail, end, &f);
			n_ok++;
		}
		memcpy(p->bytes, before, sizeof(before));
	}
	assert_true(n_ok > 10000); // the loop reaches more than the first check
}

// Chains of any headers in any order parse to what they were made of.
static void any_chain_is_walked_as_it_was_built(void **state)
{
	static const uint8_t types[] = {FER_PROTO_ROUTING, FER_PROTO_DSTOPTS, FER_PROTO_DSTOPTS};
	unsigned seed = 42;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct extension e[MAX_EXTENSIONS];
		unsigned n = pick(&seed, 8), outside = 0, frag = pick(&seed, 16);
		uint16_t sec_off = 40;
		for (unsigned k = 0; k < n; k++) {
			e[k] = (struct extension){
				types[pick(&seed, N(types))], (uint8_t)(1 + pick(&seed, 6)), 0};
			if (k == 0 && pick(&seed, 3) == 0)
				e[k].type = FER_PROTO_HOPOPTS;
			if (k == frag)
				e[k] = (struct extension)FRAG(0);
			if (e[k].type != FER_PROTO_DSTOPTS)
				outside = k + 1;
		}
		for (unsigned k = 0; k < outside; k++)
			sec_off += e[k].units * 8;
		struct packet p = make_ipv6(0, e, n, FER_PROTO_SCTP, 12);
		struct fer_frame f;
		assert_int_equal(parse_guarded(&p, p.len, p.len, &f), FER_OK);
		assert_sound(p.bytes, p.len, p.len, &f);
		assert_int_equal(f.sec_off, sec_off);
		assert_int_equal(f.up_off, p.len - 12);
		assert_int_equal(f.frag_off != 0, frag < n);
		assert_int_equal(f.has_options, n > 0);
		assert_true(f.has_ports);
	}
}

// Every bit in turn is another: does the packet stay like the model where that says nothing of what
// it is, and only there?
static void a_packet_is_like_its_model_in_all_that_counts(void **state)
{
	static const uint8_t free_bits[FER_FRAME_IPV4_LEAST] = {[1] = 0xff,
		[2] = 0xff,
		[3] = 0xff,
		[4] = 0xff,
		[5] = 0xff,
		[6] = 0xc0,
		[8] = 0xff,
		[10] = 0xff,
		[11] = 0xff};
	uint8_t bytes[2 + FER_FRAME_IPV4_LEAST] = {0x08, 0x00, 0x45, 0, 0, 40, 1, 2, 0x40, 0, 64,
		17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 0, 5, 0};
	const struct fer_frame_words words =
		fer_frame_words_of(14, FER_IPV4_HEADER_BYTES, FER_FRAME_IPV4_NEXT, 0);
	const struct fer_frame_model model = fer_frame_model_of(bytes + 2, &words);

	(void)state;
	assert_true(fer_frame_is_like(bytes + 2, &model));
	for (unsigned bit = 0; bit < sizeof(bytes) * 8; bit++) {
		unsigned at = bit / 8;
		uint8_t mask = (uint8_t)(1u << bit % 8);

		bytes[at] ^= mask;
		assert_int_equal(fer_frame_is_like(bytes + 2, &model),
			at >= 2 && (free_bits[at - 2] & mask) != 0);
		bytes[at] ^= mask;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_is_like_its_model_in_all_that_counts),
		cmocka_unit_test(an_ipv4_packet_is_found_wherever_it_begins),
		cmocka_unit_test(ipv4_options_are_passed),
		cmocka_unit_test(an_impossible_ipv4_header_is_refused),
		cmocka_unit_test(every_wrong_bit_of_an_ipv4_header_is_refused),
		cmocka_unit_test(ipv4_fragments_are_told_apart),
		cmocka_unit_test(ports_are_read_where_the_packet_has_them),
		cmocka_unit_test(ipv4_walks_no_extensions),
		cmocka_unit_test(an_ipv6_packet_is_found_wherever_it_begins),
		cmocka_unit_test(transport_protection_goes_behind_what_routers_read),
		cmocka_unit_test(hop_by_hop_options_elsewhere_are_refused),
		cmocka_unit_test(what_is_no_extension_ends_the_walk),
		cmocka_unit_test(ipv6_fragments_are_told_apart),
		cmocka_unit_test(the_last_fragment_of_the_longest_datagram_is_one),
		cmocka_unit_test(a_later_fragment_is_not_walked),
		cmocka_unit_test(a_second_fragment_header_is_refused),
		cmocka_unit_test(an_impossible_ipv6_length_is_refused),
		cmocka_unit_test(an_extension_that_overruns_the_packet_is_refused),
		cmocka_unit_test(extensions_are_counted),
		cmocka_unit_test(headers_end_within_their_limit),
		cmocka_unit_test(ports_out_of_reach_are_refused_unless_the_packet_has_none),
		cmocka_unit_test(an_inner_packet_stays_inside_the_outer_one),
		cmocka_unit_test(every_truncation_is_refused_or_makes_no_difference),
		cmocka_unit_test(no_bytes_lead_astray),
		cmocka_unit_test(any_chain_is_walked_as_it_was_built),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
