// SPDX-License-Identifier: BSD-3-Clause
// Charges the SAs with the packets that ended on them, and tells of those that somebody should see.
#include "host/stages.h"

#include "nic/oob.h"
#include "sa/table.h"

// The SA that ended a packet on its way out: the one that was to be put on next, or was put on
// last.
static struct fer_sa *refused_out(struct fer_host *host, struct fer_batch *b, unsigned i)
{
	const struct fer_pkt *p = &b->pkt[i];

	if (b->m[i] == NULL) // another worker still has it
		return fer_sa_get(host->sas, p->handle[0]);
	const struct fer_oob *o = fer_oob_of(b->m[i]);
	unsigned k = (o->ipsec != 0) + (o->tunnel != 0);

	if (k > 0 && (k == FER_POLICY_MAX_GROUPS || p->handle[k] == 0))
		k--;
	return fer_sa_get(host->sas, p->handle[k]);
}

// On the way in: the layer that went wrong, else the innermost.
static const struct fer_layer *refused_layer(const struct fer_batch *b, unsigned i)
{
	unsigned n = b->pkt[i].n_layers, k = 0;

	while (k + 1 < n && b->round[k][i].verdict == FER_OK)
		k++;
	return n == 0 ? NULL : &b->round[k][i];
}

static void charge(struct fer_host *host, struct fer_sa *sa, enum fer_verdict v)
{
	if (sa != NULL && (unsigned)v < FER_N_SA_VERDICTS)
		fer_sa_count_drop(host->sas, fer_sa_head(host->sas, sa), v, 1);
}

// What was counted on an SA when it was framed, and ended since, was not protected.
static void give_back(struct fer_host *host, const struct fer_pkt *p)
{
	for (unsigned k = 0; k < FER_POLICY_MAX_GROUPS; k++)
		if (p->inside[k] != 0)
			fer_life_give_back(
				fer_sa_at(host->sas, (uint32_t)p->handle[k]), p->inside[k]);
}

static void end_out(struct fer_host *host, struct fer_batch *b, unsigned i)
{
	struct fer_sa *sa = refused_out(host, b, i);

	give_back(host, &b->pkt[i]);
	charge(host, sa, (enum fer_verdict)b->pkt[i].verdict);
	fer_audit_end(host, b, i, FER_OUT, sa, NULL);
}

static void end_in(struct fer_host *host, struct fer_batch *b, unsigned i)
{
	const struct fer_layer *layer = refused_layer(b, i);
	struct fer_sa *sa = layer == NULL ? NULL : fer_sa_at(host->sas, layer->sa);

	charge(host, sa, (enum fer_verdict)b->pkt[i].verdict);
	fer_audit_end(host, b, i, FER_IN, sa, layer);
}

// Nearly always there is nothing to charge.
static inline bool has_ended(const struct fer_batch *b)
{
	uint32_t marks = 0;

	for (unsigned i = 0, n = b->n; i < n; i++)
		marks |= fer_pkt_marks(&b->pkt[i]);
	return (marks & FER_MARKS_VERDICT) != 0;
}

__attribute__((noinline)) static void end_all_out(struct fer_host *host, struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (!fer_pkt_alive(&b->pkt[i]))
			end_out(host, b, i);
	fer_batch_mark(b, FER_STAGE_ACCOUNT);
}

__attribute__((noinline)) static void end_all_in(struct fer_host *host, struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (!fer_pkt_alive(&b->pkt[i]))
			end_in(host, b, i);
	fer_batch_mark(b, FER_STAGE_ACCOUNT);
}

void fer_account_out(struct fer_host *host, struct fer_batch *b)
{
	if (unlikely(has_ended(b)))
		end_all_out(host, b);
	else
		fer_batch_mark(b, FER_STAGE_ACCOUNT);
}

void fer_account_in(struct fer_host *host, struct fer_batch *b)
{
	if (unlikely(has_ended(b)))
		end_all_in(host, b);
	else
		fer_batch_mark(b, FER_STAGE_ACCOUNT);
}
