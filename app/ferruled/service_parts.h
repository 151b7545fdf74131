// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the files of the service share:
//   service.c          the table of requests, status codes, and completions that come later
//   service_params.c   what an SA of a message means to the SA table
//   service_contract.c SAs by the contract: ADD_SA, ADD_SA_EX, UPDATE_SA, DELETE_SA
//   service_sa.c       SAs by name and group: all of a list or none
//   service_swap.c     SAs that take the place of others
//   service_many.c     something is done to many SAs, some at a time
//   service_policy.c   requests that change policies
//   service_show.c     lists and numbers
//   service_events.c   indications
//   service_reset.c    a pair begins anew, and keeps what it has
//   service_caps.c     what the contract calls capabilities and configuration

#include "ctl/codec.h"
#include "service.h"

#include <sys/queue.h>

struct event;
struct fer_policy_job;

// Requests that complete once the SAs removed so far are reclaimed.
struct fer_wait {
	STAILQ_ENTRY(fer_wait) link;
	struct fer_pair *pair;
	struct fer_ctl_request *request;
	uint64_t n_removed; // the pair's SAs, when it began
	uint32_t status;
	uint32_t element; // with an error
	const char *why;  // the same, static; NULL: nothing to say
	void *data;       // with success; owned
	size_t len;
};

// What takes long is done in slices, between which requests of other clients have their turn.  At
// the beginning of what malloc() gave.
struct fer_slices {
	STAILQ_ENTRY(fer_slices) link;
	struct fer_pair *pair;
	struct fer_wait *wait; // of the request for which it is done; NULL: nobody waits
	// Does a slice.  False: it was the last one, and what has to happen then has happened.
	bool (*work)(struct fer_service *s, struct fer_slices *self);
};

// SAs to which something is to be done.
struct fer_many {
	struct fer_slices slices;
	void (*apply)(struct fer_pair *p, uint64_t handle);
	const char *(*may)(const struct fer_pair_sa *sa); // of those that are looked for
	struct fer_msg_array refs;                        // the same, in the request
	struct fer_msg_walk walk;                         // of DELETE_SA
	uint32_t n, n_done;
	uint64_t handles[];
};

struct fer_drain {
	LIST_ENTRY(fer_drain) link;
	struct fer_service *service;
	struct event *timer;
	bool is_over; // its end waits for that of a reset
	struct fer_many *leaving;
};

struct fer_service {
	struct event_base *base;
	struct fer_pair *pairs;
	unsigned n_pairs;
	struct fer_workers *workers;
	struct fer_grace *grace;
	struct event *tick;
	uint64_t stirred_ns; // when somebody began to wait last, of the monotonic clock
	STAILQ_HEAD(fer_wait_list, fer_wait) waits;
	STAILQ_HEAD(fer_slices_list, fer_slices) slices; // under way
	LIST_HEAD(fer_drain_list, fer_drain) drains;
	LIST_HEAD(fer_swap_list, fer_swap) swaps; // that have all their SAs, and are not done
	LIST_HEAD(fer_retiring_list, fer_retiring) retiring; // what swaps have replaced

	// Events that were lost, and the look-out for what they told; by pair.
	struct fer_untold *untold;

	struct fer_reset *reset; // under way; NULL: none

	// Policies; by pair.
	struct fer_policy_queue *policies;
	int built_fd; // a classifier is finished
	struct event *built;
};

static inline struct fer_pair *fer_service_pair(
	const struct fer_service *s, const struct fer_ctl_request *r)
{
	return &s->pairs[fer_ctl_request_header(r)->pair];
}

// Of the monotonic clock.
uint64_t fer_service_now_ns(void);

// The one place where errors become status codes.
uint32_t fer_service_status(int error);

// Is the pair of the request in the hands of an external host?  Then it is refused: SAs of the
// appliance and policies have no place there.
bool fer_service_is_oob(const struct fer_service *s, struct fer_ctl_request *r);

// Refuses a request for what the codec found.
void fer_service_refuse(
	struct fer_ctl_request *r, uint32_t status, const struct fer_msg_fault *fault);

// Refuses it with the status of -errno; why is a sentence for people, or NULL.
void fer_service_fail(struct fer_ctl_request *r, int error, uint32_t element, const char *why);

// Completes a query with what was put, or with RESOURCES when there was no memory; wipes it.
void fer_service_answer(struct fer_ctl_request *r, struct fer_msg_buf *b);

// Made before anything is removed, so that nothing can fail afterwards.  NULL: no memory.
__attribute__((warn_unused_result)) struct fer_wait *fer_wait_create(
	struct fer_pair *pair, struct fer_ctl_request *r);
void fer_wait_destroy(struct fer_wait *w);

// Completes it when what is removed now has been reclaimed.  Takes it over.
void fer_service_wait(struct fer_service *s, struct fer_wait *w);

// Completes those of a pair with REQUEST_ABORTED, whatever they wait for.
void fer_service_abort_waits(struct fer_service *s, const struct fer_pair *p);

// Something has to be looked after soon: a grace period has begun.
void fer_service_stir(struct fer_service *s);

// Does the first slice now, and the others one by one; what the client of the request has sent
// behind it waits for the last one, and so does what others want to have done to the same pair: so
// each finds the SAs as the one before left them.
void fer_service_slice(struct fer_service *s, struct fer_slices *w);

// What a request begins that adds n SAs and is answered with their handles, which lie in the data
// of its wait, 0 at first: so many bytes, 0 but for the slices in front.  NULL: no memory, and it
// is refused.
void *fer_service_begin_adding(
	struct fer_service *s, struct fer_ctl_request *r, size_t bytes, uint32_t n);

