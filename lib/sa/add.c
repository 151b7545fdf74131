// SPDX-License-Identifier: BSD-3-Clause
#include "base/secret.h"
#include "crypto/engine.h"
#include "crypto/iv.h"
#include "proto/ah.h"
#include "sa/control.h"
#include "sa/params.h"

#include <rte_common.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int refuse(int error, const char *text, const char **why)
{
	*why = text;
	return error;
}

// Late enough that a handle of before is forgotten long before its generation comes again, and soon
// enough that blocks whose memory is there serve a table through which many SAs come and go.
#define REUSE_AFTER 1024

static uint32_t take_index(struct fer_sa_table *t)
{
	struct fer_sa_control *c = t->control;

	if (c->unused.n <= REUSE_AFTER && c->n_used < t->capacity)
		return c->n_used++;
	if (c->unused.n == 0)
		fer_sa_reclaim(t);
	return fer_index_pop(c, &c->unused);
}

// Of a block for the AH of a bundle.
static uint32_t take_ah_index(struct fer_sa_table *t)
{
	struct fer_sa_control *c = t->control;

	if (c->unused_ah.n == 0 && c->n_ah == t->capacity)
		fer_sa_reclaim(t);
	if (c->unused_ah.n == 0 && c->n_ah < t->capacity)
		return t->capacity + c->n_ah++;
	return fer_index_pop(c, &c->unused_ah);
}

// One header of an SA, on its way into a block of its own.
struct part {
	const struct fer_sa_params *params;
	const struct fer_suite *suite;
	const struct fer_algo *encryption, *integrity; // NULL: none
	const uint8_t *encryption_key, *integrity_key;
	uint64_t sequence;
	uint32_t spi;
	uint32_t index;
	uint32_t partner;
	uint8_t protocol;
	uint8_t mode;
};

static struct part esp_part(const struct fer_sa_params *p, const struct fer_suite *suite)
{
	return (struct part){
		.params = p,
		.suite = suite,
		.encryption = p->encryption,
		.integrity = p->integrity,
		.encryption_key = p->encryption_key,
		.integrity_key = p->integrity_key,
		.sequence = p->sequence,
		.spi = p->spi,
		.partner = FER_NO_SA_INDEX,
		.protocol = FER_PROTO_ESP,
		.mode = (uint8_t)p->mode,
	};
}

// Around the ESP of a tunnel AH finds an IP header already.
static struct part ah_part(const struct fer_sa_params *p, const struct fer_suite *suite)
{
	return (struct part){
		.params = p,
		.suite = suite,
		.integrity = p->ah.integrity,
		.integrity_key = p->ah.key,
		.sequence = p->ah.sequence,
		.spi = p->ah.spi,
		.partner = FER_NO_SA_INDEX,
		.protocol = FER_PROTO_AH,
		.mode = p->spi != 0 ? FER_TRANSPORT : (uint8_t)p->mode,
	};
}

static void write_identity(struct fer_sa *sa, const struct part *part)
{
	const struct fer_sa_params *p = part->params;
	const struct fer_suite *suite = part->suite;

	sa->index = part->index;
	sa->spi = part->spi;
	sa->group = p->group;
	sa->partner = part->partner;
	sa->version = p->dst.version;
	sa->protocol = part->protocol;
	sa->direction = (uint8_t)p->direction;
	sa->mode = part->mode;
	sa->udp_at = p->udp_at;
	sa->udp_port = p->udp.dport;
	sa->suite = *suite;
	sa->contract = p->contract;
	atomic_init(&sa->hint, FER_TRANSPORT);
	sa->head_bytes = (uint8_t)(FER_ESP_HEADER_BYTES + suite->iv_bytes);
	sa->tail_bytes = (uint8_t)(FER_ESP_TRAILER_BYTES + suite->icv_bytes);
	if (suite->ah) {
		uint32_t icv = suite->iv_bytes + suite->icv_bytes;
		sa->head_bytes = (uint8_t)fer_ah_bytes(icv, p->dst.version);
		sa->tail_bytes = 0;
	}
	memcpy(sa->dst, p->dst.bytes, sizeof(sa->dst));
}

