// SPDX-License-Identifier: BSD-3-Clause
#include "control_options.h"

#include <stddef.h>

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

static int read_sas(const struct fer_bench_option *o, const char *text, void *to)
{
	struct fer_bench_control_options *all = to;

	all->sas_given = true;
	return fer_bench_read_number(o, text, &all->sas);
}

#define AT(member) offsetof(struct fer_bench_control_options, member)

static const struct fer_bench_option options[] = {
	{"socket", fer_bench_read_text, AT(socket), 0, 0},
	{"pair", fer_bench_read_number, AT(pair), 0, UINT16_MAX - 1},
	{"algorithm", fer_bench_read_algorithms, AT(algorithms), 0, 0},
	{"count", fer_bench_read_number, AT(count), 1, MAX_COUNT},
	{"list", fer_bench_read_number, AT(list), 1, MAX_LIST},
	{"sas", read_sas, 0, 0, MAX_SAS},
	{"direction", fer_bench_read_direction, AT(direction), 0, 0},
	{"load", fer_bench_read_number, AT(load), 0, MAX_LOAD},
	{"rate", fer_bench_read_number, AT(rate), 0, MAX_RATE},
	{"turns", fer_bench_read_number, AT(turns), 1, FER_BENCH_MAX_TURNS},
	{"seconds", fer_bench_read_seconds, AT(seconds), 0, 0},
	{"realtime", fer_bench_read_flag, AT(realtime), 0, 0},
	{"json", fer_bench_read_flag, AT(json), 0, 0},
};

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
		rc = fer_bench_parse_options(argc, argv, options,
			sizeof(options) / sizeof(options[0]), usage, help, o, &o->done);
	return rc != 0 || o->done ? rc : check(o);
}
