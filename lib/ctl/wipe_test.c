// SPDX-License-Identifier: BSD-3-Clause
// Are the keys of a request gone from the server's memory once it is completed or refused, and out
// of core dumps before?
//
// The key is random; the test itself keeps it masked only, apart from the message, which is
// unmapped before it looks.  Server and client take turns in one thread.
#include "ctl/echo_service.h"

#include "base/secret.h"

#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#define KEY_BYTES 32
#define MASK UINT64_C(0xa5a5a5a5a5a5a5a5)
#define CHUNK_BYTES ((size_t)1 << 16)
#define LARGEST_MAPPING (UINT64_C(1) << 30) // the shadow of a sanitizer is larger

static uint64_t windows[KEY_BYTES - 7]; // every eight neighbouring bytes, masked
static struct service *service;
static int fd;

static void turn(void)
{
	for (int i = 0; i < 4; i++)
		assert_true(event_base_loop(service->base, EVLOOP_NONBLOCK) >= 0);
}

static int set_up(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	(void)state;
	service = service_open(NULL);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", service->path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0)
		return -1;
	turn();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(fd);
	service_close(service);
	return 0;
}

// Sends a header and a body of `len` bytes that ends with the key, of which `sent` bytes go out,
// and leaves nothing of it here.
static void send_key_behind(struct fer_msg_header h, size_t len, size_t sent)
{
	const size_t all = sizeof(h) + len;
	uint8_t *bytes = fer_secret_map(all);
	uint8_t *key = bytes + all - KEY_BYTES;

	assert_non_null(bytes);
	memcpy(bytes, &h, sizeof(h));
	assert_int_equal(getrandom(key, KEY_BYTES, 0), KEY_BYTES);
	for (size_t i = 0; i + 8 <= KEY_BYTES; i++) {
		memcpy(&windows[i], key + i, 8);
		windows[i] ^= MASK;
	}
	for (size_t at = 0; at < sent;) {
		const ssize_t n = send(fd, bytes + at, sent - at, MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else
			turn();
	}
	fer_secret_unmap(bytes, all);
	turn();
}

static void send_key(uint32_t oid, size_t len, size_t sent)
{
	send_key_behind(raw_header(FER_MSG_TYPE_SET, oid, 1, (uint32_t)len), len, sent);
}

static unsigned hits_in_chunk(const uint8_t *bytes, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i + 8 <= len; i++) {
		uint64_t w;

		memcpy(&w, bytes + i, 8);
		w ^= MASK;
		for (size_t k = 0; k < sizeof(windows) / sizeof(windows[0]); k += 8)
			n += w == windows[k];
	}
	return n;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static unsigned hits_between(int mem, unsigned long from, unsigned long to)
{
	static uint8_t chunk[CHUNK_BYTES];
	unsigned n = 0;

	// Two chunks overlap, so that nothing is missed between them.
	for (unsigned long at = from; at < to; at += sizeof(chunk) - 8) {
		const size_t len = to - at < sizeof(chunk) ? to - at : sizeof(chunk);
		const ssize_t got = pread(mem, chunk, len, (off_t)at);

		// Most of what a sanitizer maps has never been touched.
		if (got > 0 && !is_zero(chunk, (size_t)got)) {
			n += hits_in_chunk(chunk, (size_t)got);
			fer_secret_wipe(chunk, (size_t)got);
		}
	}
	return n;
}

struct hits {
	unsigned all;    // anywhere
	unsigned dumped; // where a core dump would have it
	bool is_told;    // the kernel says what is dumped
};

// How often is a part of the key in our own writable memory?
static struct hits find(void)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	const int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	struct hits h = {0};
	unsigned n = 0; // in this mapping
	char line[512], *rest;

	assert_non_null(maps);
	assert_true(mem >= 0);
	while (fgets(line, sizeof(line), maps) != NULL) {
		const unsigned long from = strtoul(line, &rest, 16);

		if (*rest == '-') {
			const unsigned long to = strtoul(rest + 1, &rest, 16);

			n = strncmp(rest, " rw", 3) != 0 || to - from >= LARGEST_MAPPING
				    ? 0
				    : hits_between(mem, from, to);
			h.all += n;
		} else if (strncmp(line, "VmFlags:", 8) == 0) {
			h.is_told = true;
			h.dumped += strstr(line, " dd") != NULL ? 0 : n;
		}
	}
	close(mem);
	(void)fclose(maps);
	return h;
}

