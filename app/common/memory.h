// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>

// Bytes of memory that a program may still take without harm to others; UINT64_MAX where the kernel
// does not say.
uint64_t fer_memory_available(void);
