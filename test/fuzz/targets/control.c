// SPDX-License-Identifier: BSD-3-Clause
// Can a client break the control socket of the daemon, or leave it so that the next one is not
// served?  Server and service are those of the daemon, over two pairs whose workers do not run.
// What an input changes stays for the next ones; now and then the world is made anew.
//
// Input: the bytes that a client sends, in parts: two bytes of length each.
#include "target.h"

#include "../../../app/ferruled/service.h"
#include "../../../app/ferruled/two_pairs.h"
#include "ctl/codec_samples.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LIFETIME 500 // inputs
#define MAX_TURNS 200

static struct two_pairs world;
static struct event_base *base;
static struct fer_service *service;
static struct fer_ctl_server *server;
static char folder[32], path[64];
static unsigned age;

static void open_world(void)
{
	struct fer_msg_pair pairs[N_ENDS];
	int error = 0;

	two_pairs_open(&world, two_pairs_document(", capacity: 16"), 1, 64);
	base = event_base_new();
	TARGET_MUST(base != NULL);
	const struct fer_service_params p = {.base = base,
		.pairs = world.pair,
		.n_pairs = N_ENDS,
		.workers = &world.workers,
		.grace = &world.grace};
	service = fer_service_create(&p, &error);
	TARGET_MUST(service != NULL);
	for (unsigned i = 0; i < N_ENDS; i++)
		fer_service_describe(&world.pair[i], &pairs[i]);
	snprintf(folder, sizeof(folder), "/tmp/ferrule-fuzz.XXXXXX");
	TARGET_MUST(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/sock", folder);
	const struct fer_ctl_server_params sp = {.base = base,
		.path = path,
		.group = (gid_t)-1,
		.product = "fuzz",
		.pairs = pairs,
		.n_pairs = N_ENDS,
		.ops = fer_service_ops,
		.n_ops = fer_service_n_ops,
		.arg = service};
	server = fer_ctl_server_create(&sp, &error);
	TARGET_MUST(server != NULL);
}

static void close_world(void)
{
	if (server == NULL)
		return;
	fer_ctl_server_destroy(server);
	fer_grace_fini(&world.grace);
	fer_service_destroy(service);
	event_base_free(base);
	(void)rmdir(folder);
	two_pairs_close(&world);
	server = NULL;
}

static void start(void)
{
	static int is_started;

	if (!is_started) {
		two_pairs_eal(1, NULL);
		(void)atexit(close_world);
		is_started = 1;
	}
	if (server != NULL && age++ < LIFETIME)
		return;
	close_world();
	open_world();
	age = 0;
}

static int connect_client(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	TARGET_MUST(fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0);
	return fd;
}

// Lets the server do what it has to do, and reads what it says.  Returns the bytes that came.
static size_t turn(int fd)
{
	static uint8_t room[1 << 16];
	size_t all = 0;

	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	fer_service_tell(service, server);
	for (ssize_t n; (n = recv(fd, room, sizeof(room), 0)) > 0;)
		all += (size_t)n;
	return all;
}

static void send_parts(int fd, const uint8_t *data, size_t size)
{
	while (size > 0) {
		size_t n = target_take16(&data, &size) % 4096;

		if (n > size)
			n = size;
		if (n > 0 && send(fd, data, n, MSG_NOSIGNAL) < 0)
			return; // it was hung up on
		data += n;
		size -= n;
		(void)turn(fd);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd;

	start();
	fd = connect_client();
	send_parts(fd, data, size);
	(void)turn(fd);
	close(fd);
	// Somebody else is greeted.
	fd = connect_client();
	size_t greeting = 0;
	for (unsigned i = 0; i < MAX_TURNS && greeting == 0; i++)
		greeting = turn(fd);
	TARGET_MUST(greeting >= sizeof(struct fer_msg_header));
	close(fd);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	return 0;
}

// --- seeds --------------------------------------------------------------------------------------

static size_t put_message(
	uint8_t *to, uint8_t type, uint32_t oid, uint32_t room, const void *data, size_t len)
{
	const struct fer_msg_header h = {.magic = FER_MSG_MAGIC,
		.version = FER_MSG_VERSION,
		.type = type,
		.id = 1 + oid % 7,
		.oid = oid,
		.length = (uint32_t)len,
		.room = room};
	uint16_t all = (uint16_t)(sizeof(h) + len);

	to[0] = (uint8_t)(all >> 8);
	to[1] = (uint8_t)all;
	memcpy(to + 2, &h, sizeof(h));
	if (len > 0)
		memcpy(to + 2 + sizeof(h), data, len);
	return 2 + all;
}

// Each request that there is, with nothing and with each sample that could be meant for it.
void target_seeds(target_put *put, void *arg)
{
	static uint8_t bytes[1 << 16];
	char name[96];

	for (uint32_t i = 0; i < fer_service_n_ops; i++) {
		const struct fer_ctl_op *op = &fer_service_ops[i];
		size_t len = put_message(bytes, (uint8_t)op->type, op->oid,
			op->type == FER_MSG_TYPE_QUERY ? 4096 : 0, NULL, 0);

		for (size_t k = i % 4; k < n_samples; k += 4) {
			struct fer_msg_buf b = {0};

			samples[k].build(&b);
			if (len + b.len + 64 < sizeof(bytes) / 8)
				len += put_message(bytes + len, (uint8_t)op->type, op->oid,
					op->type == FER_MSG_TYPE_QUERY ? 4096 : 0, b.bytes, b.len);
			fer_msg_buf_fini(&b);
		}
		snprintf(name, sizeof(name), "oid-%08x-%u", op->oid, (unsigned)op->type);
		put(arg, name, bytes, len);
	}
}
