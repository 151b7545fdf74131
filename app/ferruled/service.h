// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What each request of the control socket does to the pairs.
//
// Everything runs in the thread of the event base, which owns the pairs, and nothing waits: what
// has to see a grace period, a drain or a large classifier out is completed later.  A request that
// is refused has changed nothing when its completion goes out.

#include "ctl/server.h"
#include "workers.h"

struct event_base;
struct fer_service;

struct fer_service_params {
	struct event_base *base;
	struct fer_pair *pairs; // open; the number of a pair in messages is its place here
	unsigned n_pairs;
	struct fer_workers *workers;
	struct fer_grace *grace; // of the pairs; it is polled while somebody waits for it
};

// NULL with *error -ENOMEM, or what the system said.
__attribute__((warn_unused_result)) struct fer_service *fer_service_create(
	const struct fer_service_params *params, int *error);

// Completes what waits.  Workers have ended, fer_grace_fini() has been called, and the pairs are
// still open.  NULL does nothing.
void fer_service_destroy(struct fer_service *s);

// Ends SAs that are too old, sends what workers have to tell to those who subscribed, and tells
// them when a port that is lost or back makes other capabilities.  To be called every 10 ms or so.
void fer_service_tell(struct fer_service *s, struct fer_ctl_server *server);

// What the server is given; the handlers take the service as their arg.
extern const struct fer_ctl_op fer_service_ops[];
extern const uint32_t fer_service_n_ops;

// a pair of which a port was removed takes no sets any more; queries it answers.
fer_ctl_gate fer_service_gate;

// How a pair presents itself: its name, number and what a bind tells.
void fer_service_describe(const struct fer_pair *p, struct fer_msg_pair *msg);
