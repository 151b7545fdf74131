// SPDX-License-Identifier: BSD-3-Clause
// A program of somebody else: it protects one packet with the NIC half of libferrule alone.
#include <base/bytes.h>
#include <crypto/engine.h>
#include <nic/nic.h>
#include <nic/oob.h>
#include <sa/table.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPI 0x1001
#define FRAME_BYTES (14 + 20 + 8 + 8 + 8 + 16) // Ethernet, IPv4, ESP, IV, ciphertext, ICV

static struct fer_batch batch;

// What a TCP/IP transport does: headers, number, padding, trailer; rooms for IV and ICV.
static void frame_packet(uint8_t *f)
{
	static const uint8_t ip[20] = {0x45, 0, 0, FRAME_BYTES - 14, 0, 0, 0, 0, 64, 50, 0xf6, 0x8c,
		192, 0, 2, 1, 192, 0, 2, 2};

	memset(f, 0, FRAME_BYTES);
	f[12] = 0x08; // IPv4
	memcpy(f + 14, ip, sizeof(ip));
	fer_store_be32(f + 34, SPI);
	fer_store_be32(f + 38, 1);
	memcpy(f + 50, "hello", 5);
	f[55] = 1;   // padding
	f[56] = 1;   // its length
	f[57] = 253; // next header
}

static void fail(const char *what)
{
	fprintf(stderr, "nic_half: %s\n", what);
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	static const uint8_t key[20] = {1, 2, 3};
	struct fer_sa_params sa = {
		.direction = FER_OUT,
		.mode = FER_TRANSPORT,
		.spi = SPI,
		.group = FER_NO_GROUP,
		.src = {.version = 4, .bytes = {192, 0, 2, 1}},
		.dst = {.version = 4, .bytes = {192, 0, 2, 2}},
		.encryption = fer_algo_find(FER_ENCRYPTION, "aes-gcm-128"),
		.encryption_key = key,
		.contract = true,
	};
	const char *why = "";
	struct fer_nic nic;
	uint64_t handle;
	int error = 0;

	if (rte_eal_init(argc, argv) < 0 || fer_oob_register() != 0)
		fail("no environment");
	struct rte_mempool *pool = rte_pktmbuf_pool_create("p", 127, 0, 0, 2048, 0);
	struct rte_rcu_qsbr *qsbr = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(1), 64);
	struct fer_engine *engine = fer_engine_open(fer_iv_system(), &error);
	if (pool == NULL || qsbr == NULL || engine == NULL || rte_rcu_qsbr_init(qsbr, 1) != 0)
		fail("no memory");
	struct fer_sa_table_params t = {
		.name = "t", .capacity = 4, .n_groups = 1, .ivs = fer_iv_system(), .qsbr = qsbr};
	struct fer_sa_table *sas = fer_sa_table_create(&t, engine, &error);
	if (sas == NULL || fer_sa_add(sas, &sa, &handle, &why) != 0)
		fail(why);
	if (fer_nic_init(&nic, sas, fer_iv_system()) != 0)
		fail("no NIC");

	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	frame_packet((uint8_t *)rte_pktmbuf_append(m, FRAME_BYTES));
	*fer_oob_of(m) =
		(struct fer_oob){.ipsec = handle, .header = fer_oob_header_send(253, 1, 0, 20)};
	batch.n = 1;
	batch.m[0] = m;
	fer_batch_parse(&batch);
	fer_nic_transmit(&nic, &batch);
	puts(fer_verdict_name((enum fer_verdict)batch.pkt[0].verdict));
	if (memcmp(rte_pktmbuf_mtod_offset(m, uint8_t *, 50), "hello", 5) == 0)
		fail("it is in the clear");

	rte_pktmbuf_free(m);
	fer_nic_fini(&nic);
	fer_sa_table_destroy(sas);
	fer_engine_close(engine);
	return rte_eal_cleanup();
}
