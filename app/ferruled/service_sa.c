// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void fer_service_remove_sa(struct fer_pair *p, uint64_t handle)
{
	int error = fer_pair_remove_sa(p, handle);

	assert(error == 0 || error == -ENOENT);
	(void)error;
}

void fer_service_complete_handles(struct fer_ctl_request *r, const uint64_t handles[], uint32_t n)
{
	const struct fer_ctl_result result = {
		.data = handles, .len = n * sizeof(handles[0]), .revision = 1};

	fer_ctl_complete(r, &result);
}

const char *fer_service_objection(const struct fer_pair *p, const struct fer_msg_add *add)
{
	bool has_ah = false, has_esp = false;

	for (uint32_t i = 0; i < add->n_transforms; i++) {
		has_ah |= add->transform[i].operation == IPSEC_OFFLOAD_V2_OPERATION_AH;
		has_esp |= add->transform[i].operation == IPSEC_OFFLOAD_V2_OPERATION_ESP;
	}
	return fer_offload_objection(&p->offload, has_ah, has_esp, add->version);
}

void fer_service_activate(struct fer_pair *p, const struct fer_pair_sa *sa)
{
	int error = fer_group_activate(p->sas, sa->handle);

	assert(error == 0); // it is live, outbound, and in a group
	(void)error;
}

// --- adding, all or none ------------------------------------------------------------------------

static int fail_at(struct fer_wait *w, int error, uint32_t element, const char *why)
{
	w->status = fer_service_status(error);
	w->element = element;
	w->why = why;
	return error;
}

// Finds what can be found wrong before anything is added.
static int check_one(struct fer_adding *a)
{
	struct fer_msg_sa_item item;
	struct fer_sa_params params;
	struct fer_msg_fault fault;
	const uint32_t i = a->next.n;
	const char *why;

	if (fer_msg_next_sa(&a->next, &item, &fault) != NDIS_STATUS_SUCCESS)
		return fail_at(a->slices.wait, -EINVAL, i, fault.why);
	why = fer_service_sa_params(a->slices.pair, &item.add, &item.sa, &params);
	if (why == NULL)
		why = fer_service_objection(a->slices.pair, &item.add);
	if (why != NULL)
		return fail_at(a->slices.wait, -EINVAL, i, why);
	if (fer_pair_find_sa(a->slices.pair, item.sa.name) != NULL)
		return fail_at(a->slices.wait, -EEXIST, i, "an SA of this name is there");
	return 0;
}

static int add_one(struct fer_adding *a)
{
	struct fer_pair *p = a->slices.pair;
	struct fer_msg_sa_item item;
	struct fer_sa_params params;
	struct fer_msg_fault fault;
	const uint32_t i = a->next.n;
	const char *why;
	int error;

	if (fer_msg_next_sa(&a->next, &item, &fault) != NDIS_STATUS_SUCCESS)
		return fail_at(a->slices.wait, -EINVAL, i, fault.why);
	why = fer_service_sa_params(p, &item.add, &item.sa, &params);
	if (why != NULL)
		return fail_at(a->slices.wait, -EINVAL, i, why);
	error = fer_pair_add_sa(p, item.sa.name, item.sa.group, &params, &a->handles[i], &why);
	if (error != 0)
		return fail_at(a->slices.wait, error, i, why);
	fer_pair_sa_of(p, a->handles[i])->is_new = a->is_swap;
	a->n_added++;
	return 0;
}

// It is refused once nothing is left of what was added before: neither room nor keys.
static bool undo_some(struct fer_service *s, struct fer_slices *slices)
{
	struct fer_adding *a = (struct fer_adding *)slices;

	for (unsigned i = 0; i < FER_ADDED_AT_ONCE && a->n_added > 0; i++)
		fer_service_remove_sa(slices->pair, a->handles[--a->n_added]);
	if (a->n_added > 0)
		return true;
	fer_ctl_request_unblock(slices->wait->request);
	fer_service_wait(s, slices->wait);
	free(a);
	return false;
}

static bool undo(struct fer_service *s, struct fer_slices *slices)
{
	slices->work = undo_some;
	return undo_some(s, slices);
}

bool fer_service_undo_adding(
	struct fer_service *s, struct fer_slices *slices, int error, const char *why)
{
	fail_at(slices->wait, error, FER_MSG_NO_ELEMENT, why);
	return undo(s, slices);
}

