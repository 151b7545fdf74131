// SPDX-License-Identifier: BSD-3-Clause
#include "mirror.h"

#include "../common/load.h"
#include "crypto/engine.h"
#include "crypto/iv.h"
#include "nic/oob.h"

#include <rte_cycles.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_DATAGRAMS 64 // that may wait for fragments at once
#define ESN_WINDOW 65536u

// An SA as its other end has it.  What is counted there is not judged here: the tally does that.
static struct fer_sa_params mirror_of(const struct fer_doc_sa *sa)
{
	struct fer_sa_params p = fer_load_sa_params(sa);

	p.direction = sa->direction == FER_IN ? FER_OUT : FER_IN;
	p.replay_window = p.direction == FER_IN && p.esn ? ESN_WINDOW : 0;
	p.group = FER_NO_GROUP;
	p.lifetime = (struct fer_lifetime){0};
	p.tfc = (struct fer_tfc){0};
	p.outer = (struct fer_outer_rules){0};
	if (p.direction == FER_OUT && p.mode == FER_TUNNEL)
		p.outer = (struct fer_outer_rules){.flow_label = FER_FLOW_LABEL_COPY,
			.dscp = FER_DSCP_COPY,
			.ttl = 64,
			.df = FER_DF_COPY};
	return p;
}

static int add_sas(struct fer_gen_mirror *m, char error[FER_GEN_ERROR_BYTES])
{
	const struct fer_doc *doc = m->doc;

	for (uint32_t i = 0; i < doc->n_sas; i++) {
		struct fer_sa_params p = mirror_of(&doc->sas[i]);
		const char *why;

		if (doc->sas[i].pair != m->pair)
			continue;
		if (fer_sa_add(m->sas, &p, &m->handles[i], &why) != 0)
			return fer_gen_fail(
				error, "%s:%u: sas[%u]: %s", doc->name, doc->sas[i].line, i, why);
	}
	return 0;
}

static int create_table(struct fer_gen_mirror *m, char error[FER_GEN_ERROR_BYTES])
{
	const struct fer_sa_table_params params = {
		.name = "ferrule-gen",
		.capacity = m->doc->n_sas > 0 ? m->doc->n_sas : 1,
		.n_groups = 1,
		.ivs = fer_iv_system(),
	};
	int rc;

	m->handles = calloc(m->doc->n_sas + 1, sizeof(*m->handles));
	m->engine = fer_engine_open(params.ivs, &rc);
	if (m->engine == NULL)
		return fer_gen_fail(
			error, "cannot start the crypto engine: %s", fer_engine_error(rc));
	m->sas = fer_sa_table_create(&params, m->engine, &rc);
	if (m->sas == NULL || m->handles == NULL)
		return fer_gen_fail(error, "no memory for %u associations", m->doc->n_sas);
	return add_sas(m, error);
}

int fer_gen_mirror_init(struct fer_gen_mirror *m, const struct fer_doc *doc, uint32_t pair,
	struct rte_mempool *pool, char error[FER_GEN_ERROR_BYTES])
{
	*m = (struct fer_gen_mirror){.doc = doc, .pair = pair};
	atomic_init(&m->published, &m->rules);
	if (create_table(m, error) != 0)
		return -1;
	const struct fer_path_params params = {
		.sas = m->sas,
		.pool = pool,
		.ivs = fer_iv_system(),
		.rules = &m->published,
		.reassembly = {.n_datagrams = N_DATAGRAMS, .timeout_ticks = rte_get_tsc_hz()},
	};
	int rc = fer_path_init(&m->path, &params);
	if (rc != 0)
		return fer_gen_fail(error, "cannot start: %s", strerror(-rc));
	m->path_is_up = true;
	return 0;
}

void fer_gen_mirror_fini(struct fer_gen_mirror *m)
{
	if (m->path_is_up)
		fer_path_fini(&m->path);
	if (m->sas != NULL)
		fer_sa_table_destroy(m->sas);
	fer_engine_close(m->engine);
	free(m->handles);
	*m = (struct fer_gen_mirror){0};
}

// The first packet that was refused; b->n: none.
static unsigned first_dead(const struct fer_batch *b)
{
	unsigned i = 0;

	while (i < b->n && fer_pkt_alive(&b->pkt[i]))
		i++;
	return i;
}

int fer_gen_mirror_seal(struct fer_gen_mirror *m, struct fer_batch *b, const uint64_t handle[],
	void (*framed)(void *ctx, struct fer_batch *b),
	void (*sealed)(void *ctx, struct fer_batch *b), void *ctx, char error[FER_GEN_ERROR_BYTES])
{
	for (unsigned i = 0; i < b->n; i++)
		fer_oob_clear(b->m[i]);
	fer_batch_parse(b);
	for (unsigned i = 0; i < b->n; i++)
		b->pkt[i].handle[0] = handle[i];
	fer_host_frame(&m->path.host, b);
	if (first_dead(b) == b->n)
		framed(ctx, b);
	fer_nic_transmit(&m->path.nic, b);
	fer_host_sent(&m->path.host, b);
	unsigned dead = first_dead(b);
	if (dead == b->n) {
		sealed(ctx, b);
		return 0;
	}
	fer_gen_fail(error, "a packet cannot be sealed: %s",
		fer_verdict_text((enum fer_verdict)b->pkt[dead].verdict));
	rte_pktmbuf_free_bulk(b->m, b->n);
	b->n = 0;
	return -1;
}

unsigned fer_gen_mirror_open(struct fer_gen_mirror *m, struct fer_batch *b, struct rte_mbuf *out[])
{
	fer_path_in(&m->path, b, rte_rdtsc(), &m->outcomes.packets[FER_FRAGMENT_TIMEOUT]);
	return fer_sink(b, &m->outcomes, out);
}
