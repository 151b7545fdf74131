// SPDX-License-Identifier: BSD-3-Clause
#include "options.h"

#include "nic/batch.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_SIZE 28 // IPv4 and UDP headers
#define MAX_SIZE 9216
#define MAX_SAS (1u << 20)
#define MAX_WORKERS 64
#define MAX_FLOWS (1u << 22)

static const char usage[] =
	"usage: ferrule-bench path [--direction out,in] [--algorithm LIST] [--size LIST] "
	"[--burst LIST]\n"
	"           [--sas LIST] [--order round-robin|random|own]\n"
	"           [--spis sequential|random|colliding] [--workers LIST] [--helpers N]\n"
	"           [--policies LIST] [--selectors apart|overlapping] [--flows LIST]\n"
	"           [--packets warm,cold] [--seconds S] [--json] [--html FILE] [--compare "
	"OLD.json]\n";

static const char help[] =
	"\n"
	"Runs bursts of packets through ferrule's data path, without ports, and prints what a "
	"packet\n"
	"costs in ticks of the CPU's time stamp counter.  Needs no privileges, no hugepages, no "
	"NIC.\n"
	"Every combination of the listed values is one row.\n"
	"\n"
	"  --direction LIST  out: protect, in: unprotect (out,in)\n"
	"  --algorithm LIST  aes-gcm-128, or ENCRYPTION+INTEGRITY such as\n"
	"                    aes-cbc-128+hmac-sha1-96, or AH such as ah:hmac-sha1-96 "
	"(aes-gcm-128)\n"
	"  --size LIST       bytes of the inner IPv4 packet, which is UDP, 28 to 9216;\n"
	"                    or imix: 7 of 40, 4 of 576, 1 of 1500 (64,512,1420)\n"
	"  --burst LIST      packets in a burst, 1 to 256 (32)\n"
	"  --sas LIST        associations, tunnels with keys of their own, 1 to 1048576 (1)\n"
	"  --order ORDER     in which packets visit them: round-robin, random; or own, round-robin "
	"over\n"
	"                    a share of its own for each worker; else all workers use all "
	"(round-robin)\n"
	"  --spis HOW        they are chosen: sequential, random; or colliding, with twelve equal "
	"bits of a\n"
	"                    CRC32c, so that a table whose hash has no secret puts them in few "
	"places\n"
	"                    (sequential)\n"
	"  --workers LIST    threads, each on a CPU of its own, 1 to 64 (1)\n"
	"  --helpers N       threads beside them that do crypto of their bursts, 0 to 64 (0)\n"
	"  --policies LIST   selectors, of which the last ones match (1).  Outbound, each "
	"association\n"
	"                    needs a selector that names it, so there are never fewer than "
	"those\n"
	"  --selectors KIND  of those that do not match: apart, each for a host that no packet "
	"goes to; or\n"
	"                    overlapping: prefixes of all lengths around the packets, with two "
	"ranges of\n"
	"                    ports (apart)\n"
	"  --flows LIST      of packets, by addresses and ports, spread over the associations, of "
	"which\n"
	"                    each has one at least; up to 4194304 (1)\n"
	"  --packets LIST    warm, or cold: out of the CPU's own caches, as a NIC leaves them "
	"(warm)\n"
	"  --seconds S       time for each row, up to 60 (1), after one packet of every flow\n"
	"  --json            one object, in place of the table\n"
	"  --html FILE       writes a report for a browser as well\n"
	"  --compare OLD.json  puts each row in relation to that of a report of before\n"
	"  -h, --help        this text\n"
	"\n"
	"ticks: per packet and worker, from the received burst (Ethernet) to the burst that is "
	"ready to\n"
	"send: everything but port I/O.  Median, 10th and 90th percentile over repeats; a repeat "
	"is a\n"
	"ring of at least 256 packets, timed as a whole, less the cost of the empty loop.  "
	"Between\n"
	"repeats, and not measured, the ring is made anew: for `in`, sealed with the next "
	"sequence\n"
	"numbers, so that the replay window works as in life.\n"
	"\n"
	"crypto: intel-ipsec-mb alone on the same bytes with one key, measured after every "
	"repeat.\n"
	"Where that differs by more than a quarter from its own median, the repeats before and "
	"behind it\n"
	"were disturbed and are dropped.  overhead is ticks less crypto.\n"
	"\n"
	"ratio: ticks in relation to those of OLD.json; adjusted: the same, divided by that of "
	"crypto,\n"
	"because what a machine gives differs from hour to hour.  More than 3 % is flagged.\n"
	"\n"
	"Stages are measured in repeats of their own, because marking them costs time.  Their "
	"marks are\n"
	"subtracted as far as they can be, but stages do not overlap as they otherwise do: "
	"together\n"
	"they may be more than ticks.\n"
	"\n"
	"Exit codes: 0 done; 1 refused or failed, 2 the command line is wrong, each with one line "
	"on\n"
	"standard error.\n";

