// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One look at the headers of one layer of a packet.  Everything is taken through a bounded cursor;
// the result is offsets that later stages use without looking again.
//
// Offsets count from the first byte handed in.  A layer is an IP header with its options or
// extension headers, and the first bytes of what follows.

#include "base/bytes.h"
#include "base/verdict.h"
#include "proto/cksum.h"
#include "proto/ip.h"
#include "proto/ipsec.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// All headers of a layer must end within this many bytes of the start of the frame.
#define FER_HEADERS_MAX 1024

// IPv6 extension headers walked in one layer; more is a malformed packet.
#define FER_EXTENSIONS_MAX 16

// fragment: a first fragment has FER_FRAGMENT only, a later one FER_FRAGMENT_LATER as well.  An
// atomic fragment (IPv6: offset 0 and no more to come, RFC 8200 section 4.5) is none, but has a
// frag_off.
#define FER_FRAGMENT 0x1
#define FER_FRAGMENT_LATER 0x2

struct fer_frame {
	uint32_t end; // end of the IP packet; the frame may go on with padding
	uint16_t ip_off;
	uint16_t up_off;      // what follows the IP header and all extension headers
	uint16_t up_next_off; // the byte that names it

	// Where a transport-mode ESP or AH header goes (RFC 4303 section 3.1.1), and the byte that
	// names what stands there now: behind hop-by-hop options, routing and fragment headers, in
	// front of destination options that no routing or fragment header follows.
	uint16_t sec_off;
	uint16_t sec_next_off;

	uint16_t frag_off; // IPv6: the fragment header; 0 where there is none

	// What a policy asks for besides addresses: one word, see fer_frame_selector().
	uint16_t sport; // TCP, UDP, SCTP: host order; ICMP: type << 8 | code in dport, 0 here
	uint16_t dport;
	uint8_t protocol; // of what stands at up_off
	uint8_t fragment;
	bool has_ports;  // sport and dport were there to be read (false in later fragments)
	uint8_t version; // 4 or 6

	bool has_options; // IPv4 options, or IPv6 extension headers
	bool df;          // IPv4 DF; always true for IPv6
};

#define FER_FRAME_SELECTOR_OFF 16 // of sport

static_assert(offsetof(struct fer_frame, sport) == FER_FRAME_SELECTOR_OFF &&
		      offsetof(struct fer_frame, has_options) == FER_FRAME_SELECTOR_OFF + 8,
	"the fields of a policy are a word");

#define FER_FRAME_DF_WORD_OFF 24 // of has_options

static_assert(offsetof(struct fer_frame, has_options) == FER_FRAME_DF_WORD_OFF &&
		      offsetof(struct fer_frame, df) == FER_FRAME_DF_WORD_OFF + 1 &&
		      sizeof(struct fer_frame) == FER_FRAME_DF_WORD_OFF + 4,
	"both are written as a word");

// Ports, protocol, fragment, has_ports and version as one number.
static inline uint64_t fer_frame_selector(const struct fer_frame *f)
{
	uint64_t word;

	memcpy(&word, (const uint8_t *)f + FER_FRAME_SELECTOR_OFF, sizeof(word));
	return word;
}

static_assert(offsetof(struct fer_frame, up_off) == offsetof(struct fer_frame, ip_off) + 2,
	"fer_frame_offsets() reads both at once");

// Where IP header and payload begin, as one number.
static inline uint32_t fer_frame_offsets(const struct fer_frame *f)
{
	uint32_t offsets;

	memcpy(&offsets, &f->ip_off, sizeof(offsets));
	return offsets;
}

