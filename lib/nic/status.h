// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// From our list of outcomes to the contract's CryptoStatus: one table.

#include "base/verdict.h"
#include "nic/oob.h"
#include "proto/ipsec.h"

// What the contract says of a layer that ended in v.  The protocol is FER_PROTO_ESP or
// FER_PROTO_AH; the mode is that of the portion of the packet the layer belongs to.
enum fer_crypto_status fer_status_of(enum fer_verdict v, uint8_t protocol, enum fer_mode mode);

// NDIS status codes with which sends complete.
#define FER_SEND_SUCCESS 0x00000000u
#define FER_SEND_FAILURE 0xC0000001u
#define FER_SEND_RESOURCES 0xC000009Au
#define FER_SEND_INVALID_LENGTH 0xC0010014u
#define FER_SEND_INVALID_DATA 0xC0010015u

// What the contract says of a send that ended in v; FER_OK: it was given to the port.
uint32_t fer_status_of_send(enum fer_verdict v);
