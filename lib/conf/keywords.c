// SPDX-License-Identifier: BSD-3-Clause
#include "conf/keywords.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *name;
	uint8_t highest;
} keywords[FER_N_KEYWORDS] = {
#define FER_KEYWORD_ROW(symbol, name, highest) {name, highest},
	FER_KEYWORDS(FER_KEYWORD_ROW)
#undef FER_KEYWORD_ROW
};

void fer_keywords_default(struct fer_keywords *k)
{
	for (unsigned i = 0; i < FER_N_KEYWORDS; i++)
		k->value[i] = keywords[i].highest;
}

// --- lines ------------------------------------------------------------------------------------

enum kind { LINE_EMPTY, LINE_SECTION, LINE_KEYWORD, LINE_BAD };

// A piece of the file; nothing is copied.
struct text {
	const char *at;
	size_t len;
};

struct line {
	enum kind kind;
	struct text whole; // its end included
	struct text name;  // of the section or keyword
	struct text value;
};

static struct text trim(struct text t)
{
	while (t.len > 0 && isspace((unsigned char)t.at[0]))
		t = (struct text){t.at + 1, t.len - 1};
	while (t.len > 0 && isspace((unsigned char)t.at[t.len - 1]))
		t.len--;
	return t;
}

static bool is_name(struct text t, const char *name)
{
	return t.len == strlen(name) && strncasecmp(t.at, name, t.len) == 0;
}

static struct line read_line(struct text whole)
{
	struct text t = trim(whole);
	struct line l = {.whole = whole};
	const char *equals = t.len == 0 ? NULL : memchr(t.at, '=', t.len);

	if (t.len == 0 || t.at[0] == ';' || t.at[0] == '#') {
		l.kind = LINE_EMPTY;
	} else if (t.at[0] == '[' && t.at[t.len - 1] == ']' && t.len > 2) {
		l.kind = LINE_SECTION;
		l.name = trim((struct text){t.at + 1, t.len - 2});
	} else if (equals != NULL && equals != t.at) {
		l.kind = LINE_KEYWORD;
		l.name = trim((struct text){t.at, (size_t)(equals - t.at)});
		l.value = trim((struct text){equals + 1, t.len - (size_t)(equals - t.at) - 1});
	} else {
		l.kind = LINE_BAD;
	}
	return l;
}

// A walk over the lines of a file.
struct walk {
	struct text rest;
	const char *pair;
	uint32_t number; // of the line
	bool is_common;  // no section has begun
	bool is_ours;    // the section is that of the pair
	struct line line;
};

static struct walk walk_init(struct text all, const char *pair)
{
	return (struct walk){.rest = all, .pair = pair, .is_common = true};
}

static bool walk_next(struct walk *w)
{
	if (w->rest.len == 0)
		return false;
	const char *end = memchr(w->rest.at, '\n', w->rest.len);
	size_t len = end == NULL ? w->rest.len : (size_t)(end - w->rest.at) + 1;

	w->line = read_line((struct text){w->rest.at, len});
	w->rest = (struct text){w->rest.at + len, w->rest.len - len};
	w->number++;
	if (w->line.kind == LINE_SECTION) {
		w->is_common = false;
		w->is_ours = is_name(w->line.name, w->pair);
	}
	return true;
}

// Which keyword the line names; FER_N_KEYWORDS: none of ours.
static unsigned keyword_of(const struct line *l)
{
	unsigned i = 0;

	while (i < FER_N_KEYWORDS &&
		(l->kind != LINE_KEYWORD || !is_name(l->name, keywords[i].name)))
		i++;
	return i;
}

// --- reading ----------------------------------------------------------------------------------

__attribute__((format(printf, 5, 6))) static int fail(struct fer_doc_error *err, const char *path,
	uint32_t line, const char *field, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	fer_doc_error_set(err, path, line, field, what);
	return -EINVAL;
}

// The registry keeps them as text; "03" is 3.
static bool read_value(struct text t, uint8_t highest, uint8_t *value)
{
	unsigned v = 0;

	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] < '0' || t.at[i] > '9')
			return false;
		v = v * 10 + (unsigned)(t.at[i] - '0');
		if (v > highest)
			return false;
	}
	*value = (uint8_t)v;
	return t.len > 0;
}

