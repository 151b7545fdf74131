// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// For the tests of server and client: a server in a thread of its own, whose service plays the
// daemon.

#include "ctl/client.h"
#include "ctl/server.h"

#include <pthread.h>

#define OID_ECHO 0xFF00F001u      // set, query: answers with what it got
#define OID_LATER 0xFF00F002u     // set: answers after the milliseconds it got, 32 bits
#define OID_HOLD 0xFF00F003u      // set: answers when cancelled, or when released
#define OID_HOLD_FIRM 0xFF00F004u // the same, but cannot be cancelled
#define OID_RELEASE 0xFF00F005u   // set: completes what is held, the last first
#define OID_BIG 0xFF00F006u       // query: answers with as many bytes as it got, 32 bits
#define OID_INDICATE 0xFF00F007u  // set: struct indicate
#define OID_COUNTERS 0xFF00F008u  // query: struct fer_ctl_counters
#define OID_ONLY_SET 0xFF00F009u  // set, of one pair: answers with nothing
#define OID_STOP 0xFF00F00Au      // set: ends the loop
#define OID_REFUSE 0xFF00F00Bu    // set: refuses element 3
#define OID_BLOCK 0xFF00F00Cu     // set: struct block
#define N_PAIRS 2

struct indicate {
	uint32_t event;
	uint32_t status;
	uint32_t pair;
	uint32_t n;
	uint32_t bytes;
};

// What its client sent behind a request that is held waits, or does so no more.
struct block {
	uint32_t held; // how many were held before it
	uint32_t is_on;
};

#define MAX_HELD 65536

struct service {
	char folder[32];
	char path[64];
	struct event_base *base;
	struct fer_ctl_server *server;
	pthread_t thread;
	struct fer_ctl_request *held[MAX_HELD];
	uint32_t n_held;
};

// In the caller's thread, without a loop; aborts on failure.
struct service *service_open(const struct fer_ctl_limits *limits);
void service_close(struct service *s);

// The same with a thread that runs the loop until OID_STOP comes.
struct service *service_start(const struct fer_ctl_limits *limits);
void service_stop(struct service *s);

// --- clients; all of these abort on failure -----------------------------------------------------

struct fer_client *service_client(const struct service *s);

// Calls, and gives the status back; data of the answer goes to *reply unless that is NULL.
uint32_t call(struct fer_client *c, enum fer_msg_type type, uint32_t oid, const void *data,
	size_t len, struct fer_client_reply *reply);
uint64_t submit(struct fer_client *c, uint32_t oid, const void *data, size_t len);
uint32_t collect(struct fer_client *c, uint64_t id);
struct fer_ctl_counters counters(struct fer_client *c);

// A socket that speaks for itself; the hello has been read off it.
int raw_connect(const struct service *s);
struct fer_msg_header raw_header(
	enum fer_msg_type type, uint32_t oid, uint64_t id, uint32_t length);
void raw_send(int fd, const void *bytes, size_t len);
// False at the end of the stream.
bool raw_receive(int fd, void *bytes, size_t len);
