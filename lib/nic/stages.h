// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The stages inside the NIC half; nic.c is the only caller.

#include "nic/nic.h"
#include "nic/oob.h"
#include "sa/sa.h"

#define FER_CRYPT_ESN_BYTES 4 // that the engine hashes behind an AH packet

// What is known, from a packet bound before, of the next one to be sent with the same handle,
// offsets and link header, if its SA is one of ESP or AH alone, not in UDP.  It holds as long as
// the SA lives.
struct fer_known {
	struct fer_sa *sa; // NULL: nothing is known
	uint64_t handle;
	uint64_t state;   // fer_pkt_state()
	uint16_t offsets; // of slot 12
	uint16_t ip_off;
	uint8_t ah_len; // length field of AH as the SA has it; 0: it is ESP
	uint32_t spi;   // as in memory
	uint32_t sec_off;
	uint32_t least_end; // of the packet
	uint64_t places;    // fer_layer_places()
	const struct fer_suite *suite;
	const struct fer_key *key;
	uint64_t begun; // SA that the last burst began with of which it was not known
};

// Finds the outbound SAs that the words name, and their headers in the packet.  Returns how many
// layers the packet with most of them has.
unsigned fer_bind_out(struct fer_nic *nic, struct fer_batch *b);

// Finds the inbound SA of the next layer of every packet that has one, by protocol, destination
// and SPI, and asks it for the full sequence number; makes a job of every layer that is to be
// opened.  Returns how many these are.
unsigned fer_bind_in(struct fer_nic *nic, struct fer_batch *b);

// Is there room behind a packet of AH for what is hashed there with ESN?
static inline bool fer_crypt_has_room_behind(const struct rte_mbuf *m, uint32_t end)
{
	return end + FER_CRYPT_ESN_BYTES <= (uint32_t)m->buf_len - m->data_off;
}

struct fer_crypt *fer_crypt_create(void);
void fer_crypt_destroy(struct fer_crypt *c);

// Seals the layers that bind found, inside out: of each round one call of the engine.
void fer_crypt_seal(struct fer_nic *nic, struct fer_batch *b, unsigned n_rounds);

// Makes a job of the last layer of packet i.  False: there is nothing that an ICV could cover, and
// the layer says so.
bool fer_crypt_add(struct fer_nic *nic, struct fer_batch *b, unsigned i, const struct fer_sa *sa);

// Does the jobs (nic/crypt.h): one call of the engine; then reads the trailer and parses what
// became visible.  Returns how many packets show another layer.
unsigned fer_crypt_open(struct fer_nic *nic, struct fer_batch *b);

// Makes a packet of which one layer of ESP was opened, and nothing else, what it was before; its
// frame shows that layer again, and it has no receipt.
void fer_crypt_close_again(struct fer_nic *nic, struct fer_batch *b, unsigned i);

// Do packets of an SA say the same in their words, as long as all goes well and their numbers are
// not low: is it ours, part of no bundle, and not ending?  A contract SA learns its mode from them.
static inline bool fer_tag_is_plain(const struct fer_sa *sa)
{
	bool is_over = (atomic_load_explicit(&sa->life, memory_order_relaxed) & FER_LIFE_OVER) != 0;

	return sa->partner == FER_NO_SA_INDEX && !sa->contract && !is_over;
}

// Writes the receive words of a packet of such an SA that was opened.
static inline void fer_tag_opened(struct rte_mbuf *m, uint32_t outcome, bool is_esp)
{
	struct fer_oob *o = fer_oob_of(m);

	o->ipsec = FER_OOB_CRYPTO_DONE | FER_CRYPTO_SUCCESS << FER_OOB_CRYPTO_STATUS_SHIFT;
	if (likely(is_esp))
		o->header = outcome;
}

// Writes the receive words from the receipts, where not all packets have them already.
void fer_tag(struct fer_nic *nic, struct fer_batch *b);
