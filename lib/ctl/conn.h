// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One client of the control socket, and the requests it has under way.
//
// Input: messages of up to FER_CONN_IN_BYTES pass through a small buffer that every client has.  A
// longer one gets a mapping of its own, whose pages come into being as its bytes arrive; of a
// shorter one it gets a copy when it becomes a request.  All are out of core dumps, and wiped as
// soon as they are consumed.  Some mappings of moderate length are kept for the next: to unmap one
// interrupts every thread of the process.  AddressSanitizer sees their bounds.  Output: an
// evbuffer.  What is put into it is sent at the end of the turn. A turn is the handling of what has
// arrived, up to the limits; settle() then says what the client waits for: bytes, its next turn, or
// room.

#include "ctl/codec.h"
#include "ctl/listen.h"
#include "ctl/server.h"

#include <event2/event.h>
#include <sys/queue.h>

#define FER_CONN_IN_BYTES 16384
#define FER_CONN_SMALL_SPARES 256
#define FER_CONN_BIG_BYTES ((size_t)1 << 20)
#define FER_CONN_BIG_SPARES 4

struct evbuffer;

enum fer_conn_wait {
	FER_CONN_FOR_INPUT, // for bytes
	FER_CONN_FOR_TURN,  // for the others to have theirs
	FER_CONN_FOR_ROOM,  // for answers to be completed or read
};

// Where the bytes of a message lie that does not fit the small buffer, or is a request.
struct fer_conn_body {
	uint8_t *bytes; // NULL: none
	size_t room;    // of the mapping
	size_t len;
	size_t got;
	size_t counted; // against what long messages may have together
};

// Mappings of one length that wait for the next message: wiped, but for where the next one is.
struct fer_conn_shelf {
	size_t room;
	uint32_t most;
	uint32_t n;
	void *first;
};

struct fer_conn {
	LIST_ENTRY(fer_conn) link;
	struct fer_ctl_server *server;
	int fd;
	struct event *readable;
	struct event *writable;
	struct event *turn;
	uint8_t *in; // FER_CONN_IN_BYTES
	size_t in_len;
	struct fer_msg_header header; // of big
	struct fer_conn_body big;
	uint64_t skip; // bytes of a refused message, on their way
	struct evbuffer *out;
	LIST_HEAD(fer_requests, fer_ctl_request) requests;
	uint32_t n_pending;
	uint32_t n_blockers; // requests for which what is not taken up yet waits
	enum fer_conn_wait wait;
	bool in_turn;
	bool eof;        // nothing more will come
	bool deaf;       // nobody takes what is sent
	bool closing;    // hang up when all is sent
	bool failed;     // hang up now
	uint64_t events; // subscribed
	uint16_t events_pair;
	uint64_t n_indications; // sent and missed
};

struct fer_ctl_server {
	struct fer_ctl_limits limits;
	struct event_base *base;
	struct fer_listen listen;
	gid_t group;
	struct event *acceptable;
	struct event *rest; // after running out of file descriptors
	const struct fer_ctl_op *ops;
	uint32_t n_ops;
	uint32_t n_pairs;
	uint32_t held; // pair and 1; 0: none
	fer_ctl_gate *gate;
	void *arg;
	struct fer_msg_buf hello;
	LIST_HEAD(fer_conns, fer_conn) conns;
	uint64_t input;                            // bytes in big messages, arrived
	LIST_HEAD(fer_kept, fer_ctl_request) kept; // requests with a body
	struct fer_conn_shelf small;
	struct fer_conn_shelf big;
	struct fer_ctl_counters counters;
};

// Takes over a socket that was accepted and says hello.  False without memory; fd is open then.
__attribute__((warn_unused_result)) bool fer_conn_open(struct fer_ctl_server *s, int fd);

// Hangs up.  Requests under way go on without their client.
void fer_conn_close(struct fer_conn *c);

// Puts a message into the output and sees to it that it is sent.
void fer_conn_put(struct fer_conn *c, const struct fer_msg_header *h, const void *data, size_t len);

// A request that arrived, whose body it takes over, is answered by its op, or here where it is
// refused.
void fer_request_start(
	struct fer_conn *c, const struct fer_msg_header *h, struct fer_conn_body *body);

// What the header alone has against a request; NDIS_STATUS_SUCCESS: nothing.
uint32_t fer_request_vet(const struct fer_ctl_server *s, const struct fer_msg_header *h);

void fer_request_cancel(struct fer_conn *c, uint64_t id);

// Cancels those of a pair, whatever their ids.
void fer_request_abort(struct fer_conn *c, uint16_t pair);

// Parts a client's requests from it: their completions will go nowhere.
void fer_request_orphan(struct fer_conn *c, bool cancel);

// Completes a request that has not become one.
void fer_conn_refuse(
	struct fer_conn *c, const struct fer_msg_header *h, uint32_t status, uint32_t needed);

// Wipes it and keeps its memory for the next one, or gives it back; s NULL: the server is gone.
void fer_conn_body_free(struct fer_ctl_server *s, struct fer_conn_body *body);

// Lets requests that are not completed yet live on without their server.
void fer_request_leave(struct fer_ctl_server *s);

void fer_conn_free_spares(struct fer_ctl_server *s);
