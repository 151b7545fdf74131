// SPDX-License-Identifier: BSD-3-Clause
#include "groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fer_groups_init(struct fer_groups *g, uint32_t n)
{
	int error;

	*g = (struct fer_groups){.n = n};
	error = fer_names_init(&g->names);
	if (error != 0)
		return error;
	g->by_number = calloc(n, sizeof(g->by_number[0]));
	g->unused = calloc(n, sizeof(g->unused[0]));
	if (g->by_number == NULL || g->unused == NULL) {
		fer_groups_fini(g);
		return -ENOMEM;
	}
	return 0;
}

void fer_groups_fini(struct fer_groups *g)
{
	fer_names_fini(&g->names);
	free(g->by_number);
	free(g->unused);
	*g = (struct fer_groups){0};
}

static int create(struct fer_groups *g, const char *name, struct fer_group **group)
{
	const size_t name_bytes = strlen(name) + 1;
	struct fer_group *made;
	int error;

	if (g->n_unused == 0 && g->n_used == g->n)
		return -ENOSPC;
	made = calloc(1, sizeof(*made) + name_bytes);
	if (made == NULL)
		return -ENOMEM;
	made->named.name = memcpy(made->name, name, name_bytes);
	error = fer_names_put(&g->names, &made->named);
	if (error != 0) {
		free(made);
		return error;
	}
	made->number = g->n_unused != 0 ? g->unused[--g->n_unused] : g->n_used++;
	g->by_number[made->number] = made;
	*group = made;
	return 0;
}

int fer_groups_hold(struct fer_groups *g, const char *name, uint32_t *number)
{
	struct fer_group *group = (struct fer_group *)fer_names_find(&g->names, name);
	int error = group == NULL ? create(g, name, &group) : 0;

	if (error != 0)
		return error;
	group->n_holders++;
	*number = group->number;
	return 0;
}

void fer_groups_release(struct fer_groups *g, uint32_t number)
{
	struct fer_group *group = g->by_number[number];

	if (--group->n_holders > 0)
		return;
	fer_names_remove(&g->names, &group->named);
	g->by_number[number] = NULL;
	g->unused[g->n_unused++] = number;
	free(group);
}

const struct fer_group *fer_groups_find(const struct fer_groups *g, const char *name)
{
	return (const struct fer_group *)fer_names_find(&g->names, name);
}

struct fer_group *fer_groups_at(const struct fer_groups *g, uint32_t number)
{
	return g->by_number[number];
}

const char *fer_groups_name(const struct fer_groups *g, uint32_t number)
{
	return g->by_number[number]->named.name;
}
