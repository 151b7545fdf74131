// SPDX-License-Identifier: BSD-3-Clause
// Does a look-up find the right SA, whatever the hints say and whoever chose the SPIs?
#include "sa/table.h"

#include "sa/table_fixture.h"
#include "support/eal.h"

#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_jhash.h>

#include <errno.h>
#include <unistd.h>

#if defined(__has_feature)
#define IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

// --- look-up

static void every_part_of_the_identity_counts(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params p = in_params(0x1000);
	uint32_t index = (uint32_t)must_add(t, &p);
	struct fer_sa_id id = id_of(&p);

	(void)state;
	for (size_t i = 0; i < sizeof(id); i++) {
		((uint8_t *)&id)[i] ^= 0x10;
		assert_int_equal(find_id(t, &id), FER_NO_SA_INDEX);
		((uint8_t *)&id)[i] ^= 0x10;
	}
	assert_int_equal(find_id(t, &id), index);
	fer_sa_find(t, NULL, 0, NULL);
	fer_sa_table_destroy(t);
}

// Makes the hints say that id is that of the index.
static void forge_hint(struct fer_sa_table *t, const struct fer_sa_id *id, uint32_t index)
{
	uint64_t hash = fer_sa_hint_hash(t, id);

	fer_sa_hint_line(t, hash, 0)->hint[0] = fer_sa_hint(hash, index);
}

static void a_hint_is_checked_before_it_is_believed(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params in = in_params(0x1000), out;
	uint64_t handle = must_add(t, &in);
	struct fer_sa_id id = id_of(&in);

	(void)state;
	for (size_t i = 0; i < offsetof(struct fer_sa_id, zero); i++) {
		((uint8_t *)&id)[i] ^= 0x10;
		forge_hint(t, &id, (uint32_t)handle);
		assert_int_equal(find_id(t, &id), FER_NO_SA_INDEX);
		((uint8_t *)&id)[i] ^= 0x10;
	}
	const uint32_t wrong[] = {1, 7, 8, UINT32_MAX - 1, UINT32_MAX}; // free, or of no block
	for (size_t i = 0; i < N(wrong); i++) {
		forge_hint(t, &id, wrong[i]);
		assert_int_equal(find_id(t, &id), (uint32_t)handle);
	}
	must_remove(t, handle);
	out = out_params(0x1000);
	raw_key[15] ^= 1;
	handle = must_add(t, &out);
	forge_hint(t, &id, (uint32_t)handle);
	assert_int_equal(find_id(t, &id), FER_NO_SA_INDEX);
	fer_sa_table_destroy(t);
}

static void any_destination_comes_after_the_exact_one(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params exact = in_params(0x1000), any, elsewhere, v6;

	(void)state;
	elsewhere = exact;
	elsewhere.dst.bytes[3] = 77;
	v6 = exact;
	v6.src.version = v6.dst.version = 6;
	uint64_t exact_handle = must_add(t, &exact);
	assert_int_equal(find(t, &elsewhere), FER_NO_SA_INDEX);
	any = in_params(0x1000);
	memset(any.dst.bytes, 0, sizeof(any.dst.bytes));
	uint64_t any_handle = must_add(t, &any);
	assert_int_equal(try_add(t, &any), -EEXIST);

	assert_int_equal(find(t, &exact), (uint32_t)exact_handle);
	assert_int_equal(find(t, &elsewhere), (uint32_t)any_handle);
	assert_int_equal(find(t, &any), (uint32_t)any_handle);
	assert_int_equal(find(t, &v6), FER_NO_SA_INDEX);
	elsewhere.spi++;
	assert_int_equal(find(t, &elsewhere), FER_NO_SA_INDEX);
	must_remove(t, exact_handle);
	assert_int_equal(find(t, &exact), (uint32_t)any_handle);
	must_remove(t, any_handle);
	assert_int_equal(find(t, &exact), FER_NO_SA_INDEX);
	assert_int_equal(t->control->n_wildcard, 0);
	assert_false(fer_sa_is_endpoint(t, &any.dst));
	fer_sa_table_destroy(t);
}

