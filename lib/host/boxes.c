// SPDX-License-Identifier: BSD-3-Clause
#include "host/boxes.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 33 // of 2^32 boxes, halved again and again

// Coordinates are replaced by ranks among all ends of boxes in their dimension.  That keeps what
// boxes contain, makes IPv6 addresses as short as ports, and spreads the boxes evenly.
struct axis {
	fer_coord *start; // of rank 0, 1, 2 ...: ascending, the first is 0
	uint32_t n;
};

struct ranks {
	uint32_t lo[FER_BOX_DIMS], hi[FER_BOX_DIMS];
};

// A node's left child is the next node.
struct node {
	alignas(64) struct ranks around;
	uint32_t first; // the first box below it
	uint32_t right; // the other child; 0: the node is that box itself
};

struct fer_boxes {
	struct axis axis[FER_BOX_DIMS];
	struct node *nodes;
};

// Ranks.

static int compare_coords(const void *left, const void *right)
{
	const fer_coord *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

static bool build_axis(struct axis *a, const struct fer_box box[], uint32_t n, unsigned dim)
{
	uint32_t n_ends = 0;

	a->start = calloc(2 * (size_t)n + 1, sizeof(a->start[0]));
	if (a->start == NULL)
		return false;
	a->start[n_ends++] = 0;
	for (uint32_t i = 0; i < n; i++) {
		a->start[n_ends++] = box[i].from[dim];
		if (box[i].to[dim] != ~(fer_coord)0)
			a->start[n_ends++] = box[i].to[dim] + 1;
	}
	qsort(a->start, n_ends, sizeof(a->start[0]), compare_coords);
	a->n = 1;
	for (uint32_t i = 1; i < n_ends; i++)
		if (a->start[i] != a->start[a->n - 1])
			a->start[a->n++] = a->start[i];
	return true;
}

// The last rank that starts at x or before.
static uint32_t rank_of(const struct axis *a, fer_coord x)
{
	const fer_coord *at = a->start;

	for (uint32_t n = a->n; n > 1;) {
		uint32_t half = n / 2;

		at = at[half] <= x ? at + half : at;
		n -= half;
	}
	return (uint32_t)(at - a->start);
}

// Building.

struct builder {
	struct fer_boxes *boxes;
	struct ranks *ranks; // of each box
	uint32_t *order;     // boxes; those of a node lie side by side
	uint32_t n_nodes;
};

// What boxes can be sorted by: their middle or their extent, in each dimension.
#define N_KEYS (2 * FER_BOX_DIMS)

static uint64_t key_of(const struct builder *b, uint32_t box, unsigned key)
{
	const struct ranks *r = &b->ranks[box];
	unsigned dim = key / 2;
	uint64_t value = key % 2 == 0 ? (uint64_t)r->lo[dim] + r->hi[dim]
				      : (uint64_t)r->hi[dim] - r->lo[dim];

	return value << 31 | (box & 0x7fffffff); // of equals the earlier first
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t c = *a;

	*a = *b;
	*b = c;
}

// Moves the half of n boxes with the smaller keys to the front.
static void part(const struct builder *b, uint32_t box[], uint32_t n, unsigned key)
{
	uint32_t first = 0, last = n - 1, middle = n / 2;

	while (first < last) {
		uint64_t pivot = key_of(b, box[first + (last - first) / 2], key);
		uint32_t i = first, j = last;

		for (;; i++, j--) {
			while (key_of(b, box[i], key) < pivot)
				i++;
			while (key_of(b, box[j], key) > pivot)
				j--;
			if (i >= j)
				break;
			swap(&box[i], &box[j]);
		}
		if (j + 1 <= middle)
			first = j + 1;
		else
			last = j;
	}
}

static struct ranks around(const struct builder *b, const uint32_t box[], uint32_t n)
{
	struct ranks all = b->ranks[box[0]];

	for (uint32_t i = 1; i < n; i++)
		for (unsigned d = 0; d < FER_BOX_DIMS; d++) {
			const struct ranks *r = &b->ranks[box[i]];

			all.lo[d] = r->lo[d] < all.lo[d] ? r->lo[d] : all.lo[d];
			all.hi[d] = r->hi[d] > all.hi[d] ? r->hi[d] : all.hi[d];
		}
	return all;
}

// How likely a point lies in what is around n boxes.
static double share(const struct builder *b, const uint32_t box[], uint32_t n)
{
	struct ranks r = around(b, box, n);
	double part = 1;

	for (unsigned d = 0; d < FER_BOX_DIMS; d++)
		part *= (double)(r.hi[d] - r.lo[d] + 1) / b->boxes->axis[d].n;
	return part;
}

// Halves n boxes so that a point is in as few of both halves as can be.
static void halve(const struct builder *b, uint32_t box[], uint32_t n)
{
	double least = 3;
	unsigned best = 0;

	for (unsigned key = 0; key < N_KEYS; key++) {
		part(b, box, n, key);
		double sum = share(b, box, n / 2) + share(b, box + n / 2, n - n / 2);
		if (sum < least) {
			least = sum;
			best = key;
		}
	}
	part(b, box, n, best);
}

static uint32_t first_of(const uint32_t box[], uint32_t n)
{
	uint32_t first = box[0];

	for (uint32_t i = 1; i < n; i++)
		first = box[i] < first ? box[i] : first;
	return first;
}

// Depth is that of the halving.
// NOLINTNEXTLINE(misc-no-recursion)
static void build_node(struct builder *b, uint32_t box[], uint32_t n)
{
	struct node *node = &b->boxes->nodes[b->n_nodes++];

	*node = (struct node){.around = around(b, box, n), .first = first_of(box, n)};
	if (n == 1)
		return;
	halve(b, box, n);
	build_node(b, box, n / 2);
	node->right = b->n_nodes;
	build_node(b, box + n / 2, n - n / 2);
}

static void rank_boxes(struct builder *b, const struct fer_box box[], uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		b->order[i] = i;
		for (unsigned d = 0; d < FER_BOX_DIMS; d++) {
			b->ranks[i].lo[d] = rank_of(&b->boxes->axis[d], box[i].from[d]);
			b->ranks[i].hi[d] = rank_of(&b->boxes->axis[d], box[i].to[d]);
		}
	}
}

