// SPDX-License-Identifier: BSD-3-Clause
#include "two_pairs.h"

#include "crypto/engine.h"
#include "nic/oob.h"
#include "support/mbufs.h"

#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_rcu_qsbr.h>

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define N_MBUFS 8191
#define PATIENCE_MS 10000

static const char *const ends[N_ENDS] = {"east", "west"};

void two_pairs_eal(unsigned n_workers, const char *option)
{
	char lcores[256] = "";
	size_t len = 0;
	int cpu = 0;
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		while (!CPU_ISSET(cpu, &cpus))
			cpu++;
	for (unsigned i = 0; i <= n_workers; i++)
		len += (size_t)snprintf(
			lcores + len, sizeof(lcores) - len, "%s%u@%d", i == 0 ? "" : ",", i, cpu);
	static char args[][32] = {"test", "--no-huge", "-m", "512", "--no-pci", "--no-telemetry",
		"--no-shconf", "--log-level=*:error", "--lcores"};
	enum { N = sizeof(args) / sizeof(args[0]) };
	static char last[64];
	char *argv[N + 3] = {NULL};

	for (unsigned i = 0; i < N; i++)
		argv[i] = args[i];
	argv[N] = lcores;
	if (option != NULL) {
		snprintf(last, sizeof(last), "%s", option);
		argv[N + 1] = last;
	}
	if (rte_eal_init(option == NULL ? N + 1 : N + 2, argv) < 0 || fer_oob_register() != 0) {
		fputs("the EAL does not start\n", stderr);
		exit(EXIT_FAILURE);
	}
}

static struct rte_ring *make_ring(const char *name, enum end end, unsigned n)
{
	char full[32];

	snprintf(full, sizeof(full), "%s-%s", name, ends[end]);
	struct rte_ring *r = rte_ring_create(full, n, SOCKET_ID_ANY, 0);
	assert_non_null(r);
	return r;
}

static void make_port(
	enum end end, const char *side, struct rte_ring *receive, struct rte_ring *send)
{
	char name[32];
	struct rte_ring *rx[] = {receive, receive}, *tx[] = {send, send};

	snprintf(name, sizeof(name), "%s_%s", ends[end], side);
	assert_true(rte_eth_from_rings(name, rx, 2, tx, 2, 0) >= 0);
}

// Two queues of a port share a ring: which of them carries a packet does not matter here.
static void make_ports(struct two_pairs *t, unsigned ring)
{
	struct rte_ring *wire[N_ENDS]; // by the end that receives

	for (enum end e = EAST; e <= WEST; e++) {
		t->host[e].in = make_ring("in", e, RTE_MAX(ring, 1024u));
		t->host[e].out = make_ring("out", e, ring);
		wire[e] = make_ring("wire", e, RTE_MAX(ring, 1024u));
		make_port(e, "host", t->host[e].in, t->host[e].out);
	}
	make_port(EAST, "wire", wire[EAST], wire[WEST]);
	make_port(WEST, "wire", wire[WEST], wire[EAST]);
}

static void make_qsbr(struct two_pairs *t, unsigned n_workers)
{
	size_t size = rte_rcu_qsbr_get_memsize(n_workers);

	t->qsbr = aligned_alloc(64, RTE_ALIGN_CEIL(size, (size_t)64));
	assert_non_null(t->qsbr);
	assert_int_equal(rte_rcu_qsbr_init(t->qsbr, n_workers), 0);
	fer_grace_init(&t->grace, t->qsbr);
}

static void open_pairs(struct two_pairs *t, unsigned n_workers)
{
	struct fer_doc_error err = {.text = ""};

	for (unsigned i = 0; i < N_ENDS; i++) {
		const struct fer_pair_params p = {.number = i,
			.n_workers = n_workers,
			.engine = t->engine,
			.ivs = fer_iv_system(),
			.qsbr = t->qsbr,
			.grace = &t->grace,
			.beside = i == 0 ? NULL : &t->pair[i - 1]};

		if (fer_pair_open(&t->pair[i], t->doc, &p, &err) != 0 ||
			fer_pair_load(&t->pair[i], t->doc, &err) != 0 ||
			fer_pair_start(&t->pair[i], t->doc, &err) != 0)
			fail_msg("%s", err.text);
	}
}

void two_pairs_open(struct two_pairs *t, const char *document, unsigned n_workers, unsigned ring)
{
	struct fer_doc_error err = {.text = ""};
	char why[160];
	int error;

	*t = (struct two_pairs){0};
	if (fer_doc_load_bytes("t.yaml", document, strlen(document), &t->doc, &err) != 0)
		fail_msg("%s", err.text);
	t->pool = test_pool("two-pairs", N_MBUFS, RTE_MBUF_DEFAULT_BUF_SIZE);
	t->engine = fer_engine_open(fer_iv_system(), &error);
	assert_non_null(t->engine);
	make_ports(t, ring);
	make_qsbr(t, n_workers);
	open_pairs(t, n_workers);
	const struct fer_workers_params p = {.pairs = t->pair,
		.n_pairs = N_ENDS,
		.n_workers = n_workers,
		.naps = true,
		.share_patience_ns = UINT32_MAX, // nothing is to get lost
		.qsbr = t->qsbr,
		.ivs = fer_iv_system()};
	if (fer_workers_create(&t->workers, &p, why) != 0)
		fail_msg("%s", why);
}