static const char *const order_names[] = {
	[FER_BENCH_ROUND_ROBIN] = "round-robin",
	[FER_BENCH_RANDOM] = "random",
	[FER_BENCH_OWN] = "own",
};

const char *fer_bench_order_name(enum fer_bench_order order)
{
	return order_names[order];
}

static const char *const spis_names[] = {
	[FER_BENCH_SEQUENTIAL] = "sequential",
	[FER_BENCH_SCATTERED] = "random",
	[FER_BENCH_COLLIDING] = "colliding",
};

const char *fer_bench_spis_name(enum fer_bench_spis spis)
{
	return spis_names[spis];
}

static int parse_directions(const char *list, struct fer_bench_options *o)
{
	char item[FER_BENCH_NAME_BYTES];
	int rc = 0;

	for (o->n_directions = 0; rc == 0 && fer_bench_next_item(&list, item); o->n_directions++) {
		if (o->n_directions == FER_BENCH_MAX_ITEMS)
			return fer_bench_refuse(
				"--direction: more than %d items", FER_BENCH_MAX_ITEMS);
		rc = fer_bench_parse_direction(item, &o->direction[o->n_directions]);
	}
	return rc;
}

static int parse_packets(const char *list, struct fer_bench_options *o)
{
	char item[FER_BENCH_NAME_BYTES];

	for (o->n_packets = 0; fer_bench_next_item(&list, item); o->n_packets++) {
		if (o->n_packets == FER_BENCH_MAX_ITEMS)
			return fer_bench_refuse(
				"--packets: more than %d items", FER_BENCH_MAX_ITEMS);
		if (strcmp(item, "warm") != 0 && strcmp(item, "cold") != 0)
			return fer_bench_refuse("--packets: \"%s\" is neither warm nor cold", item);
		o->is_cold[o->n_packets] = strcmp(item, "cold") == 0;
	}
	return 0;
}

static int parse_selectors(const char *text, struct fer_bench_options *o)
{
	o->overlap = strcmp(text, "overlapping") == 0;
	return o->overlap || strcmp(text, "apart") == 0
		       ? 0
		       : fer_bench_refuse(
				 "--selectors: \"%s\" is neither apart nor overlapping", text);
}

static int parse_order(const char *text, struct fer_bench_options *o)
{
	for (unsigned i = 0; i < sizeof(order_names) / sizeof(order_names[0]); i++)
		if (strcmp(text, order_names[i]) == 0) {
			o->order = (enum fer_bench_order)i;
			return 0;
		}
	return fer_bench_refuse("--order: \"%s\" is neither round-robin nor random nor own", text);
}

static int parse_spis(const char *text, struct fer_bench_options *o)
{
	for (unsigned i = 0; i < sizeof(spis_names) / sizeof(spis_names[0]); i++)
		if (strcmp(text, spis_names[i]) == 0) {
			o->spis = (enum fer_bench_spis)i;
			return 0;
		}
	return fer_bench_refuse(
		"--spis: \"%s\" is neither sequential nor random nor colliding", text);
}

enum option_value {
	DIRECTION = 256,
	ALGORITHM,
	SIZE,
	BURST,
	SAS,
	ORDER,
	SPIS,
	WORKERS,
	HELPERS,
	POLICIES,
	SELECTORS,
	FLOWS,
	PACKETS,
	SECONDS,
	JSON,
	HTML,
	COMPARE
};

