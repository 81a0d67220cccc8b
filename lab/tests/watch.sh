#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# pitstat shows what debugfs has, and says what to do where there is nothing to show.

. ./tap.sh

ko=/lib/modules/kvm-i8254.ko
kvm=/sys/kernel/debug/kvm

# ends STATUS WORDS COMMAND...: it ends with STATUS, and all that it says is one line with WORDS on
# its standard error.
ends() {
	want=$1 words=$2
	shift 2
	"$@" >/tmp/out 2>/tmp/err
	got=$?
	echo "status $got"
	cat /tmp/out /tmp/err
	[ $got = "$want" ] && [ ! -s /tmp/out ] && [ "$(wc -l </tmp/err)" = 1 ] &&
		grep -q "$words" /tmp/err
}

as_nobody() { su -s /bin/sh nobody -c "$*"; }

without_debugfs() {
	umount /sys/kernel/debug
	"$@"
	status=$?
	mount -t debugfs debugfs /sys/kernel/debug
	return $status
}

wrong_usage() {
	for args in x 0 -1 1.5 "1 x" "1 2 3"; do
		# shellcheck disable=SC2086
		./pitstat $args >/tmp/out 2>&1
		echo "$? $args"
		grep usage: /tmp/out
	done >/tmp/all
	cat /tmp/all
	[ "$(grep -c "^2 " /tmp/all)" = 6 ] && [ "$(grep -c usage: /tmp/all)" = 6 ]
}

# start PROGRAM POLICY HANDLER [CREATOR]: a VM that lives until it is killed and has had ticks; $pid is
# its process, $vm its folder in debugfs. Handler 1 masks the interrupt until its EOI; creators 1 and 2
# are a thread that stays, and one that ends.
start() {
	before=$(folders)
	"$1" --policy "$2" --handler "$3" --creator "${4:-0}" --span 1000000 --print >/dev/null &
	pid=$!
	until vm=$(folders | grep -vxF "$before") && [ "$(cat $kvm/"$vm"/pit/delivered)" -gt 2 ]; do
		usleep 10000
	done 2>/dev/null
}

folders() {
	for pit in "$kvm"/*-*/pit; do
		basename "${pit%/pit}"
	done
}

# Its files, as pitstat prints them.
files() {
	(cd $kvm/"$1"/pit && cat policy due delivered replayed lost backlog | tr '\n' ' ')
}

# row VM: what pitstat has of it, nothing if a column is missing or one too many.
row() { ./pitstat | awk -v vm="$1" '$1 == vm && NF == 10'; }

# shows VM COLUMN VALUE
shows() {
	row "$1" | awk -v column="$2" -v value="$3" '{ print; ok = $column == value } END { exit !ok }'
}

# agrees VM: between two looks into debugfs pitstat shows nothing that was not there in between,
# and no tick is unaccounted for.
agrees() {
	{ files "$1"; echo; row "$1"; files "$1"; echo; } >/tmp/three
	cat /tmp/three
	awk '
		NR == 1 { policy = $1; for (i = 2; i <= 6; i++) before[i] = $i }
		NR == 2 { for (i = 2; i <= 6; i++) shown[i] = $(i + 4)
			bad = $4 != policy || shown[2] != shown[3] + shown[4] + shown[5] + shown[6] }
		NR == 3 { for (i = 2; i <= 5; i++) bad += shown[i] + 0 < before[i] + 0 || shown[i] + 0 > $i + 0 }
		END { exit NR != 3 || bad || !shown[2] }' /tmp/three
}

# aligned: every column of pitstat's table begins or ends where its title does.
aligned() {
	./pitstat >/tmp/out
	cat /tmp/out
	awk '
		NR == 1 { for (i = 1; i <= NF; i++) { from[i] = index($0, $i); to[i] = from[i] + length($i) } }
		{ at = 1
			for (i = 1; i <= NF; i++) {
				begin = at + index(substr($0, at), $i) - 1
				at = begin + length($i)
				bad += i == 1 || i == 3 || i == 4 ? begin != from[i] : at != to[i]
			}
			bad += NF != 10 }
		END { exit NR != 3 || bad }' /tmp/out
}

# sorted VM...: these VMs and no others, in that order.
sorted() { [ "$(./pitstat | awk 'NR > 1 { print $1 }' | tr '\n' ' ')" = "$* " ]; }

# column VM NUMBER
column() { row "$1" | awk -v column="$2" '{ print $column }'; }

