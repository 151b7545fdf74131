// SPDX-License-Identifier: BSD-3-Clause
// A program of somebody else: one packet through both halves of libferrule, protected in one box
// and opened again in another.  Prints the verdict of the last step.
#include <base/bytes.h>
#include <crypto/engine.h>
#include <host/path.h>
#include <host/sink.h>
#include <nic/oob.h>
#include <proto/ip.h>
#include <sa/table.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IP_OFF 14 // behind the Ethernet header
#define UDP_OFF (IP_OFF + FER_IPV4_HEADER_BYTES)
#define DATA_OFF (UDP_OFF + FER_UDP_HEADER_BYTES)
#define FRAME_BYTES (DATA_OFF + 5)

static const uint8_t key[20] = {1, 2, 3}; // 16 of AES, then the salt

// What a worker of one box has.
struct box {
	struct fer_sa_table *sas;
	struct fer_policies *policies;
	struct fer_host_rules rules;
	const struct fer_host_rules *_Atomic in_force; // what the workers look at
	struct fer_path path;
	struct fer_outcomes outcomes;
};

static struct box sender, receiver;
static struct fer_batch batch;

static void fail(const char *what)
{
	fprintf(stderr, "both_halves: %s\n", what);
	exit(EXIT_FAILURE);
}

static void add_sa(struct box *b, enum fer_direction direction)
{
	const struct fer_sa_params sa = {
		.direction = direction,
		.mode = FER_TUNNEL,
		.spi = 0x1001,
		.group = 0,
		.src = {.version = 4, .bytes = {192, 0, 2, 1}},
		.dst = {.version = 4, .bytes = {192, 0, 2, 2}},
		.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128"),
		.encryption_key = key,
		.replay_window = 64,
		.outer = {.dscp = FER_DSCP_COPY, .ttl = 64},
	};
	uint64_t handle;
	const char *why;

	if (fer_sa_add(b->sas, &sa, &handle, &why) != 0)
		fail(why);
}

// Everything in that direction is protected by group 0.
static void add_policy(struct box *b, enum fer_direction direction)
{
	const struct fer_policy_rule all = {
		.direction = direction,
		.protocol = FER_PROTO_ANY,
		.icmp_type = -1,
		.sport = {0, UINT16_MAX},
		.dport = {0, UINT16_MAX},
		.action = FER_POLICY_PROTECT,
		.n_groups = 1,
		.group = {0},
	};
	const char *why;
	int error;

	b->policies = fer_policies_build(&all, 1, &error, &why);
	if (b->policies == NULL)
		fail(why);
	b->rules = (struct fer_host_rules){.policies = b->policies, .mtu = {1500, 1500}};
	atomic_store_explicit(&b->in_force, &b->rules, memory_order_release);
}

static void open_box(struct box *b, const char *name, enum fer_direction direction,
	struct fer_engine *engine, struct rte_mempool *pool)
{
	const struct fer_sa_table_params t = {
		.name = name, .capacity = 4, .n_groups = 1, .ivs = fer_iv_system()};
	int error;

	b->sas = fer_sa_table_create(&t, engine, &error);
	if (b->sas == NULL)
		fail("no table");
	add_sa(b, direction);
	add_policy(b, direction);
	const struct fer_path_params p = {
		.sas = b->sas,
		.pool = pool,
		.ivs = fer_iv_system(),
		.rules = &b->in_force,
		.reassembly = {.n_datagrams = 16, .timeout_ticks = 30 * rte_get_tsc_hz()},
	};
	if (fer_path_init(&b->path, &p) != 0)
		fail("no path");
}

static void close_box(struct box *b)
{
	fer_path_fini(&b->path);
	fer_policies_destroy(b->policies);
	fer_sa_table_destroy(b->sas);
}

static void write_frame(uint8_t *f)
{
	const struct fer_addr src = {.version = 4, .bytes = {10, 1, 0, 1}};
	const struct fer_addr dst = {.version = 4, .bytes = {10, 2, 0, 1}};
	const struct fer_ip_header ip = {.src = &src,
		.dst = &dst,
		.len = FRAME_BYTES - IP_OFF,
		.ttl = 64,
		.protocol = FER_PROTO_UDP};

	memset(f, 0, FRAME_BYTES);
	fer_store_be16(f + 12, FER_ETHER_TYPE_IPV4);
	fer_ip_write(f + IP_OFF, &ip);
	fer_store_be16(f + UDP_OFF, 1000);
	fer_store_be16(f + UDP_OFF + 2, 2000);
	fer_store_be16(f + UDP_OFF + 4, FRAME_BYTES - UDP_OFF);
	memcpy(f + DATA_OFF, "hello", 5);
}

// The frame after it went through a box; ends the program if it did not.
static struct rte_mbuf *finish(struct box *b)
{
	struct rte_mbuf *out[FER_BATCH_MAX + FER_BATCH_MORE];

	if (fer_sink(&batch, &b->outcomes, out) == 1)
		return out[0];
	for (unsigned v = 0; v < FER_N_VERDICTS; v++)
		if (b->outcomes.packets[v] != 0)
			fail(fer_verdict_text(v));
	fail("nothing came out");
	return NULL;
}

static struct rte_mbuf *send(struct box *b, struct rte_mbuf *m)
{
	batch = (struct fer_batch){.n = 1, .link = FER_LINK_ETHERNET, .m = {m}};
	fer_path_out(&b->path, &batch);
	return finish(b);
}

static struct rte_mbuf *receive(struct box *b, struct rte_mbuf *m)
{
	uint64_t timed_out = 0;

	batch = (struct fer_batch){.n = 1, .link = FER_LINK_ETHERNET, .m = {m}};
	fer_path_in(&b->path, &batch, rte_rdtsc(), &timed_out);
	return finish(b);
}

int main(int argc, char **argv)
{
	int error = 0;

	if (rte_eal_init(argc, argv) < 0 || fer_oob_register() != 0)
		fail("no environment");
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create("p", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	struct fer_engine *engine = fer_engine_open(fer_iv_system(), &error);
	if (pool == NULL || engine == NULL)
		fail("no memory");
	open_box(&sender, "sender", FER_OUT, engine, pool);
	open_box(&receiver, "receiver", FER_IN, engine, pool);

	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	write_frame((uint8_t *)rte_pktmbuf_append(m, FRAME_BYTES));
	m = send(&sender, m);
	if (rte_pktmbuf_mtod(m, uint8_t *)[IP_OFF + 9] != FER_PROTO_ESP)
		fail("it is not protected");
	m = receive(&receiver, m);
	if (rte_pktmbuf_pkt_len(m) != FRAME_BYTES ||
		memcmp(rte_pktmbuf_mtod_offset(m, char *, DATA_OFF), "hello", 5) != 0)
		fail("it is not what was sent");
	puts(fer_verdict_name(FER_OK));

	rte_pktmbuf_free(m);
	close_box(&sender);
	close_box(&receiver);
	fer_engine_close(engine);
	return rte_eal_cleanup();
}
