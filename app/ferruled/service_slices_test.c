// SPDX-License-Identifier: BSD-3-Clause
// Have others their turn while many SAs are added or removed, and does the order of requests stay?
#include "served.h"
#include "service_parts.h"

#include <errno.h>
#include <event2/event.h>
#include <rte_rcu_qsbr.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define MANY 6000
#define AT_ONCE 2000             // in one round of the loop: what a handler and what a tick may do
#define LOOKED_AT_AT_ONCE 100000 // of a list

static struct served served;
static struct fer_client *client;
static struct sa_sample old[MANY], fresh[2];

// --- what happens between two rounds of the control thread's loop -------------------------------

static struct event *round_event;
static _Atomic uint32_t largest_step, n_busy; // busy: rounds in the middle of something
static uint32_t n_before, n_at_first;         // SAs

static void on_round(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval now;
	const uint32_t n = fer_sa_count(served.world.pair[0].sas);
	const uint32_t step = n > n_before ? n - n_before : n_before - n;

	(void)fd, (void)what, (void)arg;
	if (step > atomic_load(&largest_step))
		atomic_store(&largest_step, step);
	if (fer_service_has_slices(served.service, &served.world.pair[0]))
		atomic_fetch_add(&n_busy, 1);
	n_before = n;
	(void)event_add(round_event, &now);
}

static int set_up(void **state)
{
	static const struct timeval now;
	char name[32];

	(void)state;
	client = served_begin(&served, ", capacity: 8192");
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "old-%u", i);
		sa_sample_make(&old[i], name, "all", i % 2 != 0, 0x1000 + i);
	}
	sa_sample_make(&fresh[0], "fresh-out", "all", false, 0x10000);
	sa_sample_make(&fresh[1], "fresh-in", "all", true, 0x10001);
	n_at_first = fer_sa_count(served.world.pair[0].sas);
	round_event = event_new(served.base, -1, 0, on_round, NULL);
	assert_non_null(round_event);
	assert_int_equal(event_add(round_event, &now), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	event_free(round_event);
	served_end(&served, client);
	return 0;
}

static uint32_t n_added(void)
{
	return fer_sa_count(served.world.pair[0].sas) - n_at_first;
}

// Several rounds of the loop.
static void ask(void)
{
	struct fer_msg_buf look = served_look(client, 0);

	fer_msg_buf_fini(&look);
}

// --- requests -----------------------------------------------------------------------------------

static uint64_t handles[MANY];

static void put_names(struct fer_msg_buf *b)
{
	fer_msg_put_list(b, sizeof(struct fer_msg_sa_ref));
	for (unsigned i = 0; i < MANY; i++) {
		struct fer_msg_sa_ref ref = {.handle = 0};

		fer_msg_set_string(ref.name, sizeof(ref.name), old[i].sa.name);
		fer_msg_put_element(b, &ref, sizeof(ref));
	}
}

static void delete_by_handles(void)
{
	assert_int_equal(served_delete(client, 0, handles, MANY), NDIS_STATUS_SUCCESS);
}

static void delete_by_names(void)
{
	struct fer_msg_buf b = {0};

	put_names(&b);
	assert_int_equal(served_set(client, FER_MSG_SA_DELETE, 0, &b), NDIS_STATUS_SUCCESS);
}

// Outbound ones go when it completes, inbound ones after the drain.
static void swap_for_two(void)
{
	assert_int_equal(
		served_add(client, FER_MSG_SA_SWAP, 0, fresh, 2, NULL), NDIS_STATUS_SUCCESS);
	while (n_added() != 2)
		ask();
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
			served_by_ref(client, FER_MSG_SA_DELETE, 0, 0, fresh[i].sa.name), 0);
}

