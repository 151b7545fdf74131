// SPDX-License-Identifier: BSD-3-Clause
// Do workers that help each other do every job once, and does nobody wait for one that lost its
// CPU?
#include "nic/share.h"

#include "nic/nic.h"
#include "nic/oob.h"
#include "support/eal.h"
#include "support/iv_fixed.h"
#include "support/mbufs.h"
#include "support/packet.h"
#include "support/sas.h"

#include <rte_mbuf.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef __SANITIZE_THREAD__
#define ROUNDS 300
#else
#define ROUNDS 3000
#endif

#define OWNER 0
#define WORKERS 3 // 1 and 2 help
#define JOBS 64
#define LEN 1184 // of a packet: a multiple of any block behind SPI, number, IV and ICV of any suite
#define FOREVER UINT32_MAX

// Helpers stop here, with jobs of somebody else in hand.
static _Atomic bool shall_hang, hangs, has_changed;

bool __real_fer_engine_seal(struct fer_engine *e, struct fer_job *jobs, unsigned n);
bool __wrap_fer_engine_seal(struct fer_engine *e, struct fer_job *jobs, unsigned n);

bool __real_fer_engine_open_burst(struct fer_engine *e, struct fer_job *jobs, unsigned n);
bool __wrap_fer_engine_open_burst(struct fer_engine *e, struct fer_job *jobs, unsigned n);

static _Thread_local bool is_helper;

// The jobs that somebody has in hand stay what they are.
static void hang_if_wanted(const struct fer_job *jobs, unsigned n)
{
	struct fer_job were[JOBS];

	if (!is_helper || !atomic_load(&shall_hang))
		return;
	memcpy(were, jobs, n * sizeof(jobs[0]));
	atomic_store(&hangs, true);
	while (atomic_load(&shall_hang))
		sched_yield();
	if (memcmp(were, jobs, n * sizeof(jobs[0])) != 0)
		atomic_store(&has_changed, true);
}

bool __wrap_fer_engine_seal(struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	hang_if_wanted(jobs, n);
	bool all_well = __real_fer_engine_seal(e, jobs, n);
	if (is_helper)
		atomic_store(&hangs, false);
	return all_well;
}

bool __wrap_fer_engine_open_burst(struct fer_engine *e, struct fer_job *jobs, unsigned n)
{
	hang_if_wanted(jobs, n);
	return __real_fer_engine_open_burst(e, jobs, n);
}

struct world {
	struct fer_share *share;
	struct fer_engine *engine[WORKERS];
	pthread_t helper[WORKERS];
	_Atomic bool ends;
	_Atomic unsigned n_helped; // jobs
	struct fer_suite suite;
	struct fer_key *key;
	uint8_t plain[JOBS][LEN], packet[JOBS][LEN];
	struct fer_job jobs[JOBS];
};

struct helper {
	unsigned me;
};

static struct world w;
static struct helper helpers[WORKERS];

static void *help(void *arg)
{
	const struct helper *h = arg;

	is_helper = true;
	fer_share_set_idle(w.share, h->me, true);
	while (!atomic_load(&w.ends)) {
		unsigned n = fer_share_help(w.share, h->me, w.engine[h->me]);

		atomic_fetch_add(&w.n_helped, n);
		if (n == 0)
			sched_yield();
	}
	fer_share_set_idle(w.share, h->me, false);
	return NULL;
}

static void open_world(const char *encryption, const char *integrity, uint32_t patience_ns)
{
	static const uint8_t key[FER_MAX_KEY_BYTES] = {1, 2, 3};
	int error;

	memset(&w, 0, sizeof(w));
	w.share = fer_share_create(WORKERS, patience_ns);
	assert_non_null(w.share);
	for (unsigned i = 0; i < WORKERS; i++) {
		w.engine[i] = fer_engine_open(fer_iv_system(), &error);
		assert_non_null(w.engine[i]);
	}
	assert_null(fer_suite_init(&w.suite, fer_algo_find(FER_ENCRYPTION, encryption),
		integrity == NULL ? NULL : fer_algo_find(FER_INTEGRITY, integrity), 0));
	w.key = aligned_alloc(64, fer_key_bytes_max());
	assert_non_null(w.key);
	fer_key_init(w.key, w.engine[0], &w.suite, key, key);
	for (unsigned i = 1; i < WORKERS; i++) {
		helpers[i] = (struct helper){i};
		assert_int_equal(pthread_create(&w.helper[i], NULL, help, &helpers[i]), 0);
	}
}

