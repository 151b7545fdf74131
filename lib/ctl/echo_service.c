// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/echo_service.h"

#include "base/fence.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_MS 60000

#define NEED(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

// --- the service --------------------------------------------------------------------------------

static void echo(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const struct fer_ctl_result result = {.data = data, .len = len, .revision = 1};
	const uint8_t *last = (const uint8_t *)data + len - 1;

	(void)arg;
	// A handler that reads on would be reported, but where a page ends with the message.
	NEED(len == 0 || !fer_fence_is_at(last));
	NEED(len % 4096 == 0 || fer_fence_is_at(last + 1) == FER_FENCE_WORKS);
	fer_ctl_complete(r, &result);
}

static void later_is_now(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	fer_ctl_complete_status(arg, NDIS_STATUS_SUCCESS);
}

static void later(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const struct service *s = arg;
	struct timeval when = {0};
	uint32_t ms;

	NEED(len == sizeof(ms));
	memcpy(&ms, data, sizeof(ms));
	when.tv_usec = (suseconds_t)ms * 1000;
	NEED(event_base_once(s->base, -1, EV_TIMEOUT, later_is_now, r, &when) == 0);
}

static void cancel_held(struct fer_ctl_request *r, void *arg)
{
	struct service *s = arg;

	for (uint32_t i = 0; i < s->n_held; i++) {
		if (s->held[i] != r)
			continue;
		s->held[i] = s->held[--s->n_held];
		fer_ctl_complete_status(r, NDIS_STATUS_REQUEST_ABORTED);
		return;
	}
}

static void hold_firm(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct service *s = arg;

	(void)data, (void)len;
	NEED(s->n_held < MAX_HELD);
	s->held[s->n_held++] = r;
}

static void hold(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	fer_ctl_request_on_cancel(r, cancel_held, arg);
	hold_firm(arg, r, data, len);
}

static void release(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct service *s = arg;

	(void)data, (void)len;
	while (s->n_held > 0)
		fer_ctl_complete_status(s->held[--s->n_held], NDIS_STATUS_SUCCESS);
	fer_ctl_complete_status(r, NDIS_STATUS_SUCCESS);
}

static void big(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_ctl_result result = {0};
	uint32_t n;
	uint8_t *bytes;

	(void)arg;
	NEED(len == sizeof(n));
	memcpy(&n, data, sizeof(n));
	bytes = malloc(n);
	NEED(bytes != NULL);
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 7);
	result.data = bytes;
	result.len = n;
	fer_ctl_complete(r, &result);
	free(bytes);
}

static void indicate(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct service *s = arg;
	struct indicate i;
	uint8_t *bytes;

	NEED(len == sizeof(i));
	memcpy(&i, data, sizeof(i));
	bytes = calloc(1, i.bytes + 1);
	NEED(bytes != NULL);
	for (uint32_t k = 0; k < i.n; k++)
		fer_ctl_indicate(s->server, (uint16_t)i.pair, i.event, i.status, bytes, i.bytes);
	free(bytes);
	fer_ctl_complete_status(r, NDIS_STATUS_SUCCESS);
}

static void tell_counters(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const struct service *s = arg;
	const struct fer_ctl_counters c = fer_ctl_server_counters(s->server);
	const struct fer_ctl_result result = {.data = &c, .len = sizeof(c)};

	(void)data, (void)len;
	fer_ctl_complete(r, &result);
}

static void only_set(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	(void)arg, (void)data, (void)len;
	fer_ctl_complete_status(r, NDIS_STATUS_SUCCESS);
}

static void refuse(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	(void)arg, (void)data, (void)len;
	fer_ctl_refuse(r, NDIS_STATUS_INVALID_DATA, 0, 3, "has a colour");
}

static void block(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const struct service *s = arg;
	struct block b;

	NEED(len == sizeof(b));
	memcpy(&b, data, sizeof(b));
	NEED(b.held < s->n_held);
	if (b.is_on != 0)
		fer_ctl_request_block(s->held[b.held]);
	else
		fer_ctl_request_unblock(s->held[b.held]);
	fer_ctl_complete_status(r, NDIS_STATUS_SUCCESS);
}

static void stop(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const struct service *s = arg;

	(void)data, (void)len;
	fer_ctl_complete_status(r, NDIS_STATUS_SUCCESS);
	NEED(event_base_loopexit(s->base, NULL) == 0);
}

static const struct fer_ctl_op ops[] = {
	{OID_ECHO, FER_MSG_TYPE_SET, true, echo},
	{OID_ECHO, FER_MSG_TYPE_QUERY, true, echo},
	{OID_LATER, FER_MSG_TYPE_SET, true, later},
	{OID_HOLD, FER_MSG_TYPE_SET, true, hold},
	{OID_HOLD_FIRM, FER_MSG_TYPE_SET, true, hold_firm},
	{OID_RELEASE, FER_MSG_TYPE_SET, true, release},
	{OID_BIG, FER_MSG_TYPE_QUERY, true, big},
	{OID_INDICATE, FER_MSG_TYPE_SET, true, indicate},
	{OID_COUNTERS, FER_MSG_TYPE_QUERY, true, tell_counters},
	{OID_ONLY_SET, FER_MSG_TYPE_SET, false, only_set},
	{OID_STOP, FER_MSG_TYPE_SET, true, stop},
	{OID_REFUSE, FER_MSG_TYPE_SET, true, refuse},
	{OID_BLOCK, FER_MSG_TYPE_SET, true, block},
};

