// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What RFC 4301, RFC 4302 and RFC 4303 fix: protocol numbers, header sizes, and the words direction
// and mode.

#include <stdint.h>

#define FER_PROTO_HOPOPTS 0
#define FER_PROTO_ICMP 1
#define FER_PROTO_IPV4 4
#define FER_PROTO_TCP 6
#define FER_PROTO_UDP 17
#define FER_PROTO_IPV6 41
#define FER_PROTO_ROUTING 43
#define FER_PROTO_FRAGMENT 44
#define FER_PROTO_ESP 50
#define FER_PROTO_AH 51
#define FER_PROTO_ICMPV6 58
#define FER_PROTO_NONE 59 // no next header: a dummy packet (RFC 4303 section 2.6)
#define FER_PROTO_DSTOPTS 60
#define FER_PROTO_SCTP 132
#define FER_PROTO_MOBILITY 135

#define FER_UDP_HEADER_BYTES 8
#define FER_UDP_CKSUM_OFF 6

#define FER_PORT_IKE 500
#define FER_PORT_NAT 4500          // IKE and ESP in UDP (RFC 3948)
#define FER_NON_ESP_MARKER_BYTES 4 // zeros that say it is IKE
#define FER_NAT_KEEPALIVE 0xff     // the only byte of such a datagram

#define FER_SPI_MIN 256u // 0 is for local use, 1 to 255 are reserved by IANA

#define FER_ESP_HEADER_BYTES 8 // SPI, sequence number
#define FER_ESP_SEQ_OFF 4
#define FER_ESP_TRAILER_BYTES 2 // pad length, next header
#define FER_ESP_MAX_IV_BYTES 16
#define FER_ESP_MAX_ICV_BYTES 32

#define FER_AH_FIXED_BYTES 12 // next header to sequence number

#define FER_MAX_ROUNDS 4 // layers of ESP and AH in one packet

enum fer_direction { FER_OUT, FER_IN };

enum fer_mode { FER_TRANSPORT, FER_TUNNEL };

// How the outer header of a tunnel is made (RFC 4301 section 5.1.2, RFC 6040).
#define FER_DSCP_COPY 0xff              // else 0 to 63
#define FER_FLOW_LABEL_COPY 0xffffffffu // else 0 to 0xfffff; from IPv4 a copy is 0

enum fer_df { FER_DF_COPY, FER_DF_SET, FER_DF_CLEAR }; // IPv6 inside: a copy is set

struct fer_outer_rules {
	uint32_t flow_label;
	uint8_t dscp;
	uint8_t ttl; // 1 to 255; the hop limit over IPv6
	uint8_t df;  // enum fer_df
};

// Traffic flow confidentiality of an outbound SA (RFC 4303 sections 2.6 and 2.7); 0: none.
#define FER_TFC_MTU 0xffff // as long as the port carries

struct fer_tfc {
	uint32_t dummy_rate; // packets a second, which dummies make up where others do not
	uint16_t pad_to;     // IP packets inside become a multiple of so many bytes, or FER_TFC_MTU
};

#define FER_TFC_PAD_MIN 4
#define FER_TFC_PAD_MAX 9600
#define FER_TFC_RATE_MAX 100000

// Ports of ESP in UDP (RFC 3948), as asked for; none is 0.
struct fer_udp {
	uint16_t sport;
	uint16_t dport;
};

// How long an SA lives (RFC 4301 section 4.4.2.1), as asked for.  0: no such limit; where both are
// given, soft is not above hard.  Bytes are those of the IP packets inside the protection.
struct fer_lifetime {
	uint64_t soft_bytes;
	uint64_t hard_bytes;
	uint64_t soft_packets;
	uint64_t hard_packets;
	uint64_t soft_seconds;
	uint64_t hard_seconds;
};
