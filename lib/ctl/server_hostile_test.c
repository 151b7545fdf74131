// SPDX-License-Identifier: BSD-3-Clause
// Can a client that is slow, silent, hostile or gone do harm to the server or to the other clients?
#include "ctl/echo_service.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define OK NDIS_STATUS_SUCCESS
#define SET FER_MSG_TYPE_SET
#define QUERY FER_MSG_TYPE_QUERY

// Small, so that they are reached.
static const struct fer_ctl_limits limits = {
	.max_clients = 1100,
	.max_length = 8u << 20,
	.max_input = 4u << 20,
	.max_pending = 64,
};

static struct service *service;
static struct fer_client *client;

static int set_up(void **state)
{
	(void)state;
	service = service_start(&limits);
	client = service_client(service);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	// Whatever happened before, there is a daemon to talk to, and nothing is left over.
	assert_int_equal(call(client, SET, OID_RELEASE, NULL, 0, NULL), OK);
	assert_int_equal(call(client, SET, OID_ECHO, "x", 1, NULL), OK);
	fer_client_close(client);
	service_stop(service);
	return 0;
}

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void nap(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	(void)nanosleep(&t, NULL);
}

// The median of some round trips, in seconds: what others on this machine do does not count.
static double latency(void)
{
	double t[101];

	for (int i = 0; i < 101; i++) {
		const double start = now();

		assert_int_equal(call(client, SET, OID_ECHO, "x", 1, NULL), OK);
		t[i] = now() - start;
		for (int k = i; k > 0 && t[k - 1] > t[k]; k--) {
			const double swap = t[k];

			t[k] = t[k - 1];
			t[k - 1] = swap;
		}
	}
	return t[50];
}

// Waits until the server has as many clients as that.
static void wait_for_clients(uint32_t n)
{
	for (int i = 0; i < 5000 && counters(client).clients != n; i++)
		nap(1);
	assert_int_equal(counters(client).clients, n);
}

// Reads up to the end; the last message must be a completion of that status.
static void assert_hung_up(int fd, uint32_t status, uint64_t id)
{
	struct fer_msg_header h = {0}, next;

	while (raw_receive(fd, &next, sizeof(next))) {
		uint8_t bytes[4096];

		h = next;
		assert_in_range(h.length, 0, sizeof(bytes));
		if (h.length > 0)
			assert_true(raw_receive(fd, bytes, h.length));
	}
	assert_int_equal(h.type, FER_MSG_TYPE_COMPLETION);
	assert_int_equal(h.status, status);
	assert_int_equal(h.id, id);
	close(fd);
}

static void a_byte_at_a_time_is_a_message_all_the_same(void **state)
{
	const int fd = raw_connect(service);
	struct fer_msg_header h = raw_header(SET, OID_ECHO, 99, 5);
	uint8_t bytes[sizeof(h) + 5], got[5];

	(void)state;
	memcpy(bytes, &h, sizeof(h));
	memset(bytes + sizeof(h), 0x5A, 5);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			raw_send(fd, bytes + i, 1);
			if (i % 7 == 0)
				nap(1);
		}
		assert_true(raw_receive(fd, &h, sizeof(h)));
		assert_int_equal(h.id, 99);
		assert_true(raw_receive(fd, got, sizeof(got)));
		assert_memory_equal(got, bytes + sizeof(h), 5);
	}
	close(fd);
}

