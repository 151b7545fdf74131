// SPDX-License-Identifier: BSD-3-Clause
// Does every SA end at its time and not before, in the order of their times, and is everything that
// ended told exactly once?
#include "sa/table_fixture.h"
#include "support/eal.h"

#define S UINT64_C(1000000000)
#define NEVER UINT64_MAX
#define MAX_NOTICES 64

static uint64_t now;
static struct fer_sa_notice notices[2 * MAX_NOTICES];

static uint64_t now_ns(void *ctx)
{
	(void)ctx;
	return now;
}

static struct fer_sa_table *open_aging(uint32_t capacity)
{
	static const struct fer_clock clock = {.now_ns = now_ns};
	struct fer_sa_table_params params = {.name = "age",
		.capacity = capacity,
		.n_groups = 1,
		.ivs = fer_iv_system(),
		.clock = &clock};
	int error = 0;
	struct fer_sa_table *t = fer_sa_table_create(&params, engine, &error);

	assert_non_null(t);
	return t;
}

static uint64_t add(struct fer_sa_table *t, uint32_t spi, enum fer_direction direction,
	uint64_t soft_seconds, uint64_t hard_seconds)
{
	struct fer_sa_params p = direction == FER_OUT ? out_params(spi) : in_params(spi);

	p.lifetime.soft_seconds = soft_seconds;
	p.lifetime.hard_seconds = hard_seconds;
	return must_add(t, &p);
}

static unsigned life_of(const struct fer_sa_table *t, uint64_t handle)
{
	return fer_sa_get(t, handle)->life & FER_LIFE_OVER;
}

// At that time, is this one end told and no other?  what 0: none.
static void expect(struct fer_sa_table *t, uint64_t at, uint64_t handle, unsigned what)
{
	now = at;
	assert_int_equal(fer_sa_age(t, notices, MAX_NOTICES), what != 0);
	if (what == 0)
		return;
	assert_true(notices[0].handle == handle);
	assert_int_equal(notices[0].what, what);
}

static void soft_then_hard_at_their_times(void **state)
{
	(void)state;
	for (unsigned d = FER_OUT; d <= FER_IN; d++) {
		struct fer_sa_table *t = open_aging(2);
		now = 7 * S + 5;
		uint64_t handle = add(t, 0x1000, d, 10, 20);
		assert_true(fer_sa_next_age(t) == 17 * S + 5);
		expect(t, 17 * S + 4, handle, 0);
		assert_int_equal(life_of(t, handle), 0);
		expect(t, 17 * S + 5, handle, FER_LIFE_SOFT);
		assert_int_equal(life_of(t, handle), FER_LIFE_SOFT);
		assert_true(fer_sa_next_age(t) == 27 * S + 5);
		expect(t, 27 * S + 4, handle, 0);
		expect(t, 27 * S + 5, handle, FER_LIFE_HARD);
		assert_int_equal(life_of(t, handle), FER_LIFE_SOFT | FER_LIFE_HARD);
		assert_true(fer_sa_next_age(t) == NEVER);
		expect(t, NEVER - 1, handle, 0);
		fer_sa_table_destroy(t);
	}
}

static void what_was_asked_for_can_be_read(void **state)
{
	static const struct fer_lifetime wanted[] = {
		{0},
		{1, 2, 3, 4, 5, 6},
		{.hard_bytes = NEVER, .soft_seconds = 1},
		{.soft_packets = 9},
		{.hard_seconds = 86400},
	};
	struct fer_sa_table *t = open_aging(2 * N(wanted));

	(void)state;
	now = 3 * S + 1;
	for (uint32_t i = 0; i < 2 * N(wanted); i++) {
		struct fer_sa_params p =
			i % 2 == 0 ? out_params(0x1000 + i) : in_params(0x1000 + i);
		struct fer_lifetime want = wanted[i / 2];

		p.lifetime = want;
		struct fer_lifetime got = fer_sa_lifetime(t, fer_sa_get(t, must_add(t, &p)));
		if (want.hard_bytes == NEVER) // as good as none
			want.hard_bytes = 0;
		assert_memory_equal(&got, &want, sizeof(got));
	}
	fer_sa_table_destroy(t);
}

// Times beyond the clock are never.
static void a_very_long_life_has_no_end(void **state)
{
	struct fer_sa_table *t = open_aging(4);

	(void)state;
	now = 100 * S;
	uint64_t a = add(t, 0x1000, FER_OUT, 0, NEVER);
	uint64_t b = add(t, 0x1001, FER_OUT, 1, NEVER / S);
	assert_true(fer_sa_next_age(t) == 101 * S);
	expect(t, 101 * S, b, FER_LIFE_SOFT);
	expect(t, NEVER - 1, a, 0);
	assert_true(fer_sa_next_age(t) == NEVER);
	fer_sa_table_destroy(t);
}

