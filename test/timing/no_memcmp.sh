#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Do the libraries of the data path call a comparison that ends early?  Asked of what was linked,
# because a macro or a compiler may put one where no source has it.
#   no_memcmp.sh LIBRARY...
set -euo pipefail

if nm -A -u "$@" | grep -E ' (memcmp|bcmp|__memcmpeq|__memcmp_chk)$'; then
	echo "tags and keys are compared in constant time, and nothing else needs these here"
	exit 1
fi