static void others_have_their_turn(void **state)
{
	static const struct {
		uint32_t add;
		void (*remove_all)(void);
	} rows[] = {
		{FER_MSG_SA_ADD, delete_by_handles},
		{FER_MSG_SA_ADD, delete_by_names},
		{FER_MSG_SA_ADD, swap_for_two},
		{FER_MSG_SA_SWAP, delete_by_names},
		{OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA, delete_by_handles},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		atomic_store(&largest_step, 0);
		assert_int_equal(served_add(client, rows[i].add, 0, old, MANY, handles), 0);
		assert_int_equal(n_added(), MANY);
		rows[i].remove_all();
		assert_int_equal(n_added(), 0);
		ask();
		assert_in_range(atomic_load(&largest_step), 1, AT_ONCE);
	}
}

// What is found wrong only when all others have been added leaves none of them.
static void a_list_that_is_undone(void **state)
{
	static struct sa_sample twice;

	(void)state;
	twice = old[MANY - 1];
	fer_msg_set_string(old[MANY - 1].sa.name, sizeof(twice.sa.name), old[0].sa.name);
	atomic_store(&largest_step, 0);
	assert_int_equal(served_add(client, FER_MSG_SA_ADD, 0, old, MANY, handles),
		NDIS_STATUS_INVALID_DATA);
	assert_int_equal(n_added(), 0);
	ask();
	assert_in_range(atomic_load(&largest_step), 1, AT_ONCE);
	old[MANY - 1] = twice;
}

static void put_all(struct fer_msg_buf *b)
{
	fer_msg_put_sa_add(b);
	for (unsigned i = 0; i < MANY; i++)
		fer_msg_put_sa(b, &old[i].sa, &old[i].add);
}

// Names are looked up some at a time, too; and where one is wrong, nothing is done to any.
static void the_last_name_is_unknown(void **state)
{
	struct fer_msg_buf b = {0};
	char last[sizeof(old[0].sa.name)];

	(void)state;
	assert_int_equal(served_add(client, FER_MSG_SA_ADD, 0, old, MANY, handles), 0);
	snprintf(last, sizeof(last), "%s", old[MANY - 1].sa.name);
	fer_msg_set_string(old[MANY - 1].sa.name, sizeof(old[0].sa.name), "unknown");
	put_names(&b);
	atomic_store(&n_busy, 0);
	assert_int_equal(
		served_set(client, FER_MSG_SA_DELETE, 0, &b), NDIS_STATUS_INVALID_PARAMETER);
	assert_true(atomic_load(&n_busy) >= MANY / AT_ONCE);
	assert_int_equal(n_added(), MANY);
	fer_msg_set_string(old[MANY - 1].sa.name, sizeof(old[0].sa.name), last);
	delete_by_names();
}

static uint64_t submit(uint32_t oid, struct fer_msg_buf *b)
{
	const struct fer_client_request q = {
		.oid = oid, .type = FER_MSG_TYPE_SET, .data = b->bytes, .len = b->len};
	uint64_t id;

	assert_false(b->failed);
	assert_int_equal(fer_client_submit(client, &q, SERVED_TIMEOUT_MS, &id), 0);
	fer_msg_buf_fini(b);
	return id;
}

static void assert_succeeds(uint64_t id)
{
	struct fer_client_reply reply;

	assert_int_equal(fer_client_collect(client, id, SERVED_TIMEOUT_MS, &reply), 0);
	assert_int_equal(reply.header.status, NDIS_STATUS_SUCCESS);
	fer_client_reply_fini(&reply);
}

// What is sent behind a long list finds it done: the last name is free again.
static void the_order_of_a_client_stays(void **state)
{
	struct fer_msg_buf add = {0}, names = {0}, again = {0}, last = {0};
	uint64_t ids[4];

	(void)state;
	put_all(&add);
	put_names(&names);
	fer_msg_put_sa_add(&again);
	fer_msg_put_sa(&again, &old[MANY - 1].sa, &old[MANY - 1].add);
	struct fer_msg_sa_ref ref = {.handle = 0};
	fer_msg_set_string(ref.name, sizeof(ref.name), old[MANY - 1].sa.name);
	fer_msg_put_list(&last, sizeof(ref));
	fer_msg_put_element(&last, &ref, sizeof(ref));
	ids[0] = submit(FER_MSG_SA_ADD, &add);
	ids[1] = submit(FER_MSG_SA_DELETE, &names);
	ids[2] = submit(FER_MSG_SA_ADD, &again);
	ids[3] = submit(FER_MSG_SA_DELETE, &last);
	for (unsigned i = 0; i < 4; i++)
		assert_succeeds(ids[i]);
	assert_int_equal(n_added(), 0);
}

