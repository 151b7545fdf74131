// SPDX-License-Identifier: BSD-3-Clause
#include "box.h"

#include "../../app/common/load.h"
#include "conf/document.h"
#include "crypto/engine.h"
#include "crypto/iv.h"
#include "host/intake.h"
#include "host/path.h"
#include "host/sink.h"
#include "nic/oob.h"
#include "nic/shim.h"
#include "support/eal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_BUFFERS 4095
#define SMALL_ROOM (RTE_PKTMBUF_HEADROOM + 256)
#define CAPACITY 256

struct box {
	struct fer_sa_table *sas;
	struct fer_policies *policies;
	struct fer_host_rules rules;
	const struct fer_host_rules *_Atomic published;
	struct fer_path path;
	struct fer_outcomes outcomes;
	uint64_t now;
	uint64_t handles[CAPACITY];
	struct box *next;
};

static struct rte_mempool *pools[2]; // of usual and of small buffers
static struct fer_engine *engine;    // expands keys
static struct box *open_boxes;       // for the end of the process

static uint32_t spare = UINT32_MAX;

// A copy of what a shared buffer held; its other owner must find it as it was.
struct shared {
	struct rte_mbuf *original;
	uint8_t *bytes;
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "box: %s\n", what);
	abort();
}

// The engines hold memory that a leak checker does not see them hold.
static void stop(void)
{
	while (open_boxes != NULL)
		box_close(open_boxes);
	fer_engine_close(engine);
}

