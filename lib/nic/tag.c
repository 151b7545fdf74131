// SPDX-License-Identifier: BSD-3-Clause
#include "nic/stages.h"

#include "nic/oob.h"
#include "nic/status.h"
#include "sa/table.h"

#define BOTH_PORTIONS (1u << FER_TRANSPORT | 1u << FER_TUNNEL)

// What the receipts of one packet add up to.
struct summary {
	bool done;         // something was done, or found to make no sense
	unsigned portions; // modes of the layers whose integrity was checked, a bit each
	enum fer_crypto_status status;
	const struct fer_layer *opened; // innermost ESP that was; NULL
};

static bool was_checked(const struct fer_layer *layer)
{
	return layer->verified || layer->verdict == FER_BAD_ICV;
}

static struct summary summarize(const struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	struct summary s = {.status = FER_CRYPTO_SUCCESS};

	for (unsigned k = 0; k < b->pkt[i].n_layers; k++) {
		const struct fer_layer *layer = &b->layer[i][k];
		struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);
		enum fer_mode portion = (enum fer_mode)fer_sa_head(nic->sas, sa)->mode;

		if (layer->verdict == FER_REPLAY)
			break; // refused before it cost crypto: nothing was done
		s.done = true;
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

static void tag_one(const struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	struct fer_oob *o = fer_oob_of(b->m[i]);

	check_bundle(nic, b, i);
	struct summary s = summarize(nic, b, i);
	if (!s.done)
		return;
	o->ipsec = FER_OOB_CRYPTO_DONE | (uint32_t)s.status << FER_OOB_CRYPTO_STATUS_SHIFT;
	if (s.portions == BOTH_PORTIONS)
		o->ipsec |= FER_OOB_NEXT_CRYPTO_DONE;
	if (s.opened != NULL)
		o->header = fer_oob_header_receive(s.opened->next_header, s.opened->pad_len);
}

void fer_tag(struct fer_nic *nic, struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->m[i] != NULL && b->pkt[i].n_layers > 0)
			tag_one(nic, b, i);
	fer_batch_mark(b, FER_STAGE_TAG);
}
