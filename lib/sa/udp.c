// SPDX-License-Identifier: BSD-3-Clause
#include "sa/udp.h"

#include "sa/control.h"

#include <rte_common.h>
#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_same(const struct fer_peer *a, const struct fer_peer *b)
{
	return a->port == b->port && fer_addr_equal(&a->addr, &b->addr);
}

static struct fer_addr source_of(const struct fer_sa *sa)
{
	struct fer_addr a = {.version = sa->version};

	memcpy(a.bytes, sa->out.src, sizeof(a.bytes));
	return a;
}

static struct fer_udp_head *create_head(
	const struct fer_sa *sa, uint16_t sport, const struct fer_peer *peer)
{
	struct fer_udp_head *head = calloc(1, sizeof(*head));
	const struct fer_addr src = source_of(sa);

	if (head == NULL)
		return NULL;
	head->sport = sport;
	head->peer = *peer;
	if (sa->mode == FER_TUNNEL) {
		const struct fer_ip_header ip = {
			.src = &src,
			.dst = &peer->addr,
			.len = sa->out.template.ip_bytes,
			.ttl = sa->out.template.rules.ttl,
			.protocol = FER_PROTO_UDP,
		};
		fer_ip_write(head->ip, &ip);
	}
	return head;
}

static int open_out(struct fer_sa *sa, const struct fer_sa_params *p)
{
	const struct fer_peer peer = {.addr = p->dst, .port = p->udp.dport};
	struct fer_udp_out *udp = calloc(1, sizeof(*udp));
	struct fer_udp_head *head = create_head(sa, p->udp.sport, &peer);

	if (udp == NULL || head == NULL) {
		free(udp);
		free(head);
		return -ENOMEM;
	}
	atomic_init(&udp->head, head);
	rte_spinlock_init(&udp->lock);
	sa->out.udp = udp;
	sa->out.template.udp_bytes = FER_UDP_HEADER_BYTES;
	sa->out.template.udp_sum = sa->version == 6;
	return 0;
}

static int open_in(struct fer_sa_table *t, const struct fer_sa *sa, const struct fer_sa_params *p)
{
	struct fer_udp_in *udp = calloc(1, sizeof(*udp));

	if (udp == NULL)
		return -ENOMEM;
	udp->peer = udp->known = (struct fer_peer){.addr = p->src, .port = p->udp.sport};
	udp->number = p->sequence;
	t->udp_in[sa->index] = udp;
	return 0;
}

int fer_udp_open(struct fer_sa_table *t, struct fer_sa *sa, const struct fer_sa_params *p)
{
	if (p->udp.sport == 0)
		return 0;
	return sa->direction == FER_OUT ? open_out(sa, p) : open_in(t, sa, p);
}

void fer_udp_close(struct fer_sa_table *t, struct fer_sa *sa)
{
	if (sa->udp_at == 0)
		return; // untouched, the array takes no memory
	if (sa->direction == FER_IN) {
		free(t->udp_in[sa->index]);
		t->udp_in[sa->index] = NULL;
	} else if (sa->out.udp != NULL) {
		free((void *)(uintptr_t)fer_udp_head_of(sa));
		free(sa->out.udp);
		sa->out.udp = NULL;
	}
}

static void free_oldest_head(struct fer_sa_control *c)
{
	struct fer_udp_head *head = STAILQ_FIRST(&c->old_heads);

	STAILQ_REMOVE_HEAD(&c->old_heads, next);
	free(head);
}

void fer_udp_reclaim(struct fer_sa_control *c)
{
	while (!STAILQ_EMPTY(&c->old_heads) &&
		(c->qsbr == NULL || rte_rcu_qsbr_check(c->qsbr, STAILQ_FIRST(&c->old_heads)->token,
					    false) == 1))
		free_oldest_head(c);
}

void fer_udp_fini(struct fer_sa_control *c)
{
	while (!STAILQ_EMPTY(&c->old_heads))
		free_oldest_head(c);
}

void fer_udp_learn_link(const struct fer_sa *sa, const uint8_t *link, uint8_t n)
{
	struct fer_udp_out *udp = sa->out.udp;

	if (n > sizeof(udp->link) || rte_spinlock_trylock(&udp->lock) == 0)
		return;
	memcpy(udp->link, link, n);
	udp->link_bytes = n;
	udp->is_linked = true;
	rte_spinlock_unlock(&udp->lock);
}

