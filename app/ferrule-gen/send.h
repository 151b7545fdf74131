// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Streams over ports, from one thread: what it sends and what comes back.
//
// What a port does not take waits and is offered again, so nothing that was made is dropped here:
// what is missing in the end was lost behind the port.

#include "options.h"
#include "receiver.h"
#include "source.h"

#include <signal.h>

struct fer_gen_ports {
	uint16_t tx, rx;
	bool receives;
};

// Sets up and starts the ports that the options name, and waits for their links until *stop is not
// 0.  0; or -1 with a line in error, and fer_gen_ports_stop() is called all the same.
__attribute__((warn_unused_result)) int fer_gen_ports_start(struct fer_gen_ports *p,
	const struct fer_gen_options *o, struct rte_mempool *pool,
	const volatile sig_atomic_t *stop, char error[FER_GEN_ERROR_BYTES]);

void fer_gen_ports_stop(void);

// Sends as the options say, and receives until all has come or the wait is over.
//   receiver  NULL where nothing is received
//   stop      not 0: give up sending; what came counts
//   seconds   set on 0: from the first packet to the last one sent
// 0, or -1 with a line in error.
__attribute__((warn_unused_result)) int fer_gen_send(struct fer_gen_source *s,
	struct fer_gen_receiver *receiver, const struct fer_gen_ports *p,
	const struct fer_gen_options *o, const volatile sig_atomic_t *stop, double *seconds,
	char error[FER_GEN_ERROR_BYTES]);
