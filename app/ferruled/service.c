// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// How often is looked whether a grace period is over, when somebody waits for it.  It lasts as long
// as the burst that a worker has in hand: so at first in every round of the loop, which serves all
// others meanwhile.
static const struct timeval at_once, rarely = {.tv_usec = 1000};
#define EAGER_NS UINT64_C(200000)

const struct fer_ctl_op fer_service_ops[] = {
	{OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA, FER_MSG_TYPE_SET, false, fer_service_add_sa},
	{OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX, FER_MSG_TYPE_SET, false, fer_service_add_sa_ex},
	{OID_TCP_TASK_IPSEC_OFFLOAD_V2_UPDATE_SA, FER_MSG_TYPE_SET, false, fer_service_update_sa},
	{OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA, FER_MSG_TYPE_SET, false, fer_service_delete_sa},
	{OID_TCP_OFFLOAD_CURRENT_CONFIG, FER_MSG_TYPE_QUERY, true, fer_service_current_config},
	{OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, FER_MSG_TYPE_QUERY, true,
		fer_service_hardware_capabilities},
	{OID_TCP_OFFLOAD_PARAMETERS, FER_MSG_TYPE_SET, false, fer_service_offload_parameters},
	{OID_OFFLOAD_ENCAPSULATION, FER_MSG_TYPE_SET, false, fer_service_set_encapsulation},
	{OID_OFFLOAD_ENCAPSULATION, FER_MSG_TYPE_QUERY, false, fer_service_encapsulation},
	{FER_MSG_PORT_LIST, FER_MSG_TYPE_QUERY, true, fer_service_port_list},
	{FER_MSG_RESET, FER_MSG_TYPE_SET, false, fer_service_reset},
	{FER_MSG_SA_ADD, FER_MSG_TYPE_SET, false, fer_service_sa_add},
	{FER_MSG_SA_SWAP, FER_MSG_TYPE_SET, false, fer_service_sa_swap},
	{FER_MSG_SA_ACTIVATE, FER_MSG_TYPE_SET, false, fer_service_sa_activate},
	{FER_MSG_SA_DELETE, FER_MSG_TYPE_SET, false, fer_service_sa_delete},
	{FER_MSG_SA_LIST, FER_MSG_TYPE_QUERY, false, fer_service_sa_list},
	{FER_MSG_SA_SHOW, FER_MSG_TYPE_QUERY, false, fer_service_sa_show},
	{FER_MSG_POLICY_ADD, FER_MSG_TYPE_SET, false, fer_service_policy_add},
	{FER_MSG_POLICY_DELETE, FER_MSG_TYPE_SET, false, fer_service_policy_delete},
	{FER_MSG_POLICY_LIST, FER_MSG_TYPE_QUERY, false, fer_service_policy_list},
	{FER_MSG_STATS_SA, FER_MSG_TYPE_QUERY, false, fer_service_stats_sa},
	{FER_MSG_STATS_PORT, FER_MSG_TYPE_QUERY, true, fer_service_stats_port},
	{FER_MSG_STATS_WORKER, FER_MSG_TYPE_QUERY, true, fer_service_stats_worker},
	{FER_MSG_STATS_DROP, FER_MSG_TYPE_QUERY, true, fer_service_stats_drop},
};

const uint32_t fer_service_n_ops = sizeof(fer_service_ops) / sizeof(fer_service_ops[0]);

bool fer_service_gate(void *arg, struct fer_ctl_request *r)
{
	const struct fer_service *s = arg;
	const struct fer_msg_header *h = fer_ctl_request_header(r);

	if (h->type != FER_MSG_TYPE_SET || h->pair >= s->n_pairs ||
		!fer_pair_has_lost_port(&s->pairs[h->pair]))
		return true;
	fer_ctl_refuse(r, NDIS_STATUS_NOT_ACCEPTED, 0, FER_MSG_NO_ELEMENT,
		"a port of the pair has been removed");
	return false;
}

// --- status codes -------------------------------------------------------------------------------

uint32_t fer_service_status(int error)
{
	switch (error) {
	case 0:
		return NDIS_STATUS_SUCCESS;
	case -EINVAL:
	case -EEXIST:
	case -ENOTUNIQ:
		return NDIS_STATUS_INVALID_DATA;
	case -ENOENT:
		return NDIS_STATUS_INVALID_PARAMETER;
	case -ENOSPC:
	case -ENOMEM:
	case -E2BIG:
	case -EAGAIN:
		return NDIS_STATUS_RESOURCES;
	case -ECANCELED:
		return NDIS_STATUS_REQUEST_ABORTED;
	default:
		return NDIS_STATUS_FAILURE;
	}
}

