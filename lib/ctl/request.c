// SPDX-License-Identifier: BSD-3-Clause
// A request from its arrival to its completion.  Its body is its own, so that a handler may take
// its time.
#include "ctl/conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct fer_ctl_request {
	LIST_ENTRY(fer_ctl_request) link; // of its client
	struct fer_conn *conn;            // NULL: gone
	struct fer_msg_header header;
	fer_ctl_cancel *cancel;
	void *cancel_arg;
	bool blocks; // one of n_blockers of its client
	struct fer_conn_body body;
	struct fer_ctl_server *keeper; // whose memory body is; NULL: gone, or there is none
	LIST_ENTRY(fer_ctl_request) kept;
};

static void subscribe(struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_msg_subscribe s;
	struct fer_msg_fault fault;
	const uint32_t status = fer_msg_get_subscribe(data, len, &s, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_ctl_refuse(r, status, fault.needed, fault.element, fault.why);
		return;
	}
	// Nobody will hear of it who has hung up already.
	r->conn->events = r->conn->eof || r->conn->deaf ? 0 : s.events;
	r->conn->events_pair = r->header.pair;
	fer_ctl_complete_status(r, NDIS_STATUS_SUCCESS);
}

static const struct fer_ctl_op *find_op(const struct fer_ctl_server *s, uint32_t oid, uint8_t type)
{
	const struct fer_ctl_op *other = NULL;

	for (uint32_t i = 0; i < s->n_ops; i++) {
		if (s->ops[i].oid == oid && s->ops[i].type == type)
			return &s->ops[i];
		if (s->ops[i].oid == oid)
			other = &s->ops[i];
	}
	return other;
}

uint32_t fer_request_vet(const struct fer_ctl_server *s, const struct fer_msg_header *h)
{
	static const struct fer_ctl_op own = {
		.oid = FER_MSG_SUBSCRIBE, .type = FER_MSG_TYPE_SET, .all_pairs = true};
	const struct fer_ctl_op *op =
		h->oid == FER_MSG_SUBSCRIBE ? &own : find_op(s, h->oid, h->type);

	if (op == NULL)
		return NDIS_STATUS_INVALID_OID;
	if (op->type != h->type)
		return NDIS_STATUS_NOT_SUPPORTED;
	if ((h->status | h->bytes_done | h->bytes_needed | h->revision) != 0 ||
		(h->type == FER_MSG_TYPE_SET && h->room != 0))
		return NDIS_STATUS_INVALID_DATA;
	if (h->pair >= s->n_pairs && !(op->all_pairs && h->pair == FER_MSG_ALL_PAIRS))
		return NDIS_STATUS_INVALID_PARAMETER;
	if (s->held == h->pair + 1u)
		return NDIS_STATUS_NOT_ACCEPTED;
	return NDIS_STATUS_SUCCESS;
}

void fer_request_start(
	struct fer_conn *c, const struct fer_msg_header *h, struct fer_conn_body *body)
{
	struct fer_ctl_server *s = c->server;
	struct fer_ctl_request *r = malloc(sizeof(*r));
	const void *bytes = ""; // of a request without any

	s->counters.requests++;
	if (r == NULL) {
		fer_conn_body_free(s, body);
		fer_conn_refuse(c, h, NDIS_STATUS_RESOURCES, 0);
		return;
	}
	*r = (struct fer_ctl_request){.conn = c, .header = *h, .body = *body};
	*body = (struct fer_conn_body){0};
	if (r->header.room > s->limits.max_room)
		r->header.room = s->limits.max_room;
	if (r->body.bytes != NULL) {
		bytes = r->body.bytes;
		r->keeper = s;
		LIST_INSERT_HEAD(&s->kept, r, kept);
	}
	LIST_INSERT_HEAD(&c->requests, r, link);
	c->n_pending++;
	s->counters.pending++;
	if (h->oid == FER_MSG_SUBSCRIBE)
		subscribe(r, bytes, h->length);
	else if (s->gate == NULL || s->gate(s->arg, r))
		find_op(s, h->oid, h->type)->handle(s->arg, r, bytes, h->length);
}

const struct fer_msg_header *fer_ctl_request_header(const struct fer_ctl_request *r)
{
	return &r->header;
}

struct fer_ctl_server *fer_ctl_request_server(const struct fer_ctl_request *r)
{
	return r->conn->server;
}

void fer_ctl_request_on_cancel(struct fer_ctl_request *r, fer_ctl_cancel *cancel, void *arg)
{
	r->cancel = cancel;
	r->cancel_arg = arg;
}

void fer_ctl_request_block(struct fer_ctl_request *r)
{
	if (r->conn == NULL || r->blocks)
		return;
	r->blocks = true;
	r->conn->n_blockers++;
}

