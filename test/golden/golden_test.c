// SPDX-License-Identifier: BSD-3-Clause
// Does every packet of the golden captures come out, and end, byte for byte as it did when somebody
// last looked?
//
//   golden_test FOLDER                            one test for each NAME.yaml in FOLDER
//   golden_test --regenerate FOLDER [NAME ...]    shows what is different now, and writes it there
//
// The first word of NAME is the verb, protect or unprotect.  NAME.in.pcap goes in; NAME.out.pcap
// and NAME.oob.jsonl are expected.
#include "run.h"

#include "capture.h"
#include "conf/document.h"
#include "nic/oob.h"
#include "support/eal.h"
#include "support/iv_fixed.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define MAX_CASES 256
#define MAX_PATH 512
#define MAX_SHOWN 10 // differences of one file

struct file {
	size_t len;
	char *bytes; // "" when there is no such file
};

// What a case leaves behind, and is expected to leave.
static const char *const endings[] = {".out.pcap", ".oob.jsonl"};

#define N_ENDINGS (sizeof(endings) / sizeof(endings[0]))

static char scratch[] = "/tmp/ferrule-golden-XXXXXX";

__attribute__((format(printf, 2, 3))) static void path_of(
	char path[MAX_PATH], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(path, MAX_PATH, format, args);
	va_end(args);
	assert_in_range(n, 1, MAX_PATH - 1);
}

static struct file read_file(const char *path)
{
	struct file f = {0, calloc(1, 1)};
	FILE *from = fopen(path, "rb");
	char part[4096];

	assert_non_null(f.bytes);
	for (size_t n; from != NULL && (n = fread(part, 1, sizeof(part), from)) > 0;) {
		f.bytes = realloc(f.bytes, f.len + n + 1);
		assert_non_null(f.bytes);
		memcpy(f.bytes + f.len, part, n);
		f.len += n;
		f.bytes[f.len] = '\0';
	}
	if (from != NULL)
		fclose(from);
	return f;
}

static void write_file(const char *path, const struct file *f)
{
	FILE *to = fopen(path, "wb");

	assert_non_null(to);
	assert_int_equal(fwrite(f->bytes, 1, f->len, to), f->len);
	assert_int_equal(fclose(to), 0);
}

// --- What is different -------------------------------------------------------------------------

static void show_bytes(const char *what, const uint8_t *bytes, size_t len, size_t at)
{
	size_t from = at < 4 ? 0 : at - 4;

	printf("    %s", what);
	for (size_t i = from; i < len && i < from + 24; i++)
		printf(i == at ? " [%02x]" : " %02x", bytes[i]);
	puts(from + 24 < len ? " ..." : "");
}

static void show_packet(
	unsigned number, const struct fer_capture_packet *was, const struct fer_capture_packet *is)
{
	uint32_t at = 0;

	while (at < was->cap_len && at < is->cap_len && was->bytes[at] == is->bytes[at])
		at++;
	if (at == was->cap_len && at == is->cap_len) {
		printf("  packet %u: time or length on the wire\n", number);
		return;
	}
	printf("  packet %u: %u bytes, expected %u; they part at byte %u\n", number, is->cap_len,
		was->cap_len, at);
	show_bytes("expected", was->bytes, was->cap_len, at);
	show_bytes("got     ", is->bytes, is->cap_len, at);
}

static bool same_packet(const struct fer_capture_packet *was, const struct fer_capture_packet *is)
{
	return was->cap_len == is->cap_len && was->len == is->len &&
	       was->when.tv_sec == is->when.tv_sec && was->when.tv_nsec == is->when.tv_nsec &&
	       memcmp(was->bytes, is->bytes, is->cap_len) == 0;
}

static void show_packets(struct fer_capture *expected, struct fer_capture *got)
{
	char error[FER_CAPTURE_ERROR_BYTES];
	struct fer_capture_packet was, is;
	unsigned n_was = 0, n_is = 0, n_changed = 0;
	bool more_was = true, more_is = true;

	for (;;) {
		more_was = more_was && fer_capture_read(expected, &was, error) > 0;
		more_is = more_is && fer_capture_read(got, &is, error) > 0;
		if (!more_was && !more_is)
			break;
		n_was += more_was;
		n_is += more_is;
		if (more_was && more_is && !same_packet(&was, &is) && n_changed++ < MAX_SHOWN)
			show_packet(n_is, &was, &is);
	}
	printf("  %u packets, expected %u; %u of them changed\n", n_is, n_was, n_changed);
}

static void show_captures(const char *expected_path, const char *got_path)
{
	char error[FER_CAPTURE_ERROR_BYTES];
	struct fer_capture *expected = fer_capture_open(expected_path, error);
	struct fer_capture *got = fer_capture_open(got_path, error);

	if (expected != NULL && got != NULL)
		show_packets(expected, got);
	else
		printf("  %s\n", error);
	fer_capture_close(expected);
	fer_capture_close(got);
}

static int line_len(const char *line)
{
	return (int)strcspn(line, "\n");
}