// Every place at which a stream of messages can be cut in two.
static void any_cut_of_a_stream_is_the_same_stream(void **state)
{
	uint8_t stream[4 * (sizeof(struct fer_msg_header) + 9)];
	size_t len = 0;

	(void)state;
	for (uint64_t i = 1; i <= 4; i++) {
		const struct fer_msg_header h =
			raw_header(SET, OID_ECHO, i, (uint32_t)(i * 3 % 10));

		memcpy(stream + len, &h, sizeof(h));
		memset(stream + len + sizeof(h), (int)i, h.length);
		len += sizeof(h) + h.length;
	}
	for (size_t cut = 1; cut < len; cut++) {
		const int fd = raw_connect(service);

		raw_send(fd, stream, cut);
		if (cut % 16 == 0)
			nap(1);
		raw_send(fd, stream + cut, len - cut);
		for (uint64_t i = 1; i <= 4; i++) {
			struct fer_msg_header h;
			uint8_t bytes[9];

			assert_true(raw_receive(fd, &h, sizeof(h)));
			assert_int_equal(h.id, i);
			assert_int_equal(h.length, i * 3 % 10);
			assert_true(raw_receive(fd, bytes, h.length));
		}
		close(fd);
	}
}

static void garbage_ends_the_connection(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		uint8_t bytes[200];
		const int fd = raw_connect(service);

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand_r(&seed);
		raw_send(fd, bytes, sizeof(bytes));
		assert_hung_up(fd, NDIS_STATUS_INVALID_DATA, 0);
	}
	assert_int_equal(counters(client).broken, 300);
}

static void a_header_that_is_not_ours_ends_the_connection(void **state)
{
	const struct fer_msg_header good = raw_header(SET, OID_ECHO, 5, 0);
	const struct {
		size_t at;
		uint8_t value;
		uint32_t status;
		uint64_t id;
	} rows[] = {
		{0, 0, NDIS_STATUS_INVALID_DATA, 0},
		{4, 2, NDIS_STATUS_UNSUPPORTED_REVISION, 5},
		{6, 0, NDIS_STATUS_INVALID_DATA, 5},
		{6, FER_MSG_TYPE_HELLO, NDIS_STATUS_INVALID_DATA, 5},
		{6, FER_MSG_TYPE_COMPLETION, NDIS_STATUS_INVALID_DATA, 5},
		{6, FER_MSG_TYPE_INDICATION, NDIS_STATUS_INVALID_DATA, 5},
		{6, 77, NDIS_STATUS_INVALID_DATA, 5},
		{7, 1, NDIS_STATUS_INVALID_DATA, 5},
		{0x2B, 1, NDIS_STATUS_INVALID_DATA, 5},
		{0x2F, 1, NDIS_STATUS_INVALID_DATA, 5},
		{0x1B, 1, NDIS_STATUS_INVALID_LENGTH, 5}, // 16 MiB
		{0x1B, 0xFF, NDIS_STATUS_INVALID_LENGTH, 5},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[sizeof(good)];
		const int fd = raw_connect(service);

		memcpy(bytes, &good, sizeof(good));
		bytes[rows[i].at] = rows[i].value;
		// What came before is answered, what comes behind is not looked at.
		raw_send(fd, &good, sizeof(good));
		raw_send(fd, bytes, sizeof(bytes));
		assert_hung_up(fd, rows[i].status, rows[i].id);
	}
}

static void a_cancel_with_a_body_ends_the_connection(void **state)
{
	const struct fer_msg_header h = raw_header(FER_MSG_TYPE_CANCEL, 0, 5, 1);
	const int fd = raw_connect(service);

	(void)state;
	raw_send(fd, &h, sizeof(h));
	assert_hung_up(fd, NDIS_STATUS_INVALID_DATA, 5);
}

static void more_than_all_may_have_is_refused_alone(void **state)
{
	const size_t len = 6u << 20; // a request may be so long, but not while the limit is 4 MiB
	uint8_t *bytes = calloc(1, len);

	(void)state;
	assert_int_equal(call(client, SET, OID_ECHO, bytes, len, NULL), NDIS_STATUS_RESOURCES);
	assert_int_equal(call(client, SET, OID_ECHO, bytes, 3u << 20, NULL), OK);
	free(bytes);
}

