// SPDX-License-Identifier: BSD-3-Clause
// Does any input, cut, bent or absurd, end in a document or in one line, soon and in bounded
// memory?
#include "conf/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <cmocka.h>

#define ABSURD_BYTES ((size_t)10 << 20)
#define GCM_KEY "9e3c71f04ab8d25617ee90acb3541f8802c6d7a1"
#define CBC_KEY "73b1d0488fa5e26c9d03f716285bca9e"
#define HMAC_KEY "e4107dc66b2953a8f10cd47e92b638d5af60714c"

static const char good[] =
	"legacy_algorithms: false # none\n"
	"sas:\n"
	"  - name: a\n"
	"    group: site\n"
	"    direction: out\n"
	"    mode: tunnel\n"
	"    src: 192.0.2.1\n"
	"    dst: 198.51.100.1\n"
	"    esp:\n"
	"      spi: 0x1001\n"
	"      encryption: aes-gcm-128\n"
	"      encryption_key: \"" GCM_KEY "\"\n"
	"      icv_bytes: 16\n"
	"    esn: true\n"
	"    sequence: 0x100000000\n"
	"    outer: {dscp: copy, df: set, ttl: 64, flow_label: 7}\n"
	"    tfc: {pad_to: mtu}\n"
	"  - {name: b, group: site, direction: in, mode: tunnel, src: '2001:db8::1',"
	" dst: \"2001:db8::2\", esp: {spi: 4098, encryption: aes-cbc-128,"
	" encryption_key: " CBC_KEY ", integrity: hmac-sha1-96,"
	" integrity_key: " HMAC_KEY "}, replay_window: 64}\n"
	"policies:\n"
	"- name: p\n"
	"  priority: 3\n"
	"  direction: out\n"
	"  src: 10.1.0.0/16\n"
	"  dst: any\n"
	"  protocol: tcp\n"
	"  sport: \"1024-65535\"\n"
	"  dport: 53\n"
	"  action: protect\n"
	"  sas:\n"
	"  - site\n";

// Do any eight digits of the key stand in the text?
static bool shows_key(const char *text, const char *key)
{
	char digits[9];

	for (size_t i = 0; i + 8 <= strlen(key); i++) {
		memcpy(digits, key + i, 8);
		digits[8] = '\0';
		if (strstr(text, digits) != NULL)
			return true;
	}
	return false;
}

static void assert_one_line(const char *text)
{
	char *behind;

	assert_int_equal(strncmp(text, "t.yaml:", 7), 0);
	assert_true(strtoul(text + 7, &behind, 10) >= 1);
	assert_int_equal(strncmp(behind, ": ", 2), 0);
	assert_non_null(strstr(behind + 2, ": "));
	assert_null(strpbrk(text, "\r\n"));
	assert_false(shows_key(text, GCM_KEY));
	assert_false(shows_key(text, CBC_KEY));
	assert_false(shows_key(text, HMAC_KEY));
}

// Loads an exact copy on the heap, so that a byte read behind the end is seen.
static bool load(const char *yaml, size_t len)
{
	struct fer_doc *doc = NULL;
	struct fer_doc_error err = {.text = ""};
	char *copy = malloc(len + (len == 0));

	assert_non_null(copy);
	memcpy(copy, yaml, len);
	int rc = fer_doc_load_bytes("t.yaml", copy, len, &doc, &err);
	free(copy);
	if (rc != 0)
		assert_one_line(err.text);
	else
		assert_string_equal(err.text, "");
	fer_doc_destroy(doc);
	return rc == 0;
}

static void a_document_may_be_cut_anywhere(void **state)
{
	(void)state;
	assert_true(load(good, sizeof(good) - 1));
	for (size_t len = 0; len < sizeof(good) - 1; len++)
		load(good, len);
}

static uint64_t random_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void bytes_may_be_anything(void **state)
{
	static const char likely[] = "\n\r\t :-,[]{}#&*!|>'\"%@`?~0x9a\\\x80\xff";
	char bent[sizeof(good)];
	uint64_t x = 88172645463325252;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		memcpy(bent, good, sizeof(good));
		for (uint64_t n = 1 + random_next(&x) % 3; n > 0; n--) {
			char *at = &bent[random_next(&x) % (sizeof(good) - 1)];
			if (random_next(&x) % 2 == 0)
				*at = likely[random_next(&x) % sizeof(likely)];
			else
				*at = (char)(*at ^ 1 << random_next(&x) % 8);
		}
		load(bent, sizeof(good) - 1);
	}
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct absurd {
	const char *head;
	const char *repeat;
};