static int parse(const char *path, struct text all, const char *pair, struct fer_keywords *k,
	struct fer_doc_error *err)
{
	struct walk w = walk_init(all, pair);
	struct fer_keywords own;
	bool is_own[FER_N_KEYWORDS] = {false};

	fer_keywords_default(k);
	while (walk_next(&w)) {
		unsigned i = keyword_of(&w.line);
		uint8_t value;

		if (w.line.kind == LINE_BAD)
			return fail(err, path, w.number, "line",
				"is neither \"NAME = VALUE\" nor \"[PAIR]\"");
		if (i == FER_N_KEYWORDS)
			continue;
		if (!read_value(w.line.value, keywords[i].highest, &value))
			return fail(err, path, w.number, keywords[i].name,
				"must be a number from 0 to %u", keywords[i].highest);
		if (w.is_ours) {
			own.value[i] = value;
			is_own[i] = true;
		} else if (w.is_common) {
			k->value[i] = value;
		}
	}
	for (unsigned i = 0; i < FER_N_KEYWORDS; i++)
		if (is_own[i])
			k->value[i] = own.value[i];
	return 0;
}

// The whole file, the caller's to free; that of one that does not exist is NULL and 0.
static int read_file(const char *path, char **bytes, size_t *len, mode_t *mode)
{
	struct stat st;
	FILE *f = fopen(path, "re");
	int rc = 0;

	*bytes = NULL;
	*len = 0;
	*mode = 0644;
	if (f == NULL)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fileno(f), &st) != 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EISDIR;
	else if (st.st_size > FER_KEYWORDS_MAX_BYTES)
		rc = -EFBIG;
	*bytes = rc == 0 ? malloc(FER_KEYWORDS_MAX_BYTES + 1) : NULL;
	if (rc == 0 && *bytes == NULL)
		rc = -ENOMEM;
	if (rc == 0) {
		*mode = st.st_mode & 0777;
		*len = fread(*bytes, 1, FER_KEYWORDS_MAX_BYTES + 1, f);
		rc = ferror(f) != 0 ? -EIO : *len > FER_KEYWORDS_MAX_BYTES ? -EFBIG : 0;
	}
	(void)fclose(f);
	return rc;
}

// --- the file beside it -----------------------------------------------------------------------

