// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Things found by their names.  Whoever owns a thing keeps it and its name as long as it is in the
// table.

#include <stdint.h>

struct fer_named {
	struct fer_named *next;
	const char *name;
};

struct fer_names {
	struct fer_named **slots;
	uint32_t n_slots; // a power of two, or 0
	uint32_t n;
	uint32_t seed; // nobody shall choose names that collide
};

// 0, or -EIO when there is no randomness.
__attribute__((warn_unused_result)) int fer_names_init(struct fer_names *t);
void fer_names_fini(struct fer_names *t);

// NULL: there is none.
struct fer_named *fer_names_find(const struct fer_names *t, const char *name);

// 0, -EEXIST or -ENOMEM.
__attribute__((warn_unused_result)) int fer_names_put(struct fer_names *t, struct fer_named *thing);

// The thing is in the table.
void fer_names_remove(struct fer_names *t, struct fer_named *thing);
