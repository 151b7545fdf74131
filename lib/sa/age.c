// SPDX-License-Identifier: BSD-3-Clause
// The life of SAs as the control thread sees it: limits at the start, age, and what is told of the
// end.
#include "sa/control.h"

#include <rte_common.h>

#define NS_PER_SECOND UINT64_C(1000000000)

static uint64_t or_none(uint64_t limit)
{
	return limit == 0 ? UINT64_MAX : limit;
}

static uint64_t time_of(uint64_t born, uint64_t seconds)
{
	if (seconds == 0 || seconds > (UINT64_MAX - born) / NS_PER_SECOND)
		return UINT64_MAX;
	return born + seconds * NS_PER_SECOND;
}

static uint64_t seconds_of(uint64_t born, uint64_t time)
{
	return time == UINT64_MAX ? 0 : (time - born) / NS_PER_SECOND;
}

static struct fer_limits *limits_of(struct fer_sa_table *t, uint32_t index)
{
	struct fer_sa *sa = fer_sa_at(t, index);

	return sa->direction == FER_OUT ? &sa->out.limits : &t->in_limits[index];
}

static uint64_t due_of(struct fer_sa_table *t, uint32_t place)
{
	return limits_of(t, t->control->ages[place])->due;
}

static void put_at(struct fer_sa_control *c, uint32_t place, uint32_t index)
{
	c->ages[place] = index;
	c->age_place[index] = place + 1;
}

static void swap(struct fer_sa_control *c, uint32_t a, uint32_t b)
{
	uint32_t index = c->ages[a];

	put_at(c, a, c->ages[b]);
	put_at(c, b, index);
}

// Lets what stands at a place move to the front or to the back until the heap is one again.
static void settle(struct fer_sa_table *t, uint32_t at)
{
	struct fer_sa_control *c = t->control;

	for (; at > 0 && due_of(t, at) < due_of(t, (at - 1) / 2); at = (at - 1) / 2)
		swap(c, at, (at - 1) / 2);
	for (uint32_t next; (next = 2 * at + 1) < c->n_ages; at = next) {
		if (next + 1 < c->n_ages && due_of(t, next + 1) < due_of(t, next))
			next++;
		if (due_of(t, at) <= due_of(t, next))
			return;
		swap(c, at, next);
	}
}

void fer_sa_stop_ageing(struct fer_sa_table *t, const struct fer_sa *sa)
{
	struct fer_sa_control *c = t->control;
	uint32_t place = c->age_place[sa->index];

	if (place == 0)
		return;
	c->age_place[sa->index] = 0;
	if (place-- == c->n_ages--)
		return;
	put_at(c, place, c->ages[c->n_ages]);
	settle(t, place);
}

static void start_ageing(struct fer_sa_table *t, const struct fer_sa *sa)
{
	struct fer_sa_control *c = t->control;

	put_at(c, c->n_ages++, sa->index);
	settle(t, c->n_ages - 1);
}

void fer_sa_start_life(
	struct fer_sa_table *t, struct fer_sa *sa, const struct fer_lifetime *lifetime)
{
	uint64_t born = fer_sa_now_ns(t->control);
	struct fer_limits l = {
		.soft_packets = or_none(lifetime->soft_packets),
		.hard_packets = or_none(lifetime->hard_packets),
		.soft_bytes = or_none(lifetime->soft_bytes),
		.hard_bytes = or_none(lifetime->hard_bytes),
		.soft_at = time_of(born, lifetime->soft_seconds),
		.hard_at = time_of(born, lifetime->hard_seconds),
		.born = born,
	};
	bool counted =
		(l.soft_packets & l.hard_packets & l.soft_bytes & l.hard_bytes) != UINT64_MAX;

	l.due = RTE_MIN(l.soft_at, l.hard_at);
	bool ages = l.due != UINT64_MAX;
	atomic_init(&sa->life,
		(uint8_t)((counted ? FER_LIFE_COUNTED : 0) | (ages ? FER_LIFE_AGES : 0)));
	if (!counted && !ages)
		return;
	*limits_of(t, sa->index) = l;
	if (ages)
		start_ageing(t, sa);
}

