// SPDX-License-Identifier: BSD-3-Clause
#include "control_options.h"

#include <getopt.h>
#include <stdio.h>

#define MAX_COUNT (1u << 20)
#define MAX_LIST 100000
#define MAX_SAS (1u << 22)
#define MAX_RATE 1000000
#define MAX_LOAD 100
#define MAX_REALTIME_SECONDS 0.5 // at a time; see end_realtime() in control.c
#define DEFAULT_SAS 1000000

static const char usage[] =
	"usage: ferrule-bench control [--socket PATH [--pair N]] [--algorithm LIST] [--count N]\n"
	"           [--list N] [--sas N] [--direction out|in] [--load PERCENT] [--rate N]\n"
	"           [--turns N] [--seconds S] [--realtime] [--json]\n";

static const char help[] =
	"\n"
	"Adds, updates and deletes associations over the control socket, and prints how many a\n"
	"second and how long one request took.  Starts a daemon of its own, whose one worker "
	"carries\n"
	"packets meanwhile; needs no privileges, no hugepages, no NIC.\n"
	"\n"
	"  --socket PATH     a daemon that runs already, in place of an own one; what is added is\n"
	"                    deleted again.  Packets are what that daemon has of them\n"
	"  --pair N          of that daemon's pairs, from 0 (0)\n"
	"  --algorithm LIST  as in ferrule-bench path, of those that the contract knows "
	"(aes-gcm-128,\n"
	"                    aes-cbc-128+hmac-sha1-96,aes-cbc-128+hmac-sha2-256-128)\n"
	"  --count N         associations of each row, 1 to 1048576 (20000)\n"
	"  --list N          of them in one request where there are lists, 1 to 100000 (1000)\n"
	"  --sas N           then as many are loaded and dumped; 0: none (1000000, or what memory\n"
	"                    allows; with --socket 0)\n"
	"  --direction WAY   of packets; out: the worker protects them, in: it unprotects them "
	"(out)\n"
	"  --load PERCENT    of what the worker can carry, 0 to 100 (90)\n"
	"  --rate N          at last, changes a second while packets are counted; 0: none (10000)\n"
	"  --turns N         of that, and of what it is compared with: nothing, a client that "
	"spins, and\n"
	"                    questions that change nothing, 1 to 1000 (4)\n"
	"  --seconds S       time for each of these, all turns together, up to 60 (2)\n"
	"  --realtime        meanwhile the worker is a realtime thread, if the system allows it: "
	"no\n"
	"                    ordinary program takes its CPU.  For turns of half a second at most\n"
	"  --json            one object, in place of the table\n"
	"  -h, --help        this text\n"
	"\n"
	"The client shares the CPU of the daemon's control thread; the worker has one of its own, "
	"or\n"
	"carries nothing where there is none.\n"
	"\n"
	"Exit codes: 0 done; 1 refused or failed, 2 the command line is wrong, each with one line "
	"on\n"
	"standard error.\n";

enum option_value {
	SOCKET = 256,
	PAIR,
	ALGORITHM,
	COUNT,
	LIST,
	SAS,
	DIRECTION,
	LOAD,
	RATE,
	TURNS,
	SECONDS,
	REALTIME,
	JSON
};

static int parse_option(int option, void *into)
{
	struct fer_bench_control_options *o = into;

	switch (option) {
	case SOCKET:
		o->socket = optarg;
		return 0;
	case PAIR:
		return fer_bench_parse_number("pair", optarg, 0, UINT16_MAX - 1, &o->pair);
	case ALGORITHM:
		return fer_bench_parse_algorithms(optarg, &o->algorithms);
	case COUNT:
		return fer_bench_parse_number("count", optarg, 1, MAX_COUNT, &o->count);
	case LIST:
		return fer_bench_parse_number("list", optarg, 1, MAX_LIST, &o->list);
	case SAS:
		o->sas_given = true;
		return fer_bench_parse_number("sas", optarg, 0, MAX_SAS, &o->sas);
	case DIRECTION:
		return fer_bench_parse_direction(optarg, &o->direction);
	case LOAD:
		return fer_bench_parse_number("load", optarg, 0, MAX_LOAD, &o->load);
	case RATE:
		return fer_bench_parse_number("rate", optarg, 0, MAX_RATE, &o->rate);
	case TURNS:
		return fer_bench_parse_number("turns", optarg, 1, FER_BENCH_MAX_TURNS, &o->turns);
	case SECONDS:
		return fer_bench_parse_seconds(optarg, &o->seconds);
	case REALTIME:
		o->realtime = true;
		return 0;
	case JSON:
		o->json = true;
		return 0;
	default:
		return FER_BENCH_EXIT_USAGE; // getopt has said why
	}
}

static int parse_options(int argc, char **argv, struct fer_bench_control_options *o)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, SOCKET},
		{"pair", required_argument, NULL, PAIR},
		{"algorithm", required_argument, NULL, ALGORITHM},
		{"count", required_argument, NULL, COUNT},
		{"list", required_argument, NULL, LIST},
		{"sas", required_argument, NULL, SAS},
		{"direction", required_argument, NULL, DIRECTION},
		{"load", required_argument, NULL, LOAD},
		{"rate", required_argument, NULL, RATE},
		{"turns", required_argument, NULL, TURNS},
		{"seconds", required_argument, NULL, SECONDS},
		{"realtime", no_argument, NULL, REALTIME},
		{"json", no_argument, NULL, JSON},
		{"help", no_argument, NULL, 'h'},
		{0},
	};

	return fer_bench_parse_options(argc, argv, options, usage, help, parse_option, o, &o->done);
}

// What single options cannot know.
static int check(struct fer_bench_control_options *o)
{
	if (o->pair != 0 && o->socket == NULL)
		return fer_bench_refuse("--pair needs --socket: a daemon of our own has one");
	if (o->realtime && o->seconds > o->turns * MAX_REALTIME_SECONDS)
		return fer_bench_refuse("--realtime: turns of more than half a second; more of "
					"them with --turns, or fewer --seconds");
	for (unsigned i = 0; i < o->algorithms.n; i++) {
		const struct fer_bench_algorithm *a = &o->algorithms.value[i];

		if (a->encryption == NULL || a->encryption->ndis == 0 ||
			(a->integrity != NULL && a->integrity->ndis == 0))
			return fer_bench_refuse(
				"--algorithm: %s: the contract does not know it", a->name);
	}
	if (!o->sas_given && o->socket != NULL)
		o->sas = 0;
	return 0;
}

int fer_bench_control_parse(int argc, char **argv, struct fer_bench_control_options *o)
{
	*o = (struct fer_bench_control_options){
		.count = 20000,
		.list = 1000,
		.sas = DEFAULT_SAS,
		.direction = FER_OUT,
		.load = 90,
		.rate = 10000,
		.turns = 4,
		.seconds = 2,
	};
	int rc = fer_bench_parse_algorithms("aes-gcm-128,aes-cbc-128+hmac-sha1-96,"
					    "aes-cbc-128+hmac-sha2-256-128",
		&o->algorithms);

	if (rc == 0)
		rc = parse_options(argc, argv, o);
	return rc != 0 || o->done ? rc : check(o);
}