static const char *next_line(const char *line)
{
	line += line_len(line);
	return *line == '\0' ? line : line + 1;
}

static void show_lines(const char *was, const char *is)
{
	unsigned n_changed = 0;

	for (; *was != '\0' || *is != '\0'; was = next_line(was), is = next_line(is)) {
		if (line_len(was) == line_len(is) && memcmp(was, is, (size_t)line_len(is)) == 0)
			continue;
		if (n_changed++ < MAX_SHOWN)
			printf("  - %.*s\n  + %.*s\n", line_len(was), was, line_len(is), is);
	}
	printf("  %u lines changed\n", n_changed);
}

// --- Cases -------------------------------------------------------------------------------------

static void run_case(const char *stem)
{
	char error[FER_RUN_ERROR_BYTES], doc_path[MAX_PATH], in[MAX_PATH], out[MAX_PATH],
		oob[MAX_PATH];
	struct fer_doc_error doc_error;
	struct fer_doc *doc;
	const char *name = strrchr(stem, '/') + 1;

	path_of(doc_path, "%s.yaml", stem);
	path_of(in, "%s.in.pcap", stem);
	path_of(out, "%s/out.pcap", scratch);
	path_of(oob, "%s/oob.jsonl", scratch);
	if (fer_doc_load_file(doc_path, &doc, &doc_error) != 0)
		fail_msg("%s", doc_error.text);
	const struct fer_run_params params = {
		.doc = doc,
		.in = in,
		.out = out,
		.oob = oob,
		.protect = strncmp(name, "protect-", strlen("protect-")) == 0,
		.ivs = test_iv_fixed(),
	};
	int rc = fer_run(&params, error);
	fer_doc_destroy(doc);
	if (rc != 0)
		fail_msg("%s", error);
}

// Compares what the last run left with what is expected, and shows where they differ.
static bool differs(const char *stem, const char *ending, bool regenerate)
{
	char expected[MAX_PATH], got[MAX_PATH];

	path_of(expected, "%s%s", stem, ending);
	path_of(got, "%s/%s", scratch, ending + 1);
	struct file was = read_file(expected), is = read_file(got);
	bool differ = was.len != is.len || memcmp(was.bytes, is.bytes, is.len) != 0;
	if (differ) {
		printf("%s\n", expected);
		if (was.len == 0)
			printf("  new, %zu bytes\n", is.len);
		else if (strcmp(ending, endings[0]) == 0)
			show_captures(expected, got);
		else
			show_lines(was.bytes, is.bytes);
		if (regenerate)
			write_file(expected, &is);
	}
	unlink(got);
	free(was.bytes);
	free(is.bytes);
	return differ;
}

static void test_case(void **state)
{
	const char *stem = *state;
	bool differ = false;

	run_case(stem);
	for (unsigned i = 0; i < N_ENDINGS; i++)
		differ = differs(stem, endings[i], false) || differ;
	assert_false(differ);
}

static void regenerate_case(void **state)
{
	const char *stem = *state;

	run_case(stem);
	for (unsigned i = 0; i < N_ENDINGS; i++)
		differs(stem, endings[i], true);
}

static bool is_named(const char *stem, char **names)
{
	const char *name = strrchr(stem, '/') + 1;

	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

static void make_scratch(void)
{
	if (mkdtemp(scratch) == NULL) {
		perror(scratch);
		exit(EXIT_FAILURE);
	}
}

// In the order of the alphabet: what protect makes is there before it is opened again.
static int run_cases(const char *folder, bool regenerate, char **names)
{
	static struct CMUnitTest tests[MAX_CASES];
	char pattern[MAX_PATH];
	glob_t found;
	size_t n = 0;

	path_of(pattern, "%s/*.yaml", folder);
	if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc > MAX_CASES) {
		fprintf(stderr, "%s: no cases, or more than %d\n", pattern, MAX_CASES);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *stem = found.gl_pathv[i];

		stem[strlen(stem) - strlen(".yaml")] = '\0';
		if (*names == NULL || is_named(stem, names))
			tests[n++] = (struct CMUnitTest){
				.name = strrchr(stem, '/') + 1,
				.test_func = regenerate ? regenerate_case : test_case,
				.initial_state = stem,
			};
	}
	make_scratch();
	int n_failed = _cmocka_run_group_tests("golden", tests, n, NULL, NULL);
	rmdir(scratch);
	globfree(&found);
	return n_failed;
}

int main(int argc, char **argv)
{
	bool regenerate = argc > 1 && strcmp(argv[1], "--regenerate") == 0;
	int at = 1 + regenerate;

	if (at >= argc) {
		fprintf(stderr, "usage: golden_test [--regenerate] FOLDER [NAME ...]\n");
		return 2;
	}
	fer_test_eal_init("256");
	if (fer_oob_register() != 0) {
		fprintf(stderr, "golden_test: no room in mbufs\n");
		return EXIT_FAILURE;
	}
	return run_cases(argv[at], regenerate, argv + at + 1);
}