static void endpoints_are_destinations_of_inbound_sas(void **state)
{
	struct fer_sa_table *t = open_table(4);
	struct fer_sa_params in = in_params(0x1000), out = out_params(0x1001);

	(void)state;
	out = out_params(0x1001);
	out.dst.bytes[3] = 55;
	must_add(t, &out);
	assert_false(fer_sa_is_endpoint(t, &out.dst));
	assert_false(fer_sa_is_endpoint(t, &in.dst));
	in = in_params(0x1000);
	uint64_t handle = must_add(t, &in);
	assert_true(fer_sa_is_endpoint(t, &in.dst));
	assert_false(fer_sa_is_endpoint(t, &in.src));
	must_remove(t, handle);
	assert_int_equal(fer_sa_reclaim(t), 0);
	assert_true(fer_sa_is_endpoint(t, &in.dst)); // for a minute
	fer_sa_table_destroy(t);
}

// --- many

#define MANY 100000

static struct fer_sa_params random_params(uint32_t i)
{
	struct fer_sa_params p = in_params(0x10000 + i);

	p.spi = 0x10000 + i * 2654435761u % 0x7fffffff;
	p.dst.bytes[3] = (uint8_t)(i % 5);
	if (i % 7 == 0) {
		p.src.version = p.dst.version = 6;
		memcpy(p.dst.bytes + 12, &i, sizeof(i));
	}
	return p;
}

static uint64_t *add_many(struct fer_sa_table *t, uint32_t n)
{
	uint64_t *handle = calloc(MANY, sizeof(*handle));

	assert_non_null(handle);
	for (uint32_t i = 0; i < n; i++) {
		struct fer_sa_params p = random_params(i);
		handle[i] = must_add(t, &p);
	}
	return handle;
}

// Asks for random ones in random bursts; some do not exist, and handle 0 means removed.
static void find_many(const struct fer_sa_table *t, const uint64_t *handle, unsigned n_bursts)
{
	static unsigned seed = 3;
	struct fer_sa_query query[FER_SA_FIND_MAX];
	const struct fer_sa *expected[FER_SA_FIND_MAX], *sa[FER_SA_FIND_MAX];

	for (unsigned burst = 0; burst < n_bursts; burst++) {
		unsigned n = (unsigned)rand_r(&seed) % (FER_SA_FIND_MAX + 1);

		for (unsigned i = 0; i < n; i++) {
			uint32_t which = (uint32_t)rand_r(&seed) % MANY;
			struct fer_sa_params p = random_params(which);
			bool is_none = rand_r(&seed) % 8 == 0;

			struct fer_sa_id id = id_of(&p);
			id.protocol = is_none ? FER_PROTO_AH : FER_PROTO_ESP;
			is_none |= handle[which] == 0;
			expected[i] = is_none ? NULL : fer_sa_at(t, (uint32_t)handle[which]);
			query[i] = fer_sa_query(t, &id);
		}
		fer_sa_find(t, query, n, sa);
		assert_memory_equal(sa, expected, n * sizeof(sa[0]));
	}
}

// Hints that are missing, wrong or stale cost time and nothing else.
static void spoil_hints(struct fer_sa_table *t, unsigned how)
{
	unsigned seed = how;
	uint64_t before = 0;

	for (size_t i = 0; i < n_hints(t); i++) {
		_Atomic uint64_t *hint = hint_at(t, i);
		uint64_t kept = *hint, tag = kept >> 32 << 32;

		if (how == 0)
			*hint = 0;
		else if (how == 1)
			*hint = tag | (uint32_t)before; // of another SA
		else if (how == 2)
			*hint ^= UINT64_C(1) << rand_r(&seed) % 64;
		else if (rand_r(&seed) % 2 == 0)
			*hint = tag | (uint32_t)rand_r(&seed) % MANY;
		before = kept;
	}
}

static void find_with_spoilt_hints(struct fer_sa_table *t, const uint64_t *handle)
{
	size_t bytes = n_hints(t) * sizeof(*hint_at(t, 0));
	void *kept = malloc(bytes);

	assert_non_null(kept);
	memcpy(kept, t->hints, bytes);
	for (unsigned how = 0; how < 4; how++) {
		spoil_hints(t, how);
		find_many(t, handle, 5000);
		memcpy(t->hints, kept, bytes);
	}
	free(kept);
}

