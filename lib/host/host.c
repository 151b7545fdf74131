// SPDX-License-Identifier: BSD-3-Clause
#include "host/host.h"

#include "host/flow.h"
#include "host/stages.h"
#include "sa/table.h"

#include <errno.h>
#include <stdlib.h>

int fer_host_init(struct fer_host *host, struct fer_sa_table *sas, struct rte_mempool *pool,
	const struct fer_host_rules *_Atomic *rules)
{
	*host = (struct fer_host){.sas = sas, .pool = pool, .rules = rules};
	host->work = calloc(1, sizeof(*host->work));
	host->flows = fer_flows_create();
	if (host->work != NULL && host->flows != NULL)
		return 0;
	fer_host_fini(host);
	return -ENOMEM;
}

void fer_host_fini(struct fer_host *host)
{
	fer_flows_destroy(host->flows);
	free(host->work);
	*host = (struct fer_host){0};
}

void fer_host_outbound(struct fer_host *host, struct fer_batch *b)
{
	const struct fer_host_rules *rules =
		atomic_load_explicit(host->rules, memory_order_acquire);

	fer_classes_run(&rules->classes, b, FER_OUT);
	fer_select_out(host, rules, b);
	fer_mtu_out(host, rules, b);
	fer_mss_out(host, rules, b);
	for (unsigned k = 0; k < FER_POLICY_MAX_GROUPS; k++)
		fer_frame_out(host, b, k);
}

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

// Counts layer k of a run of packets that one SA protected.
static unsigned count_group(struct fer_host *host, struct fer_batch *b, unsigned first, unsigned k)
{
	uint32_t index = b->layer[first][k].sa;
	uint64_t packets = 0, bytes = 0;
	unsigned i = first;

	for (; i < b->n && fer_pkt_alive(&b->pkt[i]) && b->pkt[i].n_layers > k &&
		b->layer[i][k].sa == index;
		i++) {
		packets++;
		bytes += b->pkt[i].inside[k];
	}
	struct fer_sa *sa = fer_sa_at(host->sas, index);
	atomic_fetch_add_explicit(&sa->out.packets, packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&sa->out.bytes, bytes, memory_order_relaxed);
	return i;
}

void fer_host_sent(struct fer_host *host, struct fer_batch *b)
{
	for (unsigned k = 0; k < FER_POLICY_MAX_GROUPS; k++)
		for (unsigned i = 0; i < b->n;)
			if (fer_pkt_alive(&b->pkt[i]) && b->pkt[i].n_layers > k)
				i = count_group(host, b, i, k);
			else
				i++;
	account_drops(host, b, refused_out);
	fer_batch_mark(b, FER_STAGE_ACCOUNT);
}

void fer_host_inbound(struct fer_host *host, struct fer_batch *b)
{
	const struct fer_host_rules *rules =
		atomic_load_explicit(host->rules, memory_order_acquire);

	fer_commit_in(host, b);
	fer_strip_in(host, b);
	fer_classes_run(&rules->classes, b, FER_IN);
	fer_check_in(host, rules, b);
	fer_mss_in(host, rules, b);
	fer_mtu_in(rules, b);
	account_drops(host, b, refused_in);
	fer_batch_mark(b, FER_STAGE_ACCOUNT);
}
