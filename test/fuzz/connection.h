// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Random connections: associations for the oracle, and the same as documents for ferrule.

#include "oracle/ref.h"
#include "rng.h"

#include <stdio.h>

#define CONNECTION_MAX_SAS 2

// What ferrule has, asked through documents.  What it does not have yet is left out, and named.
struct features {
	bool cipher[32]; // by place in the oracle's table
	bool integrity[32];
	bool ah;   // alone
	bool both; // ESP inside AH
	bool udp;
	bool legacy;
	bool nested_tunnels;
	bool tfc;
};

// Ends the process when a document is refused for another reason than that this version does not
// support it.
struct features features_find(void);

// Names what is missing; returns how much that is.
unsigned features_print(const struct features *f, FILE *to);

struct connection {
	unsigned number;
	unsigned n_sas;
	struct ref_sa sa[CONNECTION_MAX_SAS];  // innermost first
	uint64_t sequence[CONNECTION_MAX_SAS]; // of the documents
	uint64_t sent[CONNECTION_MAX_SAS];     // the last number of the sender
	uint64_t made[CONNECTION_MAX_SAS];     // the same of what the oracle sent to ferrule
	uint32_t window[CONNECTION_MAX_SAS];
	uint32_t pad_to[CONNECTION_MAX_SAS]; // TFC padding of the sender; 0: none
	bool carries[2];                     // IPv4, IPv6
	bool one_host;                       // the addresses are single hosts
	struct ref_addr net[2][2]; // by version, source and destination; the last two bytes are
				   // free unless one_host
};

void connection_make(
	struct rng *r, const struct features *f, unsigned number, struct connection *c);

// A packet of a host on one side to one on the other.
//   most  bytes of it
void connection_plain(
	struct rng *r, const struct connection *c, uint32_t most, struct ref_packet *p);

// The document with all of them, for the sender or the receiver.  The caller frees it.
char *connections_document(
	const struct connection *c, unsigned n, const struct features *f, bool sender);
