// SPDX-License-Identifier: BSD-3-Clause
#include "nic/crypt_parts.h"

#include "base/secret.h"
#include "nic/segment.h"

#include <stdlib.h>

static_assert(FER_BATCH_MAX <= FER_ENGINE_BURST, "a batch is one call of the engine");

struct fer_crypt *fer_crypt_create(void)
{
	struct fer_crypt *c = malloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	c->ivs = (struct fer_ivs){0};
	c->job = c->lists[0];
	c->model = (struct fer_crypt_model){0};
	for (unsigned j = 0; j < FER_BATCH_MAX; j++)
		c->hidden[j].front = c->front[j];
	c->hidden_piece.front = c->front_piece;
	return c;
}

void fer_crypt_destroy(struct fer_crypt *c)
{
	if (c != NULL)
		fer_secret_wipe(c, sizeof(*c));
	free(c);
}

__attribute__((noinline)) static uint32_t front_end_behind(const struct fer_nic *nic,
	const struct fer_batch *b, unsigned i, unsigned k, enum fer_direction direction)
{
	const uint16_t ip_off = b->round[k][i].ip_off;
	unsigned first = k;

	while (direction == FER_IN && first > 0 && b->round[first - 1][i].ip_off == ip_off)
		first--;
	const struct fer_layer *layer = &b->round[first][i];
	const struct fer_sa *sa = fer_sa_at(nic->sas, layer->sa);
	bool in_udp = (sa->udp_at & (first == 0 ? FER_UDP_OUTSIDE : FER_UDP_INSIDE)) != 0;
	return layer->sec_off - (first != k && in_udp ? (uint32_t)FER_UDP_HEADER_BYTES : 0);
}

uint32_t fer_crypt_front_end(const struct fer_nic *nic, const struct fer_batch *b, unsigned i,
	unsigned k, enum fer_direction direction)
{
	return likely(k == 0) ? b->round[k][i].sec_off : front_end_behind(nic, b, i, k, direction);
}

static inline bool is_ah_in_place(const struct fer_nic *nic, const struct fer_batch *b, unsigned i,
	const struct fer_sa *sa, unsigned k, enum fer_direction direction)
{
	const struct fer_layer *layer = &b->round[k][i];
	const struct rte_mbuf *m = b->m[i];

	return fer_segment_is_whole(m, layer->ip_off, layer->end - layer->ip_off) &&
	       fer_crypt_front_end(nic, b, i, k, direction) == layer->sec_off &&
	       (!sa->suite.esn || fer_crypt_has_room_behind(m, layer->end));
}

enum fer_verdict fer_crypt_add_ah(const struct fer_nic *nic, struct fer_batch *b, unsigned i,
	unsigned k, const struct fer_sa *sa, enum fer_direction direction)
{
	const struct fer_layer *layer = &b->round[k][i];
	struct fer_crypt *c = nic->crypt;
	struct fer_job *job = &c->job[c->n];

	if (!is_ah_in_place(nic, b, i, sa, k, direction)) {
		c->split[c->n_split++] = (uint16_t)i;
		return FER_OK;
	}
	c->has_ah = true;
	*job = fer_crypt_job_of(sa, layer, layer->ip_off);
	job->start = rte_pktmbuf_mtod_offset(b->m[i], uint8_t *, layer->ip_off);
	if (!fer_ah_hide(&c->hidden[c->n], job, layer->sec_off - layer->ip_off, direction))
		return FER_BAD_SYNTAX;
	c->at[c->n++] = (uint16_t)i;
	return FER_OK;
}

bool fer_crypt_give_up(struct fer_nic *nic, struct fer_batch *b, unsigned j)
{
	unsigned i = nic->crypt->at[j];

	if (!fer_share_is_late(nic->share, nic->share_id, j))
		return false;
	fer_share_keep(nic->share, nic->share_id, b->m[i]);
	b->m[i] = NULL;
	b->pkt[i].pending = 0;
	b->pkt[i].verdict = FER_LATE;
	return true;
}

bool fer_crypt_add(struct fer_nic *nic, struct fer_batch *b, unsigned i, const struct fer_sa *sa)
{
	unsigned k = b->pkt[i].n_layers - 1u;
	const struct fer_job *job = &nic->crypt->job[nic->crypt->n];

	if (likely(!sa->suite.ah)) {
		fer_crypt_add_esp(nic->crypt, b, i, sa, &b->round[k][i]);
		return true;
	}
	enum fer_verdict v = fer_crypt_add_ah(nic, b, i, k, sa, FER_IN);
	if (v != FER_OK)
		fer_crypt_finish(nic, b, i, sa, &b->round[k][i], job, v);
	return v == FER_OK;
}

void fer_crypt_fill_ah(
	struct fer_crypt *c, unsigned n, const struct fer_sa *sa, uint32_t front_bytes)
{
	fer_crypt_hide_plain(c, sa, front_bytes, c->n, c->n + n, FER_IN);
	c->has_ah = true;
	c->n += n;
}
