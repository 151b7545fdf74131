// SPDX-License-Identifier: BSD-3-Clause
// The command line of the daemon's control socket.
#include "command.h"
#include "complete.h"
#include "interact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_word(void *arg, const char *word)
{
	(void)arg;
	puts(word);
}

int main(int argc, char **argv)
{
	const struct session defaults = {.path = FER_CLIENT_DEFAULT_PATH};

	// What the completion of a shell asks: the words so far, the last one of which is begun.
	if (argc > 2 && strcmp(argv[1], "--complete") == 0) {
		complete(&defaults, argc - 3, argv + 2, argv[argc - 1], print_word, NULL);
		return EXIT_SUCCESS;
	}
	return command_run(argc, argv, &defaults, isatty(STDIN_FILENO) ? interact : NULL);
}
