// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>

// Interrupts that other CPUs have sent to this one until now: to run something for them, to forget
// translations of addresses (TLB), to schedule.  0 where the kernel does not say.
uint64_t fer_bench_interrupts_sent_to(int cpu);