static void close_world(void)
{
	atomic_store(&w.ends, true);
	for (unsigned i = 1; i < WORKERS; i++)
		assert_int_equal(pthread_join(w.helper[i], NULL), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		fer_engine_close(w.engine[i]);
	fer_share_destroy(w.share);
	fer_key_fini(w.key, &w.suite);
	free(w.key);
}

static void make_jobs(unsigned round)
{
	unsigned around = 8u + w.suite.iv_bytes + w.suite.icv_bytes;

	for (unsigned i = 0; i < JOBS; i++) {
		// As long as can be, and a multiple of the block.
		unsigned len = around + (LEN - around) / 16 * 16;

		memset(w.plain[i], (int)(round + i), LEN);
		memcpy(w.packet[i], w.plain[i], LEN);
		w.jobs[i] = (struct fer_job){.start = w.packet[i],
			.suite = &w.suite,
			.key = w.key,
			.iv = (uint64_t)round * JOBS + i,
			.len = len,
			.verdict = FER_N_VERDICTS};
	}
}

static void assert_all(unsigned n_late)
{
	assert_int_equal(n_late, 0);
	assert_false(fer_share_has_late(w.share, OWNER));
	for (unsigned i = 0; i < JOBS; i++)
		assert_int_equal(w.jobs[i].verdict, FER_OK);
}

// What is done twice does not verify, and what is not done has no verdict.
static void check_rounds(const char *encryption, const char *integrity)
{
	open_world(encryption, integrity, FOREVER);
	for (unsigned round = 0; round < ROUNDS || atomic_load(&w.n_helped) == 0; round++) {
		unsigned text = 8u + w.suite.iv_bytes;

		make_jobs(round);
		assert_all(fer_share_run(w.share, OWNER, w.engine[OWNER], FER_OUT, w.jobs, JOBS));
		assert_memory_not_equal(w.packet[0] + text, w.plain[0] + text, 16);
		assert_all(fer_share_run(w.share, OWNER, w.engine[OWNER], FER_IN, w.jobs, JOBS));
		for (unsigned i = 0; i < JOBS; i++)
			assert_memory_equal(w.packet[i] + text, w.plain[i] + text,
				w.jobs[i].len - text - w.suite.icv_bytes);
	}
	close_world();
}

static void is_every_job_done_once(void **state)
{
	(void)state;
	check_rounds("aes-gcm-128", NULL);
	check_rounds("aes-cbc-128", "hmac-sha2-256-128");
}

static void is_little_work_kept(void **state)
{
	(void)state;
	open_world("aes-gcm-128", NULL, FOREVER);
	for (unsigned round = 0; round < 100; round++) {
		make_jobs(round);
		for (unsigned i = 0; i < JOBS; i++)
			w.jobs[i].len = 8u + w.suite.iv_bytes + w.suite.icv_bytes + 64;
		assert_all(fer_share_run(w.share, OWNER, w.engine[OWNER], FER_OUT, w.jobs, JOBS));
		make_jobs(round); // one piece, and none
		assert_int_equal(
			fer_share_run(w.share, OWNER, w.engine[OWNER], FER_OUT, w.jobs, 8), 0);
		assert_int_equal(
			fer_share_run(w.share, OWNER, w.engine[OWNER], FER_OUT, w.jobs, 0), 0);
	}
	assert_int_equal(atomic_load(&w.n_helped), 0);
	close_world();
}

// Seals until a helper hangs with a piece; returns how many jobs are late.
static unsigned run_until_late(struct rte_mbuf *m[JOBS], struct rte_mempool *pool)
{
	unsigned n_late = 0, n_seen = 0;

	for (unsigned round = 0; n_late == 0; round++) {
		make_jobs(round);
		n_late = fer_share_run(w.share, OWNER, w.engine[OWNER], FER_OUT, w.jobs, JOBS);
	}
	for (unsigned i = 0; i < JOBS; i++) {
		if (!fer_share_is_late(w.share, OWNER, i)) {
			assert_int_equal(w.jobs[i].verdict, FER_OK);
			continue;
		}
		m[n_seen] = rte_pktmbuf_alloc(pool);
		assert_non_null(m[n_seen]);
		fer_share_keep(w.share, OWNER, m[n_seen++]);
	}
	assert_int_equal(n_seen, n_late);
	return n_late;
}

static void is_nobody_waited_for_who_lost_its_cpu(void **state)
{
	static uint8_t other_packet[LEN];
	struct rte_mempool *pool = test_pool("late", 255, RTE_MBUF_DEFAULT_BUF_SIZE);
	struct rte_mbuf *m[JOBS];

	(void)state;
	for (unsigned k = 0; k < 5; k++) {
		open_world("aes-gcm-128", NULL, 1000);
		atomic_store(&shall_hang, true);
		unsigned n_late = run_until_late(m, pool);

		assert_true(atomic_load(&hangs));
		assert_int_equal(rte_mempool_in_use_count(pool), n_late);
		assert_true(fer_share_has_late(w.share, OWNER));
		// Meanwhile the owner works alone, on another list.
		struct fer_job alone = w.jobs[0];
		alone.start = other_packet;
		assert_int_equal(
			fer_share_run(w.share, OWNER, w.engine[OWNER], FER_OUT, &alone, 1), 0);
		assert_int_equal(alone.verdict, FER_OK);
		assert_int_equal(rte_mempool_in_use_count(pool), n_late);
		atomic_store(&shall_hang, false);
		while (fer_share_has_late(w.share, OWNER))
			sched_yield();
		assert_int_equal(rte_mempool_in_use_count(pool), 0);
		close_world();
	}
	rte_mempool_free(pool);
}

// --- a worker that receives -------------------------------------------------------------------

struct receiver {
	struct fer_nic nic;
	struct rte_mempool *pool;
	struct test_known sa;
	struct fer_batch batch;
};

// Makes a batch of packets of the SA, and receives it.  Returns how many are late; the others have
// been opened.
static unsigned receive(struct receiver *r)
{
	static struct test_packet packet;
	const struct test_ip ip = {.version = 4, .src = 1, .dst = 2};
	struct fer_batch *b = &r->batch;
	unsigned n_late = 0;

	for (unsigned i = 0; i < JOBS; i++) {
		test_packet_start(&packet, LEN, i);
		test_packet_put_ip(&packet, &ip, FER_PROTO_UDP);
		test_packet_put_esp(&packet, &r->sa.oracle, r->sa.sa.spi, i + 1, FER_PROTO_IPV4);
		test_packet_seal_all(&packet);
		test_packet_put_ip(&packet, &ip, FER_PROTO_ESP);
		b->m[i] = test_mbuf(r->pool, packet.bytes, packet.len);
	}
	b->n = JOBS;
	b->link = FER_LINK_RAW_IP;
	fer_batch_parse(b);
	fer_nic_receive(&r->nic, b);
	for (unsigned i = 0; i < JOBS; i++) {
		n_late += b->pkt[i].verdict == FER_LATE;
		assert_int_equal(b->m[i] == NULL, b->pkt[i].verdict == FER_LATE);
		assert_int_equal(b->round[0][i].verified, b->m[i] != NULL);
	}
	return n_late;
}

static void free_batch(struct fer_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		rte_pktmbuf_free(b->m[i]);
}

static void open_receiver(struct receiver *r)
{
	const struct test_sa sa = {.version = 4, .mode = FER_TUNNEL, .spi = 0x1000};

	open_world("aes-gcm-128", NULL, 1000);
	r->pool = test_pool("receiver", 511, RTE_MBUF_DEFAULT_BUF_SIZE);
	struct fer_sa_table *sas = test_sas_open("receiver", w.engine[OWNER]);
	r->sa = test_sa_known(sas, sa, FER_IN);
	assert_int_equal(fer_nic_init(&r->nic, sas, test_iv_fixed()), 0);
	r->nic.share = w.share;
	r->nic.share_id = OWNER;
}

static void close_receiver(struct receiver *r)
{
	struct fer_sa_table *sas = r->nic.sas;

	fer_nic_fini(&r->nic);
	close_world();
	fer_sa_table_destroy(sas);
	assert_int_equal(rte_mempool_in_use_count(r->pool), 0);
	rte_mempool_free(r->pool);
}

// What a helper has that comes back late is not made jobs of other packets meanwhile.
static void are_late_jobs_left_alone(void **state)
{
	static struct receiver r;

	(void)state;
	open_receiver(&r);
	atomic_store(&has_changed, false);
	atomic_store(&shall_hang, true);
	while (receive(&r) == 0)
		free_batch(&r.batch);
	for (unsigned k = 0; k < 3; k++) {
		free_batch(&r.batch);
		assert_int_equal(receive(&r), 0);
	}
	free_batch(&r.batch);
	atomic_store(&shall_hang, false);
	while (fer_share_has_late(w.share, OWNER))
		sched_yield();
	close_receiver(&r);
	assert_false(atomic_load(&has_changed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_every_job_done_once),
		cmocka_unit_test(is_little_work_kept),
		cmocka_unit_test(is_nobody_waited_for_who_lost_its_cpu),
		cmocka_unit_test(are_late_jobs_left_alone),
	};

	fer_test_eal_init("256");
	if (fer_oob_register() != 0)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
