// SPDX-License-Identifier: BSD-3-Clause
// Does every packet go by its own association, and come to it?  Of up to a million associations
// each stamps its number into what it carries: packets at random leave in bursts through one end,
// and come in at another.  On the wire a packet must have the SPI and the destination of its
// number; behind the other end it must have come over the association with that number, and hold
// the stamp. Between bursts associations are removed and added again, under the indices of each
// other.
//
// SPIs are shared by neighbours, and of half of the associations the key is shared by all, so that
// a right integrity value proves nothing.
//
//   delivery [--sas N] [--packets N] [--seconds S] [--seed N]
#include "rng.h"

#include "base/bytes.h"
#include "host/path.h"
#include "host/sink.h"
#include "nic/oob.h"
#include "support/eal.h"
#include "support/iv_fixed.h"

#include "crypto/engine.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_SAS (1u << 20)
#define N_DST 4 // associations with one SPI
#define FIRST_SPI 256u
#define L2_BYTES 14
#define INNER_BYTES 60
#define STAMP_OFF 40    // in the inner packet
#define CHANGE_EVERY 16 // bursts

struct side {
	struct fer_sa_table *sas;
	struct fer_host_rules rules;
	const struct fer_host_rules *_Atomic published;
	struct fer_path path;
	uint64_t *handle; // by number; 0: it is removed
};

static struct side sides[2]; // by direction
static struct rte_mempool *pool;
static struct fer_engine *engine;
static uint32_t n_sas = 1 << 16;
static uint64_t n_packets, n_replaced;

__attribute__((noreturn)) static void fail(const char *what, uint32_t number, uint64_t is)
{
	fprintf(stderr, "association %" PRIu32 ": %s (%" PRIu64 ")\n", number, what, is);
	exit(EXIT_FAILURE);
}

// --- associations -------------------------------------------------------------------------------

static uint32_t spi_of(uint32_t number)
{
	return FIRST_SPI + number / N_DST;
}

static uint8_t version_of(uint32_t number)
{
	return number % N_DST < 3 ? 4 : 6;
}

static struct fer_addr end_of(uint32_t number, uint8_t last)
{
	struct fer_addr a = {.version = 4, .bytes = {192, 0, 2, last}};

	if (version_of(number) == 6)
		a = (struct fer_addr){.version = 6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = last}};
	return a;
}

static struct fer_addr dst_of(uint32_t number)
{
	return end_of(number, (uint8_t)(10 + number % N_DST));
}

// One half has a salt of its own each, the other half has all in common.
static bool has_own_key(uint32_t number)
{
	return number / N_DST % 2 == 0;
}

// Some have extended numbers, and begin where a high half is needed to verify anything.
static bool has_esn(uint32_t number)
{
	return (number ^ n_replaced / 2) % 2 != 0;
}

static void add(enum fer_direction direction, uint32_t number)
{
	uint8_t key[FER_MAX_KEY_BYTES] = {1, 2, 3};
	struct side *s = &sides[direction];
	const char *why = NULL;
	struct fer_sa_params params = {
		.direction = direction,
		.mode = FER_TUNNEL,
		.spi = spi_of(number),
		.group = FER_NO_GROUP,
		.src = end_of(number, 1),
		.dst = dst_of(number),
		.encryption_key = key,
		.integrity_key = key,
		.esn = has_esn(number),
		.sequence = has_esn(number) ? UINT64_C(0x500001000) : 0,
		.replay_window = 64,
		.outer = {.flow_label = FER_FLOW_LABEL_COPY,
			.dscp = FER_DSCP_COPY,
			.ttl = 64,
			.df = FER_DF_COPY},
	};

	if (has_own_key(number)) {
		params.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128");
		fer_store_be32(key + params.encryption->key_bytes, number);
	} else {
		params.encryption = fer_algo_find(FER_ENCRYPTION, "null");
		params.integrity = fer_algo_find(FER_INTEGRITY, "hmac-sha1-96");
	}
	if (fer_sa_add(s->sas, &params, &s->handle[number], &why) != 0)
		fail(why, number, 0);
}

static void take_out(enum fer_direction direction, uint32_t number)
{
	struct side *s = &sides[direction];

	if (fer_sa_remove(s->sas, s->handle[number]) != 0)
		fail("cannot be removed", number, 0);
	while (fer_sa_reclaim(s->sas) != 0)
		;
	s->handle[number] = 0;
}

