// SPDX-License-Identifier: BSD-3-Clause
// Can two workers share SAs, both ways?  No number and no IV twice, no packet accepted twice, each
// worker's packets in its own order (RFC 4303 sections 3.3.3 and 3.4.3), and not one packet more
// than a lifetime allows (RFC 4301 section 4.4.2.1).
#include "base/bytes.h"
#include "crypto/engine.h"
#include "host/event.h"
#include "host/path.h"
#include "host/sink.h"
#include "nic/oob.h"
#include "sa/table.h"
#include "support/eal.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#ifdef __SANITIZE_THREAD__
#define PACKETS 4000 // of each worker
#else
#define PACKETS 60000
#endif

#define WORKERS 2
#define PAYLOAD 40 // UDP payload: who sent it, and which packet of his it is
#define INNER (20 + 8 + PAYLOAD)
#define ROOM 192 // longest sealed packet
#define WINDOW 65536

// At one place in their sequences two senders are at most PACKETS numbers apart.
static_assert(PACKETS < WINDOW, "what one worker opens is in the window of the other");

struct sealed {
	uint16_t len;
	uint8_t bytes[ROOM];
};

struct opened {
	uint32_t worker; // who sent it
	uint32_t serial;
};

struct worker {
	unsigned me;
	struct fer_path path;
	struct fer_batch batch;
	struct rte_mempool *pool;
	struct fer_outcomes outcomes;
	struct fer_events *events;
	struct sealed *sealed; // PACKETS
	struct opened *opened; // WORKERS * PACKETS at most
	uint32_t n_opened;
	const struct worker *all; // to read what everybody sealed
};

struct world {
	const char *encryption, *integrity;
	bool esn;
	uint64_t first; // last number used before
	struct fer_lifetime lifetime;
	struct fer_sa_table *sas;
	struct fer_engine *engine;
	struct fer_host_rules rules;
	const struct fer_host_rules *_Atomic published;
	struct worker workers[WORKERS];
};

static const uint8_t keys[FER_MAX_KEY_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};

static uint64_t add_sa(struct world *w, enum fer_direction direction)
{
	const struct fer_sa_params p = {
		.direction = direction,
		.mode = FER_TUNNEL,
		.spi = 0x1001,
		.group = 0,
		.src = {.bytes = {192, 0, 2, 1}, .version = 4},
		.dst = {.bytes = {192, 0, 2, 2}, .version = 4},
		.encryption = fer_algo_find(FER_ENCRYPTION, w->encryption),
		.integrity =
			w->integrity == NULL ? NULL : fer_algo_find(FER_INTEGRITY, w->integrity),
		.encryption_key = keys,
		.integrity_key = keys,
		.esn = w->esn,
		.sequence = w->first,
		.replay_window = direction == FER_IN ? WINDOW : 0,
		.outer = {.dscp = FER_DSCP_COPY, .flow_label = FER_FLOW_LABEL_COPY, .ttl = 64},
		.lifetime = w->lifetime,
	};
	uint64_t handle;
	const char *why = "";
	int error = fer_sa_add(w->sas, &p, &handle, &why);

	if (error != 0)
		fail_msg("fer_sa_add: %d %s", error, why);
	return handle;
}

// A table with one SA, and workers on it.  Returns the SA.
static struct fer_sa *open_world(struct world *w, enum fer_direction direction)
{
	int error;

	w->engine = fer_engine_open(fer_iv_system(), &error);
	assert_non_null(w->engine);
	w->sas = fer_sa_table_create(
		&(struct fer_sa_table_params){
			.name = "threads", .capacity = 4, .n_groups = 1, .ivs = fer_iv_system()},
		w->engine, &error);
	assert_non_null(w->sas);
	uint64_t handle = add_sa(w, direction);
	w->rules.only_sa = direction == FER_OUT ? handle : 0;
	atomic_init(&w->published, &w->rules);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *k = &w->workers[i];
		const struct fer_path_params params = {
			.sas = w->sas,
			.pool = k->pool,
			.ivs = fer_iv_system(),
			.rules = &w->published,
			.reassembly = {.n_datagrams = 16, .timeout_ticks = UINT64_MAX / 2},
			.events = k->events,
		};
		assert_int_equal(fer_path_init(&k->path, &params), 0);
	}
	return fer_sa_get(w->sas, handle);
}