static bool build_axes(struct fer_boxes *b, const struct fer_box box[], uint32_t n)
{
	for (unsigned d = 0; d < FER_BOX_DIMS; d++)
		if (!build_axis(&b->axis[d], box, n, d))
			return false;
	return true;
}

struct fer_boxes *fer_boxes_build(const struct fer_box box[], uint32_t n)
{
	struct builder b = {.boxes = calloc(1, sizeof(*b.boxes)),
		.ranks = calloc(n, sizeof(*b.ranks)),
		.order = calloc(n, sizeof(*b.order))};
	bool ok = b.boxes != NULL && b.ranks != NULL && b.order != NULL;

	assert(n > 0);
	if (ok)
		b.boxes->nodes = aligned_alloc(
			alignof(struct node), (2 * (size_t)n - 1) * sizeof(struct node));
	ok = ok && b.boxes->nodes != NULL && build_axes(b.boxes, box, n);
	if (ok) {
		rank_boxes(&b, box, n);
		build_node(&b, b.order, n);
	} else {
		fer_boxes_destroy(b.boxes);
	}
	free(b.ranks);
	free(b.order);
	return ok ? b.boxes : NULL;
}

void fer_boxes_destroy(struct fer_boxes *b)
{
	if (b == NULL)
		return;
	for (unsigned d = 0; d < FER_BOX_DIMS; d++)
		free(b->axis[d].start);
	free(b->nodes);
	free(b);
}

// Looking up.

// A point in ranks, and in which dimensions they count: all bits, or none.
struct place {
	uint32_t rank[FER_BOX_DIMS], counts[FER_BOX_DIMS];
};

static struct place place_of(
	const struct fer_boxes *b, const fer_coord point[FER_BOX_DIMS], unsigned any)
{
	struct place p = {0};

	for (unsigned d = 0; d < FER_BOX_DIMS; d++) {
		if ((any >> d & 1) != 0)
			continue;
		p.rank[d] = rank_of(&b->axis[d], point[d]);
		p.counts[d] = UINT32_MAX;
	}
	return p;
}

static bool has(const struct ranks *r, const struct place *p)
{
	bool is_in = true;

	for (unsigned d = 0; d < FER_BOX_DIMS; d++)
		is_in &= ((p->rank[d] - r->lo[d]) & p->counts[d]) <= r->hi[d] - r->lo[d];
	return is_in;
}

uint32_t fer_boxes_find(
	const struct fer_boxes *b, const fer_coord point[FER_BOX_DIMS], unsigned any)
{
	struct place p = place_of(b, point, any);
	uint32_t wait[MAX_DEPTH], n_wait = 0, best = FER_NO_BOX, at = 0;

	for (;;) {
		const struct node *node = &b->nodes[at];

		if (node->first < best && has(&node->around, &p)) {
			if (node->right != 0) {
				bool swapped = b->nodes[node->right].first < b->nodes[at + 1].first;

				wait[n_wait++] = swapped ? at + 1 : node->right;
				at = swapped ? node->right : at + 1;
				continue;
			}
			best = node->first;
		}
		if (n_wait == 0)
			return best;
		at = wait[--n_wait];
	}
}
