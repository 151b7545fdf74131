// SPDX-License-Identifier: BSD-3-Clause
#include "options.h"

#include "nic/batch.h"

#include <stddef.h>

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

#define N_ROWS(names) (sizeof(names) / sizeof((names)[0]))

static int read_directions(const struct fer_bench_option *o, const char *text, void *to)
{
	struct fer_bench_options *all = to;

	return fer_bench_read_list(o, text, &all->n_directions, all->direction,
		sizeof(all->direction[0]), fer_bench_read_direction);
}

static int read_packet(const struct fer_bench_option *o, const char *text, void *to)
{
	static const char *const names[] = {"warm", "cold"};

	return fer_bench_read_either(o, text, names, to);
}

static int read_packets(const struct fer_bench_option *o, const char *text, void *to)
{
	struct fer_bench_options *all = to;

	return fer_bench_read_list(
		o, text, &all->n_packets, all->is_cold, sizeof(all->is_cold[0]), read_packet);
}

static int read_selectors(const struct fer_bench_option *o, const char *text, void *to)
{
	static const char *const names[] = {"apart", "overlapping"};

	return fer_bench_read_either(o, text, names, to);
}

static int read_order(const struct fer_bench_option *o, const char *text, void *to)
{
	return fer_bench_read_name(o, text, order_names, N_ROWS(order_names), to);
}

static int read_spis(const struct fer_bench_option *o, const char *text, void *to)
{
	return fer_bench_read_name(o, text, spis_names, N_ROWS(spis_names), to);
}

#define AT(member) offsetof(struct fer_bench_options, member)

static const struct fer_bench_option options[] = {
	{"direction", read_directions, 0, 0, 0},
	{"algorithm", fer_bench_read_algorithms, AT(algorithms), 0, 0},
	{"size", fer_bench_read_sizes, AT(sizes), MIN_SIZE, MAX_SIZE},
	{"burst", fer_bench_read_numbers, AT(bursts), 1, FER_BATCH_MAX},
	{"sas", fer_bench_read_numbers, AT(sas), 1, MAX_SAS},
	{"order", read_order, AT(order), 0, 0},
	{"spis", read_spis, AT(spis), 0, 0},
	{"workers", fer_bench_read_numbers, AT(workers), 1, MAX_WORKERS},
	{"helpers", fer_bench_read_number, AT(helpers), 0, MAX_WORKERS},
	{"policies", fer_bench_read_numbers, AT(policies), 1, MAX_SAS},
	{"selectors", read_selectors, AT(overlap), 0, 0},
	{"flows", fer_bench_read_numbers, AT(flows), 1, MAX_FLOWS},
	{"packets", read_packets, 0, 0, 0},
	{"seconds", fer_bench_read_seconds, AT(seconds), 0, 0},
	{"html", fer_bench_read_text, AT(html), 0, 0},
	{"compare", fer_bench_read_text, AT(compare), 0, 0},
	{"json", fer_bench_read_flag, AT(json), 0, 0},
};

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
		rc = fer_bench_parse_options(
			argc, argv, options, N_ROWS(options), usage, help, o, &o->done);
	return rc != 0 || o->done ? rc : check(o);
}
