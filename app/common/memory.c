// SPDX-License-Identifier: BSD-3-Clause
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t fer_memory_available(void)
{
	static const char key[] = "MemAvailable:";
	uint64_t bytes = UINT64_MAX;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f != NULL && bytes == UINT64_MAX && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, sizeof(key) - 1) == 0)
			bytes = strtoull(line + sizeof(key) - 1, NULL, 10) * 1024;
	if (f != NULL)
		fclose(f);
	return bytes;
}
