// SPDX-License-Identifier: BSD-3-Clause
#include "environment.h"

#include "nic/oob.h"
#include "worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_ARGS 512
#define HUGEPAGES "/sys/kernel/mm/hugepages"

#define BASE_MB 384u  // EAL, drivers, policies
#define SA_BYTES 384u // of two look-up tables; the SAs themselves lie elsewhere
#define PATH_MB 8u    // reassembly and more, for each worker and pair
#define QUEUE_BUFFERS 2048u
#define BUFFER_BYTES 2560u

// The command line that the EAL gets.  It reorders the pointers.
struct fer_eal_args {
	int n;
	char *v[MAX_ARGS + 1];
	char *own[MAX_ARGS]; // the same, and virtual devices, in the order in which they were added
	int n_own;
	const char *vdevs[MAX_ARGS];
	int n_vdevs;
	char lcores[1024];
	char main_lcore[32];
	char megabytes[16];
};

// Keeps a copy; NULL when there is no room.
static char *keep(struct fer_eal_args *a, const char *text)
{
	char *copy = a->n_own == MAX_ARGS ? NULL : strdup(text);

	if (copy != NULL)
		a->own[a->n_own++] = copy;
	return copy;
}

static bool add(struct fer_eal_args *a, const char *text)
{
	a->v[a->n] = keep(a, text);
	return a->v[a->n] != NULL && ++a->n > 0;
}

static bool add_vdev(struct fer_eal_args *a, const char *text)
{
	a->vdevs[a->n_vdevs] = keep(a, text);
	return a->vdevs[a->n_vdevs] != NULL && ++a->n_vdevs > 0;
}

// Adds an option, which may be the value of the one before it.
static bool add_given(struct fer_eal_args *a, const char *text, bool *is_vdev)
{
	bool was_vdev = *is_vdev;

	*is_vdev = !was_vdev && strcmp(text, "--vdev") == 0;
	if (*is_vdev)
		return true;
	if (was_vdev)
		return add_vdev(a, text);
	return strncmp(text, "--vdev=", 7) == 0 ? add_vdev(a, text + 7) : add(a, text);
}

// Is one of these options given?  names are long ones; letters are short ones.
static bool has(const struct fer_eal_args *a, const char *const names[], const char *letters)
{
	for (int i = 1; i < a->n; i++) {
		const char *arg = a->v[i];

		if (arg[0] == '-' && arg[1] != '\0' && strchr(letters, arg[1]) != NULL)
			return true;
		for (unsigned k = 0; names[k] != NULL; k++) {
			size_t len = strlen(names[k]);

			if (strncmp(arg, names[k], len) == 0 &&
				(arg[len] == '\0' || arg[len] == '='))
				return true;
		}
	}
	return false;
}

// --- defaults ---------------------------------------------------------------------------------

__attribute__((format(printf, 3, 4))) static void append(
	char *text, size_t size, const char *format, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + len, size - len, format, args);
	va_end(args);
}

// The i-th CPU of the set, beginning again behind the last.
static int cpu_at(const cpu_set_t *cpus, unsigned i)
{
	unsigned left = i % (unsigned)CPU_COUNT(cpus);

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, cpus) && left-- == 0)
			return cpu;
	return 0;
}

static bool is_lcore(const struct fer_doc_daemon *d, unsigned lcore)
{
	for (uint32_t i = 0; i < d->n_lcores; i++)
		if (d->lcores[i] == lcore)
			return true;
	return false;
}

// Workers on the lcores that the document names, each on the CPU of that number; the main one
// beside them.
static void name_lcores(
	struct fer_eal_args *a, const struct fer_doc_daemon *d, const cpu_set_t *cpus)
{
	unsigned main_lcore = 0;

	while (is_lcore(d, main_lcore))
		main_lcore++;
	int cpu = CPU_ISSET(main_lcore, cpus) ? (int)main_lcore : cpu_at(cpus, 0);
	append(a->lcores, sizeof(a->lcores), "--lcores=%u@%d", main_lcore, cpu);
	for (uint32_t i = 0; i < d->n_lcores; i++)
		append(a->lcores, sizeof(a->lcores), ",%u@%u", d->lcores[i], d->lcores[i]);
	snprintf(a->main_lcore, sizeof(a->main_lcore), "--main-lcore=%u", main_lcore);
}

// As many as are needed, on the CPUs there are: those of the workers first behind the main one's.
static void count_lcores(
	struct fer_eal_args *a, const struct fer_doc_daemon *d, const cpu_set_t *cpus)
{
	append(a->lcores, sizeof(a->lcores), "--lcores=0@%d", cpu_at(cpus, 0));
	for (unsigned i = 1; i <= d->n_workers; i++)
		append(a->lcores, sizeof(a->lcores), ",%u@%d", i, cpu_at(cpus, i));
	snprintf(a->main_lcore, sizeof(a->main_lcore), "--main-lcore=0");
}

