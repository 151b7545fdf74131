// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 65536

// A message from the daemon, complete or on its way.
struct message {
	STAILQ_ENTRY(message) link;
	struct fer_msg_header header;
	size_t got;
	uint8_t *data;
};

STAILQ_HEAD(messages, message);

struct fer_client {
	int fd;
	int error; // what every further call that needs the daemon returns
	uint64_t last_id;
	uint8_t header[sizeof(struct fer_msg_header)]; // of the next message
	size_t header_got;
	struct message *current; // whose header is complete
	struct messages completions;
	struct messages indications;
	uint32_t n_indications;
	struct message *hello_message;
	struct fer_msg_hello hello;
	struct fer_msg_array pairs;
	uint8_t bytes[READ_BYTES];
};

static void message_free(struct message *m)
{
	if (m == NULL)
		return;
	free(m->data);
	free(m);
}

static void messages_free(struct messages *list)
{
	while (!STAILQ_EMPTY(list)) {
		struct message *m = STAILQ_FIRST(list);

		STAILQ_REMOVE_HEAD(list, link);
		message_free(m);
	}
}

// --- time ---------------------------------------------------------------------------------------

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
}

static int left_until(int64_t deadline)
{
	const int64_t left = deadline == INT64_MAX ? -1 : deadline - now_ms();

	if (deadline == INT64_MAX)
		return -1;
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

// --- what the daemon sends ----------------------------------------------------------------------

// The daemon's last word before it hangs up has no request that it answers.
static int last_word(uint32_t status)
{
	switch (status) {
	case NDIS_STATUS_NOT_ACCEPTED:
		return -EACCES;
	case NDIS_STATUS_RESOURCES:
		return -EBUSY;
	default:
		return -EPROTO;
	}
}

static int sort_message(struct fer_client *c, struct message *m)
{
	int error = 0;

	if (m->header.type == FER_MSG_TYPE_COMPLETION && m->header.id != 0) {
		STAILQ_INSERT_TAIL(&c->completions, m, link);
		return 0;
	}
	if (m->header.type == FER_MSG_TYPE_INDICATION && c->n_indications < FER_CLIENT_KEPT) {
		STAILQ_INSERT_TAIL(&c->indications, m, link);
		c->n_indications++;
		return 0;
	}
	if (m->header.type == FER_MSG_TYPE_HELLO && c->hello_message == NULL) {
		c->hello_message = m;
		return 0;
	}
	if (m->header.type == FER_MSG_TYPE_COMPLETION)
		error = last_word(m->header.status);
	else if (m->header.type != FER_MSG_TYPE_INDICATION)
		error = -EPROTO;
	message_free(m);
	return error;
}

static int start_message(struct fer_client *c)
{
	struct fer_msg_header h;
	struct message *m;

	c->header_got = 0;
	if (fer_msg_get_header(c->header, &h) != NDIS_STATUS_SUCCESS ||
		h.length > FER_MSG_MAX_BYTES)
		return -EPROTO;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return -ENOMEM;
	m->header = h;
	m->data = malloc(h.length > 0 ? h.length : 1);
	if (m->data == NULL) {
		free(m);
		return -ENOMEM;
	}
	c->current = m;
	return 0;
}

// Takes bytes as they come and sorts the messages that they complete.
static int feed(struct fer_client *c, const uint8_t *bytes, size_t n)
{
	int error = 0;

	while (n > 0 && error == 0) {
		const size_t want = c->current != NULL ? c->current->header.length - c->current->got
						       : sizeof(c->header) - c->header_got;
		const size_t take = want < n ? want : n;
		struct message *m = c->current;

		memcpy(m != NULL ? m->data + m->got : c->header + c->header_got, bytes, take);
		bytes += take;
		n -= take;
		if (m != NULL)
			m->got += take;
		else if ((c->header_got += take) == sizeof(c->header))
			error = start_message(c);
		m = c->current;
		if (m != NULL && m->got == m->header.length) {
			c->current = NULL;
			error = sort_message(c, m);
		}
	}
	return error;
}

static int receive(struct fer_client *c)
{
	const ssize_t n = recv(c->fd, c->bytes, sizeof(c->bytes), MSG_DONTWAIT);

	if (n > 0)
		c->error = feed(c, c->bytes, (size_t)n);
	else if (n == 0)
		c->error = -EPIPE;
	else if (errno != EAGAIN && errno != EINTR)
		c->error = -errno;
	return c->error;
}

// Waits until something has been received, or until the socket takes more when `events` say so.
static int wait_for(struct fer_client *c, short events, int64_t deadline)
{
	struct pollfd p = {.fd = c->fd, .events = events};
	int n;

	if (c->error != 0)
		return c->error;
	n = poll(&p, 1, left_until(deadline));
	if (n < 0 && errno != EINTR)
		return c->error = -errno;
	if (n == 0)
		return -ETIMEDOUT;
	// The rest of what a daemon said that hung up is still to be read.
	if (n > 0 && (p.revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		return receive(c);
	return 0;
}

// --- connection ---------------------------------------------------------------------------------

static int connect_to(int fd, const char *path, int64_t deadline)
{
	static const struct timespec pause = {.tv_nsec = 2000000};
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const size_t len = strlen(path);

	if (len >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	memcpy(at.sun_path, path, len);
	// A full queue of a Unix socket cannot be polled for.
	while (connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (left_until(deadline) == 0)
			return -ETIMEDOUT;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

static int get_hello(struct fer_client *c, int64_t deadline)
{
	struct fer_msg_fault fault;
	int error = 0;

	while (c->hello_message == NULL && error == 0)
		error = wait_for(c, POLLIN, deadline);
	if (c->hello_message == NULL)
		return error;
	if (fer_msg_get_hello(c->hello_message->data, c->hello_message->header.length, &c->hello,
		    &c->pairs, &fault) != NDIS_STATUS_SUCCESS)
		return -EPROTO;
	return 0;
}

int fer_client_open(const char *path, int timeout_ms, struct fer_client **client)
{
	const int64_t deadline = deadline_of(timeout_ms);
	struct fer_client *c = calloc(1, sizeof(*c));
	int error;

	if (c == NULL)
		return -ENOMEM;
	STAILQ_INIT(&c->completions);
	STAILQ_INIT(&c->indications);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	error = c->fd < 0 ? -errno : connect_to(c->fd, path, deadline);
	if (error == 0)
		error = get_hello(c, deadline);
	if (error != 0)
		fer_client_close(c);
	else
		*client = c;
	return error;
}

void fer_client_close(struct fer_client *c)
{
	if (c == NULL)
		return;
	if (c->fd >= 0)
		(void)close(c->fd);
	messages_free(&c->completions);
	messages_free(&c->indications);
	message_free(c->hello_message);
	message_free(c->current);
	free(c);
}

const struct fer_msg_hello *fer_client_hello(const struct fer_client *c)
{
	return &c->hello;
}

void fer_client_pair(const struct fer_client *c, uint32_t i, struct fer_msg_pair *pair)
{
	fer_msg_list_at(&c->pairs, i, pair, sizeof(*pair));
}

int fer_client_fd(const struct fer_client *c)
{
	return c->fd;
}

// --- requests -----------------------------------------------------------------------------------

// Sends a header and its data, and takes in what comes meanwhile: a daemon whose answers are not
// read stops to listen.
static int send_all(
	struct fer_client *c, struct fer_msg_header *h, const void *data, int64_t deadline)
{
	const size_t len = sizeof(*h) + h->length;
	size_t sent = 0;
	int error = c->error;

	while (error == 0 && sent < len) {
		const bool in_header = sent < sizeof(*h);
		struct iovec parts[2] = {
			{.iov_base = (uint8_t *)h + (in_header ? sent : 0),
				.iov_len = in_header ? sizeof(*h) - sent : 0},
			{.iov_base = (uint8_t *)(uintptr_t)data +
				     (in_header ? 0 : sent - sizeof(*h)),
				.iov_len = in_header ? h->length : len - sent},
		};
		const struct msghdr m = {.msg_iov = parts, .msg_iovlen = h->length > 0 ? 2 : 1};
		const ssize_t n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			error = wait_for(c, POLLIN | POLLOUT, deadline);
		else if (n < 0 && errno != EINTR)
			error = c->error = -errno;
	}
	if (error == -ETIMEDOUT && sent > 0)
		c->error = -EPIPE;
	return error;
}

int fer_client_submit(
	struct fer_client *c, const struct fer_client_request *q, int timeout_ms, uint64_t *id)
{
	struct fer_msg_header h = {
		.magic = FER_MSG_MAGIC,
		.version = FER_MSG_VERSION,
		.type = (uint8_t)q->type,
		.id = c->last_id + 1,
		.oid = q->oid,
		.length = (uint32_t)q->len,
		.pair = q->pair,
	};
	int error;

	if (q->len > c->hello.max_length)
		return -EMSGSIZE;
	if (q->type == FER_MSG_TYPE_QUERY)
		h.room = q->room != 0 ? q->room : c->hello.max_room;
	error = send_all(c, &h, q->data, deadline_of(timeout_ms));
	if (error == 0)
		*id = c->last_id = h.id;
	return error;
}

int fer_client_cancel(struct fer_client *c, uint64_t id, int timeout_ms)
{
	struct fer_msg_header h = {
		.magic = FER_MSG_MAGIC,
		.version = FER_MSG_VERSION,
		.type = FER_MSG_TYPE_CANCEL,
		.id = id,
	};

	return send_all(c, &h, NULL, deadline_of(timeout_ms));
}

static void hand_over(struct message *m, struct fer_client_reply *reply)
{
	*reply = (struct fer_client_reply){
		.header = m->header, .data = m->data, .len = m->header.length};
	free(m);
}

static struct message *find_completion(struct fer_client *c, uint64_t id)
{
	struct message *m = STAILQ_FIRST(&c->completions);

	while (m != NULL && id != 0 && m->header.id != id)
		m = STAILQ_NEXT(m, link);
	return m;
}

int fer_client_collect(
	struct fer_client *c, uint64_t id, int timeout_ms, struct fer_client_reply *reply)
{
	const int64_t deadline = deadline_of(timeout_ms);
	struct message *m;

	while ((m = find_completion(c, id)) == NULL) {
		const int error = wait_for(c, POLLIN, deadline);

		if (error != 0 && find_completion(c, id) == NULL)
			return error;
	}
	STAILQ_REMOVE(&c->completions, m, message, link);
	hand_over(m, reply);
	return 0;
}

int fer_client_call(struct fer_client *c, const struct fer_client_request *q, int timeout_ms,
	struct fer_client_reply *reply)
{
	const int64_t deadline = deadline_of(timeout_ms);
	uint64_t id;
	int error = fer_client_submit(c, q, timeout_ms, &id);

	if (error != 0)
		return error;
	return fer_client_collect(c, id, left_until(deadline), reply);
}

int fer_client_indication(struct fer_client *c, int timeout_ms, struct fer_client_reply *indication)
{
	const int64_t deadline = deadline_of(timeout_ms);
	struct message *m;

	while (STAILQ_EMPTY(&c->indications)) {
		const int error = wait_for(c, POLLIN, deadline);

		if (error != 0 && STAILQ_EMPTY(&c->indications))
			return error;
	}
	m = STAILQ_FIRST(&c->indications);
	STAILQ_REMOVE_HEAD(&c->indications, link);
	c->n_indications--;
	hand_over(m, indication);
	return 0;
}

void fer_client_reply_fini(struct fer_client_reply *r)
{
	free(r->data);
	*r = (struct fer_client_reply){0};
}

// --- words --------------------------------------------------------------------------------------

const char *fer_client_status_name(uint32_t status)
{
	static const struct {
		uint32_t status;
		const char *name;
	} names[] = {
#define NAME(name) {NDIS_STATUS_##name, #name}
		NAME(SUCCESS),
		NAME(PENDING),
		NAME(NOT_RECOGNIZED),
		NAME(NOT_ACCEPTED),
		NAME(INDICATION_REQUIRED),
		NAME(BUFFER_OVERFLOW),
		NAME(FAILURE),
		NAME(INVALID_PARAMETER),
		NAME(RESOURCES),
		NAME(NOT_SUPPORTED),
		NAME(CLOSING),
		NAME(REQUEST_ABORTED),
		NAME(RESET_IN_PROGRESS),
		NAME(CLOSING_INDICATING),
		NAME(INVALID_LENGTH),
		NAME(INVALID_DATA),
		NAME(BUFFER_TOO_SHORT),
		NAME(INVALID_OID),
		NAME(SEND_ABORTED),
		NAME(PAUSED),
		NAME(UNSUPPORTED_REVISION),
		NAME(TASK_OFFLOAD_CURRENT_CONFIG),
		NAME(TASK_OFFLOAD_HARDWARE_CAPABILITIES),
		NAME(OFFLOAD_ENCASPULATION_CHANGE),
#undef NAME
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].status == status)
			return names[i].name;
	return "unknown status";
}

const char *fer_client_reason(const struct fer_client_reply *r, char text[FER_CLIENT_REASON_BYTES])
{
	struct fer_msg_refusal refusal;
	struct fer_msg_fault fault;

	if (r->header.status == NDIS_STATUS_SUCCESS ||
		fer_msg_get_refusal(r->data, r->len, &refusal, &fault) != NDIS_STATUS_SUCCESS)
		(void)snprintf(text, FER_CLIENT_REASON_BYTES, "%s",
			fer_client_status_name(r->header.status));
	else if (refusal.element != FER_MSG_NO_ELEMENT)
		(void)snprintf(text, FER_CLIENT_REASON_BYTES, "element %u: %s", refusal.element,
			refusal.text);
	else
		(void)snprintf(text, FER_CLIENT_REASON_BYTES, "%s", refusal.text);
	return text;
}
