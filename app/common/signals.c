// SPDX-License-Identifier: BSD-3-Clause
#include "signals.h"

#include <stddef.h>

volatile sig_atomic_t fer_signal_caught;

static void ask_to_stop(int signal_number)
{
	fer_signal_caught = signal_number;
}

void fer_signals_catch(void)
{
	const struct sigaction interrupt = {.sa_handler = ask_to_stop, .sa_flags = SA_RESTART};

	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGTERM, &interrupt, NULL);
	sigaction(SIGHUP, &interrupt, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}
