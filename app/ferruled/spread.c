// SPDX-License-Identifier: BSD-3-Clause
#include "spread.h"

#define OFFERS_A_SECOND 100 // to a queue that is shut
#define PICKS 16
#define OTHER_BITS 0x9e3779b1u // times a hash: its low bits come to the front
#define DONE UINT8_MAX

static_assert(FER_SPREAD_QUEUES < DONE, "places of queues, and a value that is none");

// A burst on its way.
struct burst {
	struct rte_mbuf **m;
	const bool *is_rest;
	unsigned n;
	uint8_t own; // place
	uint64_t now;
	const struct fer_spread_port *port;
};

static void find_open(struct fer_spread *s)
{
	s->n_open = 0;
	for (uint8_t k = 0; k < s->n; k++)
		if (s->queue[k].shut_until == 0)
			s->open[s->n_open++] = k;
}

void fer_spread_init(struct fer_spread *s, uint64_t ticks_per_second)
{
	s->second = ticks_per_second;
	s->n = s->n_open = 0;
}

void fer_spread_add(struct fer_spread *s, uint16_t queue)
{
	s->queue[s->n++] = (struct fer_spread_queue){.queue = queue};
	find_open(s);
}

// --- where to ---------------------------------------------------------------------------------

static unsigned scale(uint32_t hash, unsigned n)
{
	return (unsigned)((uint64_t)hash * n >> 32);
}

// All bits of a hash in each of its bits (the end of MurmurHash3).  Toeplitz is linear: with one
// key in 32 the flows of a few neighbours agree in two bits, or in one and the other together.
static uint32_t mix(uint32_t hash)
{
	hash = (hash ^ hash >> 16) * 0x85ebca6bu;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
	return hash ^ hash >> 16;
}

static uint32_t hash_of(const struct rte_mbuf *m)
{
	return mix(m->hash.rss);
}

// Each flow has an order of its own in which it takes to queues: one that is shut, or opened, moves
// none but those that it was for.
static uint8_t pick(const struct fer_spread *s, uint32_t hash)
{
	for (unsigned i = 0; i < PICKS; i++, hash = hash * OTHER_BITS + 1) {
		unsigned k = scale(hash, s->n);

		if (likely(s->queue[k].shut_until == 0))
			return (uint8_t)k;
	}
	return s->open[scale(hash, s->n_open)];
}

static bool has_hash(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0;
}

static uint8_t place_of(const struct fer_spread *s, uint16_t queue)
{
	uint8_t k = 0;

	while (k + 1 < s->n && s->queue[k].queue != queue)
		k++;
	return k;
}

// Says of each frame that is not done where it goes.
static void deal(struct fer_spread *s, const struct burst *b)
{
	const uint8_t own = s->queue[b->own].shut_until == 0 ? b->own : s->open[0];

	for (unsigned i = 0; i < b->n; i++) {
		if (s->to[i] == DONE)
			continue;
		if (b->is_rest != NULL && b->is_rest[i] && i > 0)
			s->to[i] = s->to[i - 1];
		else if (has_hash(b->m[i]))
			s->to[i] = pick(s, hash_of(b->m[i]));
		else
			s->to[i] = own;
	}
}

// --- queues that take nothing -----------------------------------------------------------------

static void note_taken(struct fer_spread *s, uint8_t k, uint64_t now)
{
	s->queue[k].took_at = now;
	if (s->queue[k].shut_until == 0)
		return;
	s->queue[k].shut_until = 0;
	find_open(s);
}

// Has it taken anything within a second?
static bool is_alive(const struct fer_spread *s, unsigned k, uint64_t now)
{
	return s->queue[k].took_at != 0 && now - s->queue[k].took_at < s->second;
}

// If no queue takes anything the whole port does not, and none of them is worse than it.
static void open_all(struct fer_spread *s)
{
	for (unsigned k = 0; k < s->n; k++)
		s->queue[k].shut_until = 0;
	find_open(s);
}

// Queue k takes nothing.  True: it is shut from now on, and another is open.
static bool note_refused(struct fer_spread *s, uint8_t k, uint64_t now)
{
	if (is_alive(s, k, now))
		return false;
	if (s->n_open == 1) {
		open_all(s);
		return false;
	}
	s->queue[k].shut_until = now + s->second / OFFERS_A_SECOND;
	find_open(s);
	return true;
}

// Offers a packet to a queue that is shut: one that would be its own if it were open.
static void offer(struct fer_spread *s, const struct burst *b, uint8_t k)
{
	for (unsigned i = 0; i < b->n; i++) {
		bool is_whole = b->is_rest == NULL ||
				(!b->is_rest[i] && (i + 1 == b->n || !b->is_rest[i + 1]));

		if (s->to[i] == DONE || !is_whole || !has_hash(b->m[i]) ||
			scale(hash_of(b->m[i]), s->n) != k)
			continue;
		s->queue[k].shut_until = b->now + s->second / OFFERS_A_SECOND;
		if (b->port->send(b->port->arg, s->queue[k].queue, &b->m[i], 1) == 0)
			return;
		s->to[i] = DONE;
		note_taken(s, k, b->now);
		return;
	}
}

static void offer_all(struct fer_spread *s, const struct burst *b)
{
	for (uint8_t k = 0; k < s->n; k++)
		if (s->queue[k].shut_until != 0 && s->queue[k].shut_until <= b->now)
			offer(s, b, k);
}

// --- sending ----------------------------------------------------------------------------------

// Sends what goes to queue k.  False: it has just been shut, and these frames have to go elsewhere.
static bool send_part(struct fer_spread *s, const struct burst *b, uint8_t k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->n; i++) {
		if (s->to[i] != k)
			continue;
		s->part[n] = b->m[i];
		s->is_part_rest[n++] = b->is_rest != NULL && b->is_rest[i];
	}
	if (n == 0)
		return true;
	unsigned sent = b->port->send(b->port->arg, s->queue[k].queue, s->part, n);

	if (sent > 0)
		note_taken(s, k, b->now);
	else if (note_refused(s, k, b->now))
		return false;
	if (sent < n)
		b->port->unsent(b->port->arg, s->part + sent, n - sent,
			b->is_rest != NULL ? s->is_part_rest + sent : NULL);
	for (unsigned i = 0; i < b->n; i++)
		if (s->to[i] == k)
			s->to[i] = DONE;
	return true;
}

void fer_spread_send(struct fer_spread *s, struct rte_mbuf *m[], const bool is_rest[], unsigned n,
	uint16_t own, uint64_t now, const struct fer_spread_port *port)
{
	const struct burst b = {m, is_rest, n, place_of(s, own), now, port};
	bool is_over = n == 0;

	for (unsigned i = 0; i < n; i++)
		s->to[i] = 0;
	if (unlikely(s->n_open < s->n))
		offer_all(s, &b);
	while (!is_over) { // each round but the last one shuts a queue
		is_over = true;
		deal(s, &b);
		for (uint8_t k = 0; k < s->n; k++)
			is_over &= send_part(s, &b, k);
	}
}
