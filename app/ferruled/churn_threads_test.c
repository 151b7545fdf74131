// SPDX-License-Identifier: BSD-3-Clause
// Do workers and the control thread get along while SAs, groups and policies come and go?
//
// Two workers share the queues of two appliances back to back, numbered packets go from one host to
// the other, and clients ask for changes.  Each packet arrives, once; the SAs that carry them are
// replaced meanwhile.  Runs for a second, or for as many as FER_TEST_SECONDS says.
#include "seen.h"
#include "served.h"

#include "support/mbufs.h"
#include "support/packet.h"

#include <pthread.h>
#include <rte_mbuf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define WORKERS 2
#define UNDER_WAY 64 // packets; far fewer than a replay window has
#define PAYLOAD 1100 // worth sharing its crypto
#define PATIENCE_S 60
#define GUESTS 8

static struct served served;
static struct rte_mempool *pool; // of the sender alone
static _Atomic bool is_over;
static _Atomic uint64_t n_rounds; // in which all packets came back

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void doze(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	nanosleep(&ms, NULL);
}

// --- packets ------------------------------------------------------------------------------------

static void send_numbered(struct test_packet *p, uint64_t number)
{
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};

	test_packet_start(p, PAYLOAD, 7);
	memcpy(p->bytes + p->ip_off, &number, sizeof(number));
	test_packet_put_ip(p, &ip, 253);
	test_packet_put_ethernet(p, 0);
	seen_put("in-east", test_mbuf(pool, p->bytes, p->len));
}

// Takes what has come; the numbers of a round are base to base + UNDER_WAY - 1.
static void take_numbered(uint64_t base, bool has_come[UNDER_WAY], unsigned *n)
{
	struct rte_mbuf *m;
	uint64_t number;

	while ((m = seen_take("out-west")) != NULL) {
		memcpy(&number,
			rte_pktmbuf_mtod_offset(
				m, const uint8_t *, rte_pktmbuf_data_len(m) - PAYLOAD),
			sizeof(number));
		assert_in_range(number, base, base + UNDER_WAY - 1);
		assert_false(has_come[number - base]);
		has_come[number - base] = true;
		rte_pktmbuf_free(m);
		++*n;
	}
}

static void *carry(void *arg)
{
	static struct test_packet packet;
	uint64_t base = 1;

	(void)arg;
	for (; !atomic_load(&is_over); base += UNDER_WAY) {
		bool has_come[UNDER_WAY] = {false};
		const double end = seconds() + PATIENCE_S;
		unsigned n = 0;

		for (unsigned i = 0; i < UNDER_WAY; i++)
			send_numbered(&packet, base + i);
		while (n < UNDER_WAY && seconds() < end) {
			take_numbered(base, has_come, &n);
			doze();
		}
		assert_int_equal(n, UNDER_WAY);
		atomic_fetch_add(&n_rounds, 1);
	}
	return NULL;
}

// --- clients ------------------------------------------------------------------------------------

static void must(uint32_t status)
{
	if (status != NDIS_STATUS_SUCCESS)
		fail_msg("%s", fer_client_status_name(status));
}

// SAs of the same group of both ends, for packets from east to west.
static void make_twins(struct sa_sample *out, struct sa_sample *in, unsigned turn)
{
	char name[32];

	snprintf(name, sizeof(name), "turn-%u", turn);
	sa_sample_make(out, name, "g", false, 0x10000 + turn);
	sa_sample_make(in, name, "g", true, 0x10000 + turn);
	const uint8_t src[] = {198, 51, 100, 1}, dst[] = {198, 51, 100, 2};
	for (unsigned i = 0; i < 2; i++) {
		struct sa_sample *s = i == 0 ? out : in;

		memcpy(s->add.src, src, sizeof(src));
		memcpy(s->add.dst, dst, sizeof(dst));
	}
}

// As an IKE daemon does it: the receiver has the new SA first, then the sender uses it, and the
// receiver drops the old one when nothing can be under way with it any more.
static void *rekey(void *arg)
{
	struct fer_client *c = served_connect(&served);
	static struct sa_sample out, in;
	uint64_t old = 0, fresh;

	(void)arg;
	for (unsigned turn = 0; !atomic_load(&is_over); turn++) {
		make_twins(&out, &in, turn);
		must(served_add(c, FER_MSG_SA_ADD, WEST, &in, 1, &fresh));
		must(served_add(c, FER_MSG_SA_SWAP, EAST, &out, 1, NULL));
		const uint64_t now = atomic_load(&n_rounds);
		while (atomic_load(&n_rounds) < now + 2 && !atomic_load(&is_over))
			doze();
		if (old != 0)
			must(served_delete(c, WEST, &old, 1));
		old = fresh;
	}
	fer_client_close(c);
	return NULL;
}