void fer_service_refuse(
	struct fer_ctl_request *r, uint32_t status, const struct fer_msg_fault *fault)
{
	fer_ctl_refuse(r, status, fault->needed, fault->element, fault->why);
}

void fer_service_fail(struct fer_ctl_request *r, int error, uint32_t element, const char *why)
{
	fer_ctl_refuse(r, fer_service_status(error), 0, element, why);
}

bool fer_service_is_oob(const struct fer_service *s, struct fer_ctl_request *r)
{
	if (!fer_service_pair(s, r)->is_oob)
		return false;
	fer_ctl_refuse(r, NDIS_STATUS_NOT_SUPPORTED, 0, FER_MSG_NO_ELEMENT,
		"the pair is of mode oob: its host has the policies, and adds SAs by the contract");
	return true;
}

void fer_service_answer(struct fer_ctl_request *r, struct fer_msg_buf *b)
{
	const struct fer_ctl_result result = {.data = b->bytes, .len = b->len};

	if (b->failed)
		fer_ctl_complete_status(r, NDIS_STATUS_RESOURCES);
	else
		fer_ctl_complete(r, &result);
	fer_msg_buf_fini(b);
}

// --- later --------------------------------------------------------------------------------------

struct fer_wait *fer_wait_create(struct fer_pair *pair, struct fer_ctl_request *r)
{
	struct fer_wait *w = calloc(1, sizeof(*w));

	if (w != NULL) {
		w->pair = pair;
		w->request = r;
		w->element = FER_MSG_NO_ELEMENT;
	}
	return w;
}

void fer_wait_destroy(struct fer_wait *w)
{
	if (w == NULL)
		return;
	free(w->data);
	free(w);
}

static void complete_wait(struct fer_wait *w)
{
	const struct fer_ctl_result result = {.data = w->data, .len = w->len, .revision = 1};

	if (w->status == NDIS_STATUS_SUCCESS)
		fer_ctl_complete(w->request, &result);
	else
		fer_ctl_refuse(w->request, w->status, 0, w->element, w->why);
	fer_wait_destroy(w);
}

uint64_t fer_service_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void fer_service_abort_waits(struct fer_service *s, const struct fer_pair *p)
{
	struct fer_wait_list all = STAILQ_HEAD_INITIALIZER(all);

	STAILQ_CONCAT(&all, &s->waits);
	while (!STAILQ_EMPTY(&all)) {
		struct fer_wait *w = STAILQ_FIRST(&all);

		STAILQ_REMOVE_HEAD(&all, link);
		if (w->pair != p) {
			STAILQ_INSERT_TAIL(&s->waits, w, link);
			continue;
		}
		w->status = NDIS_STATUS_REQUEST_ABORTED;
		w->why = NULL;
		complete_wait(w);
	}
}

void fer_service_stir(struct fer_service *s)
{
	s->stirred_ns = fer_service_now_ns();
	(void)evtimer_add(s->tick, &at_once);
}

void *fer_service_begin_adding(
	struct fer_service *s, struct fer_ctl_request *r, size_t bytes, uint32_t n)
{
	struct fer_slices *slices = calloc(1, bytes);
	struct fer_wait *wait = fer_wait_create(fer_service_pair(s, r), r);
	uint64_t *handles = calloc(n, sizeof(handles[0]));

	if (slices == NULL || wait == NULL || handles == NULL) {
		free(handles);
		fer_wait_destroy(wait);
		free(slices);
		fer_service_fail(r, -ENOMEM, FER_MSG_NO_ELEMENT, NULL);
		return NULL;
	}
	wait->data = handles;
	wait->len = n * sizeof(handles[0]);
	slices->pair = wait->pair;
	slices->wait = wait;
	return slices;
}

bool fer_service_has_slices(const struct fer_service *s, const struct fer_pair *p)
{
	const struct fer_slices *w;

	STAILQ_FOREACH(w, &s->slices, link)
	if (w->pair == p)
		return true;
	return false;
}

void fer_service_slice(struct fer_service *s, struct fer_slices *w)
{
	if (!fer_service_has_slices(s, w->pair) && !w->work(s, w))
		return;
	if (w->wait != NULL)
		fer_ctl_request_block(w->wait->request);
	STAILQ_INSERT_TAIL(&s->slices, w, link);
	fer_service_stir(s);
}

// Puts back what has slices left: behind those of other pairs, and in front of those of its own.
static void requeue(struct fer_service *s, struct fer_slices *w)
{
	struct fer_slices_list own = STAILQ_HEAD_INITIALIZER(own);
	struct fer_slices_list others = STAILQ_HEAD_INITIALIZER(others);

	STAILQ_INSERT_HEAD(&own, w, link);
	while (!STAILQ_EMPTY(&s->slices)) {
		struct fer_slices *next = STAILQ_FIRST(&s->slices);

		STAILQ_REMOVE_HEAD(&s->slices, link);
		if (next->pair == w->pair)
			STAILQ_INSERT_TAIL(&own, next, link);
		else
			STAILQ_INSERT_TAIL(&others, next, link);
	}
	STAILQ_CONCAT(&s->slices, &others);
	STAILQ_CONCAT(&s->slices, &own);
}

