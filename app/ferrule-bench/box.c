// SPDX-License-Identifier: BSD-3-Clause
#include "box.h"

#include "../ferruled/daemon.h"
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_TMP 24    // bytes of the folder for temporary files, because paths of sockets are short
#define END_TRIES 200 // of 50 ms, until it is killed

// Shared by both processes: the daemon makes its folder itself, or nobody would remove it when the
// other one is killed between the two.
struct fer_bench_box {
	char folder[MAX_TMP + 20];
	char path[MAX_TMP + 40]; // of the socket
	cpu_set_t cpus;
	pid_t pid;
	struct fer_bench_traffic *traffic;
};

// --- its document -------------------------------------------------------------------------------

static void put_hex(FILE *f, const char *name, const uint8_t *bytes, unsigned n)
{
	fprintf(f, ", %s: \"", name);
	for (unsigned i = 0; i < n; i++)
		fprintf(f, "%02x", bytes[i]);
	fputs("\"", f);
}

static void put_address(FILE *f, const char *name, const struct fer_addr *a)
{
	fprintf(f, ", %s: %u.%u.%u.%u", name, a->bytes[0], a->bytes[1], a->bytes[2], a->bytes[3]);
}

// Tunnel i takes what is for inner destination i.  Inbound the same packets come again and again.
static void put_tunnel(FILE *f, uint32_t i, const struct fer_bench_load *load)
{
	const struct fer_bench_algorithm *a = load->algorithm;
	bool out = load->direction == FER_OUT;
	struct fer_bench_keys keys;

	fer_bench_keys_make(load->first_key + i, &keys);
	const struct fer_sa_params sa = fer_bench_sa_params(load, i, load->direction, &keys);
	fprintf(f, "  - {name: t%u, direction: %s, mode: tunnel", i, out ? "out" : "in");
	put_address(f, "src", &sa.src);
	put_address(f, "dst", &sa.dst);
	fprintf(f, ",\n     esp: {spi: %u, encryption: %s", sa.spi, a->encryption->name);
	put_hex(f, "encryption_key", keys.encryption,
		(unsigned)a->encryption->key_bytes + a->encryption->salt_bytes);
	if (a->integrity != NULL) {
		fprintf(f, ", integrity: %s", a->integrity->name);
		put_hex(f, "integrity_key", keys.integrity,
			(unsigned)a->integrity->key_bytes + a->integrity->salt_bytes);
	}
	fprintf(f, "}, %s}\n", out ? "esn: true" : "replay_window: 0");
}

static void put_document(
	FILE *f, const struct fer_bench_box *box, const struct fer_bench_box_params *params)
{
	const struct fer_bench_load load = {.direction = params->direction,
		.algorithm = params->algorithm,
		.first_key = FER_BENCH_FIRST_KEY};

	fprintf(f,
		"eal: [--no-huge, --no-pci, --no-telemetry, --no-shconf, "
		"\"--vdev=net_null0,no-rx=1\", "
		"\"--vdev=net_null1,no-rx=1\"]\n"
		"control: {socket: %s}\n"
		"workers: 1\n"
		"idle: %s\n"
		"pairs:\n"
		"  - {name: bench, host: {port: net_null0, mtu: 9600}, wire: {port: net_null1, "
		"mtu: 9600}, capacity: %u, clamp_mss: false}\n"
		"sas:\n",
		box->path, fer_bench_box_is_apart(box) && !params->naps ? "poll" : "nap",
		params->capacity + FER_BENCH_FLOWS);
	for (uint32_t i = 0; i < FER_BENCH_FLOWS; i++)
		put_tunnel(f, i, &load);
	fputs("policies:\n", f);
	for (uint32_t i = 0; i < FER_BENCH_FLOWS; i++)
		fprintf(f,
			"  - {name: p%u, direction: %s, src: any, dst: 10.0.0.%u/32, "
			"action: protect, sas: [t%u]}\n",
			i, params->direction == FER_OUT ? "out" : "in", i, i);
}

static struct fer_doc *make_document(
	const struct fer_bench_box *box, const struct fer_bench_box_params *params, char *error)
{
	struct fer_doc_error err;
	struct fer_doc *doc = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	snprintf(error, FER_BENCH_BOX_ERROR_BYTES, "no memory");
	if (f == NULL)
		return NULL;
	put_document(f, box, params);
	if (fclose(f) == 0 && fer_doc_load_bytes("ferrule-bench", text, len, &doc, &err) != 0)
		snprintf(error, FER_BENCH_BOX_ERROR_BYTES, "%s", err.text);
	free(text);
	return doc;
}

