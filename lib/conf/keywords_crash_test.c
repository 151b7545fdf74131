// SPDX-License-Identifier: BSD-3-Clause
// Is the file of keywords the old one or the new one, whole, wherever its writer is killed; is what
// it says on the disk before its name is, and its name before the writer says so?
//
// The linker puts these functions in the place of those that the writer calls: before each of them,
// and behind it, a process is killed in its turn.
#include "conf/keywords.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define MAX_STEPS 200
#define OLD "; what an administrator wrote\n[east]\n*IPsecOffloadV2 = 3\nOther = 7\n"
#define NEW                                                                                        \
	"; what an administrator wrote\n[east]\n*IPsecOffloadV2 = 1\n*LsoV2IPv4 = 0\nOther = 7\n"

static char folder[] = "/tmp/ferrule-crash-XXXXXX";
static char path[64];
static unsigned steps, killed_at = UINT32_MAX;
static char *trace; // shared: a letter for each call that reaches the disk

static void step(char letter)
{
	if (steps++ == killed_at)
		(void)raise(SIGKILL);
	if (letter != 0)
		trace[strlen(trace)] = letter;
}

#define WRAP(type, name, parameters, arguments, letter)                                            \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		step(0);                                                                           \
		type result = __real_##name arguments;                                             \
		step(letter);                                                                      \
		return result;                                                                     \
	}

WRAP(int, flock, (int fd, int what), (fd, what), 0)
WRAP(int, ftruncate64, (int fd, off_t len), (fd, len), 'c')
WRAP(int, fsync, (int fd), (fd), 's')
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), 0)
WRAP(int, rename, (const char *from, const char *to), (from, to), 'r')
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), 'w')
WRAP(int, fclose, (FILE * f), (f), 0)
WRAP(int, close, (int fd), (fd), 0)
WRAP(size_t, fwrite, (const void *p, size_t size, size_t n, FILE *f), (p, size, n, f), 0)

// How many files there are besides the file itself.
static unsigned count_strays(void)
{
	DIR *d = opendir(folder);
	unsigned n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.' && strcmp(e->d_name, "keywords") != 0;
	closedir(d);
	return n;
}

static void put_old(void)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(OLD, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

// 'o' old, 'n' new, '?' anything else.
static char look(void)
{
	char text[512] = "";
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return '?';
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	return n == strlen(OLD) && strcmp(text, OLD) == 0   ? 'o'
	       : n == strlen(NEW) && strcmp(text, NEW) == 0 ? 'n'
							    : '?';
}

static void write_new(void)
{
	struct fer_keywords k;
	struct fer_doc_error err;

	if (fer_keywords_load(path, "east", &k, &err) != 0)
		_exit(2);
	k.value[FER_KEYWORD_IPSEC_V2] = 1;
	k.value[FER_KEYWORD_LSO_V2_IPV4] = 0;
	steps = 0;
	_exit(fer_keywords_save(path, "east", &k, &err) == 0 ? 0 : 3);
}

// The exit status, or minus the signal.
static int run_until(unsigned at)
{
	int status;
	pid_t child;

	memset(trace, 0, MAX_STEPS + 1);
	child = fork();
	if (child == 0) {
		killed_at = at;
		write_new();
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_kill_leaves_the_old_file_or_the_new_one(void **state)
{
	unsigned n_old = 0, n_new = 0, n_strays = 0, at = 0;
	struct fer_keywords k;
	struct fer_doc_error err;
	int rc;

	(void)state;
	for (;; at++) {
		assert_true(at < MAX_STEPS);
		put_old();
		rc = run_until(at);
		if (rc == 0)
			break;
		assert_int_equal(rc, -SIGKILL);
		const char is = look();
		// New exactly when the new name had been given.
		if (is == '?' || (is == 'n') < (strchr(trace, 'r') != NULL))
			fail_msg("step %u: %c, %s", at, is, trace);
		// What it was writing is one file at most, which the next start takes away.
		assert_true(count_strays() <= 1);
		n_strays += count_strays();
		assert_int_equal(fer_keywords_load(path, "east", &k, &err), 0);
		assert_int_equal(count_strays(), 0);
		n_old += is == 'o';
		n_new += is == 'n';
	}
	assert_int_equal(look(), 'n');
	assert_true(n_old > 5 && n_new > 2 && n_strays > 5);
	assert_int_equal(count_strays(), 0);
	// Created, written, on the disk; renamed; and the name on the disk.
	assert_string_equal(trace, "cwsrs");
}

static void what_a_crash_leaves_can_be_written_again(void **state)
{
	(void)state;
	put_old();
	for (unsigned at = 0; count_strays() == 0; at++)
		assert_int_equal(run_until(at), -SIGKILL);
	assert_int_equal(look(), 'o');
	assert_int_equal(run_until(UINT32_MAX), 0);
	assert_int_equal(look(), 'n');
	assert_int_equal(count_strays(), 0);
}

// A file that somebody is writing is neither taken away nor written by a second one.
static void one_writes_at_a_time(void **state)
{
	struct fer_keywords k;
	struct fer_doc_error err;
	char beside[80];

	(void)state;
	put_old();
	snprintf(beside, sizeof(beside), "%s.new", path);
	int fd = open(beside, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
	assert_int_equal(fer_keywords_load(path, "east", &k, &err), 0);
	assert_int_equal(count_strays(), 1);
	k.value[FER_KEYWORD_IPSEC_V2] = 1;
	assert_int_equal(fer_keywords_save(path, "east", &k, &err), -EBUSY);
	assert_int_equal(look(), 'o');
	assert_int_equal(close(fd), 0);
	k.value[FER_KEYWORD_LSO_V2_IPV4] = 0;
	assert_int_equal(fer_keywords_save(path, "east", &k, &err), 0);
	assert_int_equal(look(), 'n');
	assert_int_equal(count_strays(), 0);
}

static int setup(void **state)
{
	(void)state;
	trace = mmap(
		NULL, MAX_STEPS + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (trace == MAP_FAILED || mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/keywords", folder);
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kill_leaves_the_old_file_or_the_new_one),
		cmocka_unit_test(what_a_crash_leaves_can_be_written_again),
		cmocka_unit_test(one_writes_at_a_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
