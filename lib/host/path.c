// SPDX-License-Identifier: BSD-3-Clause
#include "host/path.h"

#include "host/complete.h"
#include "host/dummy.h"
#include "host/fragment.h"

#include <rte_cycles.h>

#include <errno.h>
#include <stdlib.h>

int fer_path_init(struct fer_path *path, const struct fer_path_params *params)
{
	*path = (struct fer_path){.pool = params->pool};
	int error = fer_nic_init(&path->nic, params->sas, params->ivs);
	if (error != 0)
		return error;
	error = fer_host_init(&path->host, params->sas, params->pool, params->rules);
	if (error != 0)
		goto undo_nic;
	fer_ident_init(&path->host.ident, params->worker, params->n_workers);
	path->host.events = params->events;
	path->reassembly = fer_reassembly_create(&params->reassembly);
	path->dummies = calloc(1, sizeof(*path->dummies));
	if (path->reassembly == NULL || path->dummies == NULL) {
		error = -ENOMEM;
		goto undo_host;
	}
	return 0;
undo_host:
	fer_reassembly_destroy(path->reassembly);
	free(path->dummies);
	fer_host_fini(&path->host);
undo_nic:
	fer_nic_fini(&path->nic);
	return error;
}

void fer_path_fini(struct fer_path *path)
{
	fer_reassembly_destroy(path->reassembly);
	free(path->dummies);
	fer_host_fini(&path->host);
	fer_nic_fini(&path->nic);
}

// Packets with none of these flags, in one piece of their own, can go their way as they are.
#define RARE_FLAGS                                                                                 \
	(RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_RX_LRO |                           \
		(RTE_MBUF_F_RX_L4_CKSUM_NONE & ~RTE_MBUF_F_RX_L4_CKSUM_GOOD))

// Does what has to be done to some frames before they go their way.
__attribute__((noinline)) static void make_ready(
	struct fer_path *path, struct fer_batch *b, struct fer_arrival a)
{
	if (fer_arrival_may_be_shared(&a))
		fer_batch_own(b, path->pool);
	if (fer_complete_has_work(a.flags))
		fer_complete_run(b);
}

// What the sender of a frame left to hardware is done.  Nearly always there is nothing to do.
// Returns whether there may be fragments.
static inline bool start(struct fer_path *path, struct fer_batch *b)
{
	const struct fer_arrival a = fer_batch_arrive(b);

	if (unlikely(a.is_odd || (a.flags & RARE_FLAGS) != 0))
		make_ready(path, b, a);
	return a.has_other;
}

// Cuts what is too long for the port that it goes to, if it matters.
static inline void cut(struct fer_path *path, struct fer_batch *b)
{
	if (b->mtu != 0)
		fer_fragment_run(b, path->pool);
}

void fer_path_out(struct fer_path *path, struct fer_batch *b)
{
	fer_host_expect_out(&path->host);
	start(path, b);
	fer_host_outbound(&path->host, b);
	fer_nic_transmit(&path->nic, b);
	cut(path, b);
	fer_host_sent(&path->host, b);
}

void fer_path_dummies(struct fer_path *path, struct fer_batch *b, uint64_t now)
{
	const struct fer_sa_table *sas = path->host.sas;

	fer_dummies_start(path->dummies, sas, now, rte_get_tsc_hz(), fer_host_mtu_out(&path->host),
		path->pool, b);
	if (b->n == 0)
		return;
	fer_host_frame(&path->host, b);
	fer_dummies_mark(sas, b);
	fer_nic_transmit(&path->nic, b);
	fer_dummies_count(path->dummies, sas, b);
	fer_host_sent(&path->host, b);
}

void fer_path_in(struct fer_path *path, struct fer_batch *b, uint64_t now, uint64_t *timed_out)
{
	bool may_have_fragments = start(path, b);

	if (unlikely(may_have_fragments || fer_reassembly_has_waiting(path->reassembly)))
		fer_reassembly_run(path->reassembly, path->host.sas, b, now, timed_out);
	fer_nic_receive(&path->nic, b);
	fer_host_inbound(&path->host, b);
	cut(path, b);
}
