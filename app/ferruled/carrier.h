// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Has a port somebody at its other end?  Ports that are interfaces of the kernel are asked for
// there: some of their drivers say "up" whatever happens, and others look in a namespace in which
// the interface is no more.  All others are asked for at their driver.

#include <stdbool.h>
#include <stdint.h>

struct rte_eth_dev_info;

// GONE: the port itself has been taken away, and does not come back.
enum fer_carrier_state { FER_CARRIER_UP, FER_CARRIER_DOWN, FER_CARRIER_GONE };

struct fer_carrier {
	uint16_t port;
	uint32_t if_index; // 0: no interface of the kernel
	int tun;           // what holds it, of a TAP; not ours, and -1 of all others
	bool is_hardware;  // its driver knows more of it than the kernel shows here
};

// The port is there, and in the namespace it was made in.
void fer_carrier_find(struct fer_carrier *c, uint16_t port, const struct rte_eth_dev_info *info,
	bool is_hardware);

// A TAP that has gone to another namespace is up as long as it exists.  Any other interface that is
// no more, or no more here, is lost to the socket that its driver has.
enum fer_carrier_state fer_carrier_look(const struct fer_carrier *c);
