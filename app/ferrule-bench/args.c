// SPDX-License-Identifier: BSD-3-Clause
#include "args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SECONDS 60.0

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

int fer_bench_parse_options(int argc, char **argv, const struct option options[], const char *usage,
	const char *help, int (*take)(int option, void *into), void *into, bool *done)
{
	int rc = 0;

	for (int c; rc == 0 && (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c == 'h') {
			printf("%s%s", usage, help);
			*done = true;
			break;
		}
		rc = take(c, into);
	}
	if (rc == 0 && !*done && optind < argc)
		return fer_bench_refuse("takes no argument \"%s\"", argv[optind]);
	return rc;
}

int fer_bench_parse_number(
	const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *number)
{
	char *end;

	errno = 0;
	unsigned long v = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || v < min || v > max)
		return fer_bench_refuse(
			"--%s: \"%s\" is not a number from %u to %u", option, text, min, max);
	*number = (uint32_t)v;
	return 0;
}

bool fer_bench_next_item(const char **list, char item[FER_BENCH_NAME_BYTES])
{
	if (*list == NULL)
		return false;
	size_t len = strcspn(*list, ",");

	snprintf(item, FER_BENCH_NAME_BYTES, "%.*s", (int)len, *list);
	*list = (*list)[len] == ',' ? *list + len + 1 : NULL;
	return true;
}

int fer_bench_parse_numbers(const char *option, const char *list, uint32_t min, uint32_t max,
	struct fer_bench_numbers *numbers)
{
	char item[FER_BENCH_NAME_BYTES];
	int rc = 0;

	for (numbers->n = 0; rc == 0 && fer_bench_next_item(&list, item); numbers->n++) {
		if (numbers->n == FER_BENCH_MAX_ITEMS)
			return fer_bench_refuse(
				"--%s: more than %d items", option, FER_BENCH_MAX_ITEMS);
		rc = fer_bench_parse_number(option, item, min, max, &numbers->value[numbers->n]);
	}
	return rc;
}

int fer_bench_parse_sizes(
	const char *list, uint32_t min, uint32_t max, struct fer_bench_numbers *numbers)
{
	char item[FER_BENCH_NAME_BYTES];
	int rc = 0;

	for (numbers->n = 0; rc == 0 && fer_bench_next_item(&list, item); numbers->n++) {
		if (numbers->n == FER_BENCH_MAX_ITEMS)
			return fer_bench_refuse("--size: more than %d items", FER_BENCH_MAX_ITEMS);
		if (strcmp(item, "imix") == 0)
			numbers->value[numbers->n] = FER_BENCH_IMIX;
		else
			rc = fer_bench_parse_number(
				"size", item, min, max, &numbers->value[numbers->n]);
	}
	return rc;
}

int fer_bench_parse_direction(const char *text, enum fer_direction *direction)
{
	if (strcmp(text, "out") != 0 && strcmp(text, "in") != 0)
		return fer_bench_refuse("--direction: \"%s\" is neither out nor in", text);
	*direction = strcmp(text, "out") == 0 ? FER_OUT : FER_IN;
	return 0;
}

const char *fer_bench_direction_name(enum fer_direction direction)
{
	return direction == FER_OUT ? "out" : "in";
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

int fer_bench_parse_algorithms(const char *list, struct fer_bench_algorithms *algorithms)
{
	char item[FER_BENCH_NAME_BYTES];
	int rc = 0;

	for (algorithms->n = 0; rc == 0 && fer_bench_next_item(&list, item); algorithms->n++) {
		if (algorithms->n == FER_BENCH_MAX_ITEMS)
			return fer_bench_refuse(
				"--algorithm: more than %d items", FER_BENCH_MAX_ITEMS);
		rc = parse_algorithm(item, &algorithms->value[algorithms->n]);
	}
	return rc;
}

int fer_bench_parse_seconds(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || !(*seconds > 0) ||
		*seconds > MAX_SECONDS)
		return fer_bench_refuse(
			"--seconds: \"%s\" is not a time up to %.0f", text, MAX_SECONDS);
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
