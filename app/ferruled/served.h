// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// For tests: the two appliances of two_pairs.h with their service behind a control socket, and
// requests to it.  The control thread is one of its own.  What does not succeed fails the test.

#include "service.h"
#include "two_pairs.h"

#include "ctl/client.h"

#include <pthread.h>

#define SERVED_TIMEOUT_MS 20000

struct event;

struct served {
	struct two_pairs world;
	struct event_base *base;
	struct event *tick;
	struct fer_service *service;
	struct fer_ctl_server *server;
	pthread_t thread;
	char folder[32];
	char path[64]; // of the socket
};

// The workers are made, but do not run: grace periods are over at once.
void served_open(struct served *s, const char *document, unsigned n_workers, unsigned ring);

// Workers and clients have ended.
void served_close(struct served *s);

struct fer_client *served_connect(const struct served *s);

// With one worker and two_pairs_document(more), and a client of it: for a group of tests.
struct fer_client *served_begin(struct served *s, const char *more);
void served_end(struct served *s, struct fer_client *c);

// Sends what b holds (NULL: nothing), empties b, and gives the status back; the reply is the
// caller's.
uint32_t served_ask(struct fer_client *c, const struct fer_client_request *q, struct fer_msg_buf *b,
	struct fer_client_reply *reply);

// The same for a set of which nothing but the status matters.
uint32_t served_set(struct fer_client *c, uint32_t oid, uint16_t pair, struct fer_msg_buf *b);

// Everything that a client can see of a pair and that does not move by itself.
struct fer_msg_buf served_look(struct fer_client *c, uint16_t pair);

// An SA and its two halves.
struct sa_sample {
	struct fer_msg_sa sa;
	struct fer_msg_add add;
	uint8_t key[64];
};

// AES-GCM; the key follows the SPI.  A tunnel of IPv4.
void sa_sample_make(
	struct sa_sample *s, const char *name, const char *group, bool inbound, uint32_t spi);

// oid: SA_ADD, SA_SWAP (with a drain of 100 ms), ADD_SA, ADD_SA_EX.  handles: n of them, 0 unless
// it succeeded; may be NULL.
uint32_t served_add(struct fer_client *c, uint32_t oid, uint16_t pair,
	const struct sa_sample samples[], unsigned n, uint64_t handles[]);

// By handle, or with handle 0 by name.
uint32_t served_by_ref(
	struct fer_client *c, uint32_t oid, uint16_t pair, uint64_t handle, const char *name);

// DELETE_SA.
uint32_t served_delete(struct fer_client *c, uint16_t pair, const uint64_t handles[], unsigned n);

// A policy from 10.1/16 to 10.2/16: outbound, and protect unless there is no group.
struct fer_msg_policy sample_policy(const char *name, const char *group);
uint32_t served_add_policies(
	struct fer_client *c, uint16_t pair, const struct fer_msg_policy p[], unsigned n);
uint32_t served_delete_policy(struct fer_client *c, uint16_t pair, const char *name);
