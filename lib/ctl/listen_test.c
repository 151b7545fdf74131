// SPDX-License-Identifier: BSD-3-Clause
// Who may come to the control socket, whose socket file is replaced, and what is left behind?
#include "ctl/echo_service.h"
#include "ctl/listen.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define NOBODY 65534
#define NO_GROUP ((gid_t)-1)

static char folder[32];
static char path[64];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/ctl_test.XXXXXX");
	if (mkdtemp(folder) == NULL || chmod(folder, 0755) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/sock", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder); // nothing else is there
}

static unsigned mode_of_path(void)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void only_the_owner_may_open_it(void **state)
{
	const mode_t before = umask(0);
	struct fer_listen l;

	(void)state;
	assert_int_equal(fer_listen_open(&l, path, NO_GROUP), 0);
	assert_int_equal(umask(before), 0); // as it was
	assert_int_equal(mode_of_path(), 0600);
	fer_listen_close(&l);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(fer_listen_open(&l, path, getegid()), 0);
	assert_int_equal(mode_of_path(), 0660);
	fer_listen_close(&l);
}

static void a_live_socket_is_left_alone(void **state)
{
	struct fer_listen one, two;

	(void)state;
	assert_int_equal(fer_listen_open(&one, path, NO_GROUP), 0);
	assert_int_equal(fer_listen_open(&two, path, NO_GROUP), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	fer_listen_close(&one);
}

static void a_stale_socket_is_replaced(void **state)
{
	struct fer_listen l;

	(void)state;
	assert_int_equal(fer_listen_open(&l, path, NO_GROUP), 0);
	assert_int_equal(close(l.fd), 0); // as if killed
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(fer_listen_open(&l, path, NO_GROUP), 0);
	fer_listen_close(&l);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct fer_listen l;
	const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(fer_listen_open(&l, path, NO_GROUP), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_int_equal(fer_listen_open(&l, path, NO_GROUP), -EEXIST);
}

static void the_socket_of_a_successor_is_left_alone(void **state)
{
	struct fer_listen one, two;

	(void)state;
	assert_int_equal(fer_listen_open(&one, path, NO_GROUP), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fer_listen_open(&two, path, NO_GROUP), 0);
	fer_listen_close(&one);
	assert_int_equal(access(path, F_OK), 0);
	fer_listen_close(&two);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void a_path_that_cannot_be_is_refused(void **state)
{
	struct fer_listen l;
	char far_away[200];

	(void)state;
	memset(far_away, 'x', sizeof(far_away) - 1);
	far_away[sizeof(far_away) - 1] = '\0';
	assert_int_equal(fer_listen_open(&l, far_away, NO_GROUP), -ENAMETOOLONG);
	assert_int_equal(fer_listen_open(&l, "", NO_GROUP), -ENAMETOOLONG);
	assert_int_equal(fer_listen_open(&l, "/nowhere/at/all", NO_GROUP), -ENOENT);
}

static void starting_waits_for_nobody_for_ever(void **state)
{
	const int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fer_listen l;

	(void)state;
	assert_true(lock >= 0);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(fer_listen_open(&l, path, NO_GROUP), -EADDRINUSE);
	close(lock);
}

// Twenty programs that start at once: one of them has the socket.
static void of_many_starters_one_wins(void **state)
{
	int winners = 0, ready[2];

	(void)state;
	assert_int_equal(pipe(ready), 0);
	for (int i = 0; i < 20; i++) {
		if (fork() == 0) {
			struct fer_listen l;
			char byte;
			const int error = fer_listen_open(&l, path, NO_GROUP);

			// Those who won stay until all have tried.
			close(ready[1]);
			(void)!read(ready[0], &byte, 1);
			_exit(error == 0 ? 0 : error == -EADDRINUSE ? 1 : 2);
		}
	}
	(void)sleep(2);
	close(ready[1]);
	for (int i = 0; i < 20; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		winners += WEXITSTATUS(status) == 0;
	}
	close(ready[0]);
	assert_int_equal(winners, 1);
}

// Connects as somebody else, and gives the result of fer_client_open() back.
static int open_as(const struct service *s, uid_t uid, gid_t gid, gid_t supplementary)
{
	const pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct fer_client *c = NULL;
		int error;

		if (setgroups(supplementary == NO_GROUP ? 0 : 1, &supplementary) != 0 ||
			setgid(gid) != 0 || setuid(uid) != 0)
			_exit(255);
		error = fer_client_open(s->path, 5000, &c);
		fer_client_close(c);
		_exit(-error);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void credentials_count_not_only_the_mode(void **state)
{
	struct service *s;

	(void)state;
	if (geteuid() != 0)
		skip();
	s = service_start(NULL);
	assert_int_equal(chmod(s->folder, 0755), 0);
	assert_int_equal(open_as(s, NOBODY, NOBODY, NO_GROUP), -EACCES); // by the mode
	assert_int_equal(chmod(s->path, 0666), 0);
	assert_int_equal(open_as(s, NOBODY, NOBODY, NO_GROUP), -EACCES); // by the server
	assert_int_equal(open_as(s, 0, NOBODY, NO_GROUP), 0);
	service_stop(s);
}

static void a_group_may_be_let_in(void **state)
{
	int fds[2];

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_true(fer_listen_may_connect(fds[0], NO_GROUP)); // ourselves
	close(fds[0]);
	close(fds[1]);
	for (int supplementary = 0; supplementary < 2; supplementary++) {
		int status;
		const pid_t pid = fork();

		if (pid == 0) {
			const gid_t group = 12345;

			// Both ends have the credentials of the child.
			if (setgroups(supplementary, &group) != 0 ||
				setgid(supplementary != 0 ? NOBODY : group) != 0 ||
				setresuid(NOBODY, 0, 0) != 0 || setresuid(NOBODY, NOBODY, 0) != 0 ||
				socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0 ||
				setresuid(0, 0, 0) != 0)
				_exit(255);
			_exit((fer_listen_may_connect(fds[0], group) ? 1 : 0) |
				(fer_listen_may_connect(fds[0], group + 1) ? 2 : 0) |
				(fer_listen_may_connect(fds[0], NO_GROUP) ? 4 : 0));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 1);
	}
}

static void requests_outlive_their_server(void **state)
{
	struct service *s = service_start(NULL);
	struct fer_client *c = service_client(s);
	struct fer_client_reply r;
	uint64_t firm, held;

	(void)state;
	firm = submit(c, OID_HOLD_FIRM, NULL, 0);
	held = submit(c, OID_HOLD, NULL, 0);
	assert_int_equal(collect(c, submit(c, OID_ECHO, NULL, 0)), NDIS_STATUS_SUCCESS);
	service_stop(s); // completes those that are not cancelled by then
	assert_int_equal(fer_client_collect(c, firm, 1000, &r), -EPIPE);
	assert_int_equal(fer_client_collect(c, held, 1000, &r), -EPIPE);
	fer_client_close(c);
}

static void who_is_not_there_is_said(void **state)
{
	struct fer_client *c = NULL;

	(void)state;
	assert_int_equal(fer_client_open(path, 1000, &c), -ENOENT);
	assert_null(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_the_owner_may_open_it),
		TEST(a_live_socket_is_left_alone),
		TEST(a_stale_socket_is_replaced),
		TEST(what_is_no_socket_is_left_alone),
		TEST(the_socket_of_a_successor_is_left_alone),
		TEST(a_path_that_cannot_be_is_refused),
		TEST(starting_waits_for_nobody_for_ever),
		TEST(of_many_starters_one_wins),
		TEST(credentials_count_not_only_the_mode),
		TEST(a_group_may_be_let_in),
		TEST(requests_outlive_their_server),
		TEST(who_is_not_there_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
