// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Takes away what may be gone already.
static void remove_sa(struct fer_pair *p, uint64_t handle)
{
	int error = fer_pair_remove_sa(p, handle);

	assert(error == 0 || error == -ENOENT);
	(void)error;
}

static void complete_handles(struct fer_ctl_request *r, const uint64_t handles[], uint32_t n)
{
	const struct fer_ctl_result result = {
		.data = handles, .len = n * sizeof(handles[0]), .revision = 1};

	fer_ctl_complete(r, &result);
}

// --- the contract's requests --------------------------------------------------------------------

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

// Does the configuration in force allow it?  NULL, or why not.
static const char *objection(const struct fer_pair *p, const struct fer_msg_add *add)
{
	bool has_ah = false, has_esp = false;

	for (uint32_t i = 0; i < add->n_transforms; i++) {
		has_ah |= add->transform[i].operation == IPSEC_OFFLOAD_V2_OPERATION_AH;
		has_esp |= add->transform[i].operation == IPSEC_OFFLOAD_V2_OPERATION_ESP;
	}
	return fer_offload_objection(&p->offload, has_ah, has_esp, add->version);
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
		why = objection(p, add);
	error = why == NULL ? 0 : -EINVAL;
	if (error == 0)
		error = fer_pair_add_sa(p, NULL, NULL, &params, &handle, &why);
	if (error != 0)
		note_refusal(refusal, error, element, why);
	return handle;
}

