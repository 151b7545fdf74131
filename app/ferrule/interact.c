// SPDX-License-Identifier: BSD-3-Clause
#include "interact.h"

#include "command.h"
#include "complete.h"

#include <histedit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HISTORY 200 // lines
#define MAX_WORDS 64
#define SHOWN 200 // candidates

static const struct session *defaults;

static char *prompt(EditLine *el)
{
	static char text[] = "ferrule> ";

	(void)el;
	return text;
}

// --- completion ---------------------------------------------------------------------------------

// Words that may come next: how many, what they have in common, and the first ones.
struct candidates {
	unsigned n;
	char common[256];
	char *words[SHOWN];
};

static void take(void *arg, const char *word)
{
	struct candidates *c = arg;
	size_t same = 0;

	if (c->n == 0)
		snprintf(c->common, sizeof(c->common), "%s", word);
	while (c->common[same] != '\0' && c->common[same] == word[same])
		same++;
	c->common[same] = '\0';
	if (c->n < SHOWN)
		c->words[c->n] = strdup(word);
	c->n++;
}

static void show(const struct candidates *c)
{
	putchar('\n');
	for (unsigned i = 0; i < c->n && i < SHOWN; i++)
		printf("%s%s", c->words[i] == NULL ? "" : c->words[i], i + 1 < c->n ? "  " : "");
	puts(c->n > SHOWN ? "..." : "");
	(void)fflush(stdout);
}

// Splits the line up to the cursor; the last word is the one that is begun.
static int split(char *line, char *words[MAX_WORDS])
{
	int n = 0;

	for (char *rest = line, *word; n < MAX_WORDS && (word = strsep(&rest, " \t")) != NULL;)
		if (*word != '\0' || rest == NULL)
			words[n++] = word;
	return n;
}

static unsigned char on_tab(EditLine *el, int key)
{
	const LineInfo *info = el_line(el);
	char *line = strndup(info->buffer, (size_t)(info->cursor - info->buffer));
	struct candidates c = {.n = 0};
	char *words[MAX_WORDS];
	unsigned char answer = CC_ERROR;

	(void)key;
	if (line == NULL)
		return CC_ERROR;
	const int n = split(line, words);
	if (n > 0) {
		const char *begun = words[n - 1];

		complete(defaults, n - 1, words, begun, take, &c);
		if (c.n > 0 && el_insertstr(el, c.common + strlen(begun)) == 0 &&
			(c.n > 1 || el_insertstr(el, " ") == 0))
			answer = CC_REFRESH;
		if (c.n > 1 && strlen(c.common) == strlen(begun)) {
			show(&c);
			answer = CC_REDISPLAY;
		}
	}
	for (unsigned i = 0; i < c.n && i < SHOWN; i++)
		free(c.words[i]);
	free(line);
	return answer;
}

// --- commands -----------------------------------------------------------------------------------

// A process of its own: an interrupt ends the command and not the rest.
static void run(int argc, const char **argv)
{
	char *words[MAX_WORDS + 2] = {(char[]){"ferrule"}};
	sigset_t interrupt;
	pid_t child;

	for (int i = 0; i < argc && i < MAX_WORDS; i++)
		words[i + 1] = strdup(argv[i]);
	(void)fflush(stdout);
	// An interrupt that comes before the command can be ended by it waits for that moment.
	(void)sigemptyset(&interrupt);
	(void)sigaddset(&interrupt, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &interrupt, NULL);
	child = fork();
	if (child == 0) {
		(void)signal(SIGINT, SIG_DFL);
		(void)sigprocmask(SIG_UNBLOCK, &interrupt, NULL);
		int status = command_run(argc + 1, words, defaults, NULL);
		(void)fflush(stdout);
		_exit(status);
	}
	(void)sigprocmask(SIG_UNBLOCK, &interrupt, NULL);
	for (int i = 0; i < argc; i++)
		free(words[i + 1]);
	if (child < 0)
		complain("no further process can be made");
	else
		(void)waitpid(child, NULL, 0);
}

// False: the user has had enough.
static bool take_line(const char *line, Tokenizer *tok, History *lines)
{
	HistEvent event;
	const char **argv;
	int argc = 0;

	tok_reset(tok);
	if (tok_str(tok, line, &argc, &argv) != 0) {
		complain("a quote is open");
		return true;
	}
	if (argc == 0)
		return true;
	(void)history(lines, &event, H_ENTER, line);
	if (strcmp(argv[0], "quit") == 0 || strcmp(argv[0], "exit") == 0)
		return false;
	if (argc > MAX_WORDS)
		complain("more than %d words", MAX_WORDS);
	else
		run(argc, argv);
	return true;
}

int interact(const struct session *s)
{
	EditLine *el = el_init("ferrule", stdin, stdout, stderr);
	History *lines = history_init();
	Tokenizer *tok = tok_init(NULL);
	HistEvent event;
	const char *line;
	int n;

	defaults = s;
	if (el == NULL || lines == NULL || tok == NULL) {
		complain("no memory");
		return EXIT_FAILURE;
	}
	(void)history(lines, &event, H_SETSIZE, HISTORY);
	(void)el_set(el, EL_PROMPT, prompt);
	(void)el_set(el, EL_EDITOR, "emacs");
	(void)el_set(el, EL_HIST, history, lines);
	(void)el_set(el, EL_SIGNAL, 1);
	(void)el_set(el, EL_ADDFN, "ferrule-complete", "completes a word", on_tab);
	(void)el_set(el, EL_BIND, "^I", "ferrule-complete", NULL);
	(void)signal(SIGINT, SIG_IGN);
	while ((line = el_gets(el, &n)) != NULL && n > 0)
		if (!take_line(line, tok, lines))
			break;
	tok_end(tok);
	history_end(lines);
	el_end(el);
	return EXIT_SUCCESS;
}
