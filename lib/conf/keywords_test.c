// SPDX-License-Identifier: BSD-3-Clause
// Do keywords say what their file says, and does the file keep what is written to it?
#include "conf/keywords.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/ferrule-keywords-XXXXXX";
static char path[64];
static struct fer_keywords k;
static struct fer_doc_error err;

static void put(const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *want)
{
	char got[4096];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(got, want);
}

static int ipsec_of(const char *text)
{
	put(text, strlen(text));
	if (fer_keywords_load(path, "east", &k, &err) != 0)
		fail_msg("%s", err.text);
	return k.value[FER_KEYWORD_IPSEC_V2];
}

// Contract section 5.3: what is not there has its default.
static void defaults(void **state)
{
	(void)state;
	unlink(path);
	assert_int_equal(fer_keywords_load(path, "east", &k, &err), 0);
	for (unsigned i = 0; i < FER_N_KEYWORDS; i++)
		assert_int_equal(k.value[i], i < FER_KEYWORD_LSO_V1_IPV4 ? 3 : 1);
}

static void values(void **state)
{
	static const struct {
		const char *text;
		int ipsec;
	} rows[] = {
		{"", 3},
		{"\n; *IPsecOffloadV2 = 0\n#*IPsecOffloadV2=0\n", 3},
		{"*IPsecOffloadV2 = 0", 0},
		{"  *ipsecoffloadv2=1\r\n", 1},
		{"*IPsecOffloadV2\t=\t02\n", 2},
		{"*IPsecOffloadV2 = 1\n*IPsecOffloadV2 = 2\n", 2},
		{"*RSS = anything\nNetworkAddress = \n*IPsecOffloadV2 = 1\n", 1},
		{"[west]\n*IPsecOffloadV2 = 0\n", 3},
		{"*IPsecOffloadV2 = 1\n[west]\n*IPsecOffloadV2 = 0\n", 1},
		{"[ East ]\n*IPsecOffloadV2 = 2\n[west]\n*IPsecOffloadV2 = 0\n", 2},
		{"*IPsecOffloadV2 = 1\n[west]\n[east]\n*IPsecOffloadV2 = 0\n", 0},
		{"*IPsecOffloadV2IPv4 = 0\n", 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ipsec_of(rows[i].text), rows[i].ipsec);
}

static void every_keyword_is_read(void **state)
{
	static const char *const names[] = {"*IPsecOffloadV2", "*IPsecOffloadV2IPv4",
		"*IPChecksumOffloadIPv4", "*TCPChecksumOffloadIPv4", "*TCPChecksumOffloadIPv6",
		"*UDPChecksumOffloadIPv4", "*UDPChecksumOffloadIPv6", "*LsoV1IPv4", "*LsoV2IPv4",
		"*LsoV2IPv6"};

	(void)state;
	for (unsigned i = 0; i < FER_N_KEYWORDS; i++) {
		char text[64];
		int len = snprintf(text, sizeof(text), "%s = 0\n", names[i]);

		put(text, (size_t)len);
		assert_int_equal(fer_keywords_load(path, "east", &k, &err), 0);
		for (unsigned j = 0; j < FER_N_KEYWORDS; j++)
			assert_true((k.value[j] == 0) == (i == j));
	}
}

static void refusals(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"\n*IPsecOffloadV2 = 4\n", ":2: *IPsecOffloadV2: must be a number from 0 to 3"},
		{"*LsoV2IPv4 = 2\n", ":1: *LsoV2IPv4: must be a number from 0 to 1"},
		{"*IPsecOffloadV2 =\n", ":1: *IPsecOffloadV2: must be a number from 0 to 3"},
		{"*IPsecOffloadV2 = -1\n", ":1: *IPsecOffloadV2: must be a number from 0 to 3"},
		{"*IPsecOffloadV2 = 99999999999999999999\n",
			":1: *IPsecOffloadV2: must be a number from 0 to 3"},
		{"*IPsecOffloadV2 = 3 ; both\n",
			":1: *IPsecOffloadV2: must be a number from 0 to 3"},
		{"[west]\n*IPsecOffloadV2 = x\n",
			":2: *IPsecOffloadV2: must be a number from 0 to 3"},
		{"*IPsecOffloadV2 3\n", ":1: line: is neither \"NAME = VALUE\" nor \"[PAIR]\""},
		{"= 3\n", ":1: line: is neither \"NAME = VALUE\" nor \"[PAIR]\""},
		{"[east\n", ":1: line: is neither \"NAME = VALUE\" nor \"[PAIR]\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char want[256];

		put(rows[i].text, strlen(rows[i].text));
		assert_int_equal(fer_keywords_load(path, "east", &k, &err), -EINVAL);
		snprintf(want, sizeof(want), "%s%s", path, rows[i].want);
		assert_string_equal(err.text, want);
	}
}