static void many_are_all_found(void **state)
{
	struct fer_sa_table *t = open_table(MANY + MANY / 10);
	uint64_t *handle = add_many(t, MANY);

	(void)state;
	assert_int_equal(fer_sa_count(t), MANY);
	find_many(t, handle, 20000);
	for (uint32_t i = 0; i < MANY; i += 2) {
		must_remove(t, handle[i]);
		handle[i] = 0;
	}
	find_many(t, handle, 10000);
	for (uint32_t left = MANY / 2, now; left > 0; left = now) { // some at a time
		now = fer_sa_reclaim(t);
		assert_true(now < left && left - now < MANY / 4);
	}
	find_many(t, handle, 10000);
	for (uint32_t i = 0; i < MANY; i += 2) {
		struct fer_sa_params p = random_params(i);
		handle[i] = must_add(t, &p);
	}
	find_many(t, handle, 10000);
	find_with_spoilt_hints(t, handle);
	free(handle);
	fer_sa_table_destroy(t);
}

// To the last place, where buckets overflow: a power of two leaves none empty.
static void a_full_table_finds_all(void **state)
{
	enum { FULL = 1 << 15 };
	struct fer_sa_table *t = open_table(FULL);
	uint64_t *handle = add_many(t, FULL);
	struct fer_sa_params p = in_params(0x100);

	(void)state;
	for (int round = 0; round < 3; round++) {
		assert_int_equal(try_add(t, &p), -ENOSPC);
		find_many(t, handle, 5000);
		for (uint32_t i = 0; i < FULL; i += 3) {
			must_remove(t, handle[i]);
			handle[i] = 0;
		}
		find_many(t, handle, 5000);
		for (uint32_t i = 0; i < FULL; i += 3) {
			p = random_params(i);
			handle[i] = must_add(t, &p);
		}
		p = in_params(0x100);
	}
	spoil_hints(t, 0);
	find_many(t, handle, 20000);
	free(handle);
	fer_sa_table_destroy(t);
}

// --- hash flooding: identities made to collide

#define FLOOD (1 << 15) // a power of two leaves the fewest places
#define CRC_INIT 0

static uint32_t crc_of(const struct fer_sa_id *id)
{
	uint64_t words[sizeof(*id) / 8]; // as it reads them

	memcpy(words, id, sizeof(words));
	return rte_hash_crc(words, sizeof(words), CRC_INIT);
}

// One bit of the destination each, brought to echelon form: column c changes the CRC by crc[c], of
// which bit c is the highest, when dst[c] is exclusive-ored into the last word of the destination.
struct crc_basis {
	uint32_t crc[32], dst[32];
};

static struct crc_basis make_basis(void)
{
	struct crc_basis b = {0};
	struct fer_sa_id zero = {0}, one = {0};

	for (unsigned bit = 0; bit < 32; bit++) {
		uint32_t dst = UINT32_C(1) << bit;

		memcpy(one.dst + 12, &dst, sizeof(dst));
		uint32_t crc = crc_of(&one) ^ crc_of(&zero);
		for (int c = 31; c >= 0 && crc != 0; c--) {
			if ((crc >> c & 1) == 0)
				continue;
			if (b.crc[c] == 0) {
				b.crc[c] = crc;
				b.dst[c] = dst;
				break;
			}
			crc ^= b.crc[c];
			dst ^= b.dst[c];
		}
	}
	return b;
}

// The identity with that SPI whose CRC, by the default hash of rte_hash, is 0.
static struct fer_sa_params flood_params(const struct crc_basis *b, uint32_t spi)
{
	struct fer_sa_params p = in_params(spi);
	uint32_t dst = 0;

	p.src.version = p.dst.version = 6;
	struct fer_sa_id id = id_of(&p);
	uint32_t crc = crc_of(&id);
	for (int c = 31; c >= 0; c--) {
		if ((crc >> c & 1) == 0)
			continue;
		crc ^= b->crc[c];
		dst ^= b->dst[c];
	}
	memcpy(p.dst.bytes + 12, &dst, sizeof(dst));
	return p;
}

// Identity i of a set that somebody made who knows this program but not the seeds of its tables.
struct pattern {
	const char *name;
	struct fer_sa_params (*make)(uint32_t i);
};

static struct fer_sa_params v6_params(uint32_t spi)
{
	struct fer_sa_params p = in_params(spi);

	p.src.version = p.dst.version = 6;
	return p;
}

static uint32_t scramble(uint32_t x)
{
	x = (x ^ x >> 16) * 0x45d9f3bu;
	x = (x ^ x >> 16) * 0x45d9f3bu;
	return x ^ x >> 16;
}

static struct fer_sa_params by_chance(uint32_t i)
{
	return in_params(scramble(FER_SPI_MIN + i));
}

static struct fer_sa_params in_sequence(uint32_t i)
{
	return in_params(FER_SPI_MIN + i);
}

