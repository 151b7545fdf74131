// SPDX-License-Identifier: BSD-3-Clause
// Does the engine give the answers of Project Wycheproof, and refuse what it says must be refused?
//
// Its texts are not ESP packets.  Those that could be one go through the engine's front door; the
// others through the part behind it that does the work: the calls of the library for AEAD, the list
// of its method for what authenticates alone.  What no ESP or AH of any row could be is counted and
// printed with its reason: everything else is run, and a file that no test here reads is a failure.
// Wycheproof has nothing of AES-CTR, DES, HMAC-MD5 and AES-XCBC, and of AES-CBC only what has the
// padding of PKCS #5.
//
// The directory that holds wycheproof/ is FERRULE_VECTORS or the argument; where it is not there
// the test is skipped.
#include "crypto/engine.h"

#include "base/bytes.h"
#include "crypto/imb.h"

#include <dirent.h>
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

// Why a test is not applicable.
enum reason { NONCE, TAG, KEY, EMPTY, LONG_AAD, N_REASONS };

static const char *const reasons[N_REASONS] = {
	[NONCE] = "of another nonce than IPsec's",
	[TAG] = "of a tag that no packet carries",
	[KEY] = "of a key length that no row has",
	[EMPTY] = "without a text, which no packet is",
	[LONG_AAD] = "of more additional data than the library takes; ESP's has 8 or 12 bytes",
};

struct tally {
	unsigned all, packets, parts, unfit[N_REASONS];
};

static void print_tally(const char *file, const struct tally *t)
{
	unsigned unfit = 0;

	print_message("%s: %u tests, %u run (%u of them as packets too)\n", file, t->all, t->parts,
		t->packets);
	for (unsigned i = 0; i < N_REASONS; i++) {
		unfit += t->unfit[i];
		if (t->unfit[i] != 0)
			print_message("    not applicable: %u %s\n", t->unfit[i], reasons[i]);
	}
	assert_int_equal(t->all, t->parts + unfit);
}

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
	print_tally(file, &t);
	json_object_put(root);
}

struct aead_test {
	struct bytes key, iv, aad, msg, ct, tag;
	bool valid;
};

static void read_aead(struct json_object *test, struct aead_test *t)
{
	from_hex(test, "key", &t->key);
	from_hex(test, "iv", &t->iv);
	from_hex(test, "aad", &t->aad);
	from_hex(test, "msg", &t->msg);
	from_hex(test, "ct", &t->ct);
	from_hex(test, "tag", &t->tag);
	t->valid = is_valid(test);
}

// Could it be a packet of ESP under this row?
static bool is_packet(const struct aead_test *t, const struct fer_algo *a)
{
	return t->key.n == a->key_bytes && t->iv.n == (unsigned)a->salt_bytes + a->iv_bytes &&
	       t->tag.n <= 16 && (a->icv_choices >> t->tag.n & 1) != 0 &&
	       (t->aad.n == 8 || t->aad.n == 12) && t->ct.n != 0 && t->ct.n % 4 == 0;
}

// The call of the library itself.
static void gcm_part(const struct aead_test *t)
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

