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

# Run a lab with Linux guests, again where it is not done in time: patiently NAME OUTPUT LOG COMMAND...
#
# The emulated SVM delivers an interrupt twice now and then, with any PIT. A Linux guest that gets the
# second one while it has interrupts off spins on its own lock for ever, and its lab is not done in
# time: that is tried again, and said. One that stands still for another reason does so every time.
patiently() {
	local name=$1 output=$2 log=$3 status=124 left=5
	shift 3
	while [ "$status" = 124 ] && [ "$left" -gt 0 ]; do
		status=0 left=$((left - 1))
		"$@" >"$output" 2>"$log" || status=$?
		[ "$status" != 124 ] || say "$name: stood still, $left more tries"
	done
	return "$status"
}
