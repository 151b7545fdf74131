// SPDX-License-Identifier: BSD-3-Clause
// Does a packet end alike, whichever packets come with it?  The same random packets go through one
// appliance in bursts, in buffers of random shape, and through another one by one, each in one
// piece and by halves that remember nothing: verdict, bytes, words, receipts and counters must be
// the same.  Short cuts for runs of packets must not show.  Nor may they in mode oob, where the
// words of a hostile host stand among good ones.
//
//   alike [--seed N] [--packets N] [--seconds S]
//
// Between bursts associations are replaced, also under the index of another, and policies change.
// What may differ: IVs, so what was sealed is compared when it is open again; and what the window
// of an association says of a packet whose number came in the same burst, because numbers are
// committed when the whole burst is verified.
#include "box.h"
#include "connection.h"
#include "fixed.h"
#include "spoil.h"
#include "words.h"

#include "../../app/common/load.h"
#include "conf/document.h"
#include "host/path.h"
#include "host/sink.h"
#include "nic/oob.h"
#include "nic/shim.h"
#include "nic/stages.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define MAX_CONNECTIONS 8
#define MAX_SAS (MAX_CONNECTIONS * CONNECTION_MAX_SAS)
#define MAX_BYTES 80000 // of a packet with its fragments
#define MAX_RESTS 64
#define L2_BYTES 14
#define TAG_BYTES 4
#define MTU 1300
#define MAX_COMPLETION 160

// What went in.
struct item {
	uint32_t len;
	uint8_t bytes[BOX_FRAME_BYTES];
};

// What came of it.
struct end {
	enum fer_verdict verdict;
	bool is_gone; // it waits somewhere
	unsigned n_layers;
	struct fer_layer layer[FER_MAX_ROUNDS];
	struct fer_oob words;
	struct fer_frame frame;
	uint32_t len; // with the rests
	unsigned n_rests;
	uint32_t rest[MAX_RESTS];
	uint32_t said_len; // of its completion; 0: none
	uint8_t said[MAX_COMPLETION];
	uint8_t bytes[MAX_BYTES];
};

enum place { BURSTS, ALONE, N_PLACES };

// The ways through a box: those of its direction, and that of what was sealed there and is opened
// to be compared.
enum way { OUT, IN, JUDGED, N_WAYS };

struct scenario {
	uint64_t seed;
	struct rng rng;
	bool has_windows;
	bool is_oob; // the NIC halves alone, for external hosts
	enum fer_link link;
	bool has_tags; // link headers of the packets have some
	unsigned n, n_sas;
	struct connection c[N_WAYS][MAX_CONNECTIONS]; // JUDGED: those of FER_OUT
	struct box *box[N_WAYS][N_PLACES];
	uint64_t handle[N_WAYS][N_PLACES][MAX_SAS]; // 0: it was removed
	char *text;                                 // of the document that was written last
};

static struct item items[FER_BATCH_MAX];
static struct end ends[N_PLACES][FER_BATCH_MAX];
static struct features features;
static uint64_t n_compared[2], n_differ_by_window, n_verdicts[FER_N_VERDICTS];

// --- failures -----------------------------------------------------------------------------------

static void dump(const char *name, const uint8_t *p, uint32_t len)
{
	fprintf(stderr, "%s (%" PRIu32 "): ", name, len);
	for (uint32_t i = 0; i < len; i++)
		fprintf(stderr, "%02x", p[i]);
	fputs("\n", stderr);
}

static void dump_end(const char *name, const struct end *e)
{
	fprintf(stderr, "%s: %s%s, %u layers, words %#" PRIx64 " %#" PRIx64 " %#" PRIx32 ", ", name,
		fer_verdict_name(e->verdict), e->is_gone ? " (held)" : "", e->n_layers,
		e->words.ipsec, e->words.tunnel, e->words.header);
	for (unsigned k = 0; k < e->n_layers; k++)
		fprintf(stderr, "[SA %u, number %" PRIu64 ", %u to %u, %s, verified %u] ",
			e->layer[k].sa, e->layer[k].seq, e->layer[k].sec_off, e->layer[k].end,
			fer_verdict_name((enum fer_verdict)e->layer[k].verdict),
			e->layer[k].verified);
	dump("bytes", e->bytes, e->len);
}

__attribute__((noreturn)) static void fail(const struct scenario *s, unsigned i, const char *what)
{
	fprintf(stderr, "%s", s->text == NULL ? "" : s->text);
	if (i < FER_BATCH_MAX) {
		dump("in", items[i].bytes, items[i].len);
		dump_end("in a burst", &ends[BURSTS][i]);
		dump_end("alone", &ends[ALONE][i]);
		fprintf(stderr, "packet %u: ", i);
	}
	fprintf(stderr, "%s differ\nrepeat it with: alike --seed %" PRIu64 " --packets 1\n", what,
		s->seed);
	exit(EXIT_FAILURE);
}

// --- documents ----------------------------------------------------------------------------------

