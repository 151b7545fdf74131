// SPDX-License-Identifier: BSD-3-Clause
#include "packets.h"

#include "base/secret.h"
#include "crypto/engine.h"
#include "host/sink.h"

#include <rte_cpuflags.h>
#include <rte_errno.h>

#include <emmintrin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ETHER_BYTES 14
#define UDP_BYTES 8
#define UDP_OFF (ETHER_BYTES + FER_IPV4_HEADER_BYTES)
#define ESP_OFF (ETHER_BYTES + FER_IPV4_HEADER_BYTES) // in a tunnel
#define AROUND_BYTES 256                              // room for all that protection adds
#define SPARE_PACKETS 64
#define SEALER_DATAGRAMS 1

struct fer_bench_sealer {
	struct fer_engine *engine;
	struct fer_sa_table *sas; // one association at a time
	struct fer_host_rules rules;
	const struct fer_host_rules *_Atomic published;
	struct fer_path path;
	bool path_is_up;
	struct fer_batch batch;
	struct fer_outcomes outcomes;
	struct rte_mbuf *sealed[FER_BATCH_MAX];
};

// Of the i-th packet of a ring.
static uint32_t size_of(uint32_t size, unsigned i)
{
	static const uint32_t imix[] = {40, 576, 40, 40, 576, 40, 1500, 40, 576, 40, 576, 40};

	return size == FER_BENCH_IMIX ? imix[i % RTE_DIM(imix)] : size;
}

static uint32_t largest_size(uint32_t size)
{
	return size == FER_BENCH_IMIX ? 1500 : size;
}

static uint32_t data_room(uint32_t size)
{
	uint32_t room = RTE_PKTMBUF_HEADROOM + ETHER_BYTES + size + AROUND_BYTES;

	return RTE_MAX(RTE_ALIGN_CEIL(room, 64), (uint32_t)RTE_MBUF_DEFAULT_BUF_SIZE);
}

unsigned fer_bench_packets_megabytes(uint32_t size)
{
	return (FER_BENCH_MAX_PACKETS + SPARE_PACKETS) * (data_room(largest_size(size)) + 512) /
		       (1024 * 1024) +
	       2;
}

static void destroy_sealer(struct fer_bench_sealer *s)
{
	if (s == NULL)
		return;
	if (s->path_is_up)
		fer_path_fini(&s->path);
	fer_sa_table_destroy(s->sas);
	fer_engine_close(s->engine);
	free(s);
}

static struct fer_bench_sealer *create_sealer(struct rte_mempool *pool, unsigned worker)
{
	struct fer_bench_sealer *s = calloc(1, sizeof(*s));
	char name[20];
	int rc;

	if (s == NULL)
		return NULL;
	snprintf(name, sizeof(name), "sealer-%u", worker);
	atomic_init(&s->published, &s->rules);
	s->batch.link = FER_LINK_ETHERNET;
	s->engine = fer_engine_open(fer_iv_system(), &rc);
	if (s->engine != NULL)
		s->sas = fer_sa_table_create(
			&(struct fer_sa_table_params){
				.name = name, .capacity = 1, .ivs = fer_iv_system()},
			s->engine, &rc);
	if (s->sas != NULL)
		s->path_is_up = fer_path_init(&s->path,
					&(struct fer_path_params){.sas = s->sas,
						.pool = pool,
						.ivs = fer_iv_system(),
						.rules = &s->published,
						.reassembly = {.n_datagrams = SEALER_DATAGRAMS,
							.timeout_ticks = 1}}) == 0;
	if (s->path_is_up)
		return s;
	destroy_sealer(s);
	return NULL;
}

// A plain packet for destination 0; only its IP header and lengths will change.
static uint8_t *make_frame(uint32_t size)
{
	static const uint8_t ether[ETHER_BYTES] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
	uint8_t *frame = calloc(1, ETHER_BYTES + size);

	if (frame == NULL)
		return NULL;
	uint8_t *udp = frame + ETHER_BYTES + FER_IPV4_HEADER_BYTES;
	memcpy(frame, ether, sizeof(ether));
	fer_store_be16(udp + 2, FER_BENCH_INNER_DPORT);
	for (uint32_t i = UDP_BYTES; i < size - FER_IPV4_HEADER_BYTES; i++)
		udp[i] = (uint8_t)i;
	return frame;
}

static int fail(char error[FER_BENCH_ERROR_BYTES], const char *what, const char *why)
{
	snprintf(error, FER_BENCH_ERROR_BYTES, "%s: %s", what, why);
	return -1;
}

