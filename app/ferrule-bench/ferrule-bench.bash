# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Completion of ferrule-bench's words for bash: its help has them.
_ferrule_bench() {
	local program=${COMP_WORDS[0]} verb=${COMP_WORDS[1]} words

	if ((COMP_CWORD == 1)); then
		words=$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')
		words+=" --help --version"
	else
		words=$("$program" "$verb" --help 2>/dev/null | sed -n 's/^ *\(-h, \)\{0,1\}\(--[a-z]*\) .*/\2/p')
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _ferrule_bench ferrule-bench
