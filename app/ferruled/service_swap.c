// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

static void drain_destroy(struct fer_drain *d)
{
	if (d == NULL)
		return;
	if (d->timer != NULL)
		event_free(d->timer);
	fer_many_destroy(d->leaving);
	free(d);
}

static void on_drained(evutil_socket_t fd, short what, void *arg)
{
	struct fer_drain *d = arg;

	(void)fd, (void)what;
	fer_service_apply(d->service, d->leaving, fer_service_remove_sa, NULL);
	d->leaving = NULL;
	LIST_REMOVE(d, link);
	drain_destroy(d);
}

static struct fer_drain *drain_create(struct fer_service *s, struct fer_pair *p, uint32_t n)
{
	struct fer_drain *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->service = s;
	d->leaving = fer_many_create(p, n);
	d->timer = evtimer_new(s->base, on_drained, d);
	if (d->leaving != NULL && d->timer != NULL)
		return d;
	drain_destroy(d);
	return NULL;
}

// The `out` SAs that a swap replaces, until no worker holds them as the active ones: a packet that
// is on its way with one of them is then protected.
struct retiring {
	struct fer_deferred deferred; // first
	struct fer_service *service;
	struct fer_wait *wait;
	struct fer_many *leaving;
};

static void retire(struct fer_deferred *d)
{
	struct retiring *t = (struct retiring *)d;

	fer_service_apply(t->service, t->leaving, fer_service_remove_sa, t->wait);
	free(t);
}

static void retiring_destroy(struct retiring *t)
{
	if (t != NULL)
		fer_many_destroy(t->leaving);
	free(t);
}

static struct retiring *retiring_create(struct fer_pair *p, uint32_t n)
{
	struct retiring *t = calloc(1, sizeof(*t));

	if (t != NULL)
		t->leaving = fer_many_create(p, n);
	if (t != NULL && t->leaving != NULL)
		return t;
	retiring_destroy(t);
	return NULL;
}

// What a swap takes away, with room for all SAs there are.
struct leaving {
	struct retiring *out;
	struct fer_drain *in;
};

static void leaving_destroy(struct leaving *l)
{
	retiring_destroy(l->out);
	drain_destroy(l->in);
}

static int leaving_create(struct leaving *l, struct fer_service *s, struct fer_pair *p)
{
	const uint32_t n = fer_sa_count(p->sas);

	l->out = retiring_create(p, n);
	l->in = drain_create(s, p, n);
	if (l->out != NULL && l->in != NULL)
		return 0;
	leaving_destroy(l);
	return -ENOMEM;
}

static void add(struct fer_many *m, const struct fer_pair_sa *sa)
{
	m->handles[m->n++] = sa->handle;
}

static void leave(struct leaving *l, struct fer_pair_sa *sa)
{
	if (fer_pair_sa_is_out(sa)) {
		add(l->out->leaving, sa);
	} else if (!sa->is_draining) {
		sa->is_draining = true;
		add(l->in->leaving, sa);
	}
}

// Finds what the new SAs replace: those that were in their groups before, in the directions in
// which new ones came.  A group that gets an `out` SA only keeps what it receives with.  What
// another swap has added that is not done yet comes after all of this one.  Somebody else may have
// removed some of the new ones already.
static void find_leaving(const struct fer_adding *a, struct leaving *l)
{
	const struct fer_pair *p = a->slices.pair;

	for (uint32_t i = 0; i < a->n; i++) {
		const struct fer_pair_sa *sa = fer_pair_sa_of(p, a->handles[i]);

		if (sa != NULL)
			fer_groups_at(&p->groups, sa->group)->arriving |=
				1u << fer_pair_sa_block(sa)->direction;
	}
	for (uint32_t i = 0; i < a->n; i++) {
		struct fer_pair_sa *fresh = fer_pair_sa_of(p, a->handles[i]);

		if (fresh == NULL)
			continue;
		struct fer_group *g = fer_groups_at(&p->groups, fresh->group);
		for (struct fer_pair_sa *sa = g->arriving != 0 ? g->members : NULL; sa != NULL;
			sa = sa->next)
			if (!sa->is_new &&
				(g->arriving >> fer_pair_sa_block(sa)->direction & 1) != 0)
				leave(l, sa);
		g->arriving = 0; // its members are asked once
	}
	for (uint32_t i = 0; i < a->n; i++) {
		struct fer_pair_sa *sa = fer_pair_sa_of(p, a->handles[i]);

		if (sa != NULL)
			sa->is_new = false;
	}
}

// From the last to the first: where a group gets several, the first one stays active, as when a
// document is loaded.
static void activate_new(const struct fer_adding *a)
{
	for (uint32_t i = a->n; i-- > 0;) {
		const struct fer_pair_sa *sa = fer_pair_sa_of(a->slices.pair, a->handles[i]);

		if (sa != NULL && fer_pair_sa_is_out(sa))
			fer_service_activate(a->slices.pair, sa);
	}
}

static void start_drain(struct fer_service *s, struct fer_drain *d, uint32_t drain_ms)
{
	const struct timeval after = {
		.tv_sec = drain_ms / 1000, .tv_usec = (suseconds_t)(drain_ms % 1000) * 1000};

	if (d->leaving->n == 0) {
		drain_destroy(d);
		return;
	}
	LIST_INSERT_HEAD(&s->drains, d, link);
	(void)evtimer_add(d->timer, &after);
}

static int finish_swap(struct fer_adding *a)
{
	struct leaving l;
	int error = leaving_create(&l, a->service, a->slices.pair);

	if (error != 0)
		return error;
	find_leaving(a, &l);
	activate_new(a);
	start_drain(a->service, l.in, a->drain_ms);
	fer_ctl_request_unblock(a->slices.wait->request);
	l.out->service = a->service;
	l.out->wait = a->slices.wait;
	fer_grace_defer(a->service->grace, &l.out->deferred, retire);
	fer_service_stir(a->service);
	return 0;
}

void fer_service_sa_swap(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_adding a = {.finish = finish_swap, .is_swap = true};
	struct fer_msg_fault fault;
	uint32_t status = fer_msg_get_sa_swap(data, len, &a.drain_ms, &a.first, &a.n, &fault);

	if (fer_service_is_oob(arg, r))
		return;
	if (status != NDIS_STATUS_SUCCESS)
		fer_service_refuse(r, status, &fault);
	else
		fer_service_add_all(arg, r, &a);
}

void fer_service_swap_fini(struct fer_service *s)
{
	while (!LIST_EMPTY(&s->drains)) {
		struct fer_drain *d = LIST_FIRST(&s->drains);

		LIST_REMOVE(d, link);
		drain_destroy(d);
	}
}
