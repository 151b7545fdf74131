// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include <errno.h>
#include <stdlib.h>

// Why the first element that was refused was; error 0: none was.
struct refusal {
	int error;
	uint32_t element;
	const char *why;
};

static void note_refusal(struct refusal *first, int error, uint32_t element, const char *why)
{
	if (first->error == 0)
		*first = (struct refusal){error, element, why};
}

// 0 when the SA could not be added.
static uint64_t add_plain(struct fer_pair *p, const struct fer_msg_add *add, uint32_t element,
	struct refusal *refusal)
{
	struct fer_sa_params params;
	const char *why = fer_service_sa_params(p, add, NULL, &params);
	uint64_t handle = 0;
	int error;

	if (why == NULL)
		why = fer_service_objection(p, add);
	error = why == NULL ? 0 : -EINVAL;
	if (error == 0)
		error = fer_pair_add_sa(p, NULL, NULL, &params, &handle, &why);
	if (error != 0)
		note_refusal(refusal, error, element, why);
	return handle;
}

static const char lost_port[] = "the pair has lost a port";

// What is on its way into the table.
struct adding {
	struct fer_slices slices;
	struct fer_msg_walk next; // of ADD_SA
	struct fer_msg_add one;   // of ADD_SA_EX; its keys are in the request
	uint64_t *handles;        // of all elements, in the wait
	uint32_t n, n_added;
	struct refusal refusal;
};

static bool complete(struct adding *a)
{
	struct fer_wait *wait = a->slices.wait;

	if (a->n_added > 0)
		fer_service_complete_handles(wait->request, a->handles, a->n);
	else
		fer_service_fail(
			wait->request, a->refusal.error, a->refusal.element, a->refusal.why);
	fer_wait_destroy(wait);
	free(a);
	return false;
}

static bool add_some(struct fer_service *s, struct fer_slices *slices)
{
	struct adding *a = (struct adding *)slices;
	bool ends = fer_pair_has_lost_port(slices->pair);
	struct fer_msg_fault fault;
	struct fer_msg_add add;

	(void)s;
	if (ends)
		note_refusal(&a->refusal, -ECANCELED, a->next.n, lost_port);
	for (unsigned n = 0; n < FER_ADDED_AT_ONCE && !ends; n++) {
		const uint32_t i = a->next.n;

		ends = fer_msg_next_add_sa(&a->next, &add, &fault) != NDIS_STATUS_SUCCESS;
		if (ends)
			break; // not so: it was checked
		a->handles[i] = add_plain(slices->pair, &add, i, &a->refusal);
		a->n_added += a->handles[i] != 0;
		ends = !fer_msg_walk_more(&a->next);
	}
	return !ends || complete(a);
}

static struct adding *begin_adding(struct fer_service *s, struct fer_ctl_request *r, uint32_t n)
{
	struct adding *a = fer_service_begin_adding(s, r, sizeof(*a), n);

	if (a == NULL)
		return NULL;
	a->handles = a->slices.wait->data;
	a->n = n;
	return a;
}

// What is not an SA ends the whole request; of those that are, as many as can be are added.
void fer_service_add_sa(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_msg_fault fault;
	uint32_t n, status = fer_msg_check_add_sa(data, len, &n, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	struct adding *a = begin_adding(arg, r, n);
	if (a == NULL)
		return;
	a->slices.work = add_some;
	fer_msg_walk_init(&a->next, data, len, 0);
	fer_service_slice(arg, &a->slices);
}

static bool add_the_one(struct fer_service *s, struct fer_slices *slices)
{
	struct adding *a = (struct adding *)slices;

	(void)s;
	if (fer_pair_has_lost_port(slices->pair))
		note_refusal(&a->refusal, -ECANCELED, FER_MSG_NO_ELEMENT, lost_port);
	else
		a->handles[0] = add_plain(slices->pair, &a->one, FER_MSG_NO_ELEMENT, &a->refusal);
	a->n_added = a->handles[0] != 0;
	return complete(a);
}

void fer_service_add_sa_ex(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_msg_fault fault;
	struct fer_msg_add add;
	uint32_t status = fer_msg_get_add_sa_ex(data, len, &add, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	struct adding *a = begin_adding(arg, r, 1);
	if (a == NULL)
		return;
	a->slices.work = add_the_one;
	a->one = add;
	fer_service_slice(arg, &a->slices);
}

// The numbers of a stack pair are its own: a host may only agree, or move them forward.
void fer_service_update_sa(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_pair *p = fer_service_pair(arg, r);
	struct fer_msg_update u;
	struct fer_msg_fault fault;
	uint32_t status = fer_msg_get_update_sa(data, len, &u, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	const struct fer_pair_sa *sa = fer_pair_sa_of(p, u.handle);
	const bool ah = u.operation == IPSEC_OFFLOAD_V2_OPERATION_AH;
	if (sa == NULL || u.spi == 0 ||
		u.spi != fer_pair_sa_spi(sa, ah ? FER_PROTO_AH : FER_PROTO_ESP))
		fer_ctl_refuse(r, NDIS_STATUS_INVALID_PARAMETER, 0, FER_MSG_NO_ELEMENT,
			"no association has this handle, operation and SPI");
	else if (fer_sa_update_high(
			 p->sas, u.handle, ah ? FER_PROTO_AH : FER_PROTO_ESP, u.sequence_high) != 0)
		fer_ctl_refuse(r, NDIS_STATUS_INVALID_PARAMETER, 0, FER_MSG_NO_ELEMENT,
			"has no ESN, or its numbers would go back");
	else
		fer_ctl_complete_status(r, NDIS_STATUS_SUCCESS);
}
