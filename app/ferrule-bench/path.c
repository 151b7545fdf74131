// SPDX-License-Identifier: BSD-3-Clause
#include "path.h"

#include "../common/eal.h"
#include "base/pages.h"
#include "crypto/engine.h"
#include "html.h"
#include "load.h"
#include "measure.h"
#include "nic/oob.h"
#include "options.h"
#include "packets.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A load is used again until then: without ESN an association has 2^32 numbers.
#define MAX_LOAD_PACKETS (UINT64_C(1) << 31)
#define MANY_SAS 10000 // with which small pages cost time

struct bench {
	struct fer_bench_options options;
	struct fer_bench_load load;        // that of the row before
	struct fer_bench_compare *compare; // NULL: to nothing
	struct fer_bench_report *report;
	char error[FER_BENCH_ERROR_BYTES];
};

static uint32_t window_of(const struct fer_bench_options *o)
{
	uint32_t under_way = fer_bench_largest(&o->workers) * FER_BENCH_MAX_PACKETS;

	return RTE_MIN(RTE_MAX(rte_align32pow2(under_way), FER_BENCH_WINDOW + 0u),
		FER_REPLAY_MAX_PKTS + 0u);
}

static int make_load(struct bench *b, enum fer_direction direction,
	const struct fer_bench_algorithm *algorithm, uint32_t n_sas, uint32_t n_policies)
{
	fer_bench_load_fini(&b->load);
	b->load = (struct fer_bench_load){
		.direction = direction,
		.algorithm = algorithm,
		.n_sas = n_sas,
		.n_policies = n_policies,
		.overlap = b->options.overlap,
		.spis = b->options.spis,
		.window = window_of(&b->options),
	};
	return fer_bench_load_init(&b->load, b->error);
}

static struct fer_bench_report *open_report(const struct bench *b)
{
	const struct fer_bench_report_params params = {
		.options = &b->options,
		.json = b->options.json,
		.html = b->options.html,
		.compare = b->compare,
		.isa = fer_engine_arch(b->load.engine),
	};

	return fer_bench_report_open(&params);
}

static int measure_row(struct bench *b, uint32_t workers, uint32_t flows, uint32_t size,
	uint32_t burst, bool is_cold)
{
	const struct fer_bench_load *l = &b->load;
	struct fer_bench_row row = {.size = size,
		.burst = burst,
		.flows = flows,
		.order = b->options.order,
		.workers = workers,
		.helpers = b->options.helpers,
		.is_cold = is_cold};

	if (l->n_packets > MAX_LOAD_PACKETS &&
		make_load(b, l->direction, l->algorithm, l->n_sas, l->n_policies) != 0)
		return -1;
	if (b->report == NULL)
		b->report = open_report(b);
	if (b->report == NULL) {
		snprintf(b->error, sizeof(b->error), "no memory");
		return -1;
	}
	int rc = fer_bench_measure(&b->load, &row, b->options.seconds, b->error);
	if (rc == 0)
		fer_bench_report_row(b->report, &b->load, &row);
	return rc;
}

static int measure_sizes(struct bench *b, uint32_t workers, uint32_t flows)
{
	const struct fer_bench_options *o = &b->options;
	int rc = 0;

	for (unsigned s = 0; s < o->sizes.n; s++)
		for (unsigned u = 0; u < o->bursts.n; u++)
			for (unsigned c = 0; c < o->n_packets && rc == 0; c++)
				rc = measure_row(b, workers, flows, o->sizes.value[s],
					o->bursts.value[u], o->is_cold[c]);
	return rc;
}

// All rows of one load.
static int measure_load(struct bench *b)
{
	const struct fer_bench_options *o = &b->options;
	int rc = 0;

	for (unsigned w = 0; w < o->workers.n; w++)
		for (unsigned f = 0; f < o->flows.n && rc == 0; f++)
			rc = measure_sizes(b, o->workers.value[w], o->flows.value[f]);
	return rc;
}

static int measure_all(struct bench *b)
{
	const struct fer_bench_options *o = &b->options;
	int rc = 0;

	for (unsigned d = 0; d < o->n_directions; d++)
		for (unsigned a = 0; a < o->algorithms.n; a++)
			for (unsigned n = 0; n < o->sas.n; n++)
				for (unsigned p = 0; p < o->policies.n && rc == 0; p++) {
					rc = make_load(b, o->direction[d], &o->algorithms.value[a],
						o->sas.value[n], o->policies.value[p]);
					if (rc == 0)
						rc = measure_load(b);
				}
	return rc;
}

static unsigned megabytes(const struct fer_bench_options *o)
{
	return fer_bench_load_megabytes(
		       fer_bench_largest(&o->sas), fer_bench_largest(&o->policies)) +
	       fer_bench_largest(&o->workers) *
		       fer_bench_packets_megabytes(RTE_MAX(fer_bench_largest(&o->sizes), 1500u));
}

static int start(struct bench *b)
{
	uint32_t workers = fer_bench_largest(&b->options.workers) + b->options.helpers;
	int rc;

	if (workers > fer_bench_cpus()) {
		snprintf(b->error, sizeof(b->error), "%u threads, and %u CPUs to run on", workers,
			fer_bench_cpus());
		return -1;
	}
	rc = fer_eal_start("ferrule-bench", megabytes(&b->options));
	if (rc != 0) {
		snprintf(b->error, sizeof(b->error), "cannot start DPDK: %s", strerror(-rc));
		return -1;
	}
	rc = fer_oob_register();
	if (rc == 0)
		return 0;
	snprintf(b->error, sizeof(b->error), "no room in mbufs: %s", strerror(-rc));
	fer_eal_stop();
	return -1;
}

// Opens what the options name, before minutes are spent on what nobody could see.
static int check_files(struct bench *b)
{
	int rc = b->options.html == NULL ? 0 : fer_bench_html_check(b->options.html);

	if (rc != 0) {
		snprintf(b->error, sizeof(b->error), "--html: %s: %s", b->options.html,
			strerror(-rc));
		return -1;
	}
	if (b->options.compare == NULL)
		return 0;
	b->compare = fer_bench_compare_open(b->options.compare, b->error);
	return b->compare == NULL ? -1 : 0;
}

static void tell_small_pages(const struct fer_bench_options *o)
{
	if (fer_bench_largest(&o->sas) >= MANY_SAS && !fer_pages_can_be_huge(FER_PAGES_MODES))
		fputs("ferrule-bench: no huge pages for the associations, which makes many of them "
		      "slow: " FER_PAGES_MODES " says \"never\", or is not there\n",
			stderr);
}

static int run(struct bench *b)
{
	int rc = check_files(b);

	if (rc == 0)
		tell_small_pages(&b->options);
	bool is_up = rc == 0 && (rc = start(b)) == 0;
	if (is_up) {
		rc = measure_all(b);
		fer_bench_load_fini(&b->load);
		fer_eal_stop();
	}
	if (b->report != NULL && !fer_bench_report_finish(b->report, rc == 0, b->error))
		rc = -1;
	fer_bench_compare_close(b->compare);
	if (rc != 0)
		fprintf(stderr, "ferrule-bench: %s\n", b->error);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int fer_bench_path(int argc, char **argv)
{
	static struct bench b;
	int rc = fer_bench_options_parse(argc, argv, &b.options);

	return rc != 0 || b.options.done ? rc : run(&b);
}