void fer_ctl_request_unblock(struct fer_ctl_request *r)
{
	static const struct timeval now;

	if (r->conn == NULL || !r->blocks)
		return;
	r->blocks = false;
	if (--r->conn->n_blockers == 0)
		(void)event_add(r->conn->turn, &now);
}

// Calls the function of a request, once.
static void cancel_one(struct fer_ctl_request *r)
{
	fer_ctl_cancel *cancel = r->cancel;

	r->cancel = NULL;
	if (cancel != NULL)
		cancel(r, r->cancel_arg);
}

static bool has_id(const struct fer_ctl_request *r, uint64_t id)
{
	return r->header.id == id;
}

static bool is_of_pair(const struct fer_ctl_request *r, uint64_t pair)
{
	return r->header.pair == pair;
}

static void cancel_those(struct fer_conn *c,
	bool (*is)(const struct fer_ctl_request *r, uint64_t what), uint64_t what)
{
	struct fer_ctl_request *r = LIST_FIRST(&c->requests);

	// A cancel function may complete its own request and others: after each, look anew.
	while (r != NULL) {
		if (r->cancel == NULL || !is(r, what)) {
			r = LIST_NEXT(r, link);
			continue;
		}
		cancel_one(r);
		r = LIST_FIRST(&c->requests);
	}
}

void fer_request_cancel(struct fer_conn *c, uint64_t id)
{
	cancel_those(c, has_id, id);
}

void fer_request_abort(struct fer_conn *c, uint16_t pair)
{
	cancel_those(c, is_of_pair, pair);
}

void fer_ctl_server_hold(struct fer_ctl_server *s, uint16_t pair)
{
	s->held = pair + 1u;
	for (struct fer_conn *c = LIST_FIRST(&s->conns); c != NULL; c = LIST_NEXT(c, link))
		fer_request_abort(c, pair);
}

void fer_ctl_server_release(struct fer_ctl_server *s)
{
	s->held = 0;
}

static void part(struct fer_conn *c, struct fer_ctl_request *r)
{
	LIST_REMOVE(r, link);
	c->n_pending--;
	c->server->counters.pending--;
	c->n_blockers -= r->blocks;
	r->conn = NULL;
}

void fer_request_orphan(struct fer_conn *c, bool cancel)
{
	while (!LIST_EMPTY(&c->requests)) {
		struct fer_ctl_request *r = LIST_FIRST(&c->requests);

		part(c, r);
		if (cancel)
			cancel_one(r);
	}
}

void fer_request_leave(struct fer_ctl_server *s)
{
	while (!LIST_EMPTY(&s->kept)) {
		LIST_FIRST(&s->kept)->keeper = NULL;
		LIST_REMOVE(LIST_FIRST(&s->kept), kept);
	}
}

static void request_free(struct fer_ctl_request *r)
{
	if (r->keeper != NULL)
		LIST_REMOVE(r, kept);
	fer_conn_body_free(r->keeper, &r->body);
	free(r);
}

void fer_ctl_complete(struct fer_ctl_request *r, const struct fer_ctl_result *result)
{
	struct fer_conn *c = r->conn;
	const bool query = r->header.type == FER_MSG_TYPE_QUERY;
	const bool ok = result->status == NDIS_STATUS_SUCCESS;
	const bool fits = !query || !ok || result->len <= r->header.room;
	struct fer_msg_header h = {
		.type = FER_MSG_TYPE_COMPLETION,
		.id = r->header.id,
		.oid = r->header.oid,
		.pair = r->header.pair,
		.status = fits ? result->status : NDIS_STATUS_BUFFER_TOO_SHORT,
		.bytes_needed = fits ? result->needed : (uint32_t)result->len,
		.revision = result->revision,
	};

	assert(result->status != NDIS_STATUS_PENDING);
	if (ok && fits)
		h.bytes_done = query ? (uint32_t)result->len : r->header.length;
	if (c != NULL) {
		part(c, r);
		c->server->counters.completions++;
		fer_conn_put(c, &h, result->data, fits ? result->len : 0);
	}
	request_free(r);
}

void fer_ctl_complete_status(struct fer_ctl_request *r, uint32_t status)
{
	const struct fer_ctl_result result = {.status = status};

	fer_ctl_complete(r, &result);
}

void fer_ctl_refuse(struct fer_ctl_request *r, uint32_t status, uint32_t needed, uint32_t element,
	const char *text)
{
	struct fer_msg_refusal refusal = {.size = sizeof(refusal), .element = element};
	const struct fer_ctl_result result = {
		.status = status,
		.needed = needed,
		.data = &refusal,
		.len = text != NULL ? sizeof(refusal) : 0,
	};

	if (text != NULL)
		fer_msg_set_string(refusal.text, sizeof(refusal.text), text);
	fer_ctl_complete(r, &result);
}