// What one client wants to have added waits for the long list of another, however it asks.
static void who_adds_waits_for_the_list_of_another(void **state)
{
	static const uint32_t oids[] = {FER_MSG_SA_ADD, OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA,
		OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX};
	struct fer_client *other = served_connect(&served);

	(void)state;
	for (size_t i = 0; i < sizeof(oids) / sizeof(oids[0]); i++) {
		struct fer_msg_buf add = {0};
		uint64_t id, added;

		put_all(&add);
		id = submit(FER_MSG_SA_ADD, &add);
		while (n_added() == 0)
			;
		assert_int_equal(served_add(other, oids[i], 0, fresh, 1, &added), 0);
		assert_int_equal(n_added(), MANY + 1);
		assert_succeeds(id);
		assert_int_equal(served_delete(other, 0, &added, 1), NDIS_STATUS_SUCCESS);
		delete_by_names();
	}
	fer_client_close(other);
}

// A reset ends a deletion that is under way: it has been done.
static void a_reset_leaves_nothing_half_done(void **state)
{
	struct fer_client *other = served_connect(&served);
	struct fer_msg_buf names = {0};
	struct fer_client_reply reply;
	uint64_t id;

	(void)state;
	assert_int_equal(served_add(client, FER_MSG_SA_ADD, 0, old, MANY, handles), 0);
	put_names(&names);
	id = submit(FER_MSG_SA_DELETE, &names);
	while (n_added() == MANY)
		;
	assert_int_equal(served_set(other, FER_MSG_RESET, 0, NULL), NDIS_STATUS_SUCCESS);
	assert_int_equal(n_added(), 0);
	assert_int_equal(fer_client_collect(client, id, SERVED_TIMEOUT_MS, &reply), 0);
	assert_true(reply.header.status == NDIS_STATUS_SUCCESS ||
		    reply.header.status == NDIS_STATUS_REQUEST_ABORTED);
	fer_client_reply_fini(&reply);
	fer_client_close(other);
}

// Begins a swap of so many that has taken over, but cannot end: a worker holds what it replaces.
static uint64_t swap_held_by(struct rte_rcu_qsbr *workers, unsigned n, uint32_t drain_ms)
{
	struct fer_msg_buf swap = {0};

	assert_int_equal(served_add(client, FER_MSG_SA_ADD, 0, fresh, n, NULL), 0);
	assert_int_equal(rte_rcu_qsbr_thread_register(workers, 0), 0);
	rte_rcu_qsbr_thread_online(workers, 0);
	fer_msg_put_sa_swap(&swap, drain_ms);
	for (unsigned i = 0; i < n; i++)
		fer_msg_put_sa(&swap, &old[i].sa, &old[i].add);
	uint64_t id = submit(FER_MSG_SA_SWAP, &swap);
	while (n_added() < 2 * n)
		;
	return id;
}

static void let_go(struct rte_rcu_qsbr *workers)
{
	rte_rcu_qsbr_thread_offline(workers, 0);
	assert_int_equal(rte_rcu_qsbr_thread_unregister(workers, 0), 0);
}

// Resets the pair while a worker holds a swap of n SAs up: for so long nothing ends, and all SAs
// are there; then the worker lets go, and the reset succeeds.  Returns the swap's id.
static uint64_t swap_before_reset(unsigned n, uint32_t drain_ms, int held_ms)
{
	struct fer_client *other = served_connect(&served);
	const struct fer_client_request q = {.oid = FER_MSG_RESET, .type = FER_MSG_TYPE_SET};
	struct rte_rcu_qsbr *workers = served.world.qsbr;
	struct fer_client_reply reply;
	const uint64_t id = swap_held_by(workers, n, drain_ms);
	uint64_t reset;

	assert_int_equal(fer_client_submit(other, &q, SERVED_TIMEOUT_MS, &reset), 0);
	assert_int_equal(fer_client_collect(other, reset, held_ms, &reply), -ETIMEDOUT);
	assert_int_equal(n_added(), 2 * n);
	let_go(workers);
	assert_int_equal(fer_client_collect(other, reset, SERVED_TIMEOUT_MS, &reply), 0);
	assert_int_equal(reply.header.status, NDIS_STATUS_SUCCESS);
	fer_client_reply_fini(&reply);
	fer_client_close(other);
	return id;
}

