// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What went wrong, as the one line that the user gets.

#define FER_GEN_ERROR_BYTES 1280

// Writes the line; returns -1.
__attribute__((format(printf, 2, 3))) int fer_gen_fail(
	char error[FER_GEN_ERROR_BYTES], const char *format, ...);
