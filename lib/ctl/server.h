// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The control socket of a daemon: clients, framing, and a table that says who answers what.
//
// It lives in one event_base and belongs to the thread that runs it: that thread alone calls these
// functions, and the handlers run in it.  Nothing here waits, except that start may take a second
// when two programs start at once.  A client that is slow, silent, hostile or gone costs the others
// nothing: input and output of each are bounded, and each has its turn after so many requests. What
// a client sent before it hung up is carried out, whether it took its answers or not.

#include "ctl/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct fer_ctl_server;
struct fer_ctl_request; // one request from its arrival to its completion

// Answers a request by calling fer_ctl_complete() exactly once, now or later.  data is valid until
// then: it may hold keys and is wiped afterwards.
typedef void fer_ctl_handler(void *arg, struct fer_ctl_request *r, const void *data, size_t len);

// May the handler have this request?  If not it has been completed.
typedef bool fer_ctl_gate(void *arg, struct fer_ctl_request *r);

struct fer_ctl_op {
	uint32_t oid;
	enum fer_msg_type type; // query or set
	bool all_pairs;         // takes FER_MSG_ALL_PAIRS as well
	fer_ctl_handler *handle;
};

// 0: the number that stands here.
struct fer_ctl_limits {
	uint32_t max_clients; // 4096
	uint32_t max_length;  // of an information buffer: 64 MiB
	uint64_t max_input;   // of all long messages that arrive or are not answered yet: 512 MiB
	uint32_t max_room;    // of an answer to a query: 1 MiB
	uint32_t max_pending; // requests of one client under way: 1024
	uint32_t max_turn;    // requests of one client before others have their turn: 64
	uint32_t max_backlog; // bytes not yet read by a client before it is no longer listened to:
			      // 1 MiB
	uint32_t max_unread; // the same before it misses indications: 256 KiB
};

struct fer_ctl_server_params {
	struct event_base *base;
	const char *path;
	gid_t group; // may connect, besides root and the own user; (gid_t)-1: none
	const char *product;
	const struct fer_msg_pair *pairs; // copied
	uint32_t n_pairs;
	const struct fer_ctl_op *ops; // outlives the server; SUBSCRIBE is the server's own
	uint32_t n_ops;
	fer_ctl_gate *gate; // in front of all handlers; NULL: none
	void *arg;          // of the handlers and the gate
	struct fer_ctl_limits limits;
};

// Listens at path; a socket there that nobody listens to is replaced.
// Returns NULL with *error
//   -EADDRINUSE   somebody listens there, or is starting there
//   -EEXIST       there is something, and it is no socket
//   -ENAMETOOLONG the path is longer than a socket's can be
//   -ENOMEM, or what the system said
__attribute__((warn_unused_result)) struct fer_ctl_server *fer_ctl_server_create(
	const struct fer_ctl_server_params *params, int *error);

// Hangs up on all clients and removes the socket; not to be called from a handler.  Requests that
// are not completed yet are told so through their cancel function, and must be completed all the
// same, now or later.
void fer_ctl_server_destroy(struct fer_ctl_server *s);

// What arrived.  Of the header, pair is one of those of the server, or FER_MSG_ALL_PAIRS where the
// op takes it; room is within max_room.
const struct fer_msg_header *fer_ctl_request_header(const struct fer_ctl_request *r);

// The server that the request of a handler came to, while the handler runs.
struct fer_ctl_server *fer_ctl_request_server(const struct fer_ctl_request *r);

// A request that is not completed at once may be cancelled by its client: cancel(r, arg) is called
// then, at most once, and sees to it that the request is completed soon, with REQUEST_ABORTED
// unless it is done already; it may do so itself.  Without such a function a cancel has no effect,
// as for deletes.  A client that is gone does not cancel.
typedef void fer_ctl_cancel(struct fer_ctl_request *r, void *arg);
void fer_ctl_request_on_cancel(struct fer_ctl_request *r, fer_ctl_cancel *cancel, void *arg);

// What the same client has sent behind r is not taken up until r is unblocked, or completed: for a
// handler that has not done yet what it promises to those behind it.
void fer_ctl_request_block(struct fer_ctl_request *r);
void fer_ctl_request_unblock(struct fer_ctl_request *r);

// Until it is released: requests for this pair are refused with NOT_ACCEPTED, and those under way
// that can be cancelled are, as if their clients had asked for it.  One pair at a time.
void fer_ctl_server_hold(struct fer_ctl_server *s, uint16_t pair);
void fer_ctl_server_release(struct fer_ctl_server *s);

struct fer_ctl_result {
	uint32_t status;  // never NDIS_STATUS_PENDING
	uint32_t needed;  // BytesNeeded, with the length and buffer errors
	uint8_t revision; // SupportedRevision, of a set
	const void *data; // copied; with an error: nothing, or a struct fer_msg_refusal
	size_t len;
};

// Ends a request; r and its data are gone afterwards.  BytesRead and BytesWritten are filled in. An
// answer to a query that is longer than the room becomes BUFFER_TOO_SHORT with its length in
// BytesNeeded. Whether the client is still there does not matter.
void fer_ctl_complete(struct fer_ctl_request *r, const struct fer_ctl_result *result);

// The same without data or with the text of a refusal (NULL: none).
void fer_ctl_complete_status(struct fer_ctl_request *r, uint32_t status);
void fer_ctl_refuse(struct fer_ctl_request *r, uint32_t status, uint32_t needed, uint32_t element,
	const char *text);

// Sends an indication to every client that subscribed to `event` (enum fer_msg_event_kind) of that
// pair.  A client that does not keep up misses it, and sees that by the gap in the numbers.
void fer_ctl_indicate(struct fer_ctl_server *s, uint16_t pair, unsigned event, uint32_t status,
	const void *data, size_t len);

struct fer_ctl_counters {
	uint64_t accepted;
	uint64_t turned_away; // by credentials or for too many clients
	uint64_t requests;
	uint64_t completions;
	uint64_t broken;  // clients hung up on: garbage, or a message that is too long
	uint64_t missed;  // indications that clients missed
	uint32_t clients; // now
	uint32_t pending; // requests, now
};

struct fer_ctl_counters fer_ctl_server_counters(const struct fer_ctl_server *s);
