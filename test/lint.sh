#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The rules of the house that no compiler knows, each a grep that prints its reason.  A mistake that
# was made twice gets its rule here.
set -euo pipefail
cd "$(dirname "$0")/.."

bad=0

# Text files of the project whose path matches.
files() {
	grep -rIl --exclude=.git --exclude-dir=.git --exclude-dir='build*' '' . | sed 's|^\./||' | grep -E "$1" | sort
}

# Files with code: by their names, or by the program that they say runs them.
code() {
	{
		files '(\.[ch]|\.py|\.sh|(^|/)meson\.build)$'
		files '(^|/)[^.]+$' | xargs -r awk 'FNR == 1 && /^#!/ { print FILENAME }'
	} | sort -u
}

fail() {
	printf '    ^ %s\n' "$1"
	bad=1
}

# never PATTERN REASON: reads names of files; shows the lines that match.
never() {
	local files
	mapfile -t files
	((${#files[@]} == 0)) || ! grep -nE "$1" /dev/null "${files[@]}" || fail "$2"
}

# opens_with PATTERN REASON: reads names of files; shows those without it in their first lines.
opens_with() {
	local file missing=0
	while read -r file; do
		head -n 3 "$file" | grep -qE "$1" || {
			echo "$file"
			missing=1
		}
	done
	((missing == 0)) || fail "$2"
}

opens_with 'SPDX-License-Identifier: BSD-3-Clause$' \
	"a file of code names its licence in its first lines" < <(code)
opens_with '^#pragma once$' \
	"a header opens with #pragma once, behind its SPDX line" < <(files '\.h$')

never '[[:blank:]]+$' "blanks at the end of a line" \
	< <(files '.' | grep -vE '^(LICENSE|test/(golden|vectors|demo)/)')
never '\b(TOD[O]|FIXM[E]|XX[X])\b' "finish it, or open an issue" < <(files '.')
never '\bv?(sprint[f]|strcp[y]|strca[t]) ?\(' \
	"writes without a bound: use snprintf, or memcpy with a length" < <(files '\.[ch]$')
never '\bmemcmp\(' "tags and keys are compared in constant time: fer_secret_equal()" \
	< <(files '^lib/(crypto|nic|host)/.*\.[ch]$|^lib/sa/keyprint' | grep -vE '_(test|oracle)\.c$')

exit "$bad"