static void close_world(struct world *w)
{
	for (unsigned i = 0; i < WORKERS; i++)
		fer_path_fini(&w->workers[i].path);
	fer_sa_table_destroy(w->sas);
	fer_engine_close(w->engine);
}

static void run_workers(struct world *w, void *(*job)(void *))
{
	pthread_t threads[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, job, &w->workers[i]), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void write_plain(uint8_t *ip, uint32_t worker, uint32_t serial)
{
	const struct fer_addr src = {.bytes = {10, 1, 0, 1}, .version = 4};
	const struct fer_addr dst = {.bytes = {10, 2, 0, 1}, .version = 4};

	memset(ip, 0, INNER);
	fer_ip_write(ip, &(struct fer_ip_header){.src = &src,
				 .dst = &dst,
				 .len = INNER,
				 .ttl = 64,
				 .protocol = FER_PROTO_UDP});
	fer_store_be16(ip + 24, INNER - 20);
	fer_store_be32(ip + 28, worker);
	fer_store_be32(ip + 32, serial);
}

// Bursts of 1 to 32, so that groups of all sizes meet.
static unsigned burst_of(unsigned done, unsigned left)
{
	unsigned n = 1 + done * 2654435761u % 32;

	return n < left ? n : left;
}

static void *seal_all(void *arg)
{
	struct worker *k = arg;
	struct rte_mbuf *out[FER_BATCH_MAX];

	for (unsigned done = 0; done < PACKETS;) {
		struct fer_batch *b = &k->batch;
		unsigned n = burst_of(done, PACKETS - done);

		b->n = (uint16_t)n;
		for (unsigned i = 0; i < n; i++) {
			b->m[i] = rte_pktmbuf_alloc(k->pool);
			write_plain((uint8_t *)rte_pktmbuf_append(b->m[i], INNER), k->me, done + i);
		}
		fer_path_out(&k->path, b);
		unsigned n_out = fer_sink(b, &k->outcomes, out);
		for (unsigned i = 0; i < n_out; i++) {
			struct sealed *s = &k->sealed[done + i];
			s->len = (uint16_t)out[i]->pkt_len;
			memcpy(s->bytes, rte_pktmbuf_mtod(out[i], void *), s->len);
			rte_pktmbuf_free(out[i]);
		}
		done += n;
	}
	return NULL;
}

// Every worker opens everything that everybody sealed, so each packet is offered WORKERS times.
static void *open_all(void *arg)
{
	struct worker *k = arg;
	struct rte_mbuf *out[FER_BATCH_MAX];
	uint64_t timed_out = 0;

	for (unsigned done = 0; done < WORKERS * PACKETS;) {
		struct fer_batch *b = &k->batch;
		unsigned n = burst_of(done, WORKERS * PACKETS - done);

		b->n = (uint16_t)n;
		for (unsigned i = 0; i < n; i++) {
			unsigned at = done + i;
			const struct sealed *s = &k->all[at % WORKERS].sealed[at / WORKERS];
			b->m[i] = rte_pktmbuf_alloc(k->pool);
			memcpy(rte_pktmbuf_append(b->m[i], s->len), s->bytes, s->len);
		}
		fer_path_in(&k->path, b, 0, &timed_out);
		unsigned n_out = fer_sink(b, &k->outcomes, out);
		for (unsigned i = 0; i < n_out; i++) {
			const uint8_t *ip = rte_pktmbuf_mtod(out[i], const uint8_t *);
			k->opened[k->n_opened++] =
				(struct opened){fer_load_be32(ip + 28), fer_load_be32(ip + 32)};
			rte_pktmbuf_free(out[i]);
		}
		done += n;
	}
	return NULL;
}

static int by_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

// Sorts n numbers and fails on one that stands there twice.
static void assert_unique(uint64_t *v, size_t n, const char *what)
{
	qsort(v, n, sizeof(*v), by_u64);
	for (size_t i = 1; i < n; i++)
		if (v[i] == v[i - 1])
			fail_msg("%s %016llx twice", what, (unsigned long long)v[i]);
}

static void check_sealed(struct world *w)
{
	size_t n = (size_t)WORKERS * PACKETS;
	uint64_t *seqs = calloc(n, sizeof(*seqs)), *ivs = calloc(n, sizeof(*ivs));

	for (unsigned k = 0; k < WORKERS; k++) {
		assert_int_equal(w->workers[k].outcomes.packets[FER_OK], PACKETS);
		for (unsigned i = 0; i < PACKETS; i++) {
			const uint8_t *ip = w->workers[k].sealed[i].bytes;
			uint32_t lo = fer_load_be32(ip + 24);
			// Numbers past 2^32 come back to small low halves.
			uint64_t seq = lo + (lo < (uint32_t)w->first ? UINT64_C(1) << 32 : 0);
			seqs[k * PACKETS + i] = seq;
			ivs[k * PACKETS + i] = fer_load_be64(ip + 28);
			// Order within a worker.
			assert_true(i == 0 || seqs[k * PACKETS + i - 1] < seq);
		}
	}
	assert_unique(seqs, n, "sequence number");
	assert_unique(ivs, n, "IV");
	assert_true(seqs[0] == w->first + 1 && seqs[n - 1] == w->first + n);
	free(seqs);
	free(ivs);
}

static void check_opened(struct world *w)
{
	static uint32_t accepted[WORKERS][PACKETS / 32 + 1]; // a bit per packet
	size_t n_all = 0;
	uint64_t n_refused = 0;

	memset(accepted, 0, sizeof(accepted));
	for (unsigned k = 0; k < WORKERS; k++) {
		uint32_t next[WORKERS] = {0}; // of each sender, what may come next

		for (uint32_t i = 0; i < w->workers[k].n_opened; i++) {
			struct opened o = w->workers[k].opened[i];

			assert_true(o.worker < WORKERS && o.serial < PACKETS);
			assert_true(o.serial >= next[o.worker]);
			next[o.worker] = o.serial + 1;
			uint32_t bit = UINT32_C(1) << o.serial % 32;
			if (accepted[o.worker][o.serial / 32] & bit)
				fail_msg("packet %u of worker %u accepted twice", o.serial,
					o.worker);
			accepted[o.worker][o.serial / 32] |= bit;
		}
		n_all += w->workers[k].n_opened;
		n_refused += w->workers[k].outcomes.packets[FER_REPLAY];
		// A worker that was away so long that its packets are left of the window: with ESN
		// their numbers count as those of the next subspace (RFC 4303 appendix A2.2).
		if (w->esn)
			n_refused += w->workers[k].outcomes.packets[FER_BAD_ICV];
	}
	// Offered WORKERS times each, accepted once; what a descheduled worker left behind the
	// window was accepted from the other one.
	assert_int_equal(n_all, WORKERS * PACKETS);
	assert_int_equal(n_refused, (WORKERS - 1) * WORKERS * PACKETS);
}

static struct world *make_world(const char *encryption, const char *integrity)
{
	struct world *w = calloc(1, sizeof(*w));

	w->encryption = encryption;
	w->integrity = integrity;
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *k = &w->workers[i];
		char name[16];

		snprintf(name, sizeof(name), "worker %u", i);
		k->me = i;
		k->all = w->workers;
		k->batch.link = FER_LINK_RAW_IP;
		k->pool = rte_pktmbuf_pool_create(
			name, 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
		k->sealed = calloc(PACKETS, sizeof(*k->sealed));
		k->opened = calloc((size_t)WORKERS * PACKETS, sizeof(*k->opened));
		k->events = fer_events_create(1024, UINT64_C(1) << 40);
		assert_non_null(k->pool);
	}
	return w;
}

static void free_world(struct world *w)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(rte_mempool_in_use_count(w->workers[i].pool), 0);
		rte_mempool_free(w->workers[i].pool);
		fer_events_destroy(w->workers[i].events);
		free(w->workers[i].sealed);
		free(w->workers[i].opened);
	}
	free(w);
}

