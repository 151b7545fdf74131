// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The stages inside the NIC half; nic.c is the only caller.

#include "nic/nic.h"

// Finds the outbound SAs that the words name, and their headers in the packet.  Returns how many
// layers the packet with most of them has.
unsigned fer_bind_out(struct fer_nic *nic, struct fer_batch *b);

// Finds the inbound SA of the next layer of every packet that has one, by protocol, destination
// and SPI, and asks it for the full sequence number.  Returns how many packets wait for crypt.
unsigned fer_bind_in(struct fer_nic *nic, struct fer_batch *b);

struct fer_crypt *fer_crypt_create(void);
void fer_crypt_destroy(struct fer_crypt *c);

// Seals layer k (0: innermost) of every packet that has one: one call of the engine.
void fer_crypt_seal(struct fer_nic *nic, struct fer_batch *b, unsigned k);

// Opens the layer that every pending packet waits for: one call of the engine; then reads the
// trailer and parses what became visible.  Returns how many packets show another layer.
unsigned fer_crypt_open(struct fer_nic *nic, struct fer_batch *b);

// Makes a packet of which one layer of ESP was opened, and nothing else, what it was before; its
// frame shows that layer again, and it has no receipt.
void fer_crypt_close_again(struct fer_nic *nic, struct fer_batch *b, unsigned i);

// Writes the receive words from the receipts.
void fer_tag(struct fer_nic *nic, struct fer_batch *b);
