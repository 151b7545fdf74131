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
static int check_all(const struct fer_adding *a)
{
	struct fer_msg_walk w = a->first;
	struct fer_msg_sa_item item;
	struct fer_sa_params params;
	struct fer_msg_fault fault;

	if (a->n > fer_sa_capacity(a->pair->sas) - fer_sa_count(a->pair->sas))
		return fail_at(
			a->wait, -ENOSPC, FER_MSG_NO_ELEMENT, "there is no room for so many SAs");
	while (fer_msg_walk_more(&w)) {
		uint32_t i = w.n;
		const char *why;

		if (fer_msg_next_sa(&w, &item, &fault) != NDIS_STATUS_SUCCESS)
			return fail_at(a->wait, -EINVAL, i, fault.why);
		why = fer_service_sa_params(a->pair, &item.add, &item.sa, &params);
		if (why == NULL)
			why = fer_service_objection(a->pair, &item.add);
		if (why != NULL)
			return fail_at(a->wait, -EINVAL, i, why);
		if (fer_pair_find_sa(a->pair, item.sa.name) != NULL)
			return fail_at(a->wait, -EEXIST, i, "an SA of this name is there");
	}
	return 0;
}

static int add_all(struct fer_adding *a)
{
	struct fer_msg_walk w = a->first;
	struct fer_msg_sa_item item;
	struct fer_sa_params params;
	struct fer_msg_fault fault;

	while (fer_msg_walk_more(&w)) {
		uint32_t i = w.n;
		const char *why;
		int error;

		if (fer_msg_next_sa(&w, &item, &fault) != NDIS_STATUS_SUCCESS)
			return fail_at(a->wait, -EINVAL, i, fault.why);
		why = fer_service_sa_params(a->pair, &item.add, &item.sa, &params);
		if (why != NULL)
			return fail_at(a->wait, -EINVAL, i, why);
		error = fer_pair_add_sa(
			a->pair, item.sa.name, item.sa.group, &params, &a->handles[i], &why);
		if (error != 0)
			return fail_at(a->wait, error, i, why);
		a->n_added++;
	}
	return 0;
}

bool fer_service_add_or_refuse(struct fer_adding *a)
{
	a->wait->data = a->handles = calloc(a->n, sizeof(a->handles[0]));
	a->wait->len = a->n * sizeof(a->handles[0]);
	if (a->handles == NULL)
		fail_at(a->wait, -ENOMEM, FER_MSG_NO_ELEMENT, NULL);
	else if (check_all(a) == 0 && add_all(a) == 0)
		return true;
	for (uint32_t i = 0; a->handles != NULL && i < a->n_added; i++)
		fer_service_remove_sa(a->pair, a->handles[i]);
	fer_service_wait(a->service, a->wait);
	return false;
}

void fer_service_sa_add(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_adding a = {.service = arg, .pair = fer_service_pair(arg, r)};
	struct fer_msg_fault fault;
	uint32_t status = fer_msg_get_sa_add(data, len, &a.first, &a.n, &fault);

	if (fer_service_is_oob(arg, r))
		return;
	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	a.wait = fer_wait_create(a.pair, r);
	if (a.wait == NULL) {
		fer_service_fail(r, -ENOMEM, FER_MSG_NO_ELEMENT, NULL);
		return;
	}
	if (!fer_service_add_or_refuse(&a))
		return;
	fer_service_complete_handles(r, a.handles, a.n);
	fer_wait_destroy(a.wait);
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
	if (!fer_pair_sa_is_out(sa))
		return "is an inbound SA: only outbound ones are active";
	return sa->group == FER_NO_GROUP ? "is an SA without a group" : NULL;
}

static const char *may_delete(const struct fer_pair_sa *sa)
{
	return sa == NULL ? "there is no such SA" : NULL;
}

// The SAs of a list, if something may be done to each of them; NULL: the request is refused.
static struct fer_many *find_all(struct fer_pair *p, struct fer_ctl_request *r, const void *data,
	size_t len, const char *(*may)(const struct fer_pair_sa *sa))
{
	struct fer_msg_array list;
	struct fer_msg_sa_ref ref;
	struct fer_msg_fault fault;
	uint32_t status = fer_msg_get_sa_refs(data, len, &list, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return NULL;
	}
	struct fer_many *found = fer_many_create(p, list.n);
	if (found == NULL)
		fer_service_fail(r, -ENOMEM, FER_MSG_NO_ELEMENT, NULL);
	for (; found != NULL && found->n < list.n; found->n++) {
		fer_msg_list_at(&list, found->n, &ref, sizeof(ref));
		const struct fer_pair_sa *sa = fer_service_find(p, &ref);
		const char *why = may(sa);

		if (why != NULL) {
			fer_service_fail(r, sa == NULL ? -ENOENT : -EINVAL, found->n, why);
			fer_many_destroy(found);
			return NULL;
		}
		found->handles[found->n] = sa->handle;
	}
	return found;
}

// Does something to all SAs of a list, or refuses the request.
static void to_all(struct fer_service *s, struct fer_ctl_request *r, const void *data, size_t len,
	const char *(*may)(const struct fer_pair_sa *sa),
	void (*apply)(struct fer_pair *p, uint64_t handle))
{
	struct fer_pair *p = fer_service_pair(s, r);
	struct fer_many *all = find_all(p, r, data, len, may);
	struct fer_wait *wait = all == NULL ? NULL : fer_wait_create(p, r);

	if (wait != NULL) {
		fer_service_apply(s, all, apply, wait);
	} else if (all != NULL) {
		fer_many_destroy(all);
		fer_service_fail(r, -ENOMEM, FER_MSG_NO_ELEMENT, NULL);
	}
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
		to_all(arg, r, data, len, may_activate, activate);
}

void fer_service_sa_delete(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	to_all(arg, r, data, len, may_delete, fer_service_remove_sa);
}