// Do both frames agree in all but length, DF, and whether there are options?
static inline bool fer_frame_has_shape_of(const struct fer_frame *f, const struct fer_frame *other)
{
	static_assert(FER_FRAME_SELECTOR_OFF == 2 * sizeof(uint64_t),
		"behind the length there are offsets and the selector");
	const uint8_t *a = (const uint8_t *)f, *b = (const uint8_t *)other;

	return ((fer_load_word(a) ^ fer_load_word(b)) >> 32 |
		       (fer_load_word(a + 8) ^ fer_load_word(b + 8)) |
		       (fer_load_word(a + 16) ^ fer_load_word(b + 16))) == 0;
}

// That of a whole packet without ports.
static inline uint64_t fer_frame_bare_selector(uint8_t protocol, uint8_t version)
{
	return (uint64_t)protocol << 32 | (uint64_t)version << 56;
}

// A frame of a whole packet without options, but for its length and DF, as the words that it begins
// with.
struct fer_frame_words {
	uint64_t place;
	uint64_t rest __attribute__((vector_size(16))); // names and selector, one store
};

//   ip_bytes  of its IP header
//   next_at   place of the byte in it that names what follows
static inline struct fer_frame_words fer_frame_words_of(
	uint16_t ip_off, uint16_t ip_bytes, uint16_t next_at, uint64_t selector)
{
	const uint64_t up_off = ip_bytes, next_off = next_at, at = ip_off;

	return (struct fer_frame_words){
		.place = at * 0x0001000100000001 + (up_off << 48),
		.rest = {at * 0x0000000100010001 + (next_off << 32 | up_off << 16 | next_off),
			selector},
	};
}

//   len  of the IP packet
static inline void fer_frame_write(
	struct fer_frame *f, const struct fer_frame_words *w, uint32_t len, bool df)
{
	const uint64_t place = w->place + len;
	const uint32_t df_word = (uint32_t)df << 8; // and no options

	memcpy(f, &place, sizeof(place));
	memcpy((uint8_t *)f + sizeof(place), &w->rest, sizeof(w->rest));
	memcpy((uint8_t *)f + FER_FRAME_DF_WORD_OFF, &df_word, sizeof(df_word));
}

// Parses the layer whose IP header begins at ip_off.
//   bytes  the frame; avail of them can be read, up to FER_HEADERS_MAX are
//   end    where the enclosing data ends: the frame, or the payload of an outer layer
// Returns FER_OK with f set, or FER_BAD_IP: neither version 4 nor 6, header or length field shorter
// than it can be or longer than the data, a bad IPv4 header checksum, an extension header that
// overruns, too many of them, hop-by-hop options behind another one, a jumbogram, a second fragment
// header, a fragment with an impossible extent, headers or ports that the packet has but that
// cannot be read. ESP, AH and No Next Header end the walk, as does any protocol that is no
// extension header; for a later fragment it ends at the fragment header.
__attribute__((warn_unused_result)) static inline enum fer_verdict fer_frame_parse(
	const uint8_t *bytes, uint32_t avail, uint32_t end, uint16_t ip_off, struct fer_frame *f);

// The same of what is not plain.
__attribute__((warn_unused_result)) enum fer_verdict fer_frame_parse_any(
	const uint8_t *bytes, uint32_t avail, uint32_t end, uint16_t ip_off, struct fer_frame *f);

// What is known of a protocol whose headers are looked at in one way only: protocol and has_ports
// where the selector has them, below them the bits of the ports that count, and the highest bit
// where ESP or AH may be found in it.  0: it needs a closer look.
extern const uint64_t fer_frame_kinds[256];

#define FER_FRAME_KIND_SELECTS 0x00ffffff00000000u
#define FER_FRAME_KIND_LAYER (UINT64_C(1) << 63)

#define FER_FRAME_PORTS_BYTES 4
#define FER_FRAME_IPV4_NEXT 9 // the protocol byte
#define FER_FRAME_IPV6_NEXT 6

static inline uint64_t fer_frame_plain_selector(
	uint64_t kind, const uint8_t *ports, uint8_t version)
{
	uint32_t both = fer_load_be32(ports);

	return ((both << 16 | both >> 16) & (uint32_t)kind) | (kind & FER_FRAME_KIND_SELECTS) |
	       (uint64_t)version << 56;
}

