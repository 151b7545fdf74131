// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#define AT_ONCE 1000 // new SAs, or members of their groups

static void drain_destroy(struct fer_drain *d)
{
	if (d == NULL)
		return;
	if (d->timer != NULL)
		event_free(d->timer);
	fer_many_destroy(d->leaving);
	free(d);
}

static void end_drain(struct fer_drain *d)
{
	fer_service_apply(d->service, d->leaving, fer_service_remove_sa, NULL);
	d->leaving = NULL;
	LIST_REMOVE(d, link);
	drain_destroy(d);
}

static void on_drained(evutil_socket_t fd, short what, void *arg)
{
	struct fer_drain *d = arg;

	(void)fd, (void)what;
	d->is_over = true;
	if (!fer_service_is_resetting(d->service, d->leaving->slices.pair))
		end_drain(d);
}

void fer_service_end_drains(struct fer_service *s, const struct fer_pair *p)
{
	for (struct fer_drain *d = LIST_FIRST(&s->drains), *next; d != NULL; d = next) {
		next = LIST_NEXT(d, link);
		if (d->is_over && d->leaving->slices.pair == p)
			end_drain(d);
	}
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
struct fer_retiring {
	struct fer_deferred deferred; // first
	LIST_ENTRY(fer_retiring) link;
	struct fer_service *service;
	struct fer_wait *wait;
	struct fer_many *leaving;
};

static void retire(struct fer_deferred *d)
{
	struct fer_retiring *t = (struct fer_retiring *)d;

	LIST_REMOVE(t, link);
	fer_service_apply(t->service, t->leaving, fer_service_remove_sa, t->wait);
	free(t);
}

bool fer_service_is_retiring(const struct fer_service *s, const struct fer_pair *p)
{
	const struct fer_retiring *t;

	LIST_FOREACH(t, &s->retiring, link)
	if (t->leaving->slices.pair == p)
		return true;
	return false;
}

static void retiring_destroy(struct fer_retiring *t)
{
	if (t != NULL)
		fer_many_destroy(t->leaving);
	free(t);
}

static struct fer_retiring *retiring_create(struct fer_pair *p, uint32_t n)
{
	struct fer_retiring *t = calloc(1, sizeof(*t));

	if (t != NULL)
		t->leaving = fer_many_create(p, n);
	if (t != NULL && t->leaving != NULL)
		return t;
	retiring_destroy(t);
	return NULL;
}

// What a swap does once all of its SAs are there, step by step, so many of them at a time: whatever
// else changes SAs of the pair waits meanwhile.
struct fer_swap {
	LIST_ENTRY(fer_swap) link;
	struct fer_retiring *out; // what it takes away, with room for all SAs there are
	struct fer_drain *in;
	unsigned step;
	uint32_t n_done; // of the new ones, in this step
	// Of the group that is being asked; NULL: none is.  It stays where it is from slice to
	// slice: what requests and drains change in a pair is done in slices, and those of a pair
	// come one after the other; and the loss of a port, which removes SAs at any time, ends the
	// swap before it looks here again.
	struct fer_pair_sa *member;
};

static void swap_destroy(struct fer_swap *w)
{
	LIST_REMOVE(w, link);
	retiring_destroy(w->out);
	drain_destroy(w->in);
	free(w);
}

static struct fer_swap *swap_create(struct fer_service *s, struct fer_pair *p)
{
	const uint32_t n = fer_sa_count(p->sas);
	struct fer_swap *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	LIST_INSERT_HEAD(&s->swaps, w, link);
	w->out = retiring_create(p, n);
	w->in = drain_create(s, p, n);
	if (w->out != NULL && w->in != NULL)
		return w;
	swap_destroy(w);
	return NULL;
}

// A group that gets an `out` SA only keeps what it receives with.  New are those of this swap
// alone, and what another has replaced is its business.
static void leave(struct fer_swap *w, unsigned arriving, struct fer_pair_sa *sa)
{
	const enum fer_direction direction = fer_pair_sa_block(sa)->direction;
	struct fer_many *m = direction == FER_OUT ? w->out->leaving : w->in->leaving;

	if (sa->is_new || sa->is_draining || (arriving >> direction & 1) == 0)
		return;
	sa->is_draining = true;
	m->handles[m->n++] = sa->handle;
}

// In which directions do new ones come to a group?
static bool mark_group(struct fer_swap *w, const struct fer_adding *a, uint32_t i)
{
	const struct fer_pair *p = a->slices.pair;
	const struct fer_pair_sa *sa = fer_pair_sa_of(p, a->handles[i]);

	(void)w;
	if (sa != NULL)
		fer_groups_at(&p->groups, sa->group)->arriving |=
			1u << fer_pair_sa_block(sa)->direction;
	return true;
}

// Asks one member of its group whether it is replaced: it was there before.
static bool ask_member(struct fer_swap *w, const struct fer_adding *a, uint32_t i)
{
	const struct fer_pair *p = a->slices.pair;
	const struct fer_pair_sa *sa = fer_pair_sa_of(p, a->handles[i]);
	struct fer_group *g = sa == NULL ? NULL : fer_groups_at(&p->groups, sa->group);

	if (g == NULL || g->arriving == 0)
		return true; // all of them have been asked
	if (w->member == NULL)
		w->member = g->members;
	leave(w, g->arriving, w->member);
	w->member = w->member->next;
	if (w->member != NULL)
		return false;
	g->arriving = 0;
	return true;
}

// From the last to the first: where a group gets several, the first one stays active, as when a
// document is loaded.
static bool take_over(struct fer_swap *w, const struct fer_adding *a, uint32_t i)
{
	struct fer_pair_sa *sa = fer_pair_sa_of(a->slices.pair, a->handles[a->n - 1 - i]);

	(void)w;
	if (sa == NULL)
		return true;
	sa->is_new = false;
	if (fer_pair_sa_is_out(sa))
		fer_service_activate(a->slices.pair, sa);
	return true;
}

// With each of the new ones, all of which are there: without a port none of this is done.  False:
// not done yet.
static bool (*const steps[])(struct fer_swap *w, const struct fer_adding *a, uint32_t i) = {
	mark_group, ask_member, take_over};

#define N_STEPS (sizeof(steps) / sizeof(steps[0]))

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

static bool complete_swap(struct fer_service *s, struct fer_adding *a)
{
	struct fer_swap *w = a->swap;

	start_drain(s, w->in, a->drain_ms);
	fer_ctl_request_unblock(a->slices.wait->request);
	w->out->service = s;
	w->out->wait = a->slices.wait;
	LIST_INSERT_HEAD(&s->retiring, w->out, link);
	fer_grace_defer(s->grace, &w->out->deferred, retire);
	fer_service_stir(s);
	w->out = NULL;
	w->in = NULL;
	swap_destroy(w);
	free(a);
	return false;
}

static bool swap_some(struct fer_service *s, struct fer_slices *slices)
{
	struct fer_adding *a = (struct fer_adding *)slices;
	struct fer_swap *w = a->swap;

	if (fer_pair_has_lost_port(slices->pair)) {
		swap_destroy(w);
		return fer_service_undo_adding(
			s, slices, -ECANCELED, "a port of the pair has been removed");
	}
	for (unsigned i = 0; i < AT_ONCE; i++) {
		if (w->n_done < a->n) {
			w->n_done += steps[w->step](w, a, w->n_done);
			continue;
		}
		w->n_done = 0;
		if (++w->step == N_STEPS)
			return complete_swap(s, a);
	}
	return true;
}

static bool begin_swap(struct fer_service *s, struct fer_slices *slices)
{
	struct fer_adding *a = (struct fer_adding *)slices;

	a->swap = swap_create(s, slices->pair);
	if (a->swap == NULL)
		return fer_service_undo_adding(s, slices, -ENOMEM, NULL);
	slices->work = swap_some;
	return swap_some(s, slices);
}

void fer_service_sa_swap(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_adding a = {.finish = begin_swap, .is_swap = true};
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
	for (struct fer_swap *w = LIST_FIRST(&s->swaps), *next; w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		swap_destroy(w);
	}
	while (!LIST_EMPTY(&s->drains)) {
		struct fer_drain *d = LIST_FIRST(&s->drains);

		LIST_REMOVE(d, link);
		drain_destroy(d);
	}
}