// Does an outbound SA of another table have this key?
static bool is_sent_with_elsewhere(const struct fer_sa_control *c, uint64_t print)
{
	bool found = false;

	for (const struct fer_sa_control *o = c->beside; o != c && !found; o = o->beside)
		found = fer_keyprints_has_outbound(o->keyprints, print);
	return found;
}

// The key that must not be used twice belongs to the one algorithm of the suite that counts.
static int take_keyprint(struct fer_sa_control *c, const struct fer_sa *sa, const struct part *part,
	const char **why)
{
	const struct fer_algo *counter = fer_algo_counter(part->encryption, part->integrity);

	c->key_prints[sa->index] = 0;
	if (counter == NULL || part->params->contract)
		return 0;
	uint64_t print = fer_keyprint(c->keyprints, counter,
		counter == part->encryption ? part->encryption_key : part->integrity_key);
	if (print == 0)
		return refuse(-ENOMEM, "the crypto library made no fingerprint of the key", why);
	if ((part->params->direction == FER_OUT && is_sent_with_elsewhere(c, print)) ||
		fer_keyprints_add(c->keyprints, print, part->params->direction) != 0)
		return refuse(-ENOTUNIQ, "another association has this key and salt", why);
	c->key_prints[sa->index] = print;
	return 0;
}

// Of all tables: the key may have been that of an SA of another one.
static uint64_t iv_floor(const struct fer_sa_control *c)
{
	uint64_t floor = c->iv_floor;

	for (const struct fer_sa_control *o = c->beside; o != c; o = o->beside)
		floor = RTE_MAX(floor, o->iv_floor);
	return floor;
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
	atomic_init(&sa->out.iv, RTE_MAX(start, iv_floor(c)));
	return 0;
}

static void write_template(struct fer_sa_template *tpl, const struct part *part)
{
	const struct fer_sa_params *p = part->params;

	tpl->version = p->dst.version;
	tpl->rules = p->outer;
	tpl->marks = fer_tunnel_marks_of(&p->outer);
	if (part->mode == FER_TRANSPORT)
		return;
	tpl->ip_bytes = p->dst.version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES;
	struct fer_ip_header header = {
		.src = &p->src,
		.dst = &p->dst,
		.len = tpl->ip_bytes,
		.ttl = p->outer.ttl,
		.protocol = part->protocol,
	};
	fer_ip_write(tpl->ip, &header);
}

static bool make_tfc(struct fer_sa_control *c, struct fer_sa *sa, const struct fer_tfc *tfc)
{
	sa->out.pad_to = tfc->pad_to;
	if (tfc->dummy_rate != 0)
		sa->out.dummy = fer_dummy_take(c, tfc->dummy_rate);
	return tfc->dummy_rate == 0 || sa->out.dummy != 0;
}

static enum fer_sa_plain plain_of(const struct fer_sa *sa)
{
	if (sa->mode != FER_TUNNEL || sa->udp_at != 0 || sa->partner != FER_NO_SA_INDEX ||
		sa->out.pad_to != 0 || sa->out.dummy != 0 ||
		sa->suite.icv_bytes < FER_SA_PLAIN_ICV_BYTES)
		return FER_SA_NOT_PLAIN;
	return sa->version == 4 && sa->protocol == FER_PROTO_ESP ? FER_SA_PLAIN_ESP4 : FER_SA_PLAIN;
}

// What follows from all the rest of it.
static void complete_template(struct fer_sa *sa)
{
	struct fer_sa_template *tpl = &sa->out.template;

	tpl->growth = (uint8_t)(tpl->ip_bytes + tpl->udp_bytes + sa->head_bytes);
	tpl->plain = (uint8_t)plain_of(sa);
}

static int make_out(
	struct fer_sa_table *t, struct fer_sa *sa, const struct part *part, const char **why)
{
	const struct fer_sa_params *p = part->params;
	int error = start_iv(t->control, sa, why);

