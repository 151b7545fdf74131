// SPDX-License-Identifier: BSD-3-Clause
// Does every request get its one completion, whatever the order, and does every subscriber hear
// what it asked for?
#include "ctl/echo_service.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define OK NDIS_STATUS_SUCCESS
#define SET FER_MSG_TYPE_SET
#define QUERY FER_MSG_TYPE_QUERY

static struct service *service;
static struct fer_client *client;

static int set_up(void **state)
{
	(void)state;
	service = service_start(NULL);
	client = service_client(service);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fer_client_close(client);
	service_stop(service);
	return 0;
}

static void hello_tells_the_limits_and_the_pairs(void **state)
{
	const struct fer_msg_hello *hello = fer_client_hello(client);
	struct fer_msg_pair pair;

	(void)state;
	assert_string_equal(hello->product, "echo 1.0");
	assert_int_equal(hello->max_length, FER_MSG_MAX_BYTES);
	assert_int_equal(hello->events, FER_MSG_EVENTS_ALL);
	assert_int_equal(hello->n_pairs, N_PAIRS);
	fer_client_pair(client, 1, &pair);
	assert_string_equal(pair.name, "west");
	assert_int_equal(pair.pair, 1);
}

static void a_set_says_what_was_read(void **state) // BytesRead, SupportedRevision
{
	struct fer_client_reply r;

	(void)state;
	assert_int_equal(call(client, SET, OID_ECHO, "abcdefg", 7, &r), OK);
	assert_int_equal(r.header.bytes_done, 7);
	assert_int_equal(r.header.revision, 1);
	assert_int_equal(r.len, 7);
	assert_memory_equal(r.data, "abcdefg", 7);
	fer_client_reply_fini(&r);
}

static void a_query_that_does_not_fit_says_so(void **state)
{
	const struct fer_client_request q = {
		.oid = OID_ECHO, .type = QUERY, .room = 6, .data = "abcdefg", .len = 7};
	struct fer_client_reply r;

	(void)state;
	assert_int_equal(fer_client_call(client, &q, 10000, &r), 0);
	assert_int_equal(r.header.status, NDIS_STATUS_BUFFER_TOO_SHORT);
	assert_int_equal(r.header.bytes_needed, 7);
	assert_int_equal(r.header.bytes_done, 0);
	assert_int_equal(r.len, 0);
	fer_client_reply_fini(&r);
	assert_int_equal(call(client, QUERY, OID_ECHO, "abcdefg", 7, &r), OK);
	assert_int_equal(r.header.bytes_done, 7);
	fer_client_reply_fini(&r);
}

static void a_refusal_has_its_reason(void **state)
{
	struct fer_client_reply r;
	char text[FER_CLIENT_REASON_BYTES];

	(void)state;
	assert_int_equal(call(client, SET, OID_REFUSE, NULL, 0, &r), NDIS_STATUS_INVALID_DATA);
	assert_string_equal(fer_client_reason(&r, text), "element 3: has a colour");
	assert_int_equal(r.header.bytes_done, 0);
	fer_client_reply_fini(&r);
	assert_int_equal(call(client, SET, 0x0101FFFF, NULL, 0, &r), NDIS_STATUS_INVALID_OID);
	assert_string_equal(fer_client_reason(&r, text), "INVALID_OID");
	fer_client_reply_fini(&r);
}

static uint32_t header_alone(const struct fer_msg_header *h)
{
	const int fd = raw_connect(service);
	struct fer_msg_header answer;

	raw_send(fd, h, sizeof(*h));
	assert_true(raw_receive(fd, &answer, sizeof(answer)));
	assert_int_equal(answer.type, FER_MSG_TYPE_COMPLETION);
	assert_int_equal(answer.id, h->id);
	close(fd);
	return answer.status;
}

static void what_a_header_asks_is_checked(void **state)
{
	const struct fer_msg_header good = raw_header(SET, OID_ONLY_SET, 7, 0);
	struct fer_msg_header h = good;

	(void)state;
	assert_int_equal(header_alone(&h), OK);
	h.oid = OID_ONLY_SET + 77;
	assert_int_equal(header_alone(&h), NDIS_STATUS_INVALID_OID);
	h = good;
	h.type = QUERY;
	assert_int_equal(header_alone(&h), NDIS_STATUS_NOT_SUPPORTED);
	h = good;
	h.pair = N_PAIRS;
	assert_int_equal(header_alone(&h), NDIS_STATUS_INVALID_PARAMETER);
	h.pair = FER_MSG_ALL_PAIRS;
	assert_int_equal(header_alone(&h), NDIS_STATUS_INVALID_PARAMETER);
	h.oid = OID_ECHO;
	assert_int_equal(header_alone(&h), OK);
	h = good;
	h.status = 1;
	assert_int_equal(header_alone(&h), NDIS_STATUS_INVALID_DATA);
	h = good;
	h.room = 1;
	assert_int_equal(header_alone(&h), NDIS_STATUS_INVALID_DATA);
	h = good;
	h.bytes_done = 1;
	assert_int_equal(header_alone(&h), NDIS_STATUS_INVALID_DATA);
	h = good;
	h.bytes_needed = 1;
	assert_int_equal(header_alone(&h), NDIS_STATUS_INVALID_DATA);
	h = good;
	h.revision = 1;
	assert_int_equal(header_alone(&h), NDIS_STATUS_INVALID_DATA);
}