// Is something left to be done of what somebody wanted to have done to the pair?
bool fer_service_has_slices(const struct fer_service *s, const struct fer_pair *p);

// --- SAs ----------------------------------------------------------------------------------------

// What the contract's part and, unless sa is NULL, the host half's part of an SA say.  Keys stay
// where they are in the message.  Returns NULL, or why not: a sentence without subject.
__attribute__((warn_unused_result)) const char *fer_service_sa_params(const struct fer_pair *p,
	const struct fer_msg_add *add, const struct fer_msg_sa *sa, struct fer_sa_params *params);

// The SA that a reference means; NULL: there is none.
struct fer_pair_sa *fer_service_find(const struct fer_pair *p, const struct fer_msg_sa_ref *ref);

// Takes away what may be gone already.
void fer_service_remove_sa(struct fer_pair *p, uint64_t handle);

// Room for so many handles, and none of them yet; NULL: no memory.
__attribute__((warn_unused_result)) struct fer_many *fer_many_create(
	struct fer_pair *p, uint32_t room);
void fer_many_destroy(struct fer_many *m);

// Does it to each of them, which may be gone by then, and completes the wait once all SAs that are
// removed then have been reclaimed; NULL: nobody waits.  Takes both over.
void fer_service_apply(struct fer_service *s, struct fer_many *m,
	void (*apply)(struct fer_pair *p, uint64_t handle), struct fer_wait *wait);

// Finds the SAs of a list of references, and does it to each of them if it may be done to all:
// may() says NULL, or why not.  Completes the request.
void fer_service_apply_to_refs(struct fer_service *s, struct fer_ctl_request *r, const void *data,
	size_t len, const char *(*may)(const struct fer_pair_sa *sa),
	void (*apply)(struct fer_pair *p, uint64_t handle));

// Of an outbound SA in a group.
void fer_service_activate(struct fer_pair *p, const struct fer_pair_sa *sa);

// Does the configuration in force allow it?  NULL, or why not.
__attribute__((warn_unused_result)) const char *fer_service_objection(
	const struct fer_pair *p, const struct fer_msg_add *add);

void fer_service_complete_handles(struct fer_ctl_request *r, const uint64_t handles[], uint32_t n);

// In one slice: each takes some 5 microseconds.
#define FER_ADDED_AT_ONCE 200

// SAs of a request that are added all or none: all of them are checked, then added.
struct fer_adding {
	struct fer_slices slices;
	struct fer_msg_walk first, next;
	uint32_t n;
	uint64_t *handles; // n_added of them, in the wait; with a lost port their SAs go
	uint32_t n_added;
	bool is_swap;
	uint32_t drain_ms;     // of a swap
	struct fer_swap *swap; // from finish() on
	// All are added: does a slice of what is to be done then.
	bool (*finish)(struct fer_service *s, struct fer_slices *self);
};

// *what has first, n, finish, and what that needs.
void fer_service_add_all(
	struct fer_service *s, struct fer_ctl_request *r, const struct fer_adding *what);

// For finish(): takes away again what was added, and refuses the request, in slices.
bool fer_service_undo_adding(
	struct fer_service *s, struct fer_slices *self, int error, const char *why);

// Has a swap still to remove what it has replaced, once no worker holds it any more?
bool fer_service_is_retiring(const struct fer_service *s, const struct fer_pair *p);

// Removes what drains have left that ended during a reset of the pair, which is over.
void fer_service_end_drains(struct fer_service *s, const struct fer_pair *p);

// Ends drains, and swaps that are under way.
void fer_service_swap_fini(struct fer_service *s);

fer_ctl_handler fer_service_add_sa;
fer_ctl_handler fer_service_add_sa_ex;
fer_ctl_handler fer_service_update_sa;
fer_ctl_handler fer_service_delete_sa;
fer_ctl_handler fer_service_sa_add;
fer_ctl_handler fer_service_sa_swap;
fer_ctl_handler fer_service_sa_activate;
fer_ctl_handler fer_service_sa_delete;

struct fer_untold {
	uint64_t n_lost; // of the events that cannot be done without
	uint32_t cursor; // in the SA table
	bool is_searched;
};

// --- policies -----------------------------------------------------------------------------------

__attribute__((warn_unused_result)) int fer_service_policy_init(struct fer_service *s);
void fer_service_policy_fini(struct fer_service *s);

fer_ctl_handler fer_service_policy_add;
fer_ctl_handler fer_service_policy_delete;
fer_ctl_handler fer_service_policy_list;

// --- lists and numbers --------------------------------------------------------------------------

fer_ctl_handler fer_service_port_list;
fer_ctl_handler fer_service_sa_list;
fer_ctl_handler fer_service_sa_show;
fer_ctl_handler fer_service_stats_sa;
fer_ctl_handler fer_service_stats_port;
fer_ctl_handler fer_service_stats_worker;
fer_ctl_handler fer_service_stats_drop;

// --- reset --------------------------------------------------------------------------------------

// From the request on until it is completed.
bool fer_service_is_resetting(const struct fer_service *s, const struct fer_pair *p);

void fer_service_reset_fini(struct fer_service *s);

fer_ctl_handler fer_service_reset;

// --- capabilities -------------------------------------------------------------------------------

// Looks whether the ports of a pair are there, and tells what that changes.
void fer_service_watch_ports(struct fer_ctl_server *server, struct fer_pair *p);

fer_ctl_handler fer_service_hardware_capabilities;
fer_ctl_handler fer_service_current_config;
fer_ctl_handler fer_service_offload_parameters;
fer_ctl_handler fer_service_encapsulation;
fer_ctl_handler fer_service_set_encapsulation;