static struct fer_sa_params with_equal_low_bits(uint32_t i)
{
	return in_params(i << 16 | FER_SPI_MIN);
}

static struct fer_sa_params with_scattered_bits(uint32_t i)
{
	return in_params(FER_SPI_MIN + i * 0x10001);
}

// Of the number of lines of hints, and of buckets, too.
static struct fer_sa_params with_multiples(uint32_t i)
{
	return in_params((i + 1) * (FLOOD / 2));
}

static struct fer_sa_params with_reversed_bits(uint32_t i)
{
	uint32_t spi = 0;

	for (unsigned bit = 0; bit < 32; bit++)
		spi |= (i >> bit & 1) << (31 - bit);
	return in_params(spi | FER_SPI_MIN);
}

static struct fer_sa_params with_sequential_destinations(uint32_t i)
{
	struct fer_sa_params p = v6_params(FER_SPI_MIN);

	memcpy(p.dst.bytes + 14, &i, 2);
	return p;
}

// Highest bits, which products carry nowhere: those of one half of the destination go against those
// of the other.
static struct fer_sa_params with_opposed_halves(uint32_t i)
{
	struct fer_sa_params p = v6_params(FER_SPI_MIN + i % 8);

	p.dst.bytes[7] = (uint8_t)(i >> 3 << 2);
	p.dst.bytes[11] = p.dst.bytes[15] = (uint8_t)(i >> 9 << 2);
	return p;
}

static struct fer_sa_params with_equal_crcs(uint32_t i)
{
	static struct crc_basis basis;

	if (i == 0)
		basis = make_basis();
	struct fer_sa_params p = flood_params(&basis, FER_SPI_MIN + i);
	struct fer_sa_id id = id_of(&p);
	assert_int_equal(crc_of(&id), 0);
	return p;
}

// One SPI after the other of those of which a guess says that they all share few places.
static struct fer_sa_params next_guessed(uint32_t i, uint32_t (*place)(const struct fer_sa_id *id))
{
	static uint32_t spi;
	struct fer_sa_params p;
	struct fer_sa_id id;

	spi = i == 0 ? FER_SPI_MIN : spi;
	do {
		p = in_params(spi++);
		id = id_of(&p);
	} while (place(&id) % 16 != 0);
	return p;
}

static uint32_t unseeded_place(const struct fer_sa_id *id)
{
	return rte_jhash(id, sizeof(*id), 0);
}

static struct fer_sa_params with_equal_unseeded_hashes(uint32_t i)
{
	return next_guessed(i, unseeded_place);
}

static uint32_t guessed_place(const struct fer_sa_id *id)
{
	const struct fer_sa_table guess = {.hint_seed = {1, 2, 3, 5}};

	return (uint32_t)(fer_sa_hint_hash(&guess, id) >> 60);
}

static struct fer_sa_params with_guessed_seeds(uint32_t i)
{
	return next_guessed(i, guessed_place);
}

static const struct pattern patterns[] = {
	{"by chance", by_chance},
	{"in sequence", in_sequence},
	{"equal low bits", with_equal_low_bits},
	{"scattered bits", with_scattered_bits},
	{"multiples of the number of places", with_multiples},
	{"reversed bits", with_reversed_bits},
	{"sequential destinations", with_sequential_destinations},
	{"opposed halves of destinations", with_opposed_halves},
	{"equal CRCs", with_equal_crcs},
	{"equal hashes without a seed", with_equal_unseeded_hashes},
	{"equal hashes with a guessed seed", with_guessed_seeds},
};

// What it takes to find each SA of a full table once.
struct effort {
	size_t lines;    // of hints that were read
	size_t unhinted; // SAs that only the hash finds
	size_t pairs; // of SAs in one bucket of the hash, each of which may stand in another's way
	size_t vain;  // hints that fit strangers: the same SPIs to other destinations
};

// Places in the lines of an id before its hint; all, when it has none.
static unsigned place_of_hint(const struct fer_sa_table *t, const struct fer_sa_id *id)
{
	uint64_t hash = fer_sa_hint_hash(t, id);
	unsigned i = 0;

	for (; i < FER_HINT_LINES * FER_HINTS_PER_LINE; i++) {
		struct fer_sa_hint_line *line = fer_sa_hint_line(t, hash, i / FER_HINTS_PER_LINE);

		if (line->hint[i % FER_HINTS_PER_LINE] >> 32 == fer_sa_hint_tag(hash))
			break;
	}
	return i;
}