// One slice of what has waited longest.
static void do_slice(struct fer_service *s)
{
	struct fer_slices *w = STAILQ_FIRST(&s->slices);

	if (w == NULL)
		return;
	STAILQ_REMOVE_HEAD(&s->slices, link);
	if (w->work(s, w))
		requeue(s, w);
	if (!STAILQ_EMPTY(&s->slices))
		s->stirred_ns = fer_service_now_ns();
}

// What is left of them is not done: the SAs go with their pairs.
static void slices_fini(struct fer_service *s)
{
	while (!STAILQ_EMPTY(&s->slices)) {
		struct fer_slices *w = STAILQ_FIRST(&s->slices);

		STAILQ_REMOVE_HEAD(&s->slices, link);
		if (w->wait != NULL)
			STAILQ_INSERT_TAIL(&s->waits, w->wait, link);
		free(w);
	}
}

static bool is_over(const struct fer_wait *w)
{
	return fer_sa_n_reclaimed(w->pair->sas) >= w->n_removed;
}

void fer_service_wait(struct fer_service *s, struct fer_wait *w)
{
	w->n_removed = fer_sa_n_removed(w->pair->sas);
	if (is_over(w)) {
		complete_wait(w);
		return;
	}
	STAILQ_INSERT_TAIL(&s->waits, w, link);
	fer_service_stir(s);
}

// Completions may bring new waits: those are for the next time.
static void complete_waits(struct fer_service *s)
{
	struct fer_wait_list all = STAILQ_HEAD_INITIALIZER(all);

	STAILQ_CONCAT(&all, &s->waits);
	while (!STAILQ_EMPTY(&all)) {
		struct fer_wait *w = STAILQ_FIRST(&all);

		STAILQ_REMOVE_HEAD(&all, link);
		if (is_over(w))
			complete_wait(w);
		else
			STAILQ_INSERT_TAIL(&s->waits, w, link);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct fer_service *s = arg;
	bool more = fer_grace_poll(s->grace);

	(void)fd, (void)what;
	do_slice(s);
	for (unsigned i = 0; i < s->n_pairs; i++)
		more |= fer_sa_reclaim(s->pairs[i].sas) > 0;
	complete_waits(s);
	// What completed may have begun something new.
	more |= !STAILQ_EMPTY(&s->waits) || !STAILQ_EMPTY(&s->slices) || s->grace->first != NULL;
	if (more)
		(void)evtimer_add(s->tick,
			fer_service_now_ns() - s->stirred_ns < EAGER_NS ? &at_once : &rarely);
}

// --- the whole ----------------------------------------------------------------------------------

struct fer_service *fer_service_create(const struct fer_service_params *params, int *error)
{
	struct fer_service *s = calloc(1, sizeof(*s));

	*error = -ENOMEM;
	if (s == NULL)
		return NULL;
	s->base = params->base;
	s->pairs = params->pairs;
	s->n_pairs = params->n_pairs;
	s->workers = params->workers;
	s->grace = params->grace;
	s->built_fd = -1;
	STAILQ_INIT(&s->waits);
	STAILQ_INIT(&s->slices);
	LIST_INIT(&s->drains);
	LIST_INIT(&s->swaps);
	LIST_INIT(&s->retiring);
	s->tick = evtimer_new(s->base, on_tick, s);
	s->untold = calloc(s->n_pairs, sizeof(s->untold[0]));
	if (s->tick != NULL && s->untold != NULL)
		*error = fer_service_policy_init(s);
	if (*error != 0) {
		fer_service_destroy(s);
		return NULL;
	}
	return s;
}

void fer_service_destroy(struct fer_service *s)
{
	if (s == NULL)
		return;
	fer_service_reset_fini(s);
	fer_service_policy_fini(s);
	fer_service_swap_fini(s);
	slices_fini(s);
	for (unsigned i = 0; i < s->n_pairs; i++)
		(void)fer_sa_reclaim(s->pairs[i].sas);
	while (!STAILQ_EMPTY(&s->waits)) {
		struct fer_wait *w = STAILQ_FIRST(&s->waits);

		STAILQ_REMOVE_HEAD(&s->waits, link);
		complete_wait(w);
	}
	if (s->tick != NULL)
		event_free(s->tick);
	free(s->untold);
	free(s);
}
