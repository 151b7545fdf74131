// SPDX-License-Identifier: BSD-3-Clause
// The command line of the daemon's control socket.
#include "verbs.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_SECONDS 5
#define MAX_DRAIN_SECONDS 86400

struct verb {
	const char *words[2]; // the second one may be NULL
	const char *usage;    // what follows them
	const char *help;
	const char *kinds[5]; // of --hardware and so on
	bool needs_file;
	bool drains;
	int least; // further words
	int most;
	verb_run *run;
};

#define MANY 65536

static const struct verb verbs[] = {
	{.words = {"sa", "add"},
		.usage = "-f DOC",
		.help = "Adds the SAs of a document: all or none.",
		.needs_file = true,
		.run = verb_sa_add},
	{.words = {"sa", "swap"},
		.usage = "-f DOC [--drain SECONDS]",
		.help = "Adds the SAs of a document, makes its outbound ones the active ones of "
			"their groups,\nand deletes what those groups had before: outbound SAs at "
			"once, inbound ones after the\ndrain (5 seconds).",
		.needs_file = true,
		.drains = true,
		.run = verb_sa_swap},
	{.words = {"sa", "list"}, .usage = "", .help = "Lists the SAs.", .run = verb_sa_list},
	{.words = {"sa", "show"},
		.usage = "NAME|HANDLE",
		.help = "Shows one SA.",
		.least = 1,
		.most = 1,
		.run = verb_sa_show},
	{.words = {"sa", "activate"},
		.usage = "NAME|HANDLE",
		.help = "Makes an outbound SA the one its group sends with.",
		.least = 1,
		.most = 1,
		.run = verb_sa_activate},
	{.words = {"sa", "delete"},
		.usage = "NAME|HANDLE...",
		.help = "Deletes SAs: all or none.  When it comes back their keys are wiped.",
		.least = 1,
		.most = MANY,
		.run = verb_sa_delete},
	{.words = {"policy", "add"},
		.usage = "-f DOC",
		.help = "Adds the policies of a document: all or none.",
		.needs_file = true,
		.run = verb_policy_add},
	{.words = {"policy", "list"},
		.usage = "",
		.help = "Lists the policies.",
		.run = verb_policy_list},
	{.words = {"policy", "delete"},
		.usage = "NAME...",
		.help = "Deletes policies: all or none.",
		.least = 1,
		.most = MANY,
		.run = verb_policy_delete},
	{.words = {"caps"},
		.usage = "[--hardware|--current|--default]",
		.help = "Shows what can be offloaded: by the hardware, as it is configured (the "
			"default), or as\na client is told when it connects.",
		.kinds = {"hardware", "current", "default"},
		.run = verb_caps},
	{.words = {"offload", "set"},
		.usage = "ipsec=disabled|ah|esp|ah+esp",
		.help = "Configures the offload (OID_TCP_OFFLOAD_PARAMETERS); what is forbidden "
			"is dropped.",
		.least = 1,
		.most = 1,
		.run = verb_offload_set},
	{.words = {"encapsulation"},
		.usage = "on|off [--ipv4|--ipv6]",
		.help = "Begins or ends all offloads of both IP versions or of one "
			"(OID_OFFLOAD_ENCAPSULATION).",
		.kinds = {"ipv4", "ipv6"},
		.least = 1,
		.most = 1,
		.run = verb_encapsulation},
	{.words = {"stats"},
		.usage = "[--port|--sa|--worker|--drops]",
		.help = "Shows counters: of ports (the default), of SAs, of workers, or what "
			"became "
			"of the\npackets that came in at each port.",
		.kinds = {"port", "sa", "worker", "drops"},
		.run = verb_stats},
	{.words = {"ports"}, .usage = "", .help = "Lists the ports.", .run = verb_ports},
	{.words = {"watch"},
		.usage = "",
		.help = "Prints indications as they come, one a line.",
		.run = verb_watch},
	{.words = {"version"},
		.usage = "",
		.help = "Shows the versions of this program and of the daemon.",
		.run = verb_version},
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void print_verb(FILE *f, const char *before, const struct verb *v)
{
	fprintf(f, "%sferrule %s%s%s%s%s\n", before, v->words[0], v->words[1] == NULL ? "" : " ",
		v->words[1] == NULL ? "" : v->words[1], v->usage[0] == '\0' ? "" : " ", v->usage);
}

static void print_help(void)
{
	puts("usage: ferrule [-s SOCKET] [--json] [--pair NAME] VERB ...\n\n"
	     "Speaks to a ferruled through its control socket.\n");
	for (size_t i = 0; i < N_VERBS; i++)
		print_verb(stdout, "  ", &verbs[i]);
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

// --- parsing ------------------------------------------------------------------------------------

enum {
	OPT_JSON = 256,
	OPT_PAIR,
	OPT_DRAIN,
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
	const char *drain; // as it was given
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
		case OPT_VERSION:
			c->version = true;
			break;
		case OPT_KIND:
			if (c->arguments.kind != NULL)
				return complain("--%s and --%s: only one of them is possible",
					c->arguments.kind, options[at].name);
			c->arguments.kind = options[at].name;
			break;
		default:
			return false;
		}
	c->arguments.n = argc - optind;
	c->arguments.words = argv + optind;
	return true;
}

static const struct verb *find_verb(struct arguments *a)
{
	for (size_t i = 0; i < N_VERBS; i++) {
		const int n = verbs[i].words[1] == NULL ? 1 : 2;

		if (a->n < n || strcmp(a->words[0], verbs[i].words[0]) != 0 ||
			(n == 2 && strcmp(a->words[1], verbs[i].words[1]) != 0))
			continue;
		a->n -= n;
		a->words += n;
		return &verbs[i];
	}
	return NULL;
}

static bool takes_kind(const struct verb *v, const char *kind)
{
	for (size_t i = 0; v->kinds[i] != NULL; i++)
		if (strcmp(v->kinds[i], kind) == 0)
			return true;
	return false;
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
	if (a->kind != NULL && !takes_kind(v, a->kind))
		return usage_error(v, "there is no such kind here", a->kind);
	if (a->n < v->least)
		return usage_error(v, "needs a name", "");
	if (a->n > v->most)
		return usage_error(v, "is one word too many", a->words[v->most]);
	rc = v->run(&c->session, a);
	session_close(&c->session);
	return rc;
}

int main(int argc, char **argv)
{
	struct command c = {.session = {.path = FER_CLIENT_DEFAULT_PATH}};
	const struct verb *v;

	if (!parse_options(argc, argv, &c))
		return EXIT_USAGE;
	if (c.version) {
		puts("ferrule " FERRULE_VERSION);
		return EXIT_SUCCESS;
	}
	v = find_verb(&c.arguments);
	if (c.help && v == NULL) {
		print_help();
		return EXIT_SUCCESS;
	}
	if (c.help) {
		print_verb(stdout, "usage: ", v);
		printf("\n%s\n", v->help);
		return EXIT_SUCCESS;
	}
	if (v == NULL)
		return usage_error(NULL, c.arguments.n == 0 ? "a verb is missing" : "no such verb",
			c.arguments.n == 0 ? "" : c.arguments.words[0]);
	return run(v, &c);
}