// A swap that waits until no worker holds what it replaces is under way: it ends before the pair is
// reset.
static void a_reset_waits_for_the_end_of_a_swap(void **state)
{
	struct fer_client_reply reply;
	uint64_t id;

	(void)state;
	id = swap_before_reset(1, 0, 100);
	assert_int_equal(n_added(), 1);
	assert_int_equal(fer_client_collect(client, id, SERVED_TIMEOUT_MS, &reply), 0);
	assert_true(reply.header.status == NDIS_STATUS_SUCCESS ||
		    reply.header.status == NDIS_STATUS_REQUEST_ABORTED);
	fer_client_reply_fini(&reply);
	assert_int_equal(served_by_ref(client, FER_MSG_SA_DELETE, 0, 0, old[0].sa.name), 0);
}

// A worker that does not let go ends the reset, not the swap.
static void a_reset_does_not_wait_for_ever(void **state)
{
	struct fer_client *other = served_connect(&served);
	struct rte_rcu_qsbr *workers = served.world.qsbr;
	uint64_t id;

	(void)state;
	id = swap_held_by(workers, 1, 0);
	assert_int_equal(served_set(other, FER_MSG_RESET, 0, NULL), NDIS_STATUS_FAILURE);
	assert_int_equal(n_added(), 2);
	let_go(workers);
	assert_succeeds(id);
	assert_int_equal(served_set(other, FER_MSG_RESET, 0, NULL), NDIS_STATUS_SUCCESS);
	assert_int_equal(served_by_ref(client, FER_MSG_SA_DELETE, 0, 0, old[0].sa.name), 0);
	assert_int_equal(n_added(), 0);
	fer_client_close(other);
}

// A reset keeps the SAs that there are when it comes: a drain that ends meanwhile ends behind it.
static void a_reset_holds_the_end_of_a_drain_up(void **state)
{
	struct fer_client_reply reply;
	uint64_t id;

	(void)state;
	id = swap_before_reset(2, 500, 800);
	ask();
	assert_int_equal(n_added(), 2);
	assert_int_equal(fer_client_collect(client, id, SERVED_TIMEOUT_MS, &reply), 0);
	fer_client_reply_fini(&reply);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(served_by_ref(client, FER_MSG_SA_DELETE, 0, 0, old[i].sa.name), 0);
}

// A list that is under way is done before the pair is reset, and others have their turn meanwhile;
// but nobody changes this pair.
static void others_have_their_turn_during_a_reset(void **state)
{
	struct fer_client *other = served_connect(&served), *third = served_connect(&served);
	const struct fer_client_request q = {.oid = FER_MSG_RESET, .type = FER_MSG_TYPE_SET};
	struct fer_client_reply reply;
	struct fer_msg_buf add = {0};
	uint64_t id, reset;

	(void)state;
	put_all(&add);
	atomic_store(&largest_step, 0);
	id = submit(FER_MSG_SA_ADD, &add);
	while (n_added() == 0)
		;
	assert_int_equal(fer_client_submit(other, &q, SERVED_TIMEOUT_MS, &reset), 0);
	while (served_by_ref(third, FER_MSG_SA_DELETE, 0, 1, "") != NDIS_STATUS_NOT_ACCEPTED &&
		n_added() < MANY)
		;
	assert_int_equal(served_add(third, FER_MSG_SA_ADD, 1, fresh, 1, handles), 0);
	assert_int_equal(served_delete(third, 1, handles, 1), 0);
	assert_int_equal(fer_client_collect(other, reset, SERVED_TIMEOUT_MS, &reply), 0);
	assert_int_equal(reply.header.status, NDIS_STATUS_SUCCESS);
	fer_client_reply_fini(&reply);
	assert_int_equal(n_added(), MANY);
	assert_succeeds(id);
	assert_in_range(atomic_load(&largest_step), 1, AT_ONCE);
	delete_by_names();
	fer_client_close(third);
	fer_client_close(other);
}

