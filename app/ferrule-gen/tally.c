// SPDX-License-Identifier: BSD-3-Clause
#include "tally.h"

#include <stdlib.h>

#define WORDS (FER_GEN_WINDOW / 64)
#define ROOM_AT_FIRST 64u

struct stream {
	uint64_t next; // above the highest number that came
	uint64_t n;    // that came once
	uint64_t seen[WORDS];
};

struct fer_gen_tally {
	uint64_t seed;
	struct stream **streams; // NULL: nothing came of it
	uint32_t n_streams;      // room
	struct fer_gen_sums sums;
};

struct fer_gen_tally *fer_gen_tally_create(uint64_t seed)
{
	struct fer_gen_tally *t = calloc(1, sizeof(*t));

	if (t != NULL)
		t->seed = seed;
	return t;
}

void fer_gen_tally_destroy(struct fer_gen_tally *t)
{
	for (uint32_t i = 0; t != NULL && i < t->n_streams; i++)
		free(t->streams[i]);
	if (t != NULL)
		free(t->streams);
	free(t);
}

// Makes room for a stream of that number.
static bool grow(struct fer_gen_tally *t, uint32_t number)
{
	uint32_t n = t->n_streams == 0 ? ROOM_AT_FIRST : t->n_streams;

	while (n <= number)
		n *= 2;
	struct stream **streams = realloc(t->streams, n * sizeof(struct stream *));
	if (streams == NULL)
		return false;
	for (uint32_t i = t->n_streams; i < n; i++)
		streams[i] = NULL;
	t->streams = streams;
	t->n_streams = n;
	return true;
}

static struct stream *stream_of(struct fer_gen_tally *t, uint32_t number)
{
	if (number >= t->n_streams && !grow(t, number))
		return NULL;
	if (t->streams[number] == NULL)
		t->streams[number] = calloc(1, sizeof(struct stream));
	return t->streams[number];
}

// The window now ends in front of next; what enters it has not been seen.
static void move_on(struct stream *s, uint64_t next)
{
	uint64_t first = next - s->next > FER_GEN_WINDOW ? next - FER_GEN_WINDOW : s->next;

	for (uint64_t c = first; c < next; c++)
		s->seen[c / 64 % WORDS] &= ~(UINT64_C(1) << c % 64);
	s->next = next;
}

static void add_sound(struct fer_gen_tally *t, struct stream *s, uint64_t counter, uint32_t len)
{
	bool is_behind = counter < s->next;

	if (is_behind && s->next - counter > FER_GEN_WINDOW) {
		t->sums.late++;
		return;
	}
	if (!is_behind)
		move_on(s, counter + 1);
	uint64_t *word = &s->seen[counter / 64 % WORDS], bit = UINT64_C(1) << counter % 64;
	if ((*word & bit) != 0) {
		t->sums.duplicated++;
		return;
	}
	*word |= bit;
	s->n++;
	t->sums.packets++;
	t->sums.bytes += len;
	t->sums.reordered += is_behind;
}

bool fer_gen_tally_add(struct fer_gen_tally *t, const uint8_t *ip, uint32_t len)
{
	struct fer_gen_tag tag;

	switch (fer_gen_tag_find(ip, len, t->seed, &tag)) {
	case FER_GEN_FOREIGN:
		t->sums.foreign++;
		return true;
	case FER_GEN_CORRUPT:
		t->sums.corrupt++;
		return true;
	case FER_GEN_SOUND:
		break;
	}
	if (tag.kind != 0) {
		t->sums.leaked[tag.kind % FER_GEN_KINDS]++;
		return true;
	}
	struct stream *s = stream_of(t, tag.stream);
	if (s == NULL)
		return false;
	add_sound(t, s, tag.counter, len);
	return true;
}

void fer_gen_tally_foreign(struct fer_gen_tally *t)
{
	t->sums.foreign++;
}

uint64_t fer_gen_tally_packets(const struct fer_gen_tally *t)
{
	return t->sums.packets;
}

void fer_gen_tally_sums(const struct fer_gen_tally *t, const uint64_t expected[],
	uint32_t n_streams, struct fer_gen_sums *sums)
{
	uint32_t n = t->n_streams > n_streams ? t->n_streams : n_streams;

	*sums = t->sums;
	for (uint32_t i = 0; i < n; i++) {
		const struct stream *s = i < t->n_streams ? t->streams[i] : NULL;
		uint64_t there = s == NULL ? 0 : s->n, all = s == NULL ? 0 : s->next;

		if (expected != NULL && i < n_streams && expected[i] > all)
			all = expected[i];
		sums->lost += all - there;
	}
}

void fer_gen_tally_sums_of(
	const struct fer_gen_tally *t, uint64_t packets, struct fer_gen_sums *sums)
{
	fer_gen_tally_sums(t, NULL, 0, sums);
	if (packets > sums->packets + sums->lost)
		sums->lost = packets - sums->packets;
}

bool fer_gen_sums_are_right(const struct fer_gen_sums *s)
{
	uint64_t leaked = 0;

	for (unsigned k = 0; k < FER_GEN_KINDS; k++)
		leaked += s->leaked[k];
	return s->packets > 0 &&
	       (s->lost | s->duplicated | s->reordered | s->late | s->corrupt | leaked) == 0;
}
