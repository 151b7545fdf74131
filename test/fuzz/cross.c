// SPDX-License-Identifier: BSD-3-Clause
// Do ferrule and the oracle make and open the same packets?  Random connections, random packets:
// what ferrule seals the oracle opens, and makes again byte for byte; what the oracle seals ferrule
// opens, and what was tampered with it does not.
//
//   cross [--seed N] [--packets N] [--seconds S] [--jobs N] [--complete]
//
// With --complete it fails where ferrule lacks something that the oracle knows.  Packets are
// counted each way, over all jobs; a job is a process with every so manieth seed.  A failure names
// the seed that repeats its scenario alone, and ends the other jobs.
#include "box.h"
#include "connection.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 12
#define MAX_BURSTS 12
#define L2_MAX 22

// A packet on its way to ferrule and what is known of it.
struct item {
	const struct connection *c;
	bool too_long;
	enum ref_end end; // on the way in
	uint64_t seq[CONNECTION_MAX_SAS];
	struct ref_packet plain; // as it leaves and enters the host
	uint8_t l2[L2_MAX];
	uint32_t l2_len;
};

struct scenario {
	uint64_t seed;
	struct rng rng;
	unsigned n;
	struct connection c[MAX_CONNECTIONS];
	char *document[2]; // sender, receiver
	struct box *box[2];
};

// What all jobs have done together.
struct totals {
	_Atomic uint64_t sealed, opened, refused, scenarios;
	atomic_bool has_failed;
};

static struct box_frame frames[BOX_BURST];
static struct item items[BOX_BURST];
static struct totals *totals;

static void dump(const char *name, const uint8_t *p, uint32_t len)
{
	fprintf(stderr, "%s (%" PRIu32 "): ", name, len);
	for (uint32_t i = 0; i < len; i++)
		fprintf(stderr, "%02x", p[i]);
	fputs("\n", stderr);
}

__attribute__((noreturn, format(printf, 3, 4))) static void fail(
	const struct scenario *s, unsigned i, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s%s", s->document[0], s->document[1]);
	dump("plain", items[i].plain.bytes, items[i].plain.len);
	dump("in", frames[i].bytes, frames[i].len);
	if (frames[i].verdict == FER_OK)
		dump("out", frames[i].out, frames[i].out_len);
	fprintf(stderr,
		"connection c%u, numbers %" PRIu64 " %" PRIu64 ", verdict %s: ", items[i].c->number,
		items[i].seq[0], items[i].seq[1], fer_verdict_name(frames[i].verdict));
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nrepeat it with: cross --seed %" PRIu64 " --packets 1\n", s->seed);
	exit(EXIT_FAILURE);
}

// --- frames -------------------------------------------------------------------------------------

static void make_l2(struct rng *r, enum fer_link link, struct item *it)
{
	unsigned tags = rng_once_in(r, 3) ? 1 + rng_below(r, 2) : 0;

	it->l2_len = link == FER_LINK_ETHERNET ? 14 + 4 * tags : 0;
	rng_fill(r, it->l2, 12);
	for (unsigned k = 0; k < tags; k++) {
		ref_put16(it->l2 + 12 + 4 * k, k + 1 < tags ? 0x88a8 : 0x8100);
		rng_fill(r, it->l2 + 14 + 4 * k, 2);
	}
}

