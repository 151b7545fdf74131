// SPDX-License-Identifier: BSD-3-Clause
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2
#define MAX_SECONDS 86400.0
#define MAX_RATE 1e9
#define MAX_PACKETS (UINT64_C(1) << 48)

static const char usage[] =
	"usage: ferrule-gen make   [STREAMS] --packets N -o OUT.pcap [--json]\n"
	"       ferrule-gen send   [STREAMS] [--packets N] [--seconds S] [--rate PPS] [--prepare]\n"
	"                          [--vdev DEVICE] [--eal OPTION] --tx PORT [--rx PORT] [--open]\n"
	"                          [--wait S] [--settle S] [--json]\n"
	"       ferrule-gen verify [-c DOC.yaml --open] [--packets N] [--seed N] [--json] IN.pcap\n"
	"       ferrule-gen kinds  [--json]\n"
	"STREAMS: [-c DOC.yaml] [--pair NAME] [--sa NAME] [--plain] [--src ADDRESS] [--dst "
	"ADDRESS]\n"
	"         [--streams N] [--size LIST | imix] [--broken KIND=SHARE,...] [--seed N]\n";

static const char help[] =
	"\n"
	"Makes streams of packets for a box that is under test, into a capture file or straight to "
	"a\n"
	"port, and verifies what comes back: whole, once, in order, and nothing else.  DOC.yaml is "
	"the\n"
	"document of the box: packets are sealed for its inbound SAs, by ferrule's own data path.\n"
	"\n"
	"  -c, --config DOC      the document of the box\n"
	"      --pair NAME       the pair of it, where it has several\n"
	"      --sa NAME         the only inbound SA to seal for\n"
	"      --plain           streams in the clear, as the hosts behind the box send them\n"
	"      --src, --dst A    addresses of the streams, where policies do not say them\n"
	"      --streams N       how many, each with ports of its own (1)\n"
	"      --size LIST       bytes of the IP packets, which take turns, or imix: 7 of 64, 4 of "
	"576,\n"
	"                        1 of 1420 (64)\n"
	"      --broken LIST     kinds and their shares of all packets: bad_icv=0.01,replayed=1%; "
	"all=5%\n"
	"                        is that share of every kind that the SAs can have\n"
	"      --seed N          another seed makes other packets (1)\n"
	"      --packets N       how many; verify: how many sound ones there have to be\n"
	"  -o, --output FILE     capture file to make\n"
	"      --seconds S       how long to send (1, unless --packets says it)\n"
	"      --rate PPS        packets a second (as fast as the port takes them)\n"
	"      --prepare         makes all --packets before the first is sent, and sends them all\n"
	"      --tx, --rx PORT   where packets go and come back, as the EAL calls it\n"
	"      --vdev DEVICE     a virtual device to make, such as "
	"net_memif0,role=client,socket=/run/x\n"
	"      --eal OPTION      for the EAL, in place of: --no-huge -m 1024 --no-pci "
	"--no-telemetry\n"
	"                        --no-shconf\n"
	"      --open            what comes back was sealed by the box\n"
	"      --wait S          for links, and then for the last packets to come back (10)\n"
	"      --settle S        between the links and the first packet, for a box to see its own "
	"(0.5)\n"
	"      --json            one object in place of text\n"
	"  -h, --help            this text\n"
	"      --version         the version\n"
	"\n"
	"Exit codes: 0 done, and what came back is right; 1 refused, failed or not right; 2 the "
	"command\n"
	"line is wrong.\n";

static const struct {
	const char *name;
	enum fer_gen_verb verb;
} verbs[] = {
	{"make", FER_GEN_MAKE},
	{"send", FER_GEN_SEND},
	{"verify", FER_GEN_VERIFY},
	{"kinds", FER_GEN_LIST_KINDS},
};

__attribute__((format(printf, 1, 2))) static int refuse(const char *format, ...)
{
	va_list args;

	fputs("ferrule-gen: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

static int parse_count(
	const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || *number < min ||
		*number > max)
		return refuse("--%s: \"%s\" is not a number from %llu to %llu", option, text,
			(unsigned long long)min, (unsigned long long)max);
	return 0;
}

static int parse_real(const char *option, const char *text, double max, double *number)
{
	char *end;

	*number = strtod(text, &end);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || !(*number > 0) || *number > max)
		return refuse(
			"--%s: \"%s\" is not a number above 0 and up to %.0f", option, text, max);
	return 0;
}

