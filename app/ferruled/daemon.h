// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Everything that the daemon is made of, brought up and taken down in order.  All of it belongs to
// the control thread, which is the EAL's main lcore.

#include "control.h"
#include "environment.h"
#include "pairs.h"
#include "workers.h"

#include "base/log.h"

struct fer_daemon {
	struct fer_log log;
	struct fer_environment environment;
	struct fer_doc_daemon settings;
	const struct fer_iv_source *ivs;
	struct fer_engine *engine; // expands keys
	struct rte_rcu_qsbr *qsbr; // of the workers
	struct fer_grace grace;
	struct fer_pair *pairs;
	unsigned n_pairs; // that are open
	struct fer_workers workers;
	struct fer_control *control; // NULL until fer_control_open()
	bool is_up;                  // the EAL has started
	uint64_t looked_ns;          // when links were last looked for
};

struct fer_daemon_error {
	char text[1280]; // one line
};

// Brings everything up, up to workers that carry packets.  All SAs and policies of the document are
// in force before the first packet is taken, and the control socket is ours.
//   argv  the EAL's options
// 0; or -errno with error set, after which fer_daemon_stop() takes down what there is.
__attribute__((warn_unused_result)) int fer_daemon_start(struct fer_daemon *d, int argc,
	char *const argv[], const struct fer_doc *doc, struct fer_daemon_error *error);

// Takes everything down: no more packets are taken, workers end, keys are wiped.  False when a
// worker does not end: then what it uses is left as it is, and the process has to end at once.
bool fer_daemon_stop(struct fer_daemon *d);

// What has to be done from time to time, every 10 ms or so: grace periods, workers that stall,
// links that go and come.
void fer_daemon_tick(struct fer_daemon *d, uint64_t now_ns);
