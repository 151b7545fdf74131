// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Large send offload of the contract: slot 2 (sections 2.23 and 6.4), with and without IPsec.
//
//     IP | (UDP) | (AH) | (ESP header, room for the IV) | TCP | data | padding
//
// becomes segments with mss bytes of data each, the last with what is left.  The padding, of which
// slot 12 says how long it is, is left out; each segment gets a trailer of its own, as short as its
// SA allows, with the next header of slot 12, and room for the ICV.
//
// Segment k, from 0, has the framed sequence numbers of ESP and AH plus k, and of IPv4 the
// identification plus k, which for version 2 stays below 0x8000.  Where the low half of a number
// passes 2^32 within a send the high half is one more behind that: the host sends UPDATE_SA when
// the send is complete.  Without extended numbers such a send fails.  FIN and PSH are those of the
// last segment, CWR that of the first.  Lengths and checksums are right in all of them; a UDP
// header around ESP has none.
//
// The IP header of a large send may have length 0, then the packet ends where the frame does, and
// any checksum.  TcpHeaderOffset is not looked at: the headers say where TCP is.
//
// A send is cut and protected whole before anything of it goes out, or fails whole.

#include "nic/batch.h"

struct fer_nic;
struct fer_lso; // work space

// Bytes of data that a large send may have, however long its headers are.
#define FER_LSO_MAX_BYTES 64000
#define FER_LSO_MAX_SEGMENTS (1 + FER_BATCH_MORE) // all that with an MSS of 42

struct fer_lso *fer_lso_create(void);
void fer_lso_destroy(struct fer_lso *l);

// Completes the IP headers of large sends, and parses them again.  Those that may (of struct
// fer_nic) does not allow end in FER_NOT_CONFIGURED.
void fer_lso_prepare(struct fer_batch *b, uint32_t may);

// Cuts and protects the large sends of a batch.  The first segment takes the place of the send, the
// others follow it in b->more; its handles are gone, and its slot 2 says that all was sent. Buffers
// are those of the pool that the send came from.
//
// Ends, and stays as it is: one that is not TCP in transport mode, is too long, or has too many
// segments, in FER_LARGE_SEND; one that would repeat numbers in FER_SEQ_EXHAUSTED; one for which
// there are not enough buffers, or no room in b->more, in FER_NO_ROOM; else in what
// fer_nic_transmit() says.
void fer_lso_send(struct fer_nic *nic, struct fer_batch *b);
