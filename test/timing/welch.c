// SPDX-License-Identifier: BSD-3-Clause
// How long takes a wrong tag?  Packets whose tag differs in its first byte and such whose tag
// differs in its last one are opened in random order; Welch's t-test compares the two.  |t|
// above 4.5 would mean that they can be told apart.  Not part of the tests: a busy machine says
// nothing.
//
//   welch [SAMPLES]
#include "base/bytes.h"
#include "crypto/algo.h"
#include "crypto/engine.h"
#include "proto/ipsec.h"
#include "support/iv_fixed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#define TEXT_BYTES 48
#define PACKET_BYTES 256
#define CALIBRATION 10000

struct class
{
	double n, mean, m2; // Welford
};

static struct fer_engine *engine;
static uint64_t random_state = 1;

static uint32_t coin(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1;
	return (uint32_t)(random_state >> 63);
}

static void add(struct class *c, double x)
{
	double delta = x - c->mean;

	c->n++;
	c->mean += delta / c->n;
	c->m2 += delta * (x - c->mean);
}

static double welch(const struct class c[2])
{
	double a = c[0].m2 / (c[0].n - 1) / c[0].n, b = c[1].m2 / (c[1].n - 1) / c[1].n;

	return (c[0].mean - c[1].mean) / sqrt(a + b);
}

static uint64_t ticks(
	const struct fer_job *like, const uint8_t *packet, uint32_t len, uint32_t wrong)
{
	static uint8_t copy[PACKET_BYTES];
	struct fer_job job = *like;
	unsigned aux;

	memcpy(copy, packet, len);
	copy[wrong] ^= 0x55;
	job.start = copy;
	_mm_mfence();
	uint64_t from = __rdtscp(&aux);
	fer_engine_open_burst(engine, &job, 1);
	uint64_t to = __rdtscp(&aux);
	if (job.verdict != FER_BAD_ICV)
		exit(EXIT_FAILURE);
	return to - from;
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

// What takes longer than nine in ten is an interrupt or a neighbour, and is left out.
static uint64_t limit(const struct fer_job *job, const uint8_t *packet, uint32_t len)
{
	static uint64_t t[CALIBRATION];

	for (unsigned i = 0; i < CALIBRATION; i++)
		t[i] = ticks(job, packet, len, len - 1);
	qsort(t, CALIBRATION, sizeof(t[0]), ascending);
	return t[CALIBRATION * 9 / 10];
}

static void measure(const char *encryption, const char *integrity, unsigned long n)
{
	uint8_t packet[PACKET_BYTES] = {0, 0, 1, 1, 0, 0, 0, 1}, raw[FER_MAX_KEY_BYTES] = {1, 2, 3};
	struct class c[2] = {{0}};
	struct fer_suite s;
	const char *why = fer_suite_init(&s, fer_algo_find(FER_ENCRYPTION, encryption),
		integrity == NULL ? NULL : fer_algo_find(FER_INTEGRITY, integrity), 0);
	struct fer_key *key = why == NULL ? aligned_alloc(64, fer_key_bytes(&s)) : NULL;

	if (key == NULL)
		exit(EXIT_FAILURE);
	fer_key_init(key, engine, &s, raw, raw);
	uint32_t len = FER_ESP_HEADER_BYTES + s.iv_bytes + TEXT_BYTES + s.icv_bytes;
	struct fer_job job = {.start = packet, .suite = &s, .key = key, .iv = 7, .len = len};

	fer_engine_seal(engine, &job, 1);
	uint64_t most = limit(&job, packet, len);
	for (unsigned long i = 0; i < n; i++) {
		// No branch here: the CPU would remember which way it went.
		uint32_t last = coin();
		uint64_t t = ticks(&job, packet, len, len - s.icv_bytes + last * (s.icv_bytes - 1));

		if (t <= most)
			add(&c[last], (double)t);
	}
	printf("%-14s %-18s first %.2f ticks, last %.2f, t = %+.2f, %.0f samples\n", encryption,
		integrity == NULL ? "" : integrity, c[0].mean, c[1].mean, welch(c),
		c[0].n + c[1].n);
	free(key);
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000000;
	int error;

	engine = fer_engine_open(test_iv_fixed(), &error);
	if (engine == NULL)
		return EXIT_FAILURE;
	measure("aes-gcm-128", NULL, n);
	measure("aes-cbc-128", "hmac-sha1-96", n);
	measure("null", "hmac-sha2-256-128", n);
	fer_engine_close(engine);
	return EXIT_SUCCESS;
}
