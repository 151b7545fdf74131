// SPDX-License-Identifier: BSD-3-Clause
// Makes streams of packets for a box under test, and verifies what comes back.
#include "../common/signals.h"
#include "../ferruled/environment.h"
#include "files.h"
#include "options.h"
#include "report.h"
#include "send.h"

#include <rte_errno.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_BUFFERS 16383
#define MAX_ARGS (FER_GEN_MAX_EAL + 8)

struct gen {
	struct fer_gen_options options;
	struct fer_doc *doc; // NULL: none
	struct fer_environment environment;
	bool environment_is_up;
	struct rte_mempool *pool;
	struct fer_gen_mirror mirror;
	struct fer_gen_source *source;
	struct fer_gen_receiver receiver;
	double seconds;
	char error[FER_GEN_ERROR_BYTES];
};

// --- set-up -----------------------------------------------------------------------------------

static int load_document(struct gen *g)
{
	const struct fer_gen_options *o = &g->options;
	struct fer_doc_error why;
	uint32_t pair = 0;

	if (o->config == NULL)
		return 0;
	if (fer_doc_load_file(o->config, &g->doc, &why) != 0) {
		snprintf(g->error, sizeof(g->error), "%s", why.text);
		return -1;
	}
	while (o->pair != NULL && pair < g->doc->n_pairs &&
		strcmp(g->doc->pairs[pair].name, o->pair) != 0)
		pair++;
	if (o->pair != NULL && pair == g->doc->n_pairs)
		snprintf(g->error, sizeof(g->error), "%s: has no pair %s", o->config, o->pair);
	else if (o->pair == NULL && g->doc->n_pairs > 1)
		snprintf(g->error, sizeof(g->error), "%s: has %u pairs: choose one with --pair",
			o->config, g->doc->n_pairs);
	else {
		g->options.source.doc = g->doc;
		g->options.source.pair = pair;
		return 0;
	}
	return -1;
}

// The document's own devices are those of the box.
static int start_environment(struct gen *g)
{
	static char defaults[][16] = {
		"--no-huge", "-m1024", "--no-pci", "--no-telemetry", "--no-shconf"};
	static const struct fer_doc nothing;
	char *argv[MAX_ARGS];
	int argc = 0;

	for (unsigned i = 0; i < RTE_DIM(defaults) && !g->options.has_eal_options; i++)
		argv[argc++] = defaults[i];
	for (int i = 0; i < g->options.n_eal; i++)
		argv[argc++] = g->options.eal[i];
	if (fer_environment_start(&g->environment, argc, argv, &nothing, g->error) != 0)
		return -1;
	g->environment_is_up = true;
	return 0;
}

static uint16_t data_room(const struct fer_gen_options *o)
{
	uint32_t room = RTE_PKTMBUF_HEADROOM + FER_GEN_MAX_GROWTH + 64;
	uint32_t largest = 0;

	for (uint32_t i = 0; i < o->source.n_sizes; i++)
		largest = RTE_MAX(largest, o->source.size[i]);
	return (uint16_t)RTE_MAX(
		RTE_ALIGN(room + largest, 64u), (uint32_t)RTE_MBUF_DEFAULT_BUF_SIZE);
}

static int make_pool(struct gen *g)
{
	g->pool = rte_pktmbuf_pool_create(
		"ferrule-gen", N_BUFFERS, 256, 0, data_room(&g->options), SOCKET_ID_ANY);
	if (g->pool != NULL)
		return 0;
	snprintf(g->error, sizeof(g->error), "no memory for packets: %s", rte_strerror(rte_errno));
	return -1;
}

// The other end of the box, where something has to be sealed or opened.
static int make_mirror(struct gen *g)
{
	struct fer_gen_options *o = &g->options;
	bool seals = o->verb != FER_GEN_VERIFY && !o->source.plain;

	if (!seals && !o->opens)
		return 0;
	o->source.mirror = &g->mirror;
	if (o->opens)
		g->receiver.opener = &g->mirror;
	return fer_gen_mirror_init(&g->mirror, g->doc, o->source.pair, g->pool, g->error);
}

