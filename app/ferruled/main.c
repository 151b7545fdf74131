// SPDX-License-Identifier: BSD-3-Clause
// The daemon of ferrule: pairs of ports, workers between them, a control thread.
#include "control.h"
#include "daemon.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2

static const char usage[] = "usage: ferruled [EAL options] -- -c FILE\n"
			    "       ferruled --help | --version\n";

static const char help[] =
	"\n"
	"Carries packets between pairs of ports and protects them with IPsec on the way.\n"
	"\n"
	"  EAL options        those of DPDK, such as --no-huge, --vdev, -l; the document may have\n"
	"                     some as well\n"
	"  -c, --config FILE  ports, workers, SAs and policies, YAML or JSON\n"
	"  -h, --help         this text\n"
	"      --version      the version\n"
	"\n"
	"Ends on SIGTERM, SIGINT or SIGHUP.  Exit codes: 0 it was asked to end; 1 refused or "
	"failed,\n"
	"with one line on standard error; 2 the command line is wrong.\n";

struct command {
	char **eal; // options in front of "--"
	int n_eal;
	const char *config;
	bool done; // it only asked for help or version
};

static int parse_own(int argc, char **argv, struct command *c)
{
	enum { OPT_VERSION = 256 };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, OPT_VERSION},
		{0},
	};

	for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		switch (o) {
		case 'c':
			c->config = optarg;
			break;
		case 'h':
			printf("%s%s", usage, help);
			c->done = true;
			return 0;
		case OPT_VERSION:
			puts("ferruled " FERRULE_VERSION);
			c->done = true;
			return 0;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (c->config != NULL && optind == argc)
		return 0;
	fprintf(stderr, "ferruled: %s\n%s",
		c->config == NULL ? "needs a document: -c FILE" : "takes no arguments", usage);
	return EXIT_USAGE;
}

// Without "--" all options are our own.
static int parse(int argc, char **argv, struct command *c)
{
	int split = 1;

	while (split < argc && strcmp(argv[split], "--") != 0)
		split++;
	if (split == argc)
		return parse_own(argc, argv, c);
	c->eal = argv + 1;
	c->n_eal = split - 1;
	argv[split] = argv[0];
	int rc = parse_own(argc - split, argv + split, c);
	optind = 1; // the EAL parses its own
	return rc;
}

static struct fer_doc *load(const char *path)
{
	struct fer_doc_error err;
	struct fer_doc *doc = NULL;

	// SAs may come over the socket.
	if (fer_doc_load_part(path, &doc, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return NULL;
	}
	if (doc->n_pairs > 0 && doc->pairs[0].line != 0)
		return doc;
	fer_doc_error_set(&err, path, 1, "pairs", "is missing: a daemon needs ports");
	fprintf(stderr, "%s\n", err.text);
	fer_doc_destroy(doc);
	return NULL;
}

// The document holds keys: it is gone before the first second of work is over.
static int start(struct fer_daemon *d, const struct command *c)
{
	struct fer_daemon_error error;
	struct fer_doc *doc = load(c->config);

	if (doc == NULL)
		return -1;
	int rc = fer_daemon_start(d, c->n_eal, c->eal, doc, &error);
	fer_doc_destroy(doc);
	if (rc != 0)
		fprintf(stderr, "%s\n", error.text);
	return rc;
}

static int run(const struct command *c)
{
	static struct fer_daemon d;
	int rc = start(&d, c);

	if (rc == 0) {
		rc = fer_control_run(&d);
		if (rc != 0)
			fer_log(&d.log, FER_LOG_ERROR, "no control loop: %s", strerror(-rc));
	}
	if (!fer_daemon_stop(&d))
		_exit(EXIT_FAILURE);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct command c = {0};
	int rc = parse(argc, argv, &c);

	signal(SIGPIPE, SIG_IGN);
	return rc != 0 || c.done ? rc : run(&c);
}