// The engine's front door.
static void aead_packet(const struct aead_test *t, const struct fer_algo *a)
{
	static uint8_t esp[MAX_BYTES + 64], was[MAX_BYTES + 64];
	struct fer_suite s;
	struct fer_key *key = aligned_alloc(64, fer_key_bytes_max());
	uint32_t len = 16 + t->ct.n + t->tag.n;

	assert_null(fer_suite_init(&s, a, NULL, t->tag.n));
	memcpy(s.salt, t->iv.at, a->salt_bytes);
	s.esn = t->aad.n == 12;
	fer_key_init(key, engine, &s, t->key.at, NULL);

	memcpy(esp, t->aad.at, 4);
	memcpy(esp + 4, t->aad.at + t->aad.n - 4, 4);
	memcpy(esp + 8, t->iv.at + a->salt_bytes, 8);
	memcpy(esp + 16, t->ct.at, t->ct.n);
	memcpy(esp + 16 + t->ct.n, t->tag.at, t->tag.n);
	memcpy(was, esp, len);
	struct fer_job job = {.start = esp,
		.suite = &s,
		.key = key,
		.iv = fer_load_be64(t->iv.at + a->salt_bytes),
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

static const struct fer_algo *sized(const char *family, uint32_t key_bytes)
{
	char name[32];

	snprintf(name, sizeof(name), "%s-%u", family, key_bytes * 8);
	const struct fer_algo *a = fer_algo_find(FER_ENCRYPTION, name);
	return a != NULL ? a : fer_algo_find(FER_INTEGRITY, name);
}

static void gcm_test(struct json_object *test, struct tally *tally)
{
	static struct aead_test t;

	read_aead(test, &t);
	const struct fer_algo *a = sized("aes-gcm", t.key.n);
	if (t.iv.n != 12) {
		tally->unfit[NONCE]++;
		return;
	}
	assert_int_equal(t.tag.n, 16);
	gcm_part(&t);
	tally->parts++;
	if (is_packet(&t, a)) {
		aead_packet(&t, a);
		tally->packets++;
	}
}

// One job of the library; text is worked on in place.
static void chacha_job(const struct aead_test *t, uint8_t *text, bool seal, uint8_t *tag)
{
	IMB_JOB job = {
		.enc_keys = t->key.at,
		.dec_keys = t->key.at,
		.key_len_in_bytes = t->key.n,
		.src = text,
		.dst = text,
		.msg_len_to_cipher_in_bytes = t->ct.n,
		.msg_len_to_hash_in_bytes = t->ct.n,
		.iv = t->iv.at,
		.iv_len_in_bytes = t->iv.n,
		.auth_tag_output = tag,
		.auth_tag_output_len_in_bytes = t->tag.n,
		.u.CHACHA20_POLY1305 = {t->aad.at, t->aad.n, NULL},
		.cipher_mode = IMB_CIPHER_CHACHA20_POLY1305,
		.cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
		.hash_alg = IMB_AUTH_CHACHA20_POLY1305,
		.chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER,
	};

	fer_imb_jobs_run(engine, engine->wide, &job, 1);
	assert_int_equal(job.status, IMB_STATUS_COMPLETED);
}

static void chacha_test(struct json_object *test, struct tally *tally)
{
	const struct fer_algo *a = fer_algo_find(FER_ENCRYPTION, "chacha20-poly1305");
	static struct aead_test t;
	static uint8_t text[MAX_BYTES];
	uint8_t tag[16];

	read_aead(test, &t);
	if (t.iv.n != 12) {
		tally->unfit[NONCE]++;
		return;
	}
	assert_int_equal(t.tag.n, 16);
	memcpy(text, t.ct.at, t.ct.n);
	chacha_job(&t, text, false, tag);
	assert_int_equal(memcmp(tag, t.tag.at, 16) == 0, t.valid);
	if (t.valid) {
		assert_memory_equal(text, t.msg.at, t.msg.n);
		chacha_job(&t, text, true, tag);
		assert_memory_equal(text, t.ct.at, t.ct.n);
		assert_memory_equal(tag, t.tag.at, 16);
	}
	tally->parts++;
	if (is_packet(&t, a)) {
		aead_packet(&t, a);
		tally->packets++;
	}
}

#define CCM_MAX_AAD_BYTES 46 // of the library

// One job of the library; text is worked on in place.
static void ccm_job(const struct aead_test *t, uint8_t *text, bool seal, uint8_t *tag)
{
	struct fer_suite s = {.method = FER_METHOD_AES_CCM, .key_bytes = (uint8_t)t->key.n};
	static struct fer_key key;
	IMB_JOB job = {
		.enc_keys = key.pair.enc,
		.dec_keys = key.pair.enc,
		.key_len_in_bytes = t->key.n,
		.src = text,
		.dst = text,
		.msg_len_to_cipher_in_bytes = t->ct.n,
		.msg_len_to_hash_in_bytes = t->ct.n,
		.iv = t->iv.at,
		.iv_len_in_bytes = t->iv.n,
		.auth_tag_output = tag,
		.auth_tag_output_len_in_bytes = t->tag.n,
		.u.CCM = {t->aad.at, t->aad.n},
		.cipher_mode = IMB_CIPHER_CCM,
		.cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
		.hash_alg = IMB_AUTH_AES_CCM,
		.chain_order = seal ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH,
	};

	fer_imb_methods[s.method].expand(engine, &s, t->key.at, &key);
	fer_imb_jobs_run(engine, engine->wide, &job, 1);
	assert_int_equal(job.status, IMB_STATUS_COMPLETED);
}

// The same through the calls of OpenSSL.
static bool ccm_192(const struct aead_test *t, uint8_t *text, bool seal, uint8_t *tag)
{
	const struct imb_ccm c = {.key = t->key.at,
		.nonce = t->iv.at,
		.nonce_bytes = (int)t->iv.n,
		.aad = t->aad.at,
		.aad_bytes = (int)t->aad.n,
		.text = text,
		.text_bytes = (int)t->ct.n,
		.tag = tag,
		.tag_bytes = (int)t->tag.n};

	return seal ? fer_imb_ccm_evp_encrypt(engine, &c)
		    : fer_imb_ccm_evp_decrypt(engine, &c) == FER_OK;
}

// Decrypts text; is the tag right?
static bool ccm_opens(const struct aead_test *t, uint8_t *text)
{
	uint8_t tag[16];

	memcpy(tag, t->tag.at, t->tag.n);
	if (t->key.n == 24)
		return ccm_192(t, text, false, tag);
	ccm_job(t, text, false, tag);
	return memcmp(tag, t->tag.at, t->tag.n) == 0;
}

static void ccm_part(const struct aead_test *t)
{
	static uint8_t text[MAX_BYTES];
	uint8_t tag[16];

	memcpy(text, t->ct.at, t->ct.n);
	assert_int_equal(ccm_opens(t, text), t->valid);
	if (!t->valid)
		return;
	assert_memory_equal(text, t->msg.at, t->msg.n);
	if (t->key.n == 24)
		assert_true(ccm_192(t, text, true, tag));
	else
		ccm_job(t, text, true, tag);
	assert_memory_equal(text, t->ct.at, t->ct.n);
	assert_memory_equal(tag, t->tag.at, t->tag.n);
}

// CCM itself has nonces of 7 to 13 bytes and tags of 4 to 16, even; IPsec uses few of them, but
// the code is the same.
static enum reason ccm_reason(const struct aead_test *t)
{
	if (t->iv.n < 7 || t->iv.n > 13)
		return NONCE;
	if (t->tag.n < 4 || t->tag.n > 16 || t->tag.n % 2 != 0)
		return TAG;
	if (t->ct.n == 0)
		return EMPTY;
	if (t->aad.n > CCM_MAX_AAD_BYTES && t->key.n != 24)
		return LONG_AAD;
	return N_REASONS;
}

static void ccm_test(struct json_object *test, struct tally *tally)
{
	static struct aead_test t;

	read_aead(test, &t);
	enum reason why = ccm_reason(&t);
	if (why != N_REASONS) {
		tally->unfit[why]++;
		return;
	}
	ccm_part(&t);
	tally->parts++;
	const struct fer_algo *a = sized("aes-ccm", t.key.n);
	if (is_packet(&t, a)) {
		aead_packet(&t, a);
		tally->packets++;
	}
}

static const struct fer_algo *mac; // the row under test

// Runs one job through the part that hashes, without the step that checks the length.
static void mac_part(struct fer_job *job, void (*part)(struct fer_engine *e, enum fer_method m))
{
	enum fer_method m = job->suite->auth_method;

	memset(engine->n, 0, sizeof(engine->n));
	fer_imb_push(engine, m, job);
	job->verdict = FER_OK;
	part(engine, m);
}

// To compare, the library makes whole digests: that of the text that was hashed last.  Any tag of
// the file is judged by it, also one that is longer or shorter than an ICV.
static void mac_digest(const struct bytes *tag, bool valid)
{
	assert_int_equal(memcmp(engine->digest[0], tag->at, tag->n) == 0, valid);
}

// A wrong tag may be right in the bytes that are sent.
static void mac_run(const struct fer_suite *s, const struct fer_key *key, const struct bytes *msg,
	const struct bytes *tag, bool valid, struct tally *tally)
{
	static uint8_t text[MAX_BYTES + FER_ESP_MAX_ICV_BYTES];
	struct fer_job job = {.start = text, .suite = s, .key = key, .len = msg->n + s->icv_bytes};

	memcpy(text, msg->at, msg->n);
	mac_part(&job, fer_imb_mac_seal);
	assert_int_equal(job.verdict, FER_OK);
	mac_part(&job, fer_imb_mac_open);
	assert_int_equal(job.verdict, FER_OK);
	mac_digest(tag, valid);
	tally->parts++;
	if (tag->n < s->icv_bytes)
		return;
	bool right = memcmp(text + msg->n, tag->at, s->icv_bytes) == 0;
	assert_true(right || !valid);
	memcpy(text + msg->n, tag->at, s->icv_bytes);
	mac_part(&job, fer_imb_mac_open);
	assert_int_equal(job.verdict, right ? FER_OK : FER_BAD_ICV);
	if (msg->n >= 12 && msg->n % 4 == 0) {
		fer_engine_open_burst(engine, &job, 1);
		assert_int_equal(job.verdict, right ? FER_OK : FER_BAD_ICV);
		tally->packets++;
	}
}

static void mac_test(struct json_object *test, struct tally *tally)
{
	static struct bytes key, msg, tag;
	struct fer_suite s;

	from_hex(test, "key", &key);
	from_hex(test, "msg", &msg);
	from_hex(test, "tag", &tag);
	bool padded = mac->method != FER_METHOD_AES_CMAC; // with zeroes, as HMAC does
	if (padded ? key.n > mac->key_bytes : key.n != mac->key_bytes) {
		tally->unfit[KEY]++;
		return;
	}
	if (msg.n == 0) {
		tally->unfit[EMPTY]++;
		return;
	}
	memset(key.at + key.n, 0, FER_MAX_KEY_BYTES - key.n);
	struct fer_key *k = aligned_alloc(64, fer_key_bytes_max());
	assert_null(fer_suite_init(&s, fer_algo_find(FER_ENCRYPTION, "null"), mac, 0));
	fer_key_init(k, engine, &s, NULL, key.at);
	mac_run(&s, k, &msg, &tag, is_valid(test), tally);
	free(k);
}

// The list of the method, with the text in the place of a packet of AH: there is no length that a
// text of it cannot have.
static void gmac_test(struct json_object *test, struct tally *tally)
{
	static struct bytes key, iv, msg, tag;
	struct fer_key *k = aligned_alloc(64, fer_key_bytes_max());
	struct fer_suite s;
	uint8_t field[24];

	from_hex(test, "key", &key);
	from_hex(test, "iv", &iv);
	from_hex(test, "msg", &msg);
	from_hex(test, "tag", &tag);
	const struct fer_algo *a = sized("aes-gmac", key.n);
	assert_int_equal(tag.n, 16);
	if (iv.n != 12) {
		tally->unfit[NONCE]++;
		free(k);
		return;
	}
	assert_null(fer_suite_init_ah(&s, a, 0));
	memcpy(s.salt, iv.at, 4);
	memcpy(field, iv.at + 4, 8);
	memcpy(field + 8, tag.at, 16);
	fer_key_init(k, engine, &s, NULL, key.at);
	struct fer_job job = {
		.start = msg.at, .icv = field + 8, .suite = &s, .key = k, .len = msg.n};
	mac_part(&job, fer_imb_gmac_open);
	assert_int_equal(job.verdict, is_valid(test) ? FER_OK : FER_BAD_ICV);
	mac_part(&job, fer_imb_gmac_seal);
	assert_int_equal(memcmp(field + 8, tag.at, 16) == 0, is_valid(test));
	tally->parts++;
	free(k);
}

static void aes_gcm(void **state)
{
	(void)state;
	each_test("aes_gcm_test.json", gcm_test);
}

static void aes_ccm(void **state)
{
	(void)state;
	each_test("aes_ccm_test.json", ccm_test);
}

static void chacha20_poly1305(void **state)
{
	(void)state;
	each_test("chacha20_poly1305_test.json", chacha_test);
}

static void aes_gmac(void **state)
{
	(void)state;
	each_test("aes_gmac_test.json", gmac_test);
}

static void mac_file(const char *name, const char *file)
{
	mac = fer_algo_find(FER_INTEGRITY, name);
	each_test(file, mac_test);
}

static void hmac_sha1(void **state)
{
	(void)state;
	mac_file("hmac-sha1-96", "hmac_sha1_test.json");
}

static void hmac_sha256(void **state)
{
	(void)state;
	mac_file("hmac-sha2-256-128", "hmac_sha256_test.json");
}

static void hmac_sha256_96(void **state)
{
	(void)state;
	mac_file("hmac-sha2-256-96", "hmac_sha256_test.json");
}

static void hmac_sha384(void **state)
{
	(void)state;
	mac_file("hmac-sha2-384-192", "hmac_sha384_test.json");
}

static void aes_cmac(void **state)
{
	(void)state;
	mac_file("aes-cmac-96", "aes_cmac_test.json");
}

static void hmac_sha512(void **state)
{
	(void)state;
	mac_file("hmac-sha2-512-256", "hmac_sha512_test.json");
}

static bool is_read(const char *file)
{
	static const char *const names[] = {"aes_gcm_test.json", "aes_ccm_test.json",
		"chacha20_poly1305_test.json", "aes_gmac_test.json", "aes_cmac_test.json",
		"hmac_sha1_test.json", "hmac_sha256_test.json", "hmac_sha384_test.json",
		"hmac_sha512_test.json"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(file, names[i]) == 0)
			return true;
	return false;
}

static void every_file_is_read(void **state)
{
	char path[4096];
	unsigned n = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/wycheproof", dir);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (const struct dirent *file; (file = readdir(d)) != NULL;) {
		if (strstr(file->d_name, ".json") == NULL)
			continue;
		if (!is_read(file->d_name))
			fail_msg("%s: nobody reads it", file->d_name);
		n++;
	}
	closedir(d);
	assert_int_not_equal(n, 0);
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
		cmocka_unit_test(every_file_is_read),
		cmocka_unit_test(aes_gcm),
		cmocka_unit_test(aes_ccm),
		cmocka_unit_test(chacha20_poly1305),
		cmocka_unit_test(aes_gmac),
		cmocka_unit_test(aes_cmac),
		cmocka_unit_test(hmac_sha256_96),
		cmocka_unit_test(hmac_sha384),
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
		failed += _cmocka_run_group_tests(
			arch, tests, sizeof(tests) / sizeof(tests[0]), setup, teardown);
	}
	return failed;
}
