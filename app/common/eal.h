// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// DPDK's environment for programs without ports: no hugepages, no devices, no files shared with
// other processes, so that any user can run many at once.

// Starts it with that much memory.  The calling thread keeps the CPUs it may run on.  0 or -errno,
// after which the process cannot try again.
__attribute__((warn_unused_result)) int fer_eal_start(const char *program, unsigned megabytes);

// Ends it and removes what it left in the file system.
void fer_eal_stop(void);