static const char *net_of(const struct ref_addr *a, unsigned bits, char text[INET6_ADDRSTRLEN + 4])
{
	struct ref_addr net = *a;
	unsigned n = a->version == 4 ? 4 : 16;

	for (unsigned i = 0; i < 8 * n; i++)
		if (i >= bits)
			net.bytes[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
	inet_ntop(n == 4 ? AF_INET : AF_INET6, net.bytes, text, INET6_ADDRSTRLEN);
	snprintf(text + strlen(text), 5, "/%u", bits);
	return text;
}

// A rule in front of those of the connections: of some of their packets, by address or port.
static void write_rule(FILE *f, struct scenario *s, unsigned number, enum way way)
{
	static const char *const selectors[] = {"", ", protocol: udp", ", protocol: tcp",
		", protocol: udp, dport: 53", ", protocol: tcp, dport: \"0-32767\"",
		", protocol: udp, sport: \"10000-60000\"", ", protocol: icmp"};
	static const char *const actions[] = {"bypass}\n", "discard}\n"};
	struct rng *r = &s->rng;
	const struct connection *c = &s->c[way][rng_below(r, s->n)];
	const struct connection *over = &s->c[way][rng_below(r, s->n)];
	unsigned v6 = rng_below(r, 2), least = v6 ? 112 : 16;
	char src[INET6_ADDRSTRLEN + 4], dst[INET6_ADDRSTRLEN + 4];
	struct ref_addr to = c->net[v6][1];

	to.bytes[v6 ? 14 : 2] |= (uint8_t)rng_next(r);
	fprintf(f, "  - {name: x%u, direction: %s, src: \"%s\", dst: \"%s\"%s, action: ", number,
		way == OUT ? "out" : "in", net_of(&c->net[v6][0], least, src),
		net_of(&to, least + rng_below(r, 6), dst),
		selectors[rng_below(r, sizeof(selectors) / sizeof(selectors[0]))]);
	if (rng_below(r, 2))
		fputs(actions[rng_below(r, 2)], f);
	else if (over->n_sas == 2)
		fprintf(f, "protect, sas: [c%u.0, c%u.1]}\n", over->number, over->number);
	else
		fprintf(f, "protect, sas: [c%u.0]}\n", over->number);
}

// The document of the connections as they are now, with other rules each time.
static char *write_document(struct scenario *s, enum way way)
{
	static const char head[] = "policies:\n";
	char *plain = connections_document(s->c[way], s->n, &features, way == OUT), *text;
	char *rules = strstr(plain, head);
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL || rules == NULL)
		abort();
	rules += strlen(head);
	fwrite(plain, 1, (size_t)(rules - plain), f);
	for (unsigned n = way == JUDGED ? 0 : rng_below(&s->rng, 6); n > 0; n--)
		write_rule(f, s, n, way);
	fputs(rules, f);
	fclose(f);
	free(plain);
	free(s->text);
	return s->text = text;
}

static struct fer_doc *load_document(struct scenario *s, enum way way)
{
	struct fer_doc_error why;
	struct fer_doc *doc = NULL;
	const char *text = write_document(s, way);

	if (fer_doc_load_bytes("document", text, strlen(text), &doc, &why) == 0)
		return doc;
	fprintf(stderr, "%s\n", why.text);
	fail(s, FER_BATCH_MAX, "document and reader");
}

// --- what is there ------------------------------------------------------------------------------

static struct fer_sa_table *table_of(struct box *b)
{
	return box_path(b)->host.sas;
}

static void open_boxes(struct scenario *s, enum way way)
{
	const char *text = write_document(s, way);

	for (unsigned p = 0; p < N_PLACES; p++) {
		char error[BOX_ERROR_BYTES];
		struct box *b = s->box[way][p] = box_open(text, error);

		if (b == NULL) {
			fprintf(stderr, "%s\n", error);
			fail(s, FER_BATCH_MAX, "document and box");
		}
		for (unsigned k = 0; k < s->n_sas; k++)
			s->handle[way][p][k] = box_handle(b, k);
	}
}

// Makes associations alike that have every right to be: one SPI for all of them, or one end point
// for all tunnels.
static void mix_up(struct rng *r, struct connection c[], unsigned n)
{
	uint32_t spi = 256 + rng_below(r, 1 << 20);
	bool one_spi = rng_below(r, 2), one_place = !one_spi && rng_below(r, 2);

	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < c[i].n_sas; k++) {
			struct ref_sa *sa = &c[i].sa[k];

			if (one_spi && !rng_once_in(r, 4))
				sa->esp.spi = sa->ah.spi = spi;
			if (!one_place || !sa->tunnel)
				continue;
			sa->esp.spi = spi + 4 * i + 2 * k;
			sa->ah.spi = sa->esp.spi + rng_below(r, 2);
			memset(sa->dst.bytes, 0, sizeof(sa->dst.bytes));
			memcpy(sa->dst.bytes, (const uint8_t[]){172, 16, 0, 9}, 4);
		}
}

// Without windows there is no ESN; some numbers run out soon.
static void choose_number(struct scenario *s, struct connection *c, unsigned k)
{
	struct rng *r = &s->rng;

	c->sa[k].esn = c->sa[k].esn && s->has_windows;
	if (c->sa[k].esn)
		return;
	if (c->sequence[k] > UINT32_MAX || rng_once_in(r, 8))
		c->sequence[k] = UINT32_MAX - 20 - rng_below(r, 600);
	c->made[k] = c->sequence[k];
	c->window[k] = s->has_windows ? c->window[k] : 0;
}

static void make_connections(struct scenario *s)
{
	struct connection *all = s->c[OUT];

	s->n = 1 + rng_below(&s->rng, MAX_CONNECTIONS);
	for (unsigned i = 0; i < s->n; i++) {
		connection_make(&s->rng, &features, i, &all[i]);
		for (unsigned k = 0; k < all[i].n_sas; k++, s->n_sas++)
			choose_number(s, &all[i], k);
	}
	mix_up(&s->rng, all, s->n);
	memcpy(s->c[IN], all, sizeof(s->c[IN]));
	memcpy(s->c[JUDGED], all, sizeof(s->c[JUDGED]));
	for (unsigned i = 0; i < s->n; i++)
		for (unsigned k = 0; k < CONNECTION_MAX_SAS; k++)
			s->c[JUDGED][i].window[k] = FER_DOC_REPLAY_WINDOW_MAX;
}

// --- changes ------------------------------------------------------------------------------------

// Adds association k as the document has it now.  Returns 0 where it is refused.
//   udp_at  of the contract; -1: it has no part in it
static uint64_t add(
	struct box *b, const struct fer_doc *doc, unsigned k, uint64_t packets, int udp_at)
{
	struct fer_sa_params params = fer_load_sa_params(&doc->sas[k]);
	const char *why = NULL;
	uint64_t handle = 0;

