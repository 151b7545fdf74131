// SPDX-License-Identifier: BSD-3-Clause
// Does the engine give the answers of Project Wycheproof, and refuse what it says must be refused?
//
// Its texts are not ESP packets.  Those that could be one go through the engine's front door; the
// others through the part behind it that does the work: the call of the library for AES-GCM, the
// burst for HMAC.  What fits neither (other nonces, keys longer than a block, empty texts to hash)
// is counted and printed.
//
// The directory that holds wycheproof/ is FERRULE_VECTORS or the argument; where it is not there
// the test is skipped.
#include "crypto/engine.h"

#include "base/bytes.h"
#include "crypto/imb.h"

#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define SKIPPED 77
#define MAX_BYTES 4096

static const char *dir;
static struct fer_engine *engine;

struct bytes {
	uint32_t n;
	uint8_t at[MAX_BYTES];
};

static void from_hex(struct json_object *object, const char *name, struct bytes *b)
{
	const char *hex = json_object_get_string(json_object_object_get(object, name));

	assert_non_null(hex);
	assert_true(strlen(hex) / 2 <= MAX_BYTES);
	for (b->n = 0; hex[2 * b->n] != 0; b->n++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * b->n, "%2x", &byte), 1);
		b->at[b->n] = (uint8_t)byte;
	}
}

static bool is_valid(struct json_object *test)
{
	const char *result = json_object_get_string(json_object_object_get(test, "result"));

	assert_true(strcmp(result, "valid") == 0 || strcmp(result, "invalid") == 0);
	return result[0] == 'v';
}

struct tally {
	unsigned all, packets, parts, unfit;
};

// Calls fn for every test of a file.
static void each_test(const char *file, void (*fn)(struct json_object *test, struct tally *t))
{
	char path[4096];
	struct tally t = {0};

	snprintf(path, sizeof(path), "%s/wycheproof/%s", dir, file);
	struct json_object *root = json_object_from_file(path);
	assert_non_null(root);
	struct json_object *groups = json_object_object_get(root, "testGroups");
	for (size_t g = 0; g < json_object_array_length(groups); g++) {
		struct json_object *tests =
			json_object_object_get(json_object_array_get_idx(groups, g), "tests");

		for (size_t i = 0; i < json_object_array_length(tests); i++, t.all++)
			fn(json_object_array_get_idx(tests, i), &t);
	}
	assert_int_equal(
		t.all, json_object_get_int64(json_object_object_get(root, "numberOfTests")));
	assert_int_equal(t.all, t.parts + t.unfit);
	print_message("%s: %u tests, %u run (%u of them as packets too), %u do not fit\n", file,
		t.all, t.parts, t.packets, t.unfit);
	json_object_put(root);
}

struct gcm_test {
	struct bytes key, iv, aad, msg, ct, tag;
	bool valid;
};

// The call of the library itself.
static void gcm_part(const struct gcm_test *t)
{
	static uint8_t out[MAX_BYTES];
	const struct imb_gcm *g = &engine->gcm[fer_imb_aes_index(t->key.n)];
	struct fer_key key;
	uint8_t tag[16];

	g->expand(t->key.at, &key.gcm);
	g->dec(&key.gcm, &engine->gcm_ctx, out, t->ct.at, t->ct.n, t->iv.at, t->aad.at, t->aad.n,
		tag, 16);
	assert_int_equal(memcmp(tag, t->tag.at, 16) == 0, t->valid);
	if (!t->valid)
		return;
	assert_memory_equal(out, t->msg.at, t->msg.n);
	g->enc(&key.gcm, &engine->gcm_ctx, out, t->msg.at, t->msg.n, t->iv.at, t->aad.at, t->aad.n,
		tag, 16);
	assert_memory_equal(out, t->ct.at, t->ct.n);
	assert_memory_equal(tag, t->tag.at, 16);
}

static void gcm_packet(const struct gcm_test *t)
{
	static uint8_t esp[MAX_BYTES + 64], was[MAX_BYTES + 64];
	char name[16];
	struct fer_suite s;
	struct fer_key *key = aligned_alloc(64, fer_key_bytes_max());
	uint32_t len = 16 + t->ct.n + 16;

	snprintf(name, sizeof(name), "aes-gcm-%u", t->key.n * 8);
	assert_null(fer_suite_init(&s, fer_algo_find(FER_ENCRYPTION, name), NULL, 16));
	memcpy(s.salt, t->iv.at, 4);
	s.esn = t->aad.n == 12;
	fer_key_init(key, engine, &s, t->key.at, NULL);

	memcpy(esp, t->aad.at, 4);
	memcpy(esp + 4, t->aad.at + t->aad.n - 4, 4);
	memcpy(esp + 8, t->iv.at + 4, 8);
	memcpy(esp + 16, t->ct.at, t->ct.n);
	memcpy(esp + 16 + t->ct.n, t->tag.at, 16);
	memcpy(was, esp, len);
	struct fer_job job = {.start = esp,
		.suite = &s,
		.key = key,
		.iv = fer_load_be64(t->iv.at + 4),
		.len = len,
		.seq_hi = fer_load_be32(t->aad.at + 4)};
	fer_engine_open_burst(engine, &job, 1);
	assert_int_equal(job.verdict, t->valid ? FER_OK : FER_BAD_ICV);
	if (t->valid) {
		assert_memory_equal(esp + 16, t->msg.at, t->msg.n);
		fer_engine_seal(engine, &job, 1);
		assert_int_equal(job.verdict, FER_OK);
	}
	assert_memory_equal(esp, was, len);
	free(key);
}