static void open_side(enum fer_direction direction)
{
	struct side *s = &sides[direction];
	const struct fer_sa_table_params params = {.name = direction == FER_OUT ? "out" : "in",
		.capacity = n_sas,
		.ivs = test_iv_fixed()};
	int error = 0;

	s->handle = calloc(n_sas, sizeof(s->handle[0]));
	s->sas = fer_sa_table_create(&params, engine, &error);
	atomic_init(&s->published, &s->rules);
	if (s->handle == NULL || s->sas == NULL)
		fail("there is no room for so many", n_sas, 0);
	const struct fer_path_params path = {
		.sas = s->sas,
		.pool = pool,
		.ivs = test_iv_fixed(),
		.rules = &s->published,
		.reassembly = {.n_datagrams = 16, .timeout_ticks = 100},
	};
	if (fer_path_init(&s->path, &path) != 0)
		fail("no path", 0, 0);
	for (uint32_t i = 0; i < n_sas; i++)
		add(direction, i);
}

static void close_side(struct side *s)
{
	fer_path_fini(&s->path);
	fer_sa_table_destroy(s->sas);
	free(s->handle);
}

// Replaces two of them in both tables; in some they change places.
//   directions  in which they do, a bit each
static void exchange(uint32_t a, uint32_t b, unsigned directions)
{
	n_replaced += 2;
	for (unsigned d = 0; d < 2; d++) {
		const enum fer_direction direction = (enum fer_direction)d;
		const bool crosses = (directions & 1u << d) != 0;

		take_out(direction, a);
		if (!crosses)
			add(direction, a);
		take_out(direction, b);
		add(direction, b);
		if (crosses)
			add(direction, a);
	}
}

// --- packets ------------------------------------------------------------------------------------

static struct rte_mbuf *make(uint32_t number)
{
	static const uint8_t ip[20] = {
		0x45, 0, 0, INNER_BYTES, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 1, 2, 3, 10, 4, 5, 6};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (m == NULL)
		fail("no buffers", number, 0);
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(m, L2_BYTES + INNER_BYTES);
	memset(frame, 0, L2_BYTES + INNER_BYTES);
	fer_store_be16(frame + 12, FER_ETHER_TYPE_IPV4);
	memcpy(frame + L2_BYTES, ip, sizeof(ip));
	fer_store_be16(frame + L2_BYTES + 10, fer_cksum(frame + L2_BYTES, sizeof(ip)));
	fer_store_be64(frame + L2_BYTES + sizeof(ip), 0x1000200000280000); // UDP, the same in all
	fer_store_be32(frame + L2_BYTES + STAMP_OFF, number);
	return m;
}

// Out of one end, whose policies are somebody else's business.
static void send(struct fer_batch *b, const uint32_t number[])
{
	struct fer_path *path = &sides[FER_OUT].path;

	(void)fer_batch_arrive(b);
	for (unsigned i = 0; i < b->n; i++)
		b->pkt[i].handle[0] = sides[FER_OUT].handle[number[i]];
	fer_host_frame(&path->host, b);
	fer_nic_transmit(&path->nic, b);
	for (unsigned i = 0; i < b->n; i++) {
		const uint8_t *ip = rte_pktmbuf_mtod_offset(b->m[i], const uint8_t *, L2_BYTES);
		const struct fer_addr dst = dst_of(number[i]);
		uint32_t header = dst.version == 4 ? 20 : 40, bytes = dst.version == 4 ? 4 : 16;

		if (b->pkt[i].verdict != FER_OK)
			fail("was not sent", number[i], b->pkt[i].verdict);
		if (ip[0] >> 4 != dst.version ||
			memcmp(ip + header - bytes, dst.bytes, bytes) != 0 ||
			fer_load_be32(ip + header) != spi_of(number[i]))
			fail("sent by another one", number[i], fer_load_be32(ip + header));
	}
}

static void receive(struct fer_batch *b, const uint32_t number[])
{
	static struct rte_mbuf *out[FER_BATCH_MAX + FER_BATCH_MORE];
	static struct fer_outcomes outcomes;
	struct side *s = &sides[FER_IN];
	uint64_t timed_out = 0;

	fer_path_in(&s->path, b, 1, &timed_out);
	for (unsigned i = 0; i < b->n; i++) {
		const struct fer_layer *layer = &b->round[0][i];

		if (b->pkt[i].verdict != FER_OK)
			fail("not delivered", number[i], b->pkt[i].verdict);
		if (b->pkt[i].n_layers != 1 || fer_layer_handle(layer) == 0 ||
			((uint64_t)layer->generation << 32 | layer->sa) != s->handle[number[i]])
			fail("delivered to another one", number[i], layer->sa);
		if (b->m[i]->pkt_len != L2_BYTES + INNER_BYTES ||
			fer_load_be32(rte_pktmbuf_mtod_offset(
				b->m[i], const uint8_t *, L2_BYTES + STAMP_OFF)) != number[i])
			fail("has another stamp", number[i], b->m[i]->pkt_len);
	}
	rte_pktmbuf_free_bulk(out, fer_sink(b, &outcomes, out));
}