void box_start(void)
{
	int error;

	if (engine != NULL)
		return;
	fer_test_eal_init("256");
	if (fer_oob_register() != 0)
		die("no room for the out-of-band words");
	pools[0] = rte_pktmbuf_pool_create(
		"usual", N_BUFFERS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	pools[1] = rte_pktmbuf_pool_create("small", 4 * N_BUFFERS, 0, 0, SMALL_ROOM, SOCKET_ID_ANY);
	engine = fer_engine_open(fer_iv_system(), &error);
	if (pools[0] == NULL || pools[1] == NULL || engine == NULL)
		die("cannot start");
	(void)atexit(stop);
}

static bool load(struct box *b, const struct fer_doc *doc, struct fer_doc_error *error)
{
	const struct fer_sa_table_params params = {.name = "box",
		.capacity = CAPACITY,
		.n_groups = doc->n_groups,
		.ivs = fer_iv_system()};
	static unsigned number;
	char name[20];
	int why = 0;

	if (doc->n_sas > CAPACITY)
		die("too many associations in the document");
	snprintf(name, sizeof(name), "box%u", number++);
	struct fer_sa_table_params named = params;
	named.name = name;
	b->sas = fer_sa_table_create(&named, engine, &why);
	if (b->sas == NULL)
		die("no SA table");
	if (fer_load_sas(b->sas, doc, 0, b->handles, error) != 0 ||
		fer_load_policies(doc, 0, &b->policies, error) != 0)
		return false;
	b->rules.policies = b->policies;
	for (uint32_t i = 0; i < doc->n_sas && b->rules.only_sa == 0; i++)
		if (doc->sas[i].direction == FER_OUT)
			b->rules.only_sa = b->handles[i];
	atomic_init(&b->published, &b->rules);
	const struct fer_path_params path = {
		.sas = b->sas,
		.pool = pools[0],
		.ivs = fer_iv_system(),
		.rules = &b->published,
		.reassembly = {.n_datagrams = 16, .timeout_ticks = 30},
	};
	if (fer_path_init(&b->path, &path) != 0)
		die("no path");
	return true;
}

struct box *box_open(const char *document, char error[BOX_ERROR_BYTES])
{
	struct fer_doc_error why;
	struct fer_doc *doc;
	struct box *b;
	bool ok;

	if (fer_doc_load_bytes("document", document, strlen(document), &doc, &why) != 0) {
		snprintf(error, BOX_ERROR_BYTES, "%s", why.text);
		return NULL;
	}
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		die("no memory");
	ok = load(b, doc, &why);
	fer_doc_destroy(doc);
	if (ok) {
		b->next = open_boxes;
		open_boxes = b;
		return b;
	}
	snprintf(error, BOX_ERROR_BYTES, "%s", why.text);
	fer_policies_destroy(b->policies);
	fer_sa_table_destroy(b->sas);
	free(b);
	return NULL;
}

void box_close(struct box *b)
{
	if (b == NULL)
		return;
	for (struct box **at = &open_boxes; *at != NULL; at = &(*at)->next)
		if (*at == b) {
			*at = b->next;
			break;
		}
	fer_path_fini(&b->path);
	fer_policies_destroy(b->policies);
	fer_sa_table_destroy(b->sas);
	free(b);
}

void box_set_time(struct box *b, uint64_t seconds)
{
	b->now = seconds;
}

// Adds a segment with up to len bytes; returns how many.
static uint32_t add_segment(
	struct rte_mbuf **m, const uint8_t *bytes, uint32_t len, struct rng *r, uint32_t wish)
{
	struct rte_mempool *pool = pools[r != NULL && rng_below(r, 2)];
	struct rte_mbuf *s = rte_pktmbuf_alloc(pool);

	if (s == NULL)
		die("no buffers left");
	if (r != NULL && rng_once_in(r, 3))
		s->data_off = (uint16_t)rng_below(r, RTE_PKTMBUF_HEADROOM + 1);
	uint32_t n = RTE_MIN(RTE_MIN(len, wish), (uint32_t)rte_pktmbuf_tailroom(s));

	memcpy(rte_pktmbuf_append(s, (uint16_t)n), bytes, n);
	if (*m == NULL)
		*m = s;
	else if (rte_pktmbuf_chain(*m, s) != 0)
		die("too many segments");
	return n;
}

struct rte_mbuf *box_buffer(const uint8_t *bytes, uint32_t len, struct rng *r)
{
	// Many small pieces, or as few as will do.
	uint32_t cuts = r != NULL && len > 0 && !rng_once_in(r, 3) ? rng_below(r, 8) : 0;
	struct rte_mbuf *m = NULL;
	uint32_t at = 0;

	for (; cuts > 0 && at < len; cuts--)
		at += add_segment(
			&m, bytes + at, len - at, r, rng_below(r, rng_once_in(r, 2) ? 16 : len));
	while (at < len || m == NULL)
		at += add_segment(&m, bytes + at, len - at, r, UINT32_MAX);
	return m;
}

// Hands out the packet as somebody else's: a clone, or with a second reference.
static struct rte_mbuf *share(struct rte_mbuf *m, struct rng *r, struct shared *s)
{
	struct rte_mbuf *clone;

	*s = (struct shared){NULL, NULL};
	if (r == NULL || !rng_once_in(r, 8))
		return m;
	s->original = m;
	s->bytes = malloc(m->pkt_len + 1);
	if (s->bytes == NULL)
		die("no memory");
	const uint8_t *whole = rte_pktmbuf_read(m, 0, m->pkt_len, s->bytes);
	if (whole != s->bytes)
		memcpy(s->bytes, whole, m->pkt_len);
	if (rng_below(r, 2)) {
		rte_pktmbuf_refcnt_update(m, 1);
		return m;
	}
	clone = rte_pktmbuf_clone(m, pools[0]);
	if (clone == NULL)
		die("no buffers left");
	return clone;
}

static void check_shared(struct shared *s)
{
	static uint8_t room[BOX_FRAME_BYTES];

	if (s->original == NULL)
		return;
	const uint8_t *now = rte_pktmbuf_read(s->original, 0, s->original->pkt_len, room);
	if (memcmp(now, s->bytes, s->original->pkt_len) != 0)
		die("a shared buffer was written to");
	rte_pktmbuf_free(s->original);
	free(s->bytes);
}

static void take_out(struct box_frame *f, struct rte_mbuf *m)
{
	const uint8_t *bytes;

	rte_mbuf_sanity_check(m, 1);
	if (m->pkt_len > sizeof(f->out))
		die("what came out is longer than a packet can be");
	bytes = rte_pktmbuf_read(m, 0, m->pkt_len, f->out);
	if (bytes == NULL)
		die("a packet is shorter than it says");
	if (bytes != f->out)
		memcpy(f->out, bytes, m->pkt_len);
	f->out_len = m->pkt_len;
	f->is_in_pieces = m->nb_segs > 1;
	rte_pktmbuf_free(m);
}

void box_set_spare(uint32_t n)
{
	spare = n;
}

// The whole inbound or outbound path, with as many buffers as it may find.
static void run_path(struct box *b, enum fer_direction direction, struct fer_batch *batch)
{
	static struct rte_mbuf *taken[N_BUFFERS];
	uint64_t timed_out = 0;
	uint32_t left = rte_mempool_avail_count(pools[0]);
	uint32_t n = left > spare ? left - spare : 0;

	if (n > 0 && rte_pktmbuf_alloc_bulk(pools[0], taken, n) != 0)
		die("buffers that are there cannot be had");
	if (direction == FER_OUT)
		fer_path_out(&b->path, batch);
	else
		fer_path_in(&b->path, batch, b->now, &timed_out);
	if (n > 0)
		rte_pktmbuf_free_bulk(taken, n);
}

static void take_verdicts(const struct fer_batch *batch, struct box_frame *frames)
{
	for (unsigned i = 0; i < batch->n; i++) {
		frames[i].verdict = (enum fer_verdict)batch->pkt[i].verdict;
		frames[i].out_len = 0;
		if (batch->pkt[i].verdict >= FER_N_VERDICTS)
			die("a verdict that there is not");
	}
}

void box_run(struct box *b, enum fer_direction direction, enum fer_link link,
	struct box_frame *frames, unsigned n, struct rng *r)
{
	static struct fer_batch batch;
	static struct rte_mbuf *out[FER_BATCH_MAX + FER_BATCH_MORE];
	struct shared shared[BOX_BURST];
	unsigned sent = 0;

	batch.n = (uint16_t)n;
	batch.link = (uint8_t)link;
	for (unsigned i = 0; i < n; i++)
		batch.m[i] = share(box_buffer(frames[i].bytes, frames[i].len, r), r, &shared[i]);
	run_path(b, direction, &batch);
	take_verdicts(&batch, frames);
	if (fer_sink(&batch, &b->outcomes, out) > n || batch.n_side != 0)
		die("more came out than went in");
	for (unsigned i = 0; i < n; i++)
		if (frames[i].verdict == FER_OK)
			take_out(&frames[i], out[sent++]);
	for (unsigned i = 0; i < n; i++)
		check_shared(&shared[i]);
}

struct fer_host_rules *box_rules(struct box *b)
{
	return &b->rules;
}

struct fer_path *box_path(struct box *b)
{
	return &b->path;
}

void box_replace_policies(struct box *b, struct fer_policies *policies)
{
	fer_policies_destroy(b->policies);
	b->rules.policies = b->policies = policies;
}

// Copies of what comes out end where their memory ends, so that nobody reads on.
static void show(struct rte_mbuf *out[], unsigned n, bool is_side,
	void (*see)(void *arg, const uint8_t *frame, uint32_t len, bool is_side), void *arg)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *copy = malloc(out[i]->pkt_len + 1);

		rte_mbuf_sanity_check(out[i], 1);
		const uint8_t *bytes = rte_pktmbuf_read(out[i], 0, out[i]->pkt_len, copy);
		if (copy == NULL || bytes == NULL)
			die("a packet is shorter than it says");
		if (bytes != copy)
			memcpy(copy, bytes, out[i]->pkt_len);
		if (see != NULL)
			see(arg, copy, out[i]->pkt_len, is_side);
		free(copy);
		rte_pktmbuf_free(out[i]);
	}
}

