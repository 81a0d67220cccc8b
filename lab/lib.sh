# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
# What the lab's own scripts share; sourced by them, from bash.

set -euo pipefail
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=$TOP/build

# The columns of lab/series.
declare -A VERSION RELEASE SUITES
SERIES='' SHORT=''	# the kernels that all tests, or a few, are run on
while read -r series version release check suites; do
	case $series in \#* | '') continue ;; esac
	VERSION[$series]=$version RELEASE[$series]=$release SUITES[$series]=$suites
	case $check in
	all)	SERIES+="${SERIES:+ }$series" ;;
	short)	SHORT+="${SHORT:+ }$series" ;;
	esac
done <"$TOP/lab/series"
unset series version release check suites

# Is SERIES a debug kernel? It is slow, and built here of the source of a Debian kernel.
is_debug() { [[ $1 = *-debug || $1 = *-kcsan ]]; }

# The newest version of Linux in lab/series.
newest_version() { printf '%s\n' "${VERSION[@]}" | sort -V | tail -n 1; }

# The version of the source of Linux that a kernel's selftests are built with, in build/selftests.
programs_of() {
	case $1 in
	graft)	newest_version ;;
	*)	echo "${VERSION[$1]:-${1%%-*}}" ;;
	esac
}

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
	local program
	program=$BUILD/selftests/$(programs_of "$1")/bin/$2
	selftest_options=(--timeout 180) selftest_command=("$program")
	case $1/$2 in
	# No module has to be loaded anew.
	graft/pit_apicv) selftest_options+=(--append "kvm_amd.avic=1 kvm_amd.force_avic=1"); return ;;
	esac
	case $2 in
	pit_race | pit_migrate_null | pit_notbefore) selftest_options=(--cpus 2 --timeout 300) ;;
	# Minutes and hours of their own time in which nobody looks.
	pit_faults | pit_limit) selftest_options+=(--sleeps 20000) ;;
	pit_mask)	selftest_options+=(--sleeps 4000) ;;
	pit_restore)	selftest_options+=(--sleeps 1200) ;;
	pit_hangs | pit_switch) selftest_options+=(--sleeps 300) ;;
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
	local version
	version=$(programs_of "$1")
	say "building the selftests for Linux $version"
	: >"$2"
	quietly "$2" "the selftests for Linux $version do not build" make -s -C "$TOP/selftests" SERIES="$version"
}

# The name of the host's release of Debian.
host_release() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# Print where apt has Debian's packages with LABEL from.
repository_of() {
	# shellcheck disable=SC2016 # apt-get expands it
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Label: $1" | sed -n 1p
}

# sources_of TYPE SUITE...: the lines of a sources list. The repositories are those that apt has the
# host's own suites from.
sources_of() {
	local type=$1 suite label uri
	shift
	for suite in "$@"; do
		label=Debian
		[[ $suite != *-security ]] || label=Debian-Security
		uri=$(repository_of $label)
		if [ -z "$uri" ]; then
			as_root apt-get -qq update >&2 || true
			uri=$(repository_of $label)
		fi
		[ -n "$uri" ] || die "apt has no lists of $label: add the suites of $(host_release)," \
			"-updates and -security, component main, to its sources"
		printf '%s [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
			"$type" "$uri" "$suite"
	done
}

# The options that have apt use DIR/sources.list. Its lists, its state and what it downloads are in DIR
# too, so that the machine's stay what they are.
apt_options() {
	mkdir -p "$1"/{lists,archives}/partial
	touch "$1/status"
	apt_options=(-o "Dir::State=$1" -o "Dir::State::Status=$1/status" -o "Dir::Cache=$1"
		-o "Dir::Etc::SourceList=$1/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
		-o APT::Sandbox::User="$(id -un)")
}

# apt_get DIR ARG... and apt_cache DIR ARG...: with the sources of DIR/sources.list.
apt_get() { apt_options "$1"; apt-get -q -y "${apt_options[@]}" "${@:2}"; }
apt_cache() { apt_options "$1"; apt-cache "${apt_options[@]}" "${@:2}"; }

# wanted CACHE...: of each line of packages (lab/packages) on standard input, print the one that there is.
# CACHE is apt-cache, or apt_cache DIR. Returns 1, and says for which line, if there is none.
wanted() {
	local line p status=0
	while read -r line; do
		line=${line%%#*}
		[ "${line// /}" ] || continue
		for p in ${line//|/ } ''; do
			[ -n "$p" ] || { say "there is no package $line"; status=1; break; }
			[ -z "$("$@" show "$p" 2>/dev/null </dev/null)" ] || { echo "$p"; break; }
		done
	done
	return $status
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
