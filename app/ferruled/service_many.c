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

// --- DELETE_SA ----------------------------------------------------------------------------------

// Elements of a list that are read in one slice.
#define READ_AT_ONCE 10000

// For a list that makes no sense the contract has no other word.
static void abort_delete(struct fer_ctl_request *r, const struct fer_msg_fault *fault)
{
	fer_service_refuse(r, NDIS_STATUS_REQUEST_ABORTED, fault);
}

// Nothing is deleted before all of them have been read.
static bool read_some(struct fer_service *s, struct fer_slices *slices)
{
	struct fer_many *m = (struct fer_many *)slices;
	struct fer_msg_fault fault;

	for (unsigned i = 0; i < READ_AT_ONCE && fer_msg_walk_more(&m->walk); i++, m->n++)
		if (fer_msg_next_delete_sa(&m->walk, &m->handles[m->n], &fault) !=
			NDIS_STATUS_SUCCESS) {
			abort_delete(slices->wait->request, &fault);
			fer_wait_destroy(slices->wait);
			fer_many_destroy(m);
			return false;
		}
	if (fer_msg_walk_more(&m->walk))
		return true;
	slices->work = apply_some;
	return apply_some(s, slices);
}

// A delete cannot fail: handles that are not known, or not any more, are passed over.
void fer_service_delete_sa(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	static const struct fer_msg_fault no_memory = {"no memory", 0, FER_MSG_NO_ELEMENT};
	struct fer_pair *p = fer_service_pair(arg, r);
	const size_t most = len / sizeof(struct ipsec_offload_v2_delete_sa) + 1;
	struct fer_wait *wait = fer_wait_create(p, r);
	struct fer_many *m = fer_many_create(p, (uint32_t)most);

	if (wait == NULL || m == NULL) {
		fer_wait_destroy(wait);
		fer_many_destroy(m);
		abort_delete(r, &no_memory);
		return;
	}
	m->slices.work = read_some;
	fer_msg_walk_init(&m->walk, data, len, 0);
	fer_service_apply(arg, m, fer_service_remove_sa, wait);
}