	params.lifetime.hard_packets = packets;
	params.contract = udp_at >= 0;
	if (params.contract && params.udp_at != 0) {
		params.udp_at = (uint8_t)udp_at;
		params.udp.sport = 0;
	}
	return fer_sa_add(table_of(b), &params, &handle, &why) == 0 ? handle : 0;
}

static void take_out(struct box *b, uint64_t handle)
{
	if (handle != 0 && fer_sa_remove(table_of(b), handle) != 0)
		abort();
	while (fer_sa_reclaim(table_of(b)) != 0)
		;
}

// Gives the association another SPI, and keys.
static void rekey(struct rng *r, struct ref_sa *sa)
{
	uint32_t spi = rng_below(r, 2) ? (uint32_t)rng_next(r) | 0x80000000u : 0;

	for (unsigned i = 0; i < 2; i++) {
		struct ref_transform *t = i == 0 ? &sa->esp : &sa->ah;

		t->spi = spi != 0 ? spi : t->spi;
		rng_fill(r, t->cipher_key, sizeof(t->cipher_key));
		rng_fill(r, t->integrity_key, sizeof(t->integrity_key));
	}
}

static void find_sa(const struct scenario *s, unsigned k, unsigned *i, unsigned *at)
{
	for (*i = 0, *at = k; *at >= s->c[OUT][*i].n_sas; ++*i)
		*at -= s->c[OUT][*i].n_sas;
}

// Replaces association k, or takes it out.  The new one comes first, or into the place of the old
// one, or of another.
static void replace_sa(struct scenario *s, enum way way, unsigned k, bool adds)
{
	struct rng *r = &s->rng;
	bool adds_first = adds && way != JUDGED && rng_below(r, 2);
	bool activates = way == OUT && rng_below(r, 2);
	uint64_t packets = way != JUDGED && rng_once_in(r, 3) ? 1 + rng_below(r, 300) : 0;
	int udp_at = s->is_oob && way == IN ? (int)(1 + rng_below(r, 3)) : -1;
	struct fer_doc *doc = load_document(s, way);

	for (unsigned p = 0; p < N_PLACES; p++) {
		struct box *b = s->box[way][p];
		uint64_t *handle = &s->handle[way][p][k], old = *handle;

		if (!adds_first)
			take_out(b, old);
		*handle = adds ? add(b, doc, k, packets, udp_at) : 0;
		if (activates && *handle != 0 && fer_group_activate(table_of(b), *handle) != 0)
			abort();
		if (adds_first)
			take_out(b, old);
	}
	fer_doc_destroy(doc);
	if (s->handle[way][BURSTS][k] != s->handle[way][ALONE][k])
		fail(s, FER_BATCH_MAX, "handles");
}

static void replace_policies(struct scenario *s, enum way way)
{
	struct fer_doc *doc = load_document(s, way);

	for (unsigned p = 0; p < N_PLACES; p++) {
		struct fer_policies *policies = NULL;
		struct fer_doc_error why;

		if (fer_load_policies(doc, 0, &policies, &why) != 0)
			abort();
		box_replace_policies(s->box[way][p], policies);
	}
	fer_doc_destroy(doc);
}

static void change_something(struct scenario *s, enum way way)
{
	struct rng *r = &s->rng;
	unsigned k = rng_below(r, s->n_sas), i, at;

	if (rng_once_in(r, 3)) {
		replace_policies(s, way);
		return;
	}
	find_sa(s, k, &i, &at);
	rekey(r, &s->c[way][i].sa[at]);
	replace_sa(s, way, k, !rng_once_in(r, 3));
	if (way != OUT)
		return;
	s->c[JUDGED][i].sa[at] = s->c[OUT][i].sa[at];
	replace_sa(s, JUDGED, k, true);
}

// --- coming and going ----------------------------------------------------------------------------

static void make_rules(struct scenario *s)
{
	bool has_mtu = rng_once_in(&s->rng, 4), has_classes = rng_once_in(&s->rng, 4);

	for (unsigned w = OUT; w <= IN; w++)
		for (unsigned p = 0; p < N_PLACES; p++) {
			struct fer_host_rules *rules = box_rules(s->box[w][p]);

			rules->mtu[w == OUT ? FER_OUT : FER_IN] = has_mtu ? MTU : 0;
			for (unsigned c = 1; has_classes && c < FER_N_CLASSES; c++)
				rules->classes.action[c] = FER_CLASS_TO_PASS;
		}
}

// What comes in belongs to contract hosts.
static void serve_hosts(struct scenario *s)
{
	uint16_t delete_after = (uint16_t)rng_below(&s->rng, 4);

	for (unsigned w = OUT; w <= IN; w++)
		for (unsigned p = 0; p < N_PLACES; p++) {
			box_serve_host(s->box[w][p]);
			box_path(s->box[w][p])->nic.delete_after = delete_after;
		}
	for (unsigned k = 0; k < s->n_sas; k++)
		replace_sa(s, IN, k, true);
}

static void open_scenario(struct scenario *s, uint64_t seed)
{
	*s = (struct scenario){.seed = seed, .rng = {seed}};
	s->has_windows = rng_below(&s->rng, 2);
	s->is_oob = rng_once_in(&s->rng, 3);
	s->link = s->is_oob || rng_below(&s->rng, 2) ? FER_LINK_ETHERNET : FER_LINK_RAW_IP;
	s->has_tags = !s->is_oob && s->link == FER_LINK_ETHERNET && rng_below(&s->rng, 2);
	make_connections(s);
	for (unsigned w = 0; w < N_WAYS; w++)
		open_boxes(s, (enum way)w);
	make_rules(s);
	if (s->is_oob)
		serve_hosts(s);
}

