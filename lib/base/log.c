// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES 1024

// JOURNAL_STREAM is "DEVICE:INODE" of what the service was given as standard error.
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (stream == NULL || fstat(fd, &st) != 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, own) == 0;
}

void fer_log_init(struct fer_log *l, const char *program)
{
	*l = (struct fer_log){
		.program = program, .fd = STDERR_FILENO, .is_journal = is_journal(STDERR_FILENO)};
}

void fer_log(const struct fer_log *l, enum fer_log_level level, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;
	size_t len;

	if (l->is_journal)
		len = (size_t)snprintf(line, LINE_BYTES / 2, "<%d>", level);
	else
		len = (size_t)snprintf(line, LINE_BYTES / 2, "%.64s: ", l->program);
	va_start(args, format);
	int n = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	va_end(args);
	size_t room = sizeof(line) - len - 2;
	len += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)line[i]))
			line[i] = '?';
	line[len++] = '\n';
	// There is nobody to tell that nobody can be told.
	ssize_t written = write(l->fd, line, len);
	(void)written;
}
