// SPDX-License-Identifier: BSD-3-Clause
// Does every algorithm give the answers that were published for it, and does the oracle of the
// other tests?
#include "crypto/engine.h"

#include "crypto/esp_oracle.h"
#include "crypto/imb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MAX_PACKET 256
#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct fer_engine *engine;
static const char *arch;

// Returns the number of bytes.
static uint32_t from_hex(const char *hex, uint8_t *bytes)
{
	uint32_t n = 0;

	for (; hex[2 * n] != 0; n++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * n, "%2x", &byte), 1);
		bytes[n] = (uint8_t)byte;
	}
	return n;
}

static struct fer_key *new_key(struct oracle_sa *sa, const char *encryption, const char *integrity)
{
	const struct fer_algo *e = fer_algo_find(FER_ENCRYPTION, encryption);
	const struct fer_algo *a =
		integrity == NULL ? NULL : fer_algo_find(FER_INTEGRITY, integrity);

	assert_null(fer_suite_init(&sa->suite, e, a, 0));
	return aligned_alloc(64, fer_key_bytes_max());
}

static void expand(struct fer_key *k, const struct oracle_sa *sa)
{
	fer_key_init(k, engine, &sa->suite, sa->encryption_key, sa->integrity_key);
}

// draft-mcgrew-gcm-test-01: packets of RFC 4106.
static const struct gcm_packet {
	const char *algo, *key, *salt, *spi_seq;
	int esn; // high half 0x87654321
	const char *iv, *plain, *sealed;
} gcm_packets[] = {
	{"aes-gcm-128", "4c80cdefbb5d10da906ac73c3613a634", "2e443b68", "0000432100000000", 1,
		"4956ed7e3b244cfe",
		"45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f7369"
		"70045f756470037369700963796265726369747902646b000021000101020201",
		"fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf"
		"65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe72"
		"2fd04796562dfdb4"},
	{"aes-gcm-128", "feffe9928665731c6d6a8f9467308308", "cafebabe", "0000a5f80000000a", 0,
		"facedbaddecaf888",
		"4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d001000001000000000000"
		"037369700963796265726369747902646b00000100010001",
		"deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f"
		"51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4"
		"a"},
	{"aes-gcm-192", "feffe9928665731c6d6a8f9467308308feffe9928665731c", "cafebabe",
		"0000a5f80000000a", 0, "facedbaddecaf888",
		"45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
		"a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77"
		"95457b9652037f5318027b5b4cd7a636"},
	{"aes-gcm-256", "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
		"11223344", "4a2cbfe300000002", 0, "0102030405060708",
		"4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000"
		"020405b40101040201020201",
		"ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d34"
		"7f0545659f14e99def842d8eb335f4eecfdbf831824b4c4915956c96"},
};

static void check_gcm(const struct gcm_packet *p)
{
	struct oracle_sa sa;
	struct fer_key *key = new_key(&sa, p->algo, NULL);
	uint8_t plain[MAX_PACKET], sealed[MAX_PACKET], esp[MAX_PACKET];
	uint32_t len = 16;

	sa.suite.esn = p->esn != 0;
	from_hex(p->key, sa.encryption_key);
	from_hex(p->salt, sa.suite.salt);
	expand(key, &sa);
	from_hex(p->spi_seq, plain);
	if (sa.suite.esn)
		memset(plain + 4, 0, 4);
	from_hex(p->iv, plain + 8);
	memcpy(sealed, plain, 16);
	from_hex(p->plain, plain + 16);
	len += from_hex(p->sealed, sealed + 16);

	struct fer_job job = {
		.start = esp, .suite = &sa.suite, .key = key, .len = len, .seq_hi = 0x87654321};
	for (int i = 0; i < 8; i++)
		job.iv = job.iv << 8 | plain[8 + i];
	memcpy(esp, plain, len - 16);
	memset(esp + 8, 0, 8);
	fer_engine_seal(engine, &job, 1);
	assert_int_equal(job.verdict, FER_OK);
	assert_memory_equal(esp, sealed, len);
	fer_engine_open_burst(engine, &job, 1);
	assert_int_equal(job.verdict, FER_OK);
	assert_memory_equal(esp, plain, len - 16);
	memcpy(esp, plain, len - 16);
	oracle_seal(&sa, esp, len, job.seq_hi);
	assert_memory_equal(esp, sealed, len);
	free(key);
}

static void gcm_packets_are_those_of_the_draft(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(gcm_packets); i++)
		check_gcm(&gcm_packets[i]);
}

// RFC 3602 section 4, cases 1 to 4 and the packets of 5 to 8; NIST SP 800-38A, F.2.1, F.2.3, F.2.5.
#define NIST_PLAIN                                                                                 \
	"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"                         \
	"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