	if (error != 0)
		return error;
	// Counted back from there, every number has the high half that the host told.
	fer_seq_init(
		&sa->out.seq, p->contract ? part->sequence | UINT32_MAX : part->sequence, p->esn);
	if (part->protocol == FER_PROTO_ESP && !make_tfc(t->control, sa, &p->tfc))
		return refuse(-ENOSPC, "too many associations send dummies", why);
	write_template(&sa->out.template, part);
	memcpy(sa->out.src, p->src.bytes, sizeof(sa->out.src));
	if (fer_udp_open(t, sa, p) != 0)
		return refuse(-ENOMEM, "no memory for the peer", why);
	complete_template(sa);
	return 0;
}

static int open_window(struct fer_sa *sa, const struct part *part, const char **why)
{
	const struct fer_sa_params *p = part->params;
	uint64_t *ring = sa->in.window;

	if (p->replay_window > FER_SA_INLINE_WINDOW) {
		ring = calloc(1, fer_replay_ring_bytes(p->replay_window));
		if (ring == NULL)
			return refuse(-ENOMEM, "no memory for the replay window", why);
	}
	fer_replay_init(&sa->in.replay, p->replay_window, p->esn, part->sequence, ring);
	return 0;
}

static int make_in(
	struct fer_sa_table *t, struct fer_sa *sa, const struct part *part, const char **why)
{
	const struct fer_sa_params *p = part->params;
	int error = open_window(sa, part, why);

	if (error != 0)
		return error;
	if (fer_udp_open(t, sa, p) != 0) {
		error = refuse(-ENOMEM, "no memory for the peer", why);
		goto undo_window;
	}
	if (!fer_addr_is_zero(&p->dst) && fer_endpoints_get(t->control->endpoints, &p->dst) != 0) {
		error = refuse(-ENOSPC, "no room for the destination among the end points", why);
		goto undo_udp;
	}
	rte_spinlock_init(&sa->in.lock);
	memcpy(sa->in.src, p->src.bytes, sizeof(sa->in.src));
	return 0;
undo_udp:
	fer_udp_close(t, sa);
undo_window:
	fer_sa_close_window(sa);
	return error;
}

// Everything that can be refused once there is a block.
static int make(
	struct fer_sa_table *t, struct fer_sa *sa, const struct part *part, const char **why)
{
	int error = take_keyprint(t->control, sa, part, why);

	if (error != 0)
		return error;
	error = part->params->direction == FER_OUT ? make_out(t, sa, part, why)
						   : make_in(t, sa, part, why);
	if (error != 0)
		fer_sa_release_keyprint(t->control, sa);
	return error;
}

// Undoes make().
static void unmake(struct fer_sa_table *t, struct fer_sa *sa, const struct part *part)
{
	const struct fer_addr *dst = &part->params->dst;

	if (sa->direction == FER_IN) {
		fer_sa_close_window(sa);
		if (!fer_addr_is_zero(dst))
			fer_endpoints_put(t->control->endpoints, dst, 0);
	}
	fer_udp_close(t, sa);
	fer_sa_release_keyprint(t->control, sa);
}

static int make_all(struct fer_sa_table *t, const struct part parts[], unsigned n, const char **why)
{
	for (unsigned i = 0; i < n; i++) {
		struct fer_sa *sa = fer_sa_at(t, parts[i].index);

		write_identity(sa, &parts[i]);
		int error = make(t, sa, &parts[i], why);
		if (error == 0)
			continue;
		while (i-- > 0)
			unmake(t, fer_sa_at(t, parts[i].index), &parts[i]);
		return error;
	}
	return 0;
}

// Finds a block for each part, and makes the parts of a bundle known to each other.
static bool take_blocks(struct fer_sa_table *t, struct part parts[], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		parts[i].index = i + 1 < n ? take_ah_index(t) : take_index(t);
		if (parts[i].index != FER_NO_SA_INDEX)
			continue;
		while (i-- > 0)
			fer_sa_free_block(t, parts[i].index);
		return false;
	}
	if (n == 2) {
		parts[0].partner = parts[1].index;
		parts[1].partner = parts[0].index;
	}
	return true;
}

