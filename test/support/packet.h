// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Packets as bytes, put together by hand from the inside out: what tests feed in, and what they
// compare with.  Nothing of the code that frames or parses is used.

#include "crypto/esp_oracle.h"
#include "proto/ip.h"
#include "proto/ipsec.h"
#include "proto/l2.h"

#include <stdbool.h>
#include <stdint.h>

#define TEST_PACKET_BYTES 66000
#define TEST_MAX_ESP 6

// One ESP packet within: from the SPI to the end of the ICV.
struct test_esp {
	uint32_t off, len;
	const struct oracle_sa *sa;
	uint32_t seq_hi;
};

struct test_packet {
	uint32_t len;
	uint32_t ip_off; // of the outermost IP header
	uint32_t ip_end;
	unsigned n_esp; // innermost first
	struct test_esp esp[TEST_MAX_ESP];
	uint8_t bytes[TEST_PACKET_BYTES];
};

// Zero is a plain value for every field but version.
struct test_ip {
	uint8_t version;
	uint8_t src, dst; // the last byte of the addresses; see test_addr()
	uint8_t tos;
	uint8_t ttl; // 0: 64
	bool df;
	uint16_t id;
	uint16_t fragment;  // IPv4: offset in units of 8 bytes, and 0x2000 for more
	uint16_t n_options; // bytes of IPv4 options, or of IPv6 extension headers; units of 8
	uint32_t flow_label;
	bool dst_options; // IPv6: 8 bytes of destination options behind the other headers
};

// 192.0.2.last, or 2001:db8::last.
struct fer_addr test_addr(uint8_t version, uint8_t last);

// A payload of len bytes that depend on seed.
void test_packet_start(struct test_packet *p, uint32_t len, unsigned seed);

// Puts things in front of what is there.
void test_packet_put_ip(struct test_packet *p, const struct test_ip *ip, uint8_t protocol);
void test_packet_put_ethernet(struct test_packet *p, unsigned n_tags);

// Puts an ESP header in front and a trailer behind, RFC 4303 section 2, with rooms for IV and ICV:
// these hold garbage, which counts as the IV until somebody writes another.  Padding 1, 2, 3, ...
// is the shortest that will do.
void test_packet_put_esp(struct test_packet *p, const struct oracle_sa *sa, uint32_t spi,
	uint64_t seq, uint8_t next_header);

// Puts a UDP header in front of all there is, without checksum.
void test_packet_put_udp(struct test_packet *p, uint16_t sport, uint16_t dport);

// Writes the checksum of the UDP header that follows the IP header at ip_off, which has neither
// options nor extension headers.
void test_packet_sum_udp(struct test_packet *p, uint32_t ip_off);

// Adds garbage behind the packet: Ethernet padding, or TFC padding.
void test_packet_pad(struct test_packet *p, uint32_t n);

// Encrypts and authenticates the k-th ESP packet, 0 the innermost, with the IV that stands in it.
void test_packet_seal(struct test_packet *p, unsigned k);
void test_packet_seal_all(struct test_packet *p);
