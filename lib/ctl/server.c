// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/conn.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define REST_MS 100

static uint64_t or_default(uint64_t given, uint64_t otherwise)
{
	return given != 0 ? given : otherwise;
}

static struct fer_ctl_limits limits_of(const struct fer_ctl_limits *l)
{
	struct fer_ctl_limits m = {
		.max_clients = (uint32_t)or_default(l->max_clients, 4096),
		.max_length = (uint32_t)or_default(l->max_length, FER_MSG_MAX_BYTES),
		.max_input = or_default(l->max_input, (uint64_t)512 << 20),
		.max_room = (uint32_t)or_default(l->max_room, 1u << 20),
		.max_pending = (uint32_t)or_default(l->max_pending, 1024),
		.max_turn = (uint32_t)or_default(l->max_turn, 64),
		.max_backlog = (uint32_t)or_default(l->max_backlog, 1u << 20),
		.max_unread = (uint32_t)or_default(l->max_unread, 256u << 10),
	};

	if (m.max_length > FER_MSG_MAX_BYTES)
		m.max_length = FER_MSG_MAX_BYTES;
	return m;
}

// Why somebody is turned away, as far as it can be said without waiting.
static void turn_away(struct fer_ctl_server *s, int fd, uint32_t status)
{
	const struct fer_msg_header h = {
		.magic = FER_MSG_MAGIC,
		.version = FER_MSG_VERSION,
		.type = FER_MSG_TYPE_COMPLETION,
		.pair = FER_MSG_ALL_PAIRS,
		.status = status,
	};

	(void)send(fd, &h, sizeof(h), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(fd);
	s->counters.turned_away++;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval rest = {.tv_usec = REST_MS * 1000};
	struct fer_ctl_server *s = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		const int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
					  errno == ENOMEM)) {
			// Those who wait would wake us at once.
			(void)event_del(s->acceptable);
			(void)event_add(s->rest, &rest);
		}
		if (client < 0)
			return;
		if (!fer_listen_may_connect(client, s->group)) {
			turn_away(s, client, NDIS_STATUS_NOT_ACCEPTED);
		} else if (s->counters.clients >= s->limits.max_clients ||
			   !fer_conn_open(s, client)) {
			turn_away(s, client, NDIS_STATUS_RESOURCES);
		} else {
			s->counters.accepted++;
		}
	}
}

static void on_rest(evutil_socket_t fd, short what, void *arg)
{
	struct fer_ctl_server *s = arg;

	(void)fd, (void)what;
	(void)event_add(s->acceptable, NULL);
}

static void put_hello(struct fer_ctl_server *s, const struct fer_ctl_server_params *p)
{
	struct fer_msg_hello hello = {
		.events = FER_MSG_EVENTS_ALL,
		.max_length = s->limits.max_length,
		.max_room = s->limits.max_room,
		.max_pending = s->limits.max_pending,
	};

	fer_msg_set_string(hello.product, sizeof(hello.product), p->product);
	fer_msg_put_hello(&s->hello, &hello, p->pairs, p->n_pairs);
}

struct fer_ctl_server *fer_ctl_server_create(const struct fer_ctl_server_params *p, int *error)
{
	struct fer_ctl_server *s = calloc(1, sizeof(*s));

	*error = -ENOMEM;
	if (s == NULL)
		return NULL;
	s->limits = limits_of(&p->limits);
	s->base = p->base;
	s->group = p->group;
	s->ops = p->ops;
	s->n_ops = p->n_ops;
	s->gate = p->gate;
	s->n_pairs = p->n_pairs;
	s->arg = p->arg;
	LIST_INIT(&s->conns);
	LIST_INIT(&s->kept);
	s->small =
		(struct fer_conn_shelf){.room = FER_CONN_IN_BYTES, .most = FER_CONN_SMALL_SPARES};
	s->big = (struct fer_conn_shelf){.room = FER_CONN_BIG_BYTES, .most = FER_CONN_BIG_SPARES};
	put_hello(s, p);
	if (s->hello.failed)
		goto undo_hello;
	*error = fer_listen_open(&s->listen, p->path, p->group);
	if (*error != 0)
		goto undo_hello;
	*error = -ENOMEM;
	s->acceptable = event_new(s->base, s->listen.fd, EV_READ | EV_PERSIST, on_acceptable, s);
	s->rest = event_new(s->base, -1, 0, on_rest, s);
	if (s->acceptable == NULL || s->rest == NULL || event_add(s->acceptable, NULL) != 0)
		goto undo_listen;
	*error = 0;
	return s;
undo_listen:
	if (s->acceptable != NULL)
		event_free(s->acceptable);
	if (s->rest != NULL)
		event_free(s->rest);
	fer_listen_close(&s->listen);
undo_hello:
	fer_msg_buf_fini(&s->hello);
	free(s);
	return NULL;
}

void fer_ctl_server_destroy(struct fer_ctl_server *s)
{
	if (s == NULL)
		return;
	event_free(s->acceptable);
	event_free(s->rest);
	fer_listen_close(&s->listen);
	while (!LIST_EMPTY(&s->conns)) {
		struct fer_conn *c = LIST_FIRST(&s->conns);

		fer_request_orphan(c, true);
		fer_conn_close(c);
	}
	fer_request_leave(s);
	fer_conn_free_spares(s);
	fer_msg_buf_fini(&s->hello);
	free(s);
}

static bool wants(const struct fer_conn *c, uint16_t pair, uint64_t events)
{
	return (c->events & events) != 0 && !c->closing && !c->failed &&
	       (pair == FER_MSG_ALL_PAIRS || c->events_pair == FER_MSG_ALL_PAIRS ||
		       c->events_pair == pair);
}

void fer_ctl_indicate(struct fer_ctl_server *s, uint16_t pair, unsigned event, uint32_t status,
	const void *data, size_t len)
{
	struct fer_msg_header h = {.type = FER_MSG_TYPE_INDICATION, .pair = pair, .status = status};

	for (struct fer_conn *c = LIST_FIRST(&s->conns); c != NULL; c = LIST_NEXT(c, link)) {
		if (!wants(c, pair, 1ull << event))
			continue;
		h.id = ++c->n_indications;
		if (evbuffer_get_length(c->out) + sizeof(h) + len > s->limits.max_unread)
			s->counters.missed++;
		else
			fer_conn_put(c, &h, data, len);
	}
}

struct fer_ctl_counters fer_ctl_server_counters(const struct fer_ctl_server *s)
{
	return s->counters;
}
