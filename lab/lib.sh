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

# Selftests that are races, and need two CPUs. The others are exact on a deterministic one.
RACES="pit_race pit_migrate_null pit_notbefore"

# How lab/run has a selftest: selftest_run SERIES NAME sets selftest_options, which are for lab/run,
# and selftest_command, which is the script with its arguments. The fuzzer knows the better when an
# access took place the less time an instruction takes.
selftest_run() {
	local program=$BUILD/selftests/${1%%-*}/bin/$2
	selftest_options=(--timeout 180) selftest_command=("$program")
	case $2 in
	pit_race | pit_migrate_null | pit_notbefore) selftest_options=(--cpus 2 --timeout 300) ;;
	pit_storm)	selftest_options=(--timeout 600) ;;
	pit_fuzz)	selftest_options+=(--shift 0) ;;
	pit_apicv)	selftest_options=(--no-load --file "$program")
			selftest_command=("$TOP/lab/tests/apicv.sh") ;;
	esac
}

# quietly LOG FAILURE COMMAND...: the output goes to the end of the file LOG; where COMMAND fails, that
# is shown, and FAILURE is what is said.
quietly() {
	local log=$1 failure=$2
	shift 2
	"$@" >>"$log" 2>&1 || { tail -n 30 "$log" >&2; die "$failure, see ${log#"$TOP"/}"; }
}

# build_selftests SERIES LOG
build_selftests() {
	say "building the selftests for Linux $1"
	: >"$2"
	quietly "$2" "the selftests for Linux $1 do not build" make -s -C "$TOP/selftests" SERIES="$1"
}

# apt_get DIR ARG...: apt-get with the sources of DIR/sources.list. Its lists, its state and what it
# downloads are in DIR too, so that the machine's stay what they are.
apt_get() {
	local dir=$1
	shift
	mkdir -p "$dir"/{lists,archives}/partial
	touch "$dir/status"
	apt-get -q -y -o "Dir::State=$dir" -o "Dir::State::Status=$dir/status" -o "Dir::Cache=$dir" \
		-o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o APT::Sandbox::User="$(id -un)" "$@"
}

# The first lines of what a script of the lab writes to Documentation.
made_by() {
	printf '%s\n' '.. SPDX-License-Identifier: GPL-2.0-only' ".. Made by lab/$(basename "$0"), do not edit." ''
}

# list_table TITLES [WIDTHS]: TITLES, and the rows on standard input, have their cells separated by "|".
list_table() {
	printf '%s\n' '.. list-table::' '   :header-rows: 1' ${2:+"   :widths: $2"} ''
	{ echo "$1"; cat; } |
		awk -F '|' '{ for (i = 1; i <= NF; i++) print (i == 1 ? "   * - " : "     - ") $i }'
}