static void what_cannot_be_read(void **state)
{
	static char long_file[FER_KEYWORDS_MAX_BYTES + 1];

	(void)state;
	memset(long_file, '\n', sizeof(long_file));
	put(long_file, sizeof(long_file) - 1);
	assert_int_equal(fer_keywords_load(path, "east", &k, &err), 0);
	put(long_file, sizeof(long_file));
	assert_int_equal(fer_keywords_load(path, "east", &k, &err), -EFBIG);
	assert_int_equal(fer_keywords_load(folder, "east", &k, &err), -EISDIR);
	assert_int_equal(strncmp(err.text, folder, strlen(folder)), 0);
	assert_int_equal(fer_keywords_load("/dev/null/x", "east", &k, &err), -ENOTDIR);
	put("\0\0=\0", 4);
	assert_int_equal(fer_keywords_load(path, "east", &k, &err), 0);
}

// Reads, changes one, writes.
static void change(const char *text, enum fer_keyword what, uint8_t value, const char *want)
{
	put(text, strlen(text));
	assert_int_equal(fer_keywords_load(path, "east", &k, &err), 0);
	k.value[what] = value;
	if (fer_keywords_save(path, "east", &k, &err) != 0)
		fail_msg("%s", err.text);
	assert_file(want);
	assert_int_equal(fer_keywords_load(path, "east", &k, &err), 0);
	assert_int_equal(k.value[what], value);
}

// what was set survives.
static void writing(void **state)
{
	(void)state;
	change("", FER_KEYWORD_IPSEC_V2, 2, "[east]\n*IPsecOffloadV2 = 2\n");
	change("; ours\n*IPsecOffloadV2 = 2", FER_KEYWORD_IPSEC_V2, 0,
		"; ours\n*IPsecOffloadV2 = 2\n\n[east]\n*IPsecOffloadV2 = 0\n");
	change("[east]\n; why\n*IPsecOffloadV2 = 2\n*RSS = 1\n*ipsecoffloadv2 = 1\n[west]\n"
	       "*IPsecOffloadV2 = 2\n",
		FER_KEYWORD_IPSEC_V2, 0,
		"[east]\n*IPsecOffloadV2 = 0\n; why\n*RSS = 1\n[west]\n*IPsecOffloadV2 = 2\n");
	change("*IPsecOffloadV2 = 0\n[east]\n", FER_KEYWORD_IPSEC_V2, 3,
		"*IPsecOffloadV2 = 0\n[east]\n*IPsecOffloadV2 = 3\n");
	change("[east]\n*LsoV2IPv6 = 0\n", FER_KEYWORD_IPSEC_V2, 1,
		"[east]\n*IPsecOffloadV2 = 1\n*LsoV2IPv6 = 0\n");
}

