// SPDX-License-Identifier: BSD-3-Clause
#include "run.h"

#include "../common/load.h"
#include "../common/outfile.h"
#include "capture.h"
#include "crypto/engine.h"
#include "host/path.h"
#include "host/sink.h"
#include "nic/oob.h"
#include "nic/segment.h"
#include "report.h"

#include <ctype.h>
#include <errno.h>
#include <pcap/dlt.h>
#include <rte_errno.h>
#include <stdlib.h>
#include <string.h>

#define BURST 32
#define N_SEGMENTS 16383
#define N_DATAGRAMS 256 // that may wait for fragments at once
#define NS_PER_SECOND UINT64_C(1000000000)
#define FRAGMENT_TIMEOUT_NS (30 * NS_PER_SECOND)

// What came out of the file and is not written yet.
struct input {
	struct timespec when;
	enum fer_verdict refused; // FER_OK: it is packet `at` of the batch
	uint16_t at;
};

struct run {
	const struct fer_run_params *params;
	char *error;

	struct fer_engine *engine; // expands keys
	struct fer_sa_table *sas;
	struct fer_policies *policies;
	struct fer_host_rules rules;
	const struct fer_host_rules *_Atomic published;
	struct rte_mempool *pool;
	struct fer_path path;
	bool path_is_up;

	uint64_t *handles;     // by place in the document
	const char **by_index; // names by index in the table

	struct fer_clock clock; // by which SAs age: that of the file
	uint64_t now_ns;        // since its first packet
	struct timespec first;
	bool is_started; // there was one

	struct fer_capture *in;
	struct fer_capture_out *out;
	struct fer_outfile oob;
	struct fer_outcomes outcomes;
	uint64_t n_done; // packets reported
	uint64_t timed_out;

	unsigned n_inputs;
	struct input inputs[BURST];
	struct fer_batch batch;
	struct rte_mbuf *sent[FER_BATCH_MAX];
	uint8_t flat[FER_CAPTURE_MAX_BYTES]; // a packet in pieces, on its way to the file
};

__attribute__((format(printf, 2, 3))) static int fail(struct run *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->error, FER_RUN_ERROR_BYTES, format, args);
	va_end(args);
	for (char *c = r->error; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	return -1;
}

static uint64_t file_now_ns(void *ctx)
{
	return ((const struct run *)ctx)->now_ns;
}

static int open_table(struct run *r)
{
	const struct fer_doc *doc = r->params->doc;
	struct fer_doc_error err;
	int error;

	r->clock = (struct fer_clock){.now_ns = file_now_ns, .ctx = r};
	r->engine = fer_engine_open(r->params->ivs, &error);
	if (r->engine == NULL)
		return fail(r, "cannot start the crypto engine: %s", fer_engine_error(error));
	r->sas = fer_sa_table_create(&(struct fer_sa_table_params){.name = "ferrule-pcap",
					     .capacity = doc->n_sas > 0 ? doc->n_sas : 1,
					     .n_groups = doc->n_groups,
					     .ivs = r->params->ivs,
					     .clock = &r->clock},
		r->engine, &error);
	r->handles = calloc(doc->n_sas + 1, sizeof(*r->handles));
	if (r->sas == NULL || r->handles == NULL)
		return fail(r, "no memory for %u associations", doc->n_sas);
	if (fer_load_sas(r->sas, doc, r->params->pair, r->handles, &err) != 0 ||
		fer_load_policies(doc, r->params->pair, &r->policies, &err) != 0)
		return fail(r, "%s", err.text);
	return 0;
}

// Reports name SAs; packets know them by their index in the table.
static int index_names(struct run *r)
{
	const struct fer_doc *doc = r->params->doc;

	r->by_index = calloc(fer_sa_capacity(r->sas), sizeof(*r->by_index));
	if (r->by_index == NULL)
		return fail(r, "no memory for %u names", doc->n_sas);
	for (uint32_t i = 0; i < doc->n_sas; i++)
		if (r->handles[i] != 0)
			r->by_index[(uint32_t)r->handles[i]] = doc->sas[i].name;
	return 0;
}

