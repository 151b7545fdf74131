// SPDX-License-Identifier: BSD-3-Clause
#include "names.h"

#include <errno.h>
#include <rte_jhash.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_SLOTS 64

int fer_names_init(struct fer_names *t)
{
	*t = (struct fer_names){0};
	return getrandom(&t->seed, sizeof(t->seed), 0) == sizeof(t->seed) ? 0 : -EIO;
}

void fer_names_fini(struct fer_names *t)
{
	free(t->slots);
	*t = (struct fer_names){0};
}

static struct fer_named **slot_of(const struct fer_names *t, const char *name)
{
	uint32_t hash = rte_jhash(name, (uint32_t)strlen(name), t->seed);

	return &t->slots[hash & (t->n_slots - 1)];
}

struct fer_named *fer_names_find(const struct fer_names *t, const char *name)
{
	struct fer_named *thing = t->n_slots == 0 ? NULL : *slot_of(t, name);

	while (thing != NULL && strcmp(thing->name, name) != 0)
		thing = thing->next;
	return thing;
}

static void link_in(struct fer_names *t, struct fer_named *thing)
{
	struct fer_named **slot = slot_of(t, thing->name);

	thing->next = *slot;
	*slot = thing;
}

static bool grow(struct fer_names *t)
{
	struct fer_names larger = *t;

	larger.n_slots = t->n_slots == 0 ? FIRST_SLOTS : 2 * t->n_slots;
	larger.slots = calloc(larger.n_slots, sizeof(larger.slots[0]));
	if (larger.slots == NULL)
		return false;
	for (uint32_t i = 0; i < t->n_slots; i++)
		for (struct fer_named *thing = t->slots[i], *next; thing != NULL; thing = next) {
			next = thing->next;
			link_in(&larger, thing);
		}
	free(t->slots);
	*t = larger;
	return true;
}

int fer_names_put(struct fer_names *t, struct fer_named *thing)
{
	if (fer_names_find(t, thing->name) != NULL)
		return -EEXIST;
	if (t->n == t->n_slots && !grow(t))
		return -ENOMEM;
	link_in(t, thing);
	t->n++;
	return 0;
}

void fer_names_remove(struct fer_names *t, struct fer_named *thing)
{
	struct fer_named **at = slot_of(t, thing->name);

	while (*at != thing)
		at = &(*at)->next;
	*at = thing->next;
	t->n--;
}
