// SPDX-License-Identifier: BSD-3-Clause
#include "args.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SECONDS 60.0
#define MAX_OPTIONS 32
#define FIRST_OPTION 256 // what getopt calls the first row; above all characters

int fer_bench_refuse(const char *format, ...)
{
	va_list args;

	fputs("ferrule-bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return FER_BENCH_EXIT_USAGE;
}

// The rows as getopt wants them.
static void list_options(
	struct option list[MAX_OPTIONS + 2], const struct fer_bench_option options[], unsigned n)
{
	assert(n <= MAX_OPTIONS);
	for (unsigned i = 0; i < n; i++)
		list[i] = (struct option){options[i].name,
			options[i].read == fer_bench_read_flag ? no_argument : required_argument,
			NULL, (int)(FIRST_OPTION + i)};
	list[n] = (struct option){"help", no_argument, NULL, 'h'};
	list[n + 1] = (struct option){0};
}

int fer_bench_parse_options(int argc, char **argv, const struct fer_bench_option options[],
	unsigned n, const char *usage, const char *help, void *into, bool *done)
{
	struct option list[MAX_OPTIONS + 2];
	int rc = 0;

	list_options(list, options, n);
	for (int c; rc == 0 && (c = getopt_long(argc, argv, "h", list, NULL)) != -1;) {
		if (c == 'h') {
			printf("%s%s", usage, help);
			*done = true;
			break;
		}
		if (c < FIRST_OPTION)
			return FER_BENCH_EXIT_USAGE; // getopt has said why
		const struct fer_bench_option *o = &options[c - FIRST_OPTION];

		rc = o->read(o, optarg, (uint8_t *)into + o->to);
	}
	if (rc == 0 && !*done && optind < argc)
		return fer_bench_refuse("takes no argument \"%s\"", argv[optind]);
	return rc;
}

int fer_bench_read_flag(const struct fer_bench_option *o, const char *text, void *to)
{
	(void)o, (void)text;
	*(bool *)to = true;
	return 0;
}

int fer_bench_read_text(const struct fer_bench_option *o, const char *text, void *to)
{
	(void)o;
	*(const char **)to = text;
	return 0;
}

int fer_bench_read_number(const struct fer_bench_option *o, const char *text, void *to)
{
	char *end;

	errno = 0;
	unsigned long v = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || v < o->min ||
		v > o->max)
		return fer_bench_refuse("--%s: \"%s\" is not a number from %u to %u", o->name, text,
			o->min, o->max);
	*(uint32_t *)to = (uint32_t)v;
	return 0;
}

// Takes the next item off a list.  False behind the last; an item that is too long comes cut.
static bool next_item(const char **list, char item[FER_BENCH_NAME_BYTES])
{
	if (*list == NULL)
		return false;
	size_t len = strcspn(*list, ",");

	snprintf(item, FER_BENCH_NAME_BYTES, "%.*s", (int)len, *list);
	*list = (*list)[len] == ',' ? *list + len + 1 : NULL;
	return true;
}

int fer_bench_read_list(const struct fer_bench_option *o, const char *text, unsigned *n,
	void *values, size_t value_bytes, fer_bench_reader *read)
{
	char item[FER_BENCH_NAME_BYTES];
	int rc = 0;

	for (*n = 0; rc == 0 && next_item(&text, item); ++*n) {
		if (*n == FER_BENCH_MAX_ITEMS)
			return fer_bench_refuse(
				"--%s: more than %d items", o->name, FER_BENCH_MAX_ITEMS);
		rc = read(o, item, (uint8_t *)values + *n * value_bytes);
	}
	return rc;
}

int fer_bench_read_numbers(const struct fer_bench_option *o, const char *text, void *to)
{
	struct fer_bench_numbers *numbers = to;

	return fer_bench_read_list(o, text, &numbers->n, numbers->value, sizeof(numbers->value[0]),
		fer_bench_read_number);
}

static int read_size(const struct fer_bench_option *o, const char *text, void *to)
{
	if (strcmp(text, "imix") != 0)
		return fer_bench_read_number(o, text, to);
	*(uint32_t *)to = FER_BENCH_IMIX;
	return 0;
}

int fer_bench_read_sizes(const struct fer_bench_option *o, const char *text, void *to)
{
	struct fer_bench_numbers *sizes = to;

	return fer_bench_read_list(
		o, text, &sizes->n, sizes->value, sizeof(sizes->value[0]), read_size);
}