// The packet behind its link header; short frames are filled up, and sometimes longer ones.
static void make_frame(struct rng *r, const struct item *it, const struct ref_packet *p,
	uint8_t *to, uint32_t *len, bool pad)
{
	memcpy(to, it->l2, it->l2_len);
	if (it->l2_len > 0)
		ref_put16(to + it->l2_len - 2, p->bytes[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	memcpy(to + it->l2_len, p->bytes, p->len);
	*len = it->l2_len + p->len;
	if (!pad || it->l2_len == 0)
		return;
	while (*len < 60 || (*len < 200 && rng_once_in(r, 4)))
		to[(*len)++] = (uint8_t)rng_next(r);
}

static void make_plain(struct scenario *s, struct item *it)
{
	struct rng *r = &s->rng;
	uint32_t most = rng_once_in(r, 64) ? 65535 - rng_below(r, 200) : 1500 + rng_below(r, 8101);

	connection_plain(r, it->c, most, &it->plain);
}

// --- what ferrule seals -------------------------------------------------------------------------

// Numbers are given in the order of the batch; what would be too long gets none.
static void expect_numbers(struct scenario *s, struct item *it)
{
	static struct ref_packet at[2];
	struct connection *c = &s->c[it->c->number];

	it->too_long = false;
	ref_copy(&at[0], &it->plain);
	for (unsigned k = 0; k < c->n_sas && !it->too_long; k++) {
		const struct ref_choice choice = {.seq = c->sent[k] + 1, .ecn = 4};

		it->too_long = !ref_protect(&c->sa[k], &choice, &at[k % 2], &at[!(k % 2)]);
		if (!it->too_long)
			it->seq[k] = ++c->sent[k];
	}
}

// Is the padding for traffic flow confidentiality as the document wants it?  len is the length of
// the packet that was padded.  Close to the longest packet there may be less.
static bool is_padded(
	const struct connection *c, unsigned k, const struct ref_packet *p, uint32_t tfc)
{
	struct ref_ip ip;
	uint32_t unit = c->pad_to[k];

	if (unit == 0 || p->len > 60000)
		return tfc == 0 || unit != 0;
	if (!c->sa[k].tunnel) {
		(void)ref_ip_parse(p->bytes, p->len, &ip);
		// The other end has to find the end again.
		if (ip.room != ip.upper || p->len - ip.upper < 8 ||
			ref_told_bytes(p, &ip) != p->len - ip.upper)
			return tfc == 0;
	}
	return tfc == (p->len + unit - 1) / unit * unit - p->len;
}

// Opens what ferrule sealed, outermost first, down to the plain packet.
static void open_sealed(const struct scenario *s, unsigned i, const struct ref_packet *wire,
	struct ref_choice choice[CONNECTION_MAX_SAS])
{
	static struct ref_packet now, inside, want;
	const struct item *it = &items[i];

	ref_copy(&now, wire);
	ref_copy(&want, &it->plain);
	if (it->c->sa[0].udp && !it->c->sa[0].tunnel)
		ref_sum_again(&want);
	for (unsigned k = it->c->n_sas; k-- > 0;) {
		choice[k] = (struct ref_choice){.seq = it->seq[k]};
		enum ref_end end = ref_open(&it->c->sa[k], &choice[k], &now, &inside);

		if (end != REF_OK)
			fail(s, i, "the oracle opens association %u with end %d", k, end);
		if (!is_padded(it->c, k, &inside, choice[k].tfc))
			fail(s, i, "association %u has %u bytes of padding", k, choice[k].tfc);
		ref_copy(&now, &inside);
	}
	if (now.len != want.len || memcmp(now.bytes, want.bytes, now.len) != 0)
		fail(s, i, "the oracle finds another packet inside");
}

// Seals again with the same IVs, identification and UDP checksum: the rest is no choice.
static void seal_again(const struct scenario *s, unsigned i, const struct ref_packet *wire,
	const struct ref_choice choice[CONNECTION_MAX_SAS])
{
	static struct ref_packet now, around;
	const struct item *it = &items[i];

	ref_copy(&now, &it->plain);
	for (unsigned k = 0; k < it->c->n_sas; k++) {
		struct ref_choice same = {.seq = it->seq[k],
			.id = choice[k].id,
			.ecn = 4,
			.tfc = choice[k].tfc,
			.tfc_zeros = true,
			.udp_checksum = choice[k].udp_checksum};

		memcpy(same.esp_iv, choice[k].esp_iv, sizeof(same.esp_iv));
		memcpy(same.ah_iv, choice[k].ah_iv, sizeof(same.ah_iv));
		if (!ref_protect(&it->c->sa[k], &same, &now, &around))
			fail(s, i, "the oracle finds it too long");
		ref_copy(&now, &around);
	}
	if (now.len != wire->len || memcmp(now.bytes, wire->bytes, now.len) != 0) {
		dump("want", now.bytes, now.len);
		fail(s, i, "the oracle seals it otherwise");
	}
}

static void check_sealed(struct scenario *s, unsigned i)
{
	static struct ref_packet wire;
	static uint8_t want[BOX_FRAME_BYTES];
	struct ref_choice choice[CONNECTION_MAX_SAS];
	const struct item *it = &items[i];
	const struct box_frame *f = &frames[i];
	uint32_t len;

	if (it->too_long) {
		if (f->verdict != FER_TOO_LONG)
			fail(s, i, "longer than a packet can be");
		totals->refused++;
		return;
	}
	if (f->verdict != FER_OK)
		fail(s, i, "not sealed");
	if (f->out_len < it->l2_len)
		fail(s, i, "no link header");
	wire.len = f->out_len - it->l2_len;
	memcpy(wire.bytes, f->out + it->l2_len, wire.len);
	open_sealed(s, i, &wire, choice);
	seal_again(s, i, &wire, choice);
	make_frame(&s->rng, it, &wire, want, &len, false);
	if (memcmp(want, f->out, it->l2_len) != 0)
		fail(s, i, "another link header");
	totals->sealed++;
}

static void run_seal(struct scenario *s)
{
	struct rng *r = &s->rng;
	enum fer_link link = rng_below(r, 2) ? FER_LINK_ETHERNET : FER_LINK_RAW_IP;
	unsigned n = 1 + rng_below(r, BOX_BURST);

	for (unsigned i = 0; i < n; i++) {
		struct item *it = &items[i];

		// Runs of one connection, as flows come.
		it->c = i > 0 && rng_below(r, 2) ? items[i - 1].c : &s->c[rng_below(r, s->n)];
		make_plain(s, it);
		make_l2(r, link, it);
		expect_numbers(s, it);
		make_frame(r, it, &it->plain, frames[i].bytes, &frames[i].len, true);
	}
	box_run(s->box[0], FER_OUT, link, frames, n, r);
	for (unsigned i = 0; i < n; i++)
		check_sealed(s, i);
}

// --- what the oracle seals ----------------------------------------------------------------------

static void make_choice(struct scenario *s, const struct ref_sa *sa, struct ref_choice *choice)
{
	struct rng *r = &s->rng;

	rng_fill(r, choice->esp_iv, sizeof(choice->esp_iv));
	rng_fill(r, choice->ah_iv, sizeof(choice->ah_iv));
	choice->id = (uint16_t)rng_next(r);
	choice->ecn = (uint8_t)rng_below(r, 5);
	choice->more_pad = (uint8_t)(rng_once_in(r, 3) ? rng_below(r, 256) : 0);
	choice->tfc = sa->tunnel && sa->esp.used && rng_once_in(r, 4) ? rng_below(r, 400) : 0;
	choice->udp_sum = rng_below(r, 2);
	choice->options_outside = rng_below(r, 2);
	choice->options_between = rng_below(r, 2);
	choice->ah_multiple_of_8 = rng_below(r, 2);
}

// Protects the packet, and opens it again to know what has to come out.  False: too long.
static bool make_wire(struct scenario *s, struct item *it, struct ref_packet *wire)
{
	static struct ref_packet at[2], inside;
	struct connection *c = &s->c[it->c->number];
	struct ref_choice choice[CONNECTION_MAX_SAS] = {{0}};

	ref_copy(&at[0], &it->plain);
	for (unsigned k = 0; k < c->n_sas; k++) {
		make_choice(s, &c->sa[k], &choice[k]);
		choice[k].seq = it->seq[k] = c->made[k] + 1 + (rng_once_in(&s->rng, 8) ? 1 : 0);
		if (!ref_protect(&c->sa[k], &choice[k], &at[k % 2], &at[!(k % 2)]))
			return false;
		c->made[k] = it->seq[k];
	}
	ref_copy(wire, &at[c->n_sas % 2]);
	ref_copy(&inside, wire);
	it->end = REF_OK;
	for (unsigned k = c->n_sas; k-- > 0 && it->end == REF_OK;) {
		ref_copy(&at[0], &inside);
		it->end = ref_open(&c->sa[k], &choice[k], &at[0], &inside);
	}
	if (it->end == REF_OK)
		ref_copy(
			&it->plain, &inside); // the same, but for ECN and checksums that were wrong
	return true;
}

// Something that every integrity value covers, or the value itself.  A checksum of UDP in front of
// it ends the packet sooner.
static void tamper(struct rng *r, struct ref_packet *wire, struct item *it)
{
	const struct ref_sa *outermost = &it->c->sa[it->c->n_sas - 1];

	if (!rng_once_in(r, 16))
		return;
	wire->bytes[wire->len - 1 - rng_below(r, 8)] ^= (uint8_t)(1u << rng_below(r, 8));
	it->end = outermost->udp ? REF_OTHER : REF_BAD_ICV;
}

static bool is_expected(enum fer_verdict verdict, enum ref_end end)
{
	switch (end) {
	case REF_OK:
		return verdict == FER_OK;
	case REF_BAD_ICV:
		return verdict == FER_BAD_ICV;
	case REF_CONGESTED:
		return verdict == FER_ECN_CE;
	default:
		return verdict == FER_BAD_ICV || verdict == FER_BAD_SYNTAX;
	}
}

static void check_opened(struct scenario *s, unsigned i)
{
	static uint8_t want[BOX_FRAME_BYTES];
	const struct item *it = &items[i];
	const struct box_frame *f = &frames[i];
	uint32_t len;

	if (!is_expected(f->verdict, it->end))
		fail(s, i, "end %d expected", it->end);
	if (f->verdict != FER_OK) {
		totals->refused++;
		return;
	}
	make_frame(&s->rng, it, &it->plain, want, &len, false);
	if (f->out_len != len || memcmp(f->out, want, len) != 0) {
		dump("want", want, len);
		fail(s, i, "opened to something else");
	}
	totals->opened++;
}

static void swap(unsigned i, unsigned k)
{
	static struct box_frame frame;
	static struct item item;

	frame = frames[i], item = items[i];
	frames[i] = frames[k], items[i] = items[k];
	frames[k] = frame, items[k] = item;
}

static void run_open(struct scenario *s)
{
	static struct ref_packet wire;
	struct rng *r = &s->rng;
	enum fer_link link = rng_below(r, 2) ? FER_LINK_ETHERNET : FER_LINK_RAW_IP;
	unsigned n = 0, wish = 1 + rng_below(r, BOX_BURST);

	while (n < wish) {
		struct item *it = &items[n];

		it->c = n > 0 && rng_below(r, 2) ? items[n - 1].c : &s->c[rng_below(r, s->n)];
		make_plain(s, it);
		make_l2(r, link, it);
		if (!make_wire(s, it, &wire))
			continue;
		tamper(r, &wire, it);
		make_frame(r, it, &wire, frames[n].bytes, &frames[n].len, true);
		n++;
	}
	if (rng_once_in(r, 4)) // a network that reorders
		for (unsigned i = 0; i < 4; i++)
			swap(rng_below(r, n), rng_below(r, n));
	box_run(s->box[1], FER_IN, link, frames, n, r);
	for (unsigned i = 0; i < n; i++)
		check_opened(s, i);
}

// --- scenarios ----------------------------------------------------------------------------------

static void run_scenario(uint64_t seed, const struct features *features)
{
	static struct scenario s;
	char error[BOX_ERROR_BYTES];
	unsigned bursts;

	s = (struct scenario){.seed = seed, .rng = {seed}};
	s.n = 1 + rng_below(&s.rng, MAX_CONNECTIONS);
	for (unsigned i = 0; i < s.n; i++)
		connection_make(&s.rng, features, i, &s.c[i]);
	for (unsigned end = 0; end < 2; end++) {
		s.document[end] = connections_document(s.c, s.n, features, end == 0);
		s.box[end] = box_open(s.document[end], error);
		if (s.box[end] == NULL) {
			fprintf(stderr, "%srefused: %s\nseed %" PRIu64 "\n", s.document[end], error,
				seed);
			exit(EXIT_FAILURE);
		}
	}
	bursts = 1 + rng_below(&s.rng, MAX_BURSTS);
	for (unsigned i = 0; i < bursts; i++) {
		run_seal(&s);
		run_open(&s);
	}
	for (unsigned end = 0; end < 2; end++) {
		box_close(s.box[end]);
		free(s.document[end]);
	}
	box_check_leaks();
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct limits {
	uint64_t seed, packets;
	double seconds;
	unsigned jobs;
	bool complete;
};

static struct limits parse(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
		{"packets", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 't'}, {"jobs", required_argument, NULL, 'j'},
		{"complete", no_argument, NULL, 'c'}, {0}};
	struct limits l = {(uint64_t)time(NULL), 20000, 1e9, 1, false};

	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 's')
			l.seed = strtoull(optarg, NULL, 0);
		else if (o == 'n')
			l.packets = strtoull(optarg, NULL, 0);
		else if (o == 't')
			l.seconds = strtod(optarg, NULL);
		else if (o == 'j')
			l.jobs = (unsigned)strtoul(optarg, NULL, 0);
		else if (o == 'c')
			l.complete = true;
		else
			exit(2);
	}
	if (l.jobs < 1 || l.jobs > 64)
		exit(2);
	return l;
}