#define NIST_IV "000102030405060708090a0b0c0d0e0f"
static const struct cbc_text {
	const char *algo, *spi_seq, *key, *iv, *plain, *sealed;
} cbc_texts[] = {
	{"aes-cbc-128", "0000000000000000", "06a9214036b8a15b512e03d534120006",
		"3dafba429d9eb430b422da802c9fac41", "53696e676c6520626c6f636b206d7367",
		"e353779c1079aeb82708942dbe77181a"},
	{"aes-cbc-128", "0000000000000000", "c286696d887c9aa0611bbb3e2025a45a",
		"562e17996d093d28ddb3ba695a2e6f58",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1"},
	{"aes-cbc-128", "0000000000000000", "6c3ea0477630ce21a2ce334aa746c2cd",
		"c782dc4c098c66cbd9cd27d825682c81",
		"5468697320697320612034382d62797465206d657373616765202865786163746c79203320414553"
		"20626c6f636b7329",
		"d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c"
		"8579695d83ba2684"},
	{"aes-cbc-128", "0000000000000000", "56e47a38c5598974bc46903dba290349",
		"8ce82eefbea0da3c44699ed7db51b7d9",
		"a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7"
		"c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
		"c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf"
		"868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55"},
	{"aes-cbc-128", "0000432100000001", "90d382b410eeba7ad938c46cec1a82bf",
		"e96e8c08ab465763fd098d45dd3ff893",
		"08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		"202122232425262728292a2b2c2d2e2f30313233343536370102030405060708090a0b0c0d0e0e01",
		"f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db08"
		"0b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6"},
	{"aes-cbc-128", "0000432100000008", "90d382b410eeba7ad938c46cec1a82bf",
		"69d08df7d203329db093fc4924e5bd80",
		"0800b5e8a80a0500a69c083d0b660e0077777777777777777777777701020201",
		"f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75"},
	{"aes-cbc-128", "0000876500000002", "0123456789abcdef0123456789abcdef",
		"f4e765244f6407adf13dc1380f673f37",
		"45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b"
		"0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233"
		"343536370102030405060708090a0a04",
		"773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad"
		"7a0f022b859243c647752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a"
		"109e0ca1e4dfe9d5a100b842f1c22f0d"},
	{"aes-cbc-128", "0000876500000005", "0123456789abcdef0123456789abcdef",
		"85d47224b5f3dd5d2101d4ea8dffab22",
		"45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffff"
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffff0102030405060708090a0a04",
		"15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3"
		"a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892"},
	{"aes-cbc-128", "0000000000000000", "2b7e151628aed2a6abf7158809cf4f3c", NIST_IV, NIST_PLAIN,
		"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b"
		"7116e69e222295163ff1caa1681fac09120eca307586e1a7"},
	{"aes-cbc-192", "0000000000000000", "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
		NIST_IV, NIST_PLAIN,
		"4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae0"
		"7fa9baac3df102e008b0e27988598881d920a9e64f5615cd"},
	{"aes-cbc-256", "0000000000000000",
		"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", NIST_IV,
		NIST_PLAIN,
		"f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacf"
		"a530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"},
};

// CBC IVs are the engine's own choice, so the cipher is asked without the step that makes them.
static void encrypt_with_iv(struct fer_job *job)
{
	enum fer_method m = job->suite->method;

	memset(engine->n, 0, sizeof(engine->n));
	fer_imb_push(engine, m, job);
	job->verdict = FER_OK;
	fer_imb_methods[m].seal(engine, m);
	assert_int_equal(job->verdict, FER_OK);
}

static void check_cbc(const struct cbc_text *c)
{
	struct oracle_sa sa = {0};
	struct fer_key *key = new_key(&sa, c->algo, "hmac-sha1-96");
	uint8_t plain[MAX_PACKET], sealed[MAX_PACKET], esp[MAX_PACKET];
	uint32_t len = 24;

	from_hex(c->key, sa.encryption_key);
	expand(key, &sa);
	from_hex(c->spi_seq, plain);
	from_hex(c->iv, plain + 8);
	memcpy(sealed, plain, 24);
	len += from_hex(c->plain, plain + 24);
	assert_int_equal(from_hex(c->sealed, sealed + 24), len - 24);

	struct fer_job job = {.start = esp, .suite = &sa.suite, .key = key, .len = len + 12};
	memcpy(esp, plain, len);
	encrypt_with_iv(&job);
	assert_memory_equal(esp, sealed, len);
	memcpy(esp, plain, len);
	oracle_seal(&sa, esp, job.len, 0);
	assert_memory_equal(esp, sealed, len);
	fer_engine_open_burst(engine, &job, 1);
	assert_int_equal(job.verdict, FER_OK);
	assert_memory_equal(esp, plain, len);
	free(key);
}

static void cbc_texts_are_those_of_the_documents(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(cbc_texts); i++)
		check_cbc(&cbc_texts[i]);
}