static void share(const char *encryption, const char *integrity, bool esn, uint64_t first)
{
	struct world *w = make_world(encryption, integrity);

	w->esn = esn;
	w->first = first;
	open_world(w, FER_OUT);
	run_workers(w, seal_all);
	check_sealed(w);
	close_world(w);

	for (unsigned i = 0; i < WORKERS; i++)
		w->workers[i].outcomes = (struct fer_outcomes){0};
	open_world(w, FER_IN);
	run_workers(w, open_all);
	check_opened(w);
	close_world(w);
	free_world(w);
}

static void two_workers_share_an_aead_sa(void **state)
{
	(void)state;
	share("aes-gcm-128", NULL, false, 0);
}

static void two_workers_share_an_aead_sa_across_the_wrap(void **state)
{
	(void)state;
	share("aes-gcm-256", NULL, true, UINT32_MAX - PACKETS);
}

static void two_workers_share_a_cipher_and_hmac_sa(void **state)
{
	(void)state;
	share("aes-cbc-128", "hmac-sha1-96", true, UINT32_MAX - PACKETS);
}

// Packets of all workers that ended so.
static uint64_t n_ended(const struct world *w, enum fer_verdict v)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		n += w->workers[i].outcomes.packets[v];
	return n;
}

// Each end is told once, whichever worker came to it.
static void check_told_once(struct world *w)
{
	unsigned n[FER_N_EVENTS] = {0};
	struct fer_event e;

	for (unsigned i = 0; i < WORKERS; i++)
		while (fer_events_get(w->workers[i].events, &e))
			n[e.kind]++;
	assert_int_equal(n[FER_EVENT_SOFT_LIFETIME], 1);
	assert_int_equal(n[FER_EVENT_HARD_LIFETIME], 1);
}

