// SPDX-License-Identifier: BSD-3-Clause
// What can a sender who has no key make a receiver do?  Options and extension headers in front of
// AH are walked before anything is verified.  Instructions are counted, one by one, that it takes
// to refuse such a packet: with any headers that there may be, twice as many at most as for a
// packet of the same length without them.
//
//   steps
#include "base/bytes.h"
#include "crypto/engine.h"
#include "nic/nic.h"
#include "nic/oob.h"
#include "sa/table.h"
#include "support/eal.h"
#include "support/iv_fixed.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPI 0x1000u
#define SKIPPED 77 // for meson: nobody may be traced here
#define L2_BYTES 14
#define PAYLOAD_BYTES 40
#define AH_BYTES 40      // room for each suite
#define MOST_HEADERS 968 // bytes of extension headers that a layer may have
#define MAX_FRAME 2048

static struct fer_engine *engine;
static struct fer_sa_table *sas;
static struct rte_mempool *pool;
static struct fer_nic nic;
static struct fer_batch batch;

// --- packets ------------------------------------------------------------------------------------

struct frame {
	uint32_t len; // of the IP packet
	bool is_hostile;
	uint8_t bytes[MAX_FRAME];
};

static uint8_t *ip_of(struct frame *f)
{
	return f->bytes + L2_BYTES;
}

static void start(struct frame *f, uint8_t version)
{
	memset(f, 0, sizeof(*f));
	uint8_t *ip = ip_of(f);

	fer_store_be16(f->bytes + 12, fer_ether_type(version));
	ip[0] = version == 4 ? 0x45 : 0x60;
	ip[version == 4 ? 8 : 7] = 64;
	if (version == 4)
		memcpy(ip + 12, (const uint8_t[]){192, 0, 2, 1, 192, 0, 2, 2}, 8);
	else
		ip[6] = FER_PROTO_AH, ip[8] = ip[24] = 0x20;
	f->len = version == 4 ? FER_IPV4_HEADER_BYTES : FER_IPV6_HEADER_BYTES;
}

// Ends with AH, whose ICV is wrong, and so much payload.
static void finish(struct frame *f, uint32_t payload)
{
	uint8_t *ip = ip_of(f), *ah = ip + f->len;
	bool v4 = ip[0] >> 4 == 4;

	ah[0] = FER_PROTO_NONE;
	ah[1] = AH_BYTES / 4 - 2;
	fer_store_be32(ah + 4, SPI);
	fer_store_be32(ah + 8, 7);
	f->len += AH_BYTES + payload;
	fer_store_be16(ip + (v4 ? 2 : 4), (uint16_t)(v4 ? f->len : f->len - 40));
	if (!v4)
		return;
	ip[9] = FER_PROTO_AH;
	fer_store_be16(ip + 10, fer_cksum(ip, (ip[0] & 15) * 4u));
}

static void make_plain(struct frame *f, uint8_t version, uint32_t len)
{
	start(f, version);
	finish(f, 0);
	start(f, version);
	uint32_t least = (version == 4 ? 20u : 40u) + AH_BYTES;
	finish(f, len - least);
}

// IPv4 options of that type and length, as many as there is room for.
static void make_options(struct frame *f, uint8_t type, uint8_t len)
{
	start(f, 4);
	for (uint32_t at = 20; at + len <= 60; at += len) {
		uint8_t *option = ip_of(f) + at;

		option[0] = type;
		if (len > 1)
			option[1] = len;
		if (len > 2)
			option[2] = 4;
	}
	ip_of(f)[0] = 0x4f;
	f->len = 60;
	finish(f, PAYLOAD_BYTES);
}

