// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// From our list of outcomes to the contract's CryptoStatus: one table.

#include "base/verdict.h"
#include "nic/oob.h"
#include "proto/ipsec.h"

// What the contract says of a layer that ended in v.  The protocol is FER_PROTO_ESP or
// FER_PROTO_AH; the mode is that of the portion of the packet the layer belongs to.
enum fer_crypto_status fer_status_of(enum fer_verdict v, uint8_t protocol, enum fer_mode mode);