// Does the descriptor still have that name?
static bool has_name(int fd, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(name, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

// Opens the file that a new one is written into before it gets its name, for one at a time.  Its
// name is always the same, so what a killed writer leaves is found again.  The descriptor, or
// -errno.
static int open_beside(const char *path, char beside[PATH_MAX], int flags)
{
	int n = snprintf(beside, PATH_MAX, "%s.new", path);

	if (n < 0 || n >= PATH_MAX)
		return -ENAMETOOLONG;
	for (;;) {
		int fd = open(beside, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			close(fd);
			return -EBUSY;
		}
		if (has_name(fd, beside))
			return fd;
		close(fd); // it has just become the file itself, or is gone
	}
}

static void sweep(const char *path)
{
	char beside[PATH_MAX];
	int fd = open_beside(path, beside, 0);

	if (fd < 0)
		return; // there is nothing, or its writer is at work
	(void)unlink(beside);
	close(fd);
}

static int fail_errno(struct fer_doc_error *err, const char *path, int rc)
{
	fer_doc_error_set(err, path, 0, NULL, strerror(-rc));
	return rc;
}

int fer_keywords_load(
	const char *path, const char *pair, struct fer_keywords *k, struct fer_doc_error *err)
{
	char *bytes;
	size_t len;
	mode_t mode;

	sweep(path);
	int rc = read_file(path, &bytes, &len, &mode);
	if (rc != 0)
		rc = fail_errno(err, path, rc);
	else
		rc = parse(path, (struct text){bytes, len}, pair, k, err);
	free(bytes);
	return rc;
}

// --- writing ----------------------------------------------------------------------------------

// Writes the values that changed and have not been written yet.
static void put_changed(FILE *to, const struct fer_keywords *k, bool changed[FER_N_KEYWORDS])
{
	for (unsigned i = 0; i < FER_N_KEYWORDS; i++) {
		if (changed[i])
			fprintf(to, "%s = %u\n", keywords[i].name, k->value[i]);
		changed[i] = false;
	}
}

static void put_line(FILE *to, const struct line *l)
{
	(void)fwrite(l->whole.at, 1, l->whole.len, to);
	if (l->whole.at[l->whole.len - 1] != '\n')
		(void)fputc('\n', to);
}

// Copies the file with what changed in the section of the pair, behind its heading.
static void rewrite(FILE *to, struct text all, const char *pair, const struct fer_keywords *k,
	const bool changed[FER_N_KEYWORDS])
{
	struct walk w = walk_init(all, pair);
	bool left[FER_N_KEYWORDS], was_found = false;

	memcpy(left, changed, sizeof(left));
	while (walk_next(&w)) {
		unsigned i = keyword_of(&w.line);

		if (w.is_ours && i < FER_N_KEYWORDS && changed[i])
			continue; // its new value stands behind the heading
		put_line(to, &w.line);
		if (w.is_ours && w.line.kind == LINE_SECTION) {
			put_changed(to, k, left);
			was_found = true;
		}
	}
	if (was_found)
		return;
	fprintf(to, "%s[%s]\n", all.len > 0 ? "\n" : "", pair);
	put_changed(to, k, left);
}

// The new name is on the disk when this returns 0.  Changes the path.
static int sync_folder(char *path)
{
	int rc, fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	rc = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

// The new text of the file, which is the caller's to free whatever comes back.
static int compose(struct text all, const char *pair, const struct fer_keywords *k,
	const bool changed[FER_N_KEYWORDS], char **bytes, size_t *len)
{
	FILE *to = open_memstream(bytes, len);
	bool has_failed;

	if (to == NULL)
		return -errno;
	rewrite(to, all, pair, k, changed);
	has_failed = ferror(to) != 0;
	if (fclose(to) != 0 || has_failed)
		return -ENOMEM;
	return *len > FER_KEYWORDS_MAX_BYTES ? -EFBIG : 0; // nobody could read it
}

// Not through a stream: one tells that something failed, but not what.
static int put_all(int fd, struct text t)
{
	while (t.len > 0) {
		ssize_t n = write(fd, t.at, t.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		t = (struct text){t.at + n, t.len - (size_t)n};
	}
	return 0;
}

// Everything is on the disk when this returns 0.
static int fill(int fd, mode_t mode, struct text t)
{
	int rc = ftruncate(fd, 0) == 0 ? put_all(fd, t) : -errno;

	if (rc != 0)
		return rc;
	return fchmod(fd, mode) == 0 && fsync(fd) == 0 ? 0 : -errno;
}

static int replace(const char *path, mode_t mode, struct text t)
{
	char beside[PATH_MAX];
	int rc, fd = open_beside(path, beside, O_CREAT);

	if (fd < 0)
		return fd;
	rc = fill(fd, mode, t);
	if (rc == 0 && rename(beside, path) != 0)
		rc = -errno;
	if (rc != 0)
		(void)unlink(beside);
	close(fd);                                 // it was locked until now, with its new name
	return rc == 0 ? sync_folder(beside) : rc; // in the same folder
}

static int save(const char *path, mode_t mode, struct text all, const char *pair,
	const struct fer_keywords *k, const bool changed[FER_N_KEYWORDS])
{
	char *bytes = NULL;
	size_t len = 0;
	int rc = compose(all, pair, k, changed, &bytes, &len);

	if (rc == 0)
		rc = replace(path, mode, (struct text){bytes, len});
	free(bytes);
	return rc;
}

int fer_keywords_save(
	const char *path, const char *pair, const struct fer_keywords *k, struct fer_doc_error *err)
{
	bool changed[FER_N_KEYWORDS], any = false;
	struct fer_keywords old;
	char *bytes;
	size_t len;
	mode_t mode;
	int rc = read_file(path, &bytes, &len, &mode);

	if (rc != 0) {
		rc = fail_errno(err, path, rc);
	} else if ((rc = parse(path, (struct text){bytes, len}, pair, &old, err)) == 0) {
		for (unsigned i = 0; i < FER_N_KEYWORDS; i++)
			any |= changed[i] = k->value[i] != old.value[i];
		rc = any ? save(path, mode, (struct text){bytes, len}, pair, k, changed) : 0;
		if (rc != 0)
			rc = fail_errno(err, path, rc);
	}
	free(bytes);
	return rc;
}
