// SPDX-License-Identifier: BSD-3-Clause
// Runs a target without libFuzzer: its corpus, then mutations of it that a seed repeats.  Knows the
// options of libFuzzer that we use:
//
//   TARGET [-runs=N] [-max_total_time=S] [-seed=N] [-max_len=N] [-artifact_prefix=P] FILE|FOLDER...
//   TARGET -make_seeds=FOLDER
//
// An input that ends the process is left in P (default: crash-) followed by "input".
#include "target.h"

#include "../rng.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_INPUTS 4096
#define MAX_LEN (1 << 20)
#define BIG_FILE (1 << 20)

static struct {
	uint8_t *bytes;
	size_t len;
} corpus[MAX_INPUTS];
static unsigned n_inputs;

static struct {
	uint64_t runs, seed, seconds;
	size_t max_len;
	const char *prefix;
} options = {.runs = 0, .seed = 1, .seconds = 0, .max_len = 4096, .prefix = "crash-"};

static uint8_t current[MAX_LEN];
static size_t current_len;

// --- the corpus ---------------------------------------------------------------------------------

static void add_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = malloc(BIG_FILE);

	if (f == NULL || bytes == NULL || n_inputs == MAX_INPUTS) {
		fprintf(stderr, "%s: cannot read it\n", path);
		exit(2);
	}
	corpus[n_inputs].len = fread(bytes, 1, BIG_FILE, f);
	corpus[n_inputs++].bytes = bytes;
	fclose(f);
}

static int is_file(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

// In order, so that a seed repeats a run.
static void add_path(const char *path)
{
	struct dirent **names;
	struct stat s;
	char full[4096];
	int n;

	if (stat(path, &s) == 0 && !S_ISDIR(s.st_mode)) {
		add_file(path);
		return;
	}
	n = scandir(path, &names, is_file, alphasort);
	if (n < 0) {
		fprintf(stderr, "%s: no such file or folder\n", path);
		exit(2);
	}
	for (int i = 0; i < n; i++) {
		snprintf(full, sizeof(full), "%s/%s", path, names[i]->d_name);
		add_file(full);
		free(names[i]);
	}
	free(names);
}

// --- findings -----------------------------------------------------------------------------------

static void leave_input(int number)
{
	char path[4096];
	FILE *f;

	(void)signal(number, SIG_DFL);
	snprintf(path, sizeof(path), "%sinput", options.prefix);
	f = fopen(path, "wb");
	if (f != NULL) {
		(void)fwrite(current, 1, current_len, f);
		fclose(f);
		fprintf(stderr, "the input was left in %s\n", path);
	}
	raise(number);
}

static void run_one(const uint8_t *bytes, size_t len)
{
	// A copy of its own, so that a sanitizer sees where it ends.
	uint8_t *copy = malloc(len + (len == 0));

	if (copy == NULL)
		exit(2);
	memcpy(copy, bytes, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

// --- mutations ----------------------------------------------------------------------------------

static void insert(struct rng *r, size_t at, size_t n)
{
	if (current_len + n > options.max_len)
		return;
	memmove(current + at + n, current + at, current_len - at);
	rng_fill(r, current + at, (uint32_t)n);
	current_len += n;
}

static void erase(size_t at, size_t n)
{
	if (n > current_len - at)
		n = current_len - at;
	memmove(current + at, current + at + n, current_len - at - n);
	current_len -= n;
}

static void splice(struct rng *r, size_t at)
{
	unsigned other = rng_below(r, n_inputs);
	size_t from, n;

	if (corpus[other].len == 0)
		return;
	from = rng_below(r, (uint32_t)corpus[other].len);
	n = corpus[other].len - from;
	if (n > current_len - at)
		n = current_len - at;
	memcpy(current + at, corpus[other].bytes + from, n);
}

static void mutate_once(struct rng *r)
{
	static const uint8_t edges[] = {0, 1, 2, 4, 7, 8, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff};
	size_t at = current_len == 0 ? 0 : rng_below(r, (uint32_t)current_len);

	if (current_len == 0 || rng_once_in(r, 8)) {
		insert(r, at, 1 + rng_below(r, 16));
		return;
	}
	switch (rng_below(r, 6)) {
	case 0:
		current[at] ^= (uint8_t)(1u << rng_below(r, 8));
		break;
	case 1:
		current[at] = edges[rng_below(r, sizeof(edges))];
		break;
	case 2:
		current[at] = (uint8_t)rng_next(r);
		break;
	case 3:
		erase(at, 1 + rng_below(r, 16));
		break;
	case 4:
		current[at] += (uint8_t)(rng_below(r, 9) - 4);
		break;
	default:
		splice(r, at);
	}
}

static void mutate(struct rng *r)
{
	unsigned input = rng_below(r, n_inputs), n = 1 + rng_below(r, 6);

	current_len = corpus[input].len < options.max_len ? corpus[input].len : options.max_len;
	memcpy(current, corpus[input].bytes, current_len);
	while (n-- > 0)
		mutate_once(r);
}

// --- the program --------------------------------------------------------------------------------

static void write_seed(void *arg, const char *name, const void *bytes, size_t len)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
	f = fopen(path, "wb");
	if (f == NULL || fwrite(bytes, 1, len, f) != len || fclose(f) != 0) {
		fprintf(stderr, "%s: cannot write\n", path);
		exit(2);
	}
}

static void take_option(char *text)
{
	char *value = strchr(text, '=');

	if (value == NULL)
		return;
	value++;
	if (strncmp(text, "-runs=", 6) == 0)
		options.runs = strtoull(value, NULL, 0);
	else if (strncmp(text, "-seed=", 6) == 0)
		options.seed = strtoull(value, NULL, 0);
	else if (strncmp(text, "-max_total_time=", 16) == 0)
		options.seconds = strtoull(value, NULL, 0);
	else if (strncmp(text, "-max_len=", 9) == 0)
		options.max_len = strtoull(value, NULL, 0);
	else if (strncmp(text, "-artifact_prefix=", 17) == 0)
		options.prefix = value;
	if (options.max_len > MAX_LEN)
		options.max_len = MAX_LEN;
}

int main(int argc, char **argv)
{
	time_t until;
	uint64_t n = 0;
	struct rng r;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "-make_seeds=", 12) == 0) {
			target_seeds(write_seed, argv[i] + 12);
			return EXIT_SUCCESS;
		}
		if (argv[i][0] == '-')
			take_option(argv[i]);
		else
			add_path(argv[i]);
	}
	if (n_inputs == 0) {
		fprintf(stderr, "no corpus\n");
		return 2;
	}
	(void)signal(SIGABRT, leave_input);
	(void)signal(SIGSEGV, leave_input);
	(void)signal(SIGBUS, leave_input);
	(void)signal(SIGFPE, leave_input);
	for (unsigned i = 0; i < n_inputs; i++) {
		current_len = corpus[i].len;
		memcpy(current, corpus[i].bytes, current_len);
		run_one(current, current_len);
	}
	r = (struct rng){options.seed};
	until = time(NULL) + (time_t)options.seconds;
	for (; n < options.runs || (options.runs == 0 && time(NULL) < until); n++) {
		if (options.seconds != 0 && n % 256 == 0 && time(NULL) >= until)
			break;
		mutate(&r);
		run_one(current, current_len);
	}
	printf("%u inputs of the corpus and %llu mutations, seed %llu\n", n_inputs,
		(unsigned long long)n, (unsigned long long)options.seed);
	return EXIT_SUCCESS;
}