static const struct trick {
	const char *name;
	uint8_t version, header;
	unsigned n;
	uint32_t bytes;
	uint8_t type, len, gap; // of options, and between them
} tricks[] = {
	{"no-operation options", 4, 0, 0, 0, 1, 1, 0},
	{"end of options", 4, 0, 0, 0, 0, 1, 0},
	{"options of 2 bytes", 4, 0, 0, 0, 7, 2, 0},
	{"options of 2 bytes that count", 4, 0, 0, 0, 148, 2, 0},
	{"source routes", 4, 0, 0, 0, 131, 7, 0},
	{"one option", 4, 0, 0, 0, 68, 40, 0},
	{"hop-by-hop, padding of 1 byte", 6, FER_PROTO_HOPOPTS, 1, MOST_HEADERS, 0, 1, 0},
	{"destination options of 2 bytes", 6, FER_PROTO_DSTOPTS, 1, MOST_HEADERS, 0x3e, 2, 0},
	{"destination options of 3 bytes", 6, FER_PROTO_DSTOPTS, 1, MOST_HEADERS, 0x3e, 3, 0},
	{"extension headers of padding", 6, FER_PROTO_DSTOPTS, 16, 56, 0, 1, 0},
	{"destination options of 30 bytes", 6, FER_PROTO_DSTOPTS, 1, MOST_HEADERS, 0x3e, 30, 0},
	{"options between padding of 28 bytes", 6, FER_PROTO_DSTOPTS, 1, MOST_HEADERS, 0x3e, 2, 28},
	{"options in each extension header", 6, FER_PROTO_DSTOPTS, 16, 56, 0x3e, 27, 0},
	{"short extension headers", 6, FER_PROTO_DSTOPTS, 16, 8, 0, 1, 0},
	{"short extension headers with options", 6, FER_PROTO_DSTOPTS, 16, 8, 0x3e, 3, 0},
	{"a long route", 6, FER_PROTO_ROUTING, 1, MOST_HEADERS, 0, 0, 0},
	{"short routes", 6, FER_PROTO_ROUTING, 16, 24, 0, 0, 0},
};

// Extension headers full of options.
static void make_extensions(struct frame *f, const struct trick *t)
{
	start(f, 6);
	uint8_t *next = ip_of(f) + 6;

	for (unsigned k = 0; k < t->n; k++, f->len += t->bytes) {
		uint8_t *h = ip_of(f) + f->len;

		*next = t->header;
		next = h;
		h[1] = (uint8_t)(t->bytes / 8 - 1);
		if (t->header == FER_PROTO_ROUTING) {
			h[3] = (uint8_t)((t->bytes - 8) / 16);
			continue;
		}
		for (uint32_t at = 2; at + t->len <= t->bytes; at += t->len + (uint32_t)t->gap) {
			h[at] = t->type;
			if (t->len > 1)
				h[at + 1] = t->len - 2;
		}
	}
	*next = FER_PROTO_AH;
	finish(f, PAYLOAD_BYTES);
}

static void make_trick(const struct trick *t, struct frame *f)
{
	if (t->version == 4)
		make_options(f, t->type, t->len);
	else
		make_extensions(f, t);
}

// --- who is counted -----------------------------------------------------------------------------

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	exit(EXIT_FAILURE);
}

static void add_sa(uint8_t version)
{
	static const uint8_t key[FER_MAX_KEY_BYTES] = {1};
	struct fer_sa_params params = {
		.direction = FER_IN,
		.mode = FER_TUNNEL,
		.group = FER_NO_GROUP,
		.src = {.version = version},
		.dst = {.version = version},
		.ah = {.spi = SPI,
			.integrity = fer_algo_find(FER_INTEGRITY, "aes-gmac-128"),
			.key = key},
		.replay_window = 64,
	};
	const char *why = NULL;
	uint64_t handle;

	must(fer_sa_add(sas, &params, &handle, &why) == 0, "no association");
}

static void open_all(void)
{
	const struct fer_sa_table_params params = {
		.name = "sas", .capacity = 4, .ivs = test_iv_fixed()};
	int error;

	fer_test_eal_init("64");
	engine = fer_engine_open(test_iv_fixed(), &error);
	must(engine != NULL && fer_oob_register() == 0, "the engine does not open");
	pool = rte_pktmbuf_pool_create("buffers", 63, 0, 0, 4096, SOCKET_ID_ANY);
	sas = fer_sa_table_create(&params, engine, &error);
	must(pool != NULL && sas != NULL && fer_nic_init(&nic, sas, test_iv_fixed()) == 0,
		"cannot start");
	add_sa(4);
	add_sa(6);
}

