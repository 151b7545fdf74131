// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 100
#define LOCK_PAUSE_NS 10000000L
#define MAX_GROUPS 65536

// Two programs that start at once must not take each other's new socket for a stale one: they go
// one by one, with a lock on the folder, which leaves nothing behind.
static int lock_folder(const char *path)
{
	static const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	const char *slash = strrchr(path, '/');
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path) + 1] = ".";
	int fd;

	if (slash != NULL) {
		const size_t n = slash == path ? 1 : (size_t)(slash - path);

		memcpy(folder, path, n);
		folder[n] = '\0';
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		(void)nanosleep(&pause, NULL);
	}
	(void)close(fd);
	return -EADDRINUSE;
}

static int open_socket(void)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

// Removes a socket that nobody listens to.
static int make_room(const struct sockaddr_un *at)
{
	struct stat st;
	int fd, error = 0;

	if (lstat(at->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = open_socket();
	if (fd < 0)
		return fd;
	// Full queues say EAGAIN: somebody listens.
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno == EAGAIN)
		error = -EADDRINUSE;
	else if (errno != ECONNREFUSED)
		error = -errno;
	(void)close(fd);
	if (error == 0 && unlink(at->sun_path) != 0)
		error = -errno;
	return error;
}

static int bind_and_listen(struct fer_listen *l, const struct sockaddr_un *at, gid_t group)
{
	const mode_t before = umask(0177);
	const int bound = bind(l->fd, (const struct sockaddr *)at, sizeof(*at));
	int error = bound != 0 ? -errno : 0;
	struct stat st;

	(void)umask(before);
	if (error != 0)
		return error;
	if (lstat(l->path, &st) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
		if ((group == (gid_t)-1 ||
			    (chown(l->path, (uid_t)-1, group) == 0 && chmod(l->path, 0660) == 0)) &&
			listen(l->fd, SOMAXCONN) == 0)
			return 0;
	}
	error = -errno;
	(void)unlink(l->path);
	return error;
}

int fer_listen_open(struct fer_listen *l, const char *path, gid_t group)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const size_t len = strlen(path);
	int lock, error;

	if (len == 0 || len >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	*l = (struct fer_listen){.fd = -1};
	memcpy(at.sun_path, path, len);
	memcpy(l->path, path, len);
	lock = lock_folder(path);
	if (lock < 0)
		return lock;
	error = make_room(&at);
	if (error != 0)
		goto unlock;
	l->fd = open_socket();
	error = l->fd < 0 ? l->fd : bind_and_listen(l, &at, group);
	if (error != 0 && l->fd >= 0)
		(void)close(l->fd);
unlock:
	(void)close(lock);
	return error;
}

void fer_listen_close(struct fer_listen *l)
{
	struct stat st;

	if (lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		(void)unlink(l->path);
	(void)close(l->fd);
	l->fd = -1;
}

static bool is_member(int fd, const struct ucred *who, gid_t group)
{
	socklen_t len = MAX_GROUPS * sizeof(gid_t);
	bool found = who->gid == group;
	gid_t *groups;

	if (found || (groups = malloc(len)) == NULL)
		return found;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
		for (size_t i = 0; i < len / sizeof(gid_t); i++)
			found |= groups[i] == group;
	free(groups);
	return found;
}

bool fer_listen_may_connect(int fd, gid_t group)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0 || len != sizeof(who))
		return false;
	if (who.uid == 0 || who.uid == geteuid())
		return true;
	return group != (gid_t)-1 && is_member(fd, &who, group);
}
