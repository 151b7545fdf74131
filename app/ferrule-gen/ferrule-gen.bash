# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Completion of ferrule-gen for bash: verbs, the options of the help, and kinds; else files.
_ferrule_gen() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words

	case $before in
	-c | --config | -o | --output) return ;;
	--broken) words=$("$1" kinds 2>/dev/null | awk '{ print $1 "=" }') ;;
	--size) words=imix ;;
	*) words="make send verify kinds $("$1" --help 2>/dev/null | grep -oE -- '--[a-z]+' | sort -u)" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}
complete -o default -F _ferrule_gen ferrule-gen