// --- the process of the daemon ------------------------------------------------------------------

static int connect_traffic(const struct fer_daemon *d, const struct fer_bench_box *box,
	const struct fer_bench_box_params *params)
{
	const struct fer_pair *pair = &d->pairs[0];
	bool out = params->direction == FER_OUT;
	const struct fer_bench_traffic_params traffic = {
		.shared = box->traffic,
		.from_port = pair->port[out ? FER_HOST_SIDE : FER_WIRE_SIDE].id,
		.to_port = pair->port[out ? FER_WIRE_SIDE : FER_HOST_SIDE].id,
		.pool = pair->pool,
		.direction = params->direction,
		.algorithm = params->algorithm,
		.size = params->size,
	};

	return fer_bench_traffic_connect(&traffic);
}

// What the log says is not for those who measure.
static void be_silent(void)
{
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; nowhere >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(nowhere, fd);
}

// Tells the other process a line: an empty one when all is well.
static void tell(int to, const char *line)
{
	ssize_t n = write(to, line, strlen(line) + 1);

	(void)n; // it is gone when this fails, and we go with it
}

// What DPDK leaves, and the folder itself; with what a signal handler may call.
static void remove_folder(const struct fer_bench_box *box)
{
	int folder = open(box->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return;
	(void)unlinkat(folder, "control.sock", 0);
	(void)unlinkat(folder, "dpdk/rte", AT_REMOVEDIR);
	(void)unlinkat(folder, "dpdk", AT_REMOVEDIR);
	(void)rmdir(box->folder);
	close(folder);
}

static int make_folder(struct fer_bench_box *box)
{
	const char *tmp = getenv("TMPDIR");

	if (tmp == NULL || tmp[0] != '/' || strlen(tmp) > MAX_TMP)
		tmp = "/tmp";
	snprintf(box->folder, sizeof(box->folder), "%s/ferrule-XXXXXX", tmp);
	if (mkdtemp(box->folder) == NULL) {
		box->folder[0] = '\0';
		return -1;
	}
	snprintf(box->path, sizeof(box->path), "%s/control.sock", box->folder);
	return 0;
}

// How it was before the fork.
struct before {
	pid_t parent;
	sigset_t signals; // that are blocked
};

static const int end_signals[] = {SIGINT, SIGTERM, SIGHUP};

// Signals that ask to end wait until somebody can remove the folder.  The mask of before is in
// *old.
static void hold_signals(sigset_t *old)
{
	sigset_t ends;

	sigemptyset(&ends);
	for (unsigned i = 0; i < sizeof(end_signals) / sizeof(end_signals[0]); i++)
		sigaddset(&ends, end_signals[i]);
	(void)sigprocmask(SIG_BLOCK, &ends, old);
}

static const struct fer_bench_box *starting; // for a signal handler

static void end_at_once(int signal_number)
{
	(void)signal_number;
	remove_folder(starting);
	_exit(EXIT_FAILURE);
}

// Makes the folder.  A daemon may start for a long time, when there is much memory to take: until
// it listens to signals itself, nothing but the folder has to be cleaned up.
static int settle(struct fer_bench_box *box, const struct before *before)
{
	starting = box;
	for (unsigned i = 0; i < sizeof(end_signals) / sizeof(end_signals[0]); i++)
		signal(end_signals[i], end_at_once);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (getppid() != before->parent)
		_exit(EXIT_FAILURE);
	int rc = make_folder(box);
	(void)sigprocmask(SIG_SETMASK, &before->signals, NULL);
	return rc;
}

static int be_daemon(struct fer_bench_box *box, const struct fer_bench_box_params *params, int to,
	const struct before *before)
{
	static struct fer_daemon d;
	struct fer_daemon_error why = {.text = ""};

	be_silent();
	if (settle(box, before) != 0) {
		tell(to, "cannot make a folder for temporary files");
		return EXIT_FAILURE;
	}
	struct fer_doc *doc = make_document(box, params, why.text);
	signal(SIGPIPE, SIG_IGN);
	setenv("RUNTIME_DIRECTORY", box->folder, 1);
	int rc = doc == NULL ? -1 : fer_daemon_start(&d, 0, NULL, doc, &why);
	fer_doc_destroy(doc);
	if (rc == 0 && (rc = connect_traffic(&d, box, params)) != 0)
		snprintf(why.text, sizeof(why.text), "cannot connect ports: %s", strerror(-rc));
	tell(to, rc == 0 ? "" : why.text);
	close(to);
	if (rc == 0)
		rc = fer_control_run(&d);
	if (doc != NULL && !fer_daemon_stop(&d))
		rc = -1;
	remove_folder(box); // who opened the box may be gone
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

// --- from outside -------------------------------------------------------------------------------

// Waits until it runs; 0, or -1 with what it said.
static int hear(int from, char error[FER_BENCH_BOX_ERROR_BYTES])
{
	size_t n = 0;
	ssize_t got = 1;

	error[0] = 'x';
	while (n < FER_BENCH_BOX_ERROR_BYTES - 1 && got > 0) {
		got = read(from, error + n, FER_BENCH_BOX_ERROR_BYTES - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (n == 0)
		snprintf(error, FER_BENCH_BOX_ERROR_BYTES, "the daemon ended without a word");
	error[n < FER_BENCH_BOX_ERROR_BYTES ? n : n - 1] = '\0';
	return n > 0 && error[0] == '\0' ? 0 : -1;
}

static int start_process(struct fer_bench_box *box, const struct fer_bench_box_params *params,
	char error[FER_BENCH_BOX_ERROR_BYTES])
{
	struct before before = {.parent = getpid()};
	pid_t pid;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	fflush(NULL);
	hold_signals(&before.signals);
	pid = fork();
	if (pid < 0)
		snprintf(error, FER_BENCH_BOX_ERROR_BYTES, "cannot start a daemon: %s",
			strerror(errno));
	if (pid == 0) {
		close(ends[0]);
		_exit(be_daemon(box, params, ends[1], &before));
	}
	box->pid = pid;
	(void)sigprocmask(SIG_SETMASK, &before.signals, NULL);
	close(ends[1]);
	int rc = pid < 0 ? -1 : hear(ends[0], error);
	close(ends[0]);
	return rc;
}

// The n-th that the process had; -1: it has not so many.
static int cpu_of(const struct fer_bench_box *box, unsigned n)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &box->cpus) && n-- == 0)
			return cpu;
	return -1;
}

static void stay_on_first_cpu(const struct fer_bench_box *box)
{
	int cpu = cpu_of(box, 0);
	cpu_set_t one;

	CPU_ZERO(&one);
	if (cpu >= 0)
		CPU_SET(cpu, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
}

static void *share(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct fer_bench_box *fer_bench_box_open(
	const struct fer_bench_box_params *params, char error[FER_BENCH_BOX_ERROR_BYTES])
{
	struct fer_bench_box *box = share(sizeof(*box));

	snprintf(error, FER_BENCH_BOX_ERROR_BYTES, "no memory");
	if (box == NULL)
		return NULL;
	box->pid = -1;
	(void)sched_getaffinity(0, sizeof(box->cpus), &box->cpus);
	box->traffic = share(sizeof(*box->traffic));
	if (box->traffic != NULL && start_process(box, params, error) == 0) {
		stay_on_first_cpu(box);
		return box;
	}
	fer_bench_box_close(box);
	return NULL;
}

static void end_process(const struct fer_bench_box *box)
{
	const struct timespec pause = {.tv_nsec = 50000000};

	(void)kill(box->pid, SIGTERM);
	for (unsigned i = 0; i < END_TRIES; i++) {
		if (waitpid(box->pid, NULL, WNOHANG) != 0)
			return;
		(void)nanosleep(&pause, NULL);
	}
	(void)kill(box->pid, SIGKILL);
	(void)waitpid(box->pid, NULL, 0);
}

void fer_bench_box_close(struct fer_bench_box *box)
{
	if (box == NULL)
		return;
	if (box->pid > 0)
		end_process(box);
	remove_folder(box);
	if (box->traffic != NULL)
		(void)munmap(box->traffic, sizeof(*box->traffic));
	(void)sched_setaffinity(0, sizeof(box->cpus), &box->cpus);
	(void)munmap(box, sizeof(*box));
}

const char *fer_bench_box_path(const struct fer_bench_box *box)
{
	return box->path;
}

struct fer_bench_traffic *fer_bench_box_traffic(const struct fer_bench_box *box)
{
	return box->traffic;
}

int fer_bench_box_worker_cpu(const struct fer_bench_box *box)
{
	return cpu_of(box, 1);
}

bool fer_bench_box_is_apart(const struct fer_bench_box *box)
{
	return fer_bench_box_worker_cpu(box) >= 0;
}
