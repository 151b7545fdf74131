// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a fuzz target is: the two functions that libFuzzer knows, and one that makes its corpus.

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// One input; what is wrong ends the process.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Hands out inputs to start from, each with a name.
typedef void target_put(void *arg, const char *name, const void *bytes, size_t len);
void target_seeds(target_put *put, void *arg);

#define TARGET_MUST(condition)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(                                                             \
				stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

// Takes bytes from the front of an input; 0 when there are none left.
static inline uint8_t target_take8(const uint8_t **data, size_t *size)
{
	if (*size == 0)
		return 0;
	--*size;
	return *(*data)++;
}

static inline uint16_t target_take16(const uint8_t **data, size_t *size)
{
	uint16_t high = target_take8(data, size);

	return (uint16_t)(high << 8 | target_take8(data, size));
}
