// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The socket that a server listens at: how it comes into the file system, who may come in, and how
// it goes away.

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

struct fer_listen {
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t dev; // of the file that was made
	ino_t ino;
};

// Makes the socket, with mode 0600; or, where group is not (gid_t)-1, with 0660 and that group.
// What is refused and how: see fer_ctl_server_create().
__attribute__((warn_unused_result)) int fer_listen_open(
	struct fer_listen *l, const char *path, gid_t group);

// Closes it, and removes the file unless it is somebody else's by now.
void fer_listen_close(struct fer_listen *l);

// Is the other end of a connection root, of our own user, or a member of the group?
bool fer_listen_may_connect(int fd, gid_t group);