static void requests_are_pipelined(void **state)
{
	static uint64_t ids[5000];

	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		ids[i] = submit(client, OID_ECHO, &i, sizeof(i));
	for (uint32_t i = 0; i < 5000; i++) {
		struct fer_client_reply r;
		uint32_t got;

		assert_int_equal(fer_client_collect(client, ids[i], 10000, &r), 0);
		assert_int_equal(r.len, sizeof(got));
		memcpy(&got, r.data, sizeof(got));
		assert_int_equal(got, i);
		fer_client_reply_fini(&r);
	}
}

// More in both directions than all buffers together hold, with nobody reading in between.
static void a_client_that_only_submits_does_not_hang(void **state)
{
	static uint8_t bytes[8192];

	(void)state;
	for (uint32_t i = 0; i < 2000; i++)
		(void)submit(client, OID_ECHO, bytes, sizeof(bytes));
	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(collect(client, 0), OK);
}

static void completions_come_out_of_order(void **state)
{
	const uint32_t ms = 100;
	const uint64_t slow = submit(client, OID_LATER, &ms, sizeof(ms));
	const uint64_t fast = submit(client, OID_ECHO, NULL, 0);
	struct fer_client_reply r;

	(void)state;
	assert_int_equal(fer_client_collect(client, 0, 10000, &r), 0);
	assert_int_equal(r.header.id, fast);
	fer_client_reply_fini(&r);
	assert_int_equal(fer_client_collect(client, slow, 0, &r), -ETIMEDOUT);
	assert_int_equal(collect(client, slow), OK);
}

static void the_last_held_is_the_first_released(void **state)
{
	uint64_t ids[100];

	(void)state;
	for (int i = 0; i < 100; i++)
		ids[i] = submit(client, i % 2 == 0 ? OID_HOLD : OID_HOLD_FIRM, NULL, 0);
	(void)submit(client, OID_RELEASE, NULL, 0);
	for (int i = 99; i >= 0; i--) {
		struct fer_client_reply r;

		assert_int_equal(fer_client_collect(client, 0, 10000, &r), 0);
		assert_int_equal(r.header.id, ids[i]);
		assert_int_equal(r.header.status, OK);
		fer_client_reply_fini(&r);
	}
	assert_int_equal(collect(client, 0), OK);
	assert_int_equal(counters(client).pending, 1); // the question itself
}

static void set_block(struct fer_client *c, uint32_t held, bool is_on)
{
	const struct block b = {.held = held, .is_on = is_on};

	assert_int_equal(call(c, SET, OID_BLOCK, &b, sizeof(b), NULL), OK);
}

// So many requests are held, and stay so.
static void assert_held(struct fer_client *c, uint32_t n)
{
	while (counters(c).pending < n + 1)
		;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(counters(c).pending, n + 1);
}

// What comes behind two of them waits for both, whichever began and whichever ends first.
static void who_waits_for_several_waits_for_all(void **state)
{
	struct fer_client *other = service_client(service);

	(void)state;
	for (uint32_t first = 0; first < 2; first++) {
		uint64_t ids[3];

		for (unsigned i = 0; i < 2; i++)
			ids[i] = submit(client, OID_HOLD_FIRM, NULL, 0);
		assert_held(other, 2);
		set_block(other, 1 - first, true);
		set_block(other, first, true);
		set_block(other, first, true);
		ids[2] = submit(client, OID_HOLD_FIRM, NULL, 0);
		assert_held(other, 2);
		set_block(other, first, false);
		set_block(other, first, false);
		assert_held(other, 2);
		set_block(other, 1 - first, false);
		assert_held(other, 3);
		assert_int_equal(call(other, SET, OID_RELEASE, NULL, 0, NULL), OK);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(collect(client, ids[i]), OK);
	}
	fer_client_close(other);
}