static int parse_streams(const char *text, struct fer_gen_source_params *p)
{
	uint64_t n;
	int rc = parse_count("streams", text, 1, FER_GEN_MAX_STREAMS, &n);

	p->n_streams = (uint32_t)n;
	return rc;
}

static int parse_address(const char *option, const char *text, struct fer_addr *a)
{
	return fer_addr_parse(text, a) ? 0 : refuse("--%s: \"%s\" is no address", option, text);
}

// Takes the next item off a list.  False behind the last; an item that is too long comes cut.
static bool next_item(const char **list, char item[64])
{
	if (*list == NULL)
		return false;
	size_t len = strcspn(*list, ",");

	snprintf(item, 64, "%.*s", (int)len, *list);
	*list = (*list)[len] == ',' ? *list + len + 1 : NULL;
	return true;
}

static void take_imix(struct fer_gen_source_params *p)
{
	static const uint32_t imix[] = {64, 576, 64, 576, 64, 64, 1420, 64, 576, 64, 576, 64};

	p->n_sizes = sizeof(imix) / sizeof(imix[0]);
	memcpy(p->size, imix, sizeof(imix));
}

static int parse_sizes(const char *list, struct fer_gen_source_params *p)
{
	char item[64];
	uint64_t size;
	int rc = 0;

	if (strcmp(list, "imix") == 0) {
		take_imix(p);
		return 0;
	}
	for (p->n_sizes = 0; rc == 0 && next_item(&list, item); p->n_sizes++) {
		if (p->n_sizes == FER_GEN_MAX_SIZES)
			return refuse("--size: more than %d items", FER_GEN_MAX_SIZES);
		rc = parse_count("size", item, FER_GEN_MIN_SIZE, FER_GEN_MAX_SIZE, &size);
		p->size[p->n_sizes] = (uint32_t)size;
	}
	return rc;
}

// "0.25" or "25%".
static bool parse_share(const char *text, double *share)
{
	char *end;

	*share = strtod(text, &end);
	if (*end == '%') {
		*share /= 100;
		end++;
	}
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *share >= 0 && *share <= 1;
}

static int parse_broken(const char *list, struct fer_gen_source_params *p)
{
	char item[64];

	while (next_item(&list, item)) {
		char *equals = strchr(item, '=');
		double share;

		if (equals == NULL || !parse_share(equals + 1, &share))
			return refuse(
				"--broken: \"%s\" is not KIND=SHARE, a share up to 1 or 100%%",
				item);
		*equals = '\0';
		unsigned kind = fer_gen_kind_find(item);
		if (strcmp(item, "all") == 0)
			p->share_of_all = share;
		else if (kind == 0)
			return refuse(
				"--broken: there is no kind \"%s\": see ferrule-gen kinds", item);
		else
			p->share[kind] = share;
	}
	return 0;
}

static int add_eal(struct fer_gen_options *o, const char *prefix, const char *text)
{
	if (o->n_eal == FER_GEN_MAX_EAL || asprintf(&o->eal[o->n_eal], "%s%s", prefix, text) < 0)
		return refuse("too many options for the EAL");
	o->n_eal++;
	o->has_eal_options |= prefix[0] == '\0';
	return 0;
}

enum option_value {
	OPT_PAIR = 256,
	OPT_SA,
	OPT_PLAIN,
	OPT_SRC,
	OPT_DST,
	OPT_STREAMS,
	OPT_SIZE,
	OPT_BROKEN,
	OPT_SEED,
	OPT_PACKETS,
	OPT_SECONDS,
	OPT_RATE,
	OPT_PREPARE,
	OPT_TX,
	OPT_RX,
	OPT_VDEV,
	OPT_EAL,
	OPT_OPEN,
	OPT_WAIT,
	OPT_SETTLE,
	OPT_JSON,
	OPT_VERSION
};

#define MAKE (1u << FER_GEN_MAKE)
#define SEND (1u << FER_GEN_SEND)
#define VERIFY (1u << FER_GEN_VERIFY)
#define ALL (MAKE | SEND | VERIFY | 1u << FER_GEN_LIST_KINDS)

