// SPDX-License-Identifier: BSD-3-Clause
// What a virtual machine is to a port of vhost, in a screen: hands over one TCP frame of any
// length, in the way of a kernel that leaves cutting and checksums to its network card.
//
//     guest [EAL option ...] --vdev=net_virtio_user0,path=SOCKET -- MSS < FRAME
//
// Says "sent", and stays until it is ended, because what it handed over lies in its memory.

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAME_BYTES 66000

static struct rte_mbuf *read_frame(struct rte_mempool *pool)
{
	static uint8_t frame[FRAME_BYTES];
	struct rte_mbuf *m = NULL;
	size_t len = fread(frame, 1, sizeof(frame), stdin);

	for (size_t at = 0; at < len;) {
		struct rte_mbuf *s = rte_pktmbuf_alloc(pool);
		if (s == NULL)
			return NULL;
		uint16_t part = (uint16_t)RTE_MIN(len - at, (size_t)rte_pktmbuf_tailroom(s));
		rte_memcpy(rte_pktmbuf_append(s, part), frame + at, part);
		at += part;
		if (m == NULL)
			m = s;
		else if (rte_pktmbuf_chain(m, s) != 0)
			return NULL;
	}
	return m;
}

// Leaves cutting and checksums to the card; the checksum field holds what DPDK wants there.
static void ask(struct rte_mbuf *m, uint16_t mss)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN);
	bool is_ipv4 = ip[0] >> 4 == 4;

	m->l2_len = RTE_ETHER_HDR_LEN;
	m->l3_len = is_ipv4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + m->l3_len);
	m->l4_len = (tcp->data_off >> 4) * 4;
	m->tso_segsz = mss;
	m->ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM |
		      (is_ipv4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
	tcp->cksum = is_ipv4 ? rte_ipv4_phdr_cksum((const void *)ip, m->ol_flags)
			     : rte_ipv6_phdr_cksum((const void *)ip, m->ol_flags);
}

static struct rte_mempool *open_port(bool is_cut)
{
	const uint64_t cuts = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	const struct rte_eth_conf conf = {
		.txmode = {.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | (is_cut ? cuts : 0)}};
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create("guest", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);

	if (pool == NULL || rte_eth_dev_configure(0, 1, 1, &conf) != 0 ||
		rte_eth_rx_queue_setup(0, 0, 256, 0, NULL, pool) != 0 ||
		rte_eth_tx_queue_setup(0, 0, 256, 0, NULL) != 0 || rte_eth_dev_start(0) != 0)
		return NULL;
	return pool;
}

int main(int argc, char *argv[])
{
	int used = rte_eal_init(argc, argv);
	if (used < 0 || used + 1 >= argc)
		return EXIT_FAILURE;
	uint16_t mss = (uint16_t)atoi(argv[used + 1]);
	struct rte_mempool *pool = open_port(mss != 0);
	struct rte_mbuf *m = pool == NULL ? NULL : read_frame(pool);

	if (m == NULL) {
		fputs("guest: no port, no memory or no frame\n", stderr);
		return EXIT_FAILURE;
	}
	if (mss != 0)
		ask(m, mss);
	if (rte_eth_tx_prepare(0, 0, &m, 1) != 1)
		return EXIT_FAILURE;
	while (rte_eth_tx_burst(0, 0, &m, 1) == 0)
		usleep(1000);
	puts("sent");
	fflush(stdout);
	pause();
	return EXIT_SUCCESS;
}
