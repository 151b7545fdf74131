// SPDX-License-Identifier: BSD-3-Clause
#include "command.h"

#include "verbs.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_SECONDS 5
#define MAX_DRAIN_SECONDS 86400

static void print_verb(FILE *f, const char *before, const struct verb *v)
{
	fprintf(f, "%sferrule %s%s%s%s%s\n", before, v->words[0], v->words[1] == NULL ? "" : " ",
		v->words[1] == NULL ? "" : v->words[1], v->usage[0] == '\0' ? "" : " ", v->usage);
}

static void print_help(void)
{
	const struct verb *v;

	puts("usage: ferrule [-s SOCKET] [--json] [--pair NAME] VERB ...\n\n"
	     "Speaks to a ferruled through its control socket.\n");
	for (unsigned i = 0; (v = verb_at(i)) != NULL; i++)
		print_verb(stdout, "  ", v);
	puts("\n"
	     "  -s, --socket SOCKET  of the daemon (" FER_CLIENT_DEFAULT_PATH ")\n"
	     "      --json           prints JSON\n"
	     "      --pair NAME      the pair of ports that is meant, where there are several\n"
	     "  -h, --help           this text; behind a verb, help with it\n"
	     "      --version        the version\n\n"
	     "Exit codes: 0 done; 1 refused or failed, with one line on standard error; 2 the "
	     "command\nline is wrong.");
}

static int usage_error(const struct verb *v, const char *what, const char *which)
{
	complain("%s%s%s", which, which[0] == '\0' ? "" : ": ", what);
	if (v != NULL)
		print_verb(stderr, "usage: ", v);
	else
		fputs("usage: ferrule [-s SOCKET] [--json] [--pair NAME] VERB ..., or ferrule "
		      "--help\n",
			stderr);
	return EXIT_USAGE;
}

// The first word of its usage.
static int missing_word(const struct verb *v)
{
	char word[64];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(v->usage, " ."), v->usage);
	return usage_error(v, "is missing", word);
}

static int unknown_verb(int n, char *const words[])
{
	if (n == 0)
		return usage_error(NULL, "a verb is missing", "");
	if (n == 1 && verb_begins(words[0]))
		return usage_error(NULL, "the second word of the verb is missing", words[0]);
	return usage_error(NULL, "no such verb", words[0]);
}

// --- parsing ------------------------------------------------------------------------------------

enum {
	OPT_JSON = 256,
	OPT_PAIR,
	OPT_DRAIN,
	OPT_HIGH,
	OPT_VERSION,
	OPT_KIND,
};

static const struct option options[] = {
	{"socket", required_argument, NULL, 's'},
	{"file", required_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},
	{"json", no_argument, NULL, OPT_JSON},
	{"pair", required_argument, NULL, OPT_PAIR},
	{"drain", required_argument, NULL, OPT_DRAIN},
	{"sequence-high", required_argument, NULL, OPT_HIGH},
	{"version", no_argument, NULL, OPT_VERSION},
	{"hardware", no_argument, NULL, OPT_KIND},
	{"current", no_argument, NULL, OPT_KIND},
	{"default", no_argument, NULL, OPT_KIND},
	{"ipv4", no_argument, NULL, OPT_KIND},
	{"ipv6", no_argument, NULL, OPT_KIND},
	{"port", no_argument, NULL, OPT_KIND},
	{"sa", no_argument, NULL, OPT_KIND},
	{"worker", no_argument, NULL, OPT_KIND},
	{"drops", no_argument, NULL, OPT_KIND},
	{0},
};

struct command {
	struct session session;
	struct arguments arguments;
	const char *drain; // as they were given
	const char *high;
	bool help;
	bool version;
};