static int make_ends(struct gen *g)
{
	const struct fer_gen_options *o = &g->options;

	if (o->verb != FER_GEN_VERIFY) {
		g->source = fer_gen_source_create(&o->source, g->pool, g->error);
		if (g->source == NULL)
			return -1;
	}
	g->receiver.tally = fer_gen_tally_create(o->source.seed);
	if (g->receiver.tally != NULL)
		return 0;
	snprintf(g->error, sizeof(g->error), "no memory");
	return -1;
}

static void tear_down(struct gen *g)
{
	fer_gen_source_destroy(g->source);
	fer_gen_tally_destroy(g->receiver.tally);
	fer_gen_mirror_fini(&g->mirror);
	if (g->options.verb == FER_GEN_SEND)
		fer_gen_ports_stop();
	rte_mempool_free(g->pool);
	if (g->environment_is_up)
		fer_environment_stop(&g->environment);
	fer_doc_destroy(g->doc);
	for (int i = 0; i < g->options.n_eal; i++)
		free(g->options.eal[i]);
}

// --- verbs ------------------------------------------------------------------------------------

static int work(struct gen *g)
{
	const struct fer_gen_options *o = &g->options;
	struct fer_gen_ports ports;

	switch (o->verb) {
	case FER_GEN_MAKE:
		return fer_gen_write_file(
			g->source, o->packets, o->out, &fer_signal_caught, g->error);
	case FER_GEN_VERIFY:
		return fer_gen_read_file(
			&g->receiver, g->pool, o->in, &fer_signal_caught, g->error);
	case FER_GEN_SEND:
		if (fer_gen_ports_start(&ports, o, g->pool, &fer_signal_caught, g->error) != 0)
			return -1;
		return fer_gen_send(g->source, &g->receiver, &ports, o, &fer_signal_caught,
			&g->seconds, g->error);
	case FER_GEN_LIST_KINDS:
		break;
	}
	return 0;
}

// 0; 1: what came back is not right.
static int tell(struct gen *g)
{
	const struct fer_gen_options *o = &g->options;
	struct fer_gen_report r = {
		.received = g->receiver.packets, .seconds = g->seconds, .json = o->json};
	struct fer_gen_made made;
	struct fer_gen_sums sums;

	if (g->source != NULL) {
		made = fer_gen_source_made(g->source);
		r.made = &made;
		fer_gen_tally_sums(g->receiver.tally, made.streams, o->source.n_streams, &sums);
	} else {
		fer_gen_tally_sums_of(g->receiver.tally, o->packets, &sums);
	}
	if (o->verb == FER_GEN_VERIFY || o->rx != NULL)
		r.sums = &sums;
	if (o->opens)
		r.opened = &g->mirror.outcomes;
	if (!fer_gen_report(&r)) {
		snprintf(g->error, sizeof(g->error), "standard output: cannot write");
		return -1;
	}
	return r.sums == NULL || fer_gen_sums_are_right(&sums) ? 0 : 1;
}

static int run(struct gen *g)
{
	int rc = load_document(g);

	fer_signals_catch();
	if (rc == 0)
		rc = start_environment(g);
	if (rc == 0)
		rc = make_pool(g);
	if (rc == 0)
		rc = make_mirror(g);
	if (rc == 0)
		rc = make_ends(g);
	if (rc == 0)
		rc = work(g);
	if (rc == 0)
		rc = tell(g);
	if (rc < 0)
		fprintf(stderr, "ferrule-gen: %s\n", g->error);
	else if (rc > 0)
		fputs("ferrule-gen: what came back is not what was sent\n", stderr);
	tear_down(g);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static struct gen g;
	int rc = fer_gen_options_parse(argc, argv, &g.options);

	if (rc != 0 || g.options.done)
		return rc;
	if (g.options.verb == FER_GEN_LIST_KINDS)
		return fer_gen_report_kinds(g.options.json) ? EXIT_SUCCESS : EXIT_FAILURE;
	return run(&g);
}