// Three half messages take what there is; when their clients are gone it comes back.
static void half_messages_are_given_up_with_their_clients(void **state)
{
	const struct fer_msg_header h = raw_header(SET, OID_ECHO, 5, 3u << 20);
	const size_t half = 1300000;
	uint8_t *bytes = calloc(1, 3u << 20);
	int fds[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		fds[i] = raw_connect(service);
		raw_send(fds[i], &h, sizeof(h));
		raw_send(fds[i], bytes, half);
	}
	nap(20);
	assert_int_equal(call(client, SET, OID_ECHO, bytes, 1u << 20, NULL), NDIS_STATUS_RESOURCES);
	assert_int_equal(call(client, SET, OID_ECHO, bytes, 1000, NULL), OK);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	wait_for_clients(1);
	assert_int_equal(call(client, SET, OID_ECHO, bytes, 3u << 20, NULL), OK);
	free(bytes);
}

// What a handler has not answered yet lies in memory as what still arrives does.
static void long_requests_that_wait_count(void **state)
{
	const size_t len = 3u << 20;
	uint8_t *bytes = calloc(1, len);

	(void)state;
	assert_non_null(bytes);
	const uint64_t id = submit(client, OID_HOLD_FIRM, bytes, len);
	assert_int_equal(call(client, SET, OID_ECHO, bytes, 2u << 20, NULL), NDIS_STATUS_RESOURCES);
	assert_int_equal(call(client, SET, OID_ECHO, bytes, 1000, NULL), OK);
	assert_int_equal(call(client, SET, OID_RELEASE, NULL, 0, NULL), OK);
	assert_int_equal(collect(client, id), OK);
	assert_int_equal(call(client, SET, OID_ECHO, bytes, len, NULL), OK);
	free(bytes);
}

static void who_does_not_read_delays_nobody(void **state)
{
	const uint32_t n = 1000000;
	struct fer_msg_header h = raw_header(QUERY, OID_BIG, 1, sizeof(n));
	const int fd = raw_connect(service);
	uint8_t *bytes = malloc(n);
	uint64_t id;

	(void)state;
	h.room = 1u << 20;
	for (id = 1; id <= 20; id++) { // 20 MB of answers
		h.id = id;
		raw_send(fd, &h, sizeof(h));
		raw_send(fd, &n, sizeof(n));
	}
	nap(50);
	assert_in_range(counters(client).completions, 1, 10); // it is not listened to any more
	assert_true(latency() < 0.010);
	for (id = 1; id <= 20; id++) {
		assert_true(raw_receive(fd, &h, sizeof(h)));
		assert_int_equal(h.id, id);
		assert_int_equal(h.length, n);
		assert_true(raw_receive(fd, bytes, n));
		for (uint32_t i = 0; i < n; i += 997)
			assert_int_equal(bytes[i], (uint8_t)(i * 7));
	}
	close(fd);
	free(bytes);
}

struct flood {
	int fd;
	_Atomic bool stop;
};

static void *flood(void *arg)
{
	struct flood *f = arg;
	static struct fer_msg_header h[200];
	static uint8_t sink[65536];

	for (int i = 0; i < 200; i++)
		h[i] = raw_header(SET, OID_ECHO, 1, 0);
	while (!f->stop) {
		if (send(f->fd, h, sizeof(h), MSG_DONTWAIT | MSG_NOSIGNAL) <= 0)
			(void)poll(&(struct pollfd){.fd = f->fd, .events = POLLIN}, 1, 10);
		while (recv(f->fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
			;
	}
	return NULL;
}

static void who_asks_without_end_delays_nobody(void **state)
{
	struct flood f = {.fd = raw_connect(service)};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, flood, &f), 0);
	nap(20);
	assert_true(latency() < 0.010);
	f.stop = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_in_range(counters(client).requests, 1000, UINT64_MAX);
	close(f.fd);
}