static void a_cancel_ends_its_request_alone(void **state)
{
	const uint64_t firm = submit(client, OID_HOLD_FIRM, NULL, 0);
	const uint64_t one = submit(client, OID_HOLD, NULL, 0);
	const uint64_t two = submit(client, OID_HOLD, NULL, 0);

	(void)state;
	assert_int_equal(fer_client_cancel(client, two, 1000), 0);
	assert_int_equal(collect(client, two), NDIS_STATUS_REQUEST_ABORTED);
	assert_int_equal(fer_client_cancel(client, two, 1000), 0);
	assert_int_equal(fer_client_cancel(client, 12345678, 1000), 0);
	assert_int_equal(fer_client_cancel(client, firm, 1000), 0);
	assert_int_equal(call(client, SET, OID_ECHO, NULL, 0, NULL), OK);
	assert_int_equal(call(client, SET, OID_RELEASE, NULL, 0, NULL), OK);
	assert_int_equal(collect(client, one), OK);
	assert_int_equal(collect(client, firm), OK);
}

static void clients_do_not_share_their_ids(void **state)
{
	struct fer_client *other = service_client(service);
	const uint64_t mine = submit(client, OID_HOLD, NULL, 0);
	const uint64_t theirs = submit(other, OID_HOLD, NULL, 0);
	const uint32_t a = 1, b = 2;
	struct fer_client_reply r;

	(void)state;
	assert_int_equal(mine, theirs);
	assert_int_equal(fer_client_cancel(other, theirs, 1000), 0);
	assert_int_equal(collect(other, theirs), NDIS_STATUS_REQUEST_ABORTED);
	assert_int_equal(fer_client_collect(client, mine, 20, &r), -ETIMEDOUT);
	(void)submit(client, OID_ECHO, &a, sizeof(a));
	(void)submit(other, OID_ECHO, &b, sizeof(b));
	assert_int_equal(fer_client_collect(client, 0, 1000, &r), 0);
	assert_memory_equal(r.data, &a, sizeof(a));
	fer_client_reply_fini(&r);
	assert_int_equal(fer_client_collect(other, 0, 1000, &r), 0);
	assert_memory_equal(r.data, &b, sizeof(b));
	fer_client_reply_fini(&r);
	fer_client_close(other);
	assert_int_equal(call(client, SET, OID_RELEASE, NULL, 0, NULL), OK);
	assert_int_equal(collect(client, mine), OK);
}

static void long_messages_pass(void **state)
{
	const size_t len = FER_MSG_MAX_BYTES;
	uint8_t *bytes = malloc(len);
	struct fer_client_reply r;

	(void)state;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 31 + (i >> 12));
	// Around the size of the small buffer, and the longest there is.
	for (size_t n = 16384 - 48 - 3; n < 16384 - 48 + 4; n++) {
		assert_int_equal(call(client, SET, OID_ECHO, bytes, n, &r), OK);
		assert_int_equal(r.len, n);
		assert_memory_equal(r.data, bytes, n);
		fer_client_reply_fini(&r);
	}
	assert_int_equal(call(client, SET, OID_ECHO, bytes, len, &r), OK);
	assert_int_equal(r.len, len);
	assert_memory_equal(r.data, bytes, len);
	fer_client_reply_fini(&r);
	free(bytes);
}

static void a_long_message_to_nobody_is_passed_over(void **state)
{
	static uint8_t bytes[1000000];

	(void)state;
	assert_int_equal(
		call(client, SET, 0xFF00FFFF, bytes, sizeof(bytes), NULL), NDIS_STATUS_INVALID_OID);
	assert_int_equal(call(client, SET, OID_ECHO, "x", 1, NULL), OK);
}

// --- indications --------------------------------------------------------------------------------

static void subscribe(struct fer_client *c, uint16_t pair, uint64_t events)
{
	struct fer_msg_buf b = {0};
	struct fer_client_reply r;

	fer_msg_put_subscribe(&b, events);
	assert_int_equal(fer_client_call(c,
				 &(struct fer_client_request){.oid = FER_MSG_SUBSCRIBE,
					 .type = SET,
					 .pair = pair,
					 .data = b.bytes,
					 .len = b.len},
				 1000, &r),
		0);
	assert_int_equal(r.header.status, OK);
	fer_client_reply_fini(&r);
	fer_msg_buf_fini(&b);
}

static void cause(uint32_t event, uint32_t pair, uint32_t n, uint32_t bytes)
{
	const struct indicate i = {event, NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG, pair, n, bytes};

	assert_int_equal(call(client, SET, OID_INDICATE, &i, sizeof(i), NULL), OK);
}

