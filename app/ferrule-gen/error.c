// SPDX-License-Identifier: BSD-3-Clause
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int fer_gen_fail(char error[FER_GEN_ERROR_BYTES], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, FER_GEN_ERROR_BYTES, format, args);
	va_end(args);
	return -1;
}
