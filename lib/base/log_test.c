// SPDX-License-Identifier: BSD-3-Clause
// Is a message one line, whatever is in it, and does the journal get its level?
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char got[4096];
static int ends[2];

// Reads what was logged; a message is in the pipe when the call is back.
static const char *read_line(void)
{
	ssize_t n = read(ends[0], got, sizeof(got) - 1);

	assert_true(n > 0);
	got[n] = '\0';
	return got;
}

static int open_pipe(void **state)
{
	(void)state;
	return pipe(ends);
}

static void a_message_is_one_line(void **state)
{
	const struct fer_log log = {.program = "ferruled", .fd = ends[1]};

	(void)state;
	fer_log(&log, FER_LOG_ERROR, "port %s: %d", "a\nb\x1b[0m", -1);
	assert_string_equal(read_line(), "ferruled: port a?b?[0m: -1\n");
	fer_log(&log, FER_LOG_INFO, "%s", "");
	assert_string_equal(read_line(), "ferruled: \n");
}

static void the_journal_gets_the_level(void **state)
{
	const struct fer_log log = {.program = "ferruled", .fd = ends[1], .is_journal = true};

	(void)state;
	fer_log(&log, FER_LOG_WARNING, "worker %u stalls", 3u);
	assert_string_equal(read_line(), "<4>worker 3 stalls\n");
}

static void a_long_message_is_cut(void **state)
{
	const struct fer_log log = {.program = "ferruled", .fd = ends[1]};
	char text[3000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	fer_log(&log, FER_LOG_ERROR, "%s", text);
	size_t len = strlen(read_line());
	assert_true(len > 1000 && len <= 1024);
	assert_int_equal(got[len - 1], '\n');
	assert_int_equal(strspn(got + strlen("ferruled: "), "x"), len - strlen("ferruled: ") - 1);
}

static void the_journal_is_known_by_its_stream(void **state)
{
	struct fer_log log;
	struct stat st;
	char stream[64];

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	fer_log_init(&log, "ferruled");
	assert_true(log.is_journal);
	setenv("JOURNAL_STREAM", "1:1", 1);
	fer_log_init(&log, "ferruled");
	assert_false(log.is_journal);
	unsetenv("JOURNAL_STREAM");
	fer_log_init(&log, "ferruled");
	assert_false(log.is_journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_one_line),
		cmocka_unit_test(the_journal_gets_the_level),
		cmocka_unit_test(a_long_message_is_cut),
		cmocka_unit_test(the_journal_is_known_by_its_stream),
	};
	return cmocka_run_group_tests(tests, open_pipe, NULL);
}