// RFC 2202, RFC 4231 and RFC 4868 section 2.7.2.  Keys shorter than IPsec's are padded with zeroes,
// which is what HMAC does with them.
static const struct hmac_text {
	const char *algo;
	const char *key;
	unsigned key_repeats;
	const char *text;
	unsigned text_repeats;
	const char *icv;
} hmac_texts[] = {
	{"hmac-sha1-96", "0b", 20, "4869205468657265", 1, "b617318655057264e28bc0b6"},
	{"hmac-sha1-96", "4a656665", 1, "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		1, "effcdf6ae5eb2fa2d27416d5"},
	{"hmac-sha1-96", "aa", 20, "dd", 50, "125d7342b9ac11cd91a39af4"},
	{"hmac-sha1-96", "0c", 20, "546573742057697468205472756e636174696f6e", 1,
		"4c1a03424b55e07fe7f27be1"},
	{"hmac-sha2-256-128", "0b", 20, "4869205468657265", 1, "b0344c61d8db38535ca8afceaf0bf12b"},
	{"hmac-sha2-256-128", "4a656665", 1,
		"7768617420646f2079612077616e7420666f72206e6f7468696e673f", 1,
		"5bdcc146bf60754e6a042426089575c7"},
	{"hmac-sha2-256-128", "aa", 20, "dd", 50, "773ea91e36800e46854db8ebd09181a7"},
	{"hmac-sha2-256-128", "0102030405060708090a0b0c0d0e0f10111213141516171819", 1, "cd", 50,
		"82558a389a443c0ea4cc819899f2083a"},
	{"hmac-sha2-256-128", "0c", 20, "546573742057697468205472756e636174696f6e", 1,
		"a3b6167473100ee06e0c796c2955552b"},
	{"hmac-sha2-256-128", "0b", 32, "4869205468657265", 1, "198a607eb44bfbc69903a0f1cf2bbdc5"},
	{"hmac-sha2-256-128", "4a656665", 8,
		"7768617420646f2079612077616e7420666f72206e6f7468696e673f", 1,
		"167f928588c5cc2eef8e3093caa0e87c"},
	{"hmac-sha2-256-128", "aa", 32, "dd", 50, "cdcb1220d1ecccea91e53aba3092f962"},
	{"hmac-sha2-256-128", "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", 1,
		"cd", 50, "372efcf9b40b35c2115b1346903d2ef4"},
	{"hmac-sha2-512-256", "0b", 64, "4869205468657265", 1,
		"637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"},
	{"hmac-sha2-512-256", "4a656665", 16,
		"7768617420646f2079612077616e7420666f72206e6f7468696e673f", 1,
		"cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b15454"},
	{"hmac-sha2-512-256", "aa", 64, "dd", 50,
		"2ee7acd783624ca9398710f3ee05ae41b9f9b0510c87e49e586cc9bf961733d8"},
	{"hmac-sha2-512-256",
		"0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728"
		"292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40",
		1, "cd", 50, "5e6688e5a3daec826ca32eaea224eff5e700628947470e13ad01302561bab108"},
};

// Not every text could be a packet, so the hash is asked without the step that checks the length.
static void hash(struct fer_job *job)
{
	enum fer_method m = job->suite->auth_method;

	memset(engine->n, 0, sizeof(engine->n));
	fer_imb_push(engine, m, job);
	job->verdict = FER_OK;
	fer_imb_methods[m].seal(engine, m);
	assert_int_equal(job->verdict, FER_OK);
}

static uint32_t repeat(const char *hex, unsigned times, uint8_t *bytes)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < times; i++)
		n += from_hex(hex, bytes + n);
	return n;
}

static void check_hmac(const struct hmac_text *h)
{
	struct oracle_sa sa = {0};
	struct fer_key *key = new_key(&sa, "null", h->algo);
	uint8_t esp[MAX_PACKET], icv[FER_ESP_MAX_ICV_BYTES];
	uint32_t n = repeat(h->text, h->text_repeats, esp);

	repeat(h->key, h->key_repeats, sa.integrity_key);
	expand(key, &sa);
	assert_int_equal(from_hex(h->icv, icv), sa.suite.icv_bytes);

	struct fer_job job = {
		.start = esp, .suite = &sa.suite, .key = key, .len = n + sa.suite.icv_bytes};
	hash(&job);
	assert_memory_equal(esp + n, icv, sa.suite.icv_bytes);
	memset(esp + n, 0, sa.suite.icv_bytes);
	oracle_seal(&sa, esp, job.len, 0);
	assert_memory_equal(esp + n, icv, sa.suite.icv_bytes);
	free(key);
}

static void hmacs_are_those_of_the_documents(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(hmac_texts); i++)
		check_hmac(&hmac_texts[i]);
}

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

int main(void)
{
	static const char *const archs[] = {"AVX512", "AVX2", "SSE"};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcm_packets_are_those_of_the_draft),
		cmocka_unit_test(cbc_texts_are_those_of_the_documents),
		cmocka_unit_test(hmacs_are_those_of_the_documents),
	};
	int failed = 0;

	for (unsigned i = 0; i < N(archs); i++) {
		arch = archs[i];
		failed += _cmocka_run_group_tests(arch, tests, N(tests), setup, teardown);
	}
	return failed;
}
