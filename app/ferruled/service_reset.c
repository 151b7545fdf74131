// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include <event2/event.h>
#include <stdlib.h>

#define MOST_NS UINT64_C(2000000000)

static const struct timeval tick = {.tv_usec = 1000};

struct fer_reset {
	struct fer_service *service;
	struct fer_ctl_server *server;
	struct fer_pair *pair;
	struct fer_ctl_request *request;
	struct event *timer;
	bool is_under_way; // what came before it has been done, and workers come to rest
	uint64_t since_ns; // when workers began to hold it up, of the monotonic clock; 0: they do
			   // not
};

bool fer_service_is_resetting(const struct fer_service *s, const struct fer_pair *p)
{
	return s->reset != NULL && s->reset->pair == p;
}

static void reset_destroy(struct fer_reset *r)
{
	r->service->reset = NULL;
	if (r->timer != NULL)
		event_free(r->timer);
	free(r);
}

// Carries on, whatever came of it.
static void finish(struct fer_reset *r, const char *why)
{
	fer_workers_carry(r->service->workers);
	fer_ctl_server_release(r->server);
	if (why == NULL)
		fer_ctl_complete_status(r->request, NDIS_STATUS_SUCCESS);
	else
		fer_ctl_refuse(r->request, NDIS_STATUS_FAILURE, 0, FER_MSG_NO_ELEMENT, why);
	struct fer_service *s = r->service;
	const struct fer_pair *p = r->pair;
	reset_destroy(r);
	fer_service_end_drains(s, p);
}

// Nothing is left half done: lists that are worked off are, and swaps, while others have their
// turn. Nothing new comes for the pair: the end of a drain, too, waits for that of the reset.
static bool begin(struct fer_reset *r)
{
	if (fer_service_has_slices(r->service, r->pair) ||
		fer_service_is_retiring(r->service, r->pair))
		return false;
	fer_service_abort_waits(r->service, r->pair);
	fer_workers_rest(r->service->workers);
	return true;
}

static bool waits_for_workers(const struct fer_reset *r)
{
	return r->is_under_way ? !fer_workers_are_at_rest(r->service->workers)
			       : fer_service_is_retiring(r->service, r->pair);
}

// For too long?  By the clock: with little CPU, ticks are late.
static bool is_held_up(struct fer_reset *r)
{
	const uint64_t now = fer_service_now_ns();

	if (!waits_for_workers(r))
		r->since_ns = 0;
	else if (r->since_ns == 0)
		r->since_ns = now;
	return r->since_ns != 0 && now - r->since_ns >= MOST_NS;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct fer_reset *r = arg;
	const char *why = NULL;

	(void)fd, (void)what;
	if (is_held_up(r)) {
		finish(r, "a worker does not come to rest");
		return;
	}
	if (!r->is_under_way || waits_for_workers(r)) {
		r->is_under_way = r->is_under_way || begin(r);
		(void)evtimer_add(r->timer, &tick);
		return;
	}
	for (unsigned side = 0; side < FER_N_SIDES; side++)
		if (fer_port_reset(&r->pair->port[side]) != 0)
			why = "a port does not start again";
	finish(r, why);
}

void fer_service_reset(void *arg, struct fer_ctl_request *request, const void *data, size_t len)
{
	struct fer_service *s = arg;

	(void)data;
	if (len != 0) {
		fer_ctl_refuse(request, NDIS_STATUS_INVALID_LENGTH, 0, FER_MSG_NO_ELEMENT,
			"has data, which a reset has not");
		return;
	}
	struct fer_reset *r = calloc(1, sizeof(*r));
	if (r == NULL) {
		fer_ctl_complete_status(request, NDIS_STATUS_RESOURCES);
		return;
	}
	if (s->reset != NULL) {
		free(r);
		fer_ctl_refuse(request, NDIS_STATUS_NOT_ACCEPTED, 0, FER_MSG_NO_ELEMENT,
			"another pair is being reset");
		return;
	}
	*r = (struct fer_reset){.service = s,
		.server = fer_ctl_request_server(request),
		.pair = fer_service_pair(s, request),
		.request = request};
	s->reset = r;
	r->timer = evtimer_new(s->base, on_tick, r);
	if (r->timer == NULL) {
		reset_destroy(r);
		fer_ctl_complete_status(request, NDIS_STATUS_RESOURCES);
		return;
	}
	fer_ctl_server_hold(r->server, (uint16_t)r->pair->number);
	r->is_under_way = begin(r);
	(void)evtimer_add(r->timer, &tick);
}

// The server is gone.
void fer_service_reset_fini(struct fer_service *s)
{
	if (s->reset == NULL)
		return;
	fer_ctl_complete_status(s->reset->request, NDIS_STATUS_REQUEST_ABORTED);
	reset_destroy(s->reset);
}
