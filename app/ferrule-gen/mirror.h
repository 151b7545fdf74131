// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The peer of a box: its document seen from the other end.  Every inbound SA becomes one to seal
// with, every outbound SA one to open with; ferrule's own data path does both.

#include "error.h"
#include "host/path.h"
#include "host/sink.h"
#include "sa/table.h"

#include <stdatomic.h>
#include <stdint.h>

struct fer_doc;

struct fer_gen_mirror {
	const struct fer_doc *doc;
	uint32_t pair;
	struct fer_engine *engine; // expands keys
	struct fer_sa_table *sas;
	struct fer_host_rules rules;
	const struct fer_host_rules *_Atomic published;
	struct fer_path path;
	bool path_is_up;
	uint64_t *handles; // by place in the document; 0: of another pair
	struct fer_outcomes outcomes;
};

// 0; or -1 with a line in error, and fini() is called all the same.
__attribute__((warn_unused_result)) int fer_gen_mirror_init(struct fer_gen_mirror *m,
	const struct fer_doc *doc, uint32_t pair, struct rte_mempool *pool,
	char error[FER_GEN_ERROR_BYTES]);

// All zero: does nothing.
void fer_gen_mirror_fini(struct fer_gen_mirror *m);

// Seals b->n packets of b->m, each with the SA of its handle, and keeps the order.
//   framed  called when all are framed and none is sealed
//   sealed  called when all are sealed
// 0 and the packets are b->m; or -1, with a line in error, and they are freed.
__attribute__((warn_unused_result)) int fer_gen_mirror_seal(struct fer_gen_mirror *m,
	struct fer_batch *b, const uint64_t handle[],
	void (*framed)(void *ctx, struct fer_batch *b),
	void (*sealed)(void *ctx, struct fer_batch *b), void *ctx, char error[FER_GEN_ERROR_BYTES]);

// Opens the packets of a batch.  Those that did are in out, in order, and the caller's; the others
// are freed, and counted in the outcomes.  Returns how many.
unsigned fer_gen_mirror_open(struct fer_gen_mirror *m, struct fer_batch *b, struct rte_mbuf *out[]);