static void close_scenario(struct scenario *s)
{
	for (unsigned w = 0; w < N_WAYS; w++)
		for (unsigned p = 0; p < N_PLACES; p++)
			box_close(s->box[w][p]);
	free(s->text);
	box_check_leaks();
}

// --- packets ------------------------------------------------------------------------------------

// Writes a link header in front of what is IP.  Returns its length.
static uint32_t put_link(uint8_t *at, unsigned n_tags, uint8_t version)
{
	static const uint8_t link[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	uint32_t off = sizeof(link);

	memcpy(at, link, sizeof(link));
	for (unsigned k = 0; k < n_tags; k++, off += TAG_BYTES) {
		ref_put16(at + off, k + 1 < n_tags ? 0x88a8 : 0x8100);
		ref_put16(at + off + 2, (uint16_t)(100 + k));
	}
	ref_put16(at + off, version == 4 ? 0x0800 : 0x86dd);
	return off + 2;
}

static void put_frame(struct scenario *s, struct item *it, const struct ref_packet *p)
{
	unsigned n_tags = s->has_tags && rng_below(&s->rng, 2) ? rng_below(&s->rng, 4) : 0;
	uint32_t l2 =
		s->link == FER_LINK_ETHERNET ? put_link(it->bytes, n_tags, p->bytes[0] >> 4) : 0;

	memcpy(it->bytes + l2, p->bytes, p->len);
	it->len = l2 + p->len;
}

static void make_plain(struct scenario *s, const struct connection *c, struct ref_packet *p)
{
	struct rng *r = &s->rng;
	uint32_t most = rng_once_in(r, 400) ? 65535 - rng_below(r, 200) : 400 + rng_below(r, 1400);

	connection_plain(r, c, most, p);
}

static const struct connection *any_of(struct scenario *s, enum way way)
{
	return &s->c[way][rng_below(&s->rng, s->n)];
}

// Plain packets as they come: of a flow, of one that is nearly that, of another, and what is none.
static void make_outbound(struct scenario *s, unsigned n)
{
	static struct ref_packet p;
	struct rng *r = &s->rng;

	for (unsigned i = 0; i < n; i++) {
		if (i == 0 || rng_once_in(r, 3))
			make_plain(s, any_of(s, OUT), &p);
		else if (rng_once_in(r, 3))
			vary_plain(r, &p);
		put_frame(s, &items[i], &p);
		if (rng_once_in(r, 64))
			items[i].bytes[rng_below(r, RTE_MIN(items[i].len, 60u))] ^= 0x41;
		else if (rng_once_in(r, 32))
			items[i].len = 1 + rng_below(r, items[i].len);
	}
}

// A plain packet that its peer protects; false: it cannot.
static bool make_sound(struct scenario *s, struct connection *c, const struct ref_packet *plain,
	struct ref_packet *wire)
{
	static struct ref_packet at[2];
	struct rng *r = &s->rng;

	ref_copy(&at[0], plain);
	for (unsigned k = 0; k < c->n_sas; k++) {
		struct ref_choice choice = {
			.seq = c->made[k] + 1 + rng_once_in(r, 8),
			.id = (uint16_t)rng_next(r),
			.ecn = (uint8_t)rng_below(r, 5),
			.more_pad = (uint8_t)(rng_once_in(r, 4) ? rng_below(r, 256) : 0),
			.tfc = c->sa[k].tunnel && c->sa[k].esp.used && rng_once_in(r, 8)
				       ? rng_below(r, 100)
				       : 0,
			.udp_sum = rng_below(r, 2),
			.options_outside = rng_below(r, 2),
			.options_between = rng_below(r, 2),
		};

		rng_fill(r, choice.esp_iv, sizeof(choice.esp_iv));
		rng_fill(r, choice.ah_iv, sizeof(choice.ah_iv));
		if ((!c->sa[k].esn && choice.seq > UINT32_MAX) ||
			!ref_protect(&c->sa[k], &choice, &at[k % 2], &at[!(k % 2)]))
			return false;
		c->made[k] = choice.seq;
	}
	ref_copy(wire, &at[c->n_sas % 2]);
	return true;
}

// What somebody makes who has the keys and no manners.
static void make_rude(struct scenario *s, struct connection *c, struct ref_packet *wire)
{
	struct ref_choice choice = {.seq = c->made[0] + 1, .ecn = 4};

	rng_fill(&s->rng, choice.esp_iv, sizeof(choice.esp_iv));
	make_hostile(&s->rng, &c->sa[0], &choice, wire);
	c->made[0]++;
}

// Puts a packet, or its fragments, from item i on.  Returns the next.
static unsigned put_wire(struct scenario *s, unsigned i, unsigned n, const struct ref_packet *wire)
{
	static struct ref_packet piece[MAX_PIECES];
	unsigned n_pieces = rng_once_in(&s->rng, 12) ? cut_wire(&s->rng, wire, piece) : 0;

	if (n_pieces == 0 || i + n_pieces > n) {
		put_frame(s, &items[i], wire);
		return i + 1;
	}
	for (unsigned k = 0; k < n_pieces; k++)
		put_frame(s, &items[i++], &piece[k]);
	return i;
}

// Packets of the wire: sound ones, which carry a flow, one that is nearly that, or another; spoilt
// ones, rude ones, and what came in the clear.
static void make_inbound(struct scenario *s, unsigned n)
{
	static struct ref_packet plain, wire;
	struct connection *c = NULL;
	struct rng *r = &s->rng;

	for (unsigned i = 0; i < n; i = put_wire(s, i, n, &wire)) {
		unsigned what = rng_below(r, 16);
		bool goes_on = i > 0 && what == 0; // from the packet before

		if (c == NULL || rng_once_in(r, 4)) {
			c = &s->c[IN][rng_below(r, s->n)];
			make_plain(s, c, &plain);
		} else if (rng_once_in(r, 3)) {
			vary_plain(r, &plain);
		} else if (rng_once_in(r, 3)) {
			make_plain(s, c, &plain);
		}
		if (what == 1 || (!goes_on && !make_sound(s, c, &plain, &wire)))
			make_plain(s, c, &wire);
		if (what == 2 && c->n_sas == 1 && c->sa[0].esp.used)
			make_rude(s, c, &wire);
		if (what == 4)
			lengthen_front(&wire);
		if (what == 3 || goes_on)
			spoil_wire(r, s->c[IN], s->n, &wire);
	}
	for (unsigned k = rng_once_in(r, 3) ? n / 8 : 0; k > 0; k--) { // a network that reorders
		static struct item other;
		unsigned a = rng_below(r, n), b = rng_below(r, 2) ? (a + 1) % n : rng_below(r, n);

		other = items[a], items[a] = items[b], items[b] = other;
	}
}

// --- runs ---------------------------------------------------------------------------------------

static void append(struct end *e, const struct rte_mbuf *m)
{
	if (m->pkt_len > MAX_BYTES - e->len)
		abort();
	const uint8_t *bytes = rte_pktmbuf_read(m, 0, m->pkt_len, e->bytes + e->len);
	if (bytes != e->bytes + e->len)
		memcpy(e->bytes + e->len, bytes, m->pkt_len);
	e->len += m->pkt_len;
}

static void take_end(const struct fer_batch *b, unsigned i, struct end *e)
{
	const struct fer_pkt *p = &b->pkt[i];

	e->verdict = (enum fer_verdict)p->verdict;
	e->is_gone = b->m[i] == NULL;
	e->n_layers = p->n_layers;
	for (unsigned k = 0; k < FER_MAX_ROUNDS; k++)
		e->layer[k] = b->round[k][i];
	e->frame = p->frame;
	e->len = e->n_rests = e->said_len = 0;
	e->words = (struct fer_oob){0};
	if (e->is_gone)
		return;
	rte_mbuf_sanity_check(b->m[i], 1);
	e->words = *fer_oob_of(b->m[i]);
	append(e, b->m[i]);
	for (unsigned k = 0; k < b->n_more; k++)
		if (b->more_of[k] == i && e->n_rests < MAX_RESTS) {
			e->rest[e->n_rests++] = b->more[k]->pkt_len;
			append(e, b->more[k]);
		}
}

// What memory held before: in both places something else, so that nothing may come of it.
static void make_dirty(struct rte_mbuf *m, uint8_t with)
{
	for (; m != NULL; m = m->next) {
		uint8_t *end = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);

		memset(m->buf_addr, with, rte_pktmbuf_headroom(m));
		memset(end, with, (size_t)((uint8_t *)m->buf_addr + m->buf_len - end));
	}
}