static void requests_under_way_are_bounded(void **state)
{
	static struct fer_msg_header all[1000];
	const uint32_t n = sizeof(all) / sizeof(all[0]);
	const int fd = raw_connect(service);

	(void)state;
	for (uint32_t i = 0; i < n; i++)
		all[i] = raw_header(SET, OID_HOLD, i + 1, 0);
	raw_send(fd, all, sizeof(all));
	nap(20);
	assert_int_equal(counters(client).pending, 64 + 1);
	for (uint32_t done = 0; done < n;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		assert_int_equal(call(client, SET, OID_RELEASE, NULL, 0, NULL), OK);
		for (; done < n && poll(&p, 1, 1) == 1; done++) {
			struct fer_msg_header h;

			assert_true(raw_receive(fd, &h, sizeof(h)));
			assert_int_equal(h.status, OK);
		}
	}
	close(fd);
}

static void clients_vanish_in_every_state(void **state)
{
	const struct fer_msg_header hold = raw_header(SET, OID_HOLD, 1, 0);
	const struct fer_msg_header firm = raw_header(SET, OID_HOLD_FIRM, 2, 0);
	const struct fer_msg_header half = raw_header(SET, OID_ECHO, 3, 100);
	const struct fer_msg_header big = raw_header(SET, OID_ECHO, 3, 100000);
	const uint32_t n = 1000000;
	struct fer_msg_header unread = raw_header(QUERY, OID_BIG, 1, sizeof(n));

	(void)state;
	unread.room = 1u << 20;
	for (int i = 0; i < 200; i++) {
		const int fd = raw_connect(service);

		if (i % 5 == 0)
			raw_send(fd, &hold, sizeof(hold));
		if (i % 5 == 1)
			raw_send(fd, &firm, sizeof(firm));
		if (i % 5 == 2)
			raw_send(fd, &half, sizeof(half) - (i % 2 == 0 ? 10 : 0));
		if (i % 5 == 3) {
			raw_send(fd, &big, sizeof(big));
			raw_send(fd, &big, sizeof(big));
		}
		if (i % 5 == 4) {
			raw_send(fd, &unread, sizeof(unread));
			raw_send(fd, &n, sizeof(n));
		}
		if (i % 3 == 0)
			nap(1);
		close(fd);
	}
	// Those that hung up before their request was read have none.
	assert_int_equal(call(client, SET, OID_RELEASE, NULL, 0, NULL), OK);
	for (int i = 0; i < 1000 && counters(client).clients > 1; i++)
		assert_int_equal(call(client, SET, OID_RELEASE, NULL, 0, NULL), OK);
	wait_for_clients(1);
	assert_int_equal(counters(client).pending, 1);
}

// "Send, then close my side" is how scripts talk to sockets.
static void who_closes_one_half_is_answered(void **state)
{
	const int fd = raw_connect(service);
	const uint32_t ms = 50;
	struct fer_msg_header h = raw_header(SET, OID_LATER, 1, sizeof(ms));

	(void)state;
	for (h.id = 1; h.id <= 70; h.id++) { // more than may be under way at once
		raw_send(fd, &h, sizeof(h));
		raw_send(fd, &ms, sizeof(ms));
	}
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	for (int i = 0; i < 70; i++) {
		assert_true(raw_receive(fd, &h, sizeof(h)));
		assert_int_equal(h.status, OK);
	}
	assert_false(raw_receive(fd, &h, 1));
	close(fd);
}

// More requests than one turn takes, of a client that is gone or has closed its ear: none is lost.
static void who_takes_no_answers_is_served(void **state)
{
	const struct fer_msg_header h = raw_header(SET, OID_ECHO, 1, 0);
	const uint64_t n = 300;

	(void)state;
	for (int is_open = 0; is_open < 2; is_open++) {
		const uint64_t before = counters(client).requests;
		const int fd = raw_connect(service);
		uint64_t asked = 0, done = 0;

		if (is_open)
			assert_int_equal(shutdown(fd, SHUT_RD), 0);
		for (uint64_t i = 0; i < n; i++)
			raw_send(fd, &h, sizeof(h));
		if (!is_open)
			close(fd);
		while (done < n && asked < 5000) {
			nap(1);
			done = counters(client).requests - before - ++asked;
		}
		assert_int_equal(done, n);
		if (is_open)
			close(fd);
		wait_for_clients(1);
	}
}

