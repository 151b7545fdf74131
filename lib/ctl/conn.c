// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/conn.h"

#include "base/fence.h"
#include "base/secret.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BIG_READ_BYTES ((size_t)256 << 10) // of a long message in one turn
#define PAGE_BYTES ((size_t)4096)
#define MAX_PARTS 16
#define LINGER_SECONDS 5 // for the last words to a client that is hung up on

// --- input --------------------------------------------------------------------------------------

// A mapping costs nothing but addresses until bytes arrive.
static uint8_t *map(size_t room)
{
	void *bytes = mmap(NULL, room, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (bytes == MAP_FAILED)
		return NULL;
	(void)madvise(bytes, room, MADV_DONTDUMP);
	(void)mlock2(bytes, room, MLOCK_ONFAULT);
	return bytes;
}

static uint8_t *take(struct fer_conn_shelf *shelf)
{
	void *bytes = shelf->first;

	if (bytes == NULL)
		return map(shelf->room);
	fer_fence_take(bytes, shelf->room);
	memcpy(&shelf->first, bytes, sizeof(shelf->first));
	shelf->n--;
	return bytes;
}

static bool keep(struct fer_conn_shelf *shelf, uint8_t *bytes)
{
	if (shelf->n == shelf->most)
		return false;
	memcpy(bytes, &shelf->first, sizeof(shelf->first));
	shelf->first = bytes;
	shelf->n++;
	fer_fence_put(bytes, shelf->room);
	return true;
}

static void clear(struct fer_conn_shelf *shelf)
{
	while (shelf->n > 0)
		(void)munmap(take(shelf), shelf->room);
}

void fer_conn_free_spares(struct fer_ctl_server *s)
{
	clear(&s->small);
	clear(&s->big);
}

static bool body_open(struct fer_ctl_server *s, size_t len, struct fer_conn_body *body)
{
	struct fer_conn_shelf *shelf = len <= s->small.room ? &s->small
				       : len <= s->big.room ? &s->big
							    : NULL;

	const size_t room =
		shelf != NULL ? shelf->room : (len + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	uint8_t *bytes = shelf != NULL ? take(shelf) : map(room);

	if (bytes == NULL)
		return false;
	fer_fence_put(bytes + len, room - len);
	*body = (struct fer_conn_body){.bytes = bytes, .room = room, .len = len};
	return true;
}

void fer_conn_body_free(struct fer_ctl_server *s, struct fer_conn_body *body)
{
	struct fer_conn_shelf *shelf = s == NULL                     ? NULL
				       : body->room == s->small.room ? &s->small
				       : body->room == s->big.room   ? &s->big
								     : NULL;

	if (body->bytes == NULL)
		return;
	if (s != NULL)
		s->input -= body->counted;
	fer_fence_take(body->bytes, body->room);
	fer_secret_wipe(body->bytes, body->got);
	if (shelf == NULL || !keep(shelf, body->bytes))
		(void)munmap(body->bytes, body->room);
	*body = (struct fer_conn_body){0};
}

// Bytes of the long message have arrived; they count against what all clients may have together.
static void big_got(struct fer_conn *c, size_t n)
{
	struct fer_ctl_server *s = c->server;

	c->big.got += n;
	c->big.counted += n;
	s->input += n;
	if (s->input <= s->limits.max_input)
		return;
	c->skip = c->big.len - c->big.got;
	fer_conn_body_free(s, &c->big);
	fer_conn_refuse(c, &c->header, NDIS_STATUS_RESOURCES, 0);
}

// Reads once.  There is always room: a turn leaves less than a message in the small buffer, or
// reading stops.
static void read_some(struct fer_conn *c)
{
	const size_t left = c->big.len - c->big.got;
	uint8_t *to = c->big.bytes != NULL ? c->big.bytes + c->big.got : c->in + c->in_len;
	const size_t room = c->big.bytes == NULL    ? FER_CONN_IN_BYTES - c->in_len
			    : left < BIG_READ_BYTES ? left
						    : BIG_READ_BYTES;
	ssize_t n;

	if (room == 0)
		return;
	// Without room for control data, file descriptors that come along are closed.
	n = recv(c->fd, to, room, MSG_DONTWAIT);
	if (n > 0 && c->big.bytes != NULL)
		big_got(c, (size_t)n);
	else if (n > 0)
		c->in_len += (size_t)n;
	else if (n == 0)
		c->eof = true;
	else if (errno != EAGAIN && errno != EINTR)
		c->failed = true;
}

// Takes the front off the small buffer, and wipes what it held.
static void consume(struct fer_conn *c, size_t n)
{
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
	fer_secret_wipe(c->in + c->in_len, n);
}

// The client does not speak our language: a last word, and no more is read.  What it has sent does
// not wait for that word to be taken.
static void give_up(
	struct fer_conn *c, const struct fer_msg_header *h, uint32_t status, uint32_t needed)
{
	fer_conn_refuse(c, h, status, needed);
	consume(c, c->in_len);
	c->closing = true;
	c->server->counters.broken++;
}

// Looks at a header.  False: hung up.
static bool is_ours(struct fer_conn *c, struct fer_msg_header *h)
{
	const uint32_t max = c->server->limits.max_length;
	uint32_t status = fer_msg_get_header(c->in, h);

	if (h->magic != FER_MSG_MAGIC)
		h->id = 0;
	if (status == NDIS_STATUS_SUCCESS && h->type != FER_MSG_TYPE_QUERY &&
		h->type != FER_MSG_TYPE_SET && (h->type != FER_MSG_TYPE_CANCEL || h->length != 0))
		status = NDIS_STATUS_INVALID_DATA;
	if (status == NDIS_STATUS_SUCCESS && h->length > max)
		status = NDIS_STATUS_INVALID_LENGTH;
	if (status != NDIS_STATUS_SUCCESS)
		give_up(c, h, status, status == NDIS_STATUS_INVALID_LENGTH ? max : 0);
	return status == NDIS_STATUS_SUCCESS;
}

static void skip_some(struct fer_conn *c)
{
	const size_t n = c->skip < c->in_len ? (size_t)c->skip : c->in_len;

	consume(c, n);
	c->skip -= n;
}

// Takes a long message as far as it is there, into a place of its own.
static void start_big(struct fer_conn *c, const struct fer_msg_header *h)
{
	const size_t have = c->in_len - sizeof(*h);

	if (!body_open(c->server, h->length, &c->big)) {
		fer_conn_refuse(c, h, NDIS_STATUS_RESOURCES, 0);
		consume(c, sizeof(*h));
		c->skip = h->length;
		return;
	}
	c->header = *h;
	memcpy(c->big.bytes, c->in + sizeof(*h), have);
	consume(c, c->in_len);
	big_got(c, have);
}

// Makes a request of the long message, which is there.  Its header was asked when it came, and
// since then its pair may have been held.
static void finish_big(struct fer_conn *c)
{
	const uint32_t status = fer_request_vet(c->server, &c->header);

	if (status == NDIS_STATUS_SUCCESS) {
		fer_request_start(c, &c->header, &c->big);
		return;
	}
	fer_conn_body_free(c->server, &c->big);
	fer_conn_refuse(c, &c->header, status, 0);
}

// Makes a request of a message that is there: in a place of its own, where the handler may keep it.
static void start_small(struct fer_conn *c, const struct fer_msg_header *h)
{
	struct fer_conn_body body = {0};
	const bool has_place = h->length == 0 || body_open(c->server, h->length, &body);

	if (body.bytes != NULL) {
		memcpy(body.bytes, c->in + sizeof(*h), h->length);
		body.got = h->length;
	}
	consume(c, sizeof(*h) + h->length);
	if (has_place)
		fer_request_start(c, h, &body);
	else
		fer_conn_refuse(c, h, NDIS_STATUS_RESOURCES, 0);
}

// Handles the message at the front of the small buffer, of which at least the header is there.
// False: it is not complete.
static bool take_one(struct fer_conn *c)
{
	struct fer_msg_header h;
	uint32_t status;

	if (!is_ours(c, &h))
		return true;
	if (h.type == FER_MSG_TYPE_CANCEL) {
		consume(c, sizeof(h));
		fer_request_cancel(c, h.id);
		return true;
	}
	status = fer_request_vet(c->server, &h);
	if (status != NDIS_STATUS_SUCCESS) {
		consume(c, sizeof(h));
		c->skip = h.length;
		fer_conn_refuse(c, &h, status, 0);
	} else if (sizeof(h) + h.length > FER_CONN_IN_BYTES) {
		start_big(c, &h);
	} else if (c->in_len < sizeof(h) + h.length) {
		return false;
	} else {
		start_small(c, &h);
	}
	return true;
}

static bool has_room(const struct fer_conn *c)
{
	return c->n_blockers == 0 && c->n_pending < c->server->limits.max_pending &&
	       evbuffer_get_length(c->out) < c->server->limits.max_backlog;
}

static enum fer_conn_wait take_turn(struct fer_conn *c)
{
	for (uint32_t n = 0; !c->closing && !c->failed; n++) {
		if (c->skip > 0)
			skip_some(c);
		if (c->skip > 0)
			return FER_CONN_FOR_INPUT;
		if (c->big.bytes != NULL ? c->big.got < c->big.len
					 : c->in_len < sizeof(struct fer_msg_header))
			return FER_CONN_FOR_INPUT;
		if (!has_room(c))
			return FER_CONN_FOR_ROOM;
		if (n == c->server->limits.max_turn)
			return FER_CONN_FOR_TURN;
		if (c->big.bytes != NULL)
			finish_big(c);
		else if (!take_one(c))
			return FER_CONN_FOR_INPUT;
	}
	return FER_CONN_FOR_INPUT;
}

// --- output -------------------------------------------------------------------------------------

// What it sent before it hung up is carried out all the same.
static void turn_deaf(struct fer_conn *c)
{
	c->deaf = true;
	c->events = 0;
	(void)evbuffer_drain(c->out, evbuffer_get_length(c->out));
}

static void flush(struct fer_conn *c)
{
	while (!c->failed && evbuffer_get_length(c->out) > 0) {
		struct evbuffer_iovec parts[MAX_PARTS];
		int n = evbuffer_peek(c->out, -1, NULL, parts, MAX_PARTS);
		struct msghdr m = {
			.msg_iov = parts,
			.msg_iovlen = (size_t)(n < MAX_PARTS ? n : MAX_PARTS),
		};
		ssize_t sent = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
			turn_deaf(c);
		else if (sent < 0 && errno != EINTR)
			c->failed = true;
		if (sent > 0)
			(void)evbuffer_drain(c->out, (size_t)sent);
	}
}

// Sends what there is, and waits for what has to come.
static void settle(struct fer_conn *c)
{
	static const struct timeval now, linger = {.tv_sec = LINGER_SECONDS};
	bool sent;

	flush(c);
	sent = evbuffer_get_length(c->out) == 0;
	if (c->failed || (sent && c->closing) ||
		(sent && c->eof && c->n_pending == 0 && c->wait == FER_CONN_FOR_INPUT)) {
		fer_conn_close(c);
		return;
	}
	if (sent)
		(void)event_del(c->writable);
	else
		(void)event_add(c->writable, c->closing ? &linger : NULL);
	if (c->closing || c->eof || c->wait != FER_CONN_FOR_INPUT)
		(void)event_del(c->readable);
	else
		(void)event_add(c->readable, NULL);
	if (!c->closing &&
		(c->wait == FER_CONN_FOR_TURN || (c->wait == FER_CONN_FOR_ROOM && has_room(c))))
		(void)event_add(c->turn, &now);
}

static void turn(struct fer_conn *c)
{
	c->in_turn = true;
	c->wait = take_turn(c);
	c->in_turn = false;
	settle(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct fer_conn *c = arg;

	(void)fd, (void)what;
	read_some(c);
	if (c->eof)
		c->events = 0;
	turn(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct fer_conn *c = arg;

	(void)fd;
	if ((what & EV_TIMEOUT) != 0)
		c->failed = true;
	settle(c);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	turn(arg);
}

void fer_conn_put(struct fer_conn *c, const struct fer_msg_header *h, const void *data, size_t len)
{
	static const struct timeval now;
	struct fer_msg_header out = *h;

	out.magic = FER_MSG_MAGIC;
	out.version = FER_MSG_VERSION;
	out.length = (uint32_t)len;
	if (!c->deaf && (evbuffer_add(c->out, &out, sizeof(out)) != 0 ||
				(len > 0 && evbuffer_add(c->out, data, len) != 0)))
		c->failed = true;
	if (!c->in_turn)
		(void)event_add(c->turn, &now);
}

void fer_conn_refuse(
	struct fer_conn *c, const struct fer_msg_header *h, uint32_t status, uint32_t needed)
{
	const struct fer_msg_header answer = {
		.type = FER_MSG_TYPE_COMPLETION,
		.id = h->id,
		.oid = h->oid,
		.pair = h->pair,
		.status = status,
		.bytes_needed = needed,
	};

	fer_conn_put(c, &answer, NULL, 0);
}

// --- coming and going ---------------------------------------------------------------------------

bool fer_conn_open(struct fer_ctl_server *s, int fd)
{
	const struct fer_msg_header hello = {.type = FER_MSG_TYPE_HELLO, .pair = FER_MSG_ALL_PAIRS};
	struct fer_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return false;
	c->server = s;
	c->fd = fd;
	LIST_INIT(&c->requests);
	c->in = fer_secret_map(FER_CONN_IN_BYTES);
	c->out = evbuffer_new();
	c->readable = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(s->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	c->turn = event_new(s->base, -1, 0, on_turn, c);
	if (c->in == NULL || c->out == NULL || c->readable == NULL || c->writable == NULL ||
		c->turn == NULL)
		goto undo;
	LIST_INSERT_HEAD(&s->conns, c, link);
	s->counters.clients++;
	fer_conn_put(c, &hello, s->hello.bytes, s->hello.len);
	return true;
undo:
	fer_secret_unmap(c->in, FER_CONN_IN_BYTES);
	if (c->out != NULL)
		evbuffer_free(c->out);
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->writable != NULL)
		event_free(c->writable);
	if (c->turn != NULL)
		event_free(c->turn);
	free(c);
	return false;
}

void fer_conn_close(struct fer_conn *c)
{
	fer_request_orphan(c, false);
	LIST_REMOVE(c, link);
	c->server->counters.clients--;
	event_free(c->readable);
	event_free(c->writable);
	event_free(c->turn);
	evbuffer_free(c->out);
	fer_conn_body_free(c->server, &c->big);
	fer_secret_unmap(c->in, FER_CONN_IN_BYTES);
	(void)close(c->fd);
	free(c);
}