// Makes n items one batch.
//   shape   of their buffers; NULL: one plain piece each
//   shared  those that are somebody else's as well
static void put_items(const struct scenario *s, struct fer_batch *batch, const struct item *it,
	unsigned n, struct rng *shape, struct rte_mbuf *shared[])
{
	const uint8_t dirt = shape != NULL ? 0xff : 0;

	memset(batch, dirt, sizeof(*batch));
	batch->n = (uint16_t)n;
	batch->link = (uint8_t)s->link;
	batch->clock = NULL;
	for (unsigned i = 0; i < n; i++) {
		shared[i] = NULL;
		batch->m[i] = box_buffer(it[i].bytes, it[i].len,
			shape != NULL && rng_once_in(shape, 4) ? shape : NULL);
		make_dirty(batch->m[i], dirt);
		if (shape == NULL || !rng_once_in(shape, 16))
			continue;
		rte_pktmbuf_refcnt_update(batch->m[i], 1);
		shared[i] = batch->m[i];
	}
}

static void take_ends(const struct fer_batch *batch, struct end *e)
{
	for (unsigned i = 0; i < batch->n; i++)
		take_end(batch, i, &e[i]);
}

static void free_batch(struct fer_batch *batch)
{
	static struct rte_mbuf *out[FER_BATCH_MAX + FER_BATCH_MORE];
	static struct fer_outcomes outcomes;

	rte_pktmbuf_free_bulk(out, fer_sink(batch, &outcomes, out));
	rte_pktmbuf_free_bulk(out, fer_sink_side(batch, &outcomes, out));
}

// The completion of a request, whose cookie says which of n it was.
static void take_completion(const struct rte_mbuf *m, uint64_t first, unsigned n, struct end *e)
{
	uint8_t bytes[MAX_COMPLETION];

	if (m->pkt_len > sizeof(bytes))
		abort();
	const uint8_t *at = rte_pktmbuf_read(m, 0, m->pkt_len, bytes);
	uint64_t i = words_cookie(at) - first;
	if (i >= n || e[i].said_len != 0)
		abort();
	memcpy(e[i].said, at, m->pkt_len);
	e[i].said_len = m->pkt_len;
}

// Requests of an external host, as a worker carries them; cookies count from that one on.
static void send_for_host(struct box *b, struct fer_batch *batch, uint64_t first, struct end *e)
{
	static struct fer_shim shim;

	shim.pool = box_path(b)->pool;
	shim.completes_all = true;
	fer_shim_take(&shim, batch);
	fer_nic_transmit(&box_path(b)->nic, batch);
	take_ends(batch, e);
	fer_shim_keep(&shim, batch);
	fer_shim_complete(&shim, batch);
	for (unsigned i = 0; i < batch->n_side; i++)
		take_completion(batch->side[i], first, batch->n, e);
}

// Packets of the wire for an external host.
static void indicate_to_host(struct box *b, struct fer_batch *batch, struct end *e)
{
	for (unsigned i = 0; i < batch->n; i++)
		fer_oob_clear(batch->m[i]);
	fer_batch_parse(batch);
	fer_batch_own(batch, box_path(b)->pool);
	fer_nic_receive(&box_path(b)->nic, batch);
	take_ends(batch, e);
}

