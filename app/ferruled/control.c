// SPDX-License-Identifier: BSD-3-Clause
#include "control.h"

#include "daemon.h"
#include "notify.h"
#include "service.h"

#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define TICK_US 10000
#define N_EVENTS 4
#define N_FILES 4352 // as many clients as the server takes, and what else is open

struct fer_control {
	struct fer_daemon *daemon;
	struct event_base *base;
	struct event *events[N_EVENTS];
	struct fer_service *service;
	struct fer_ctl_server *server;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct fer_control *c = arg;

	(void)fd;
	(void)what;
	fer_daemon_tick(c->daemon, now_ns());
	fer_service_tell(c->service, c->server);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct fer_control *c = arg;

	(void)what;
	fer_log(&c->daemon->log, FER_LOG_NOTICE, "ends on signal %d", (int)number);
	event_base_loopbreak(c->base);
}

static bool make_events(struct fer_control *c)
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

// --- the socket -------------------------------------------------------------------------------

static int fail(struct fer_daemon_error *error, int code, const char *what, const char *why)
{
	snprintf(error->text, sizeof(error->text), "ferruled: %s: %s", what, why);
	return code;
}

// (gid_t)-1: no group.
static int find_group(const char *name, gid_t *gid, struct fer_daemon_error *error)
{
	const struct group *g = name[0] == '\0' ? NULL : getgrnam(name);

	*gid = g == NULL ? (gid_t)-1 : g->gr_gid;
	if (name[0] != '\0' && g == NULL)
		return fail(error, -ENOENT, "control.group", "there is no such group");
	return 0;
}

static const char *why_not(int error)
{
	if (error == -EADDRINUSE)
		return "another program listens there";
	if (error == -EEXIST)
		return "is there, and is no socket";
	return strerror(-error);
}

// Where nothing else is said the socket stands in the runtime directory, which whoever started the
// daemon may have made for it.
static const char *socket_path(const struct fer_daemon *d, char path[FER_DOC_SOCKET_BYTES])
{
	const char *folder = getenv("RUNTIME_DIRECTORY");

	if (strcmp(d->settings.socket, FER_DOC_SOCKET_DEFAULT) != 0)
		return d->settings.socket;
	if (folder != NULL && folder[0] == '/' && strlen(folder) < FER_DOC_SOCKET_BYTES - 16) {
		snprintf(path, FER_DOC_SOCKET_BYTES, "%s/control.sock", folder);
		return path;
	}
	(void)mkdir("/run/ferrule", 0755); // that of the default; it may be there
	return d->settings.socket;
}

// A client costs a descriptor.  Where there may not be so many, the server waits for some to go.
static void allow_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= N_FILES)
		return;
	files.rlim_cur = files.rlim_max < N_FILES ? files.rlim_max : N_FILES;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static int open_socket(struct fer_control *c, struct fer_daemon_error *error)
{
	const struct fer_daemon *d = c->daemon;
	struct fer_msg_pair *pairs = calloc(d->n_pairs, sizeof(pairs[0]));
	char path[FER_DOC_SOCKET_BYTES];
	struct fer_ctl_server_params p = {
		.base = c->base,
		.path = socket_path(d, path),
		.product = "ferrule " FERRULE_VERSION,
		.pairs = pairs,
		.n_pairs = d->n_pairs,
		.ops = fer_service_ops,
		.n_ops = fer_service_n_ops,
		.gate = fer_service_gate,
		.arg = c->service,
	};
	int rc;

	if (pairs == NULL)
		return fail(error, -ENOMEM, p.path, "no memory");
	for (unsigned i = 0; i < d->n_pairs; i++)
		fer_service_describe(&d->pairs[i], &pairs[i]);
	allow_files();
	rc = find_group(d->settings.group, &p.group, error);
	if (rc == 0) {
		c->server = fer_ctl_server_create(&p, &rc);
		if (c->server == NULL)
			(void)fail(error, rc, p.path, why_not(rc));
	}
	free(pairs);
	return c->server != NULL ? 0 : rc;
}

static int open_service(struct fer_control *c, struct fer_daemon_error *error)
{
	struct fer_daemon *d = c->daemon;
	const struct fer_service_params p = {.base = c->base,
		.pairs = d->pairs,
		.n_pairs = d->n_pairs,
		.workers = &d->workers,
		.grace = &d->grace};
	int rc;

	c->service = fer_service_create(&p, &rc);
	return c->service != NULL ? 0 : fail(error, rc, "control", strerror(-rc));
}

// --- the loop ---------------------------------------------------------------------------------

int fer_control_open(struct fer_daemon *d, struct fer_daemon_error *error)
{
	struct fer_control *c = d->control = calloc(1, sizeof(*c));

	if (c == NULL)
		return fail(error, -ENOMEM, "control", "no memory");
	c->daemon = d;
	c->base = event_base_new();
	if (c->base == NULL || !make_events(c))
		return fail(error, -ENOMEM, "control", "there can be no event loop");
	int rc = open_service(c, error);
	return rc == 0 ? open_socket(c, error) : rc;
}

int fer_control_run(struct fer_daemon *d)
{
	struct fer_control *c = d->control;
	int error;

	fer_notify("READY=1");
	fer_log(&d->log, FER_LOG_INFO, "carries packets");
	error = event_base_dispatch(c->base) < 0 ? -EIO : 0;
	fer_notify("STOPPING=1");
	fer_ctl_server_destroy(c->server);
	c->server = NULL;
	return error;
}

void fer_control_close(struct fer_control *c)
{
	if (c == NULL)
		return;
	if (c->server != NULL)
		fer_ctl_server_destroy(c->server);
	fer_service_destroy(c->service);
	for (unsigned i = 0; i < N_EVENTS; i++)
		if (c->events[i] != NULL)
			event_free(c->events[i]);
	if (c->base != NULL)
		event_base_free(c->base);
	free(c);
}
