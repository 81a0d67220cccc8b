# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
# What the lab's own scripts share; sourced by them, from bash.

set -euo pipefail
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=$TOP/build
SERIES="6.12 6.1"	# the kernels that the module is tried on

say() { printf '%s\n' "lab: $*" >&2; }
die() { say "$*"; exit 125; }

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Hold FILE's lock until the process ends.
lock() {
	mkdir -p "$(dirname "$1")"
	exec {lock_fd}>"$1"
	flock -n "$lock_fd" && return
	say "waiting for another run that holds ${1#"$TOP"/}"
	flock "$lock_fd"
}

# How lab/run is to run a selftest, a word a line: selftest_options NAME SERIES. Which need two CPUs;
# the others are exact on a deterministic one. The fuzzer knows the better when an access took place
# the less time an instruction takes.
selftest_options() {
	local program=$BUILD/selftests/${2%%-*}/bin/$1
	case $1 in
	pit_race)	printf '%s\n' --cpus 2 --timeout 300 -- "$program" ;;
	pit_fuzz)	printf '%s\n' --shift 0 --timeout 180 -- "$program" ;;
	pit_apicv)	printf '%s\n' --no-load --file "$program" -- lab/tests/apicv.sh ;;
	*)		printf '%s\n' --timeout 180 -- "$program" ;;
	esac
}
