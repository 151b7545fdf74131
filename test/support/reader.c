// SPDX-License-Identifier: BSD-3-Clause
// A virtual machine with several CPUs: says which of its queues each packet came by.
//
//     reader [EAL option ...] --vdev=net_virtio_user0,path=SOCKET,queues=N,cq=1 -- N
//
// Says "ready", and then a line for each frame, until it is ended: its queue, and the two 32-bit
// numbers at its end, which are its flow and its number in the flow.

#include <rte_byteorder.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BURST 32
#define TAIL_BYTES 8

static bool open_port(uint16_t n_queues)
{
	const struct rte_eth_conf conf = {0};
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create("reader", 8191, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);

	if (pool == NULL || rte_eth_dev_configure(0, n_queues, n_queues, &conf) != 0)
		return false;
	for (uint16_t q = 0; q < n_queues; q++)
		if (rte_eth_rx_queue_setup(0, q, 256, 0, NULL, pool) != 0 ||
			rte_eth_tx_queue_setup(0, q, 256, 0, NULL) != 0)
			return false;
	return rte_eth_dev_start(0) == 0;
}

static void tell(uint16_t queue, const struct rte_mbuf *m)
{
	uint32_t room[2];

	if (m->pkt_len < TAIL_BYTES)
		return;
	const uint32_t *tail = rte_pktmbuf_read(m, m->pkt_len - TAIL_BYTES, TAIL_BYTES, room);
	printf("%u %u %u\n", queue, rte_be_to_cpu_32(tail[0]), rte_be_to_cpu_32(tail[1]));
}

// Returns how many frames came.
static unsigned read_queue(uint16_t queue)
{
	struct rte_mbuf *m[BURST];
	unsigned n = rte_eth_rx_burst(0, queue, m, BURST);

	for (unsigned i = 0; i < n; i++)
		tell(queue, m[i]);
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

int main(int argc, char *argv[])
{
	int used = rte_eal_init(argc, argv);
	if (used < 0 || used + 1 >= argc)
		return EXIT_FAILURE;
	uint16_t n_queues = (uint16_t)atoi(argv[used + 1]);

	if (!open_port(n_queues)) {
		fputs("reader: no port or no memory\n", stderr);
		return EXIT_FAILURE;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		unsigned n = 0;

		for (uint16_t q = 0; q < n_queues; q++)
			n += read_queue(q);
		if (n > 0)
			fflush(stdout);
		else
			usleep(100);
	}
}