// Runs n items, of which the first has that number, as one batch.
static void run(const struct scenario *s, struct box *b, enum way way, const struct item *it,
	unsigned first, unsigned n, struct rng *shape, struct end *e)
{
	static struct fer_batch batch;
	struct rte_mbuf *shared[FER_BATCH_MAX];
	uint64_t timed_out = 0;

	put_items(s, &batch, it, n, shape, shared);
	if (s->is_oob && way == OUT) {
		send_for_host(b, &batch, first, e);
	} else if (s->is_oob && way == IN) {
		indicate_to_host(b, &batch, e);
	} else {
		if (way == OUT)
			fer_path_out(box_path(b), &batch);
		else
			fer_path_in(box_path(b), &batch, 0, &timed_out);
		take_ends(&batch, e);
	}
	free_batch(&batch);
	rte_pktmbuf_free_bulk(shared, n);
}

// A NIC half that remembers nothing.
static void forget_nic(struct box *b)
{
	struct fer_nic *nic = &box_path(b)->nic;

	nic->found = (struct fer_nic_found){0};
	*nic->known = (struct fer_known){0};
	fer_crypt_destroy(nic->crypt);
	nic->crypt = fer_crypt_create();
	if (nic->crypt == NULL)
		abort();
}

// A host half that has seen nothing yet, but for the identifications that it gave.
static void forget_host(struct box *b)
{
	struct fer_host *host = &box_path(b)->host, old = *host;

	if (fer_host_init(host, old.sas, old.pool, old.rules) != 0)
		abort();
	host->ident = old.ident;
	fer_host_fini(&old);
}

// --- requests of external hosts ------------------------------------------------------------------

// Frames n plain packets as a host does, of which the first has that number; of those that it
// would not send the words ask for nothing.
static void frame_items(struct scenario *s, unsigned n)
{
	static struct fer_batch batch;
	static struct end framed;
	struct rte_mbuf *shared[FER_BATCH_MAX];

	for (unsigned p = N_PLACES; p-- > 0;) { // numbers are taken in both, the bytes are one's
		struct fer_host *host = &box_path(s->box[OUT][p])->host;

		put_items(s, &batch, items, n, NULL, shared);
		(void)fer_batch_arrive(&batch);
		fer_host_outbound(host, &batch);
		for (unsigned i = 0; i < n && p == BURSTS; i++) {
			take_end(&batch, i, &framed);
			if (framed.verdict == FER_OK && framed.len >= L2_BYTES)
				items[i].len = words_put(
					items[i].bytes, &framed.words, i, framed.bytes, framed.len);
			else
				items[i].len = words_put(items[i].bytes, &(struct fer_oob){0}, i,
					(const uint8_t[L2_BYTES]){0}, L2_BYTES);
		}
		free_batch(&batch);
	}
}

// Requests of a host that is good, or is not.
static void make_requests(struct scenario *s, unsigned n)
{
	uint64_t handles[2 * MAX_SAS];
	struct rng *r = &s->rng;

	frame_items(s, n);
	for (unsigned k = 0; k < s->n_sas; k++) {
		handles[2 * k] = s->handle[OUT][BURSTS][k];
		handles[2 * k + 1] = s->handle[OUT][BURSTS][k] + (UINT64_C(1) << 32);
	}
	for (unsigned i = 0; i < n; i++)
		if (rng_once_in(r, 6))
			words_spoil(r, handles, 2 * s->n_sas, i > 0 ? items[i - 1].bytes : NULL,
				items[i].bytes, &items[i].len);
}

// --- comparison ---------------------------------------------------------------------------------

// But for a lifetime that was over before the burst was, or in it.
static bool same_words(const struct end *a, const struct end *b)
{
	return ((a->words.ipsec ^ b->words.ipsec) & ~(uint64_t)FER_OOB_SA_DELETE_REQ) == 0 &&
	       a->words.tunnel == b->words.tunnel && a->words.header == b->words.header &&
	       a->words.checksum == b->words.checksum && a->words.lso == b->words.lso;
}

static bool same_layers(const struct end *a, const struct end *b)
{
	return a->n_layers == b->n_layers &&
	       memcmp(a->layer, b->layer, a->n_layers * sizeof(a->layer[0])) == 0;
}

static bool same_frames(const struct end *a, const struct end *b)
{
	if (a->frame.version == 0) // no IP: the rest means nothing
		return b->frame.version == 0;
	return memcmp(&a->frame, &b->frame, offsetof(struct fer_frame, df) + 1) == 0;
}

