#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Can somebody without our tree build a client against what is installed?  Takes the build folder.
set -euo pipefail

build=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

meson install -C "$build" --no-rebuild --quiet --destdir "$root"
export PKG_CONFIG_SYSROOT_DIR=$root
PKG_CONFIG_LIBDIR=$(dirname "$(find "$root" -name libferrule-ctl.pc)")
export PKG_CONFIG_LIBDIR

cat >"$root/client.c" <<'END'
#include <ctl/client.h>
#include <stdio.h>

int main(void)
{
	struct fer_client *c;
	static struct fer_msg_buf b; // all 0

	fer_msg_put_delete_sa(&b, 0x100000001);
	printf("%zu %d\n", b.len, fer_client_open("/nowhere", 0, &c));
	fer_msg_buf_fini(&b);
	return 0;
}
END
read -ra flags < <(pkg-config --cflags --libs libferrule-ctl)
cc -std=c11 -Wall -Wextra -pedantic -Werror "$root/client.c" -o "$root/client" "${flags[@]}"

# As C++, too.
if command -v c++ >/dev/null; then
	cp "$root/client.c" "$root/client.cc"
	c++ -std=c++17 -Wall -Wextra -Werror "$root/client.cc" -o "$root/client_cc" "${flags[@]}"
else
	echo "no C++ compiler: not built as C++"
fi

library=$(find "$root" -name libferrule-ctl.so.0)
[[ $(LD_LIBRARY_PATH=$(dirname "$library") "$root/client") == "24 -2" ]]

dynamic=$(readelf -d "$library")
[[ $dynamic == *'Library soname: [libferrule-ctl.so.0]'* ]]
needed=$(grep -o 'Shared library: .*' <<<"$dynamic")
[[ $needed == 'Shared library: [libc.so.6]' ]] || {
	echo "it needs more than the C library: $needed"
	exit 1
}
strange=$(nm -D --defined-only "$library" | awk '{ print $3 }' |
	grep -vE '^(fer_(client|msg)_|FERRULE_CTL_0)' || true)
[[ -z $strange ]] || {
	echo "it exports $strange"
	exit 1
}