static void run_batch(struct box *b, enum fer_direction direction, struct fer_batch *batch,
	void (*see)(void *arg, const uint8_t *frame, uint32_t len, bool is_side), void *arg)
{
	static struct rte_mbuf *out[FER_BATCH_MAX + FER_BATCH_MORE];

	run_path(b, direction, batch);
	show(out, fer_sink(batch, &b->outcomes, out), false, see, arg);
	show(out, fer_sink_side(batch, &b->outcomes, out), true, see, arg);
}

void box_port(struct box *b, enum fer_direction direction, enum fer_link link,
	const struct box_rx *rx, unsigned n,
	void (*see)(void *arg, const uint8_t *frame, uint32_t len, bool is_side), void *arg)
{
	static struct fer_intake intake;
	static struct fer_batch batch;

	fer_intake_init(&intake, pools[0], link);
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = NULL;
		uint32_t at = 0;

		while (at < rx[i].len || m == NULL)
			at += add_segment(&m, rx[i].bytes + at, rx[i].len - at, NULL, UINT32_MAX);
		if (rx[i].unfinished)
			m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
		if (rx[i].segment != 0) {
			m->ol_flags |= RTE_MBUF_F_RX_LRO;
			m->tso_segsz = rx[i].segment;
		}
		fer_intake_room(&intake)[i] = m;
	}
	fer_intake_put(&intake, (uint16_t)n);
	while (fer_intake_take(&intake, &batch))
		run_batch(b, direction, &batch, see, arg);
	fer_intake_fini(&intake);
}

