// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A second implementation of ESP and AH, for comparison: RFC 4302, 4303, 3948 and the documents of
// the algorithms, over the primitives of OpenSSL.  It shares no code with the program, not even a
// header, so that one misreading is not made twice.  One packet at a time, in plain bytes, without
// a thought for speed; buffers are static, so one thread.
//
//   algo.c    the algorithms
//   ip.c      IPv4 and IPv6 headers
//   mutable.c what AH does not authenticate
//   esp.c     ESP and its UDP encapsulation
//   ah.c      AH
//   packet.c  whole packets, transport and tunnel

#include <stdbool.h>
#include <stdint.h>

#define REF_MAX_BYTES 70000
#define REF_MAX_KEY 64
#define REF_MAX_IV 16
#define REF_MAX_ICV 64

// --- algorithms ---------------------------------------------------------------------------------

enum ref_kind {
	REF_PLAIN, // no encryption
	REF_CBC,
	REF_CTR,
	REF_GCM,
	REF_CCM,
	REF_CHACHA,
	REF_HMAC,
	REF_CMAC,
	REF_XCBC,
	REF_GMAC,
};

struct ref_algo {
	const char *name; // as in documents
	enum ref_kind kind;
	const char *primitive; // what OpenSSL calls it
	unsigned key_bytes;    // without the salt
	unsigned salt_bytes;   // behind the key
	unsigned iv_bytes;
	unsigned align_bytes; // of a cipher: payload and trailer are a multiple of it
	unsigned icv_bytes;   // the longest
	unsigned icv_least;   // the shortest, in steps of 4
	bool aead;
	bool legacy;
};

// The i-th, NULL behind the last.
const struct ref_algo *ref_cipher(unsigned i);
const struct ref_algo *ref_integrity(unsigned i);

// Encrypts or decrypts in place; not for AEAD.
void ref_crypt(const struct ref_algo *a, const uint8_t *key, const uint8_t *iv, uint8_t *data,
	uint32_t len, bool encrypt);

// AEAD in place.  Sealing writes the tag; opening is true when it is right.
bool ref_aead(const struct ref_algo *a, const uint8_t *key, const uint8_t *iv, const uint8_t *aad,
	uint32_t aad_len, uint8_t *data, uint32_t len, uint8_t *tag, unsigned tag_len, bool seal);

// The first n bytes of the integrity value of data.  iv is GMAC's.
void ref_mac(const struct ref_algo *a, const uint8_t *key, const uint8_t *iv, const uint8_t *data,
	uint32_t len, uint8_t *icv, unsigned n);

// --- packets ------------------------------------------------------------------------------------

struct ref_addr {
	uint8_t version; // 4 or 6
	uint8_t bytes[16];
};

struct ref_ip;

struct ref_packet {
	uint32_t len;
	uint8_t bytes[REF_MAX_BYTES];
};

void ref_copy(struct ref_packet *to, const struct ref_packet *from);

// ESP or AH of an SA.
struct ref_transform {
	bool used;
	uint32_t spi;
	const struct ref_algo *cipher;    // ESP
	const struct ref_algo *integrity; // NULL with AEAD
	uint8_t cipher_key[REF_MAX_KEY];
	uint8_t integrity_key[REF_MAX_KEY];
	unsigned icv_bytes;
};

#define REF_COPY (-1)
enum ref_df { REF_DF_COPY, REF_DF_SET, REF_DF_CLEAR };

struct ref_sa {
	bool tunnel;
	struct ref_addr src, dst;
	struct ref_transform esp, ah; // one or both: ESP inside AH
	bool esn;
	bool udp; // ESP in UDP
	uint16_t sport, dport;

	// Outer header.
	int dscp;
	int flow_label;
	enum ref_df df;
	uint8_t ttl;
};

// What a sender is free to choose, and what a receiver found.
struct ref_choice {
	uint64_t seq;
	uint8_t esp_iv[REF_MAX_IV];
	uint8_t ah_iv[REF_MAX_IV];
	uint16_t id;           // outer IPv4
	uint8_t more_pad;      // bytes of padding beyond need, rounded down to what is possible
	uint32_t tfc;          // bytes behind the packet, inside ESP
	bool tfc_zeros;        // they are zeros; else they are not
	uint8_t ecn;           // outer; 4: that of the inner header
	bool options_outside;  // IPv6 transport: destination options stay in front of ESP or AH
	bool options_between;  // of ESP inside AH: they stand between the two
	bool ah_multiple_of_8; // over IPv4, too
	bool udp_sum;          // the UDP header has a checksum; else what follows
	uint16_t udp_checksum; // as it stands there
};