// "a is neither b nor c", as the names are.
static int refuse_name(
	const struct fer_bench_option *o, const char *text, const char *const names[], unsigned n)
{
	char list[256] = "";

	for (unsigned i = 0; i < n; i++) {
		const size_t len = strlen(list);

		snprintf(list + len, sizeof(list) - len, i == 0 ? "%s" : " nor %s", names[i]);
	}
	return fer_bench_refuse("--%s: \"%s\" is neither %s", o->name, text, list);
}

int fer_bench_read_name(const struct fer_bench_option *o, const char *text,
	const char *const names[], unsigned n, void *value)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(text, names[i]) == 0) {
			*(unsigned *)value = i;
			return 0;
		}
	return refuse_name(o, text, names, n);
}

int fer_bench_read_either(const struct fer_bench_option *o, const char *text,
	const char *const names[2], bool *is_second)
{
	unsigned found = 0;
	const int rc = fer_bench_read_name(o, text, names, 2, &found);

	*is_second = found == 1;
	return rc;
}

static const char *const directions[] = {[FER_OUT] = "out", [FER_IN] = "in"};

int fer_bench_read_direction(const struct fer_bench_option *o, const char *text, void *to)
{
	return fer_bench_read_name(o, text, directions, 2, to);
}

const char *fer_bench_direction_name(enum fer_direction direction)
{
	return directions[direction];
}

const char *fer_bench_suite(const struct fer_bench_algorithm *a, struct fer_suite *suite)
{
	return a->encryption == NULL ? fer_suite_init_ah(suite, a->integrity, 0)
				     : fer_suite_init(suite, a->encryption, a->integrity, 0);
}

static int parse_integrity(const char *name, struct fer_bench_algorithm *a)
{
	a->integrity = fer_algo_find(FER_INTEGRITY, name);
	if (a->integrity == NULL)
		return fer_bench_refuse("--algorithm: \"%s\" is no integrity algorithm", name);
	return 0;
}

static int parse_encryption(const char *name, struct fer_bench_algorithm *a)
{
	a->encryption = fer_algo_find(FER_ENCRYPTION, name);
	if (a->encryption == NULL)
		return fer_bench_refuse("--algorithm: \"%s\" is no encryption algorithm", name);
	return 0;
}

static int parse_algorithm(const char *item, struct fer_bench_algorithm *a)
{
	static const char ah[] = "ah:";
	const char *plus = strchr(item, '+');
	struct fer_suite suite;
	int rc;

	*a = (struct fer_bench_algorithm){0};
	if (strncmp(item, ah, strlen(ah)) == 0) {
		rc = parse_integrity(item + strlen(ah), a);
	} else {
		snprintf(a->name, sizeof(a->name), "%.*s", (int)strcspn(item, "+"), item);
		rc = parse_encryption(a->name, a);
		if (rc == 0 && plus != NULL)
			rc = parse_integrity(plus + 1, a);
	}
	if (rc != 0)
		return rc;
	snprintf(a->name, sizeof(a->name), "%s", item);
	const char *why = fer_bench_suite(a, &suite);
	return why == NULL ? 0 : fer_bench_refuse("--algorithm: %s: %s", item, why);
}

static int read_algorithm(const struct fer_bench_option *o, const char *text, void *to)
{
	(void)o;
	return parse_algorithm(text, to);
}

int fer_bench_read_algorithms(const struct fer_bench_option *o, const char *text, void *to)
{
	struct fer_bench_algorithms *a = to;

	return fer_bench_read_list(o, text, &a->n, a->value, sizeof(a->value[0]), read_algorithm);
}

int fer_bench_parse_algorithms(const char *list, struct fer_bench_algorithms *algorithms)
{
	static const struct fer_bench_option o = {"algorithm", fer_bench_read_algorithms, 0, 0, 0};

	return fer_bench_read_algorithms(&o, list, algorithms);
}

int fer_bench_read_seconds(const struct fer_bench_option *o, const char *text, void *to)
{
	double *seconds = to;
	char *end;

	*seconds = strtod(text, &end);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || !(*seconds > 0) ||
		*seconds > MAX_SECONDS)
		return fer_bench_refuse(
			"--%s: \"%s\" is not a time up to %.0f", o->name, text, MAX_SECONDS);
	return 0;
}

uint32_t fer_bench_largest(const struct fer_bench_numbers *numbers)
{
	uint32_t largest = 0;

	for (unsigned i = 0; i < numbers->n; i++)
		if (numbers->value[i] > largest)
			largest = numbers->value[i];
	return largest;
}
