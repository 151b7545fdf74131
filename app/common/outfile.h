// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A file that is either whole or not there.  A regular file appears under its name at finish()
// only: until then the bytes go into a hidden file beside it, and a file of that name stays as it
// is.  A file that is replaced gives its permissions to the new one, as far as the umask lets it.
// Devices, FIFOs and "/dev/stdout" are written directly.

#include <stdio.h>

struct fer_outfile {
	FILE *file; // to write to
	char *dest; // the name behind links; NULL when written directly
	char *temp; // where the bytes are until finish(); NULL when written directly
};

// 0; or -errno, and o needs nothing more.
__attribute__((warn_unused_result)) int fer_outfile_open(struct fer_outfile *o, const char *path);

// Gives everything to the kernel and puts the file in its place.  0; or -errno, and there is no new
// file.  Either way o is done.
__attribute__((warn_unused_result)) int fer_outfile_finish(struct fer_outfile *o);

// Removes what was written.  Does nothing for an o that is zeroed or done.
void fer_outfile_abort(struct fer_outfile *o);
