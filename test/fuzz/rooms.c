// SPDX-License-Identifier: BSD-3-Clause
// Is a byte touched that stands outside of a buffer, or does it matter what a buffer held before?
// Packets of every size, cut into 1 to 8 segments, go through both halves with 0 to 64 bytes of
// room behind them, in buffers behind which the next page cannot be touched; then with as much in
// front, in buffers that begin behind such a page.  Each goes a second time in one buffer with room
// on both sides; rooms, and what stages know of packets, hold zeroes there and ones here. Verdicts,
// words and bytes must be the same, and what comes out at the other end must be what went in.
//
//   rooms [--sizes N] [--start PLACE] [--seconds S]
#include "rng.h"

#include "host/sink.h"
#include "nic/oob.h"
#include "support/end.h"
#include "support/ground.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_UNDEFINED(at, n) 0
#endif

#define N_BUFFERS 2047
#define PAGE 4096u
#define BUFFER_BYTES (3 * PAGE) // that can be touched
#define N_ROOMS 65              // 0 to 64 bytes: a burst
#define MAX_SEGMENTS 8
#define MAX_SIZE 9600 // of an IP payload
#define MAX_FRAME 10240
#define SLACK 64 // bytes looked at on the side where no guard page is
#define L2_BYTES 14

// --- buffers ------------------------------------------------------------------------------------

static struct rte_mempool *pool;
static uint8_t *memory; // for each buffer what can be touched, and in front of it what cannot

static uint8_t *memory_of(unsigned i)
{
	return memory + (size_t)i * (BUFFER_BYTES + PAGE) + PAGE;
}

static void restore(struct rte_mbuf *m, unsigned i)
{
	m->buf_addr = memory_of(i);
	m->buf_len = BUFFER_BYTES;
}

static void move_in(struct rte_mempool *mp, void *opaque, void *obj, unsigned i)
{
	(void)mp;
	(void)opaque;
	if (mprotect(memory_of(i), BUFFER_BYTES, PROT_READ | PROT_WRITE) != 0)
		abort();
	restore(obj, i);
}

static void open_buffers(void)
{
	size_t bytes = (size_t)N_BUFFERS * (BUFFER_BYTES + PAGE) + PAGE;

	memory = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pool = rte_pktmbuf_pool_create("rooms", N_BUFFERS, 0, 0, BUFFER_BYTES, SOCKET_ID_ANY);
	if (memory == MAP_FAILED || pool == NULL)
		abort();
	rte_mempool_obj_iter(pool, move_in, NULL);
}

// How a packet lies in memory.
struct shape {
	unsigned n; // segments
	uint32_t headroom, tailroom;
	bool at_front; // of what can be touched; else at its end
	uint8_t fill;  // of the rooms
};

// Buffers of special shape, to be looked at when they are free.
static struct {
	struct rte_mbuf *m;
	unsigned i; // of its memory
	uint8_t fill;
} shaped[N_ROOMS * MAX_SEGMENTS];
static unsigned n_shaped;

// What nobody may read before it is written, as valgrind knows where it watches.
static void fill_room(void *at, uint8_t fill, size_t n)
{
	memset(at, fill, n);
	(void)VALGRIND_MAKE_MEM_UNDEFINED(at, n);
}

static struct rte_mbuf *make_segment(const uint8_t *bytes, uint32_t len, const struct shape *s,
	uint32_t headroom, uint32_t tailroom)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint32_t n = headroom + len + tailroom;

	if (m == NULL)
		abort();
	uint8_t *all = m->buf_addr, *buffer = s->at_front ? all : all + BUFFER_BYTES - n;
	shaped[n_shaped].i = (unsigned)((size_t)(all - memory) / (BUFFER_BYTES + PAGE));
	shaped[n_shaped].fill = s->fill;
	shaped[n_shaped++].m = m;
	memset(s->at_front ? buffer + n : buffer - SLACK, s->fill, SLACK);
	fill_room(buffer, s->fill, headroom);
	fill_room(buffer + headroom + len, s->fill, tailroom);
	m->buf_addr = buffer;
	m->buf_len = (uint16_t)n;
	m->data_off = (uint16_t)headroom;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	return m;
}