// Without policies the first outbound SA protects what it can carry.
static void make_rules(struct run *r)
{
	const struct fer_doc *doc = r->params->doc;

	r->rules.policies = r->policies;
	for (uint32_t i = 0; i < doc->n_sas && r->rules.only_sa == 0; i++)
		if (r->handles[i] != 0 && doc->sas[i].direction == FER_OUT)
			r->rules.only_sa = r->handles[i];
	atomic_init(&r->published, &r->rules);
}

static int open_path(struct run *r)
{
	make_rules(r);
	r->pool = rte_pktmbuf_pool_create(
		"ferrule-pcap", N_SEGMENTS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (r->pool == NULL)
		return fail(r, "no memory for packets: %s", rte_strerror(rte_errno));
	const struct fer_path_params params = {
		.sas = r->sas,
		.pool = r->pool,
		.ivs = r->params->ivs,
		.rules = &r->published,
		.reassembly = {.n_datagrams = N_DATAGRAMS, .timeout_ticks = FRAGMENT_TIMEOUT_NS},
	};
	int error = fer_path_init(&r->path, &params);
	if (error != 0)
		return fail(r, "cannot start: %s", strerror(-error));
	r->path_is_up = true;
	return 0;
}

static int open_files(struct run *r)
{
	const struct fer_run_params *p = r->params;
	int error;

	r->in = fer_capture_open(p->in, r->error);
	if (r->in == NULL)
		return -1;
	struct fer_capture_format format = fer_capture_format(r->in);
	r->batch.link = format.link_type == DLT_EN10MB ? FER_LINK_ETHERNET : FER_LINK_RAW_IP;
	if (p->out != NULL) {
		r->out = fer_capture_out_open(p->out, format, r->error);
		if (r->out == NULL)
			return -1;
	}
	error = p->oob == NULL ? 0 : fer_outfile_open(&r->oob, p->oob);
	return error == 0 ? 0 : fail(r, "%s: cannot write: %s", p->oob, strerror(-error));
}

static void take_input(struct run *r, const struct fer_capture_packet *c)
{
	struct input *in = &r->inputs[r->n_inputs++];
	struct fer_batch *b = &r->batch;

	*in = (struct input){.when = c->when, .at = b->n};
	if (c->cap_len < c->len) {
		in->refused = FER_TRUNCATED;
		return;
	}
	b->m[b->n] = fer_segment_make(c->bytes, c->cap_len, r->pool);
	if (b->m[b->n] == NULL)
		in->refused = FER_NO_ROOM;
	else
		b->n++;
}

static int report_input(struct run *r, const struct input *in)
{
	const struct fer_report_names names = {.by_index = r->by_index, .sas = r->sas};
	uint64_t number = ++r->n_done;
	bool ok = true;

	if (in->refused != FER_OK)
		r->outcomes.packets[in->refused]++;
	if (r->oob.file != NULL && in->refused != FER_OK)
		ok = fer_report_refused(r->oob.file, number, in->refused);
	else if (r->oob.file != NULL)
		ok = fer_report_packet(
			r->oob.file, &names, &r->batch, in->at, number, r->params->protect);
	return ok ? 0 : fail(r, "%s: cannot write: %s", r->params->oob, strerror(errno));
}

static int write_packet(struct run *r, struct rte_mbuf *m, struct timespec when)
{
	const struct fer_capture_packet c = {
		.bytes = rte_pktmbuf_read(m, 0, m->pkt_len, r->flat),
		.cap_len = m->pkt_len,
		.len = m->pkt_len,
		.when = when,
	};

	return r->out == NULL ? 0 : fer_capture_out_write(r->out, &c, r->error);
}

// SAs are as old as the file when a burst begins.  A file whose packets are out of order does not
// make them younger.
static void age_sas(struct run *r, const struct timespec *when)
{
	struct fer_sa_notice notices[2 * BURST];

	if (!r->is_started)
		r->first = *when;
	r->is_started = true;
	int64_t age_ns = (int64_t)(when->tv_sec - r->first.tv_sec) * (int64_t)NS_PER_SECOND +
			 (when->tv_nsec - r->first.tv_nsec);
	if (age_ns > 0 && (uint64_t)age_ns > r->now_ns)
		r->now_ns = (uint64_t)age_ns;
	while (fer_sa_next_age(r->sas) <= r->now_ns)
		fer_sa_age(r->sas, notices, BURST);
}

// What was read goes its way; then lines and packets are written.
static int finish_burst(struct run *r)
{
	struct timespec when[BURST];
	struct fer_batch *b = &r->batch;
	unsigned n_ok = 0;
	int rc = 0;

	if (r->n_inputs == 0)
		return 0;
	const struct timespec *first = &r->inputs[0].when;
	age_sas(r, first);
	if (r->params->protect)
		fer_path_out(&r->path, b);
	else
		fer_path_in(&r->path, b,
			(uint64_t)first->tv_sec * NS_PER_SECOND + (uint64_t)first->tv_nsec,
			&r->timed_out);
	for (unsigned i = 0; i < r->n_inputs; i++) {
		const struct input *in = &r->inputs[i];

		if (rc == 0)
			rc = report_input(r, in);
		if (in->refused == FER_OK && fer_pkt_alive(&b->pkt[in->at]))
			when[n_ok++] = in->when;
	}
	unsigned n_sent = fer_sink(b, &r->outcomes, r->sent);
	for (unsigned i = 0; i < n_sent; i++) {
		if (rc == 0)
			rc = write_packet(r, r->sent[i], when[i]);
		rte_pktmbuf_free(r->sent[i]);
	}
	r->n_inputs = 0;
	return rc;
}

// A burst has one time for the reassembly, so it ends where the file's clock moves on.
static bool ends_burst(const struct run *r, const struct fer_capture_packet *c)
{
	return r->n_inputs == BURST ||
	       (r->n_inputs > 0 && c->when.tv_sec != r->inputs[0].when.tv_sec);
}

static int run_packets(struct run *r)
{
	struct fer_capture_packet c;
	int more;

	while ((more = fer_capture_read(r->in, &c, r->error)) > 0) {
		if (r->params->stop != NULL && *r->params->stop != 0)
			return fail(r, "interrupted");
		if (ends_burst(r, &c) && finish_burst(r) != 0)
			return -1;
		take_input(r, &c);
	}
	return more < 0 ? -1 : finish_burst(r);
}

static int finish_files(struct run *r)
{
	struct fer_capture_out *out = r->out;

	r->out = NULL;
	if (out != NULL && fer_capture_out_finish(out, r->error) != 0)
		return -1;
	int error = r->oob.file == NULL ? 0 : fer_outfile_finish(&r->oob);
	return error == 0 ? 0 : fail(r, "%s: cannot write: %s", r->params->oob, strerror(-error));
}

static int print_sums(struct run *r)
{
	const struct fer_report_names names = {.by_index = r->by_index, .sas = r->sas};

	if (!r->params->json)
		return 0;
	if (!fer_report_sums(stdout, &names, r->handles, r->params->doc->n_sas, &r->outcomes) ||
		fflush(stdout) != 0)
		return fail(r, "standard output: cannot write: %s", strerror(errno));
	return 0;
}

static void close_all(struct run *r)
{
	for (unsigned i = 0; i < r->batch.n; i++)
		rte_pktmbuf_free(r->batch.m[i]);
	fer_outfile_abort(&r->oob);
	fer_capture_out_abort(r->out);
	fer_capture_close(r->in);
	if (r->path_is_up)
		fer_path_fini(&r->path);
	rte_mempool_free(r->pool);
	fer_policies_destroy(r->policies);
	if (r->sas != NULL)
		fer_sa_table_destroy(r->sas);
	fer_engine_close(r->engine);
	free(r->by_index);
	free(r->handles);
	free(r);
}

int fer_run(const struct fer_run_params *params, char error[FER_RUN_ERROR_BYTES])
{
	struct run *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		snprintf(error, FER_RUN_ERROR_BYTES, "no memory");
		return -1;
	}
	r->params = params;
	r->error = error;
	int rc = open_table(r);
	if (rc == 0)
		rc = index_names(r);
	if (rc == 0)
		rc = open_path(r);
	if (rc == 0)
		rc = open_files(r);
	if (rc == 0)
		rc = run_packets(r);
	if (rc == 0)
		rc = finish_files(r);
	if (rc == 0)
		rc = print_sums(r);
	close_all(r);
	return rc;
}
