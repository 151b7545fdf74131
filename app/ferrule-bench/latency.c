// SPDX-License-Identifier: BSD-3-Clause
#include "latency.h"

#include "box.h"
#include "json.h"
#include "measure.h"
#include "phase.h"

#include <rte_common.h>

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#define MIN_SIZE 28 // IPv4 and UDP headers
#define MAX_SIZE 9216
#define MAX_LOAD 100
#define MAX_LOADS (FER_BENCH_PHASES - 1)
#define SATURATION_SECONDS 0.3

static const char usage[] =
	"usage: ferrule-bench latency [--direction out|in] [--algorithm NAME] [--size BYTES]\n"
	"           [--load LIST] [--idle poll|nap] [--seconds S] [--json]\n";

static const char help[] =
	"\n"
	"Lets packets arrive at a steady rate at a daemon of its own, and prints how long they "
	"were "
	"in it:\n"
	"from arrival at one port to departure at the other.  Needs two CPUs; no privileges, no "
	"hugepages,\n"
	"no NIC.\n"
	"\n"
	"  --direction WAY   out: the worker protects them, in: it unprotects them (out)\n"
	"  --algorithm NAME  as in ferrule-bench path, without AH (aes-gcm-128)\n"
	"  --size BYTES      of the inner IPv4 packet, 28 to 9216 (512)\n"
	"  --load LIST       per cent of what the worker can carry, 1 to 100 (1,50,90)\n"
	"  --idle HOW        what the worker does while nothing comes: poll, nap (poll)\n"
	"  --seconds S       time for each load, up to 60 (1)\n"
	"  --json            one object, in place of the table\n"
	"  -h, --help        this text\n"
	"\n"
	"Exit codes: 0 done; 1 refused or failed, 2 the command line is wrong, each with one line "
	"on\n"
	"standard error.\n";

struct latency {
	enum fer_direction direction;
	struct fer_bench_algorithms algorithms; // one
	struct fer_bench_numbers loads;
	uint32_t size;
	bool naps;
	bool json;
	bool done; // it only asked for help, and has it
	double seconds;
	struct fer_bench_box *box;
	struct fer_bench_traffic *traffic;
	struct json_object *all;
	struct json_object *rows;
};

// --- command line -------------------------------------------------------------------------------

static int read_idle(const struct fer_bench_option *o, const char *text, void *to)
{
	static const char *const names[] = {"poll", "nap"};

	return fer_bench_read_either(o, text, names, to);
}

static const struct fer_bench_option options[] = {
	{"direction", fer_bench_read_direction, offsetof(struct latency, direction), 0, 0},
	{"algorithm", fer_bench_read_algorithms, offsetof(struct latency, algorithms), 0, 0},
	{"size", fer_bench_read_number, offsetof(struct latency, size), MIN_SIZE, MAX_SIZE},
	{"load", fer_bench_read_numbers, offsetof(struct latency, loads), 1, MAX_LOAD},
	{"idle", read_idle, offsetof(struct latency, naps), 0, 0},
	{"seconds", fer_bench_read_seconds, offsetof(struct latency, seconds), 0, 0},
	{"json", fer_bench_read_flag, offsetof(struct latency, json), 0, 0},
};

static int parse(int argc, char **argv, struct latency *l)
{
	*l = (struct latency){
		.direction = FER_OUT, .loads = {3, {1, 50, 90}}, .size = 512, .seconds = 1};
	int rc = fer_bench_parse_algorithms("aes-gcm-128", &l->algorithms);

	if (rc == 0)
		rc = fer_bench_parse_options(
			argc, argv, options, RTE_DIM(options), usage, help, l, &l->done);
	if (rc != 0 || l->done)
		return rc;
	if (l->algorithms.n != 1 || l->algorithms.value[0].encryption == NULL)
		return fer_bench_refuse("--algorithm: takes one, of ESP");
	if (l->loads.n > MAX_LOADS)
		return fer_bench_refuse("--load: more than %d items", MAX_LOADS);
	return 0;
}

// --- measuring ----------------------------------------------------------------------------------

static void report_start(struct latency *l, double most)
{
	if (!l->json) {
		printf("The worker can carry %.0f packets a second.\n%4s %10s", most, "load",
			"per second");
		fer_bench_phase_print_heading();
		putchar('\n');
		return;
	}
	l->all = json_object_new_object();
	l->rows = json_object_new_array();
	json_object_object_add(l->all, "machine", fer_bench_machine(NULL, l->traffic->tsc_hz));
	fer_bench_add_text(l->all, "direction", fer_bench_direction_name(l->direction));
	fer_bench_add_text(l->all, "algorithm", l->algorithms.value[0].name);
	fer_bench_add_u64(l->all, "size", l->size);
	fer_bench_add_text(l->all, "idle", l->naps ? "nap" : "poll");
	fer_bench_add_tenths(l->all, "packets_per_second", most);
	json_object_object_add(l->all, "rows", l->rows);
}

static void report_row(struct latency *l, unsigned phase, uint32_t load, double rate)
{
	const struct fer_bench_phase *p = &l->traffic->phase[phase];

	if (l->json) {
		struct json_object *o = json_object_new_object();

		fer_bench_add_u64(o, "load", load);
		fer_bench_add_tenths(o, "packets_per_second", rate);
		fer_bench_phase_add(o, l->traffic, p);
		json_object_array_add(l->rows, o);
		return;
	}
	printf("%4" PRIu32 " %10.0f", load, rate);
	fer_bench_phase_print(l->traffic, p);
	putchar('\n');
	fflush(stdout);
}

static void measure(struct latency *l)
{
	fer_bench_traffic_run(l->traffic, 0, FER_BENCH_SATURATE, SATURATION_SECONDS);
	double most = (double)l->traffic->phase[0].sent / SATURATION_SECONDS;

	report_start(l, most);
	for (unsigned i = 0; i < l->loads.n; i++) {
		double rate = most * l->loads.value[i] / 100;

		fer_bench_traffic_run(l->traffic, i + 1, rate, l->seconds);
		report_row(l, i + 1, l->loads.value[i], rate);
	}
}

static int fail(const char *why)
{
	fprintf(stderr, "ferrule-bench: %s\n", why);
	return EXIT_FAILURE;
}

static int run(struct latency *l)
{
	const struct fer_bench_box_params params = {
		.algorithm = &l->algorithms.value[0],
		.direction = l->direction,
		.size = l->size,
		.capacity = 1,
		.naps = l->naps,
	};
	char error[FER_BENCH_BOX_ERROR_BYTES];

	if (fer_bench_cpus() < 2)
		return fail("latency needs two CPUs to run on");
	l->box = fer_bench_box_open(&params, error);
	if (l->box == NULL)
		return fail(error);
	l->traffic = fer_bench_box_traffic(l->box);
	measure(l);
	bool ok = !l->json || fer_bench_print_json(stdout, l->all);
	ok = fflush(stdout) == 0 && !ferror(stdout) && ok;
	json_object_put(l->all);
	fer_bench_box_close(l->box);
	return ok ? EXIT_SUCCESS : fail("standard output: cannot write");
}

int fer_bench_latency(int argc, char **argv)
{
	static struct latency l;
	int rc = parse(argc, argv, &l);

	return rc != 0 || l.done ? rc : run(&l);
}