static bool add_some(struct fer_service *s, struct fer_slices *slices)
{
	struct fer_adding *a = (struct fer_adding *)slices;
	int error = 0;

	if (fer_pair_has_lost_port(slices->pair))
		error = fail_at(slices->wait, -ECANCELED, FER_MSG_NO_ELEMENT,
			"a port of the pair has been removed");
	for (unsigned i = 0; i < FER_ADDED_AT_ONCE && error == 0 && fer_msg_walk_more(&a->next);
		i++)
		error = add_one(a);
	if (error == 0 && fer_msg_walk_more(&a->next))
		return true;
	if (error != 0)
		return undo(s, slices);
	slices->work = a->finish;
	return slices->work(s, slices);
}

static bool check_some(struct fer_service *s, struct fer_slices *slices)
{
	struct fer_adding *a = (struct fer_adding *)slices;
	const struct fer_sa_table *t = slices->pair->sas;
	int error = 0;

	if (a->n > fer_sa_capacity(t) - fer_sa_count(t))
		error = fail_at(slices->wait, -ENOSPC, FER_MSG_NO_ELEMENT,
			"there is no room for so many SAs");
	for (unsigned i = 0; i < FER_ADDED_AT_ONCE && error == 0 && fer_msg_walk_more(&a->next);
		i++)
		error = check_one(a);
	if (error != 0)
		return undo(s, slices);
	if (fer_msg_walk_more(&a->next))
		return true;
	a->next = a->first;
	slices->work = add_some;
	return add_some(s, slices);
}

void fer_service_add_all(
	struct fer_service *s, struct fer_ctl_request *r, const struct fer_adding *what)
{
	struct fer_adding *a = fer_service_begin_adding(s, r, sizeof(*a), what->n);

	if (a == NULL)
		return;
	const struct fer_slices slices = a->slices;
	*a = *what;
	a->slices = slices;
	a->slices.work = check_some;
	a->next = a->first;
	a->handles = slices.wait->data;
	fer_service_slice(s, &a->slices);
}

static bool complete_add(struct fer_service *s, struct fer_slices *slices)
{
	struct fer_adding *a = (struct fer_adding *)slices;

	(void)s;
	fer_service_complete_handles(slices->wait->request, a->handles, a->n);
	fer_wait_destroy(slices->wait);
	free(a);
	return false;
}

void fer_service_sa_add(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_adding a = {.finish = complete_add};
	struct fer_msg_fault fault;
	uint32_t status = fer_msg_get_sa_add(data, len, &a.first, &a.n, &fault);

	if (fer_service_is_oob(arg, r))
		return;
	if (status != NDIS_STATUS_SUCCESS)
		fer_service_refuse(r, status, &fault);
	else
		fer_service_add_all(arg, r, &a);
}

// --- by reference -------------------------------------------------------------------------------

struct fer_pair_sa *fer_service_find(const struct fer_pair *p, const struct fer_msg_sa_ref *ref)
{
	return ref->handle != 0 ? fer_pair_sa_of(p, ref->handle) : fer_pair_find_sa(p, ref->name);
}

static const char *may_activate(const struct fer_pair_sa *sa)
{
	if (sa == NULL)
		return "there is no such SA";
	if (sa->is_draining)
		return "is an SA that a swap has replaced: it is about to go";
	if (!fer_pair_sa_is_out(sa))
		return "is an inbound SA: only outbound ones are active";
	return sa->group == FER_NO_GROUP ? "is an SA without a group" : NULL;
}

static const char *may_delete(const struct fer_pair_sa *sa)
{
	return sa == NULL ? "there is no such SA" : NULL;
}

static void activate(struct fer_pair *p, uint64_t handle)
{
	const struct fer_pair_sa *sa = fer_pair_sa_of(p, handle);

	if (sa != NULL)
		fer_service_activate(p, sa);
}

void fer_service_sa_activate(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	if (!fer_service_is_oob(arg, r))
		fer_service_apply_to_refs(arg, r, data, len, may_activate, activate);
}

void fer_service_sa_delete(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	fer_service_apply_to_refs(arg, r, data, len, may_delete, fer_service_remove_sa);
}