void two_pairs_start(struct two_pairs *t)
{
	assert_int_equal(fer_workers_start(&t->workers), 0);
}

static void remove_port(enum end end, const char *side)
{
	char name[32];

	snprintf(name, sizeof(name), "net_ring_%s_%s", ends[end], side);
	assert_int_equal(rte_vdev_uninit(name), 0);
}

static void free_ring(struct rte_ring *r)
{
	void *m;

	while (rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

void two_pairs_close(struct two_pairs *t)
{
	char name[32];

	assert_true(fer_workers_join(&t->workers));
	fer_workers_destroy(&t->workers);
	fer_grace_fini(&t->grace);
	for (enum end e = EAST; e <= WEST; e++) {
		free_ring(t->host[e].in);
		free_ring(t->host[e].out);
		snprintf(name, sizeof(name), "wire-%s", ends[e]);
		free_ring(rte_ring_lookup(name));
	}
	for (enum end e = EAST; e <= WEST; e++) {
		fer_pair_close(&t->pair[e]);
		remove_port(e, "host");
		remove_port(e, "wire");
	}
	fer_engine_close(t->engine);
	fer_doc_destroy(t->doc);
	free(t->qsbr);
	rte_mempool_free(t->pool);
}

#define SA(end, direction, src, dst, spi, key)                                                     \
	"- {name: " end "-" direction ", group: g, pair: " end ", direction: " direction           \
	", mode: tunnel, src: " src ", dst: " dst ", esp: {spi: " spi                              \
	", encryption: aes-gcm-128, encryption_key: " key                                          \
	"000102030405060708090a0b0c0d0e0f1011}}\n"
#define POLICY(end, direction)                                                                     \
	"- {name: " end "-" direction ", pair: " end ", direction: " direction                     \
	", src: any, dst: any, action: protect, sas: [g]}\n"
#define PAIR(end)                                                                                  \
	"- {name: " end ", host: {port: net_ring_" end "_host}, wire: {port: net_ring_" end "_wir" \
	"e}"

const char *two_pairs_document(const char *more)
{
	static char text[4096];

	snprintf(text, sizeof(text), "pairs:\n" PAIR("east") "%s}\n" PAIR("west") "%s}\n%s", more,
		more,
		"sas:\n" SA("east", "out", "198.51.100.1", "198.51.100.2", "0x1001", "e002")
			SA("east", "in", "198.51.100.2", "198.51.100.1", "0x1002", "e001")
				SA("west", "out", "198.51.100.2", "198.51.100.1", "0x1002", "e001")
					SA("west", "in", "198.51.100.1", "198.51.100.2", "0x1001",
						"e002") "policies:\n" POLICY("east", "out")
						POLICY("east", "in") POLICY("west", "out")
							POLICY("west", "in"));
	return text;
}

void two_pairs_put(
	struct two_pairs *t, enum end end, const uint8_t *bytes, uint32_t len, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(
			rte_ring_enqueue(t->host[end].in, test_mbuf(t->pool, bytes, len)), 0);
}

static void doze(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	nanosleep(&ms, NULL);
}

unsigned two_pairs_take(
	struct two_pairs *t, enum end end, const uint8_t *bytes, uint32_t len, unsigned n)
{
	unsigned taken = 0;
	void *m;

	for (unsigned ms = 0; taken < n && ms < PATIENCE_MS; ms++) {
		while (taken < n && rte_ring_dequeue(t->host[end].out, &m) == 0) {
			if (bytes != NULL)
				test_assert_bytes(m, bytes, len);
			rte_pktmbuf_free(m);
			taken++;
		}
		if (taken < n)
			doze();
	}
	return taken;
}

struct fer_port_counters two_pairs_count(
	const struct two_pairs *t, enum end end, enum fer_side side)
{
	struct fer_port_counters sum = {0};

	for (unsigned w = 0; w < t->workers.n; w++)
		fer_workers_count(&t->workers, w, end, side, &sum);
	return sum;
}

// Outcomes are counted behind the packets, in the same round of a worker, which may have lost its
// CPU in between.  When it has begun two more, that one is over.
static void await_round(const struct fer_worker *w)
{
	uint64_t beat = atomic_load(&w->beat);

	for (unsigned ms = 0; atomic_load(&w->beat) - beat < 2 && ms < PATIENCE_MS; ms++)
		doze();
}

struct fer_port_counters two_pairs_await(
	const struct two_pairs *t, enum end end, enum fer_side side, uint64_t n)
{
	struct fer_port_counters sum = two_pairs_count(t, end, side);

	for (unsigned ms = 0; sum.rx_packets < n && ms < PATIENCE_MS; ms++) {
		doze();
		sum = two_pairs_count(t, end, side);
	}
	for (unsigned w = 0; w < t->workers.n; w++)
		await_round(&t->workers.worker[w]);
	return two_pairs_count(t, end, side);
}
