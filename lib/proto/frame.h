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

#include <stdbool.h>
#include <stdint.h>

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
	uint16_t ip_off;
	uint16_t up_off;      // what follows the IP header and all extension headers
	uint16_t up_next_off; // the byte that names it

	// Where a transport-mode ESP or AH header goes (RFC 4303 section 3.1.1), and the byte that
	// names what stands there now: behind hop-by-hop options, routing and fragment headers, in
	// front of destination options that no routing or fragment header follows.
	uint16_t sec_off;
	uint16_t sec_next_off;

	uint16_t frag_off; // IPv6: the fragment header; 0 where there is none
	uint32_t end;      // end of the IP packet; the frame may go on with padding
	uint16_t sport;    // TCP, UDP, SCTP: host order; ICMP: type << 8 | code in dport, 0 here
	uint16_t dport;
	uint8_t version;  // 4 or 6
	uint8_t protocol; // of what stands at up_off
	bool has_ports;   // sport and dport were there to be read (false in later fragments)
	bool has_options; // IPv4 options, or IPv6 extension headers
	bool df;          // IPv4 DF; always true for IPv6
	uint8_t fragment;
};

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

// The same of what is no plain IPv4.
__attribute__((warn_unused_result)) enum fer_verdict fer_frame_parse_any(
	const uint8_t *bytes, uint32_t avail, uint32_t end, uint16_t ip_off, struct fer_frame *f);

// How many bits of the upper-layer header say what the ports are; 0 where there are none.
extern const uint8_t fer_frame_ports_bits[256];

#define FER_FRAME_PLAIN_BYTES 24 // an IPv4 header without options, and the ports

// What most packets are: IPv4 without options, whole, with room for ports.  False: it is something
// else, or nothing sound, and *f is not set.
static inline bool fer_frame_parse_plain(
	const uint8_t *bytes, uint32_t avail, uint32_t end, uint16_t ip_off, struct fer_frame *f)
{
	uint32_t most = avail < FER_HEADERS_MAX ? avail : FER_HEADERS_MAX;

	if (ip_off + (uint32_t)FER_FRAME_PLAIN_BYTES > most || bytes[ip_off] != 0x45)
		return false;
	const uint8_t *ip = bytes + ip_off;
	uint32_t len = fer_load_be16(ip + 2), fragment = fer_load_be16(ip + 6);
	if (len < FER_FRAME_PLAIN_BYTES || ip_off + len > end || (fragment & 0x3fff) != 0 ||
		!fer_cksum_20_is_right(ip))
		return false;

	uint8_t protocol = ip[9], ports_bits = fer_frame_ports_bits[protocol];
	uint64_t ports = (uint64_t)fer_load_be32(ip + 20) >> (32 - ports_bits);
	*f = (struct fer_frame){
		.ip_off = ip_off,
		.up_off = (uint16_t)(ip_off + 20),
		.up_next_off = (uint16_t)(ip_off + 9),
		.sec_off = (uint16_t)(ip_off + 20),
		.sec_next_off = (uint16_t)(ip_off + 9),
		.end = ip_off + len,
		.sport = (uint16_t)(ports >> 16),
		.dport = (uint16_t)ports,
		.version = 4,
		.protocol = protocol,
		.has_ports = ports_bits != 0,
		.df = (fragment & 0x4000) != 0,
	};
	return true;
}

static inline enum fer_verdict fer_frame_parse(
	const uint8_t *bytes, uint32_t avail, uint32_t end, uint16_t ip_off, struct fer_frame *f)
{
	if (fer_frame_parse_plain(bytes, avail, end, ip_off, f))
		return FER_OK;
	return fer_frame_parse_any(bytes, avail, end, ip_off, f);
}