// The packet in s->n segments, of which only the first has headroom and the last tailroom.
static struct rte_mbuf *make_shaped(const uint8_t *bytes, uint32_t len, const struct shape *s)
{
	struct rte_mbuf *m = NULL;
	uint32_t at = 0;

	for (unsigned i = 0; i < s->n; i++) {
		bool is_first = i == 0, is_last = i + 1 == s->n;
		uint32_t to = len * (i + 1) / s->n;
		struct rte_mbuf *next = make_segment(bytes + at, to - at, s,
			is_first ? s->headroom : 0, is_last ? s->tailroom : 0);

		at = to;
		if (m == NULL)
			m = next;
		else if (rte_pktmbuf_chain(m, next) != 0)
			abort();
	}
	fer_oob_clear(m);
	return m;
}

// In one buffer, with rooms that hold zeroes.
static struct rte_mbuf *make_roomy(const uint8_t *bytes, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (m == NULL)
		abort();
	fill_room(m->buf_addr, 0, 2 * RTE_PKTMBUF_HEADROOM);
	fill_room((uint8_t *)m->buf_addr + m->data_off + len, 0, 256);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	fer_oob_clear(m);
	return m;
}

// --- ends ---------------------------------------------------------------------------------------

static const struct way {
	const char *name;
	enum fer_mode mode;
	uint8_t version, inner;
	bool esn, has_ivs;
	const char *encryption, *integrity; // of ESP
	const char *ah;
} ways[] = {
	{"ESP, AES-GCM", FER_TUNNEL, 4, 4, false, true, "aes-gcm-128", NULL, NULL},
	{"AH, HMAC-SHA-256, ESN", FER_TUNNEL, 4, 4, true, false, NULL, NULL, "hmac-sha2-256-128"},
	{"ESP, AES-CBC, HMAC-SHA-512, IPv6", FER_TUNNEL, 6, 4, false, true, "aes-cbc-256",
		"hmac-sha2-512-256", NULL},
	{"AH, AES-GMAC, IPv6", FER_TUNNEL, 6, 6, false, true, NULL, NULL, "aes-gmac-128"},
	{"ESP, AES-GCM, transport", FER_TRANSPORT, 4, 4, true, true, "aes-gcm-256", NULL, NULL},
	{"AH, HMAC-SHA-1, transport", FER_TRANSPORT, 6, 6, true, false, NULL, NULL, "hmac-sha1-96"},
	{"ESP, ChaCha20-Poly1305", FER_TUNNEL, 4, 6, true, true, "chacha20-poly1305", NULL, NULL},
	{"ESP, AES-CTR, HMAC-SHA-256", FER_TUNNEL, 4, 4, false, true, "aes-ctr-128",
		"hmac-sha2-256-128", NULL},
	{"ESP in AH", FER_TUNNEL, 4, 4, false, true, "aes-gcm-128", NULL, "hmac-sha2-256-128"},
};

enum place { ROOMY, TIGHT, N_PLACES };

static struct test_end ends[2][N_PLACES]; // by direction
static struct fer_outcomes outcomes;

static struct fer_addr address(uint8_t version, uint8_t last)
{
	struct fer_addr a = {.version = version, .bytes = {192, 0, 2, last}};

	if (version == 6)
		a = (struct fer_addr){.version = 6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = last}};
	return a;
}

static void add_sa(struct test_end *e, unsigned w, enum fer_direction direction)
{
	static const uint8_t key[FER_MAX_KEY_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};
	static uint8_t keys[RTE_DIM(ways)][FER_MAX_KEY_BYTES];
	const struct way *way = &ways[w];
	const char *why = NULL;
	uint64_t handle;

	memcpy(keys[w], key, sizeof(key));
	keys[w][0] = (uint8_t)(0x80 + w);
	struct fer_sa_params params = {
		.direction = direction,
		.mode = way->mode,
		.spi = way->encryption != NULL ? 0x1000 + w : 0,
		.group = w,
		.src = address(way->version, 1),
		.dst = address(way->version, 2),
		.encryption_key = keys[w],
		.integrity_key = keys[w],
		.esn = way->esn,
		.sequence = way->esn ? UINT64_C(0x1ffff0000) : 0,
		.replay_window = 64,
		.outer = test_outer_usual,
	};
	if (way->encryption != NULL)
		params.encryption = fer_algo_find(FER_ENCRYPTION, way->encryption);
	if (way->integrity != NULL)
		params.integrity = fer_algo_find(FER_INTEGRITY, way->integrity);
	if (way->ah != NULL)
		params.ah = (struct fer_ah_params){.spi = 0x2000 + w,
			.integrity = fer_algo_find(FER_INTEGRITY, way->ah),
			.key = keys[w]};
	if (fer_sa_add(e->sas, &params, &handle, &why) != 0) {
		fprintf(stderr, "%s: %s\n", way->name, why);
		exit(EXIT_FAILURE);
	}
}