static const struct {
	const char *name;
	int has_arg;
	int value;
	unsigned verbs; // that take it
} rows[] = {
	{"config", required_argument, 'c', MAKE | SEND | VERIFY},
	{"output", required_argument, 'o', MAKE},
	{"pair", required_argument, OPT_PAIR, MAKE | SEND | VERIFY},
	{"sa", required_argument, OPT_SA, MAKE | SEND},
	{"plain", no_argument, OPT_PLAIN, MAKE | SEND},
	{"src", required_argument, OPT_SRC, MAKE | SEND},
	{"dst", required_argument, OPT_DST, MAKE | SEND},
	{"streams", required_argument, OPT_STREAMS, MAKE | SEND},
	{"size", required_argument, OPT_SIZE, MAKE | SEND},
	{"broken", required_argument, OPT_BROKEN, MAKE | SEND},
	{"seed", required_argument, OPT_SEED, MAKE | SEND | VERIFY},
	{"packets", required_argument, OPT_PACKETS, MAKE | SEND | VERIFY},
	{"seconds", required_argument, OPT_SECONDS, SEND},
	{"rate", required_argument, OPT_RATE, SEND},
	{"prepare", no_argument, OPT_PREPARE, SEND},
	{"tx", required_argument, OPT_TX, SEND},
	{"rx", required_argument, OPT_RX, SEND},
	{"vdev", required_argument, OPT_VDEV, SEND},
	{"eal", required_argument, OPT_EAL, MAKE | SEND | VERIFY},
	{"open", no_argument, OPT_OPEN, SEND | VERIFY},
	{"wait", required_argument, OPT_WAIT, SEND},
	{"settle", required_argument, OPT_SETTLE, SEND},
	{"json", no_argument, OPT_JSON, ALL},
	{"help", no_argument, 'h', ALL},
	{"version", no_argument, OPT_VERSION, ALL},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static int parse_stream_option(int option, struct fer_gen_source_params *p)
{
	switch (option) {
	case OPT_SA:
		p->sa = optarg;
		return 0;
	case OPT_PLAIN:
		p->plain = true;
		return 0;
	case OPT_SRC:
		return parse_address("src", optarg, &p->src);
	case OPT_DST:
		return parse_address("dst", optarg, &p->dst);
	case OPT_STREAMS:
		return parse_streams(optarg, p);
	case OPT_SIZE:
		return parse_sizes(optarg, p);
	case OPT_BROKEN:
		return parse_broken(optarg, p);
	case OPT_SEED:
		return parse_count("seed", optarg, 0, UINT64_MAX, &p->seed);
	default:
		return EXIT_USAGE; // getopt has said why
	}
}

static int parse_option(int option, struct fer_gen_options *o)
{
	switch (option) {
	case 'c':
		o->config = optarg;
		return 0;
	case 'o':
		o->out = optarg;
		return 0;
	case OPT_PAIR:
		o->pair = optarg;
		return 0;
	case OPT_PACKETS:
		return parse_count("packets", optarg, 1, MAX_PACKETS, &o->packets);
	case OPT_SECONDS:
		return parse_real("seconds", optarg, MAX_SECONDS, &o->seconds);
	case OPT_RATE:
		return parse_real("rate", optarg, MAX_RATE, &o->rate);
	case OPT_WAIT:
		return parse_real("wait", optarg, MAX_SECONDS, &o->wait);
	case OPT_SETTLE:
		return parse_real("settle", optarg, MAX_SECONDS, &o->settle);
	case OPT_PREPARE:
		o->prepare = true;
		return 0;
	case OPT_TX:
		o->tx = optarg;
		return 0;
	case OPT_RX:
		o->rx = optarg;
		return 0;
	case OPT_VDEV:
		return add_eal(o, "--vdev=", optarg);
	case OPT_EAL:
		return add_eal(o, "", optarg);
	case OPT_OPEN:
		o->opens = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	default:
		return parse_stream_option(option, &o->source);
	}
}

// One bit in *given for each row that was there.
static int parse_options(int argc, char **argv, struct fer_gen_options *o, uint32_t *given)
{
	struct option options[N_ROWS + 1] = {0};
	int rc = 0;

	for (unsigned i = 0; i < N_ROWS; i++)
		options[i] = (struct option){rows[i].name, rows[i].has_arg, NULL, rows[i].value};
	for (int c; rc == 0 && (c = getopt_long(argc, argv, "c:o:h", options, NULL)) != -1;) {
		if (c == 'h')
			printf("%s%s", usage, help);
		else if (c == OPT_VERSION)
			puts("ferrule-gen " FERRULE_VERSION);
		else
			rc = parse_option(c, o);
		o->done = c == 'h' || c == OPT_VERSION;
		if (o->done)
			break;
		for (unsigned i = 0; i < N_ROWS; i++)
			*given |= (uint32_t)(rows[i].value == c) << i;
	}
	return rc;
}

// Refuses what the verb would not look at.
static int check_takers(const struct fer_gen_options *o, const char *verb, uint32_t given)
{
	for (unsigned i = 0; i < N_ROWS; i++)
		if ((given >> i & 1) != 0 && (rows[i].verbs >> o->verb & 1) == 0)
			return refuse("%s takes no --%s", verb, rows[i].name);
	return 0;
}

static int find_verb(const char *text, struct fer_gen_options *o)
{
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, text) == 0) {
			o->verb = verbs[i].verb;
			return 0;
		}
	return refuse("unknown verb \"%s\"", text);
}