// Other SAs and groups of the end that receives: added, activated, moved forward, deleted.
static void *host_guests(void *arg)
{
	struct fer_client *c = served_connect(&served);
	static struct sa_sample s[GUESTS];
	uint64_t handles[GUESTS];
	char name[16];

	(void)arg;
	for (unsigned turn = 0; !atomic_load(&is_over); turn++) {
		for (unsigned i = 0; i < GUESTS; i++) {
			snprintf(name, sizeof(name), "guest-%u", i);
			sa_sample_make(&s[i], name, "guests", i % 2 != 0, 0x20000 + i);
			s[i].add.transform[0].esn = true;
		}
		must(served_add(c, FER_MSG_SA_ADD, WEST, s, GUESTS, handles));
		must(served_by_ref(c, FER_MSG_SA_ACTIVATE, WEST, 0, "guest-2"));
		const struct fer_msg_update u = {.handle = handles[1],
			.operation = IPSEC_OFFLOAD_V2_OPERATION_ESP,
			.spi = 0x20001,
			.sequence_high = 1 + turn % 2};
		struct fer_msg_buf b = {0};
		fer_msg_put_update_sa(&b, &u);
		must(served_set(c, OID_TCP_TASK_IPSEC_OFFLOAD_V2_UPDATE_SA, WEST, &b));
		must(served_delete(c, WEST, handles, GUESTS));
	}
	fer_client_close(c);
	return NULL;
}

// Rules of both ends are published while packets are judged by them.
static void *change_policies(void *arg)
{
	struct fer_client *c = served_connect(&served);
	const struct fer_msg_policy two[] = {sample_policy("p", NULL), sample_policy("q", "g")};

	(void)arg;
	while (!atomic_load(&is_over))
		for (uint16_t pair = 0; pair < N_ENDS; pair++) {
			must(served_add_policies(c, pair, two, 2));
			must(served_delete_policy(c, pair, "q"));
			must(served_delete_policy(c, pair, "p"));
		}
	fer_client_close(c);
	return NULL;
}

// Everything that can be asked for, while it changes.
static void *look(void *arg)
{
	static const uint32_t oids[] = {FER_MSG_SA_LIST, FER_MSG_POLICY_LIST, FER_MSG_STATS_SA,
		FER_MSG_STATS_PORT, FER_MSG_STATS_WORKER, FER_MSG_STATS_DROP, FER_MSG_PORT_LIST,
		OID_TCP_OFFLOAD_CURRENT_CONFIG};
	struct fer_client *c = served_connect(&served);
	struct fer_client_reply reply;

	(void)arg;
	for (unsigned turn = 0; !atomic_load(&is_over); turn++) {
		const struct fer_client_request q = {.oid = oids[turn % 8],
			.type = FER_MSG_TYPE_QUERY,
			.pair = (uint16_t)(turn / 8 % N_ENDS)};

		must(served_ask(c, &q, NULL, &reply));
		fer_client_reply_fini(&reply);
		doze();
	}
	fer_client_close(c);
	return NULL;
}

// --- the whole ----------------------------------------------------------------------------------

static void *run_worker(void *worker)
{
	(void)fer_worker_run(worker);
	return NULL;
}

static double test_seconds(void)
{
	const char *given = getenv("FER_TEST_SECONDS");

	return given == NULL ? 1 : strtod(given, NULL);
}

static void check_counters(void)
{
	const uint64_t n = atomic_load(&n_rounds) * UNDER_WAY;
	struct fer_port_counters host = two_pairs_count(&served.world, EAST, FER_HOST_SIDE);
	struct fer_port_counters wire = two_pairs_count(&served.world, WEST, FER_WIRE_SIDE);

	assert_int_equal(host.outcomes.packets[FER_OK], n);
	assert_int_equal(wire.outcomes.packets[FER_OK], n);
}

static void nothing_is_lost_while_everything_changes(void **state)
{
	void *(*const jobs[])(void *) = {carry, rekey, host_guests, change_policies, look};
	enum { N_JOBS = sizeof(jobs) / sizeof(jobs[0]) };
	pthread_t job[N_JOBS], worker[WORKERS];

	(void)state;
	served_open(&served, two_pairs_document(", queues: 2, capacity: 64"), WORKERS, 1024);
	seen_take_ports();
	pool = test_pool("sender", 1023, RTE_MBUF_DEFAULT_BUF_SIZE);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct fer_worker *w = &served.world.workers.worker[i];

		atomic_store(&w->order, FER_WORKER_CARRY);
		assert_int_equal(pthread_create(&worker[i], NULL, run_worker, w), 0);
	}
	for (unsigned i = 0; i < N_JOBS; i++)
		assert_int_equal(pthread_create(&job[i], NULL, jobs[i], NULL), 0);
	for (const double end = seconds() + test_seconds(); seconds() < end;)
		doze();
	atomic_store(&is_over, true);
	for (unsigned i = 0; i < N_JOBS; i++)
		assert_int_equal(pthread_join(job[i], NULL), 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		atomic_store(&served.world.workers.worker[i].order, FER_WORKER_END);
		assert_int_equal(pthread_join(worker[i], NULL), 0);
	}
	check_counters();
	served_close(&served);
	rte_mempool_free(pool);
}

// Threads made after the EAL inherit its one CPU: give them all back.
static void use_all_cpus(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	pthread_setaffinity_np(pthread_self(), sizeof(all), &all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_while_everything_changes),
	};

	two_pairs_eal(WORKERS, "--mbuf-pool-ops-name=" SEEN_POOL_OPS);
	use_all_cpus();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