static void put_swap(struct fer_msg_buf *b)
{
	fer_msg_put_sa_swap(b, 0);
	for (unsigned i = 0; i < MANY; i++)
		fer_msg_put_sa(b, &old[i].sa, &old[i].add);
}

// New ones that somebody else wants gone before the list is done stay until it is.
static void a_swap_loses_some_of_its_own(void **state)
{
	struct fer_client *other = served_connect(&served);
	struct fer_msg_buf swap = {0};
	uint64_t id;

	(void)state;
	put_swap(&swap);
	id = submit(FER_MSG_SA_SWAP, &swap);
	while (n_added() < 2)
		;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(served_by_ref(other, FER_MSG_SA_DELETE, 0, 0, old[i].sa.name), 0);
	assert_succeeds(id);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(served_add(other, FER_MSG_SA_ADD, 0, &old[i], 1, NULL), 0);
	delete_by_names();
	assert_int_equal(n_added(), 0);
	fer_client_close(other);
}

// Of two swaps under way one comes first, as a whole: it takes nothing of the other away, but is
// replaced by it.
static void a_swap_in_the_middle_of_another(void **state)
{
	struct fer_client *other = served_connect(&served);
	struct fer_msg_buf swap = {0};
	struct fer_client_reply reply;
	uint64_t id, added;

	(void)state;
	put_swap(&swap);
	id = submit(FER_MSG_SA_SWAP, &swap);
	while (n_added() < 2)
		;
	assert_int_equal(served_add(other, FER_MSG_SA_SWAP, 0, fresh, 1, &added), 0);
	assert_int_equal(fer_client_collect(client, id, SERVED_TIMEOUT_MS, &reply), 0);
	assert_int_equal(reply.header.status, NDIS_STATUS_SUCCESS);
	for (unsigned i = 0; i < MANY; i++)
		handles[i] = fer_msg_handle_at(reply.data, reply.len, i);
	fer_client_reply_fini(&reply);
	// The long one comes second; or first, where it was done before the other one came.
	assert_true(n_added() == MANY || n_added() == MANY / 2 + 1);
	delete_by_handles();
	assert_int_equal(served_delete(other, 0, &added, 1), NDIS_STATUS_SUCCESS);
	assert_int_equal(n_added(), 0);
	fer_client_close(other);
}

// What a swap has replaced is not made active again before it goes: its group would be left without
// an active SA.
static void what_is_replaced_is_not_activated(void **state)
{
	struct fer_client *other = served_connect(&served);
	struct fer_pair *p = &served.world.pair[0];
	struct fer_msg_buf swap = {0};
	uint64_t before, id, after;

	(void)state;
	assert_int_equal(served_add(client, FER_MSG_SA_ADD, 0, fresh, 1, &before), 0);
	put_swap(&swap);
	id = submit(FER_MSG_SA_SWAP, &swap);
	// It is accepted before the swap, and refused from then on.
	while (served_by_ref(other, FER_MSG_SA_ACTIVATE, 0, before, "") == NDIS_STATUS_SUCCESS)
		;
	assert_succeeds(id);
	const struct fer_pair_sa *sa = fer_pair_find_sa(p, old[0].sa.name);
	after = fer_group_active(p->sas, sa->group);
	assert_int_equal(after, sa->handle);
	delete_by_names();
	assert_int_equal(n_added(), 0);
	fer_client_close(other);
}

