// SPDX-License-Identifier: BSD-3-Clause
#include "host/policy_parts.h"

#include "base/bytes.h"

#include <errno.h>
#include <stdlib.h>

// The dimensions of a box.
enum { SRC, DST, SPORT, DPORT, PROTOCOL };

static const unsigned any_of[FER_N_VARIANTS] = {
	[FER_VARIANT_PORTLESS] = 1u << SPORT | 1u << DPORT,
	[FER_VARIANT_OPAQUE] = 1u << SPORT | 1u << DPORT | 1u << PROTOCOL,
};

// An address as a number.
static fer_coord address(const uint8_t bytes[], unsigned n_words)
{
	fer_coord number = 0;

	for (unsigned i = 0; i < n_words; i++)
		number = number << 32 | fer_load_be32(bytes + 4 * i);
	return number;
}

static void box_prefix(
	struct fer_box *box, unsigned dim, const struct fer_prefix *p, unsigned n_words)
{
	unsigned len = p->addr.version == 0 ? 0 : p->len, left = 32 * n_words - len;
	fer_coord rest = left == 128 ? ~(fer_coord)0 : ((fer_coord)1 << left) - 1;

	box->from[dim] = address(p->addr.bytes, n_words) & ~rest;
	box->to[dim] = box->from[dim] | rest;
}

static void box_range(struct fer_box *box, unsigned dim, uint16_t from, uint16_t to)
{
	box->from[dim] = from;
	box->to[dim] = to;
}

static struct fer_box box_of(const struct fer_policy_rule *r, unsigned version)
{
	bool any_protocol = r->protocol == FER_PROTO_ANY;
	struct fer_port_range port[2];
	struct fer_box box;

	fer_policy_ports(port, r, FER_VARIANT_WHOLE);
	box_prefix(&box, SRC, &r->src, fer_policy_words(version));
	box_prefix(&box, DST, &r->dst, fer_policy_words(version));
	box_range(&box, SPORT, port[0].from, port[0].to);
	box_range(&box, DPORT, port[1].from, port[1].to);
	box_range(&box, PROTOCOL, any_protocol ? 0 : r->protocol,
		any_protocol ? UINT8_MAX : r->protocol);
	return box;
}

int fer_policy_build_boxes(struct fer_classifier *c, const struct fer_policy_rules *r)
{
	struct fer_box *box = calloc(r->n_own, sizeof(*box));
	uint32_t n = 0;

	c->box_rule = calloc(r->n_own, sizeof(c->box_rule[0]));
	for (uint32_t i = 0; box != NULL && c->box_rule != NULL && i < r->n; i++) {
		const struct fer_policy_rule *one = &r->rules[r->order[i]];

		if (!fer_policy_belongs(one, r->direction, r->version))
			continue;
		box[n] = box_of(one, r->version);
		c->box_rule[n++] = r->order[i];
	}
	if (n != 0)
		c->boxes = fer_boxes_build(box, n);
	free(box);
	if (c->boxes != NULL)
		return 0;
	fer_policy_free_boxes(c);
	return -ENOMEM;
}

void fer_policy_free_boxes(struct fer_classifier *c)
{
	fer_boxes_destroy(c->boxes);
	free(c->box_rule);
	c->boxes = NULL;
	c->box_rule = NULL;
}

uint32_t fer_policy_find_in_boxes(const struct fer_classifier *c, unsigned version,
	enum fer_policy_variant variant, const struct fer_policy_key *key)
{
	unsigned n_words = fer_policy_words(version);
	const fer_coord point[FER_BOX_DIMS] = {
		[SRC] = address(key->addresses, n_words),
		[DST] = address(key->addresses + 4 * n_words, n_words),
		[SPORT] = __builtin_bswap16(key->sport_be),
		[DPORT] = __builtin_bswap16(key->dport_be),
		[PROTOCOL] = key->protocol,
	};
	uint32_t box = fer_boxes_find(c->boxes, point, any_of[variant]);

	return box == FER_NO_BOX ? 0 : c->box_rule[box] + 1;
}
