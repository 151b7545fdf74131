// SPDX-License-Identifier: BSD-3-Clause
// Charges the SAs with the packets that ended on them.
#include "host/stages.h"

#include "sa/table.h"

// The SA that ended a packet on its way out: the one that was to be put on next, or was put on
// last.
static struct fer_sa *refused_out(struct fer_host *host, struct fer_batch *b, unsigned i)
{
	const struct fer_pkt *p = &b->pkt[i];
	unsigned k = p->n_layers;

	if (k > 0 && (k == FER_POLICY_MAX_GROUPS || p->handle[k] == 0))
		k--;
	return fer_sa_get(host->sas, p->handle[k]);
}

// On the way in: the one whose layer went wrong, else the innermost.
static struct fer_sa *refused_in(struct fer_host *host, struct fer_batch *b, unsigned i)
{
	unsigned n = b->pkt[i].n_layers;

	for (unsigned k = 0; k < n; k++)
		if (b->layer[i][k].verdict != FER_OK || k + 1 == n)
			return fer_sa_at(host->sas, b->layer[i][k].sa);
	return NULL;
}

static void account_drops(struct fer_host *host, struct fer_batch *b,
	struct fer_sa *(*refused)(struct fer_host *host, struct fer_batch *b, unsigned i))
{
	for (unsigned i = 0; i < b->n; i++) {
		enum fer_verdict v = (enum fer_verdict)b->pkt[i].verdict;

		if (likely(v == FER_OK) || (unsigned)v >= FER_N_SA_VERDICTS)
			continue;
		struct fer_sa *sa = refused(host, b, i);
		if (sa != NULL)
			fer_sa_count_drop(sa, v, 1);
	}
}

// What was counted on an SA when it was framed, and ended since, was not protected.
static void give_back(struct fer_host *host, const struct fer_pkt *p)
{
	for (unsigned k = 0; k < FER_POLICY_MAX_GROUPS; k++)
		if (p->inside[k] != 0)
			fer_life_give_back(
				fer_sa_at(host->sas, (uint32_t)p->handle[k]), p->inside[k]);
}

void fer_account_out(struct fer_host *host, struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (unlikely(!fer_pkt_alive(&b->pkt[i])))
			give_back(host, &b->pkt[i]);
	account_drops(host, b, refused_out);
	fer_batch_mark(b, FER_STAGE_ACCOUNT);
}

void fer_account_in(struct fer_host *host, struct fer_batch *b)
{
	account_drops(host, b, refused_in);
	fer_batch_mark(b, FER_STAGE_ACCOUNT);
}