static unsigned hits(void)
{
	return find().all;
}

static void a_completed_request_leaves_no_key(void **state)
{
	static const size_t lengths[] = {100, 5000, 16336, 16337, 70000, 1000000};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		send_key(OID_HOLD_FIRM, lengths[i], sizeof(struct fer_msg_header) + lengths[i]);
		assert_int_equal(service->n_held, 1);
		assert_int_not_equal(hits(), 0); // it can be found
		fer_ctl_complete_status(service->held[--service->n_held], NDIS_STATUS_SUCCESS);
		turn();
		assert_int_equal(hits(), 0);
	}
}

static void no_core_dump_holds_a_key(void **state)
{
	static const size_t lengths[] = {40, 5000, 16336, 16337, 70000};
	struct hits h;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const size_t all = sizeof(struct fer_msg_header) + lengths[i];

		send_key(OID_HOLD_FIRM, lengths[i], all);
		h = find();
		if (!h.is_told) {
			print_message("/proc/self/smaps does not say what is dumped\n");
			skip();
		}
		assert_int_not_equal(h.all, 0);
		assert_int_equal(h.dumped, 0);
	}
}

static void a_refused_request_leaves_no_key(void **state)
{
	(void)state;
	send_key(0xFF00FFFF, 200, sizeof(struct fer_msg_header) + 200); // nobody's
	assert_int_equal(hits(), 0);
	send_key(OID_REFUSE, 200, sizeof(struct fer_msg_header) + 200);
	assert_int_equal(hits(), 0);
	send_key(0xFF00FFFF, 100000, sizeof(struct fer_msg_header) + 100000);
	assert_int_equal(hits(), 0);
}

static struct fer_msg_header next_completion(void)
{
	struct fer_msg_header h;

	do {
		uint8_t skipped[4096];

		assert_true(raw_receive(fd, &h, sizeof(h)));
		assert_true(h.length <= sizeof(skipped));
		assert_true(raw_receive(fd, skipped, h.length));
	} while (h.type != FER_MSG_TYPE_COMPLETION);
	return h;
}

// Its header came before the hold, the end of its body comes behind: it is not begun, its key is
// wiped, and what its client sends next is read as what it is.
static void a_request_that_a_hold_overtakes_leaves_no_key(void **state)
{
	static const size_t lengths[] = {1000, 16336, 16337, 100000};
	const uint8_t last = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const size_t all = sizeof(struct fer_msg_header) + lengths[i];

		send_key(OID_HOLD_FIRM, lengths[i], all - 1);
		assert_int_not_equal(hits(), 0);
		fer_ctl_server_hold(service->server, 0);
		assert_int_equal(send(fd, &last, 1, MSG_NOSIGNAL), 1);
		turn();
		assert_int_equal(service->n_held, 0);
		assert_int_equal(next_completion().status, NDIS_STATUS_NOT_ACCEPTED);
		assert_int_equal(hits(), 0);
		fer_ctl_server_release(service->server);
		send_key(OID_HOLD_FIRM, lengths[i], all);
		assert_int_equal(service->n_held, 1);
		fer_ctl_complete_status(service->held[--service->n_held], NDIS_STATUS_SUCCESS);
		turn();
		assert_int_equal(next_completion().status, NDIS_STATUS_SUCCESS);
	}
}

static void a_client_that_goes_leaves_no_key(void **state)
{
	(void)state;
	send_key(OID_HOLD_FIRM, 1000, sizeof(struct fer_msg_header) + 1000 - 1);
	assert_int_not_equal(hits(), 0);
	assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
	turn();
	assert_int_equal(hits(), 0);
}

