// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/iv.h"
#include "sa/control.h"
#include "sa/params.h"

#include <rte_common.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int refuse(int error, const char *text, const char **why)
{
	*why = text;
	return error;
}

static uint32_t take_index(struct fer_sa_table *t)
{
	if (t->control->unused.n == 0)
		fer_sa_reclaim(t);
	return fer_index_pop(t->control, &t->control->unused);
}

static void write_identity(struct fer_sa *sa, uint32_t index, const struct fer_sa_params *p,
	const struct fer_suite *suite)
{
	sa->index = index;
	sa->spi = p->spi;
	sa->group = p->group;
	sa->version = p->dst.version;
	sa->protocol = FER_PROTO_ESP;
	sa->direction = (uint8_t)p->direction;
	sa->mode = (uint8_t)p->mode;
	sa->suite = *suite;
	memcpy(sa->dst, p->dst.bytes, sizeof(sa->dst));
}

static int take_keyprint(
	struct fer_keyprints *k, struct fer_sa *sa, const struct fer_sa_params *p, const char **why)
{
	if (!sa->suite.counter)
		return 0;
	uint64_t print = fer_keyprint(k, p->encryption, p->encryption_key);
	if (print == 0)
		return refuse(-ENOMEM, "the crypto library made no fingerprint of the key", why);
	if (fer_keyprints_add(k, print, p->direction) != 0)
		return refuse(-ENOTUNIQ, "another association has this key and salt", why);
	sa->key_print = print;
	return 0;
}

// Behind the clock or the last IV of any SA before, whichever is later: the clock may have been
// set back since.
static int start_iv(struct fer_sa_control *c, struct fer_sa *sa, const char **why)
{
	uint64_t start = 0;

	if (!sa->suite.counter)
		return 0;
	int error = c->ivs->counter_start(c->ivs->ctx, &start);
	if (error != 0)
		return refuse(error, "the clock cannot be trusted", why);
	atomic_init(&sa->out.iv, RTE_MAX(start, c->iv_floor));
	return 0;
}

static void write_template(struct fer_sa_template *tpl, const struct fer_sa_params *p)
{
	tpl->version = p->dst.version;
	tpl->rules = p->outer;
	if (p->mode == FER_TRANSPORT)
		return;
	tpl->ip_bytes = p->dst.version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES;
	struct fer_ip_header header = {
		.src = &p->src,
		.dst = &p->dst,
		.len = tpl->ip_bytes,
		.ttl = p->outer.ttl,
		.protocol = FER_PROTO_ESP,
	};
	fer_ip_write(tpl->ip, &header);
}

static int make_out(struct fer_sa_control *c, struct fer_sa *sa, const struct fer_sa_params *p,
	const char **why)
{
	int error = start_iv(c, sa, why);

	if (error != 0)
		return error;
	fer_seq_init(&sa->out.seq, p->sequence, p->esn);
	write_template(&sa->out.template, p);
	memcpy(sa->out.src, p->src.bytes, sizeof(sa->out.src));
	return 0;
}

static int open_window(struct fer_sa *sa, const struct fer_sa_params *p, const char **why)
{
	uint64_t *ring = sa->in.window;

	if (p->replay_window > FER_SA_INLINE_WINDOW) {
		ring = calloc(1, fer_replay_ring_bytes(p->replay_window));
		if (ring == NULL)
			return refuse(-ENOMEM, "no memory for the replay window", why);
	}
	fer_replay_init(&sa->in.replay, p->replay_window, p->esn, p->sequence, ring);
	return 0;
}

static int make_in(struct fer_sa_control *c, struct fer_sa *sa, const struct fer_sa_params *p,
	const char **why)
{
	int error = open_window(sa, p, why);

	if (error != 0)
		return error;
	if (!fer_addr_is_zero(&p->dst) && fer_endpoints_get(c->endpoints, &p->dst) != 0) {
		fer_sa_close_window(sa);
		return refuse(-ENOSPC, "no room for the destination among the end points", why);
	}
	rte_spinlock_init(&sa->in.lock);
	memcpy(sa->in.src, p->src.bytes, sizeof(sa->in.src));
	return 0;
}

// Everything that can be refused once there is a block.
static int make(struct fer_sa_control *c, struct fer_sa *sa, const struct fer_sa_params *p,
	const char **why)
{
	int error = take_keyprint(c->keyprints, sa, p, why);

	if (error != 0)
		return error;
	error = p->direction == FER_OUT ? make_out(c, sa, p, why) : make_in(c, sa, p, why);
	if (error != 0)
		fer_sa_release_keyprint(c, sa);
	return error;
}

int fer_sa_add(struct fer_sa_table *t, const struct fer_sa_params *params, uint64_t *handle,
	const char **why)
{
	const char *unheard;
	struct fer_suite suite;

	if (why == NULL)
		why = &unheard;
	*why = fer_sa_params_check(params, t->n_groups, &suite);
	if (*why != NULL)
		return -EINVAL;
	if (params->direction == FER_IN && fer_sa_is_known(t, params))
		return refuse(-EEXIST, "an association with this destination and SPI exists", why);
	uint32_t index = take_index(t);
	if (index == FER_NO_SA_INDEX)
		return refuse(-ENOSPC, "the table is full", why);

	struct fer_sa *sa = fer_sa_at(t, index);
	write_identity(sa, index, params, &suite);
	int error = make(t->control, sa, params, why);
	if (error != 0) {
		fer_sa_free_block(t, index);
		return error;
	}
	fer_sa_start_life(t, sa, &params->lifetime);
	fer_key_init((struct fer_key *)sa->key, t->control->engine, &suite, params->encryption_key,
		params->integrity_key);
	error = fer_sa_publish(t, sa);
	if (error != 0) {
		fer_sa_unpublish(t, sa);
		return refuse(error, "the hash is full", why);
	}
	*handle = fer_sa_handle(t->control, sa);
	return 0;
}