static bool same_bytes(const struct end *a, const struct end *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static bool same_extent(const struct end *a, const struct end *b)
{
	return a->len == b->len && a->n_rests == b->n_rests &&
	       memcmp(a->rest, b->rest, a->n_rests * sizeof(a->rest[0])) == 0;
}

// May the packet have met another window?  Its number was checked before the burst was committed.
// Of what is sound both windows say the same in the end.
static bool may_differ_by_window(
	const struct scenario *s, const struct end *burst, const struct end *alone)
{
	return s->has_windows && burst->verdict != FER_OK && alone->verdict != FER_OK &&
	       (burst->verdict == FER_REPLAY || alone->verdict == FER_REPLAY);
}

// What was refused by its number may have been opened before.
static void compare_inbound(const struct scenario *s, unsigned i)
{
	const struct end *a = &ends[BURSTS][i], *b = &ends[ALONE][i];

	if (a->verdict != b->verdict && !may_differ_by_window(s, a, b))
		fail(s, i, "verdicts");
	if (a->verdict == FER_REPLAY || b->verdict == FER_REPLAY) {
		n_differ_by_window += a->verdict != b->verdict;
		return;
	}
	if (a->is_gone != b->is_gone || !same_words(a, b))
		fail(s, i, "words");
	if (!same_layers(a, b))
		fail(s, i, "receipts");
	if (!same_bytes(a, b) || !same_extent(a, b))
		fail(s, i, "bytes");
	if (a->verdict == FER_OK && !same_frames(a, b))
		fail(s, i, "frames");
}

static bool is_fragment(const struct scenario *s, const struct item *it)
{
	uint32_t l2 = s->link == FER_LINK_ETHERNET ? L2_BYTES : 0;
	struct ref_ip h;

	while (s->has_tags && it->len > l2 &&
		(it->bytes[l2 - 2] == 0x81 || it->bytes[l2 - 2] == 0x88))
		l2 += TAG_BYTES;
	return it->len > l2 && ref_ip_parse(it->bytes + l2, it->len - l2, &h) && h.is_fragment;
}

// Where nothing verified, a packet is left as it came.
static void check_left(const struct scenario *s, unsigned i)
{
	const struct end *e = &ends[BURSTS][i];
	bool was_opened = false;

	for (unsigned k = 0; k < e->n_layers; k++)
		was_opened |= e->layer[k].verified;
	if (was_opened || e->is_gone || fer_verdict_kind(e->verdict) != FER_KIND_FAIL ||
		is_fragment(s, &items[i]))
		return;
	if (e->len != items[i].len || memcmp(e->bytes, items[i].bytes, e->len) != 0)
		fail(s, i, "what failed and what came");
}

// Everything up to the number of the outermost layer, but for a checksum of UDP.
static bool same_front(const struct end *a, const struct end *b)
{
	const struct fer_layer *layer = &a->layer[a->n_layers - 1];
	uint32_t sum = a->frame.protocol == IPPROTO_UDP ? sizeof(uint16_t) : 0;

	return memcmp(a->bytes, b->bytes, layer->sec_off - sum) == 0 &&
	       memcmp(a->bytes + layer->sec_off, b->bytes + layer->sec_off, FER_ESP_HEADER_BYTES) ==
		       0;
}

// Opens what was sealed, len bytes at at: there the IVs are gone.
static void compare_opened(struct scenario *s, unsigned i, uint32_t at, uint32_t len)
{
	static struct end opened[N_PLACES];
	static struct item it;

	if (len > sizeof(it.bytes))
		return;
	for (unsigned p = 0; p < N_PLACES; p++) {
		memcpy(it.bytes, ends[p][i].bytes + at, len);
		it.len = len;
		run(s, s->box[JUDGED][p], JUDGED, &it, 0, 1, NULL, &opened[p]);
		if (!s->is_oob && (fer_verdict_kind(opened[p].verdict) == FER_KIND_FAIL ||
					  opened[p].verdict == FER_REPLAY)) {
			dump_end("judged", &opened[p]);
			fail(s, i, "sealing and opening");
		}
	}
	if (opened[BURSTS].verdict == opened[ALONE].verdict &&
		(opened[BURSTS].verdict != FER_OK || same_bytes(&opened[BURSTS], &opened[ALONE])))
		return;
	dump_end("opened from a burst", &opened[BURSTS]);
	dump_end("opened from one alone", &opened[ALONE]);
	fail(s, i, "bytes that were sealed");
}

static bool same_completions(const struct end *a, const struct end *b)
{
	return a->said_len == b->said_len && memcmp(a->said, b->said, a->said_len) == 0;
}

// The segments of a large send; of those only the first has words.
static void compare_segments(struct scenario *s, unsigned i)
{
	const struct end *e = &ends[BURSTS][i];
	uint32_t at = e->len;

	for (unsigned k = e->n_rests; k-- > 0;) {
		at -= e->rest[k];
		compare_opened(s, i, at, e->rest[k]);
	}
	compare_opened(s, i, 0, at);
}

static void compare_outbound(struct scenario *s, unsigned i)
{
	const struct end *a = &ends[BURSTS][i], *b = &ends[ALONE][i];

	if (a->verdict != b->verdict)
		fail(s, i, "verdicts");
	if (a->is_gone != b->is_gone || memcmp(&a->words, &b->words, sizeof(a->words)) != 0)
		fail(s, i, "words");
	if (!same_extent(a, b))
		fail(s, i, "lengths");
	if (!same_completions(a, b))
		fail(s, i, "completions");
	if (a->verdict != FER_OK) // perhaps half framed
		return;
	if (!same_layers(a, b))
		fail(s, i, "layers");
	if (!same_frames(a, b))
		fail(s, i, "frames");
	if (s->is_oob && a->words.lso != 0) {
		compare_segments(s, i);
		return;
	}
	if (a->n_layers == 0 && !same_bytes(a, b))
		fail(s, i, "bytes");
	if (a->n_layers == 0 || a->n_rests != 0) // fragments have any name
		return;
	if (!same_front(a, b))
		fail(s, i, "headers");
	compare_opened(s, i, 0, a->len);
}

static bool same_drops(const struct scenario *s, const struct fer_sa_table *a,
	const struct fer_sa_table *b, uint32_t index)
{
	uint64_t n[N_PLACES] = {0};

	for (unsigned v = 1; v < FER_N_SA_VERDICTS; v++) {
		uint64_t one = fer_sa_drops(a, fer_sa_at(a, index), (enum fer_verdict)v);
		uint64_t other = fer_sa_drops(b, fer_sa_at(b, index), (enum fer_verdict)v);

		if (!s->has_windows && one != other)
			return false;
		n[BURSTS] += one;
		n[ALONE] += other;
	}
	return n[BURSTS] == n[ALONE];
}

static bool same_windows(const struct fer_replay *a, const struct fer_replay *b)
{
	return a->top == b->top && a->n_pkts == b->n_pkts &&
	       (a->n_pkts == 0 || memcmp(a->seen, b->seen, fer_replay_ring_bytes(a->n_pkts)) == 0);
}

static bool same_counters(const struct fer_sa *a, const struct fer_sa *b)
{
	if (a->generation != b->generation || a->life != b->life)
		return false;
	if (a->direction == FER_OUT)
		return fer_seq_packets(&a->out.seq) == fer_seq_packets(&b->out.seq) &&
		       fer_seq_bytes(&a->out.seq) == fer_seq_bytes(&b->out.seq) &&
		       fer_seq_last(&a->out.seq) == fer_seq_last(&b->out.seq);
	return a->in.packets == b->in.packets && a->in.bytes == b->in.bytes &&
	       same_windows(&a->in.replay, &b->in.replay);
}

static void compare_counters(const struct scenario *s, enum way way)
{
	const struct fer_sa_table *a = table_of(s->box[way][BURSTS]);
	const struct fer_sa_table *b = table_of(s->box[way][ALONE]);

	for (uint32_t i = 0; i < fer_sa_capacity(a); i++) {
		const struct fer_sa *sa = fer_sa_at(a, i), *other = fer_sa_at(b, i);

		if (sa->generation == 0 && other->generation == 0)
			continue;
		if (!same_counters(sa, other) || !same_drops(s, a, b, i))
			fail(s, FER_BATCH_MAX, "counters of an association");
	}
}

// --- IVs ----------------------------------------------------------------------------------------

struct used {
	uint64_t sa, iv;
};

static struct used used[1 << 16];
static unsigned n_used;

// Remembers the IV of a counter mode that left in the outermost layer.
static void remember_iv(const struct scenario *s, const struct end *e)
{
	if (e->verdict != FER_OK || e->n_layers == 0 || n_used == RTE_DIM(used))
		return;
	const struct fer_layer *layer = &e->layer[e->n_layers - 1];
	const struct fer_sa *sa = fer_sa_at(table_of(s->box[OUT][BURSTS]), layer->sa);
	if (!sa->suite.counter)
		return;
	used[n_used].sa = fer_layer_handle(layer);
	used[n_used].iv = fer_load_be64(e->bytes + layer->sec_off +
					(sa->suite.ah ? FER_AH_FIXED_BYTES : FER_ESP_HEADER_BYTES));
	n_used++;
}

static int order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct used));
}

