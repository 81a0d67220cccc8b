# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# TAP for the lab's shell tests; sourced by them.

number=0

plan() { echo "1..$1"; }

# check NAME COMMAND...: the test is that COMMAND succeeds; its output is shown where it does not.
check() {
	name=$1
	shift
	number=$((number + 1))
	if "$@" >/tmp/tap.out 2>&1; then
		echo "ok $number $name"
	else
		sed 's/^/# /' /tmp/tap.out
		echo "not ok $number $name"
	fi
}

skip() {
	number=$((number + 1))
	echo "ok $number $1 # SKIP $2"
}

refused() { ! "$@"; }
