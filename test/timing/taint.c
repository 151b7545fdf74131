// SPDX-License-Identifier: BSD-3-Clause
// Does anything but the answer of a comparison depend on keys?  Under valgrind the raw keys count
// as undefined, and so does all that is made of them: round keys, hashes, tags, plaintext.  A
// branch or an address that depends on them is an error there.  That the answer itself, equal or
// not, may be branched on, the engine says in one place (FER_SECRET_PUBLIC).
//
//   taint         expands keys and opens packets of every suite with right and with wrong tags
//   taint leaky   compares a tag with memcmp(), which valgrind must notice
#include "crypto/algo.h"
#include "crypto/engine.h"
#include "proto/ipsec.h"
#include "support/iv_fixed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#define TEXT_BYTES 240 // of plaintext: whole blocks of every suite
#define PACKET_BYTES 512
#define TAINT(p, n) ((void)VALGRIND_MAKE_MEM_UNDEFINED(p, n))
#define CLEAN(p, n) ((void)VALGRIND_MAKE_MEM_DEFINED(p, n))

static struct fer_engine *engine;
static unsigned n_checks;

static void must(bool ok, const char *what, const char *name)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", name, what);
	exit(EXIT_FAILURE);
}

static struct fer_key *make_key(const struct fer_suite *s, bool is_secret)
{
	uint8_t raw[2][FER_MAX_KEY_BYTES];
	struct fer_key *key = aligned_alloc(64, fer_key_bytes(s));

	must(key != NULL, "no memory", "key");
	for (unsigned i = 0; i < FER_MAX_KEY_BYTES; i++) {
		raw[0][i] = (uint8_t)(i * 37 + 1);
		raw[1][i] = (uint8_t)(i * 11 + 5);
	}
	if (is_secret)
		TAINT(raw, sizeof(raw));
	fer_key_init(key, engine, s, raw[0], raw[1]);
	return key;
}

static enum fer_verdict open_one(
	const struct fer_suite *s, const struct fer_key *key, const uint8_t *packet, uint32_t len)
{
	static uint8_t copy[PACKET_BYTES];
	struct fer_job job = {.start = copy, .suite = s, .key = key, .len = len};

	CLEAN(copy, sizeof(copy));
	memcpy(copy, packet, len);
	fer_engine_open_burst(engine, &job, 1);
	n_checks++;
	return (enum fer_verdict)job.verdict;
}

static void check(const struct fer_suite *s, const char *name)
{
	uint8_t packet[PACKET_BYTES] = {0, 0, 1, 1, 0, 0, 0, 1};
	uint32_t len = FER_ESP_HEADER_BYTES + s->iv_bytes + TEXT_BYTES + s->icv_bytes;
	struct fer_key *known = make_key(s, false), *secret = make_key(s, true);
	struct fer_job job = {.start = packet, .suite = s, .key = known, .iv = 7, .len = len};

	fer_engine_seal(engine, &job, 1);
	must(job.verdict == FER_OK, "not sealed", name);
	must(open_one(s, secret, packet, len) == FER_OK, "not opened", name);
	for (unsigned i = 1; i <= s->icv_bytes; i++) {
		packet[len - i] ^= 1;
		must(open_one(s, secret, packet, len) == FER_BAD_ICV, "a wrong tag passed", name);
		packet[len - i] ^= 1;
	}
	CLEAN(secret, fer_key_bytes(s));
	free(known);
	free(secret);
}

static void check_pair(const struct fer_algo *encryption, const struct fer_algo *integrity)
{
	struct fer_suite s;

	for (unsigned icv = 1; icv <= FER_ESP_MAX_ICV_BYTES; icv++)
		if (fer_suite_init(&s, encryption, integrity, icv) == NULL)
			check(&s, integrity == NULL ? encryption->name : integrity->name);
}

// DES looks its boxes up in memory by what it computes, in every library: that is known, and one of
// the reasons why it has to be asked for.
static bool is_hopeless(const struct fer_algo *encryption)
{
	return encryption->legacy;
}

static void check_all(void)
{
	const struct fer_algo *e, *a;

	for (unsigned i = 0; (e = fer_algo_row(i)) != NULL; i++) {
		if (e->role != FER_ENCRYPTION || is_hopeless(e))
			continue;
		check_pair(e, NULL);
		for (unsigned k = 0; (a = fer_algo_row(k)) != NULL; k++)
			if (a->role == FER_INTEGRITY)
				check_pair(e, a);
	}
}

// Not inlined, and not known to the compiler as what it is.
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;

static int leak(void)
{
	uint8_t a[16] = {1}, b[16] = {1};

	TAINT(a, sizeof(a));
	return compare(a, b, sizeof(a)) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	int error;

	if (argc > 1 && strcmp(argv[1], "leaky") == 0)
		return leak();
	engine = fer_engine_open(test_iv_fixed(), &error);
	must(engine != NULL, "the engine does not open", "taint");
	check_all();
	printf("%u packets opened with %s\n", n_checks, fer_engine_arch(engine));
	fer_engine_close(engine);
	return EXIT_SUCCESS;
}