static bool add_lcores(
	struct fer_eal_args *a, const struct fer_doc_daemon *d, struct fer_environment *e)
{
	static const char *const names[] = {"--lcores", NULL};

	if (has(a, names, "lcsS"))
		return true;
	e->chose_lcores = d->n_lcores == 0;
	if (d->n_lcores != 0)
		name_lcores(a, d, &e->cpus);
	else
		count_lcores(a, d, &e->cpus);
	return add(a, a->lcores) && add(a, a->main_lcore);
}

// What tables and pools take, with room to spare: pages that are not touched cost nothing.
static unsigned megabytes(const struct fer_doc *doc)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < doc->n_pairs; i++) {
		const struct fer_doc_pair *p = &doc->pairs[i];
		uint64_t mtu = RTE_MAX(p->host.mtu, p->wire.mtu);
		uint64_t buffers = 4ull * p->n_queues * QUEUE_BUFFERS +
				   (uint64_t)doc->daemon.n_workers * FER_WORKER_BUFFERS;

		bytes += 2 * buffers * (BUFFER_BYTES + mtu); // counts are rounded up
		bytes += (uint64_t)p->capacity * SA_BYTES;
		bytes += (uint64_t)doc->daemon.n_workers * PATH_MB << 20;
	}
	return BASE_MB + doc->n_policies / 32 + (unsigned)(bytes >> 20);
}

static bool add_memory(struct fer_eal_args *a, const struct fer_doc *doc)
{
	static const char *const no_huge[] = {"--no-huge", NULL};
	static const char *const memory[] = {"--socket-mem", NULL};

	if (!has(a, no_huge, "") || has(a, memory, "m"))
		return true;
	snprintf(a->megabytes, sizeof(a->megabytes), "-m%u", megabytes(doc));
	return add(a, a->megabytes);
}

static bool add_log_level(struct fer_eal_args *a)
{
	static const char *const names[] = {"--log-level", NULL};

	return has(a, names, "") || add(a, "--log-level=*:error");
}

static bool make_args(struct fer_eal_args *a, struct fer_environment *e, int argc,
	char *const argv[], const struct fer_doc *doc)
{
	bool ok = add(a, "ferruled"), is_vdev = false;

	for (int i = 0; ok && i < argc; i++)
		ok = add_given(a, argv[i], &is_vdev);
	for (uint32_t i = 0; ok && i < doc->daemon.n_eal; i++)
		ok = add_given(a, doc->daemon.eal[i], &is_vdev);
	return ok && add_lcores(a, &doc->daemon, e) && add_memory(a, doc) && add_log_level(a);
}

// --- complaints -------------------------------------------------------------------------------

// Everything of one kind of huge pages that is free: 0 where there is none.
static unsigned long free_hugepages(const char *kind)
{
	char path[512], text[32] = "";

	snprintf(path, sizeof(path), HUGEPAGES "/%s/free_hugepages", kind);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	fclose(f);
	return strtoul(text, NULL, 10);
}

static bool has_hugepages(void)
{
	DIR *dir = opendir(HUGEPAGES);
	bool found = false;

	if (dir == NULL)
		return false;
	for (struct dirent *d; !found && (d = readdir(dir)) != NULL;)
		found = d->d_name[0] != '.' && free_hugepages(d->d_name) > 0;
	closedir(dir);
	return found;
}

// Is there a file system that takes huge pages?
static bool has_hugetlbfs(void)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	bool found = false;

	if (f == NULL)
		return true; // nobody knows
	for (struct mntent *m; !found && (m = getmntent(f)) != NULL;)
		found = strcmp(m->mnt_type, "hugetlbfs") == 0;
	endmntent(f);
	return found;
}

// What the EAL would say in other words, or not at all; NULL: nothing.
static const char *foresee(const struct fer_eal_args *a)
{
	static const char *const no_huge[] = {"--no-huge", NULL};
	static const char *const in_memory[] = {"--in-memory", NULL};

	if (has(a, no_huge, ""))
		return has(a, in_memory, "") ? "--no-huge and --in-memory exclude each other"
					     : NULL;
	if (!has_hugepages())
		return "no hugepages are free: reserve some, as root with \"sysctl "
		       "vm.nr_hugepages=512\", or give --no-huge";
	if (!has(a, in_memory, "") && !has_hugetlbfs())
		return "hugepages are free, but no file system for them is mounted: as root, "
		       "\"mount -t hugetlbfs none /dev/hugepages\", or give --in-memory";
	return NULL;
}

// Cuts a prefix off.
static const char *without(const char *line, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(line, prefix, len) == 0 ? line + len : line;
}

