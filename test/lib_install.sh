#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Can somebody without our tree build DPDK programs against the installed library, and do they
# protect a packet?  Takes the build folder and the programs' sources.
set -euo pipefail

build=$1
shift
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

meson install -C "$build" --no-rebuild --quiet --destdir "$root"
library=$(find "$root" -name libferrule.so.0)
folder=$(dirname "$library")
export PKG_CONFIG_PATH=$folder/pkgconfig
include=$(pkg-config --variable=includedir libferrule)/ferrule
[[ " $(pkg-config --cflags libferrule) " == *" -I$include "* ]]
read -ra dpdk < <(pkg-config --cflags --libs libdpdk)
flags=(-std=gnu17 -Wall -Wextra -Werror "-I$root$include")

for source in "$@"; do
	cc "${flags[@]}" "$source" -o "$root/program" -L"$folder" -lferrule "${dpdk[@]}"
	outcome=$(cd "$root" && LD_LIBRARY_PATH=$folder ./program --no-huge --no-pci --no-telemetry \
		--no-shconf --log-level='*:error' -l 0 -m 64)
	[[ $outcome == ok ]] || {
		echo "$source ended in $outcome"
		exit 1
	}
done

# Each header can be included by itself, but for the second half of sa/table.h.
cd "$root$include"
for header in {base,crypto,host,nic,proto,sa}/*.h; do
	[[ $header == sa/table_inline.h ]] || cc "${flags[@]}" "${dpdk[@]}" -include "$header" \
		-fsyntax-only -x c /dev/null
done

# What the library exports, some header declares.
nm -D --defined-only "$library" | awk '{ sub(/@.*/, "", $3); print $3 }' | grep -vx FERRULE_0 >"$root/exports"
cat {base,crypto,host,nic,proto,sa}/*.h | grep -ow 'fer_[a-z0-9_]*' | sort -u >"$root/names"
strange=$(grep -vxFf "$root/names" "$root/exports" || true)
[[ -s $root/exports && -z $strange ]] || {
	printf "it exports %s\n" "$strange"
	exit 1
}
[[ $(pkg-config --print-requires libferrule) == libdpdk* ]]
