// SPDX-License-Identifier: BSD-3-Clause
#include "store.h"

#include "../common/memory.h"

#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PIECE_BYTES ((size_t)64 << 20)
#define AHEAD_BYTES 512    // that are prefetched
#define LARGEST_SHARE 0.75 // of the memory that is free

// Each packet is its length in four bytes, then itself; none crosses from one piece into the next.
struct fer_gen_store {
	uint8_t **pieces;
	size_t n_pieces;
	size_t piece, at; // where the next packet is read or written
};

static bool add_piece(struct fer_gen_store *s)
{
	uint8_t **pieces = realloc(s->pieces, (s->n_pieces + 1) * sizeof(uint8_t *));

	if (pieces == NULL)
		return false;
	s->pieces = pieces;
	void *piece =
		mmap(NULL, PIECE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (piece == MAP_FAILED)
		return false;
	(void)madvise(piece, PIECE_BYTES, MADV_HUGEPAGE);
	s->pieces[s->n_pieces++] = piece;
	return true;
}

// Where len bytes and their length go; NULL without memory.  Behind the last packet of a piece
// stands the length 0.
static uint8_t *room_for(struct fer_gen_store *s, uint32_t len)
{
	if (s->n_pieces == 0 || s->at + len + 2 * sizeof(len) > PIECE_BYTES) {
		if (!add_piece(s))
			return NULL;
		s->piece = s->n_pieces - 1;
		s->at = 0;
	}
	uint8_t *to = s->pieces[s->piece] + s->at;

	memcpy(to, &len, sizeof(len));
	s->at += sizeof(len) + len;
	return to + sizeof(len);
}

static int put(struct fer_gen_store *s, struct rte_mbuf *m[], unsigned n)
{
	bool ok = true;

	for (unsigned i = 0; i < n && ok; i++) {
		uint8_t *to = room_for(s, m[i]->pkt_len);

		ok = to != NULL;
		if (ok)
			memcpy(to, rte_pktmbuf_mtod(m[i], const uint8_t *), m[i]->pkt_len);
	}
	rte_pktmbuf_free_bulk(m, n);
	return ok ? 0 : -1;
}

// Once the first piece is full, it tells what all n packets take: more than there is would end
// other programs, not this one alone.
static int check_memory(uint64_t done, uint64_t n, char error[FER_GEN_ERROR_BYTES])
{
	double wanted = (double)PIECE_BYTES * (double)n / (double)done;
	double there = (double)fer_memory_available();

	if (wanted < there * LARGEST_SHARE)
		return 0;
	return fer_gen_fail(error,
		"no memory to prepare %llu packets: they take %.1f GB, and %.1f GB are free",
		(unsigned long long)n, wanted / 1e9, there / 1e9);
}

static int fill(struct fer_gen_store *store, struct fer_gen_source *s, uint64_t n,
	const volatile sig_atomic_t *stop, char error[FER_GEN_ERROR_BYTES])
{
	struct rte_mbuf *m[FER_GEN_BURST];
	size_t n_pieces = 1;
	int rc = 0;

	for (uint64_t done = 0; done < n && rc == 0;) {
		unsigned part = (unsigned)RTE_MIN(n - done, (uint64_t)FER_GEN_BURST);

		if (*stop != 0)
			return fer_gen_fail(error, "interrupted before it sent anything");
		rc = fer_gen_source_next(s, part, m, error);
		if (rc == 0 && put(store, m, part) != 0)
			rc = fer_gen_fail(
				error, "no memory to prepare %llu packets", (unsigned long long)n);
		done += part;
		if (rc == 0 && n_pieces == 1 && store->n_pieces == 2)
			rc = check_memory(done, n, error);
		n_pieces = store->n_pieces;
	}
	return rc;
}

struct fer_gen_store *fer_gen_store_fill(struct fer_gen_source *s, uint64_t n,
	const volatile sig_atomic_t *stop, char error[FER_GEN_ERROR_BYTES])
{
	struct fer_gen_store *store = calloc(1, sizeof(*store));

	if (store == NULL) {
		fer_gen_fail(error, "no memory");
		return NULL;
	}
	if (fill(store, s, n, stop, error) != 0) {
		fer_gen_store_destroy(store);
		return NULL;
	}
	store->piece = store->at = 0;
	return store;
}

void fer_gen_store_destroy(struct fer_gen_store *store)
{
	for (size_t i = 0; store != NULL && i < store->n_pieces; i++)
		munmap(store->pieces[i], PIECE_BYTES);
	if (store != NULL)
		free(store->pieces);
	free(store);
}

static void take(struct fer_gen_store *s, struct rte_mbuf *m)
{
	uint32_t len;

	memcpy(&len, s->pieces[s->piece] + s->at, sizeof(len));
	if (len == 0) { // the piece is over
		s->piece++;
		s->at = 0;
		memcpy(&len, s->pieces[s->piece], sizeof(len));
	}
	const uint8_t *from = s->pieces[s->piece] + s->at + sizeof(len);
	rte_prefetch0(from + len + AHEAD_BYTES);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	rte_memcpy(rte_pktmbuf_mtod(m, void *), from, len);
	s->at += sizeof(len) + len;
}

int fer_gen_store_next(struct fer_gen_store *store, struct rte_mempool *pool, unsigned n,
	struct rte_mbuf *out[], char error[FER_GEN_ERROR_BYTES])
{
	if (rte_pktmbuf_alloc_bulk(pool, out, n) != 0)
		return fer_gen_fail(error, "no buffers for packets");
	for (unsigned i = 0; i < n; i++)
		take(store, out[i]);
	return 0;
}