struct fer_lifetime fer_sa_lifetime(const struct fer_sa_table *t, const struct fer_sa *sa)
{
	unsigned life = atomic_load_explicit(&sa->life, memory_order_relaxed);
	const struct fer_limits *l = fer_sa_limits(t, sa);

	if ((life & (FER_LIFE_COUNTED | FER_LIFE_AGES)) == 0)
		return (struct fer_lifetime){0};
	return (struct fer_lifetime){
		.soft_bytes = l->soft_bytes == UINT64_MAX ? 0 : l->soft_bytes,
		.hard_bytes = l->hard_bytes == UINT64_MAX ? 0 : l->hard_bytes,
		.soft_packets = l->soft_packets == UINT64_MAX ? 0 : l->soft_packets,
		.hard_packets = l->hard_packets == UINT64_MAX ? 0 : l->hard_packets,
		.soft_seconds = seconds_of(l->born, l->soft_at),
		.hard_seconds = seconds_of(l->born, l->hard_at),
	};
}

// Ends what is over for the SA in front.  Returns what of it is news.
static unsigned age_first(struct fer_sa_table *t, uint64_t now)
{
	uint32_t index = t->control->ages[0];
	struct fer_sa *sa = fer_sa_at(t, index);
	struct fer_limits *l = limits_of(t, index);
	unsigned over = l->hard_at <= now ? FER_LIFE_HARD : 0;

	if (l->soft_at <= now)
		over |= FER_LIFE_SOFT;
	l->due = l->hard_at;
	if ((over & FER_LIFE_HARD) != 0 || l->due == UINT64_MAX)
		fer_sa_stop_ageing(t, sa);
	else
		settle(t, 0);
	return fer_life_end(sa, over);
}

// Writes a notice for each bit.
static unsigned notice(
	struct fer_sa_table *t, uint32_t index, unsigned what, struct fer_sa_notice notices[])
{
	struct fer_sa *sa = fer_sa_at(t, index);
	unsigned n = 0;

	sa->told |= (uint8_t)what;
	for (unsigned bit = 1; bit <= FER_LIFE_NUMBERS; bit <<= 1)
		if ((what & bit) != 0)
			notices[n++] = (struct fer_sa_notice){
				fer_sa_handle(t->control, sa), (enum fer_life)bit};
	return n;
}

unsigned fer_sa_age(struct fer_sa_table *t, struct fer_sa_notice notices[], unsigned max)
{
	uint64_t now = fer_sa_now_ns(t->control);
	unsigned n = 0;

	for (unsigned i = 0; i < max && fer_sa_next_age(t) <= now; i++) {
		uint32_t index = t->control->ages[0];

		n += notice(t, index, age_first(t, now), notices + n);
	}
	return n;
}

uint64_t fer_sa_next_age(const struct fer_sa_table *t)
{
	const struct fer_sa_control *c = t->control;

	return c->n_ages == 0 ? UINT64_MAX : fer_sa_limits(t, fer_sa_at(t, c->ages[0]))->due;
}

bool fer_sa_tell(struct fer_sa_table *t, uint64_t handle, enum fer_life what)
{
	struct fer_sa *sa = fer_sa_get(t, handle);

	if (sa == NULL || (sa->told & what) != 0)
		return false;
	sa->told |= (uint8_t)what;
	return true;
}

unsigned fer_sa_untold(
	struct fer_sa_table *t, uint32_t *cursor, struct fer_sa_notice notices[], unsigned max)
{
	uint32_t end = *cursor + RTE_MIN(max, t->capacity - *cursor);
	unsigned n = 0;

	for (; *cursor < end; ++*cursor) {
		const struct fer_sa *sa = fer_sa_at(t, *cursor);
		unsigned life = atomic_load_explicit(&sa->life, memory_order_relaxed);

		if (atomic_load_explicit(&sa->generation, memory_order_relaxed) != 0)
			n += notice(t, *cursor, life & FER_LIFE_OVER & ~(unsigned)sa->told,
				notices + n);
	}
	return n;
}