# stalled PID VM: a VMM that is stopped owes its guest ticks, and gives them to it later.
stalled() {
	before=$(column "$2" 8)
	kill -STOP "$1"
	sleep 1
	row "$2"
	backlog=$(column "$2" 10)
	agrees "$2"
	agreed=$?
	kill -CONT "$1"
	usleep 100000
	row "$2"
	[ $agreed = 0 ] && [ "$backlog" -ge 45 ] && [ "$backlog" -le 55 ] && shows "$2" 10 0 &&
		[ $(($(column "$2" 8) - before)) -ge "$backlog" ]
}

write_policy() {
	echo "$2" >$kvm/"$1"/pit/policy
	shows "$1" 4 "$2" && [ "$(cat $kvm/"$1"/pit/policy)" = "$2" ]
}

# Three rounds, one second from each other, each with a time and a table of two VMs.
rounds() {
	./pitstat 1 3 >/tmp/out || return
	cat /tmp/out
	awk '
		/^[0-9][0-9]:[0-9][0-9]:[0-9][0-9]$/ { times++; split($0, t, ":"); now = t[1] * 3600 + t[2] * 60 + t[3]
			bad += times > 1 && now - last < 1; last = now; next }
		/^VM / { titles++; next }
		NF == 10 { rows++; next }
		NF == 0 { blanks++; next }
		{ bad++ }
		END { exit bad || times != 3 || titles != 3 || rows != 6 || blanks != 2 }' /tmp/out
}

# VMs that come and go while pitstat looks are listed in full, or not at all.
vanishing() {
	(while [ ! -e /tmp/stop ]; do
		./pit_timeline --policy merge --span 3 --print >/dev/null
	done) &
	churn=$!
	i=0
	while [ $i -lt 100 ]; do
		./pitstat
		i=$((i + 1))
	done >/tmp/out 2>/tmp/err
	touch /tmp/stop
	wait $churn
	sort -u /tmp/err
	awk '{ print $3, $4 }' /tmp/out | sort | uniq -c
	! grep . /tmp/err && awk '$4 == "merge" { seen++ } NF != 10 { bad++ } END { exit bad || !seen }' /tmp/out
}

mkdir -p /etc
echo "nobody:x:65534:65534:nobody:/:/bin/sh" >/etc/passwd
cp pit_timeline "/lab/a VM"

plan 29
check "explains itself" eval './pitstat --help | grep -q "^usage: pitstat"'
check "refuses wrong arguments" wrong_usage
check "not loaded: says so" ends 3 "modprobe kvm-i8254" ./pitstat
check "not loaded, not root: says so" ends 3 "modprobe kvm-i8254" as_nobody ./pitstat
insmod $ko
check "no VM: says so" ends 1 "no VM has the module's PIT" ./pitstat
check "not root: says so" ends 5 "as root" as_nobody ./pitstat
check "no debugfs: says so" without_debugfs ends 4 "mount -t debugfs" ./pitstat

start ./pit_timeline delay 1
first=$vm first_pid=$pid
check "one VM" sorted "$first"
check "its process" shows "$first" 2 "$first_pid"
check "its name" shows "$first" 3 pit_timeline
check "its policy" shows "$first" 4 delay
# 23864 clocks of 105/88 MHz, rounded up
check "its period" [ "$(cat $kvm/"$first"/pit/period_ns)" = $(((23864 * 88000 + 104) / 105)) ]
check "its period in ms" shows "$first" 5 20.000
check "its counters" agrees "$first"
check "what a stalled VM is owed, and gets" stalled "$first_pid" "$first"

start "./a VM" slew 0
second=$vm second_pid=$pid
check "two VMs, by thread" sorted "$first" "$second"
check "a name with a blank" shows "$second" 3 a_VM
check "aligned columns" aligned
check "the other's counters" agrees "$second"
check "the policy that was just written" write_policy "$second" merge
check "three rounds" rounds
kill "$second_pid"
wait "$second_pid" 2>/dev/null

start ./pit_timeline merge 0 1
check "a VM of another thread has its process" shows "$vm" 2 "$pid"
check "and that one's name" shows "$vm" 3 pit_timeline
kill "$pid"
wait "$pid" 2>/dev/null
start ./pit_timeline merge 0 2
check "a VM of a thread that has ended has none" shows "$vm" 2 -
check "and no name" shows "$vm" 3 -
check "its counters, all the same" agrees "$vm"
kill "$pid"
wait "$pid" 2>/dev/null

check "VMs that come and go" vanishing
kill "$first_pid"
wait "$first_pid" 2>/dev/null
check "no VM is left: says so" ends 1 "no VM has the module's PIT" ./pitstat
rmmod kvm-i8254
check "unloaded: says so" ends 3 "modprobe kvm-i8254" ./pitstat