// A handle that was good a moment ago.
static void send_by_removed(uint64_t handle, uint32_t number)
{
	static struct fer_batch b;

	b.n = 1;
	b.link = FER_LINK_ETHERNET;
	b.m[0] = make(number);
	(void)fer_batch_arrive(&b);
	b.pkt[0].handle[0] = handle;
	fer_host_frame(&sides[FER_OUT].path.host, &b);
	if (b.pkt[0].verdict != FER_NO_ACTIVE_SA)
		fail("removed, and still sends", number, b.pkt[0].verdict);
	rte_pktmbuf_free(b.m[0]);
}

// Replaces the association that was used last, or another.
static void change(struct rng *r, uint32_t number)
{
	const uint32_t other = rng_below(r, n_sas);
	const uint64_t handle = sides[FER_OUT].handle[number];

	if (number == other)
		return;
	exchange(number, other, rng_below(r, 4));
	send_by_removed(handle, number);
}

// Packets of any association, with some runs of one, and of those that differ by little.
//   first  association of the first; set to that of the last
static void carry_burst(struct rng *r, uint32_t *first)
{
	static struct fer_batch b;
	uint32_t number[FER_BATCH_MAX];
	const unsigned n = 1 + rng_below(r, rng_once_in(r, 8) ? FER_BATCH_MAX : 64);

	b.n = (uint16_t)n;
	b.link = FER_LINK_ETHERNET;
	for (unsigned i = 0; i < n; i++) {
		if (i == 0)
			number[i] = *first;
		else if (!rng_once_in(r, 3))
			number[i] = rng_below(r, n_sas);
		else if (rng_once_in(r, 2))
			number[i] = number[i - 1] ^ rng_below(r, RTE_MIN(n_sas, 2u * N_DST));
		else
			number[i] = number[i - 1];
		b.m[i] = make(number[i]);
	}
	send(&b, number);
	receive(&b, number);
	n_packets += n;
	*first = number[n - 1];
}

// --- the program --------------------------------------------------------------------------------

struct limits {
	uint64_t packets, seed;
	double seconds;
};

static struct limits parse(int argc, char **argv)
{
	static const struct option options[] = {{"sas", required_argument, NULL, 'n'},
		{"packets", required_argument, NULL, 'p'}, {"seed", required_argument, NULL, 's'},
		{"seconds", required_argument, NULL, 't'}, {0}};
	struct limits l = {100000, 1, 1e9};

	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 'n')
			n_sas = (uint32_t)strtoul(optarg, NULL, 0);
		else if (o == 'p')
			l.packets = strtoull(optarg, NULL, 0);
		else if (o == 's')
			l.seed = strtoull(optarg, NULL, 0);
		else if (o == 't')
			l.seconds = strtod(optarg, NULL);
		else
			exit(2);
	}
	if (n_sas < 2 || n_sas > MAX_SAS || (n_sas & (n_sas - 1)) != 0) {
		fputs("--sas: a power of two, up to 1048576\n", stderr);
		exit(2);
	}
	return l;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	const struct limits l = parse(argc, argv);
	struct rng r = {l.seed};
	uint32_t number = 0;
	int error = 0;

	fer_test_eal_init("1024");
	engine = fer_engine_open(test_iv_fixed(), &error);
	pool = rte_pktmbuf_pool_create("buffers", 1023, 0, 0, 2048, SOCKET_ID_ANY);
	if (engine == NULL || pool == NULL || fer_oob_register() != 0)
		fail("cannot start", 0, 0);
	open_side(FER_OUT);
	open_side(FER_IN);
	const double until = now_s() + l.seconds;
	while (n_packets < l.packets && now_s() < until) {
		carry_burst(&r, &number);
		if (rng_once_in(&r, CHANGE_EVERY))
			change(&r, number);
	}
	printf("%" PRIu64 " packets over %" PRIu32 " associations, of which %" PRIu64
	       " were replaced in between: each by its own\n",
		n_packets, n_sas, n_replaced);
	close_side(&sides[FER_OUT]);
	close_side(&sides[FER_IN]);
	fer_engine_close(engine);
	return EXIT_SUCCESS;
}