static const struct absurd absurd[] = {
	{"", "["},
	{"", "{"},
	{"", "- "},
	{"", "? "},
	{"", ": "},
	{"", "? - "},
	{"", "a: "},
	{"", "a"},
	{"", "\""},
	{"\"", "a"},
	{"", "'"},
	{"", "\n"},
	{"", "\r\n"},
	{"", " "},
	{"", "\t"},
	{"", "#"},
	{"", "# x\n"},
	{"", "!"},
	{"", "!<%41"},
	{"", "&"},
	{"&", "a"},
	{"", "*"},
	{"", "\xff"},
	{"", "\xc2\x85"},
	{"", "---\n"},
	{"{}\n", "---\n"},
	{"{}\n", "...\n"},
	{"", "%TAG !a! x\n"},
	{"{}\n...\n", "%TAG !a! x\n"},
	{"", "\xc2\x85%TAG !a! x"},
	{"sas: ", "["},
	{"sas: ", "{"},
	{"sas:\n", "- "},
	{"sas: ", "&a [*a,"},
	{"sas: [", ","},
	{"sas: [", "[],"},
	{"sas: [", "{},"},
	{"sas: |\n", " a\n"},
	{"sas: >\n", " a\n\n"},
	{"sas: [{name: ", "a"},
	{"sas: [{name: \"", "\\\n"},
	{"sas: [{name: \"", "a\n\n"},
	{"sas: [{name: a, esp: {encryption_key: ", "00"},
	{"sas: [{name: a, esp: {spi: ", "9"},
	{"policies: [{sas: [", "a, "},
	{"{\"", "a"},
	{"{", "\"x\","},
	{"? ", "a"},
};

static char *absurd_bytes(const struct absurd *a)
{
	char *bytes = malloc(ABSURD_BYTES);
	size_t n = strlen(a->head);
	size_t step = strlen(a->repeat);

	assert_non_null(bytes);
	memcpy(bytes, a->head, n);
	memcpy(bytes + n, a->repeat, step);
	for (size_t done = step; n + done < ABSURD_BYTES; done *= 2) {
		size_t left = ABSURD_BYTES - n - done;
		memcpy(bytes + n + done, bytes + n, left < done ? left : done);
	}
	return bytes;
}

static void absurd_input_is_refused_soon_and_in_little_memory(void **state)
{
	struct rusage before, after;

	(void)state;
	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
		char *bytes = absurd_bytes(&absurd[i]);
		double start = cpu_seconds();
		if (load(bytes, ABSURD_BYTES))
			fail_msg("%s%s... was loaded", absurd[i].head, absurd[i].repeat);
		if (cpu_seconds() - start > 1)
			fail_msg("%s%s... took %.1f s", absurd[i].head, absurd[i].repeat,
				cpu_seconds() - start);
		free(bytes);
	}
	// A sanitizer keeps 256 MiB of what was freed.
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 400 << 10);
}

static void nul_bytes_are_refused(void **state)
{
	char *bytes = calloc(1, ABSURD_BYTES);

	(void)state;
	assert_non_null(bytes);
	assert_false(load(bytes, ABSURD_BYTES));
	assert_false(load("sas: []\n\0", 9));
	free(bytes);
}

static const char one_sa[] = "- {name: sa-%u, group: g-%u, direction: %s, mode: tunnel,"
			     " src: 192.0.2.1, dst: 192.0.2.2, esp: {spi: %u,"
			     " encryption: aes-gcm-128, encryption_key: %032x%08x}}\n";

// A document of n SAs, an `out` and an `in` SA to each group, and a policy for each group.
static char *large_document(unsigned n, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	assert_non_null(f);
	fprintf(f, "policies:\n");
	for (unsigned i = 0; i < n / 2; i++)
		fprintf(f,
			"- {name: p-%u, direction: out, src: 10.0.0.0/8, dst: any,"
			" action: protect, sas: [g-%u]}\n",
			i, i);
	fprintf(f, "sas:\n");
	for (unsigned i = 0; i < n; i++)
		fprintf(f, one_sa, i, i / 2, i % 2 == 0 ? "out" : "in", 256 + i, i, i);
	fclose(f);
	return text;
}

static void a_hundred_thousand_sas_load_in_time(void **state)
{
	const unsigned n = 100000;
	struct fer_doc *doc = NULL;
	struct fer_doc_error err = {.text = ""};
	size_t len;
	char *text = large_document(n, &len);
	double start = cpu_seconds();

	(void)state;
	assert_int_equal(fer_doc_load_bytes("t.yaml", text, len, &doc, &err), 0);
	print_message("%u SAs and %u policies: %.2f s\n", n, n / 2, cpu_seconds() - start);
	assert_true(cpu_seconds() - start < 15);
	assert_int_equal(doc->n_sas, n);
	assert_int_equal(doc->n_groups, n / 2);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(doc->sas[i].spi, 256 + i);
		assert_int_equal(doc->sas[i].group, i / 2);
	}
	for (unsigned i = 0; i < n / 2; i++)
		assert_int_equal(doc->policies[i].groups[0], i);
	fer_doc_destroy(doc);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_may_be_cut_anywhere),
		cmocka_unit_test(bytes_may_be_anything),
		cmocka_unit_test(absurd_input_is_refused_soon_and_in_little_memory),
		cmocka_unit_test(nul_bytes_are_refused),
		cmocka_unit_test(a_hundred_thousand_sas_load_in_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
