// SPDX-License-Identifier: BSD-3-Clause
// The echo service as a program, for clients in other languages: prints the path of its socket, and
// ends when it is told to stop.
#include "ctl/echo_service.h"

#include <event2/event.h>
#include <stdio.h>

int main(void)
{
	struct service *s = service_open(NULL);
	int status;

	printf("%s\n", s->path);
	(void)fflush(stdout);
	status = event_base_dispatch(s->base);
	service_close(s);
	return status < 0;
}
