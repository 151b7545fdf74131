# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Completion of ferrule's words for bash: the program knows them.  Where it knows none, files.
_ferrule() {
	local words=("${COMP_WORDS[@]:1:COMP_CWORD}")

	mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" --complete "${words[@]}" 2>/dev/null)
}
complete -o default -F _ferrule ferrule
