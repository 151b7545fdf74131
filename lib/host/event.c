// SPDX-License-Identifier: BSD-3-Clause
#include "host/event.h"

#include <assert.h>
#include <ctype.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_NAME 24

struct fer_events {
	struct fer_event *slots;
	uint32_t mask; // slots, less one
	uint64_t ticks_per_event;

	// Written by the worker.
	alignas(64) _Atomic uint32_t n_put;
	_Atomic uint64_t lost[FER_N_EVENTS];
	// A bucket that fills with tokens, as the time when it will be full again.
	uint64_t full_at[FER_N_EVENTS];
	uint32_t suppressed[FER_N_EVENTS];

	// Written by the control thread.
	alignas(64) _Atomic uint32_t n_got;
};

static const char *const texts[FER_N_EVENTS] = {
#define TEXT(name, text) [FER_EVENT_##name] = text,
	FER_EVENTS(TEXT)
#undef TEXT
};

static char names[FER_N_EVENTS][LONGEST_NAME] = {
#define NAME(name, text) [FER_EVENT_##name] = #name,
	FER_EVENTS(NAME)
#undef NAME
};

// Runs before main: afterwards the names are read-only, so any thread may ask.
__attribute__((constructor)) static void lower_names(void)
{
	for (size_t k = 0; k < FER_N_EVENTS; k++)
		for (char *c = names[k]; *c != '\0'; c++)
			*c = (char)tolower((unsigned char)*c);
}

const char *fer_event_name(enum fer_event_kind kind)
{
	return (unsigned)kind < FER_N_EVENTS ? names[kind] : "?";
}

const char *fer_event_text(enum fer_event_kind kind)
{
	return (unsigned)kind < FER_N_EVENTS ? texts[kind] : "?";
}

struct fer_events *fer_events_create(uint32_t n_events, uint64_t ticks_per_second)
{
	struct fer_events *r = aligned_alloc(alignof(struct fer_events), sizeof(*r));
	uint32_t n = 1;

	while (n < n_events)
		n *= 2;
	if (r == NULL)
		return NULL;
	*r = (struct fer_events){.slots = calloc(n, sizeof(*r->slots)),
		.mask = n - 1,
		.ticks_per_event = ticks_per_second / FER_AUDIT_PER_SECOND};
	if (r->slots != NULL)
		return r;
	free(r);
	return NULL;
}

void fer_events_destroy(struct fer_events *r)
{
	if (r != NULL)
		free(r->slots);
	free(r);
}

// Takes a token, if there is one.
static bool take_token(struct fer_events *r, enum fer_event_kind kind, uint64_t tsc)
{
	uint64_t *full_at = &r->full_at[kind];
	uint64_t missing = *full_at > tsc ? *full_at - tsc : 0;

	if (missing > (FER_AUDIT_BURST - 1) * r->ticks_per_event)
		return false;
	*full_at = tsc + missing + r->ticks_per_event;
	return true;
}

bool fer_events_admit(struct fer_events *r, enum fer_event_kind kind, uint64_t tsc)
{
	assert(kind < FER_N_EVENTS);
	if (kind < FER_FIRST_AUDIT || take_token(r, kind, tsc))
		return true;
	r->suppressed[kind] += r->suppressed[kind] != UINT32_MAX;
	return false;
}

// One writer: no other adds in between.
static void count_lost(struct fer_events *r, unsigned kind)
{
	uint64_t n = atomic_load_explicit(&r->lost[kind], memory_order_relaxed);

	atomic_store_explicit(&r->lost[kind], n + 1, memory_order_release);
	r->suppressed[kind] += r->suppressed[kind] != UINT32_MAX;
}

void fer_events_put(struct fer_events *r, const struct fer_event *e)
{
	uint32_t n_put = atomic_load_explicit(&r->n_put, memory_order_relaxed);
	uint32_t n_got = atomic_load_explicit(&r->n_got, memory_order_acquire);

	if (n_put - n_got > r->mask) {
		count_lost(r, e->kind);
		return;
	}
	struct fer_event *slot = &r->slots[n_put & r->mask];
	*slot = *e;
	slot->suppressed = r->suppressed[e->kind];
	r->suppressed[e->kind] = 0;
	atomic_store_explicit(&r->n_put, n_put + 1, memory_order_release);
}

bool fer_events_get(struct fer_events *r, struct fer_event *e)
{
	uint32_t n_got = atomic_load_explicit(&r->n_got, memory_order_relaxed);

	if (atomic_load_explicit(&r->n_put, memory_order_acquire) == n_got)
		return false;
	*e = r->slots[n_got & r->mask];
	atomic_store_explicit(&r->n_got, n_got + 1, memory_order_release);
	return true;
}

uint64_t fer_events_lost(const struct fer_events *r, enum fer_event_kind kind)
{
	return atomic_load_explicit(&r->lost[kind], memory_order_acquire);
}
