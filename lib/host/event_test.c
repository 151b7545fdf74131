// SPDX-License-Identifier: BSD-3-Clause
// Do events come through in their order, is what does not counted, and is the wire kept from
// flooding the control thread?
#include "host/event.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define HZ 1000u // ticks a second
#define EVERY (HZ / FER_AUDIT_PER_SECOND)

static struct fer_event event(enum fer_event_kind kind, uint64_t number)
{
	return (struct fer_event){.kind = (uint8_t)kind, .number = number, .tsc = 5 * number};
}

static void put(struct fer_events *r, enum fer_event_kind kind, uint64_t number)
{
	struct fer_event e = event(kind, number);

	fer_events_put(r, &e);
}

static void get(
	struct fer_events *r, enum fer_event_kind kind, uint64_t number, uint32_t suppressed)
{
	struct fer_event e;

	assert_true(fer_events_get(r, &e));
	assert_string_equal(fer_event_name(e.kind), fer_event_name(kind));
	assert_int_equal(e.number, number);
	assert_int_equal(e.tsc, 5 * number);
	assert_int_equal(e.suppressed, suppressed);
}

static void get_nothing(struct fer_events *r)
{
	struct fer_event e;

	assert_false(fer_events_get(r, &e));
}

static void every_kind_has_its_own_name(void **state)
{
	(void)state;
	for (unsigned k = 0; k < FER_N_EVENTS; k++) {
		const char *name = fer_event_name(k);

		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		assert_true(strlen(fer_event_text(k)) > 10);
		for (unsigned other = 0; other < k; other++)
			assert_string_not_equal(name, fer_event_name(other));
		assert_int_equal(strncmp(name, "audit_", 6) == 0, k >= FER_FIRST_AUDIT);
	}
	assert_string_equal(fer_event_name(FER_EVENT_AUDIT_BAD_ICV), "audit_bad_icv");
	assert_string_equal(fer_event_name(FER_N_EVENTS), "?");
	assert_string_equal(fer_event_text(FER_N_EVENTS), "?");
}

static void first_in_first_out(void **state)
{
	struct fer_events *r = fer_events_create(8, HZ);
	uint64_t n_put = 0, n_got = 0;

	(void)state;
	get_nothing(r);
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i <= round % 8; i++)
			put(r, FER_EVENT_SOFT_LIFETIME, n_put++);
		for (unsigned i = 0; i <= round % 8; i++)
			get(r, FER_EVENT_SOFT_LIFETIME, n_got++, 0);
		get_nothing(r);
	}
	fer_events_destroy(r);
}

// Those that came first stay; those that did not fit are counted by their kind.
static void a_full_ring_loses_the_newest(void **state)
{
	struct fer_events *r = fer_events_create(5, HZ); // 8

	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		put(r, FER_EVENT_HARD_LIFETIME, i);
	for (uint64_t i = 0; i < 3; i++)
		put(r, FER_EVENT_AUDIT_REPLAY, i);
	put(r, FER_EVENT_SOFT_LIFETIME, 1);
	assert_int_equal(fer_events_lost(r, FER_EVENT_AUDIT_REPLAY), 3);
	assert_int_equal(fer_events_lost(r, FER_EVENT_SOFT_LIFETIME), 1);
	assert_int_equal(fer_events_lost(r, FER_EVENT_HARD_LIFETIME), 0);
	get(r, FER_EVENT_HARD_LIFETIME, 0, 0);
	put(r, FER_EVENT_AUDIT_REPLAY, 77); // says how many were lost before
	put(r, FER_EVENT_AUDIT_REPLAY, 78);
	assert_int_equal(fer_events_lost(r, FER_EVENT_AUDIT_REPLAY), 4);
	for (uint64_t i = 1; i < 8; i++)
		get(r, FER_EVENT_HARD_LIFETIME, i, 0);
	get(r, FER_EVENT_AUDIT_REPLAY, 77, 3);
	get_nothing(r);
	fer_events_destroy(r);
}

// Tries n times at one moment; how many were admitted?
static unsigned admit(struct fer_events *r, enum fer_event_kind kind, uint64_t tsc, unsigned n)
{
	unsigned n_admitted = 0;

	for (unsigned i = 0; i < n; i++)
		n_admitted += fer_events_admit(r, kind, tsc);
	return n_admitted;
}

