// SPDX-License-Identifier: BSD-3-Clause
#include "ports.h"

#include "nic/lso.h"
#include "nic/shim.h"

#include <errno.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define N_DESC 1024
#define N_DESC_VIRTUAL 512
#define HEADERS_BYTES 512      // of a large send, the shim aside
#define LARGE_LEAST_BYTES 3000 // two segments; less is not worth offering
#define LINK_BYTES (RTE_ETHER_HDR_LEN + 4 * RTE_VLAN_HLEN) // with as many tags as are understood

__attribute__((format(printf, 4, 5))) static int fail(
	struct fer_port_error *error, enum fer_port_fault at, int code, const char *format, ...)
{
	va_list args;

	error->at = at;
	va_start(args, format);
	vsnprintf(error->why, sizeof(error->why), format, args);
	va_end(args);
	return code;
}

static int fail_name(struct fer_port_error *error, const char *name)
{
	char list[400] = "";
	size_t len = 0;
	uint16_t id;

	RTE_ETH_FOREACH_DEV(id)
	{
		char other[RTE_ETH_NAME_MAX_LEN];

		if (rte_eth_dev_get_name_by_port(id, other) == 0 && len < sizeof(list))
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
				len == 0 ? "" : ", ", other);
	}
	if (len == 0)
		return fail(error, FER_PORT_NAME, -ENODEV,
			"%s is no port: the EAL has none, give it --vdev or bind a device", name);
	return fail(error, FER_PORT_NAME, -ENODEV, "%s is no port: there are %s", name, list);
}

static bool is_one_of(const char *driver, const char *const drivers[], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(driver, drivers[i]) == 0)
			return true;
	return false;
}

// Drivers that send packets in several segments without saying so.
static bool driver_gathers(const char *driver)
{
	static const char *const drivers[] = {"net_pcap", "net_null"};

	return is_one_of(driver, drivers, RTE_DIM(drivers));
}

// Drivers that make system calls which can wait.
static bool driver_sleeps(const char *driver)
{
	static const char *const drivers[] = {"net_tap", "net_tun", "net_af_packet", "net_pcap"};

	return is_one_of(driver, drivers, RTE_DIM(drivers));
}

// Drivers that hand over frames longer than the MTU, in several segments.
static bool driver_takes_any_length(const char *driver)
{
	static const char *const drivers[] = {"net_tap", "net_memif", "net_vhost", "net_ring"};

	return is_one_of(driver, drivers, RTE_DIM(drivers));
}

// Says what a port can do.  A bond has its members, and can do what they can, from when it is set
// up for the first time.
static int get_info(uint16_t id, struct rte_eth_dev_info *info)
{
	static const char *const bonds[] = {"net_bonding"};
	const struct rte_eth_conf plain = {0};
	int rc = rte_eth_dev_info_get(id, info);

	if (rc != 0 || !is_one_of(info->driver_name, bonds, RTE_DIM(bonds)))
		return rc;
	rc = rte_eth_dev_configure(id, 1, 1, &plain);
	return rc != 0 ? rc : rte_eth_dev_info_get(id, info);
}

static uint32_t large_bytes(const struct fer_port *p, const char *driver)
{
	uint32_t around = FER_SHIM_BYTES + HEADERS_BYTES;

	if (driver_takes_any_length(driver))
		return FER_LSO_MAX_BYTES;
	return p->mtu < around + LARGE_LEAST_BYTES
		       ? 0
		       : RTE_MIN(p->mtu - around, (uint32_t)FER_LSO_MAX_BYTES);
}