// Without huge pages a pool that is made in one call puts each packet into a page of its own, where
// the headers of all packets fall into the same few lines of the cache, which no huge page does.
static struct rte_mempool *create_pool(const char *name, uint32_t room)
{
	struct rte_pktmbuf_pool_private priv = {.mbuf_data_room_size = (uint16_t)room};
	struct rte_mempool *pool = rte_mempool_create_empty(name,
		FER_BENCH_MAX_PACKETS + SPARE_PACKETS, sizeof(struct rte_mbuf) + room, 0,
		sizeof(priv), SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);

	if (pool == NULL)
		return NULL;
	rte_pktmbuf_pool_init(pool, &priv);
	if (rte_mempool_set_ops_byname(pool, RTE_MBUF_DEFAULT_MEMPOOL_OPS, NULL) != 0 ||
		rte_mempool_populate_default(pool) < 0) {
		rte_mempool_free(pool);
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

int fer_bench_packets_init(struct fer_bench_packets *p,
	const struct fer_bench_packets_params *params, char error[FER_BENCH_ERROR_BYTES])
{
	bool own = params->order == FER_BENCH_OWN;
	uint32_t n_sas = params->load->n_sas;
	char name[32];

	*p = (struct fer_bench_packets){
		.load = params->load,
		.size = params->size,
		.burst = params->burst,
		.n = (FER_BENCH_RING + params->burst - 1) / params->burst * params->burst,
		.order = params->order,
		.n_sas = own ? n_sas / params->n_workers : n_sas,
		.random = params->worker + 1,
		.is_cold = params->is_cold,
		.frame = make_frame(largest_size(params->size)),
	};
	p->first = own ? p->n_sas * params->worker : 0;
	p->n_flows = RTE_MAX(params->n_flows / (own ? params->n_workers : 1), p->n_sas);
	p->n_new = p->n_flows;
	p->cursor = (uint32_t)((uint64_t)p->n_flows * params->worker / params->n_workers);
	snprintf(name, sizeof(name), "packets-%u", params->worker);
	p->pool = create_pool(name, data_room(largest_size(params->size)));
	if (p->pool == NULL || p->frame == NULL)
		return fail(error, "no memory for packets", rte_strerror(rte_errno));
	if (rte_pktmbuf_alloc_bulk(p->pool, p->m, p->n) != 0)
		return fail(error, "no memory for packets", "the pool is too small");
	if (params->load->direction == FER_IN) {
		p->sealer = create_sealer(p->pool, params->worker);
		if (p->sealer == NULL)
			return fail(error, "cannot seal packets", "no memory");
	}
	return 0;
}

void fer_bench_packets_fini(struct fer_bench_packets *p)
{
	destroy_sealer(p->sealer);
	for (unsigned i = 0; i < p->n; i++)
		rte_pktmbuf_free(p->m[i]);
	rte_mempool_free(p->pool);
	free(p->frame);
	*p = (struct fer_bench_packets){0};
}

// xorshift64*
static uint32_t next_random(struct fer_bench_packets *p)
{
	p->random ^= p->random >> 12;
	p->random ^= p->random << 25;
	p->random ^= p->random >> 27;
	return (uint32_t)(p->random * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

static uint32_t next_flow(struct fer_bench_packets *p)
{
	if (p->order == FER_BENCH_RANDOM && p->n_new == 0)
		return (uint32_t)((uint64_t)next_random(p) * p->n_flows >> 32);
	uint32_t at = p->cursor;

	p->cursor = at + 1 == p->n_flows ? 0 : at + 1;
	p->n_new -= p->n_new != 0;
	return at;
}

static void write_plain(struct fer_bench_packets *p, unsigned i)
{
	struct rte_mbuf *m = p->m[i];
	uint32_t sa = p->sa[i], size = size_of(p->size, i);
	struct fer_addr src = fer_bench_inner_src(p->flow[i]), dst = fer_bench_inner_dst(sa);
	const struct fer_ip_header header = {
		.src = &src,
		.dst = &dst,
		.len = size,
		.ttl = 64,
		.protocol = FER_PROTO_UDP,
	};

	rte_pktmbuf_reset(m);
	m->data_len = (uint16_t)(ETHER_BYTES + size);
	m->pkt_len = m->data_len;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(frame, p->frame, ETHER_BYTES + size);
	fer_store_be16(frame + UDP_OFF, fer_bench_inner_sport(p->flow[i]));
	fer_store_be16(frame + UDP_OFF + 4, (uint16_t)(size - FER_IPV4_HEADER_BYTES));
	fer_ip_write(frame + ETHER_BYTES, &header);
}

// Runs the packets from first on, n of one association, through the mirror.
static int run_mirror(
	struct fer_bench_packets *p, unsigned first, unsigned n, char error[FER_BENCH_ERROR_BYTES])
{
	struct fer_bench_sealer *s = p->sealer;
	struct fer_batch *b = &s->batch;

	b->n = (uint16_t)n;
	memcpy(b->m, &p->m[first], n * sizeof(p->m[0]));
	fer_path_out(&s->path, b);
	unsigned n_sealed = fer_sink(b, &s->outcomes, s->sealed);
	if (n_sealed != n)
		p->n = 0; // some were freed: nothing is left of this ring
	else
		memcpy(&p->m[first], s->sealed, n * sizeof(p->m[0]));
	return n_sealed == n ? 0 : fail(error, "cannot seal packets", "the path refused them");
}

static int seal(
	struct fer_bench_packets *p, unsigned first, unsigned n, char error[FER_BENCH_ERROR_BYTES])
{
	struct fer_bench_sealer *s = p->sealer;
	struct fer_bench_keys keys;
	uint32_t sa = p->sa[first];
	const char *why;

	fer_bench_keys_make(p->load->first_key + sa, &keys);
	struct fer_sa_params params = fer_bench_sa_params(p->load, sa, FER_OUT, &keys);
	params.sequence = params.ah.sequence =
		atomic_fetch_add_explicit(&p->load->numbers[sa], n, memory_order_relaxed);
	int rc = fer_sa_add(s->sas, &params, &s->rules.only_sa, &why);
	fer_secret_wipe(&keys, sizeof(keys));
	if (rc != 0)
		return fail(error, "cannot seal packets", why);
	rc = run_mirror(p, first, n, error);
	if (fer_sa_remove(s->sas, s->rules.only_sa) != 0 || fer_sa_reclaim(s->sas) != 0)
		return fail(error, "cannot seal packets", "the association stays");
	return rc;
}

// Runs of one association within a burst share one mirror.
static int seal_all(struct fer_bench_packets *p, char error[FER_BENCH_ERROR_BYTES])
{
	int rc = 0;

	for (unsigned first = 0, last; first < p->n && rc == 0; first = last) {
		unsigned end = (first / p->burst + 1) * p->burst;

		for (last = first + 1; last < end && p->sa[last] == p->sa[first];)
			last++;
		rc = seal(p, first, last - first, error);
	}
	return rc;
}

int fer_bench_packets_fill(struct fer_bench_packets *p, char error[FER_BENCH_ERROR_BYTES])
{
	for (unsigned i = 0; i < p->n; i++) {
		uint32_t flow = next_flow(p);

		p->sa[i] = p->first + flow % p->n_sas;
		p->flow[i] = flow / p->n_sas;
		write_plain(p, i);
	}
	if (p->sealer == NULL)
		return 0;
	int rc = seal_all(p, error);
	if (rc == 0)
		fer_bench_packets_note_sealed(p);
	return rc;
}

void fer_bench_packets_note_sealed(struct fer_bench_packets *p)
{
	// AH protects the header in front of it as well.
	uint32_t off = p->load->algorithm->encryption == NULL ? ETHER_BYTES : ESP_OFF;

	for (unsigned i = 0; i < p->n; i++)
		p->sealed[i] = (struct fer_bench_span){
			.start = rte_pktmbuf_mtod_offset(p->m[i], uint8_t *, off),
			.len = p->m[i]->pkt_len - off,
		};
}

// CLDEMOTE; a CPU that does not know it does nothing.
static void demote(const void *line)
{
	__asm__ volatile(".byte 0x0f, 0x1c, 0x06" : : "S"(line) : "memory");
}

static void cool(const struct rte_mbuf *m, bool can_demote)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);

	for (const uint8_t *end = at + m->data_len; at < end; at += RTE_CACHE_LINE_SIZE) {
		if (can_demote)
			demote(at);
		else
			_mm_clflush(at);
	}
}

// Asking the CPU what it can do leaves a virtual machine: that costs time, and what the caches
// know.
void fer_bench_packets_cool(struct fer_bench_packets *p)
{
	if (p->is_cold) {
		bool can_demote = rte_cpu_get_flag_enabled(RTE_CPUFLAG_CLDEMOTE) == 1;

		for (unsigned i = 0; i < p->n; i++)
			cool(p->m[i], can_demote);
	}
	_mm_mfence();
}
