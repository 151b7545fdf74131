// SPDX-License-Identifier: BSD-3-Clause
// Measures ferrule: one verb for each thing that there is to measure.
#include "args.h"
#include "contention.h"
#include "control.h"
#include "fetch.h"
#include "latency.h"
#include "path.h"

#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: ferrule-bench VERB [OPTION ...]\n"
			    "       ferrule-bench VERB --help\n"
			    "       ferrule-bench --help | --version\n";

static const struct verb {
	const char *name;
	const char *text;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{"path", "ticks per packet in the data path, no ports", fer_bench_path},
	{"latency", "how long a packet is in the box at a given load", fer_bench_latency},
	{"contention", "what workers pay that share an association", fer_bench_contention},
	{"fetch", "what memory alone takes of many associations", fer_bench_fetch},
	{"control", "changes of associations over the control socket", fer_bench_control},
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static int help(void)
{
	printf("%s\n", usage);
	for (unsigned i = 0; i < N_VERBS; i++)
		printf("  %-11s %s\n", verbs[i].name, verbs[i].text);
	puts("\nNeeds no privileges, no hugepages, no NIC.");
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
		return help();
	if (strcmp(name, "--version") == 0)
		return puts("ferrule-bench " FERRULE_VERSION) < 0;
	if (name[0] == '\0' || name[0] == '-')
		return fer_bench_refuse("needs a verb: path, latency, contention, fetch, control");
	for (unsigned i = 0; i < N_VERBS; i++)
		if (strcmp(name, verbs[i].name) == 0) {
			argv[1] = argv[0];
			return verbs[i].run(argc - 1, argv + 1);
		}
	return fer_bench_refuse("unknown verb \"%s\"", name);
}
