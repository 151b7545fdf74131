// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The TCP header, RFC 9293 section 3.1, as far as large sends and MSS options need it.

#include "base/bytes.h"

#include <stdbool.h>

#define FER_TCP_HEADER_BYTES 20 // without options
#define FER_TCP_SEQ_OFF 4
#define FER_TCP_DATA_OFF 12
#define FER_TCP_FLAGS_OFF 13
#define FER_TCP_CKSUM_OFF 16

#define FER_TCP_FIN 0x01
#define FER_TCP_SYN 0x02
#define FER_TCP_PSH 0x08
#define FER_TCP_CWR 0x80

// Bytes that the header says it has, from the byte at FER_TCP_DATA_OFF.
static inline uint32_t fer_tcp_stated_bytes(uint8_t data_offset)
{
	return (data_offset >> 4) * 4u;
}

// Makes the header of a large send that of its segment whose data begin at off: number and flags;
// for CWR RFC 3168 section 6.1.2.  The checksum is left as it is.
static inline void fer_tcp_cut(uint8_t *tcp, uint32_t off, bool is_last)
{
	fer_store_be32(tcp + FER_TCP_SEQ_OFF, fer_load_be32(tcp + FER_TCP_SEQ_OFF) + off);
	if (off > 0)
		tcp[FER_TCP_FLAGS_OFF] &= (uint8_t)~FER_TCP_CWR;
	if (!is_last)
		tcp[FER_TCP_FLAGS_OFF] &= (uint8_t) ~(FER_TCP_FIN | FER_TCP_PSH);
}
