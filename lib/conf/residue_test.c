// SPDX-License-Identifier: BSD-3-Clause
// Are keys gone from memory when a document was loaded and destroyed, or refused?
//
// The keys are random.  The test itself keeps them masked only, and the document in memory that is
// unmapped before it looks.
#include "base/secret.h"
#include "conf/document.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <cmocka.h>

#define N_SAS 24
#define KEY_BYTES 36
#define MASK UINT64_C(0xa5a5a5a5a5a5a5a5)
#define DOC_BYTES 65536
#define WINDOWS (N_SAS * (2 * KEY_BYTES + KEY_BYTES))
#define CHUNK_BYTES ((size_t)1 << 20)
#define PAGE_BYTES ((size_t)4096)
#define LARGEST_MAPPING (UINT64_C(1) << 30) // the shadow of a sanitizer is larger

// Every eight neighbouring bytes of a key, as text and as bytes, masked and in order.
static uint64_t windows[WINDOWS];
static size_t n_windows;

static void remember(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i++) {
		memcpy(&windows[n_windows], bytes + i, 8);
		windows[n_windows++] ^= MASK;
	}
}

static void append(char *doc, const char *text)
{
	memcpy(doc + strlen(doc), text, strlen(text) + 1);
}

// Appends a key to the document as hex digits.
static void append_key(char *doc, uint8_t key[KEY_BYTES])
{
	char *to = doc + strlen(doc);

	assert_int_equal(getrandom(key, KEY_BYTES, 0), KEY_BYTES);
	for (size_t i = 0; i < KEY_BYTES; i++) {
		to[2 * i] = "0123456789abcdef"[key[i] >> 4];
		to[2 * i + 1] = "0123456789abcdef"[key[i] & 15];
	}
	to[2 * KEY_BYTES] = '\0';
	remember(key, KEY_BYTES);
	remember((uint8_t *)to, 2 * KEY_BYTES);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

// The document, from fer_secret_map(); quoted in all ways, in block and flow style.
static char *make_document(const char *tail)
{
	static const char *const quotes[] = {"", "'", "\""};
	char *doc = fer_secret_map(DOC_BYTES);
	uint8_t *key = fer_secret_map(KEY_BYTES);

	assert_non_null(doc);
	assert_non_null(key);
	n_windows = 0;
	append(doc, "sas:\n");
	for (unsigned i = 0; i < N_SAS; i++) {
		char *to = doc + strlen(doc);
		snprintf(to, 512,
			"- name: sa-%u\n  direction: out\n  mode: tunnel\n  src: 192.0.2.1\n"
			"  dst: 192.0.2.2\n  esp: {spi: 256, encryption: aes-gcm-256,\n"
			"    encryption_key: %s",
			i, quotes[i % 3]);
		append_key(doc, key);
		append(doc, quotes[i % 3]);
		append(doc, "}\n");
	}
	append(doc, tail);
	fer_secret_unmap(key, KEY_BYTES);
	qsort(windows, n_windows, sizeof(windows[0]), compare);
	return doc;
}

static unsigned hits_in_chunk(const uint8_t *bytes, size_t len)
{
	unsigned n = 0;
	uint64_t w;

	for (size_t i = 0; i + 8 <= len; i++) {
		memcpy(&w, bytes + i, 8);
		w ^= MASK;
		n += bsearch(&w, windows, n_windows, sizeof(w), compare) != NULL;
	}
	return n;
}

// Has any page of a chunk ever been used?  Most of a sanitizer's memory has not.
static bool is_used(int pagemap, uint64_t from, size_t len)
{
	uint64_t entries[CHUNK_BYTES / PAGE_BYTES];
	size_t n = (len + PAGE_BYTES - 1) / PAGE_BYTES;
	ssize_t got = pread(pagemap, entries, n * sizeof(entries[0]),
		(off_t)(from / PAGE_BYTES * sizeof(entries[0])));

	for (size_t i = 0; got > 0 && i < (size_t)got / sizeof(entries[0]); i++)
		if (entries[i] >> 62 != 0) // present, or swapped out
			return true;
	return false;
}

// A page is looked at twice, so that nothing is missed between two chunks.
static unsigned hits_in_mapping(int mem, int pagemap, uint64_t from, uint64_t to)
{
	static uint8_t chunk[CHUNK_BYTES];
	unsigned n = 0;

	for (uint64_t at = from; at < to; at += sizeof(chunk) - PAGE_BYTES) {
		size_t len = to - at < sizeof(chunk) ? to - at : sizeof(chunk);
		ssize_t got = is_used(pagemap, at, len) ? pread(mem, chunk, len, (off_t)at) : 0;
		if (got <= 0)
			continue;
		n += hits_in_chunk(chunk, (size_t)got);
		fer_secret_wipe(chunk, (size_t)got);
	}
	return n;
}

// How often is a part of a key in our own writable memory?
static unsigned hits(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned long from, to;
	char line[512], *rest;
	unsigned n = 0;

	assert_non_null(maps);
	assert_true(mem >= 0 && pagemap >= 0);
	while (fgets(line, sizeof(line), maps) != NULL) {
		from = strtoul(line, &rest, 16);
		to = strtoul(rest + 1, &rest, 16);
		if (strncmp(rest, " rw", 3) == 0 && to - from < LARGEST_MAPPING)
			n += hits_in_mapping(mem, pagemap, from, to);
	}
	close(pagemap);
	close(mem);
	fclose(maps);
	return n;
}

static void check(const char *tail, bool is_good)
{
	char *text = make_document(tail);
	struct fer_doc *doc = NULL;
	struct fer_doc_error err;
	int rc = fer_doc_load_bytes("t.yaml", text, strlen(text), &doc, &err);

	assert_true(hits() > 0);
	fer_secret_unmap(text, DOC_BYTES);
	assert_int_equal(rc == 0, is_good);
	if (is_good)
		assert_true(hits() > 0);
	fer_doc_destroy(doc);
	assert_int_equal(hits(), 0);
}

static void a_destroyed_document_leaves_no_key(void **state)
{
	(void)state;
	check("", true);
}

static void a_refused_document_leaves_no_key(void **state)
{
	(void)state;
	check("no_such_key: 1\n", false);
	check("- name: sa-1\n", false);
	check("policies: [\n", false);
	check("policies: \"\n", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_destroyed_document_leaves_no_key),
		cmocka_unit_test(a_refused_document_leaves_no_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