static void count_one(const struct fer_sa_table *t, struct fer_sa_id id, struct effort *e)
{
	enum { BUCKETS = FLOOD / 8 };
	static unsigned load[BUCKETS];
	unsigned place = place_of_hint(t, &id);

	if (e->lines == 0)
		memset(load, 0, sizeof(load));
	e->lines += place < FER_HINTS_PER_LINE ? 1 : FER_HINT_LINES;
	e->unhinted += place == FER_HINT_LINES * FER_HINTS_PER_LINE;
	e->pairs += load[rte_hash_hash(t->control->hash, &id) % BUCKETS]++;
	id.dst[0] ^= 0x80;
	e->vain += place_of_hint(t, &id) < FER_HINT_LINES * FER_HINTS_PER_LINE;
}

static struct effort effort_of(const struct pattern *pattern)
{
	struct fer_sa_table *t = open_table(FLOOD);
	struct fer_sa_params *p = calloc(FLOOD, sizeof(*p));
	uint32_t *index = calloc(FLOOD, sizeof(*index));
	struct effort e = {0};

	assert_non_null(p);
	assert_non_null(index);
	for (uint32_t i = 0; i < FLOOD; i++) {
		p[i] = pattern->make(i);
		index[i] = (uint32_t)must_add(t, &p[i]);
	}
	for (uint32_t i = 0; i < FLOOD; i++) {
		assert_int_equal(find(t, &p[i]), index[i]);
		count_one(t, id_of(&p[i]), &e);
	}
	assert_int_equal(n_hints_set(t), FLOOD - e.unhinted);
	free(index);
	free(p);
	fer_sa_table_destroy(t);
	return e;
}

static void chosen_spis_cost_no_more_than_random_ones(void **state)
{
	const struct effort random = effort_of(&patterns[0]);

	(void)state;
	for (size_t i = 0; i < N(patterns); i++) {
		const struct effort e = effort_of(&patterns[i]);

		print_message("%-33s lines %zu, without hint %zu, pairs in buckets %zu, in vain "
			      "%zu\n",
			patterns[i].name, e.lines, e.unhinted, e.pairs, e.vain);
		assert_in_range(e.lines, FLOOD, 2 * random.lines);
		assert_in_range(e.unhinted, 0, FLOOD / 250); // chance makes 50 of them at most
		assert_in_range(e.pairs, 0, 2 * random.pairs);
		assert_in_range(e.vain, 0, 2);
	}
}

// --- memory

static size_t resident_bytes(void)
{
	unsigned long total = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &total, &resident), 2);
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

// A tenth of a million has the same share of powers of two as a million.
static void memory_of_one_sa(void **state)
{
	enum { CAPACITY = 1000000 / 8 };
	size_t before = resident_bytes();
	struct fer_sa_table *t = open_table(CAPACITY);

	(void)state;
	for (uint32_t i = 0; i < CAPACITY; i++) {
		struct fer_sa_params p = in_params(0x1000 + i);
		must_add(t, &p);
	}
	size_t bytes = (resident_bytes() - before) / CAPACITY;
	size_t limits = sizeof(t->in_limits[0]), ageing = 2 * sizeof(uint32_t);
	print_message("memory of one SA: %zu bytes, of which block %zu; limits of inbound ones are "
		      "%zu more, ageing %zu\n",
		bytes, t->stride, limits, ageing);
	// What the library expands is 1,008 bytes in release 1.3 and 1,264 in 2.0.
	size_t key = RTE_ALIGN(fer_key_bytes_max(), 64);
	assert_int_equal(t->stride, sizeof(struct fer_sa) + key);
	if (!IS_SANITIZED) // sanitizers have memory of their own for every byte
		assert_in_range(bytes + limits + ageing, t->stride, key <= 1024 ? 1536 : 1792);
	fer_sa_table_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_of_one_sa), // first, while the process is small
		cmocka_unit_test(every_part_of_the_identity_counts),
		cmocka_unit_test(a_hint_is_checked_before_it_is_believed),
		cmocka_unit_test(any_destination_comes_after_the_exact_one),
		cmocka_unit_test(endpoints_are_destinations_of_inbound_sas),
		cmocka_unit_test(many_are_all_found),
		cmocka_unit_test(a_full_table_finds_all),
		cmocka_unit_test(chosen_spis_cost_no_more_than_random_ones),
	};

	fer_test_eal_init("256");
	return cmocka_run_group_tests(tests, start, stop);
}