// The head comes last: whoever finds it finds the whole bundle.
static int publish_all(struct fer_sa_table *t, const struct part parts[], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int error = fer_sa_publish(t, fer_sa_at(t, parts[i].index));

		if (error == 0)
			continue;
		for (unsigned j = 0; j <= i; j++)
			fer_sa_unpublish(t, fer_sa_at(t, parts[j].index));
		for (unsigned j = i + 1; j < n; j++) {
			unmake(t, fer_sa_at(t, parts[j].index), &parts[j]);
			fer_sa_free_block(t, parts[j].index);
		}
		return error;
	}
	return 0;
}

// Everything that cannot be refused.
static void finish(struct fer_sa_table *t, const struct part *part)
{
	struct fer_sa *sa = fer_sa_at(t, part->index);

	if (!fer_sa_is_outside(sa))
		fer_sa_start_life(t, sa, &part->params->lifetime);
	fer_key_init((struct fer_key *)sa->key, t->control->engine, part->suite,
		part->encryption_key, part->integrity_key);
}

// What a table does not need that never has a bundle.
static bool prepare_bundles(struct fer_sa_table *t, enum fer_direction direction)
{
	return fer_keyprints_reserve(t->control->keyprints, 2 * t->capacity) == 0 &&
	       (direction == FER_OUT || fer_sa_ah_hash(t) != NULL);
}

static int add_parts(struct fer_sa_table *t, struct part parts[], unsigned n, const char **why)
{
	for (unsigned i = 0; i < n; i++)
		if (parts[i].params->direction == FER_IN &&
			fer_sa_is_known(t, &parts[i].params->dst, parts[i].protocol, parts[i].spi))
			return refuse(-EEXIST,
				"an association with this destination and SPI exists", why);
	if (n == 2 && !prepare_bundles(t, parts[0].params->direction))
		return refuse(-ENOMEM, "no memory for bundles", why);
	if (!take_blocks(t, parts, n))
		return refuse(-ENOSPC, "the table is full", why);
	int error = make_all(t, parts, n, why);
	if (error != 0) {
		for (unsigned i = 0; i < n; i++)
			fer_sa_free_block(t, parts[i].index);
		return error;
	}
	for (unsigned i = 0; i < n; i++)
		finish(t, &parts[i]);
	error = publish_all(t, parts, n);
	return error == 0 ? 0 : refuse(error, "the hash is full", why);
}

// What failed its self-test on this machine protects nothing.
static bool lacks(const struct fer_sa_table *t, const struct fer_sa_params *p)
{
	const uint64_t rows = fer_engine_lacks(t->control->engine);

	return fer_algo_is_in(rows, p->encryption) || fer_algo_is_in(rows, p->integrity) ||
	       fer_algo_is_in(rows, p->ah.integrity);
}

int fer_sa_add(struct fer_sa_table *t, const struct fer_sa_params *params, uint64_t *handle,
	const char **why)
{
	const char *unheard;
	struct fer_sa_suites suites;
	struct part parts[2];
	unsigned n = 0;

	if (why == NULL)
		why = &unheard;
	*why = fer_sa_params_check(params, t->n_groups, &suites);
	if (*why != NULL)
		return -EINVAL;
	if (lacks(t, params))
		return refuse(
			-EINVAL, "has an algorithm that failed its self-test on this machine", why);
	if (params->ah.spi != 0)
		parts[n++] = ah_part(params, &suites.ah);
	if (params->spi != 0)
		parts[n++] = esp_part(params, &suites.esp);
	assert(n > 0); // it was checked
	int error = add_parts(t, parts, n, why);
	if (error == 0)
		*handle = fer_sa_handle(t->control, fer_sa_at(t, parts[n - 1].index));
	fer_secret_wipe(&suites, sizeof(suites));
	return error;
}