static int parse_option(int option, void *into)
{
	struct fer_bench_options *o = into;

	switch (option) {
	case DIRECTION:
		return parse_directions(optarg, o);
	case ALGORITHM:
		return fer_bench_parse_algorithms(optarg, &o->algorithms);
	case SIZE:
		return fer_bench_parse_sizes(optarg, MIN_SIZE, MAX_SIZE, &o->sizes);
	case BURST:
		return fer_bench_parse_numbers("burst", optarg, 1, FER_BATCH_MAX, &o->bursts);
	case SAS:
		return fer_bench_parse_numbers("sas", optarg, 1, MAX_SAS, &o->sas);
	case ORDER:
		return parse_order(optarg, o);
	case SPIS:
		return parse_spis(optarg, o);
	case WORKERS:
		return fer_bench_parse_numbers("workers", optarg, 1, MAX_WORKERS, &o->workers);
	case HELPERS:
		return fer_bench_parse_number("helpers", optarg, 0, MAX_WORKERS, &o->helpers);
	case POLICIES:
		return fer_bench_parse_numbers("policies", optarg, 1, MAX_SAS, &o->policies);
	case SELECTORS:
		return parse_selectors(optarg, o);
	case FLOWS:
		return fer_bench_parse_numbers("flows", optarg, 1, MAX_FLOWS, &o->flows);
	case PACKETS:
		return parse_packets(optarg, o);
	case SECONDS:
		return fer_bench_parse_seconds(optarg, &o->seconds);
	case HTML:
		o->html = optarg;
		return 0;
	case COMPARE:
		o->compare = optarg;
		return 0;
	case JSON:
		o->json = true;
		return 0;
	default:
		return FER_BENCH_EXIT_USAGE; // getopt has said why
	}
}

static int parse_options(int argc, char **argv, struct fer_bench_options *o)
{
	static const struct option options[] = {
		{"direction", required_argument, NULL, DIRECTION},
		{"algorithm", required_argument, NULL, ALGORITHM},
		{"size", required_argument, NULL, SIZE},
		{"burst", required_argument, NULL, BURST},
		{"sas", required_argument, NULL, SAS},
		{"order", required_argument, NULL, ORDER},
		{"spis", required_argument, NULL, SPIS},
		{"workers", required_argument, NULL, WORKERS},
		{"helpers", required_argument, NULL, HELPERS},
		{"policies", required_argument, NULL, POLICIES},
		{"selectors", required_argument, NULL, SELECTORS},
		{"flows", required_argument, NULL, FLOWS},
		{"packets", required_argument, NULL, PACKETS},
		{"seconds", required_argument, NULL, SECONDS},
		{"html", required_argument, NULL, HTML},
		{"compare", required_argument, NULL, COMPARE},
		{"json", no_argument, NULL, JSON},
		{"help", no_argument, NULL, 'h'},
		{0},
	};

	return fer_bench_parse_options(argc, argv, options, usage, help, parse_option, o, &o->done);
}

// What single options cannot know.
static int check(const struct fer_bench_options *o)
{
	for (unsigned i = 0; o->order == FER_BENCH_OWN && i < o->sas.n; i++)
		if (o->sas.value[i] < fer_bench_largest(&o->workers))
			return fer_bench_refuse("--order own needs an association for each worker");
	return 0;
}

int fer_bench_options_parse(int argc, char **argv, struct fer_bench_options *o)
{
	*o = (struct fer_bench_options){
		.n_directions = 2,
		.direction = {FER_OUT, FER_IN},
		.sizes = {3, {64, 512, 1420}},
		.bursts = {1, {32}},
		.sas = {1, {1}},
		.workers = {1, {1}},
		.policies = {1, {1}},
		.flows = {1, {1}},
		.n_packets = 1, // warm
		.seconds = 1,
	};
	int rc = fer_bench_parse_algorithms("aes-gcm-128", &o->algorithms);

	if (rc == 0)
		rc = parse_options(argc, argv, o);
	return rc != 0 || o->done ? rc : check(o);
}
