// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Finds the first of many boxes that a point lies in.  A box is a range in each of five dimensions:
// the selectors of a policy.
//
// They are kept in a balanced tree of boxes around boxes, so memory is in proportion to their
// number whatever they look like.  A look-up goes into those around the point, those with earlier
// boxes first, and leaves out what comes behind the best one so far.  Immutable once built; any
// number of threads may look up.

#include <stdint.h>

#define FER_BOX_DIMS 5
#define FER_NO_BOX UINT32_MAX

typedef unsigned __int128 fer_coord;

struct fer_box {
	fer_coord from[FER_BOX_DIMS], to[FER_BOX_DIMS]; // both included, from <= to
};

struct fer_boxes;

// Builds the tree of n boxes, at least one, which are copied.  The place in the list is the order.
// NULL without memory.
__attribute__((warn_unused_result)) struct fer_boxes *fer_boxes_build(
	const struct fer_box box[], uint32_t n);

void fer_boxes_destroy(struct fer_boxes *b);

// The place of the first box that the point lies in, or FER_NO_BOX.  In the dimensions of the set
// any, a bit each, it lies in every box.
uint32_t fer_boxes_find(
	const struct fer_boxes *b, const fer_coord point[FER_BOX_DIMS], unsigned any);
