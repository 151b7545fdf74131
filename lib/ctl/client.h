// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The client side of the control socket.  Needs the C library only.
//
// A connection is used by one thread at a time; any number of connections may be used side by side.
// Functions return 0 or -errno; -EPIPE and -ECONNRESET: the daemon hung up, -EPROTO: what it sent
// makes no sense, -EACCES, -EBUSY: it turns us away, -ETIMEDOUT.  After any error but -ETIMEDOUT,
// and after a submit() that timed out in the middle of a request, the connection can only be
// closed; completions that have arrived can still be collected.  A timeout is in milliseconds;
// negative: none.

#include "ctl/codec.h"
#include "ctl/msg.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FER_CLIENT_DEFAULT_PATH "/run/ferrule/control.sock"

struct fer_client;

// Connects and waits for the hello.
FER_MSG_CHECKED int fer_client_open(const char *path, int timeout_ms, struct fer_client **client);

// NULL does nothing.
void fer_client_close(struct fer_client *c);

// The hello: limits, product, and the pairs with the default configuration that a bind tells.
const struct fer_msg_hello *fer_client_hello(const struct fer_client *c);

// Pair i, below hello's n_pairs.
void fer_client_pair(const struct fer_client *c, uint32_t i, struct fer_msg_pair *pair);

// To poll for POLLIN.  Bytes may also wait inside: ask with a timeout of 0 first.
int fer_client_fd(const struct fer_client *c);

struct fer_client_request {
	uint32_t oid;
	enum fer_msg_type type; // query or set
	uint16_t pair;
	uint32_t room; // query; 0: what hello allows
	const void *data;
	size_t len;
};

// What came back.  A refusal is a reply like any other: look at the status.
struct fer_client_reply {
	struct fer_msg_header header; // header.status, .id, .bytes_needed, ...
	void *data;                   // free with fer_client_reply_fini()
	size_t len;
};

void fer_client_reply_fini(struct fer_client_reply *r);

// Sends a request and waits for its completion.
FER_MSG_CHECKED int fer_client_call(struct fer_client *c, const struct fer_client_request *q,
	int timeout_ms, struct fer_client_reply *reply);

// The two halves of a call, for many requests under way at once.  submit() gives the request an id,
// and takes what the daemon sends meanwhile, so neither waits for the other.  collect() waits for
// the completion of that id, or with id 0 for any.
FER_MSG_CHECKED int fer_client_submit(
	struct fer_client *c, const struct fer_client_request *q, int timeout_ms, uint64_t *id);
FER_MSG_CHECKED int fer_client_collect(
	struct fer_client *c, uint64_t id, int timeout_ms, struct fer_client_reply *reply);

// Asks for the end of a request; its completion comes all the same.
FER_MSG_CHECKED int fer_client_cancel(struct fer_client *c, uint64_t id, int timeout_ms);

// The next indication: header.status says what the data is.  header.id counts from 1; a gap is what
// this client was too slow for.  Those that arrive during other calls are kept for this one, up to
// FER_CLIENT_KEPT of them; more are missed.
#define FER_CLIENT_KEPT 16384
FER_MSG_CHECKED int fer_client_indication(
	struct fer_client *c, int timeout_ms, struct fer_client_reply *indication);

// Name of an NDIS status without its prefix ("INVALID_DATA"), or "unknown status".
const char *fer_client_status_name(uint32_t status);

// Why a request was refused, as one line: the daemon's reason, with the number of the element where
// one was at fault, or the name of the status.  Returns text.
#define FER_CLIENT_REASON_BYTES 288
const char *fer_client_reason(const struct fer_client_reply *r, char text[FER_CLIENT_REASON_BYTES]);

#ifdef __cplusplus
}
#endif