static void file_descriptors_that_come_along_are_closed(void **state)
{
	const int fd = raw_connect(service);
	struct fer_msg_header h = raw_header(SET, OID_ECHO, 1, 0);
	struct iovec part = {.iov_base = &h, .iov_len = sizeof(h)};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int ends[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &ends[1], sizeof(int));
	assert_int_equal(sendmsg(fd, &m, 0), sizeof(h));
	assert_true(raw_receive(fd, &h, sizeof(h)));
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0); // nobody holds the other end
	close(ends[0]);
	close(fd);
}

static void a_thousand_clients_are_served(void **state)
{
	static int fds[1000];
	const struct fer_msg_header h = raw_header(SET, OID_ECHO, 1, 0);

	(void)state;
	for (int i = 0; i < 1000; i++)
		fds[i] = raw_connect(service);
	assert_int_equal(counters(client).clients, 1001);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 1000; i++)
			raw_send(fds[i], &h, sizeof(h));
		for (int i = 0; i < 1000; i++) {
			struct fer_msg_header answer;

			assert_true(raw_receive(fds[i], &answer, sizeof(answer)));
			assert_int_equal(answer.status, OK);
		}
	}
	assert_true(latency() < 0.010);
	for (int i = 0; i < 1000; i++)
		close(fds[i]);
	wait_for_clients(1);
}

static void one_client_too_many_is_told_so(void **state)
{
	static struct fer_client *clients[1099];
	struct fer_client *c = NULL;

	(void)state;
	for (int i = 0; i < 1099; i++)
		clients[i] = service_client(service);
	assert_int_equal(fer_client_open(service->path, 5000, &c), -EBUSY);
	fer_client_close(clients[0]);
	wait_for_clients(1099);
	assert_int_equal(fer_client_open(service->path, 5000, &c), 0);
	fer_client_close(c);
	for (int i = 1; i < 1099; i++)
		fer_client_close(clients[i]);
}

// Out of file descriptors the server rests, and comes back.
static void running_out_of_descriptors_passes(void **state)
{
	struct rlimit before, now_limit;
	struct fer_client *c = NULL;
	int fd = dup(0);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	now_limit = before;
	now_limit.rlim_cur = (rlim_t)fd + 1; // room for the socket of the client alone
	close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now_limit), 0);
	assert_int_equal(fer_client_open(service->path, 300, &c), -ETIMEDOUT);
	assert_int_equal(call(client, SET, OID_ECHO, "x", 1, NULL), OK);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(fer_client_open(service->path, 5000, &c), 0);
	fer_client_close(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_byte_at_a_time_is_a_message_all_the_same),
		TEST(any_cut_of_a_stream_is_the_same_stream),
		TEST(garbage_ends_the_connection),
		TEST(a_header_that_is_not_ours_ends_the_connection),
		TEST(a_cancel_with_a_body_ends_the_connection),
		TEST(more_than_all_may_have_is_refused_alone),
		TEST(half_messages_are_given_up_with_their_clients),
		TEST(long_requests_that_wait_count),
		TEST(who_does_not_read_delays_nobody),
		TEST(who_asks_without_end_delays_nobody),
		TEST(requests_under_way_are_bounded),
		TEST(clients_vanish_in_every_state),
		TEST(who_closes_one_half_is_answered),
		TEST(who_takes_no_answers_is_served),
		TEST(file_descriptors_that_come_along_are_closed),
		TEST(a_thousand_clients_are_served),
		TEST(one_client_too_many_is_told_so),
		TEST(running_out_of_descriptors_passes),
	};
	struct rlimit files = {4096, 4096};

	// Both ends of all sockets are here.
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 4096 &&
		files.rlim_max >= 4096) {
		files.rlim_cur = 4096;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