// A list that is refused in the end leaves the group to who came meanwhile: its SA is active.
static void a_list_that_is_undone_changes_nothing_for_others(void **state)
{
	static struct sa_sample twice;
	struct fer_client *other = served_connect(&served);
	struct fer_pair *p = &served.world.pair[0];
	struct fer_msg_buf add = {0};
	struct fer_client_reply reply;
	uint64_t id, added[2];

	(void)state;
	twice = old[MANY - 1];
	fer_msg_set_string(old[MANY - 1].sa.name, sizeof(twice.sa.name), old[0].sa.name);
	put_all(&add);
	id = submit(FER_MSG_SA_ADD, &add);
	for (unsigned i = 0; i < 1000000 && n_added() < 2; i++) // it may come and go unseen
		;
	assert_int_equal(served_add(other, FER_MSG_SA_ADD, 0, fresh, 2, added), 0);
	assert_int_equal(fer_client_collect(client, id, SERVED_TIMEOUT_MS, &reply), 0);
	assert_int_equal(reply.header.status, NDIS_STATUS_INVALID_DATA);
	fer_client_reply_fini(&reply);
	assert_int_equal(n_added(), 2);
	const struct fer_pair_sa *sa = fer_pair_sa_of(p, added[0]);
	if (!fer_pair_sa_is_out(sa))
		sa = fer_pair_sa_of(p, added[1]);
	assert_int_equal(fer_group_active(p->sas, sa->group), sa->handle);
	assert_int_equal(served_delete(other, 0, added, 2), NDIS_STATUS_SUCCESS);
	old[MANY - 1] = twice;
	fer_client_close(other);
}

// The longest list of handles is read some at a time, too.
static void a_long_list_of_unknown_handles(void **state)
{
	const size_t one = sizeof(struct ipsec_offload_v2_delete_sa);
	const uint32_t n = FER_MSG_MAX_BYTES / one;
	struct ipsec_offload_v2_delete_sa *list = calloc(n, one);
	const struct fer_client_request q = {.oid = OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA,
		.type = FER_MSG_TYPE_SET,
		.data = list,
		.len = n * one};
	static const uint32_t wanted[] = {NDIS_STATUS_SUCCESS, NDIS_STATUS_REQUEST_ABORTED};
	struct fer_client_reply reply;

	(void)state;
	assert_non_null(list);
	for (uint32_t i = 0; i < n; i++)
		list[i] = (struct ipsec_offload_v2_delete_sa){
			.header = {NDIS_OBJECT_TYPE_DEFAULT, 1, (uint16_t)one},
			.next = i + 1 < n ? (i + 1) * one : 0,
			.offload_handle = UINT64_MAX};
	assert_int_equal(
		served_add(client, FER_MSG_SA_ADD, 0, fresh, 1, &list[0].offload_handle), 0);
	// The last element makes no sense at first: then nothing is deleted.
	list[n - 1].next = 4;
	for (unsigned i = 2; i-- > 0; list[n - 1].next = 0) {
		atomic_store(&n_busy, 0);
		assert_int_equal(fer_client_call(client, &q, SERVED_TIMEOUT_MS, &reply), 0);
		assert_int_equal(reply.header.status, wanted[i]);
		fer_client_reply_fini(&reply);
		assert_int_equal(n_added(), i);
		assert_true(atomic_load(&n_busy) >= n / LOOKED_AT_AT_ONCE);
	}
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_list_of_unknown_handles),
		cmocka_unit_test(others_have_their_turn),
		cmocka_unit_test(a_list_that_is_undone),
		cmocka_unit_test(the_last_name_is_unknown),
		cmocka_unit_test(the_order_of_a_client_stays),
		cmocka_unit_test(who_adds_waits_for_the_list_of_another),
		cmocka_unit_test(a_reset_leaves_nothing_half_done),
		cmocka_unit_test(a_reset_waits_for_the_end_of_a_swap),
		cmocka_unit_test(a_reset_does_not_wait_for_ever),
		cmocka_unit_test(a_reset_holds_the_end_of_a_drain_up),
		cmocka_unit_test(others_have_their_turn_during_a_reset),
		cmocka_unit_test(a_swap_loses_some_of_its_own),
		cmocka_unit_test(a_swap_in_the_middle_of_another),
		cmocka_unit_test(what_is_replaced_is_not_activated),
		cmocka_unit_test(a_list_that_is_undone_changes_nothing_for_others),
	};

	two_pairs_eal(1, NULL);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