static void open_ends(void)
{
	static const char *const names[2][N_PLACES] = {{"out0", "out1"}, {"in0", "in1"}};

	for (unsigned d = 0; d < 2; d++)
		for (unsigned p = 0; p < N_PLACES; p++) {
			struct test_end *e = &ends[d][p];

			test_end_open(e, names[d][p], test_engine, pool);
			for (unsigned w = 0; w < RTE_DIM(ways); w++)
				add_sa(e, w, d == FER_OUT ? FER_OUT : FER_IN);
		}
}

static void close_ends(void)
{
	for (unsigned d = 0; d < 2; d++)
		for (unsigned p = 0; p < N_PLACES; p++)
			test_end_close(&ends[d][p]);
}

static void send_by(unsigned w)
{
	struct fer_policy_rule rule = test_rule(FER_OUT, FER_POLICY_PROTECT, 1);

	rule.group[0] = w;
	for (unsigned p = 0; p < N_PLACES; p++)
		test_end_rules(&ends[FER_OUT][p], &rule, 1);
}

// --- runs ---------------------------------------------------------------------------------------

struct bytes {
	uint32_t len;
	uint32_t n_told; // of these, that nothing but the packet tells: up to where an IV may be
	struct fer_oob words;
	uint8_t at[MAX_FRAME];
};

// What is under way, for whoever has to say where it ended.
static struct {
	const struct way *way;
	const char *direction;
	uint32_t size;
	enum fer_verdict verdict; // that all packets must have
	struct shape shape;       // but for the room that goes from 0 to 64
} now;

static struct bytes plain, wire[N_PLACES][N_ROOMS], opened[N_PLACES][N_ROOMS];
static uint64_t n_packets;

static void say_where(FILE *to, const char *what)
{
	fprintf(to,
		"%s: %s, %s, %" PRIu32 " bytes in %u segments, headroom %" PRIu32
		", tailroom %" PRIu32 ", buffers %s a page that cannot be touched\n",
		what, now.way->name, now.direction, now.size, now.shape.n, now.shape.headroom,
		now.shape.tailroom, now.shape.at_front ? "behind" : "in front of");
}

__attribute__((noreturn)) static void fail(const char *what)
{
	say_where(stderr, what);
	exit(EXIT_FAILURE);
}

static void on_fault(int number)
{
	(void)number;
	say_where(stderr, "a page that cannot be touched was");
	_exit(EXIT_FAILURE);
}

// All that are in use are given back: nothing was written beside them.
static void check_shaped(void)
{
	while (n_shaped > 0) {
		const struct rte_mbuf *m = shaped[--n_shaped].m;
		const uint8_t *all = memory_of(shaped[n_shaped].i), *buffer = m->buf_addr;
		const uint8_t *slack = buffer == all ? buffer + m->buf_len : buffer - SLACK;

		for (unsigned k = 0; k < SLACK; k++)
			if (slack[k] != shaped[n_shaped].fill)
				fail("written outside of a buffer");
		restore(shaped[n_shaped].m, shaped[n_shaped].i);
	}
}