static bool parse_options(int argc, char **argv, struct command *c)
{
	int at = 0;

	for (int o; (o = getopt_long(argc, argv, "s:f:h", options, &at)) != -1;)
		switch (o) {
		case 's':
			c->session.path = optarg;
			break;
		case 'f':
			c->arguments.file = optarg;
			break;
		case 'h':
			c->help = true;
			break;
		case OPT_JSON:
			c->session.json = true;
			break;
		case OPT_PAIR:
			c->session.pair_name = optarg;
			break;
		case OPT_DRAIN:
			c->drain = optarg;
			break;
		case OPT_HIGH:
			c->high = optarg;
			break;
		case OPT_VERSION:
			c->version = true;
			break;
		case OPT_KIND:
			if (c->arguments.kind != NULL) {
				complain("--%s and --%s: only one of them is possible",
					c->arguments.kind, options[at].name);
				return false;
			}
			c->arguments.kind = options[at].name;
			break;
		default:
			return false;
		}
	c->arguments.n = argc - optind;
	c->arguments.words = argv + optind;
	return true;
}

static bool parse_drain(struct command *c)
{
	char *end;
	double seconds = DRAIN_SECONDS;

	if (c->drain != NULL) {
		seconds = strtod(c->drain, &end);
		if (end == c->drain || *end != '\0' ||
			!(seconds >= 0 && seconds <= MAX_DRAIN_SECONDS))
			return false;
	}
	c->arguments.drain_ms = (uint32_t)(seconds * 1000);
	return true;
}

static bool parse_high(struct command *c)
{
	unsigned long high = 0;
	char *end;

	if (c->high != NULL) {
		errno = 0;
		high = strtoul(c->high, &end, 0);
		if (!isdigit((unsigned char)c->high[0]) || *end != '\0' || errno != 0 ||
			high > UINT32_MAX)
			return false;
	}
	c->arguments.sequence_high = (uint32_t)high;
	return true;
}

static int run(const struct verb *v, struct command *c)
{
	const struct arguments *a = &c->arguments;
	int rc;

	if (v->needs_file != (a->file != NULL))
		return usage_error(v, v->needs_file ? "is missing" : "is not taken here", "-f");
	if (c->drain != NULL && !v->drains)
		return usage_error(v, "is not taken here", "--drain");
	if (!parse_drain(c))
		return usage_error(v, "is a number of seconds, up to 86400", "--drain");
	if (v->needs_high != (c->high != NULL))
		return usage_error(
			v, v->needs_high ? "is missing" : "is not taken here", "--sequence-high");
	if (!parse_high(c))
		return usage_error(v, "is a number up to 4294967295", "--sequence-high");
	if (a->kind != NULL && !verb_takes_kind(v, a->kind))
		return usage_error(v, "there is no such kind here", a->kind);
	if (a->n < v->least)
		return missing_word(v);
	if (a->n > v->most)
		return usage_error(v, "is one word too many", a->words[v->most]);
	rc = v->run(&c->session, a);
	session_close(&c->session);
	if (rc == EXIT_SUCCESS && v->answers_nothing && c->session.json)
		rc = puts("{}") >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	return rc;
}

static void print_help_with(const struct verb *v)
{
	if (v == NULL) {
		print_help();
		return;
	}
	print_verb(stdout, "usage: ", v);
	printf("\n%s\n", v->help);
}

int command_run(int argc, char **argv, const struct session *defaults, command_no_verb *no_verb)
{
	struct command c = {.session = *defaults};
	const struct verb *v;
	int taken = 0;

	optind = 0; // begins anew
	if (!parse_options(argc, argv, &c))
		return EXIT_USAGE;
	if (c.version) {
		puts("ferrule " FERRULE_VERSION);
		return EXIT_SUCCESS;
	}
	v = verb_find(c.arguments.words, c.arguments.n, &taken);
	if (c.help) {
		print_help_with(v);
		return EXIT_SUCCESS;
	}
	if (c.arguments.n == 0 && no_verb != NULL)
		return no_verb(&c.session);
	if (v == NULL)
		return unknown_verb(c.arguments.n, c.arguments.words);
	c.arguments.n -= taken;
	c.arguments.words += taken;
	return run(v, &c);
}