// All that words can ask for and tell.
#define SUMS                                                                                       \
	(FER_NIC_SUM_IP4 | FER_NIC_SUM_TCP4 | FER_NIC_SUM_UDP4 | FER_NIC_SUM_TCP6 |                \
		FER_NIC_SUM_UDP6)
static const _Atomic uint32_t everything = FER_NIC_ALL | SUMS | FER_NIC_JUDGE(SUMS) |
					   FER_NIC_LSO_V1 | FER_NIC_LSO_V2_IPV4 |
					   FER_NIC_LSO_V2_IPV6;

void box_serve_host(struct box *b)
{
	b->path.nic.may = &everything;
	b->path.nic.has_slots = true;
}

static void start_oob(struct box *b, struct fer_batch *batch, struct fer_shim *shim)
{
	box_serve_host(b);
	shim->pool = pools[0];
	shim->completes_all = true;
	batch->n = 1;
	batch->link = FER_LINK_ETHERNET;
}

void box_send(struct box *b, const uint8_t *frame, uint32_t len, struct rng *r,
	void (*see)(void *arg, const uint8_t *frame, uint32_t len, bool is_side), void *arg)
{
	static struct fer_shim shim;
	static struct fer_batch batch;
	static struct rte_mbuf *out[FER_BATCH_MAX + FER_BATCH_MORE];
	struct shared shared;

	start_oob(b, &batch, &shim);
	batch.m[0] = share(box_buffer(frame, len, r), r, &shared);
	fer_shim_take(&shim, &batch);
	fer_nic_transmit(&b->path.nic, &batch);
	if (fer_pkt_alive(&batch.pkt[0])) {
		unsigned n = 0;

		out[n++] = batch.m[0];
		for (unsigned i = 0; i < batch.n_more; i++)
			out[n++] = batch.more[i];
		batch.m[0] = NULL;
		batch.n_more = 0;
		show(out, n, false, see, arg);
	} else if (batch.n_more != 0) {
		die("a send that failed left something");
	}
	fer_shim_complete(&shim, &batch);
	(void)fer_sink(&batch, &b->outcomes, out);
	show(out, fer_sink_side(&batch, &b->outcomes, out), true, see, arg);
	check_shared(&shared);
}

void box_indicate(struct box *b, const uint8_t *frame, uint32_t len,
	void (*see)(void *arg, const uint8_t *frame, uint32_t len, bool is_side), void *arg)
{
	static struct fer_shim shim;
	static struct fer_batch batch;
	static struct rte_mbuf *out[FER_BATCH_MAX + FER_BATCH_MORE];

	start_oob(b, &batch, &shim);
	batch.m[0] = box_buffer(frame, len, NULL);
	fer_oob_clear(batch.m[0]);
	fer_batch_parse(&batch);
	fer_nic_receive(&b->path.nic, &batch);
	if (batch.pkt[0].verdict == FER_TOO_DEEP || batch.pkt[0].verdict == FER_WRONG_UDP)
		batch.pkt[0].verdict = FER_OK;
	fer_shim_indicate(&shim, &batch);
	show(out, fer_sink(&batch, &b->outcomes, out), false, see, arg);
}

uint64_t box_handle(const struct box *b, unsigned i)
{
	return b->handles[i];
}

unsigned box_in_use(void)
{
	return rte_mempool_in_use_count(pools[0]) + rte_mempool_in_use_count(pools[1]);
}

void box_check_leaks(void)
{
	if (box_in_use() != 0)
		die("buffers were not freed");
}