static bool is_enough(const struct limits *l, double until)
{
	return totals->has_failed || now_s() >= until ||
	       (totals->sealed >= l->packets && totals->opened >= l->packets);
}

// A process of its own: an EAL cannot be shared by fork().
static int run_job(const struct limits *l, unsigned job, double until)
{
	struct features features;

	box_start();
	features = features_find();
	if (job == 0) {
		printf("seed %" PRIu64 "\nnot there:", l->seed);
		if (features_print(&features, stdout) > 0 && l->complete)
			return EXIT_FAILURE;
	}
	for (uint64_t i = job; !is_enough(l, until); i += l->jobs) {
		run_scenario(l->seed + i, &features);
		totals->scenarios++;
	}
	return EXIT_SUCCESS;
}

// Waits for all; the first that fails ends the others.
static bool have_passed(unsigned jobs)
{
	bool passed = true;

	for (int status; jobs > 0; jobs--) {
		if (wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
			continue;
		totals->has_failed = true;
		passed = false;
	}
	return passed;
}

int main(int argc, char **argv)
{
	struct limits l = parse(argc, argv);
	double until = now_s() + l.seconds;
	bool passed;

	setlinebuf(stdout);
	totals = mmap(
		NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (totals == MAP_FAILED)
		return EXIT_FAILURE;
	for (unsigned job = 0; job < l.jobs; job++) {
		pid_t child = fork();

		if (child == 0)
			exit(run_job(&l, job, until));
		if (child < 0)
			return EXIT_FAILURE;
	}
	passed = have_passed(l.jobs);
	printf("%" PRIu64 " packets sealed by ferrule and %" PRIu64 " by the oracle agree, %" PRIu64
	       " were refused as they should, %" PRIu64 " scenarios\n",
		totals->sealed, totals->opened, totals->refused, totals->scenarios);
	return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
