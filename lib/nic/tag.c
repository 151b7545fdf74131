// SPDX-License-Identifier: BSD-3-Clause
#include "nic/stages.h"

#include "base/bytes.h"
#include "nic/oob.h"
#include "nic/status.h"
#include "proto/ipsec.h"
#include "sa/table.h"

#define BOTH_PORTIONS (1u << FER_TRANSPORT | 1u << FER_TUNNEL)

// What the receipts of one packet add up to.
struct summary {
	bool done;         // something was done, or found to make no sense
	bool asks;         // an SA of it is to be deleted
	unsigned portions; // modes of the layers whose integrity was checked, a bit each
	enum fer_crypto_status status;
	const struct fer_layer *opened; // innermost ESP that was; NULL
};

static bool was_checked(const struct fer_layer *layer)
{
	return layer->verified || layer->verdict == FER_BAD_ICV;
}

static enum fer_mode mode_of(uint8_t next_header)
{
	return next_header == FER_PROTO_IPV4 || next_header == FER_PROTO_IPV6 ? FER_TUNNEL
									      : FER_TRANSPORT;
}

// Which portion of the packet layer k is.  The contract has no mode: what verified tells its own,
// and what did not is taken for what came last.
static enum fer_mode portion_of(
	const struct fer_nic *nic, const struct fer_batch *b, unsigned i, unsigned k)
{
	const struct fer_layer *layer = &b->round[k][i];
	const struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);
	struct fer_sa *head = fer_sa_head(nic->sas, fer_sa_at(nic->sas, layer->sa));

	if (likely(!head->contract))
		return (enum fer_mode)head->mode;
	if (fer_sa_is_outside(sa) && k + 1u < b->pkt[i].n_layers) {
		layer = &b->round[k + 1][i]; // the ESP of the bundle knows
		sa = fer_sa_at(nic->sas, layer->sa);
	}
	// AH alone says it in the clear.
	bool is_told = layer->verified || sa->protocol == FER_PROTO_AH;
	if (!is_told || fer_sa_is_outside(sa))
		return (enum fer_mode)atomic_load_explicit(&head->hint, memory_order_relaxed);
	enum fer_mode mode = mode_of(layer->next_header);
	atomic_store_explicit(&head->hint, (uint8_t)mode, memory_order_relaxed);
	return mode;
}

// Is something of the life of the SA over, or are few numbers left of those that its peer has?
static inline bool is_ending(const struct fer_sa *sa, const struct fer_layer *layer)
{
	return (atomic_load_explicit(&sa->life, memory_order_relaxed) & FER_LIFE_OVER) != 0 ||
	       (layer->verdict == FER_OK && fer_seq_is_low_at_peer(layer->seq, sa->suite.esn));
}

// Should the SA of a layer go?  It works on until it does.
static bool asks_deletion(
	const struct fer_nic *nic, const struct fer_layer *layer, struct fer_sa *sa)
{
	const struct fer_sa *head = fer_sa_head(nic->sas, sa);
	bool asks = is_ending(sa, layer) ||
		    (atomic_load_explicit(&head->life, memory_order_relaxed) & FER_LIFE_OVER) != 0;

	if (unlikely(nic->delete_after != 0) && sa->contract && was_checked(layer))
		asks |= fer_replay_count_failed(&sa->in.replay, layer->verified) >=
			nic->delete_after;
	return asks;
}

static struct summary summarize(const struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	struct summary s = {.status = FER_CRYPTO_SUCCESS};

	for (unsigned k = 0; k < b->pkt[i].n_layers; k++) {
		const struct fer_layer *layer = &b->round[k][i];
		struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);
		enum fer_mode portion = portion_of(nic, b, i, k);

		if (layer->verdict == FER_REPLAY)
			break; // refused before it cost crypto: nothing was done
		s.done = true;
		s.asks |= asks_deletion(nic, layer, sa);
		if (was_checked(layer))
			s.portions |= 1u << portion;
		s.status = fer_status_of((enum fer_verdict)layer->verdict, sa->protocol, portion);
		if (layer->verdict == FER_OK && sa->protocol == FER_PROTO_ESP)
			s.opened = layer;
	}
	return s;
}

// The AH of a bundle is nothing without its ESP.
static void check_bundle(const struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	struct fer_layer *last = fer_pkt_last_layer(b, i);

	if (last->verdict == FER_OK && fer_sa_is_outside(fer_sa_at(nic->sas, last->sa)))
		last->verdict = FER_BAD_PROTOCOL;
}