// Behind the limit nothing leaves and no number is taken; what left is then received by workers on
// an SA that lives half as long.
static void two_workers_share_a_lifetime(void **state)
{
	uint64_t all = (uint64_t)WORKERS * PACKETS, hard = all - all / 5 + 7;
	struct world *w = make_world("aes-gcm-128", NULL);

	(void)state;
	w->lifetime = (struct fer_lifetime){.soft_bytes = all / 3 * INNER, .hard_packets = hard};
	const struct fer_sa *sa = open_world(w, FER_OUT);
	run_workers(w, seal_all);
	assert_int_equal(n_ended(w, FER_OK), hard);
	assert_int_equal(n_ended(w, FER_EXPIRED), all - hard);
	assert_int_equal(fer_sa_drops(w->sas, sa, FER_EXPIRED), all - hard);
	assert_int_equal(fer_seq_packets(&sa->out.seq), hard);
	assert_int_equal(fer_seq_bytes(&sa->out.seq), hard * INNER);
	assert_int_equal(fer_seq_last(&sa->out.seq), hard);
	check_told_once(w);
	close_world(w);

	for (unsigned i = 0; i < WORKERS; i++)
		w->workers[i].outcomes = (struct fer_outcomes){0};
	w->lifetime = (struct fer_lifetime){.soft_packets = 1, .hard_bytes = hard / 2 * INNER};
	sa = open_world(w, FER_IN);
	run_workers(w, open_all);
	assert_int_equal(n_ended(w, FER_OK), hard / 2);
	assert_int_equal(sa->in.packets, hard / 2);
	assert_int_equal(sa->in.bytes, hard / 2 * INNER);
	assert_true(n_ended(w, FER_EXPIRED) > 0);
	check_told_once(w);
	close_world(w);
	free_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_workers_share_an_aead_sa),
		cmocka_unit_test(two_workers_share_an_aead_sa_across_the_wrap),
		cmocka_unit_test(two_workers_share_a_cipher_and_hmac_sa),
		cmocka_unit_test(two_workers_share_a_lifetime),
	};

	fer_test_eal_init("256");
	if (fer_oob_register() != 0)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
