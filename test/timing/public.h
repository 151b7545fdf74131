// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Included in front of everything when the engine is built for taint.c: the answer of a comparison
// may be branched on.

#include <valgrind/memcheck.h>

#define FER_SECRET_PUBLIC(answer) ((void)VALGRIND_MAKE_MEM_DEFINED(&(answer), sizeof(answer)))