static void both_at_once_are_told_in_order(void **state)
{
	struct fer_sa_table *t = open_aging(1);

	(void)state;
	now = 0;
	uint64_t handle = add(t, 0x1000, FER_IN, 5, 5);
	now = 6 * S;
	assert_int_equal(fer_sa_age(t, notices, 1), 2);
	assert_true(notices[0].handle == handle && notices[1].handle == handle);
	assert_int_equal(notices[0].what, FER_LIFE_SOFT);
	assert_int_equal(notices[1].what, FER_LIFE_HARD);
	fer_sa_table_destroy(t);
}

// The first limit to be crossed counts, whatever its kind.
static void what_packets_ended_age_does_not_end_again(void **state)
{
	struct fer_sa_table *t = open_aging(1);
	struct fer_sa_params p = out_params(0x1000);
	static const uint32_t len[2] = {100, 100};
	struct fer_life_taken taken;

	(void)state;
	now = 0;
	p.lifetime = (struct fer_lifetime){
		.soft_bytes = 150, .soft_packets = 1000, .soft_seconds = 10, .hard_seconds = 20};
	uint64_t handle = must_add(t, &p);
	struct fer_sa *sa = fer_sa_at(t, (uint32_t)handle);
	assert_int_equal(fer_life_take(t, sa, len, 2, &taken), 2);
	assert_int_equal(taken.crossed, FER_LIFE_SOFT);
	expect(t, 10 * S, handle, 0);
	expect(t, 20 * S, handle, FER_LIFE_HARD);
	assert_int_equal(fer_life_take(t, sa, len, 2, &taken), 0);
	assert_int_equal(taken.crossed, 0);
	assert_int_equal(fer_seq_packets(&sa->out.seq), 2);
	fer_sa_table_destroy(t);
}

static void a_removed_sa_ends_no_more(void **state)
{
	struct fer_sa_table *t = open_aging(3);

	(void)state;
	now = 0;
	uint64_t a = add(t, 0x1000, FER_OUT, 1, 5), b = add(t, 0x1001, FER_IN, 2, 0);
	must_remove(t, a);
	assert_int_equal(fer_sa_reclaim(t), 0);
	uint64_t c = add(t, 0x1002, FER_IN, 0, 0); // perhaps in the block of a
	expect(t, 2 * S, b, FER_LIFE_SOFT);
	expect(t, 100 * S, 0, 0);
	assert_int_equal(life_of(t, c), 0);
	must_remove(t, b);
	must_remove(t, c);
	fer_sa_table_destroy(t);
}

static void in_steps_of_any_size(void **state)
{
	enum { SAS = 100 };
	struct fer_sa_table *t = open_aging(SAS);

	(void)state;
	now = 0;
	for (uint32_t i = 0; i < SAS; i++)
		add(t, 0x1000 + i, FER_OUT, 1, 2);
	now = 1 * S;
	unsigned n = 0;
	for (unsigned max = 1; fer_sa_next_age(t) <= now; max++)
		n += fer_sa_age(t, notices, max);
	assert_int_equal(n, SAS);
	fer_sa_table_destroy(t);
}

// --- many

#define MANY 3000

struct one {
	uint64_t handle, soft, hard; // seconds; handle 0: none
	unsigned over;
};

static struct one many[MANY];

static uint32_t random32(void)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 16);
}

static void add_one(struct fer_sa_table *t, uint32_t i)
{
	uint64_t age = now / S, hard = random32() % 3 == 0 ? 0 : 1 + random32() % 300;
	uint64_t soft = random32() % 3 == 0 ? 0 : 1 + random32() % (hard != 0 ? hard : 300);

	many[i] = (struct one){
		.handle = add(t, 0x1000 + i, random32() % 2 == 0 ? FER_OUT : FER_IN, soft, hard),
		.soft = soft != 0 ? age + soft : NEVER,
		.hard = hard != 0 ? age + hard : NEVER,
	};
}

static void remove_one(struct fer_sa_table *t, uint32_t i)
{
	must_remove(t, many[i].handle);
	many[i].handle = 0;
	assert_int_equal(fer_sa_reclaim(t), 0);
}

static struct one *one_of(uint64_t handle)
{
	for (uint32_t i = 0; i < MANY; i++)
		if (many[i].handle == handle)
			return &many[i];
	fail_msg("a notice for an SA that is not there");
	return NULL;
}