// Without scattered reception a frame has to fit into one buffer.
static uint32_t data_room(const struct fer_port *p)
{
	uint32_t frame = RTE_PKTMBUF_HEADROOM + LINK_BYTES + p->mtu;

	if ((p->rx_offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0)
		return RTE_MBUF_DEFAULT_BUF_SIZE;
	return RTE_MAX((uint32_t)RTE_MBUF_DEFAULT_BUF_SIZE, RTE_ALIGN(frame, 64u));
}

static void take_info(struct fer_port *p, const struct rte_eth_dev_info *info, bool large_sends)
{
	const struct rte_bus *bus = rte_dev_bus(info->device);
	bool needs_scatter = p->mtu + LINK_BYTES > RTE_MBUF_DEFAULT_DATAROOM;

	p->is_virtual = bus != NULL && strcmp(rte_bus_name(bus), "vdev") == 0;
	p->tells_removal = (*info->dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
	p->can_sleep = driver_sleeps(info->driver_name);
	p->tx_offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	p->large_bytes = large_sends ? large_bytes(p, info->driver_name) : 0;
	needs_scatter |= p->large_bytes > 0;
	p->rx_offloads = needs_scatter ? info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER : 0;
	p->rss_hf =
		info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP |
						       RTE_ETH_RSS_ESP | RTE_ETH_RSS_AH);
	p->n_rx_desc = p->n_tx_desc = p->is_virtual ? N_DESC_VIRTUAL : N_DESC;
	p->data_room = data_room(p);
	fer_carrier_find(&p->carrier, p->id, info, !p->is_virtual);
}

int fer_port_find(struct fer_port *p, const struct fer_doc_port *doc, uint32_t n_queues,
	bool large_sends, struct fer_port_error *error)
{
	struct rte_eth_dev_info info;

	*p = (struct fer_port){.n_queues = (uint16_t)n_queues, .mtu = doc->mtu};
	memcpy(p->name, doc->name, sizeof(p->name));
	if (rte_eth_dev_get_port_by_name(p->name, &p->id) != 0)
		return fail_name(error, p->name);
	int rc = get_info(p->id, &info);
	if (rc != 0)
		return fail(error, FER_PORT_NAME, rc, "%s does not say what it can do: %s", p->name,
			strerror(-rc));
	uint16_t most = RTE_MIN(info.max_rx_queues, info.max_tx_queues);
	if (n_queues > most)
		return fail(error, FER_PORT_QUEUES, -EINVAL, "are %u, but %s (%s) has %u", n_queues,
			p->name, info.driver_name, most);
	take_info(p, &info, large_sends);
	if (p->tx_offloads == 0 && !driver_gathers(info.driver_name))
		return fail(error, FER_PORT_NAME, -ENOTSUP,
			"%s (%s) does not send packets that lie in several segments", p->name,
			info.driver_name);
	return 0;
}

static int configure(struct fer_port *p, struct fer_port_error *error)
{
	struct rte_eth_conf conf = {
		.rxmode = {.mtu = p->mtu, .offloads = p->rx_offloads},
		.txmode = {.offloads = p->tx_offloads},
		.intr_conf = {.rmv = p->tells_removal},
	};

	if (p->n_queues > 1 && p->rss_hf != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = p->rss_hf;
	}
	int rc = rte_eth_dev_configure(p->id, p->n_queues, p->n_queues, &conf);
	if (rc == -EINVAL && p->mtu != RTE_ETHER_MTU)
		return fail(error, FER_PORT_MTU, rc, "%u is an MTU that %s does not take", p->mtu,
			p->name);
	if (rc != 0)
		return fail(error, FER_PORT_NAME, rc, "%s cannot be set up: %s", p->name,
			strerror(-rc));
	p->is_set_up = true;
	return 0;
}

// Some drivers have no MTU of their own: they carry what they are given.
static int set_mtu(struct fer_port *p, struct fer_port_error *error)
{
	int rc = rte_eth_dev_set_mtu(p->id, (uint16_t)p->mtu);

	if (rc == 0 || rc == -ENOTSUP)
		return 0;
	return fail(error, FER_PORT_MTU, rc, "%u is an MTU that %s does not take: %s", p->mtu,
		p->name, strerror(-rc));
}

static int set_up_queues(struct fer_port *p, struct rte_mempool *pool, struct fer_port_error *error)
{
	int socket = rte_eth_dev_socket_id(p->id);
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &p->n_rx_desc, &p->n_tx_desc);

	for (uint16_t q = 0; rc == 0 && q < p->n_queues; q++) {
		rc = rte_eth_rx_queue_setup(p->id, q, p->n_rx_desc, (unsigned)socket, NULL, pool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(p->id, q, p->n_tx_desc, (unsigned)socket, NULL);
	}
	if (rc != 0)
		return fail(error, FER_PORT_NAME, rc, "%s cannot have its queues: %s", p->name,
			strerror(-rc));
	return 0;
}

int fer_port_set_up(struct fer_port *p, struct rte_mempool *pool, struct fer_port_error *error)
{
	int rc = configure(p, error);

	if (rc == 0)
		rc = set_up_queues(p, pool, error);
	if (rc == 0)
		rc = set_mtu(p, error);
	return rc;
}

// In a thread of the EAL.
static int on_removal(uint16_t id, enum rte_eth_event_type type, void *port, void *ret)
{
	struct fer_port *p = port;

	(void)id, (void)type, (void)ret;
	atomic_store_explicit(&p->is_removed, true, memory_order_relaxed);
	return 0;
}

int fer_port_start(struct fer_port *p, struct fer_port_error *error)
{
	int rc = rte_eth_dev_callback_register(p->id, RTE_ETH_EVENT_INTR_RMV, on_removal, p);

	if (rc == 0)
		rc = rte_eth_dev_start(p->id);

	if (rc != 0)
		return fail(error, FER_PORT_NAME, rc, "%s cannot be started: %s", p->name,
			strerror(-rc));
	p->is_started = true;
	rc = rte_eth_promiscuous_enable(p->id);
	if (rc == 0 || p->is_virtual)
		return 0;
	return fail(error, FER_PORT_NAME, rc, "%s does not receive frames for all addresses: %s",
		p->name, strerror(-rc));
}

int fer_port_reset(struct fer_port *p)
{
	struct fer_port_error error;

	if (p->is_virtual)
		return 0;
	fer_port_stop(p);
	return fer_port_start(p, &error);
}

void fer_port_stop(struct fer_port *p)
{
	(void)rte_eth_dev_callback_unregister(p->id, RTE_ETH_EVENT_INTR_RMV, on_removal, p);
	if (p->is_started)
		(void)rte_eth_dev_stop(p->id);
	p->is_started = false;
}

void fer_port_close(struct fer_port *p)
{
	fer_port_stop(p);
	if (p->is_set_up)
		(void)rte_eth_dev_close(p->id);
	p->is_set_up = false;
}

static enum fer_port_link look(const struct fer_port *p)
{
	if (atomic_load_explicit(&p->is_removed, memory_order_relaxed))
		return FER_PORT_GONE;
	switch (fer_carrier_look(&p->carrier)) {
	case FER_CARRIER_UP:
		return FER_PORT_UP;
	case FER_CARRIER_DOWN:
		return FER_PORT_DOWN;
	case FER_CARRIER_GONE:
		break;
	}
	return FER_PORT_GONE;
}

enum fer_port_news fer_port_watch(struct fer_port *p)
{
	enum fer_port_link was = p->link;

	if (was == FER_PORT_GONE)
		return FER_PORT_SAME;
	p->link = look(p);
	if (p->link == was)
		return FER_PORT_SAME;
	// What some drivers never had cannot be lost: they may send without it.
	atomic_store_explicit(
		&p->is_lost, was == FER_PORT_UP || p->link == FER_PORT_GONE, memory_order_relaxed);
	if (p->link == FER_PORT_GONE) {
		atomic_store_explicit(&p->is_removed, true, memory_order_relaxed);
		return FER_PORT_REMOVED;
	}
	if (p->link == FER_PORT_DOWN)
		return FER_PORT_LOST;
	return was == FER_PORT_DOWN ? FER_PORT_BACK : FER_PORT_SAME;
}
