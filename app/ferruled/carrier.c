// SPDX-License-Identifier: BSD-3-Clause
#include "carrier.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <rte_ethdev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// Is the descriptor one of the TAP of this name?
static bool holds(int fd, const char *name)
{
	char path[32], target[32] = "";
	struct ifreq r = {0};

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) < 0 || strcmp(target, "/dev/net/tun") != 0)
		return false;
	return ioctl(fd, TUNGETIFF, &r) == 0 && strcmp(r.ifr_name, name) == 0;
}

static int find_tun(const char *name)
{
	DIR *dir = opendir("/proc/self/fd");
	int found = -1;

	if (dir == NULL)
		return -1;
	for (struct dirent *d; found < 0 && (d = readdir(dir)) != NULL;) {
		int fd = (int)strtol(d->d_name, NULL, 10);

		if (d->d_name[0] != '.' && holds(fd, name))
			found = fd;
	}
	closedir(dir);
	return found;
}

void fer_carrier_find(
	struct fer_carrier *c, uint16_t port, const struct rte_eth_dev_info *info, bool is_hardware)
{
	char name[IF_NAMESIZE];

	*c = (struct fer_carrier){
		.port = port, .if_index = info->if_index, .tun = -1, .is_hardware = is_hardware};
	if (c->if_index != 0 && if_indextoname(c->if_index, name) != NULL)
		c->tun = find_tun(name);
}

static bool is_running(struct ifreq *r)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up;

	if (fd < 0)
		return true; // nobody knows
	up = ioctl(fd, SIOCGIFFLAGS, r) == 0 && (r->ifr_flags & IFF_RUNNING) != 0;
	close(fd);
	return up;
}

static enum fer_carrier_state state_of(bool is_up)
{
	return is_up ? FER_CARRIER_UP : FER_CARRIER_DOWN;
}

static enum fer_carrier_state ask_driver(const struct fer_carrier *c)
{
	struct rte_eth_link link;

	return state_of(rte_eth_link_get_nowait(c->port, &link) == 0 &&
			link.link_status == RTE_ETH_LINK_UP);
}

static enum fer_carrier_state ask_kernel(const struct fer_carrier *c)
{
	struct ifreq r = {0};

	if (if_indextoname(c->if_index, r.ifr_name) != NULL)
		return state_of(is_running(&r));
	if (errno != ENXIO)
		return FER_CARRIER_UP; // nobody knows
	if (c->tun >= 0 && ioctl(c->tun, TUNGETIFF, &r) == 0)
		return FER_CARRIER_UP;
	return c->is_hardware ? FER_CARRIER_DOWN : FER_CARRIER_GONE;
}

enum fer_carrier_state fer_carrier_look(const struct fer_carrier *c)
{
	if (!rte_eth_dev_is_valid_port(c->port) || rte_eth_dev_is_removed(c->port) != 0)
		return FER_CARRIER_GONE;
	return c->if_index == 0 ? ask_driver(c) : ask_kernel(c);
}