static void put(const struct frame *f)
{
	uint32_t len = L2_BYTES + f->len;

	batch.n = 1;
	batch.link = FER_LINK_ETHERNET;
	batch.m[0] = rte_pktmbuf_alloc(pool);
	must(batch.m[0] != NULL, "no buffers");
	memcpy(rte_pktmbuf_append(batch.m[0], (uint16_t)len), f->bytes, len);
}

static void refuse(void)
{
	(void)fer_batch_arrive(&batch);
	fer_nic_receive(&nic, &batch);
}

static void check(const struct frame *f)
{
	must(batch.pkt[0].n_layers == 1, "not looked at");
	must(batch.round[0][0].verdict == FER_BAD_ICV ||
			(f->is_hostile && batch.round[0][0].verdict == FER_BAD_SYNTAX),
		"not refused as it should be");
	rte_pktmbuf_free(batch.m[0]);
}

// One packet, with signals in front of what counts and behind it.
static void show(const struct frame *f)
{
	put(f);
	raise(SIGUSR1);
	refuse();
	raise(SIGUSR1);
	check(f);
}

// Each trick, and a plain packet as long.
static void show_all(void (*how)(const struct frame *))
{
	static struct frame f, plain;

	for (unsigned i = 0; i < RTE_DIM(tricks); i++) {
		const struct trick *t = &tricks[i];

		make_trick(t, &f);
		f.is_hostile = true;
		make_plain(&plain, t->version, f.len);
		must(plain.len == f.len, "not as long");
		how(&f);
		how(&plain);
	}
}

// What runs for the first time binds symbols, which is not to be counted.
static void run(const struct frame *f)
{
	put(f);
	refuse();
	check(f);
}

static void be_counted(void)
{
	open_all();
	show_all(run);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		exit(SKIPPED);
	raise(SIGUSR1);
	show_all(show);
	exit(EXIT_SUCCESS);
}

// --- who counts ---------------------------------------------------------------------------------

static int wait_for(pid_t child)
{
	int status = 0;

	must(waitpid(child, &status, 0) == child, "the other process is gone");
	if (WIFEXITED(status))
		exit(WEXITSTATUS(status) == EXIT_SUCCESS ? EXIT_FAILURE : WEXITSTATUS(status));
	must(WIFSTOPPED(status), "the other process died");
	return WSTOPSIG(status);
}

// Lets the child go on to its next signal.
static void go_on(pid_t child)
{
	must(ptrace(PTRACE_CONT, child, NULL, NULL) == 0, "cannot go on");
	must(wait_for(child) == SIGUSR1, "another signal");
}

// The same, counted.
static uint64_t count(pid_t child)
{
	uint64_t n = 0;
	int signal;

	do {
		must(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0, "cannot step");
		n++;
		signal = wait_for(child);
	} while (signal == SIGTRAP);
	must(signal == SIGUSR1, "another signal");
	return n;
}

// Lets it go to the next packet, and counts what that takes.
static uint64_t count_one(pid_t child)
{
	go_on(child);
	return count(child);
}

int main(void)
{
	int status = EXIT_SUCCESS;
	pid_t child = fork();

	must(child >= 0, "no process");
	if (child == 0)
		be_counted();
	must(wait_for(child) == SIGUSR1, "another signal");
	for (unsigned i = 0; i < RTE_DIM(tricks); i++) {
		uint64_t n = count_one(child), plain = count_one(child);

		printf("%-36s %6" PRIu64 " instructions, without %6" PRIu64 "\n", tricks[i].name, n,
			plain);
		if (n > 2 * plain)
			status = EXIT_FAILURE;
	}
	(void)kill(child, SIGKILL);
	return status;
}