bool fer_udp_link(const struct fer_sa *sa, uint8_t link[FER_UDP_LINK_BYTES], uint8_t *n)
{
	struct fer_udp_out *udp = sa->out.udp;

	if (rte_spinlock_trylock(&udp->lock) == 0)
		return false;
	bool is_linked = udp->is_linked;
	*n = udp->link_bytes;
	memcpy(link, udp->link, sizeof(udp->link));
	rte_spinlock_unlock(&udp->lock);
	return is_linked;
}

bool fer_udp_learn(const struct fer_sa_table *t, const struct fer_sa *sa, uint64_t seq,
	const struct fer_peer *from)
{
	struct fer_udp_in *udp = t->udp_in[sa->index];
	bool was_moved = udp->is_moved;

	if (seq <= udp->number)
		return false;
	udp->number = seq;
	if (is_same(&udp->peer, from))
		return false;
	udp->peer = *from;
	udp->is_moved = true;
	return !was_moved;
}

bool fer_sa_peer(const struct fer_sa_table *t, uint64_t handle, struct fer_peer *peer)
{
	struct fer_sa *sa = fer_sa_get(t, handle);

	if (sa == NULL)
		return false;
	if (sa->direction == FER_OUT) {
		if (sa->out.udp == NULL)
			return false;
		*peer = fer_udp_head_of(sa)->peer;
		return true;
	}
	if (!fer_udp_has_peer(t, sa))
		return false;
	rte_spinlock_lock(&sa->in.lock);
	*peer = t->udp_in[sa->index]->peer;
	fer_sa_unlock_in(sa);
	return true;
}

bool fer_sa_take_move(struct fer_sa_table *t, uint64_t handle, struct fer_sa_move *move)
{
	struct fer_sa *sa = fer_sa_get(t, handle);

	if (sa == NULL || sa->direction != FER_IN || !fer_udp_has_peer(t, sa))
		return false;
	struct fer_udp_in *udp = t->udp_in[sa->index];

	rte_spinlock_lock(&sa->in.lock);
	bool is_moved = udp->is_moved;
	udp->is_moved = false;
	*move = (struct fer_sa_move){handle, udp->known, udp->peer};
	fer_sa_unlock_in(sa);
	udp->known = move->to;
	return is_moved && !is_same(&move->from, &move->to); // it may have come back
}

unsigned fer_sa_find_moves(
	struct fer_sa_table *t, uint32_t *cursor, struct fer_sa_move moves[], unsigned max)
{
	uint32_t end = *cursor + RTE_MIN(max, t->capacity - *cursor);
	unsigned n = 0;

	for (; *cursor < end; ++*cursor) {
		const struct fer_sa *sa = fer_sa_at(t, *cursor);

		if (t->udp_in[*cursor] != NULL &&
			fer_sa_take_move(t, fer_sa_handle(t->control, sa), &moves[n]))
			n++;
	}
	return n;
}

// The head that is replaced is freed when no worker stands on it any more.
static void publish_head(
	struct fer_sa_control *c, const struct fer_sa *sa, const struct fer_udp_head *head)
{
	struct fer_udp_head *old = (struct fer_udp_head *)(uintptr_t)fer_udp_head_of(sa);

	atomic_store_explicit(&sa->out.udp->head, head, memory_order_release);
	old->token = c->qsbr == NULL ? 0 : rte_rcu_qsbr_start(c->qsbr);
	STAILQ_INSERT_TAIL(&c->old_heads, old, next);
}

int fer_sa_follow(struct fer_sa_table *t, uint64_t handle, const struct fer_sa_move *move)
{
	const struct fer_sa *sa = fer_sa_get(t, handle);

	if (sa == NULL || sa->direction != FER_OUT || sa->out.udp == NULL)
		return -ENOENT;
	const struct fer_udp_head *head = fer_udp_head_of(sa);

	if (!is_same(&head->peer, &move->from) || is_same(&head->peer, &move->to) ||
		(sa->mode == FER_TRANSPORT && !fer_addr_equal(&move->from.addr, &move->to.addr)))
		return -ENOENT;
	head = create_head(sa, head->sport, &move->to);
	if (head == NULL)
		return -ENOMEM;
	publish_head(t->control, sa, head);
	return 0;
}
