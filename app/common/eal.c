// SPDX-License-Identifier: BSD-3-Clause
#include "eal.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char runtime_dir[] = "/tmp/ferrule-XXXXXX";

// "0@(0,1)": one lcore that may run on every CPU this thread may run on.
static void lcore_list(char *text, size_t size)
{
	cpu_set_t cpus;
	size_t len = (size_t)snprintf(text, size, "0@(");

	if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
		CPU_ZERO(&cpus);
	for (int cpu = 0; cpu < CPU_SETSIZE && len < size - 8; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			len += (size_t)snprintf(text + len, size - len, "%d,", cpu);
	text[len - 1] = ')';
}

int fer_eal_start(const char *program, unsigned megabytes)
{
	char name[64], memory[16], lcores[2048];

	// The EAL makes a folder even when it shares nothing; one of our own needs no rights.
	if (mkdtemp(runtime_dir) == NULL)
		return -errno;
	setenv("RUNTIME_DIRECTORY", runtime_dir, 1);

	snprintf(name, sizeof(name), "%s", program);
	snprintf(memory, sizeof(memory), "%u", megabytes);
	lcore_list(lcores, sizeof(lcores));
	char *argv[] = {name, "--no-huge", "-m", memory, "--no-pci", "--no-telemetry",
		"--no-shconf", "--log-level=*:error", "--lcores", lcores, NULL};
	int argc = sizeof(argv) / sizeof(argv[0]) - 1;
	if (rte_eal_init(argc, argv) < 0) {
		fer_eal_stop();
		return rte_errno != 0 ? -rte_errno : -EIO;
	}
	return 0;
}

void fer_eal_stop(void)
{
	char path[sizeof(runtime_dir) + 16];

	rte_eal_cleanup();
	snprintf(path, sizeof(path), "%s/dpdk/rte", runtime_dir);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/dpdk", runtime_dir);
	rmdir(path);
	rmdir(runtime_dir);
}