// Bytes that every plain IPv4 packet has.
#define FER_FRAME_IPV4_LEAST (FER_IPV4_HEADER_BYTES + FER_FRAME_PORTS_BYTES)

// Writes the frame of a plain IPv4 packet, but for its length and DF given by w.  False: length or
// checksum is wrong, or it is too short, and nothing is written.
__attribute__((always_inline)) static inline bool fer_frame_write_ipv4(
	struct fer_frame *f, const uint8_t *ip, uint32_t end, const struct fer_frame_words *w)
{
	const uint32_t len = fer_load_be16(ip + 2), ip_off = (uint32_t)w->place;

	if (len < FER_FRAME_IPV4_LEAST || ip_off + len > end || !fer_cksum_20_is_right(ip))
		return false;
	fer_frame_write(f, w, len, (ip[6] & 0x40) != 0);
	return true;
}

// What most packets are: whole, IPv4 without options, of a protocol of that kind, with room for
// ports.  Returns the kind; 0: it is something else, or nothing sound, and *f is not set.
static inline uint64_t fer_frame_parse_plain_ipv4(
	const uint8_t *bytes, uint32_t avail, uint32_t end, uint16_t ip_off, struct fer_frame *f)
{
	const uint32_t least = ip_off + FER_FRAME_IPV4_LEAST;
	const uint8_t *ip = bytes + ip_off;

	if (least > avail || least > FER_HEADERS_MAX || ip[0] != 0x45 ||
		(fer_load_be16(ip + 6) & 0x3fff) != 0)
		return 0;
	const uint64_t kind = fer_frame_kinds[ip[FER_FRAME_IPV4_NEXT]];
	const struct fer_frame_words w = fer_frame_words_of(ip_off, FER_IPV4_HEADER_BYTES,
		FER_FRAME_IPV4_NEXT, fer_frame_plain_selector(kind, ip + FER_IPV4_HEADER_BYTES, 4));
	return kind != 0 && fer_frame_write_ipv4(f, ip, end, &w) ? kind : 0;
}

// The first FER_FRAME_IPV4_LEAST bytes of an IPv4 packet, as what is compared of them.
struct fer_frame_ipv4_start {
	fer_pair front;
	uint64_t back; // destination, and the first bytes of payload
};

static inline struct fer_frame_ipv4_start fer_frame_ipv4_start(const uint8_t *ip)
{
	return (struct fer_frame_ipv4_start){fer_load_pair(ip), fer_load_word(ip + 16)};
}

// Of two IPv4 packets, of which the second is plain: do they agree in all that makes a packet
// plain, and that selectors ask for, and in the first bytes of payload?  Then nothing but length
// and checksum has still to be right in the first.
static inline bool fer_frame_starts_like(
	const struct fer_frame_ipv4_start *a, const struct fer_frame_ipv4_start *b)
{
	// Version and header length, and place in a datagram; protocol and source.
	const fer_pair counts = {
		__builtin_bswap64(0xff00000000003fff), __builtin_bswap64(0x00ff0000ffffffff)};

	return fer_pair_is_zero((a->front ^ b->front) & counts) && a->back == b->back;
}

// The same of IPv6 without extension headers.
static inline uint64_t fer_frame_parse_plain_ipv6(
	const uint8_t *bytes, uint32_t avail, uint32_t end, uint16_t ip_off, struct fer_frame *f)
{
	const uint32_t least = FER_IPV6_HEADER_BYTES + FER_FRAME_PORTS_BYTES;
	const uint8_t *ip = bytes + ip_off;

	if (ip_off + least > avail || ip_off + least > FER_HEADERS_MAX || ip[0] >> 4 != 6)
		return 0;
	uint64_t kind = fer_frame_kinds[ip[FER_FRAME_IPV6_NEXT]];
	uint32_t len = FER_IPV6_HEADER_BYTES + (uint32_t)fer_load_be16(ip + 4);
	if (kind == 0 || len < least || ip_off + len > end)
		return 0;
	const struct fer_frame_words w = fer_frame_words_of(ip_off, FER_IPV6_HEADER_BYTES,
		FER_FRAME_IPV6_NEXT, fer_frame_plain_selector(kind, ip + FER_IPV6_HEADER_BYTES, 6));
	fer_frame_write(f, &w, len, true);
	return kind;
}