static int check_make(const struct fer_gen_options *o)
{
	if (o->out == NULL)
		return refuse("make needs a file: -o OUT.pcap");
	return o->packets == 0 ? refuse("make needs --packets") : 0;
}

static int check_send(struct fer_gen_options *o)
{
	if (o->tx == NULL)
		return refuse("send needs a port: --tx PORT");
	if (o->opens && o->rx == NULL)
		return refuse("--open needs --rx PORT");
	if (o->prepare && o->packets == 0)
		return refuse("--prepare needs --packets");
	if (o->prepare && o->seconds > 0)
		return refuse("--prepare sends all that it makes: no --seconds");
	if (o->packets == 0 && !(o->seconds > 0))
		o->seconds = 1;
	return 0;
}

static_assert(N_ROWS <= 32, "one bit each");

// What single options cannot know.
static int check(int argc, char **argv, struct fer_gen_options *o, uint32_t given)
{
	if (optind >= argc)
		return refuse("needs a verb: make, send, verify or kinds");
	int rc = find_verb(argv[optind], o);
	if (rc == 0)
		rc = check_takers(o, argv[optind], given);
	if (rc != 0)
		return rc;
	int n = argc - optind - 1;
	if (n != (o->verb == FER_GEN_VERIFY ? 1 : 0))
		return refuse("%s", o->verb == FER_GEN_VERIFY ? "verify needs one capture file"
							      : "too many arguments");
	if (o->verb == FER_GEN_VERIFY)
		o->in = argv[optind + 1];
	if (o->verb == FER_GEN_LIST_KINDS)
		return 0;
	if (o->config == NULL && o->verb != FER_GEN_VERIFY && !o->source.plain)
		return refuse("needs a document to seal for, -c DOC.yaml, or --plain");
	if (o->config == NULL && o->opens)
		return refuse("--open needs a document: -c DOC.yaml");
	if (o->config == NULL && o->pair != NULL)
		return refuse("--pair needs a document: -c DOC.yaml");
	if (o->config != NULL && o->verb == FER_GEN_VERIFY && !o->opens)
		return refuse("verify needs no document but to --open what the box sealed");
	if (o->source.plain && o->source.sa != NULL)
		return refuse("--plain packets have no --sa");
	if (o->verb == FER_GEN_MAKE)
		return check_make(o);
	return o->verb == FER_GEN_SEND ? check_send(o) : 0;
}

int fer_gen_options_parse(int argc, char **argv, struct fer_gen_options *o)
{
	*o = (struct fer_gen_options){
		.wait = 10,
		.settle = 0.5,
		.source = {.n_streams = 1, .n_sizes = 1, .size = {64}, .seed = 1},
	};
	uint32_t given = 0;
	int rc = parse_options(argc, argv, o, &given);

	return rc != 0 || o->done ? rc : check(argc, argv, o, given);
}
