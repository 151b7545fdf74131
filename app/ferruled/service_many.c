// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include <stdlib.h>

#define AT_ONCE 1000

static bool apply_some(struct fer_service *s, struct fer_slices *slices)
{
	struct fer_many *m = (struct fer_many *)slices;
	struct fer_wait *wait = slices->wait;

	for (unsigned i = 0; i < AT_ONCE && m->n_done < m->n; i++)
		m->apply(slices->pair, m->handles[m->n_done++]);
	if (m->n_done < m->n)
		return true;
	free(m);
	if (wait == NULL) {
		fer_service_stir(s);
	} else {
		fer_ctl_request_unblock(wait->request);
		fer_service_wait(s, wait);
	}
	return false;
}

struct fer_many *fer_many_create(struct fer_pair *p, uint32_t room)
{
	struct fer_many *m = malloc(sizeof(*m) + room * sizeof(m->handles[0]));

	if (m != NULL)
		*m = (struct fer_many){.slices = {.pair = p, .work = apply_some}};
	return m;
}

void fer_many_destroy(struct fer_many *m)
{
	free(m);
}

void fer_service_apply(struct fer_service *s, struct fer_many *m,
	void (*apply)(struct fer_pair *p, uint64_t handle), struct fer_wait *wait)
{
	m->apply = apply;
	m->slices.wait = wait;
	fer_service_slice(s, &m->slices);
}
