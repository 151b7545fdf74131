// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The loop of the control thread: signals, the control socket, and what has to be done from time to
// time.

struct fer_control;
struct fer_daemon;
struct fer_daemon_error;

// Opens the control socket.  The pairs are open, and the workers made.  0; or -errno with error
// set.
__attribute__((warn_unused_result)) int fer_control_open(
	struct fer_daemon *d, struct fer_daemon_error *error);

// Runs until a signal asks to end.  Then nobody is listened to any more, and the socket is gone.
// 0, or -errno when there can be no such loop.
__attribute__((warn_unused_result)) int fer_control_run(struct fer_daemon *d);

// Ends what was asked for and is not complete.  Workers have ended, fer_grace_fini() has been
// called, and the pairs are still open.  NULL does nothing.
void fer_control_close(struct fer_control *c);