static void take(struct rte_mbuf *m, struct bytes *to)
{
	uint32_t at = 0;

	rte_mbuf_sanity_check(m, 1);
	to->len = m->pkt_len;
	to->words = *fer_oob_of(m);
	if (m->pkt_len > sizeof(to->at))
		fail("too long");
	for (; m != NULL; at += m->data_len, m = m->next)
		memcpy(to->at + at, rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
	if (at != to->len)
		fail("segments are not as long as the packet");
}

// Carries the batch, whose memory held fill, through an end.
static void run(
	struct test_end *e, enum fer_direction direction, struct fer_batch *b, struct bytes to[])
{
	static struct rte_mbuf *out[FER_BATCH_MAX + FER_BATCH_MORE];
	uint64_t timed_out = 0;

	b->n = N_ROOMS;
	b->link = FER_LINK_ETHERNET;
	b->clock = NULL;
	if (direction == FER_OUT)
		fer_path_out(&e->path, b);
	else
		fer_path_in(&e->path, b, 1, &timed_out);
	for (unsigned i = 0; i < N_ROOMS; i++) {
		if (b->pkt[i].verdict != now.verdict)
			fail(fer_verdict_name((enum fer_verdict)b->pkt[i].verdict));
		take(b->m[i], &to[i]);
		to[i].n_told = direction == FER_IN || !now.way->has_ivs
				       ? to[i].len
				       : fer_pkt_last_layer(b, i)->sec_off +
						 (uint32_t)FER_ESP_HEADER_BYTES;
	}
	rte_pktmbuf_free_bulk(out, fer_sink(b, &outcomes, out));
}

static struct shape shape_of(unsigned room)
{
	struct shape s = now.shape;

	if (s.at_front)
		s.headroom = room;
	else
		s.tailroom = room;
	return s;
}

// The same packets in both places.  Their IVs may be given in any order.
static void run_both(enum fer_direction direction,
	const struct bytes *const from[N_PLACES][N_ROOMS], struct bytes to[N_PLACES][N_ROOMS])
{
	static struct fer_batch batch;

	fill_room(&batch, 0, sizeof(batch));
	for (unsigned i = 0; i < N_ROOMS; i++)
		batch.m[i] = make_roomy(from[ROOMY][i]->at, from[ROOMY][i]->len);
	run(&ends[direction][ROOMY], direction, &batch, to[ROOMY]);
	fill_room(&batch, 0xff, sizeof(batch));
	for (unsigned i = 0; i < N_ROOMS; i++) {
		const struct shape s = shape_of(i);

		batch.m[i] = make_shaped(from[TIGHT][i]->at, from[TIGHT][i]->len, &s);
	}
	run(&ends[direction][TIGHT], direction, &batch, to[TIGHT]);
	check_shaped();
	if (rte_mempool_in_use_count(pool) != 0)
		fail("a buffer was not given back");
	for (unsigned i = 0; i < N_ROOMS; i++) {
		const struct bytes *a = &to[ROOMY][i], *b = &to[TIGHT][i];

		if (memcmp(&a->words, &b->words, sizeof(a->words)) != 0)
			fail("other words");
		if (a->len != b->len || memcmp(a->at, b->at, a->n_told) != 0)
			fail("other bytes");
	}
	n_packets += N_ROOMS;
}

// A burst of one packet, with every room, out at one end.
static void carry_out(void)
{
	const struct bytes *from[N_PLACES][N_ROOMS];

	now.direction = "out";
	now.verdict = FER_OK;
	for (unsigned i = 0; i < N_ROOMS; i++)
		from[ROOMY][i] = from[TIGHT][i] = &plain;
	run_both(FER_OUT, from, wire);
}

// In at the other, where v has to become of it, and what went in has to come out with FER_OK.
static void carry_in(enum fer_verdict v)
{
	const struct bytes *from[N_PLACES][N_ROOMS];

	now.direction = "in";
	now.verdict = v;
	for (unsigned p = 0; p < N_PLACES; p++)
		for (unsigned i = 0; i < N_ROOMS; i++)
			from[p][i] = &wire[p][i];
	run_both(FER_IN, from, opened);
	for (unsigned i = 0; i < N_ROOMS && v == FER_OK; i++)
		if (opened[TIGHT][i].len != plain.len ||
			memcmp(opened[TIGHT][i].at, plain.at, plain.len) != 0)
			fail("what came out is not what went in");
}

static void make_plain(const struct way *w, uint32_t size)
{
	const struct fer_addr src = address(w->inner, 1), dst = address(w->inner, 2);
	const uint32_t header = w->inner == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES;
	uint8_t *ip = plain.at + L2_BYTES;
	struct rng r = {size};

	memset(plain.at, 0, L2_BYTES + header);
	plain.at[0] = plain.at[6] = 2;
	fer_store_be16(plain.at + 12, fer_ether_type(w->inner));
	ip[0] = w->inner == 4 ? 0x45 : 0x60;
	ip[w->inner == 4 ? 9 : 6] = 253;
	ip[w->inner == 4 ? 8 : 7] = 64;
	memcpy(ip + (w->inner == 4 ? 12 : 8), src.bytes, w->inner == 4 ? 4 : 16);
	memcpy(ip + (w->inner == 4 ? 16 : 24), dst.bytes, w->inner == 4 ? 4 : 16);
	rng_fill(&r, ip + header, size);
	fer_store_be16(
		ip + (w->inner == 4 ? 2 : 4), (uint16_t)(w->inner == 4 ? header + size : size));
	if (w->inner == 4)
		fer_store_be16(ip + 10, fer_cksum(ip, header));
	plain.len = L2_BYTES + header + size;
}

// Every number of segments, and every room on one side.
static void carry_size(unsigned w, uint32_t size, bool at_front)
{
	static const uint32_t others[] = {0, 1, 36, 60, 80, 128};

	make_plain(&ways[w], size);
	for (unsigned n = 1; n <= MAX_SEGMENTS; n++) {
		uint32_t other = others[(size + n) % RTE_DIM(others)];

		now.way = &ways[w];
		now.size = size;
		now.shape = (struct shape){.n = n,
			.at_front = at_front,
			.fill = 0xff,
			.headroom = other,
			.tailroom = other};
		carry_out();
		carry_in(FER_OK);
	}
}

// RFC 6040 section 4.2: a network in between changes ECN of the outer header.
static void carry_ecn(unsigned w, uint8_t inner, uint8_t outer)
{
	// By what arrives inside and outside: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE; 4: dropped.
	static const uint8_t combined[4][4] = {
		{0, 0, 0, 4}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
	const uint8_t ecn = combined[inner][outer];

	make_plain(&ways[w], 100);
	fer_ip_set_tos(plain.at + L2_BYTES, inner);
	now.way = &ways[w];
	now.size = 100;
	now.shape = (struct shape){.n = 1 + outer % 2, .fill = 0xff, .headroom = 60};
	carry_out();
	for (unsigned p = 0; p < N_PLACES; p++)
		for (unsigned i = 0; i < N_ROOMS; i++)
			fer_ip_set_tos(wire[p][i].at + L2_BYTES, outer);
	if (ecn < 4)
		fer_ip_set_tos(plain.at + L2_BYTES, ecn);
	carry_in(ecn < 4 ? FER_OK : FER_ECN_CE);
}

static void carry_all_ecn(void)
{
	for (unsigned w = 0; w < RTE_DIM(ways); w++) {
		if (ways[w].mode != FER_TUNNEL)
			continue;
		send_by(w);
		for (uint8_t k = 0; k < 16; k++)
			carry_ecn(w, k / 4, k % 4);
	}
}

// Sizes are visited as these say, small ones among large ones, and each once: the stride has no
// factor of their number.
#define STRIDE 5741

struct limits {
	uint32_t start, n;
	double seconds;
};

static struct limits parse(int argc, char **argv)
{
	static const struct option options[] = {{"start", required_argument, NULL, 'f'},
		{"sizes", required_argument, NULL, 'n'}, {"seconds", required_argument, NULL, 't'},
		{0}};
	struct limits l = {0, MAX_SIZE, 1e9};

	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 'f')
			l.start = (uint32_t)strtoul(optarg, NULL, 0);
		else if (o == 'n')
			l.n = (uint32_t)strtoul(optarg, NULL, 0);
		else if (o == 't')
			l.seconds = strtod(optarg, NULL);
		else
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
	const double until = now_s() + l.seconds;
	uint32_t k = l.start;

	test_ground_open("256");
	open_buffers();
	open_ends();
	(void)signal(SIGSEGV, on_fault);
	carry_all_ecn();
	for (; k < l.start + l.n && now_s() < until; k++)
		for (unsigned w = 0; w < RTE_DIM(ways); w++) {
			const uint32_t size = 1 + (uint64_t)k * STRIDE % MAX_SIZE;

			send_by(w);
			carry_size(w, size, false);
			carry_size(w, size, true);
		}
	printf("%" PRIu64 " packets of %" PRIu32 " sizes: nothing was touched outside, and nothing "
	       "came of what buffers held\n",
		n_packets, k - l.start);
	close_ends();
	test_ground_close();
	return EXIT_SUCCESS;
}
