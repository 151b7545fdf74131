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
	fer_ident_init(&host->ident, 0, 1);
	host->work = calloc(1, sizeof(*host->work));
	host->flows = fer_flows_create(sas == NULL ? 0 : fer_sa_capacity(sas));
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

void fer_host_expect_out(const struct fer_host *host)
{
	struct fer_sa *sa = host->work->last[FER_OUT].sa;

	if (likely(sa != NULL))
		fer_prefetch_write(&sa->out.seq);
}

void fer_host_outbound(struct fer_host *host, struct fer_batch *b)
{
	const struct fer_host_rules *rules =
		atomic_load_explicit(host->rules, memory_order_acquire);

	if (fer_class_has_rules(&rules->classes))
		fer_classes_run(&rules->classes, b, FER_OUT);
	fer_select_out(host, rules, b);
	if (rules->mtu[FER_OUT] != 0)
		fer_mtu_out(host, rules, b);
	if (rules->clamp_mss)
		fer_mss_out(host, rules, b);
	fer_frame_out(host, b);
}

void fer_host_frame(struct fer_host *host, struct fer_batch *b)
{
	fer_frame_out(host, b);
}

uint32_t fer_host_mtu_out(const struct fer_host *host)
{
	return atomic_load_explicit(host->rules, memory_order_acquire)->mtu[FER_OUT];
}

void fer_host_sent(struct fer_host *host, struct fer_batch *b)
{
	fer_account_out(host, b);
}

// Are packets of several flows, or of others than the last one, among those that were opened in
// tunnel mode?  A guess, from the first and the last of a batch.
__attribute__((noinline)) static bool are_mixed(
	const struct fer_batch *b, const struct fer_host_flow *flow)
{
	const unsigned last = b->n - 1u;

	if (!fer_pkt_has_one_layer(&b->pkt[0]) || !fer_shows_inside(b, 0))
		return false;
	if (fer_layer_handle(&b->round[0][0]) != flow->handle)
		return true;
	return fer_pkt_has_one_layer(&b->pkt[last]) &&
	       (fer_layer_handle(&b->round[0][last]) != flow->handle ||
		       fer_frame_selector(&b->pkt[last].frame) != flow->selector);
}

// The same.  Mostly the last packet is like all in front of it.
static inline bool seem_mixed(const struct fer_host *host, const struct fer_batch *b)
{
	const struct fer_host_flow *flow = &host->work->last[FER_IN];

	if (b->n == 0 || (fer_layer_handle(&b->round[0][0]) == flow->handle &&
				 (b->n == 1 || (b->pkt[b->n - 1u].like & FER_LIKE_OPENED) != 0)))
		return false;
	return are_mixed(b, flow);
}

void fer_host_inbound(struct fer_host *host, struct fer_batch *b)
{
	const struct fer_host_rules *rules =
		atomic_load_explicit(host->rules, memory_order_acquire);

	const bool are_expected = rules->policies != NULL && unlikely(seem_mixed(host, b));
	if (are_expected)
		fer_expect_in(host, rules, b); // they arrive while layers are taken off
	fer_accept_in(host, b);
	if (fer_class_has_rules(&rules->classes))
		fer_classes_run(&rules->classes, b, FER_IN);
	bool all_go = fer_check_in(host, rules, b, are_expected);
	if (rules->clamp_mss)
		fer_mss_in(host, rules, b);
	if (rules->mtu[FER_IN] != 0)
		all_go &= fer_mtu_in(rules, b);
	if (unlikely(!all_go))
		fer_account_in(host, b);
}
