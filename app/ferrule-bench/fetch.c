// SPDX-License-Identifier: BSD-3-Clause
#include "fetch.h"

#include "../common/memory.h"
#include "args.h"
#include "base/pages.h"
#include "json.h"
#include "repeats.h"

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_prefetch.h>

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BLOCK_BYTES 1344 // of an association with AES-GCM
#define LINE_BYTES 64
#define MAX_LINES (BLOCK_BYTES / LINE_BYTES)
#define MAX_SAS (1 << 20)
#define MAX_AHEAD 64
#define REPEAT 256 // visits between two looks at the clock

static const char usage[] =
	"usage: ferrule-bench fetch [--sas LIST] [--lines LIST] [--ahead N] [--seconds S] "
	"[--json]\n";

static const char help[] =
	"\n"
	"Prints what memory alone takes: ticks of a loop that visits blocks as long as an\n"
	"association at random, fetches lines of each some visits ahead, reads them, and does\n"
	"nothing else.  No path that visits as many lines is faster than that.\n"
	"\n"
	"  --sas LIST     blocks, 1 to 1048576 (1000,10000,100000,1000000)\n"
	"  --lines LIST   of a block that are read, 1 to 21; a packet of 64 bytes outbound visits\n"
	"                 8, a long one all (1,3,8,21)\n"
	"  --ahead N      visits between fetching and reading, 1 to 64 (16)\n"
	"  --seconds S    time for each row, up to 60 (0.2)\n"
	"  --json         one object in place of the table\n"
	"  -h, --help     this text\n";

struct options {
	struct fer_bench_numbers sas, lines;
	uint32_t ahead;
	double seconds;
	bool json, done;
};

// Blocks, and which of them are visited next.
struct loop {
	const uint8_t *blocks;
	uint32_t n, lines, ahead;
	uint64_t random;
	uint32_t visits[REPEAT + MAX_AHEAD];
	struct fer_bench_repeats repeats;
};

static uint32_t next_visit(struct loop *l)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (uint32_t)((l->random >> 32) * l->n >> 32);
}

static const uint8_t *block_of(const struct loop *l, unsigned visit)
{
	return l->blocks + (size_t)l->visits[visit] * BLOCK_BYTES;
}

static void fetch(const struct loop *l, unsigned visit)
{
	const uint8_t *block = block_of(l, visit);

	for (uint32_t k = 0; k < l->lines; k++)
		rte_prefetch0(block + (size_t)k * LINE_BYTES);
}

static uint64_t read_lines(const struct loop *l, unsigned visit)
{
	const uint8_t *block = block_of(l, visit);
	uint64_t sum = 0;

	for (uint32_t k = 0; k < l->lines; k++)
		sum += *(const uint64_t *)(block + (size_t)k * LINE_BYTES);
	return sum;
}

// Visits REPEAT blocks, the first of which have been fetched, and fetches the first of the next.
static uint64_t visit_all(const struct loop *l)
{
	uint64_t start = rte_rdtsc_precise(), sum = 0;

	for (unsigned i = 0; i < REPEAT; i++) {
		fetch(l, i + l->ahead);
		sum += read_lines(l, i);
	}
	__asm__ volatile("" : : "r"(sum));
	return rte_rdtsc_precise() - start;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// Returns ticks of a visit: the median of repeats.
static double measure(struct loop *l, double seconds)
{
	double end;

	for (uint32_t i = 0; i < l->n; i++) // what was read lately is where it may be
		for (uint32_t k = 0; k < l->lines; k++)
			__asm__ volatile(
				""
				:
				: "r"(l->blocks[(size_t)i * BLOCK_BYTES + k * LINE_BYTES]));
	for (uint32_t i = 0; i < l->ahead; i++)
		l->visits[i] = next_visit(l);
	end = now() + seconds;
	do {
		for (uint32_t i = l->ahead; i < REPEAT + l->ahead; i++)
			l->visits[i] = next_visit(l);
		fer_bench_repeats_add(&l->repeats, visit_all(l));
		for (uint32_t i = 0; i < l->ahead; i++)
			l->visits[i] = l->visits[REPEAT + i];
	} while (now() < end);
	return (double)fer_bench_repeats_median(&l->repeats) / REPEAT;
}

static void print_row(struct json_object *rows, const struct loop *l, double ticks)
{
	if (rows == NULL) {
		printf("%8" PRIu32 " %6" PRIu32 " %8.1f\n", l->n, l->lines, ticks);
		return;
	}
	struct json_object *o = json_object_new_object();

	fer_bench_add_u64(o, "sas", l->n);
	fer_bench_add_u64(o, "lines", l->lines);
	fer_bench_add_u64(o, "ahead", l->ahead);
	fer_bench_add_tenths(o, "ticks", ticks);
	json_object_array_add(rows, o);
}

static int measure_all(const struct options *o, struct json_object *rows)
{
	static struct loop l;
	const size_t bytes = (size_t)fer_bench_largest(&o->sas) * BLOCK_BYTES;

	// Pages that nobody wrote to would all be one, full of zeros.
	void *blocks = bytes > fer_memory_available() ? NULL : fer_pages_map(bytes);
	if (blocks == NULL) {
		fprintf(stderr, "ferrule-bench: no memory for %" PRIu32 " blocks\n",
			fer_bench_largest(&o->sas));
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < bytes; i += LINE_BYTES)
		((uint8_t *)blocks)[i] = 1;
	l = (struct loop){.blocks = blocks, .ahead = o->ahead, .random = 88172645463325252U};
	if (rows == NULL)
		printf("%8s %6s %8s\n", "sas", "lines", "ticks");
	for (unsigned s = 0; s < o->sas.n; s++)
		for (unsigned k = 0; k < o->lines.n; k++) {
			l.n = o->sas.value[s];
			l.lines = o->lines.value[k];
			print_row(rows, &l, measure(&l, o->seconds));
		}
	fer_pages_unmap(blocks, bytes);
	return EXIT_SUCCESS;
}

static const struct fer_bench_option options[] = {
	{"sas", fer_bench_read_numbers, offsetof(struct options, sas), 1, MAX_SAS},
	{"lines", fer_bench_read_numbers, offsetof(struct options, lines), 1, MAX_LINES},
	{"ahead", fer_bench_read_number, offsetof(struct options, ahead), 1, MAX_AHEAD},
	{"seconds", fer_bench_read_seconds, offsetof(struct options, seconds), 0, 0},
	{"json", fer_bench_read_flag, offsetof(struct options, json), 0, 0},
};

int fer_bench_fetch(int argc, char **argv)
{
	struct options o = {
		.sas = {4, {1000, 10000, 100000, 1000000}},
		.lines = {4, {1, 3, 8, 21}},
		.ahead = 16,
		.seconds = 0.2,
	};
	struct json_object *all = NULL, *rows = NULL;
	int rc = fer_bench_parse_options(
		argc, argv, options, RTE_DIM(options), usage, help, &o, &o.done);

	if (rc != 0 || o.done)
		return rc;
	if (o.json) {
		all = json_object_new_object();
		rows = json_object_new_array();
		json_object_object_add(all, "machine", fer_bench_machine(NULL, 0));
		json_object_object_add(all, "rows", rows);
	}
	rc = measure_all(&o, rows);
	bool ok = rc != EXIT_SUCCESS || all == NULL || fer_bench_print_json(stdout, all);
	json_object_put(all);
	if (!ok || fflush(stdout) != 0 || ferror(stdout)) {
		fputs("ferrule-bench: standard output: cannot write\n", stderr);
		rc = EXIT_FAILURE;
	}
	return rc;
}
