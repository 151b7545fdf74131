// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Tells the service manager how far we are: sd_notify(3) without its library.

// state is such as "READY=1" or "STOPPING=1".  Without NOTIFY_SOCKET it does nothing; nobody is
// told that the manager cannot be told.
void fer_notify(const char *state);
