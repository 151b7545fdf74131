// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Ports of the EAL: found by name, set up for what the path needs, started, watched and stopped.
// The control thread calls these functions; workers read the struct and use the queues, each its
// own.

#include "carrier.h"

#include "conf/document.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;

// The sides of a pair: towards those who speak in the clear, and towards the peers.
enum fer_side { FER_HOST_SIDE, FER_WIRE_SIDE, FER_N_SIDES };

enum fer_port_link { FER_PORT_UNKNOWN, FER_PORT_UP, FER_PORT_DOWN, FER_PORT_GONE };

struct fer_port {
	char name[FER_DOC_PORT_BYTES];
	uint16_t id;
	uint16_t n_queues;  // received from and sent to
	uint16_t n_rx_desc; // of each queue
	uint16_t n_tx_desc;
	uint32_t mtu;       // bytes of an IP packet
	uint32_t data_room; // bytes that a buffer has to hold, headroom included
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss_hf;
	uint32_t large_bytes; // of data that a large send may have that comes in here; 0: none do
	bool can_sleep;       // its driver may wait in the kernel
	bool is_virtual;      // no hardware behind it
	bool tells_removal;   // its driver does
	bool is_set_up;
	bool is_started;
	struct fer_carrier carrier;
	enum fer_port_link link; // as it was last seen
	_Atomic bool is_lost;    // it had a link; nothing is sent until it has one again
	_Atomic bool is_removed; // surprise removal: it is not touched any more, and stays lost
};

enum fer_port_news { FER_PORT_SAME, FER_PORT_LOST, FER_PORT_BACK, FER_PORT_REMOVED };

// Which setting of the pair is at fault.
enum fer_port_fault { FER_PORT_NAME, FER_PORT_MTU, FER_PORT_QUEUES };

struct fer_port_error {
	enum fer_port_fault at;
	char why[512];
};

// Finds a port and asks what it can do.  0; or -errno with *error set.
//   large_sends  an external host hands them over here, in one piece
__attribute__((warn_unused_result)) int fer_port_find(struct fer_port *p,
	const struct fer_doc_port *doc, uint32_t n_queues, bool large_sends,
	struct fer_port_error *error);

// Sets up the port and its queues, which receive into the pool.  0; or -errno with *error set.
__attribute__((warn_unused_result)) int fer_port_set_up(
	struct fer_port *p, struct rte_mempool *pool, struct fer_port_error *error);

// Starts it, with frames for all addresses.  0; or -errno with *error set.
__attribute__((warn_unused_result)) int fer_port_start(
	struct fer_port *p, struct fer_port_error *error);

// Stops and starts hardware.  What is virtual stays as it is: some of its drivers cannot be started
// again, and there is nothing behind them to be reset.  No worker is using the port.  0 or -errno.
__attribute__((warn_unused_result)) int fer_port_reset(struct fer_port *p);

// No worker is using the port.  They do nothing to a port that is not started, or not set up.
void fer_port_stop(struct fer_port *p);
void fer_port_close(struct fer_port *p);

// Looks for its link, and whether it is there at all.  To be called from time to time; tells each
// change once, and that there is no link at first.  A port that was removed tells nothing more.
enum fer_port_news fer_port_watch(struct fer_port *p);