static void a_client_that_goes_leaves_no_long_key(void **state)
{
	(void)state;
	send_key(OID_HOLD_FIRM, 100000, sizeof(struct fer_msg_header) + 100000 - 1);
	assert_int_not_equal(hits(), 0);
	assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
	turn();
	assert_int_equal(hits(), 0);
}

// Its requests go on without it, and without the server.
static void a_request_that_outlives_its_client_leaves_no_key(void **state)
{
	static const size_t lengths[] = {1000, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		send_key(OID_HOLD_FIRM, lengths[i], sizeof(struct fer_msg_header) + lengths[i]);
		assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
		turn();
		assert_int_not_equal(hits(), 0);
		fer_ctl_complete_status(service->held[--service->n_held], NDIS_STATUS_SUCCESS);
		assert_int_equal(hits(), 0);
		assert_int_equal(tear_down(NULL), 0);
		assert_int_equal(set_up(NULL), 0);
	}
}

static void a_request_that_outlives_its_server_leaves_no_key(void **state)
{
	static const size_t lengths[] = {1000, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		send_key(OID_HOLD_FIRM, lengths[i], sizeof(struct fer_msg_header) + lengths[i]);
		assert_int_not_equal(hits(), 0);
		assert_int_equal(tear_down(NULL), 0); // completes it, when the server is gone
		assert_int_equal(hits(), 0);
		assert_int_equal(set_up(NULL), 0);
	}
}

// Who does not speak our language may have sent keys behind what we do not understand.
static void a_client_that_is_hung_up_on_leaves_no_key(void **state)
{
	const uint32_t bytes = 900000;
	struct fer_msg_header h = raw_header(FER_MSG_TYPE_QUERY, OID_BIG, 1, sizeof(bytes));

	(void)state;
	h.room = bytes;
	raw_send(fd, &h, sizeof(h));
	raw_send(fd, &bytes, sizeof(bytes));
	turn();
	// It does not read that answer, so that its last words, and the connection, wait for it.
	h = raw_header(FER_MSG_TYPE_SET, OID_HOLD_FIRM, 2, 1000);
	h.magic ^= 1;
	send_key_behind(h, 1000, sizeof(h) + 1000);
	assert_int_equal(fer_ctl_server_counters(service->server).broken, 1);
	assert_int_equal(fer_ctl_server_counters(service->server).clients, 1);
	assert_int_equal(hits(), 0);
}

static void a_built_message_leaves_no_key(void **state)
{
	uint8_t *key = fer_secret_map(KEY_BYTES);
	struct fer_msg_add add = {.version = 4, .n_transforms = 1};
	struct fer_msg_buf b = {0};

	(void)state;
	assert_int_equal(getrandom(key, KEY_BYTES, 0), KEY_BYTES);
	for (size_t i = 0; i + 8 <= KEY_BYTES; i++) {
		memcpy(&windows[i], key + i, 8);
		windows[i] ^= MASK;
	}
	add.transform[0].encryption =
		(struct fer_msg_algorithm){.identifier = 8, .key_bytes = KEY_BYTES, .key = key};
	for (int i = 0; i < 100; i++) // it grows several times
		fer_msg_put_add_sa(&b, &add);
	assert_true(hits() >= 100);
	fer_msg_buf_fini(&b);
	fer_secret_unmap(key, KEY_BYTES);
	assert_int_equal(hits(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_completed_request_leaves_no_key),
		TEST(no_core_dump_holds_a_key),
		TEST(a_refused_request_leaves_no_key),
		TEST(a_request_that_a_hold_overtakes_leaves_no_key),
		TEST(a_client_that_goes_leaves_no_key),
		TEST(a_client_that_goes_leaves_no_long_key),
		TEST(a_request_that_outlives_its_client_leaves_no_key),
		TEST(a_request_that_outlives_its_server_leaves_no_key),
		TEST(a_client_that_is_hung_up_on_leaves_no_key),
		TEST(a_built_message_leaves_no_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