static void audits_are_limited(void **state)
{
	struct fer_events *r = fer_events_create(64, HZ);
	enum fer_event_kind kind = FER_EVENT_AUDIT_BAD_ICV;

	(void)state;
	assert_int_equal(admit(r, kind, 1000, 100), FER_AUDIT_BURST);
	assert_int_equal(admit(r, kind, 1000 + EVERY - 1, 100), 0);
	assert_int_equal(admit(r, kind, 1000 + EVERY, 100), 1);
	assert_int_equal(admit(r, kind, 1000 + HZ, 100), FER_AUDIT_PER_SECOND - 1);
	// Other kinds have buckets of their own, and are not in this one's way.
	assert_int_equal(admit(r, FER_EVENT_AUDIT_NO_SA, 1000 + HZ, 100), FER_AUDIT_BURST);
	// A bucket does not overflow in a long silence.
	assert_int_equal(admit(r, kind, 1000 + 100 * HZ, 100), FER_AUDIT_BURST);
	// A clock that is behind (another moment of the same burst) gives nothing away.
	assert_int_equal(admit(r, kind, 1000 + 99 * HZ, 100), 0);
	fer_events_destroy(r);
}

static void over_a_minute_it_is_the_rate(void **state)
{
	struct fer_events *r = fer_events_create(64, HZ);
	unsigned n = 0;

	(void)state;
	for (uint64_t tsc = 0; tsc < 60 * HZ; tsc++)
		n += admit(r, FER_EVENT_AUDIT_POLICY, tsc, 3);
	assert_in_range(n, 60 * FER_AUDIT_PER_SECOND, 60 * FER_AUDIT_PER_SECOND + FER_AUDIT_BURST);
	fer_events_destroy(r);
}

static void what_was_left_out_is_reported_in_the_next(void **state)
{
	struct fer_events *r = fer_events_create(64, HZ);
	enum fer_event_kind kind = FER_EVENT_AUDIT_FRAGMENT;

	(void)state;
	assert_int_equal(admit(r, kind, 0, FER_AUDIT_BURST + 7), FER_AUDIT_BURST);
	put(r, FER_EVENT_AUDIT_REPLAY, 1);
	assert_int_equal(admit(r, kind, EVERY, 1), 1);
	put(r, kind, 2);
	assert_int_equal(admit(r, kind, 2 * EVERY, 1), 1);
	put(r, kind, 3);
	get(r, FER_EVENT_AUDIT_REPLAY, 1, 0);
	get(r, kind, 2, 7);
	get(r, kind, 3, 0);
	fer_events_destroy(r);
}

static void lives_are_not_limited(void **state)
{
	struct fer_events *r = fer_events_create(64, HZ);

	(void)state;
	for (unsigned k = 0; k < FER_FIRST_AUDIT; k++)
		assert_int_equal(admit(r, k, 0, 10000), 10000);
	fer_events_destroy(r);
	fer_events_destroy(NULL);
}

// --- two threads

#define PUTS 200000u

static void *put_many(void *arg)
{
	for (uint64_t i = 1; i <= PUTS; i++)
		put(arg, i % 3 == 0 ? FER_EVENT_SOFT_LIFETIME : FER_EVENT_AUDIT_NO_SA, i);
	return NULL;
}

// Whole events in their order, and as many lost as are missing.
static void across_threads(void **state)
{
	struct fer_events *r = fer_events_create(64, HZ);
	uint64_t last = 0, n = 0, lost;
	struct fer_event e = {0};
	pthread_t worker;

	(void)state;
	assert_int_equal(pthread_create(&worker, NULL, put_many, r), 0);
	do {
		lost = fer_events_lost(r, FER_EVENT_SOFT_LIFETIME) +
		       fer_events_lost(r, FER_EVENT_AUDIT_NO_SA);
		while (fer_events_get(r, &e)) {
			assert_true(e.number > last);
			assert_true(e.tsc == 5 * e.number);
			last = e.number;
			n++;
		}
	} while (n + lost < PUTS);
	assert_int_equal(pthread_join(worker, NULL), 0);
	assert_int_equal(n + lost, PUTS);
	get_nothing(r);
	fer_events_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_has_its_own_name),
		cmocka_unit_test(first_in_first_out),
		cmocka_unit_test(a_full_ring_loses_the_newest),
		cmocka_unit_test(audits_are_limited),
		cmocka_unit_test(over_a_minute_it_is_the_rate),
		cmocka_unit_test(what_was_left_out_is_reported_in_the_next),
		cmocka_unit_test(lives_are_not_limited),
		cmocka_unit_test(across_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
