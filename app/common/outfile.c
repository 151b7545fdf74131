// SPDX-License-Identifier: BSD-3-Clause
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_TEMP_NAMES 100

// Creates o->temp in the folder of dest, which o owns from here on.  A file descriptor, or -1 and
// errno.
static int open_temp(struct fer_outfile *o, char *dest, mode_t mode)
{
	o->dest = dest;
	if (dest == NULL)
		return -1;

	const char *slash = strrchr(dest, '/');
	int dir_len = slash == NULL ? 0 : (int)(slash + 1 - dest);

	for (unsigned i = 0; i < MAX_TEMP_NAMES; i++) {
		char *temp;
		long pid = getpid();

		if (asprintf(&temp, "%.*s.ferrule-%ld-%u", dir_len, dest, pid, i) < 0)
			return -1;
		int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		if (fd >= 0) {
			o->temp = temp;
			return fd;
		}
		free(temp);
		if (errno != EEXIST)
			break;
	}
	return -1;
}

// A file descriptor for the bytes, or -1 and errno.
static int open_destination(struct fer_outfile *o, const char *path)
{
	struct stat st;

	// Where it leads to a file, opening it by name would start at the file's beginning.
	if (strcmp(path, "/dev/stdout") == 0)
		return dup(STDOUT_FILENO);
	if (stat(path, &st) != 0)
		return errno == ENOENT && path[0] != '\0' ? open_temp(o, strdup(path), 0666) : -1;
	if (!S_ISREG(st.st_mode))
		return open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (access(path, W_OK) != 0)
		return -1;
	return open_temp(o, realpath(path, NULL), st.st_mode & 0777);
}

int fer_outfile_open(struct fer_outfile *o, const char *path)
{
	*o = (struct fer_outfile){0};
	int fd = open_destination(o, path);

	if (fd >= 0) {
		o->file = fdopen(fd, "wb");
		if (o->file == NULL)
			close(fd);
	}
	if (o->file != NULL)
		return 0;
	int error = -errno;
	fer_outfile_abort(o);
	return error;
}

int fer_outfile_finish(struct fer_outfile *o)
{
	int rc = ferror(o->file) ? EOF : fflush(o->file);

	// A network file system may say at close() only that its disk is full.
	if (fclose(o->file) != 0)
		rc = EOF;
	o->file = NULL;
	if (rc == 0 && o->temp != NULL)
		rc = rename(o->temp, o->dest);
	int error = rc == 0 ? 0 : errno != 0 ? -errno : -EIO;
	if (rc == 0) {
		free(o->temp);
		o->temp = NULL;
	}
	fer_outfile_abort(o);
	return error;
}

void fer_outfile_abort(struct fer_outfile *o)
{
	if (o->file != NULL)
		fclose(o->file);
	if (o->temp != NULL)
		unlink(o->temp);
	free(o->temp);
	free(o->dest);
	*o = (struct fer_outfile){0};
}
