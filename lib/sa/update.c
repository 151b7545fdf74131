// SPDX-License-Identifier: BSD-3-Clause
#include "sa/control.h"

#include <errno.h>

static uint64_t before(uint32_t high)
{
	return ((uint64_t)high << 32) - 1;
}

static int update_out(struct fer_seq *s, uint32_t high)
{
	uint64_t last = fer_seq_last(s);

	if (last >> 32 < high) // workers take numbers meanwhile
		last = fer_seq_leave_out(s, before(high));
	return last >> 32 > high ? -EINVAL : 0;
}

// A contract host says what holds from now on, for packets that it framed or will get.
static void follow_host(struct fer_sa *sa, uint32_t high)
{
	uint64_t numbers = (uint64_t)high << 32;

	if (sa->direction == FER_OUT) {
		fer_seq_init(&sa->out.seq, numbers | UINT32_MAX, true);
		return;
	}
	rte_spinlock_lock(&sa->in.lock);
	__atomic_store_n(&sa->in.replay.top, numbers, __ATOMIC_RELEASE);
	fer_sa_unlock_in(sa);
}

static int update_in(struct fer_sa *sa, uint32_t high)
{
	struct fer_replay *w = &sa->in.replay;
	int error = 0;

	rte_spinlock_lock(&sa->in.lock);
	if (w->top >> 32 > high)
		error = -EINVAL;
	else if (w->top < before(high) && w->top >> 32 < high)
		error = fer_replay_commit(w, before(high)) == FER_OK ? 0 : -EINVAL;
	fer_sa_unlock_in(sa);
	return error;
}

int fer_sa_update_high(struct fer_sa_table *t, uint64_t handle, uint8_t protocol, uint32_t high)
{
	struct fer_sa *sa = fer_sa_get(t, handle);

	if (sa == NULL)
		return -ENOENT;
	if (sa->protocol != protocol && sa->partner != FER_NO_SA_INDEX)
		sa = fer_sa_at(t, sa->partner);
	if (sa->protocol != protocol)
		return -ENOENT;
	if (!sa->suite.esn)
		return -EINVAL;
	if (sa->contract) {
		follow_host(sa, high);
		return 0;
	}
	return sa->direction == FER_IN ? update_in(sa, high) : update_out(&sa->out.seq, high);
}
