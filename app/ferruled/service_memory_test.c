// SPDX-License-Identifier: BSD-3-Clause
// Does a request that finds no memory end in a refusal that leaves no trace?
//
// Each request is made again and again, with the first, second, third ... allocation of the daemon
// failing, until it needs no more of them.  Linked with --wrap: the allocations of this program
// pass here, those inside of shared libraries do not.
#include "served.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define MOST_ALLOCATIONS 1000 // of one request

static struct served served;
static struct fer_client *client;

// --- memory -------------------------------------------------------------------------------------

static pthread_t client_thread;
static _Atomic int n_left; // allocations to the one that fails; 0: it was, or none is to

static bool fails(void)
{
	if (pthread_equal(pthread_self(), client_thread) || atomic_load(&n_left) <= 0)
		return false;
	return atomic_fetch_sub(&n_left, 1) == 1;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(align, size);
}

void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	return fails() ? MAP_FAILED : __real_mmap64(at, len, prot, flags, fd, off);
}

// --- requests -----------------------------------------------------------------------------------

static int set_up(void **state)
{
	(void)state;
	client_thread = pthread_self();
	client = served_begin(&served, ", capacity: 12");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	served_end(&served, client);
	return 0;
}

static struct sa_sample samples[4];
static uint64_t handles[4];

static void make_samples(void)
{
	struct fer_msg_algorithm hmac = {
		.identifier = IPSEC_OFFLOAD_V2_AUTHENTICATION_SHA_1, .key_bytes = 20};

	sa_sample_make(&samples[0], "out", "h", false, 0x3001);
	samples[0].add.udp_esp = IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TUNNEL;
	samples[0].sa.udp_sport = samples[0].sa.udp_dport = 4500;
	sa_sample_make(&samples[1], "in", "h", true, 0x3002);
	samples[1].sa.replay_window = 65536;
	samples[1].add.udp_esp = IPSEC_OFFLOAD_V2_UDP_ESP_ENCAPSULATION_TUNNEL;
	samples[1].sa.udp_sport = samples[1].sa.udp_dport = 4500;
	for (unsigned i = 2; i < 4; i++) {
		struct sa_sample *s = &samples[i];

		sa_sample_make(s, i == 2 ? "both-out" : "both-in", "i", i == 3, 0x3001 + i);
		hmac.key = s->key + 20;
		s->add.n_transforms = 2;
		s->add.transform[1] =
			(struct fer_msg_transform){.operation = IPSEC_OFFLOAD_V2_OPERATION_AH,
				.spi = 0x13001 + i,
				.authentication = hmac};
	}
}

static uint32_t add(void)
{
	return served_add(client, FER_MSG_SA_ADD, EAST, samples, 4, handles);
}

static uint32_t delete_all(void)
{
	return served_delete(client, EAST, handles, 4);
}

static uint32_t swap(void)
{
	return served_add(client, FER_MSG_SA_SWAP, EAST, samples, 4, handles);
}

static uint32_t add_plain(void)
{
	return served_add(
		client, OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX, EAST, &samples[3], 1, handles);
}

static uint32_t delete_plain(void)
{
	return served_delete(client, EAST, handles, 1);
}

static uint32_t add_policies(void)
{
	const struct fer_msg_policy p[] = {sample_policy("p", "g"), sample_policy("q", NULL)};

	return served_add_policies(client, EAST, p, 2);
}

static uint32_t delete_policies(void)
{
	uint32_t status = served_delete_policy(client, EAST, "p");

	return status != 0 ? status : served_delete_policy(client, EAST, "q");
}

static uint32_t query(uint32_t oid)
{
	const struct fer_client_request q = {.oid = oid, .type = FER_MSG_TYPE_QUERY, .pair = EAST};
	struct fer_client_reply reply;
	uint32_t status = served_ask(client, &q, NULL, &reply);

	fer_client_reply_fini(&reply);
	return status;
}

static uint32_t list(void)
{
	return query(FER_MSG_SA_LIST);
}

static uint32_t count(void)
{
	return query(FER_MSG_STATS_SA);
}

// A second client; one that is not let in is a refusal.
static uint32_t connect(void)
{
	struct fer_client *c;
	int error = fer_client_open(served.path, SERVED_TIMEOUT_MS, &c);

	if (error == 0)
		fer_client_close(c);
	return error == 0 ? NDIS_STATUS_SUCCESS : NDIS_STATUS_RESOURCES;
}

// --- the test -----------------------------------------------------------------------------------

static const struct request {
	const char *name;
	uint32_t (*make)(void);
	uint32_t (*undo)(void);    // NULL: there is nothing to undo
	uint32_t (*prepare)(void); // before each try; NULL: nothing
	uint32_t otherwise;        // may be the status of a refusal besides RESOURCES
} requests[] = {
	{"add", add, delete_all, NULL, 0},
	{"add, the contract's", add_plain, delete_plain, NULL, 0},
	{"delete", delete_all, NULL, add, NDIS_STATUS_REQUEST_ABORTED},
	{"policies", add_policies, delete_policies, NULL, 0},
	{"swap", swap, delete_all, NULL, 0},
	{"list", list, NULL, NULL, 0},
	{"count", count, NULL, NULL, 0},
	{"connect", connect, NULL, NULL, 0},
};

static void assert_same(const struct request *r, const struct fer_msg_buf *before, int k)
{
	struct fer_msg_buf now = served_look(client, EAST);

	if (now.len != before->len || memcmp(now.bytes, before->bytes, now.len) != 0)
		fail_msg(
			"%s, allocation %d: it was refused, and has changed something", r->name, k);
	fer_msg_buf_fini(&now);
}

// One try; true: the request needs no more than k - 1 allocations.
static bool try_without(const struct request *r, int k)
{
	if (r->prepare != NULL)
		assert_int_equal(r->prepare(), 0);
	struct fer_msg_buf before = served_look(client, EAST);
	atomic_store(&n_left, k);
	uint32_t status = r->make();
	bool is_enough = atomic_exchange(&n_left, 0) > 0;

	if (status == NDIS_STATUS_SUCCESS) {
		if (r->undo != NULL)
			assert_int_equal(r->undo(), 0);
	} else {
		assert_false(is_enough);
		if (status != r->otherwise)
			assert_int_equal(status, NDIS_STATUS_RESOURCES);
		assert_same(r, &before, k);
		if (r->prepare != NULL)
			assert_int_equal(r->make(), 0);
	}
	fer_msg_buf_fini(&before);
	return is_enough;
}

static void a_request_without_memory_leaves_no_trace(void **state)
{
	(void)state;
	make_samples();
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		int k = 1;

		while (!try_without(&requests[i], k))
			assert_true(++k < MOST_ALLOCATIONS);
		print_message("%s: %d allocations\n", requests[i].name, k - 1);
		assert_true(k > 1); // else nothing was tried
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_without_memory_leaves_no_trace),
	};

	two_pairs_eal(1, NULL);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
