// SPDX-License-Identifier: BSD-3-Clause
// What do ports cost a packet, and what does a whole worker add to them beyond its path?
//
// One thread plays the host, the box and the peer in turns, so no wake-up and no second CPU is in
// the figures: both ends of each port are in this process, and only the box is timed.
//
//   rx, tx  a burst received and sent on as it is, which is what testpmd does in its mode io
//   path    the same burst through the path of an appliance that encrypts, without ports
//   whole   the same burst through a worker of ferruled
//
// The three are measured in turns; whole / (rx + tx + path) says what the worker adds.
#include "ferruled/environment.h"
#include "ferruled/worker.h"

#include "common/load.h"
#include "crypto/engine.h"
#include "crypto/iv.h"

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_rcu_qsbr.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BURST 32
#define N_REPEATS 20000
#define N_BUFFERS 16383
#define LINK_BYTES 14
#define WAIT_US 5000000
#define N_ENDS 4 // of two links: box and host, box and peer

static const char document[] =
	"{\"sas\": [{\"name\": \"out\", \"direction\": \"out\", \"mode\": \"tunnel\","
	" \"src\": \"192.0.2.1\", \"dst\": \"198.51.100.1\", \"esp\": {\"spi\": 4097,"
	" \"encryption\": \"aes-gcm-128\","
	" \"encryption_key\": \"000102030405060708090a0b0c0d0e0f10111213\"}}],"
	" \"policies\": [{\"name\": \"out\", \"direction\": \"out\", \"src\": \"any\","
	" \"dst\": \"any\", \"action\": \"protect\", \"sas\": [\"out\"]}]}";

// Devices of a kind of ports: the box's, then what it is tied to.  %u is the link, %s a folder, or
// what the names of interfaces begin with.
static const struct kind {
	const char *name;
	const char *port[2];
	const char *device[2];
} kinds[] = {
	{"memif", {"net_memif%u", "net_memif1%u"},
		{"net_memif%u,role=server,socket=%s/memif%u,socket-abstract=no",
			"net_memif1%u,role=client,socket=%s/memif%u,socket-abstract=no"}},
	{"vhost", {"eth_vhost%u", "net_virtio_user%u"},
		{"eth_vhost%u,queues=1,iface=%s/vhost%u",
			"net_virtio_user%u,queues=1,path=%s/vhost%u"}},
	{"af_packet", {"net_af_packet%u", "net_af_packet1%u"},
		{"net_af_packet%u,iface=%sb%u", "net_af_packet1%u,iface=%sh%u"}},
	{"tap", {"net_tap%u", "net_af_packet1%u"},
		{"net_tap%u,iface=%sb%u", "net_af_packet1%u,iface=%sb%u"}},
};

enum end { BOX_HOST, HOST, BOX_WIRE, PEER };

struct bench {
	const struct kind *kind;
	const char *where;
	uint32_t size;
	struct rte_mempool *pool;
	struct fer_port port[N_ENDS];
	struct fer_doc *doc;
	struct fer_engine *engine;
	struct fer_sa_table *sas;
	struct fer_policies *policies;
	uint64_t handle;
	struct fer_host_rules rules;
	const struct fer_host_rules *_Atomic published;
	struct fer_path path;
	struct fer_lane lane;
	struct fer_port_counters counters[FER_N_SIDES];
	struct fer_worker worker;
	struct fer_batch batch;
	struct fer_outcomes outcomes;
	uint8_t frame[LINK_BYTES + FER_DOC_MTU_MAX];
};