static void check_ivs(const struct scenario *s)
{
	qsort(used, n_used, sizeof(used[0]), order);
	for (unsigned i = 1; i < n_used; i++)
		if (order(&used[i - 1], &used[i]) == 0)
			fail(s, FER_BATCH_MAX, "no IVs");
	n_used = 0;
}

// --- scenarios ----------------------------------------------------------------------------------

static void run_both(struct scenario *s, enum way way, unsigned n)
{
	run(s, s->box[way][BURSTS], way, items, 0, n, &s->rng, ends[BURSTS]);
	for (unsigned i = 0; i < n; i++) {
		forget_nic(s->box[way][ALONE]);
		forget_host(s->box[way][ALONE]);
		run(s, s->box[way][ALONE], way, &items[i], i, 1, NULL, &ends[ALONE][i]);
	}
	for (unsigned i = 0; i < n; i++) {
		n_verdicts[ends[BURSTS][i].verdict]++;
		n_compared[way]++;
		if (way == IN) {
			compare_inbound(s, i);
			check_left(s, i);
		} else {
			compare_outbound(s, i);
			remember_iv(s, &ends[BURSTS][i]);
		}
	}
	compare_counters(s, way);
}

static void run_scenario(uint64_t seed)
{
	static const unsigned bursts[] = {2, 8, 32, 32, FER_BATCH_MAX};
	static struct scenario s;

	open_scenario(&s, seed);
	for (unsigned k = 4 + rng_below(&s.rng, 8); k > 0; k--) {
		enum way way = rng_below(&s.rng, 2) ? OUT : IN;
		unsigned n = 1 + rng_below(&s.rng, bursts[rng_below(&s.rng, RTE_DIM(bursts))]);

		if (way == OUT)
			make_outbound(&s, n);
		else
			make_inbound(&s, n);
		if (s.is_oob && way == OUT)
			make_requests(&s, n);
		run_both(&s, way, n);
		if (rng_once_in(&s.rng, 2))
			change_something(&s, way);
	}
	check_ivs(&s);
	close_scenario(&s);
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
};

static struct limits parse(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
		{"packets", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 't'}, {0}};
	struct limits l = {(uint64_t)time(NULL), 10000, 1e9};

	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 's')
			l.seed = strtoull(optarg, NULL, 0);
		else if (o == 'n')
			l.packets = strtoull(optarg, NULL, 0);
		else if (o == 't')
			l.seconds = strtod(optarg, NULL);
		else
			exit(2);
	}
	return l;
}

static void print_totals(uint64_t seed, uint64_t n)
{
	printf("seed %" PRIu64 ", %" PRIu64 " scenarios: %" PRIu64 " packets sent and %" PRIu64
	       " received end alike, %" PRIu64 " of them as their burst had it\n",
		seed, n, n_compared[OUT], n_compared[IN], n_differ_by_window);
	for (unsigned v = 0; v < FER_N_VERDICTS; v++)
		if (n_verdicts[v] != 0)
			printf("  %-20s %" PRIu64 "\n", fer_verdict_name((enum fer_verdict)v),
				n_verdicts[v]);
}

int main(int argc, char **argv)
{
	struct limits l = parse(argc, argv);
	double until = now_s() + l.seconds;
	uint64_t n = 0;

	// Memory is new for every packet that goes alone: large pages would have to be cleared.
	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	setlinebuf(stdout);
	box_start();
	features = features_find();
	while ((n_compared[OUT] < l.packets || n_compared[IN] < l.packets) && now_s() < until)
		run_scenario(l.seed + n++);
	print_totals(l.seed, n);
	return EXIT_SUCCESS;
}