// Takes the next line of a text, without who says it; false at the end.
static bool next_line(const char **text, char line[256])
{
	size_t len = strcspn(*text, "\n");
	char whole[256];

	if (**text == '\0')
		return false;
	snprintf(whole, sizeof(whole), "%.*s", (int)RTE_MIN(len, sizeof(whole) - 1), *text);
	snprintf(line, 256, "%s",
		without(without(without(whole, "EAL: "), "FATAL: "), "ferruled: "));
	*text += len + ((*text)[len] == '\n');
	return true;
}

// The first line that says what is wrong.
static void summarize(const char *text, char what[256])
{
	while (next_line(&text, what))
		if (strncmp(what, "Detected ", 9) != 0)
			return;
	what[0] = '\0';
}

// While the EAL starts it writes on both standard outputs: a page of its options when one is wrong.
struct silence {
	int kept; // a file with what was written
	int out;
	int err;
};

static void begin_silence(struct silence *s)
{
	fflush(stdout);
	s->kept = memfd_create("eal", MFD_CLOEXEC);
	s->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	s->err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (nowhere >= 0 && s->out >= 0)
		(void)dup2(nowhere, STDOUT_FILENO);
	if (s->kept >= 0 && s->err >= 0)
		(void)dup2(s->kept, STDERR_FILENO);
	if (nowhere >= 0)
		close(nowhere);
}

// what is the first complaint that was written.
static void end_silence(struct silence *s, char what[256])
{
	char said[4096];
	ssize_t n = s->kept < 0 ? 0 : pread(s->kept, said, sizeof(said) - 1, 0);

	said[n < 0 ? 0 : n] = '\0';
	summarize(said, what);
	fflush(stdout);
	if (s->out >= 0)
		(void)dup2(s->out, STDOUT_FILENO);
	if (s->err >= 0)
		(void)dup2(s->err, STDERR_FILENO);
	const int all[] = {s->kept, s->out, s->err};
	for (unsigned i = 0; i < RTE_DIM(all); i++)
		if (all[i] >= 0)
			close(all[i]);
}

// --- start and stop ---------------------------------------------------------------------------

static int start_eal(struct fer_eal_args *a, char error[640])
{
	struct silence silence;
	char what[256];

	begin_silence(&silence);
	int rc = rte_eal_init(a->n, a->v);
	end_silence(&silence, what);
	if (rc >= 0)
		return 0;
	snprintf(error, 640, "DPDK does not start: %s",
		what[0] != '\0' ? what : rte_strerror(rte_errno));
	return -EINVAL;
}

static int make_device(struct fer_environment *e, const char *device, char error[640])
{
	char what[256] = "";
	size_t before = 0;

	if (e->log != NULL && fflush(e->log) == 0)
		before = e->log_len;
	int rc = rte_dev_probe(device);
	if (rc == 0)
		return 0;
	if (e->log != NULL && fflush(e->log) == 0 && e->log_len > before)
		summarize(e->log_text + before, what);
	snprintf(error, 640, "--vdev=%s: %s", device, what[0] != '\0' ? what : rte_strerror(-rc));
	return -ENODEV;
}

// What follows once the EAL is there.
static int furnish(struct fer_environment *e, char error[640])
{
	int rc = fer_oob_register();

	if (rc != 0)
		snprintf(error, 640, "another library has taken the room in packets' descriptors");
	e->log = open_memstream(&e->log_text, &e->log_len);
	if (e->log != NULL)
		rte_openlog_stream(e->log);
	for (int i = 0; rc == 0 && i < e->args->n_vdevs; i++)
		rc = make_device(e, e->args->vdevs[i], error);
	if (rc != 0)
		fer_environment_stop(e);
	return rc;
}

static void free_args(struct fer_eal_args *a)
{
	for (int i = 0; a != NULL && i < a->n_own; i++)
		free(a->own[i]);
	free(a);
}

int fer_environment_start(struct fer_environment *e, int argc, char *const argv[],
	const struct fer_doc *doc, char error[640])
{
	const char *why = "too many options for DPDK";

	memset(e, 0, sizeof(*e));
	if (sched_getaffinity(0, sizeof(e->cpus), &e->cpus) != 0)
		CPU_SET(0, &e->cpus);
	e->args = calloc(1, sizeof(*e->args)); // the EAL may keep parts of it
	if (e->args != NULL && make_args(e->args, e, argc, argv, doc))
		why = foresee(e->args);
	if (why != NULL)
		snprintf(error, 640, "%s", why);
	if (why == NULL && start_eal(e->args, error) == 0)
		return furnish(e, error);
	free_args(e->args);
	e->args = NULL;
	return -EINVAL;
}

void fer_environment_speak(struct fer_environment *e)
{
	if (e->log == NULL)
		return;
	rte_openlog_stream(NULL);
	fclose(e->log);
	free(e->log_text);
	e->log = NULL;
	e->log_text = NULL;
}

void fer_environment_stop(struct fer_environment *e)
{
	fer_environment_speak(e);
	rte_eal_cleanup();
	free_args(e->args);
	e->args = NULL;
}