struct service *service_open(const struct fer_ctl_limits *limits)
{
	struct fer_msg_pair pairs[N_PAIRS] = {{.name = "east"}, {.name = "west", .pair = 1}};
	struct service *s = calloc(1, sizeof(*s));
	struct fer_ctl_server_params p = {
		.group = (gid_t)-1,
		.product = "echo 1.0",
		.pairs = pairs,
		.n_pairs = N_PAIRS,
		.ops = ops,
		.n_ops = sizeof(ops) / sizeof(ops[0]),
		.arg = s,
	};
	int error;

	NEED(s != NULL);
	if (limits != NULL)
		p.limits = *limits;
	(void)snprintf(s->folder, sizeof(s->folder), "/tmp/ctl_test.XXXXXX");
	NEED(mkdtemp(s->folder) != NULL);
	(void)snprintf(s->path, sizeof(s->path), "%s/sock", s->folder);
	s->base = event_base_new();
	NEED(s->base != NULL);
	p.base = s->base;
	p.path = s->path;
	s->server = fer_ctl_server_create(&p, &error);
	NEED(s->server != NULL);
	return s;
}

void service_close(struct service *s)
{
	fer_ctl_server_destroy(s->server);
	for (uint32_t i = 0; i < s->n_held; i++)
		fer_ctl_complete_status(s->held[i], NDIS_STATUS_REQUEST_ABORTED);
	event_base_free(s->base);
	NEED(access(s->path, F_OK) != 0); // the socket went with its server
	(void)rmdir(s->folder);
	free(s);
}

static void *run(void *arg)
{
	const struct service *s = arg;

	NEED(event_base_dispatch(s->base) >= 0);
	return NULL;
}

struct service *service_start(const struct fer_ctl_limits *limits)
{
	struct service *s = service_open(limits);

	NEED(pthread_create(&s->thread, NULL, run, s) == 0);
	return s;
}

void service_stop(struct service *s)
{
	struct fer_client *c = service_client(s);

	NEED(call(c, FER_MSG_TYPE_SET, OID_STOP, NULL, 0, NULL) == NDIS_STATUS_SUCCESS);
	NEED(pthread_join(s->thread, NULL) == 0);
	fer_client_close(c);
	service_close(s);
}

// --- clients ------------------------------------------------------------------------------------

struct fer_client *service_client(const struct service *s)
{
	struct fer_client *c = NULL;

	NEED(fer_client_open(s->path, TIMEOUT_MS, &c) == 0);
	return c;
}

uint32_t call(struct fer_client *c, enum fer_msg_type type, uint32_t oid, const void *data,
	size_t len, struct fer_client_reply *reply)
{
	const struct fer_client_request q = {.oid = oid, .type = type, .data = data, .len = len};
	struct fer_client_reply r;
	uint32_t status;

	NEED(fer_client_call(c, &q, TIMEOUT_MS, &r) == 0);
	status = r.header.status;
	if (reply != NULL)
		*reply = r;
	else
		fer_client_reply_fini(&r);
	return status;
}

uint64_t submit(struct fer_client *c, uint32_t oid, const void *data, size_t len)
{
	const struct fer_client_request q = {
		.oid = oid, .type = FER_MSG_TYPE_SET, .data = data, .len = len};
	uint64_t id = 0;

	NEED(fer_client_submit(c, &q, TIMEOUT_MS, &id) == 0);
	return id;
}

uint32_t collect(struct fer_client *c, uint64_t id)
{
	struct fer_client_reply r;
	uint32_t status;

	NEED(fer_client_collect(c, id, TIMEOUT_MS, &r) == 0);
	status = r.header.status;
	fer_client_reply_fini(&r);
	return status;
}

struct fer_ctl_counters counters(struct fer_client *c)
{
	struct fer_client_reply r;
	struct fer_ctl_counters n;

	NEED(call(c, FER_MSG_TYPE_QUERY, OID_COUNTERS, NULL, 0, &r) == NDIS_STATUS_SUCCESS);
	NEED(r.len == sizeof(n));
	memcpy(&n, r.data, sizeof(n));
	fer_client_reply_fini(&r);
	return n;
}

int raw_connect(const struct service *s)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct fer_msg_header h;
	uint8_t hello[1024];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	NEED(fd >= 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", s->path);
	NEED(connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0);
	NEED(raw_receive(fd, &h, sizeof(h)));
	NEED(h.type == FER_MSG_TYPE_HELLO && h.length <= sizeof(hello));
	NEED(raw_receive(fd, hello, h.length));
	return fd;
}

struct fer_msg_header raw_header(enum fer_msg_type type, uint32_t oid, uint64_t id, uint32_t length)
{
	return (struct fer_msg_header){
		.magic = FER_MSG_MAGIC,
		.version = FER_MSG_VERSION,
		.type = (uint8_t)type,
		.id = id,
		.oid = oid,
		.length = length,
	};
}

void raw_send(int fd, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	while (len > 0) {
		const ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		NEED(n > 0 || errno == EINTR);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

bool raw_receive(int fd, void *bytes, size_t len)
{
	uint8_t *p = bytes;

	while (len > 0) {
		const ssize_t n = recv(fd, p, len, 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return false;
		NEED(n > 0 || errno == EINTR);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return true;
}
