// SPDX-License-Identifier: BSD-3-Clause
#include "nic/stages.h"

#include "nic/oob.h"
#include "nic/status.h"
#include "sa/table.h"

#define BOTH_PORTIONS (1u << FER_TRANSPORT | 1u << FER_TUNNEL)

// What the receipts of one packet add up to.
struct summary {
	unsigned portions; // modes of the layers whose cryptography was tried, a bit each
	enum fer_crypto_status status;
	const struct fer_layer *opened; // innermost one that was; NULL
};

static struct summary summarize(const struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	struct summary s = {.status = FER_CRYPTO_SUCCESS};

	for (unsigned k = 0; k < b->pkt[i].n_layers; k++) {
		const struct fer_layer *layer = &b->layer[i][k];
		const struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);

		if (layer->verdict == FER_REPLAY)
			break; // refused before it cost crypto: nothing was done
		s.portions |= 1u << sa->mode;
		s.status = fer_status_of(
			(enum fer_verdict)layer->verdict, sa->protocol, (enum fer_mode)sa->mode);
		if (layer->verdict == FER_OK)
			s.opened = layer;
	}
	return s;
}

static void tag_one(const struct fer_nic *nic, struct fer_batch *b, unsigned i)
{
	struct fer_oob *o = fer_oob_of(b->m[i]);
	struct summary s = summarize(nic, b, i);

	if (s.portions == 0)
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
