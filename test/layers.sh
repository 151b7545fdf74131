#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Does every include point to its own layer or to the left?  Reads the include lines of lib/ and
# app/ and fails on one that points to the right, and on DPDK headers in the layers that know none.
set -eu
cd "$(dirname "$0")/.."

# layer: the layers it may include besides itself
allowed() {
	case $1 in
	base) echo "" ;;
	proto) echo "base" ;;
	crypto) echo "base proto" ;;
	sa) echo "base proto crypto" ;;
	nic) echo "base proto crypto sa" ;;
	host) echo "base proto crypto sa nic" ;;
	conf) echo "base proto crypto" ;;
	ctl) echo "base" ;;
	*) return 1 ;;
	esac
}

bad=0
for dir in lib/*/; do
	layer=$(basename "$dir")
	may=" $layer $(allowed "$layer") " || {
		echo "$dir: a layer test/layers.sh does not know"
		bad=1
		continue
	}
	for file in $(find "$dir" -name '*.[ch]' | sort); do
		case $file in
		*_test.c | *_fixture.h) also=" support " ;; # test/support
		*) also=" " ;;
		esac
		# The names have no blanks.
		# shellcheck disable=SC2013
		for target in $(sed -n 's|^#include "\([a-z_]*\)/.*|\1|p' "$file"); do
			case $may$also in
			*" $target "*) ;;
			*)
				echo "$file: layer $layer may not include $target/"
				bad=1
				;;
			esac
		done
		case $layer in
		base | proto | crypto | conf | ctl)
			if grep -nE '^#include <rte_' "$file" /dev/null; then
				echo "$file: layer $layer knows no DPDK"
				bad=1
			fi
			;;
		esac
		# Of the crypto headers, conf may use the pure table only.
		if [ "$layer" = conf ] && grep -n '^#include "crypto/' "$file" /dev/null |
			grep -v '"crypto/algo.h"'; then
			echo "$file: conf may include crypto/algo.h only"
			bad=1
		fi
		# The host half sees the NIC half through its public headers.
		if [ "$layer" = nic ] && grep -n '"host/' "$file" /dev/null; then
			bad=1
		fi
	done
done
exit $bad