// What is not an SA ends the whole request; of those that are, as many as can be are added.
void fer_service_add_sa(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_pair *p = fer_service_pair(arg, r);
	struct fer_msg_fault fault;
	struct refusal refusal = {.error = 0};
	struct fer_msg_walk w;
	struct fer_msg_add add;
	uint64_t *handles;
	uint32_t n, n_added = 0, status = fer_msg_check_add_sa(data, len, &n, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	handles = calloc(n, sizeof(handles[0]));
	if (handles == NULL) {
		fer_service_fail(r, -ENOMEM, FER_MSG_NO_ELEMENT, NULL);
		return;
	}
	for (fer_msg_walk_init(&w, data, len, 0); fer_msg_walk_more(&w);) {
		uint32_t i = w.n;

		if (fer_msg_next_add_sa(&w, &add, &fault) != NDIS_STATUS_SUCCESS)
			break; // it was checked
		handles[i] = add_plain(p, &add, i, &refusal);
		n_added += handles[i] != 0;
	}
	if (n_added > 0)
		complete_handles(r, handles, n);
	else
		fer_service_fail(r, refusal.error, refusal.element, refusal.why);
	free(handles);
}

void fer_service_add_sa_ex(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_msg_fault fault;
	struct refusal refusal = {.error = 0};
	struct fer_msg_add add;
	uint32_t status = fer_msg_get_add_sa_ex(data, len, &add, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	const uint64_t handle =
		add_plain(fer_service_pair(arg, r), &add, FER_MSG_NO_ELEMENT, &refusal);
	if (handle != 0)
		complete_handles(r, &handle, 1);
	else
		fer_service_fail(r, refusal.error, refusal.element, refusal.why);
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

// A delete cannot fail: handles that are not known, or not any more, are passed over.  A list that
// makes no sense deletes nothing, for which the contract has no other word than REQUEST_ABORTED.
void fer_service_delete_sa(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_pair *p = fer_service_pair(arg, r);
	struct fer_wait *wait = fer_wait_create(p, r);
	struct fer_msg_fault fault;
	struct fer_msg_walk w;
	uint64_t handle;
	uint32_t n;

	if (wait == NULL || fer_msg_check_delete_sa(data, len, &n, &fault) != NDIS_STATUS_SUCCESS) {
		if (wait == NULL)
			fault = (struct fer_msg_fault){"no memory", 0, FER_MSG_NO_ELEMENT};
		fer_wait_destroy(wait);
		fer_service_refuse(r, NDIS_STATUS_REQUEST_ABORTED, &fault);
		return;
	}
	for (fer_msg_walk_init(&w, data, len, 0); fer_msg_walk_more(&w);) {
		if (fer_msg_next_delete_sa(&w, &handle, &fault) != NDIS_STATUS_SUCCESS)
			break; // it was checked
		remove_sa(p, handle);
	}
	fer_service_wait(arg, wait);
}

// --- adding, all or none ------------------------------------------------------------------------

struct adding {
	struct fer_service *service;
	struct fer_pair *pair;
	struct fer_wait *wait; // of the request
	struct fer_msg_walk first;
	uint32_t n;
	uint64_t *handles; // n_added of them, in the wait
	uint32_t n_added;
};

static int fail_at(struct fer_wait *w, int error, uint32_t element, const char *why)
{
	w->status = fer_service_status(error);
	w->element = element;
	w->why = why;
	return error;
}

// Finds what can be found wrong before anything is added.
static int check_all(const struct adding *a)
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
			why = objection(a->pair, &item.add);
		if (why != NULL)
			return fail_at(a->wait, -EINVAL, i, why);
		if (fer_pair_find_sa(a->pair, item.sa.name) != NULL)
			return fail_at(a->wait, -EEXIST, i, "an SA of this name is there");
	}
	return 0;
}

static int add_all(struct adding *a)
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

// True: all are added, and the request waits to be completed.  False: it is refused, once nothing
// is left of those that were added before: neither their room nor their keys.
static bool add_or_refuse(struct adding *a)
{
	a->wait->data = a->handles = calloc(a->n, sizeof(a->handles[0]));
	a->wait->len = a->n * sizeof(a->handles[0]);
	if (a->handles == NULL)
		fail_at(a->wait, -ENOMEM, FER_MSG_NO_ELEMENT, NULL);
	else if (check_all(a) == 0 && add_all(a) == 0)
		return true;
	for (uint32_t i = 0; a->handles != NULL && i < a->n_added; i++)
		remove_sa(a->pair, a->handles[i]);
	fer_service_wait(a->service, a->wait);
	return false;
}

void fer_service_sa_add(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct adding a = {.service = arg, .pair = fer_service_pair(arg, r)};
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
	if (!add_or_refuse(&a))
		return;
	complete_handles(r, a.handles, a.n);
	fer_wait_destroy(a.wait);
}

// --- swapping -----------------------------------------------------------------------------------

static void drain_destroy(struct fer_drain *d)
{
	if (d == NULL)
		return;
	if (d->timer != NULL)
		event_free(d->timer);
	free(d);
}

static void on_drained(evutil_socket_t fd, short what, void *arg)
{
	struct fer_drain *d = arg;

	(void)fd, (void)what;
	for (uint32_t i = 0; i < d->n; i++)
		remove_sa(d->pair, d->handles[i]);
	fer_service_stir(d->service);
	LIST_REMOVE(d, link);
	drain_destroy(d);
}

static struct fer_drain *drain_create(struct fer_service *s, struct fer_pair *p, uint32_t n)
{
	struct fer_drain *d = calloc(1, sizeof(*d) + n * sizeof(d->handles[0]));

	if (d == NULL)
		return NULL;
	d->service = s;
	d->pair = p;
	d->timer = evtimer_new(s->base, on_drained, d);
	if (d->timer != NULL)
		return d;
	free(d);
	return NULL;
}

// The `out` SAs that a swap replaces, until no worker holds them as the active ones: a packet that
// is on its way with one of them is then protected.
struct retiring {
	struct fer_deferred deferred; // first
	struct fer_service *service;
	struct fer_pair *pair;
	struct fer_wait *wait;
	uint32_t n;
	uint64_t handles[];
};

static void retire(struct fer_deferred *d)
{
	struct retiring *t = (struct retiring *)d;

	for (uint32_t i = 0; i < t->n; i++)
		remove_sa(t->pair, t->handles[i]);
	fer_service_wait(t->service, t->wait);
	free(t);
}

// What a swap takes away, made before anything is added, with room for all SAs there are.
struct leaving {
	struct retiring *out;
	struct fer_drain *in;
};

static void leaving_destroy(struct leaving *l)
{
	free(l->out);
	drain_destroy(l->in);
}

static int leaving_create(struct leaving *l, struct fer_service *s, struct fer_pair *p)
{
	const uint32_t n = fer_sa_count(p->sas);

	l->out = calloc(1, sizeof(*l->out) + n * sizeof(l->out->handles[0]));
	l->in = drain_create(s, p, n);
	if (l->out != NULL && l->in != NULL)
		return 0;
	leaving_destroy(l);
	return -ENOMEM;
}

static void leave(struct leaving *l, struct fer_pair_sa *sa)
{
	if (fer_pair_sa_is_out(sa)) {
		l->out->handles[l->out->n++] = sa->handle;
	} else if (!sa->is_draining) {
		sa->is_draining = true;
		l->in->handles[l->in->n++] = sa->handle;
	}
}

// Finds what the new SAs replace: those that were in their groups before, in the directions in
// which new ones came.  A group that gets an `out` SA only keeps what it receives with.
static void find_leaving(const struct adding *a, struct leaving *l)
{
	for (uint32_t i = 0; i < a->n; i++) {
		struct fer_pair_sa *sa = fer_pair_sa_of(a->pair, a->handles[i]);

		sa->is_new = true;
		fer_groups_at(&a->pair->groups, sa->group)->arriving |=
			1u << fer_pair_sa_block(sa)->direction;
	}
	for (uint32_t i = 0; i < a->n; i++) {
		const struct fer_pair_sa *fresh = fer_pair_sa_of(a->pair, a->handles[i]);
		struct fer_group *g = fer_groups_at(&a->pair->groups, fresh->group);

		for (struct fer_pair_sa *sa = g->arriving != 0 ? g->members : NULL; sa != NULL;
			sa = sa->next)
			if (!sa->is_new &&
				(g->arriving >> fer_pair_sa_block(sa)->direction & 1) != 0)
				leave(l, sa);
		g->arriving = 0; // its members are asked once
	}
	for (uint32_t i = 0; i < a->n; i++)
		fer_pair_sa_of(a->pair, a->handles[i])->is_new = false;
}

static void activate(struct fer_pair *p, const struct fer_pair_sa *sa)
{
	int error = fer_group_activate(p->sas, sa->handle);

	assert(error == 0); // it is live, outbound, and in a group
	(void)error;
}

static void delete (struct fer_pair *p, const struct fer_pair_sa *sa)
{
	remove_sa(p, sa->handle);
}

// From the last to the first: where a group gets several, the first one stays active, as when a
// document is loaded.
static void activate_new(const struct adding *a)
{
	for (uint32_t i = a->n; i-- > 0;) {
		const struct fer_pair_sa *sa = fer_pair_sa_of(a->pair, a->handles[i]);

		if (fer_pair_sa_is_out(sa))
			activate(a->pair, sa);
	}
}

static void start_drain(struct fer_service *s, struct fer_drain *d, uint32_t drain_ms)
{
	const struct timeval after = {
		.tv_sec = drain_ms / 1000, .tv_usec = (suseconds_t)(drain_ms % 1000) * 1000};

	if (d->n == 0) {
		drain_destroy(d);
		return;
	}
	LIST_INSERT_HEAD(&s->drains, d, link);
	(void)evtimer_add(d->timer, &after);
}

static void finish_swap(struct adding *a, struct leaving *l, uint32_t drain_ms)
{
	find_leaving(a, l);
	activate_new(a);
	start_drain(a->service, l->in, drain_ms);
	l->out->service = a->service;
	l->out->pair = a->pair;
	l->out->wait = a->wait;
	fer_grace_defer(a->service->grace, &l->out->deferred, retire);
	fer_service_stir(a->service);
}

void fer_service_sa_swap(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct adding a = {.service = arg, .pair = fer_service_pair(arg, r)};
	struct leaving l;
	struct fer_msg_fault fault;
	uint32_t drain_ms,
		status = fer_msg_get_sa_swap(data, len, &drain_ms, &a.first, &a.n, &fault);

	if (fer_service_is_oob(arg, r))
		return;
	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	a.wait = fer_wait_create(a.pair, r);
	if (a.wait == NULL || leaving_create(&l, arg, a.pair) != 0) {
		fer_wait_destroy(a.wait);
		fer_service_fail(r, -ENOMEM, FER_MSG_NO_ELEMENT, NULL);
		return;
	}
	if (add_or_refuse(&a))
		finish_swap(&a, &l, drain_ms);
	else
		leaving_destroy(&l);
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

// Does something to all SAs of a list, if it may be done to each of them.
static void to_all(struct fer_service *s, struct fer_ctl_request *r, const void *data, size_t len,
	const char *(*may)(const struct fer_pair_sa *sa),
	void (*apply)(struct fer_pair *p, const struct fer_pair_sa *sa))
{
	struct fer_pair *p = fer_service_pair(s, r);
	struct fer_msg_array list;
	struct fer_msg_sa_ref ref;
	struct fer_msg_fault fault;
	uint32_t status = fer_msg_get_sa_refs(data, len, &list, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	for (uint32_t i = 0; i < list.n; i++) {
		fer_msg_list_at(&list, i, &ref, sizeof(ref));
		const struct fer_pair_sa *sa = fer_service_find(p, &ref);
		const char *why = may(sa);

		if (why != NULL) {
			fer_service_fail(r, sa == NULL ? -ENOENT : -EINVAL, i, why);
			return;
		}
	}
	struct fer_wait *wait = fer_wait_create(p, r);
	if (wait == NULL) {
		fer_service_fail(r, -ENOMEM, FER_MSG_NO_ELEMENT, NULL);
		return;
	}
	for (uint32_t i = 0; i < list.n; i++) {
		fer_msg_list_at(&list, i, &ref, sizeof(ref));
		const struct fer_pair_sa *sa = fer_service_find(p, &ref);

		if (sa != NULL) // it may be named twice
			apply(p, sa);
	}
	fer_service_wait(s, wait);
}

void fer_service_sa_activate(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	if (fer_service_is_oob(arg, r))
		return;
	to_all(arg, r, data, len, may_activate, activate);
}

void fer_service_sa_delete(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	to_all(arg, r, data, len, may_delete, delete);
}

void fer_service_sa_fini(struct fer_service *s)
{
	while (!LIST_EMPTY(&s->drains)) {
		struct fer_drain *d = LIST_FIRST(&s->drains);

		LIST_REMOVE(d, link);
		drain_destroy(d);
	}
}