// Everything that is over now must be told, nothing else, and nothing twice.
static void age_many(struct fer_sa_table *t)
{
	for (unsigned n;
		(n = fer_sa_age(t, notices, MAX_NOTICES)) > 0 || fer_sa_next_age(t) <= now;)
		for (unsigned i = 0; i < n; i++) {
			struct one *one = one_of(notices[i].handle);
			assert_int_equal(one->over & notices[i].what, 0);
			one->over |= notices[i].what;
		}
	for (uint32_t i = 0; i < MANY; i++) {
		const struct one *one = &many[i];
		unsigned want = (one->soft <= now / S ? FER_LIFE_SOFT : 0) |
				(one->hard <= now / S ? FER_LIFE_HARD : 0);

		if (one->handle == 0)
			continue;
		assert_int_equal(one->over, want);
		assert_int_equal(life_of(t, one->handle), want);
	}
}

static void many_come_age_and_go(void **state)
{
	struct fer_sa_table *t = open_aging(MANY);

	(void)state;
	now = 0;
	for (uint32_t i = 0; i < MANY; i++)
		add_one(t, i);
	for (unsigned second = 0; second < 400; second++) {
		age_many(t);
		for (unsigned j = 0; j < 30; j++) {
			uint32_t i = random32() % MANY;

			if (many[i].handle != 0)
				remove_one(t, i);
			else
				add_one(t, i);
		}
		now += S;
	}
	fer_sa_table_destroy(t);
}

// --- what is told twice

static void news_are_news_once(void **state)
{
	struct fer_sa_table *t = open_aging(2);

	(void)state;
	now = 0;
	uint64_t handle = add(t, 0x1000, FER_OUT, 5, 0);
	struct fer_sa *sa = fer_sa_get(t, handle);
	assert_int_equal(fer_life_end(sa, FER_LIFE_NUMBERS), FER_LIFE_NUMBERS);
	assert_true(fer_sa_tell(t, handle, FER_LIFE_NUMBERS));
	assert_false(fer_sa_tell(t, handle, FER_LIFE_NUMBERS));
	expect(t, 5 * S, handle, FER_LIFE_SOFT);
	assert_false(fer_sa_tell(t, handle, FER_LIFE_SOFT));
	assert_false(fer_sa_tell(t, handle + 1, FER_LIFE_HARD));
	must_remove(t, handle);
	assert_false(fer_sa_tell(t, handle, FER_LIFE_HARD));
	fer_sa_table_destroy(t);
}

static void what_was_lost_is_found(void **state)
{
	enum { SAS = 10 };
	struct fer_sa_table *t = open_aging(SAS);
	uint64_t handle[SAS];
	uint32_t cursor = 0;

	(void)state;
	for (uint32_t i = 0; i < SAS; i++)
		handle[i] = add(t, 0x1000 + i, i % 2, 0, 0);
	fer_life_end(fer_sa_get(t, handle[1]), FER_LIFE_SOFT);
	fer_life_end(fer_sa_get(t, handle[4]), FER_LIFE_OVER);
	fer_life_end(fer_sa_get(t, handle[6]), FER_LIFE_HARD);
	fer_life_end(fer_sa_get(t, handle[9]), FER_LIFE_SOFT);
	assert_true(fer_sa_tell(t, handle[9], FER_LIFE_SOFT)); // came through
	must_remove(t, handle[6]);
	assert_int_equal(fer_sa_untold(t, &cursor, notices, 4), 1);
	assert_int_equal(cursor, 4);
	assert_true(notices[0].handle == handle[1] && notices[0].what == FER_LIFE_SOFT);
	assert_int_equal(fer_sa_untold(t, &cursor, notices, 100), 3);
	assert_int_equal(cursor, SAS);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(notices[i].handle == handle[4]);
		assert_int_equal(notices[i].what, 1u << i);
	}
	cursor = 0;
	assert_int_equal(fer_sa_untold(t, &cursor, notices, SAS), 0);
	assert_false(fer_sa_tell(t, handle[4], FER_LIFE_HARD)); // late
	fer_sa_table_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(soft_then_hard_at_their_times),
		cmocka_unit_test(what_was_asked_for_can_be_read),
		cmocka_unit_test(a_very_long_life_has_no_end),
		cmocka_unit_test(both_at_once_are_told_in_order),
		cmocka_unit_test(what_packets_ended_age_does_not_end_again),
		cmocka_unit_test(a_removed_sa_ends_no_more),
		cmocka_unit_test(in_steps_of_any_size),
		cmocka_unit_test(many_come_age_and_go),
		cmocka_unit_test(news_are_news_once),
		cmocka_unit_test(what_was_lost_is_found),
	};

	fer_test_eal_init("256");
	return cmocka_run_group_tests(tests, start, stop);
}
