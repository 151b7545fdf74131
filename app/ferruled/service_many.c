// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include <errno.h>
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

// --- by reference -------------------------------------------------------------------------------

static bool refuse(struct fer_many *m, int error, const char *why)
{
	fer_service_fail(m->slices.wait->request, error, m->n, why);
	fer_wait_destroy(m->slices.wait);
	fer_many_destroy(m);
	return false;
}

// Nothing is done before all of them have been found.
static bool find_some(struct fer_service *s, struct fer_slices *slices)
{
	struct fer_many *m = (struct fer_many *)slices;
	struct fer_msg_sa_ref ref;

	for (unsigned i = 0; i < AT_ONCE && m->n < m->refs.n; i++) {
		fer_msg_list_at(&m->refs, m->n, &ref, sizeof(ref));
		const struct fer_pair_sa *sa = fer_service_find(slices->pair, &ref);
		const char *why = m->may(sa);

		if (why != NULL)
			return refuse(m, sa == NULL ? -ENOENT : -EINVAL, why);
		m->handles[m->n++] = sa->handle;
	}
	if (m->n < m->refs.n)
		return true;
	slices->work = apply_some;
	return apply_some(s, slices);
}

void fer_service_apply_to_refs(struct fer_service *s, struct fer_ctl_request *r, const void *data,
	size_t len, const char *(*may)(const struct fer_pair_sa *sa),
	void (*apply)(struct fer_pair *p, uint64_t handle))
{
	struct fer_pair *p = fer_service_pair(s, r);
	struct fer_msg_array refs;
	struct fer_msg_fault fault;
	uint32_t status = fer_msg_get_sa_refs(data, len, &refs, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	struct fer_many *m = fer_many_create(p, refs.n);
	struct fer_wait *wait = fer_wait_create(p, r);
	if (m == NULL || wait == NULL) {
		fer_many_destroy(m);
		fer_wait_destroy(wait);
		fer_service_fail(r, -ENOMEM, FER_MSG_NO_ELEMENT, NULL);
		return;
	}
	m->slices.work = find_some;
	m->may = may;
	m->refs = refs;
	fer_service_apply(s, m, apply, wait);
}