// Is a packet still in the batch, and has one layer?
static inline bool is_single(const struct fer_batch *b, unsigned i)
{
	return b->pkt[i].n_layers == 1 && b->m[i] != NULL;
}

static_assert((uint32_t)FER_OK << 24 == 0 && 1u << 16 == FER_OOB_HEADER_INFO_SET,
	"the outcome of a layer that is well is what slot 12 says of it");

// Tags the packets from i on as long as they are as most are: of one layer, opened, of one such SA.
// Returns the first that is not.
static unsigned tag_run(const struct fer_nic *nic, const struct fer_batch *b, unsigned i)
{
	const uint32_t index = b->round[0][i].sa;
	const struct fer_sa *sa = fer_sa_at(nic->sas, index);
	const bool is_esp = sa->protocol == FER_PROTO_ESP, esn = sa->suite.esn;

	if (!fer_tag_is_plain(sa))
		return i;
	for (unsigned n = b->n; i < n && is_single(b, i); i++) {
		const struct fer_layer *layer = &b->round[0][i];

		if (layer->sa != index || layer->verdict != FER_OK ||
			fer_seq_is_low_at_peer(layer->seq, esn))
			break;
		fer_tag_opened(b->m[i], fer_layer_outcome(layer), is_esp);
	}
	return i;
}

// Is there another layer in what was opened, in UDP or not?
static bool shows_another(
	const struct fer_batch *b, unsigned i, const struct fer_sa *sa, bool in_udp)
{
	const struct fer_frame *f = &b->pkt[i].frame;
	uint8_t room[FER_UDP_HEADER_BYTES + sizeof(uint32_t)];

	if (b->pkt[i].parsed != FER_OK || f->fragment != 0)
		return false;
	if (!in_udp)
		return f->protocol == FER_PROTO_ESP;
	if (f->protocol != FER_PROTO_UDP || f->end - f->up_off < sizeof(room) ||
		f->dport != (sa->udp_port != 0 ? sa->udp_port : FER_PORT_NAT))
		return false;
	const uint8_t *udp = rte_pktmbuf_read(b->m[i], f->up_off, sizeof(room), room);
	return udp != NULL && fer_load_be32(udp + FER_UDP_HEADER_BYTES) != 0; // no IKE
}

// Of the two shapes in which ESP and ESP in UDP stand inside each other both layers are opened, or
// none: the one that was, though there is no SA for the other.
static bool is_half_open(const struct fer_nic *nic, const struct fer_batch *b, unsigned i)
{
	const struct fer_layer *layer = &b->round[0][i];
	const struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);

	return sa->contract && b->pkt[i].n_layers == 1 && layer->verdict == FER_OK &&
	       (sa->udp_at == FER_UDP_OUTSIDE || sa->udp_at == FER_UDP_INSIDE) &&
	       mode_of(layer->next_header) == FER_TUNNEL &&
	       shows_another(b, i, sa, sa->udp_at == FER_UDP_INSIDE);
}

__attribute__((noinline)) static void tag_one(struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	struct fer_oob *o = fer_oob_of(b->m[i]);

	check_bundle(nic, b, i);
	if (unlikely(is_half_open(nic, b, i))) {
		fer_crypt_close_again(nic, b, i);
		if (b->pkt[i].n_layers == 0)
			return;
	}
	struct summary s = summarize(nic, b, i);
	if (!s.done)
		return;
	o->ipsec = FER_OOB_CRYPTO_DONE | (uint32_t)s.status << FER_OOB_CRYPTO_STATUS_SHIFT;
	if (s.asks)
		o->ipsec |= FER_OOB_SA_DELETE_REQ;
	if (s.portions == BOTH_PORTIONS)
		o->ipsec |= FER_OOB_NEXT_CRYPTO_DONE;
	if (s.opened != NULL)
		o->header = fer_oob_header_receive(s.opened->next_header, s.opened->pad_len);
}

__attribute__((noinline)) static void tag_all(struct fer_nic *nic, struct fer_batch *b)
{
	for (unsigned i = 0, n = b->n, next; i < n; i = next) {
		next = likely(is_single(b, i)) ? tag_run(nic, b, i) : i;
		if (likely(next != i))
			continue;
		if (b->m[i] != NULL && b->pkt[i].n_layers > 0)
			tag_one(nic, b, i);
		next = i + 1;
	}
}

void fer_tag(struct fer_nic *nic, struct fer_batch *b)
{
	if (unlikely(nic->n_answered != b->n))
		tag_all(nic, b);
	fer_batch_mark(b, FER_STAGE_TAG);
}
