// SPDX-License-Identifier: BSD-3-Clause
#include "control.h"

#include "daemon.h"
#include "notify.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <time.h>

#define TICK_US 10000
#define N_EVENTS 4

struct control {
	struct fer_daemon *daemon;
	struct event_base *base;
	struct event *events[N_EVENTS];
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;

	(void)fd;
	(void)what;
	fer_daemon_tick(c->daemon, now_ns());
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct control *c = arg;

	(void)what;
	fer_log(&c->daemon->log, FER_LOG_NOTICE, "ends on signal %d", (int)number);
	event_base_loopbreak(c->base);
}

static bool make_events(struct control *c)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	const struct timeval tick = {.tv_usec = TICK_US};
	unsigned n = 0;

	c->events[n] = event_new(c->base, -1, EV_PERSIST, on_tick, c);
	if (c->events[n] == NULL || event_add(c->events[n], &tick) != 0)
		return false;
	for (n = 1; n < N_EVENTS; n++) {
		// What is there when the events are gone: clean-up is not to be interrupted.
		signal(signals[n - 1], SIG_IGN);
		c->events[n] = evsignal_new(c->base, signals[n - 1], on_signal, c);
		if (c->events[n] == NULL || event_add(c->events[n], NULL) != 0)
			return false;
	}
	return true;
}

int fer_control_run(struct fer_daemon *d)
{
	struct control c = {.daemon = d, .base = event_base_new()};
	int error = -ENOMEM;

	if (c.base == NULL)
		return error;
	if (make_events(&c)) {
		fer_notify("READY=1");
		fer_log(&d->log, FER_LOG_INFO, "carries packets");
		error = event_base_dispatch(c.base) < 0 ? -EIO : 0;
		fer_notify("STOPPING=1");
	}
	for (unsigned i = 0; i < N_EVENTS; i++)
		if (c.events[i] != NULL)
			event_free(c.events[i]);
	event_base_free(c.base);
	return error;
}