// Writes the outer header of a tunnel for that inner packet, without length, checksum and next
// header; returns its size.
uint32_t ref_outer(
	const struct ref_sa *sa, const struct ref_choice *c, const uint8_t *inner, uint8_t *ip);

// How long the upper layer of a packet says that it is: UDP, and IP in IP; else UINT32_MAX.
uint32_t ref_told_bytes(const struct ref_packet *p, const struct ref_ip *ip);

// What a receiver does to a packet that came in UDP and transport mode, where a NAT may have
// changed addresses: checksums of TCP, UDP and ICMPv6 are made anew (RFC 3948 section 3.1.2).
void ref_sum_again(struct ref_packet *p);

// Puts an SA around an IP packet.  False: it would be longer than an IP packet can be.
bool ref_protect(const struct ref_sa *sa, const struct ref_choice *c,
	const struct ref_packet *plain, struct ref_packet *wire);

enum ref_end {
	REF_OK,
	REF_OTHER,   // not a packet of that SA and number
	REF_BAD_ICV, // wrong integrity value
	REF_BAD_PAD,
	REF_BAD_INSIDE, // next header or inner packet
	REF_CONGESTED,  // outer CE over inner Not-ECT
	REF_DUMMY,
};

// Takes an SA off.  c->seq is the number that the packet has; the rest of c is filled in.
enum ref_end ref_open(const struct ref_sa *sa, struct ref_choice *c, const struct ref_packet *wire,
	struct ref_packet *plain);

// --- pieces -------------------------------------------------------------------------------------

void ref_put16(uint8_t *p, unsigned v);
void ref_put32(uint8_t *p, uint32_t v);
unsigned ref_get16(const uint8_t *p);
uint32_t ref_get32(const uint8_t *p);

struct ref_ip {
	uint8_t version;
	uint32_t header;     // bytes without extension headers
	uint32_t len;        // of the packet, by its header
	uint32_t upper;      // where the upper layer begins, behind all extension headers
	uint32_t upper_next; // the byte that names it
	uint32_t room;       // where a transport-mode header goes
	uint32_t room_next;  // the byte that names what stands there
	bool is_fragment;
};

bool ref_ip_parse(const uint8_t *p, uint32_t len, struct ref_ip *ip);

// Sets the length to len, and over IPv4 the checksum.
void ref_ip_finish(uint8_t *p, uint32_t len);

// Checksum over pseudo header and len bytes at off, of which field, an even offset, is its place;
// as it is to be stored.
uint16_t ref_checksum(
	const uint8_t *ip, uint8_t protocol, uint32_t off, uint32_t len, uint32_t field);

uint8_t ref_tos(const uint8_t *ip);
void ref_set_tos(uint8_t *ip, uint8_t tos);

// Zeroes what changes on the way, in headers that end where AH begins, and makes predictable what
// is predictable (RFC 4302 section 3.3.3.1).
void ref_mask(uint8_t *ip, uint32_t len);

// body: payload, padding and trailer in, whatever they are, ESP packet out.
void ref_esp_seal(const struct ref_sa *sa, const struct ref_choice *c, struct ref_packet *body);

// body: payload in, ESP packet out.
void ref_esp_wrap(
	const struct ref_sa *sa, const struct ref_choice *c, uint8_t next, struct ref_packet *body);

// ESP packet in, payload out; *next is its protocol.
enum ref_end ref_esp_unwrap(
	const struct ref_sa *sa, struct ref_choice *c, struct ref_packet *body, uint8_t *next);

uint32_t ref_ah_bytes(const struct ref_sa *sa, const struct ref_choice *c, uint8_t version);

// The packet is complete but for the integrity value of the AH at off.
void ref_ah_seal(const struct ref_sa *sa, const struct ref_choice *c, struct ref_packet *p,
	uint32_t off, uint8_t next);
enum ref_end ref_ah_check(const struct ref_sa *sa, struct ref_choice *c, const struct ref_packet *p,
	uint32_t off, uint32_t *ah_len, uint8_t *next);
