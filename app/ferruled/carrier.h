// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Has a port somebody at its other end?  Ports that are interfaces of the kernel are asked for
// there: some of their drivers say "up" whatever happens, and others look in a namespace in which
// the interface is no more.  All others are asked for at their driver.

#include <stdbool.h>
#include <stdint.h>

struct rte_eth_dev_info;

struct fer_carrier {
	uint16_t port;
	uint32_t if_index; // 0: no interface of the kernel
	int tun;           // what holds it, of a TAP; not ours, and -1 of all others
};

// The port is there, and in the namespace it was made in.
void fer_carrier_find(struct fer_carrier *c, uint16_t port, const struct rte_eth_dev_info *info);

// A TAP that has gone to another namespace is up as long as it exists.
bool fer_carrier_is_up(const struct fer_carrier *c);