// A plain IPv4 packet, as those that are like it are compared with it: they agree in all that makes
// a packet plain, in what selectors ask for, in the first bytes of payload, and in the two bytes in
// front of the IP header, which are the EtherType.  Only length and checksum have still to be
// right, and so many bytes have to be there.
struct fer_frame_model {
	fer_pair front, back; // overlap
	uint64_t addresses;   // their sum
	struct fer_frame_words words;
};

#define FER_FRAME_FRONT_OFF (-2) // from the IP header
#define FER_FRAME_BACK_OFF 8

static inline struct fer_frame_model fer_frame_model_of(
	const uint8_t *ip, const struct fer_frame_words *words)
{
	return (struct fer_frame_model){
		.front = fer_load_pair(ip + FER_FRAME_FRONT_OFF),
		.back = fer_load_pair(ip + FER_FRAME_BACK_OFF),
		.addresses = fer_cksum_addresses(ip),
		.words = *words,
	};
}

// Of two IPv4 packets, of which one is plain: do they agree in what selectors ask for, and in the
// first bytes of payload?  If not, a model of one is not worth making for the other.
static inline bool fer_frame_backs_agree(fer_pair a, fer_pair b)
{
	// Protocol, source and destination; four bytes of payload.
	const fer_pair back = {__builtin_bswap64(0x00ff0000ffffffff), UINT64_MAX};

	return !fer_pairs_meet(a ^ b, back);
}

static inline bool fer_frame_is_like(const uint8_t *ip, const struct fer_frame_model *model)
{
	// EtherType, version and header length; place in a datagram, and half the source.
	const fer_pair front = {
		__builtin_bswap64(0xffffff0000000000), __builtin_bswap64(0x3fff00000000ffff)};

	return !fer_pairs_meet(fer_load_pair(ip + FER_FRAME_FRONT_OFF) ^ model->front, front) &&
	       fer_frame_backs_agree(fer_load_pair(ip + FER_FRAME_BACK_OFF), model->back);
}

// Writes the frame of such a packet.  False: it is not sound, and nothing is written.
static inline bool fer_frame_write_like(
	struct fer_frame *f, const uint8_t *ip, uint32_t end, const struct fer_frame_model *model)
{
	const uint32_t len = fer_load_be32(ip) & 0xffff, ip_off = (uint32_t)model->words.place;

	if (len < FER_FRAME_IPV4_LEAST || ip_off + len > end ||
		!fer_cksum_20_is_right_with(ip, model->addresses))
		return false;
	fer_frame_write(f, &model->words, len, (ip[6] & 0x40) != 0);
	return true;
}

// One of the two.
static inline bool fer_frame_parse_plain(
	const uint8_t *bytes, uint32_t avail, uint32_t end, uint16_t ip_off, struct fer_frame *f)
{
	return fer_frame_parse_plain_ipv4(bytes, avail, end, ip_off, f) != 0 ||
	       fer_frame_parse_plain_ipv6(bytes, avail, end, ip_off, f) != 0;
}

static inline enum fer_verdict fer_frame_parse(
	const uint8_t *bytes, uint32_t avail, uint32_t end, uint16_t ip_off, struct fer_frame *f)
{
	if (fer_frame_parse_plain(bytes, avail, end, ip_off, f))
		return FER_OK;
	return fer_frame_parse_any(bytes, avail, end, ip_off, f);
}
