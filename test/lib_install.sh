#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Can somebody without our tree build a DPDK program against the installed library, and does it
# protect a packet?  Takes the build folder and the program's source.
set -euo pipefail

build=$1
source=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

meson install -C "$build" --no-rebuild --quiet --destdir "$root"
library=$(find "$root" -name libferrule.so.0)
folder=$(dirname "$library")
export PKG_CONFIG_PATH=$folder/pkgconfig
include=$(pkg-config --variable=includedir libferrule)/ferrule
[[ " $(pkg-config --cflags libferrule) " == *" -I$include "* ]]
read -ra dpdk < <(pkg-config --cflags --libs libdpdk)
cc -std=gnu17 -Wall -Wextra -Werror "$source" -o "$root/program" "-I$root$include" -L"$folder" -lferrule "${dpdk[@]}"

outcome=$(cd "$root" && LD_LIBRARY_PATH=$folder ./program --no-huge --no-pci --no-telemetry --no-shconf \
	--log-level='*:error' -l 0 -m 64)
[[ $outcome == ok ]] || {
	echo "it ended in $outcome"
	exit 1
}

strange=$(nm -D --defined-only "$library" | awk '{ print $3 }' | grep -vE '^(fer_|FERRULE_0)' || true)
[[ -z $strange ]] || {
	echo "it exports $strange"
	exit 1
}
[[ $(pkg-config --print-requires libferrule) == libdpdk* ]]
