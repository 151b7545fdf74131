// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The out-of-band words that travel with a packet: slots 0, 1, 2, 11 and 12 of the contract's
// NetBufferListInfo array, bit for bit, in one dynamic field of the mbuf.
//
// Slots 0, 2 and 12 hold no more than 32 bits, so five slots take 28 bytes.  Nobody clears dynamic
// fields: whoever receives or makes a frame zeroes its words.

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

// Where the words live in every mbuf.  At 92 the two 64-bit slots are aligned.
#define FER_OOB_OFFSET 92

struct fer_oob {
	uint32_t checksum; // slot 0
	uint64_t ipsec;    // slot 1: send: handle; receive: flags and CryptoStatus
	uint64_t tunnel;   // slot 11: send: handle of the tunnel bundle
	uint32_t lso;      // slot 2
	uint32_t header;   // slot 12
} __attribute__((packed, aligned(4)));

static_assert(sizeof(struct fer_oob) == 28, "36 bytes are free, 8 of them for a timestamp");

// Reserves the field, once a process, before anything registers a timestamp.  Returns 0, or -errno
// when another library has taken the room.
__attribute__((warn_unused_result)) int fer_oob_register(void);

static inline struct fer_oob *fer_oob_of(struct rte_mbuf *m)
{
	return (struct fer_oob *)((uint8_t *)m + FER_OOB_OFFSET);
}

static inline void fer_oob_clear(struct rte_mbuf *m)
{
	*fer_oob_of(m) = (struct fer_oob){0};
}

// Slot 2, send: the size of a segment's data in bits 0 to 19 (0: no large send), TcpHeaderOffset in
// 20 to 29, version 2 in bit 30, and of version 2 IPv6 in bit 31.  When it is done: of version 1
// the bytes of data that were sent in bits 0 to 29, of version 2 its bit alone.
#define FER_OOB_LSO_V2 0x40000000u
#define FER_OOB_LSO_IPV6 0x80000000u

static inline uint32_t fer_oob_mss(const struct fer_oob *o)
{
	return o->lso & 0xfffff;
}

// What slot 2 becomes when so many bytes of the data were sent.
static inline uint32_t fer_oob_lso_done(uint32_t asked, uint32_t n_sent)
{
	return (asked & FER_OOB_LSO_V2) != 0 ? FER_OOB_LSO_V2 : n_sent & 0x3fffffff;
}

// Slot 1, receive.
#define FER_OOB_SA_DELETE_REQ 0x1u
#define FER_OOB_CRYPTO_DONE 0x2u
#define FER_OOB_NEXT_CRYPTO_DONE 0x4u
#define FER_OOB_CRYPTO_STATUS_SHIFT 16

static_assert((FER_OOB_SA_DELETE_REQ | FER_OOB_CRYPTO_DONE | FER_OOB_NEXT_CRYPTO_DONE) == 0x7 &&
		      UINT32_C(0xffff) << FER_OOB_CRYPTO_STATUS_SHIFT == 0xffff0000,
	"section 2.20 of the contract: bits 3 to 15 are reserved");

enum fer_crypto_status {
	FER_CRYPTO_SUCCESS = 0,
	FER_CRYPTO_GENERIC_ERROR = 1,
	FER_CRYPTO_TRANSPORT_AH_AUTH_FAILED = 2,
	FER_CRYPTO_TRANSPORT_ESP_AUTH_FAILED = 3,
	FER_CRYPTO_TUNNEL_AH_AUTH_FAILED = 4,
	FER_CRYPTO_TUNNEL_ESP_AUTH_FAILED = 5,
	FER_CRYPTO_INVALID_PACKET_SYNTAX = 6,
	FER_CRYPTO_INVALID_PROTOCOL = 7,
};

static inline enum fer_crypto_status fer_oob_crypto_status(const struct fer_oob *o)
{
	return (enum fer_crypto_status)(o->ipsec >> FER_OOB_CRYPTO_STATUS_SHIFT & 0xffff);
}

// Slot 12, both ways: next header in bits 0 to 7, pad length in bits 8 to 15.
static inline uint8_t fer_oob_next_header(const struct fer_oob *o)
{
	return (uint8_t)o->header;
}

static inline uint8_t fer_oob_pad_length(const struct fer_oob *o)
{
	return (uint8_t)(o->header >> 8);
}

// Slot 12, receive.
#define FER_OOB_HEADER_INFO_SET 0x10000u

static inline uint32_t fer_oob_header_receive(uint8_t next_header, uint8_t pad_length)
{
	return FER_OOB_HEADER_INFO_SET | (uint32_t)pad_length << 8 | next_header;
}

// Slot 12, send.  Offsets count from the first IP header of the frame, in units of 4 bytes, 0 for
// an absent header; with two bundles they are those of the bundle in slot 1, the inner one.
#define FER_OOB_MAX_OFFSET (255 * 4)

static inline uint32_t fer_oob_header_send(
	uint8_t next_header, uint8_t pad_length, uint32_t ah_off, uint32_t esp_off)
{
	return esp_off / 4 << 24 | ah_off / 4 << 16 | (uint32_t)pad_length << 8 | next_header;
}

static inline uint32_t fer_oob_ah_offset(const struct fer_oob *o)
{
	return (o->header >> 16 & 0xff) * 4;
}

static inline uint32_t fer_oob_esp_offset(const struct fer_oob *o)
{
	return (o->header >> 24) * 4;
}