static void subscribers_hear_what_they_asked_for(void **state)
{
	struct fer_client *other = service_client(service);
	struct fer_client_reply r;

	(void)state;
	subscribe(client, FER_MSG_ALL_PAIRS, 1u << FER_MSG_EVENT_STATUS);
	subscribe(other, 1, 1u << FER_MSG_EVENT_STATUS | 1u << FER_MSG_EVENT_NO_SA);
	cause(FER_MSG_EVENT_STATUS, 0, 1, 10);
	cause(FER_MSG_EVENT_NO_SA, 1, 1, 20);
	cause(FER_MSG_EVENT_REPLAY, 1, 1, 30);
	cause(FER_MSG_EVENT_STATUS, 1, 1, 40);
	assert_int_equal(fer_client_indication(client, 1000, &r), 0);
	assert_int_equal(r.header.status, NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG);
	assert_int_equal(r.header.pair, 0);
	assert_int_equal(r.header.id, 1);
	assert_int_equal(r.len, 10);
	fer_client_reply_fini(&r);
	assert_int_equal(fer_client_indication(client, 1000, &r), 0);
	assert_int_equal(r.len, 40);
	assert_int_equal(r.header.id, 2);
	fer_client_reply_fini(&r);
	assert_int_equal(fer_client_indication(other, 1000, &r), 0);
	assert_int_equal(r.len, 20);
	fer_client_reply_fini(&r);
	assert_int_equal(fer_client_indication(other, 1000, &r), 0);
	assert_int_equal(r.len, 40);
	assert_int_equal(r.header.pair, 1);
	fer_client_reply_fini(&r);
	assert_int_equal(fer_client_indication(other, 10, &r), -ETIMEDOUT);
	subscribe(other, 1, 0);
	cause(FER_MSG_EVENT_STATUS, 1, 1, 0);
	assert_int_equal(fer_client_indication(other, 10, &r), -ETIMEDOUT);
	fer_client_close(other);
}

static void who_does_not_listen_misses_it(void **state)
{
	struct fer_client *deaf = service_client(service);
	struct fer_client_reply r;
	uint64_t heard = 0, last = 0;

	(void)state;
	subscribe(deaf, FER_MSG_ALL_PAIRS, FER_MSG_EVENTS_ALL);
	subscribe(client, FER_MSG_ALL_PAIRS, FER_MSG_EVENTS_ALL);
	for (uint64_t i = 0; i < 2000; i++) {
		cause(FER_MSG_EVENT_STATUS, 0, 2, 1000);
		for (uint64_t k = 1; k <= 2; k++) {
			assert_int_equal(fer_client_indication(client, 1000, &r), 0);
			assert_int_equal(r.header.id, 2 * i + k); // nothing is missed here
			fer_client_reply_fini(&r);
		}
	}
	assert_int_not_equal(counters(client).missed, 0);
	while (fer_client_indication(deaf, 50, &r) == 0) {
		assert_true(r.header.id > last);
		last = r.header.id;
		heard++;
		fer_client_reply_fini(&r);
	}
	assert_in_range(heard, 100, 3999);
	cause(FER_MSG_EVENT_STATUS, 0, 1, 1000);
	assert_int_equal(fer_client_indication(deaf, 1000, &r), 0);
	assert_int_equal(r.header.id, 4001); // what it missed shows
	fer_client_reply_fini(&r);
	fer_client_close(deaf);
}

static void a_wrong_subscription_changes_nothing(void **state)
{
	struct fer_msg_buf b = {0};
	struct fer_client_reply r;

	(void)state;
	subscribe(client, FER_MSG_ALL_PAIRS, 1);
	fer_msg_put_subscribe(&b, 1ull << 40);
	assert_int_equal(call(client, SET, FER_MSG_SUBSCRIBE, b.bytes, b.len, NULL),
		NDIS_STATUS_INVALID_DATA);
	assert_int_equal(call(client, SET, FER_MSG_SUBSCRIBE, b.bytes, b.len - 1, NULL),
		NDIS_STATUS_INVALID_LENGTH);
	fer_msg_buf_fini(&b);
	cause(FER_MSG_EVENT_STATUS, 0, 1, 0);
	assert_int_equal(fer_client_indication(client, 1000, &r), 0);
	fer_client_reply_fini(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hello_tells_the_limits_and_the_pairs),
		TEST(a_set_says_what_was_read),
		TEST(a_query_that_does_not_fit_says_so),
		TEST(a_refusal_has_its_reason),
		TEST(what_a_header_asks_is_checked),
		TEST(requests_are_pipelined),
		TEST(a_client_that_only_submits_does_not_hang),
		TEST(completions_come_out_of_order),
		TEST(the_last_held_is_the_first_released),
		TEST(who_waits_for_several_waits_for_all),
		TEST(a_cancel_ends_its_request_alone),
		TEST(clients_do_not_share_their_ids),
		TEST(long_messages_pass),
		TEST(a_long_message_to_nobody_is_passed_over),
		TEST(subscribers_hear_what_they_asked_for),
		TEST(who_does_not_listen_misses_it),
		TEST(a_wrong_subscription_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
