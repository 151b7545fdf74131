// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES 1024

// JOURNAL_STREAM is "DEVICE:INODE" of what the service was given as standard error.
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (stream == NULL || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
		return false;
	return fstat(fd, &st) == 0 && st.st_dev == device && st.st_ino == inode;
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
