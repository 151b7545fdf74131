// SPDX-License-Identifier: BSD-3-Clause
#include "conf/document.h"

#include "base/secret.h"
#include "conf/load.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_ROOM ((size_t)64 << 10)

// The bytes of a file, from fer_secret_map(): keys are among them.
struct content {
	uint8_t *bytes;
	size_t len;
	size_t room;
};

void fer_doc_error_set(struct fer_doc_error *err, const char *file, uint32_t line,
	const char *field, const char *what)
{
	if (line == 0)
		snprintf(err->text, sizeof(err->text), "%s: %s", file, what);
	else
		snprintf(err->text, sizeof(err->text), "%s:%u: %s: %s", file, line, field, what);
	for (char *c = err->text; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
}

static int load(const char *name, const void *bytes, size_t len, bool is_part, struct fer_doc **doc,
	struct fer_doc_error *err)
{
	struct fer_doc *d = calloc(1, sizeof(*d));
	int rc = -ENOMEM;

	if (d == NULL || (d->name = strdup(name)) == NULL)
		fer_doc_error_set(err, name, 0, NULL, "out of memory");
	else
		rc = fer_load(d, bytes, len, is_part, err);
	if (rc != 0)
		fer_doc_destroy(d);
	else
		*doc = d;
	return rc;
}

int fer_doc_load_bytes(const char *name, const void *bytes, size_t len, struct fer_doc **doc,
	struct fer_doc_error *err)
{
	return load(name, bytes, len, false, doc, err);
}

void fer_doc_destroy(struct fer_doc *doc)
{
	if (doc == NULL)
		return;
	fer_secret_unmap(doc->sas, doc->sas_bytes);
	free(doc->policies);
	free(doc->groups);
	free(doc->pairs);
	free(doc->name);
	free(doc);
}

static int grow(struct content *c, size_t room)
{
	uint8_t *bytes = fer_secret_map(room);

	if (bytes == NULL)
		return -ENOMEM;
	if (c->len != 0)
		memcpy(bytes, c->bytes, c->len);
	fer_secret_unmap(c->bytes, c->room);
	c->bytes = bytes;
	c->room = room;
	return 0;
}

// Makes room for one byte more than a regular file has, so that its end is seen without growing.
static int first_room(int fd, struct content *c)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return grow(c, FIRST_ROOM);
	if ((uint64_t)st.st_size > FER_DOC_MAX_BYTES)
		return -EFBIG;
	return grow(c, (size_t)st.st_size + 1);
}

// Reads to the end of the file.  What has been read is the caller's to unmap in any case.
static int read_all(int fd, struct content *c)
{
	int rc = first_room(fd, c);

	while (rc == 0) {
		ssize_t n = read(fd, c->bytes + c->len, c->room - c->len);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		c->len += n > 0 ? (size_t)n : 0;
		if (c->len > FER_DOC_MAX_BYTES)
			return -EFBIG;
		if (c->len == c->room)
			rc = grow(c, 2 * c->room);
	}
	return rc;
}

static int read_file(const char *path, struct content *c)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int rc;

	if (fd < 0)
		return -errno;
	rc = read_all(fd, c);
	close(fd);
	return rc;
}

static int load_file(
	const char *path, bool is_part, struct fer_doc **doc, struct fer_doc_error *err)
{
	struct content c = {0};
	int rc = read_file(path, &c);

	if (rc == 0)
		rc = load(path, c.bytes, c.len, is_part, doc, err);
	else
		fer_doc_error_set(err, path, 0, NULL, strerror(-rc));
	fer_secret_unmap(c.bytes, c.room);
	return rc;
}

int fer_doc_load_file(const char *path, struct fer_doc **doc, struct fer_doc_error *err)
{
	return load_file(path, false, doc, err);
}

int fer_doc_load_part(const char *path, struct fer_doc **doc, struct fer_doc_error *err)
{
	return load_file(path, true, doc, err);
}
