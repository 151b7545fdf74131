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

static int parse_algorithm(const char *item, struct fer_bench_algorithm *a)
{
	char encryption[FER_BENCH_NAME_BYTES];
	const char *plus = strchr(item, '+');
	int len = plus != NULL ? (int)(plus - item) : (int)strlen(item);
	struct fer_suite suite;

	*a = (struct fer_bench_algorithm){0};
	snprintf(a->name, sizeof(a->name), "%s", item);
	snprintf(encryption, sizeof(encryption), "%.*s", len, item);
	a->encryption = fer_algo_find(FER_ENCRYPTION, encryption);
	if (a->encryption == NULL)
		return fer_bench_refuse(
			"--algorithm: \"%s\" is no encryption algorithm", encryption);
	if (plus != NULL) {
		a->integrity = fer_algo_find(FER_INTEGRITY, plus + 1);
		if (a->integrity == NULL)
			return fer_bench_refuse(
				"--algorithm: \"%s\" is no integrity algorithm", plus + 1);
	}
	const char *why = fer_suite_init(&suite, a->encryption, a->integrity, 0);
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
