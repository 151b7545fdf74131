// SPDX-License-Identifier: BSD-3-Clause
#include "interrupts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 4096 // longer ones belong to machines of hundreds of CPUs

// The column of that CPU: the heading names those that are there.
static int column_of(const char *heading, int cpu)
{
	char name[16];
	int at = 0;

	snprintf(name, sizeof(name), "CPU%d", cpu);
	for (const char *word = heading; *(word += strspn(word, " \n")) != '\0'; at++) {
		size_t len = strcspn(word, " \n");

		if (len == strlen(name) && strncmp(word, name, len) == 0)
			return at;
		word += len;
	}
	return -1;
}

static uint64_t count_in(const char *line, int column)
{
	char *end = strchr(line, ':') + 1;
	uint64_t n = 0;

	for (int i = 0; i <= column; i++)
		n = strtoull(end, &end, 10);
	return n;
}

uint64_t fer_bench_interrupts_sent_to(int cpu)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char line[LINE_BYTES];
	uint64_t calls = 0, tlb = 0, schedule = 0;
	int column = f != NULL && fgets(line, sizeof(line), f) != NULL ? column_of(line, cpu) : -1;

	while (column >= 0 && fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, "CAL:") != NULL)
			calls = count_in(line, column);
		else if (strstr(line, "TLB:") != NULL)
			tlb = count_in(line, column);
		else if (strstr(line, "RES:") != NULL)
			schedule = count_in(line, column);
	}
	if (f != NULL)
		fclose(f);
	// Newer kernels count those for translations among the calls.
	return schedule + (calls > tlb ? calls : tlb);
}