static void gcm_test(struct json_object *test, struct tally *tally)
{
	static struct gcm_test t;

	from_hex(test, "key", &t.key);
	from_hex(test, "iv", &t.iv);
	from_hex(test, "aad", &t.aad);
	from_hex(test, "msg", &t.msg);
	from_hex(test, "ct", &t.ct);
	from_hex(test, "tag", &t.tag);
	t.valid = is_valid(test);
	if (t.iv.n != 12 || t.tag.n != 16) {
		tally->unfit++;
		return;
	}
	gcm_part(&t);
	tally->parts++;
	if ((t.aad.n == 8 || t.aad.n == 12) && t.ct.n != 0 && t.ct.n % 4 == 0) {
		gcm_packet(&t);
		tally->packets++;
	}
}

static const struct fer_algo *hmac; // the row under test

// Runs one job through the part that hashes, without the step that checks the length.
static void hmac_part(struct fer_job *job, void (*part)(struct fer_engine *e, enum fer_method m))
{
	enum fer_method m = job->suite->auth_method;

	memset(engine->n, 0, sizeof(engine->n));
	fer_imb_push(engine, m, job);
	job->verdict = FER_OK;
	part(engine, m);
}

static void hmac_run(const struct fer_suite *s, const struct fer_key *key, const struct bytes *msg,
	const struct bytes *tag, bool valid, struct tally *tally)
{
	static uint8_t text[MAX_BYTES + FER_ESP_MAX_ICV_BYTES];
	struct fer_job job = {.start = text, .suite = s, .key = key, .len = msg->n + s->icv_bytes};

	memcpy(text, msg->at, msg->n);
	memcpy(text + msg->n, tag->at, s->icv_bytes);
	hmac_part(&job, fer_imb_mac_open);
	assert_int_equal(job.verdict, valid ? FER_OK : FER_BAD_ICV);
	tally->parts++;
	if (msg->n >= 12 && msg->n % 4 == 0) {
		fer_engine_open_burst(engine, &job, 1);
		assert_int_equal(job.verdict, valid ? FER_OK : FER_BAD_ICV);
		tally->packets++;
	}
	hmac_part(&job, fer_imb_mac_seal);
	assert_int_equal(job.verdict, FER_OK);
	assert_int_equal(memcmp(text + msg->n, tag->at, s->icv_bytes) == 0, valid);
}

static void hmac_test(struct json_object *test, struct tally *tally)
{
	static struct bytes key, msg, tag;
	struct fer_suite s;
	bool valid = is_valid(test);

	from_hex(test, "key", &key);
	from_hex(test, "msg", &msg);
	from_hex(test, "tag", &tag);
	// A wrong tag of another length may be right in its first bytes.
	if (msg.n == 0 || key.n > hmac->key_bytes ||
		(valid ? tag.n < hmac->icv_bytes : tag.n != hmac->icv_bytes)) {
		tally->unfit++;
		return;
	}
	memset(key.at + key.n, 0, FER_MAX_KEY_BYTES - key.n);
	struct fer_key *k = aligned_alloc(64, fer_key_bytes_max());
	assert_null(fer_suite_init(&s, fer_algo_find(FER_ENCRYPTION, "null"), hmac, 0));
	fer_key_init(k, engine, &s, NULL, key.at);
	hmac_run(&s, k, &msg, &tag, valid, tally);
	free(k);
}

static void aes_gcm(void **state)
{
	(void)state;
	each_test("aes_gcm_test.json", gcm_test);
}

static void hmac_file(const char *name, const char *file)
{
	hmac = fer_algo_find(FER_INTEGRITY, name);
	each_test(file, hmac_test);
}

static void hmac_sha1(void **state)
{
	(void)state;
	hmac_file("hmac-sha1-96", "hmac_sha1_test.json");
}

static void hmac_sha256(void **state)
{
	(void)state;
	hmac_file("hmac-sha2-256-128", "hmac_sha256_test.json");
}

static void hmac_sha512(void **state)
{
	(void)state;
	hmac_file("hmac-sha2-512-256", "hmac_sha512_test.json");
}

static const char *arch;

static int setup(void **state)
{
	int error = 0;

	(void)state;
	engine = fer_imb_open(fer_iv_system(), arch, &error);
	return engine == NULL ? error : 0;
}

static int teardown(void **state)
{
	(void)state;
	fer_engine_close(engine);
	return 0;
}

static bool has_files(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/wycheproof/aes_gcm_test.json", dir);
	return access(path, R_OK) == 0;
}

int main(int argc, char **argv)
{
	static const char *const archs[] = {"AVX512", "AVX2", "SSE"};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aes_gcm),
		cmocka_unit_test(hmac_sha1),
		cmocka_unit_test(hmac_sha256),
		cmocka_unit_test(hmac_sha512),
	};
	int failed = 0;

	dir = getenv("FERRULE_VECTORS");
	if (dir == NULL)
		dir = argc > 1 ? argv[1] : ".";
	if (!has_files()) {
		printf("skipped: no wycheproof/aes_gcm_test.json in %s\n", dir);
		return SKIPPED;
	}
	for (unsigned i = 0; i < 3; i++) {
		arch = archs[i];
		failed += _cmocka_run_group_tests(arch, tests, 4, setup, teardown);
	}
	return failed;
}