__attribute__((noreturn)) static void die(const char *what, const char *why)
{
	fprintf(stderr, "ports: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

// --- set-up -----------------------------------------------------------------------------------

static void open_end(struct bench *b, enum end end)
{
	struct fer_doc_port doc = {.mtu = RTE_ETHER_MTU};
	struct fer_port_error why;
	unsigned link = end / 2;
	char device[300];

	snprintf(device, sizeof(device), b->kind->device[end % 2], link, b->where, link);
	snprintf(doc.name, sizeof(doc.name), b->kind->port[end % 2], link);
	if (rte_dev_probe(device) != 0)
		die(device, "cannot be made");
	if (fer_port_find(&b->port[end], &doc, 1, false, &why) != 0 ||
		fer_port_set_up(&b->port[end], b->pool, &why) != 0 ||
		fer_port_start(&b->port[end], &why) != 0)
		die(device, why.why);
}

static void wait_for_links(struct bench *b)
{
	for (unsigned us = 0; us < WAIT_US; us += 1000) {
		unsigned up = 0;

		for (unsigned i = 0; i < N_ENDS; i++) {
			(void)fer_port_watch(&b->port[i]);
			up += b->port[i].link == FER_PORT_UP;
		}
		if (up == N_ENDS)
			return;
		rte_delay_us_sleep(1000);
	}
	die(b->kind->name, "no link");
}

static void open_path(struct bench *b)
{
	struct fer_doc_error err = {.text = "no memory"};
	int rc;

	b->engine = fer_engine_open(fer_iv_system(), &rc);
	if (b->engine == NULL ||
		fer_doc_load_bytes("document", document, sizeof(document) - 1, &b->doc, &err) != 0)
		die("document", err.text);
	b->sas = fer_sa_table_create(
		&(struct fer_sa_table_params){
			.name = "ports", .capacity = 1, .n_groups = 1, .ivs = fer_iv_system()},
		b->engine, &rc);
	if (b->sas == NULL || fer_load_sas(b->sas, b->doc, 0, &b->handle, &err) != 0 ||
		fer_load_policies(b->doc, 0, &b->policies, &err) != 0)
		die("document", err.text);
	b->rules.policies = b->policies;
	atomic_init(&b->published, &b->rules);
	const struct fer_path_params params = {.sas = b->sas,
		.pool = b->pool,
		.ivs = fer_iv_system(),
		.rules = &b->published,
		.reassembly = {.n_datagrams = 1, .timeout_ticks = 1}};
	if (fer_path_init(&b->path, &params) != 0)
		die("path", "no memory");
}

static void open_worker(struct bench *b)
{
	struct fer_worker *w = &b->worker;
	size_t size = rte_rcu_qsbr_get_memsize(1);

	w->qsbr = aligned_alloc(64, RTE_ALIGN_CEIL(size, (size_t)64));
	if (w->qsbr == NULL || rte_rcu_qsbr_init(w->qsbr, 1) != 0)
		die("worker", "no memory");
	rte_rcu_qsbr_thread_register(w->qsbr, 0);
	rte_rcu_qsbr_thread_online(w->qsbr, 0);
	b->lane = (struct fer_lane){.path = &b->path,
		.port = {&b->port[BOX_HOST], &b->port[BOX_WIRE]},
		.counters = {&b->counters[0], &b->counters[1]}};
	for (unsigned i = 0; i < FER_N_SIDES; i++)
		fer_intake_init(&b->lane.intake[i], b->pool, FER_LINK_ETHERNET);
	w->lanes = &b->lane;
	w->n_lanes = 1;
	w->batch.link = b->batch.link = FER_LINK_ETHERNET;
}

static void make_frame(struct bench *b)
{
	static const uint8_t ether[LINK_BYTES] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
	static const struct fer_addr src = {.version = 4, .bytes = {10, 1, 0, 1}};
	static const struct fer_addr dst = {.version = 4, .bytes = {10, 2, 0, 1}};
	const struct fer_ip_header header = {
		.src = &src, .dst = &dst, .len = b->size, .ttl = 64, .protocol = FER_PROTO_UDP};
	uint8_t *udp = b->frame + LINK_BYTES + FER_IPV4_HEADER_BYTES;

	memcpy(b->frame, ether, LINK_BYTES);
	fer_ip_write(b->frame + LINK_BYTES, &header);
	fer_store_be16(udp, 1024);
	fer_store_be16(udp + 2, 1025);
	fer_store_be16(udp + 4, (uint16_t)(b->size - FER_IPV4_HEADER_BYTES));
}

// --- measuring --------------------------------------------------------------------------------

static void make_burst(struct bench *b, struct rte_mbuf *m[BURST])
{
	if (rte_pktmbuf_alloc_bulk(b->pool, m, BURST) != 0)
		die("packets", "no buffers");
	for (unsigned i = 0; i < BURST; i++) {
		m[i]->data_len = (uint16_t)(LINK_BYTES + b->size);
		m[i]->pkt_len = m[i]->data_len;
		memcpy(rte_pktmbuf_mtod(m[i], void *), b->frame, LINK_BYTES + b->size);
	}
}

// The host sends a burst, the peer throws away what there is.
static void feed(struct bench *b)
{
	struct rte_mbuf *m[BURST];
	uint16_t n;

	make_burst(b, m);
	n = rte_eth_tx_burst(b->port[HOST].id, 0, m, BURST);
	rte_pktmbuf_free_bulk(m + n, BURST - n);
	while ((n = rte_eth_rx_burst(b->port[PEER].id, 0, m, BURST)) > 0)
		rte_pktmbuf_free_bulk(m, n);
}

enum figure { RX, TX, PATH, WHOLE, N_FIGURES };

struct samples {
	unsigned n;
	double ticks[N_REPEATS];
};

static struct samples samples[N_FIGURES];

static void note(enum figure figure, uint64_t ticks, unsigned n)
{
	struct samples *s = &samples[figure];

	if (n == BURST && s->n < N_REPEATS)
		s->ticks[s->n++] = (double)ticks / BURST;
}

static void measure_io(struct bench *b)
{
	struct rte_mbuf *m[FER_WORKER_BURST], *other[FER_WORKER_BURST];

	feed(b);
	uint64_t start = rte_rdtsc_precise();
	uint16_t n = rte_eth_rx_burst(b->port[BOX_HOST].id, 0, m, FER_WORKER_BURST);
	uint16_t n_other = rte_eth_rx_burst(b->port[BOX_WIRE].id, 0, other, FER_WORKER_BURST);
	uint64_t middle = rte_rdtsc_precise();
	uint16_t sent = rte_eth_tx_burst(b->port[BOX_WIRE].id, 0, m, n);
	uint64_t end = rte_rdtsc_precise();

	rte_pktmbuf_free_bulk(m + sent, n - sent);
	rte_pktmbuf_free_bulk(other, n_other);
	note(RX, middle - start, n);
	note(TX, end - middle, sent);
}

static void measure_path(struct bench *b)
{
	struct rte_mbuf *m[BURST];

	make_burst(b, b->batch.m);
	b->batch.n = BURST;
	uint64_t start = rte_rdtsc_precise();
	fer_path_out(&b->path, &b->batch);
	unsigned n = fer_sink(&b->batch, &b->outcomes, m);
	uint64_t end = rte_rdtsc_precise();

	rte_pktmbuf_free_bulk(m, n);
	note(PATH, end - start, n);
}

static void measure_whole(struct bench *b)
{
	feed(b);
	uint64_t start = rte_rdtsc_precise();
	unsigned n = fer_worker_round(&b->worker);
	uint64_t end = rte_rdtsc_precise();

	note(WHOLE, end - start, n);
	rte_rcu_qsbr_quiescent(b->worker.qsbr, 0);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(enum figure figure)
{
	struct samples *s = &samples[figure];

	qsort(s->ticks, s->n, sizeof(s->ticks[0]), compare);
	return s->n == 0 ? 0 : s->ticks[s->n / 2];
}

static void measure(struct bench *b, uint32_t size, double seconds)
{
	uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());

	b->size = size;
	make_frame(b);
	for (unsigned i = 0; i < N_FIGURES; i++)
		samples[i].n = 0;
	while (rte_rdtsc() < end && samples[WHOLE].n < N_REPEATS) {
		measure_io(b);
		measure_whole(b);
		measure_path(b);
	}
	double rx = median(RX), tx = median(TX), path = median(PATH), whole = median(WHOLE);

	printf("| %s | %u | %.0f | %.0f | %.0f | %.0f | %.2f |\n", b->kind->name, size, rx, tx,
		path, whole, whole / (rx + tx + path));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static char options[][20] = {
		"--no-huge", "-m512", "--no-pci", "--no-telemetry", "--no-shconf"};
	static const uint32_t sizes[] = {64, 512, 1420};
	static const struct fer_doc nothing;
	static struct bench b;
	struct fer_environment environment;
	char *eal[RTE_DIM(options)], error[640];

	for (unsigned i = 0; argc == 4 && i < RTE_DIM(kinds); i++)
		if (strcmp(argv[1], kinds[i].name) == 0)
			b.kind = &kinds[i];
	if (b.kind == NULL) {
		fputs("usage: ports memif|vhost|af_packet|tap FOLDER|INTERFACES SECONDS\n", stderr);
		return 2;
	}
	b.where = argv[2];
	for (unsigned i = 0; i < RTE_DIM(options); i++)
		eal[i] = options[i];
	if (fer_environment_start(&environment, RTE_DIM(options), eal, &nothing, error) != 0)
		die("EAL", error);
	b.pool = rte_pktmbuf_pool_create(
		"ports", N_BUFFERS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (b.pool == NULL)
		die("packets", "no memory");
	for (unsigned i = 0; i < N_ENDS; i++)
		open_end(&b, (enum end)i);
	wait_for_links(&b);
	open_path(&b);
	open_worker(&b);
	for (unsigned i = 0; i < RTE_DIM(sizes); i++)
		measure(&b, sizes[i], atof(argv[3]));
	_exit(EXIT_SUCCESS); // drivers with both ends in one process may not survive their peer
}