static void writing_nothing_new(void **state)
{
	static const char text[] = "*IPsecOffloadV2 = 2";
	struct stat before, after;

	(void)state;
	put(text, strlen(text));
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(fer_keywords_load(path, "east", &k, &err), 0);
	assert_int_equal(fer_keywords_save(path, "east", &k, &err), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	assert_file(text);
}

static void writing_keeps_the_mode(void **state)
{
	struct stat st;

	(void)state;
	put("", 0);
	assert_int_equal(chmod(path, 0640), 0);
	fer_keywords_default(&k);
	k.value[FER_KEYWORD_IPSEC_V2] = 1;
	assert_int_equal(fer_keywords_save(path, "east", &k, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

// A file that could not be read must not be replaced by what we think it says.
static void what_cannot_be_written(void **state)
{
	static const char bad[] = "*IPsecOffloadV2 = 9\n";

	(void)state;
	fer_keywords_default(&k);
	k.value[FER_KEYWORD_IPSEC_V2] = 1;
	put(bad, strlen(bad));
	assert_int_equal(fer_keywords_save(path, "east", &k, &err), -EINVAL);
	assert_file(bad);
	assert_int_equal(fer_keywords_save("/nowhere/keywords", "east", &k, &err), -ENOENT);
	assert_string_equal(err.text, "/nowhere/keywords: No such file or directory");
}

// --- no room ------------------------------------------------------------------------------------

// A comment that shows where it is not whole; lines of 64 bytes.
static char long_text(size_t i)
{
	return i % 64 == 0 ? ';' : i % 64 == 63 ? '\n' : (char)('a' + i / 64 % 26);
}

static void put_long(size_t len)
{
	static char text[FER_KEYWORDS_MAX_BYTES];

	assert_true(len <= sizeof(text));
	for (size_t i = 0; i < len; i++)
		text[i] = long_text(i);
	put(text, len);
}

static bool is_long(size_t len)
{
	static char got[FER_KEYWORDS_MAX_BYTES];
	FILE *f = fopen(path, "re");
	bool is_whole = f != NULL && fread(got, 1, sizeof(got), f) == len;

	for (size_t i = 0; is_whole && i < len; i++)
		is_whole = got[i] == long_text(i);
	if (f != NULL)
		(void)fclose(f);
	return is_whole;
}

static unsigned count_files(void)
{
	DIR *d = opendir(folder);
	unsigned n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

// Changes one keyword of the file, which must fail so and leave it as it was, alone in its folder.
static void assert_no_room(size_t len, int want)
{
	char text[128];

	fer_keywords_default(&k);
	k.value[FER_KEYWORD_IPSEC_V2] = 1;
	assert_int_equal(fer_keywords_save(path, "east", &k, &err), want);
	snprintf(text, sizeof(text), "%s: %s", path, strerror(-want));
	assert_string_equal(err.text, text);
	assert_true(is_long(len));
	assert_int_equal(count_files(), 1);
}

static bool write_proc(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	return f != NULL && fputs(text, f) >= 0 && fclose(f) == 0;
}

// Gives this process mounts of its own, where need be as root of a user namespace.
static bool has_own_mounts(void)
{
	char uid[32], gid[32];

	snprintf(uid, sizeof(uid), "0 %u 1", geteuid());
	snprintf(gid, sizeof(gid), "0 %u 1", getegid());
	if (unshare(CLONE_NEWNS) != 0 && (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 ||
						 !write_proc("/proc/self/setgroups", "deny") ||
						 !write_proc("/proc/self/uid_map", uid) ||
						 !write_proc("/proc/self/gid_map", gid)))
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

// The last one: no other process sees this disk, nor does this one see other mounts afterwards.
static void a_full_disk(void **state)
{
	const size_t page = (size_t)getpagesize();
	char options[64];

	(void)state;
	snprintf(options, sizeof(options), "size=%zu", 3 * page);
	if (!has_own_mounts() || mount("none", folder, "tmpfs", 0, options) != 0) {
		print_message("no mounts of its own for this process\n");
		skip();
	}
	put_long(page + 100); // two pages, and there is one more
	assert_no_room(page + 100, -ENOSPC);
	put_long(3 * page); // not one
	assert_no_room(3 * page, -ENOSPC);
	assert_int_equal(umount(folder), 0);
}

// What nobody could read again is not written.
static void a_file_that_is_full(void **state)
{
	(void)state;
	put_long(FER_KEYWORDS_MAX_BYTES);
	assert_no_room(FER_KEYWORDS_MAX_BYTES, -EFBIG);
}

static void a_limit_of_the_process(void **state)
{
	struct rlimit old, small = {.rlim_cur = 5000};

	(void)state;
	put_long(8000);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_no_room(8000, -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	(void)signal(SIGXFSZ, SIG_DFL);
}

static int open_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/keywords", folder);
	return 0;
}

// Nothing but the file was left in its folder.
static int close_folder(void **state)
{
	(void)state;
	return unlink(path) == 0 ? rmdir(folder) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(values),
		cmocka_unit_test(every_keyword_is_read),
		cmocka_unit_test(refusals),
		cmocka_unit_test(what_cannot_be_read),
		cmocka_unit_test(writing),
		cmocka_unit_test(writing_nothing_new),
		cmocka_unit_test(writing_keeps_the_mode),
		cmocka_unit_test(what_cannot_be_written),
		cmocka_unit_test(a_file_that_is_full),
		cmocka_unit_test(a_limit_of_the_process),
		cmocka_unit_test(a_full_disk),
	};

	return cmocka_run_group_tests(tests, open_folder, close_folder);
}
