// SPDX-License-Identifier: BSD-3-Clause
// The data path of ferrule over capture files.
#include "../common/eal.h"
#include "../common/signals.h"
#include "conf/document.h"
#include "crypto/iv.h"
#include "nic/oob.h"
#include "run.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EXIT_USAGE 2

static const char usage[] = "usage: ferrule-pcap protect   -c DOC.yaml [-o OUT.pcap] [--oob "
			    "OOB.jsonl] [--json] [--pair NAME] IN.pcap\n"
			    "       ferrule-pcap unprotect -c DOC.yaml [-o OUT.pcap] [--oob "
			    "OOB.jsonl] [--json] [--pair NAME] IN.pcap\n"
			    "       ferrule-pcap --help | --version\n";

static const char help[] =
	"\n"
	"Runs packets of a capture file through ferrule: protect is the way from the host port to "
	"the\n"
	"wire port, unprotect the way back.  Needs no privileges, no hugepages and no daemon.\n"
	"\n"
	"  -c, --config DOC     SAs and policies, YAML or JSON\n"
	"  -o, --output FILE    packets that came out, as classic pcap with the input's link "
	"type,\n"
	"                       unit of time and timestamps\n"
	"      --oob FILE       one line of JSON per input packet: verdict, receive words, SAs, "
	"numbers\n"
	"      --json           sums of the run on standard output\n"
	"      --pair NAME      the pair of ports to take the place of, where DOC has several\n"
	"  -h, --help           this text\n"
	"      --version        the version\n"
	"\n"
	"IN.pcap is classic pcap or pcapng, Ethernet or raw IP.  Without policies in the "
	"document,\n"
	"protect uses the first outbound SA for all it can carry, and unprotect lets out exactly "
	"what\n"
	"inbound SAs verified.\n"
	"\n"
	"Exit codes: 0 done, whatever became of the packets; 1 refused or failed, with one line "
	"on\n"
	"standard error and no output file; 2 the command line is wrong.\n";

struct command {
	const char *config;
	const char *pair; // NULL: the only one
	struct fer_run_params run;
	bool done; // it only asked for help or version
};

// 0, or EXIT_USAGE after saying why.
static int refuse(const char *what, const char *which)
{
	fprintf(stderr, "ferrule-pcap: %s%s\n%s", what, which, usage);
	return EXIT_USAGE;
}

static int parse_options(int argc, char **argv, struct command *c)
{
	enum { OPT_OOB = 256, OPT_JSON, OPT_PAIR, OPT_VERSION };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"output", required_argument, NULL, 'o'},
		{"oob", required_argument, NULL, OPT_OOB},
		{"json", no_argument, NULL, OPT_JSON},
		{"pair", required_argument, NULL, OPT_PAIR},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, OPT_VERSION},
		{0},
	};

	for (int o; (o = getopt_long(argc, argv, "c:o:h", options, NULL)) != -1;) {
		switch (o) {
		case 'c':
			c->config = optarg;
			break;
		case 'o':
			c->run.out = optarg;
			break;
		case OPT_OOB:
			c->run.oob = optarg;
			break;
		case OPT_PAIR:
			c->pair = optarg;
			break;
		case OPT_JSON:
			c->run.json = true;
			break;
		case 'h':
			printf("%s%s", usage, help);
			c->done = true;
			return 0;
		case OPT_VERSION:
			puts("ferrule-pcap " FERRULE_VERSION);
			c->done = true;
			return 0;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	return 0;
}

// Would one of the two results take the place of the other?  A device or a pipe may have both.
static bool are_one_file(const char *out, const char *oob)
{
	struct stat s;

	return out != NULL && oob != NULL && strcmp(out, oob) == 0 &&
	       (stat(out, &s) != 0 || S_ISREG(s.st_mode));
}

static int parse(int argc, char **argv, struct command *c)
{
	int rc = parse_options(argc, argv, c);

	if (rc != 0 || c->done)
		return rc;
	if (argc - optind != 2)
		return refuse("needs protect or unprotect, and one capture file", "");
	const char *verb = argv[optind];
	c->run.protect = strcmp(verb, "protect") == 0;
	if (!c->run.protect && strcmp(verb, "unprotect") != 0)
		return refuse("unknown verb ", verb);
	if (c->config == NULL)
		return refuse("needs a document: -c DOC.yaml", "");
	if (are_one_file(c->run.out, c->run.oob))
		return refuse("-o and --oob are one file: ", c->run.out);
	c->run.in = argv[optind + 1];
	return 0;
}

// Memory for DPDK's part: packets, and what grows with SAs and policies.
static unsigned megabytes(const struct fer_doc *doc)
{
	return 128 + doc->n_sas / 2048 + doc->n_policies / 32;
}

// Finds the pair whose SAs and policies are used; -1 after saying why not.
static int choose_pair(const struct command *c, const struct fer_doc *doc, uint32_t *pair)
{
	*pair = 0;
	if (c->pair == NULL && doc->n_pairs <= 1)
		return 0;
	for (uint32_t i = 0; c->pair != NULL && i < doc->n_pairs; i++)
		if (strcmp(doc->pairs[i].name, c->pair) == 0) {
			*pair = i;
			return 0;
		}
	if (c->pair == NULL)
		fprintf(stderr, "%s: has %u pairs: choose one with --pair\n", c->config,
			doc->n_pairs);
	else
		fprintf(stderr, "%s: has no pair %s\n", c->config, c->pair);
	return -1;
}

static int run(struct command *c)
{
	char error[FER_RUN_ERROR_BYTES];
	struct fer_doc_error doc_error;
	struct fer_doc *doc;

	if (fer_doc_load_file(c->config, &doc, &doc_error) != 0) {
		fprintf(stderr, "%s\n", doc_error.text);
		return EXIT_FAILURE;
	}
	if (choose_pair(c, doc, &c->run.pair) != 0) {
		fer_doc_destroy(doc);
		return EXIT_FAILURE;
	}
	c->run.doc = doc;
	c->run.ivs = fer_iv_system();
	c->run.stop = &fer_signal_caught;
	fer_signals_catch();
	int rc = fer_eal_start("ferrule-pcap", megabytes(doc));
	if (rc != 0) {
		fprintf(stderr, "ferrule-pcap: cannot start DPDK: %s\n", strerror(-rc));
		fer_doc_destroy(doc);
		return EXIT_FAILURE;
	}
	rc = fer_oob_register();
	if (rc != 0)
		snprintf(error, sizeof(error), "ferrule-pcap: no room in mbufs: %s", strerror(-rc));
	else
		rc = fer_run(&c->run, error);
	if (rc != 0)
		fprintf(stderr, "%s\n", error);
	fer_doc_destroy(doc);
	fer_eal_stop();
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct command c = {0};
	int rc = parse(argc, argv, &c);

	return rc != 0 || c.done ? rc : run(&c);
}
