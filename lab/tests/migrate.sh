#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2015,SC2086,SC2154,SC2231 # words; what linux.sh sets
#
# The patched QEMU's Linux guest that lives on PIT ticks, through the PIC, is stopped, saved and
# loaded again, and moved to another QEMU, each time while its vCPU gets no CPU time, so that
# there is a backlog. Under each policy its clock is afterwards where the policy says: it has lost the
# time while it was stopped, and the ticks that the policy gave up, and no more or less, to the tick
# under delay and slew, to within one under merge and discard.

. ./tap.sh
# shellcheck source=../guest/linux.sh
. guest/linux.sh

tracing=/sys/kernel/tracing
ioctls=$tracing/events/syscalls/sys_enter_ioctl
ko=/lib/modules/kvm-i8254.ko
cmdline="$guest_cmdline $guest_counts nolapic noapic"

# QEMUs: the current one is $vm, its process $pid. Each has a QMP monitor, whose output is a log.

# within_s SECONDS COMMAND...: try it until it succeeds, for about so long
within_s() {
	local tries=$(($1 * 100))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return
		ms 10
	done
}

# begin NAME PROGRAM [ARG]...
begin() {
	vm=$1
	shift
	rm -f /tmp/$vm.*
	mkfifo /tmp/$vm.in /tmp/$vm.out
	"$@" $guest_machine -name $vm,debug-threads=on -qmp pipe:/tmp/$vm 2>/tmp/$vm.err &
	pid=$!
	: >/tmp/$vm.log
	cat /tmp/$vm.out >>/tmp/$vm.log &
	qmp qmp_capabilities
}

# There is one more answer than $answers, or no QEMU any more.
answered() {
	[ "$(grep -c '^{"return"\|^{"error"' /tmp/$vm.log)" -gt $answers ] || ! kill -0 $pid
}

# Run a monitor command, and wait for it: qmp NAME [ARGUMENTS]
qmp() {
	answers=$(grep -c '^{"return"\|^{"error"' /tmp/$vm.log)
	# QEMU may still have to open its end, and a child's end interrupts the wait for that.
	until echo "{\"execute\": \"$1\"${2:+, \"arguments\": {$2\}}}" >/tmp/$vm.in; do :; done
	within_s 20 answered && kill -0 $pid || { cat /tmp/$vm.err; return 1; }
	grep '^{"return"\|^{"error"' /tmp/$vm.log | tail -n 1 >/tmp/answer
	! grep '"error"' /tmp/answer
}

# The monitor's text commands; those that fail say so.
hmp() {
	qmp human-monitor-command "\"command-line\": \"$1\"" || return
	grep -q '"return": ""' /tmp/answer || { cat /tmp/answer; return 1; }
}

finish() {
	kill -9 $pid
	within_s 5 gone $pid || { cat /proc/$pid/task/*/stack; return 1; }
}

gone() { [ ! -e /proc/$1/exe ]; }

# The times when a QEMU last saved and loaded the PIT's state, in us: that is when time ends and
# begins for the PIT. QEMU's own events are off by some ms. PID, or -PID for all but that one.
saved() { accessed 8070ae9f "$1"; }
loaded() { accessed 4070aea0 "$1"; }
accessed() {
	awk -v cmd="$1," -v pid="$2" 'index($0, cmd) && match($0, /-[0-9]+ +\[/) {
		by = substr($0, RSTART + 1) + 0
		if (pid > 0 ? by != pid : by == -pid)
			next
		match($0, /[0-9]+\.[0-9]+:/)
		at = substr($0, RSTART) * 1000000
	} END { printf "%.0f", at }' $tracing/trace
}

ticks() { cat /sys/kernel/debug/kvm/$pid-*/pit/"$1"; }

# The vCPU gets what a busy loop leaves over, which is next to nothing, and the rest of QEMU its
# share.
vcpu() {
	for thread in /proc/$pid/task/*; do
		! grep -q KVM $thread/comm || chrt "$@" -p 0 ${thread##*/}
	done
}

starve() {
	lost=$(ticks lost)
	vcpu -i
	sh -c 'while :; do :; done' &
	hog=$!
	renice -n 20 -p $hog
	ms 500
}

# It is stopped, or gone: what was given up is known. What is owed was counted as lost last of all, by
# QEMU's stopping the PIT, once it was saved.
starved() {
	lost=$(($(ticks lost) - lost))
	dropped=$(awk -v vm="vm=$pid" '/kvm_pit_lost:/ && match($0, vm " ticks=[0-9]+") {
		last = substr($0, RSTART + length(vm " ticks="))
	} END { print last + 0 }' $tracing/trace)
	kill $hog
	vcpu -o
}

halt() {
	starve
	qmp stop && starved || return
	from=$(saved $pid)
}

# While it is stopped, nothing is counted.
go_on() {
	base=$(ticks lost)
	qmp cont && to=$(loaded $pid)
}

stop_for_10_s() {
	halt && ms 10000 && go_on
}

save_and_load() {
	halt && hmp "savevm s" && go_on && ms 1000 && qmp stop && hmp "loadvm s" && go_on
}

# receive NAME PROGRAM [ARG]...: the current VM goes on in another QEMU.
receive() {
	source=$vm source_pid=$pid
	begin "$@" -incoming unix:/tmp/migration
}

# status OF WORDS: what QEMU says of the VM or of its migration is one of WORDS.
status() { qmp query-$1 && grep "\"status\": \"\($2\)\"" /tmp/answer; }

# send [URI]: send the VM, to the QEMU that receive began if not elsewhere.
send() {
	qmp migrate "\"uri\": \"${1-unix:/tmp/migration}\"" || return
	within_s 40 status migrate 'completed\|failed' || { cat /tmp/answer; return 1; }
	grep -q '"status": "completed"' /tmp/answer
}

# It is there. What is owed was loaded there, and counted as lost when it was stopped until its
# start.
arrive() {
	from=$(saved -$target_pid)
	base=owed
	finish || return
	vm=$target pid=$target_pid
	within_s 5 grep -q '"RESUME"' /tmp/$vm.log || { cat /tmp/$vm.err; return 1; }
	to=$(loaded $pid)
}

# migrate NAME PROGRAM [ARG]...: move to another QEMU, live
migrate() {
	receive "$@"
	target=$vm target_pid=$pid vm=$source pid=$source_pid
	starve
	send && starved && arrive
}

# The same with all the CPU time that it wants.
migrate_at_ease() {
	receive "$@"
	target=$vm target_pid=$pid vm=$source pid=$source_pid lost=0
	send && arrive
}

# keeps_clock KEPT TICKS COMMAND...: while COMMAND runs, the guest loses what the policy gives up, and
# nothing else, but for so many TICKS: what is counted as lost, but for what was owed when it was saved.
# That is what was dropped then (KEPT all), or so many ticks. With "dropped", all of it is given up.
keeps_clock() {
	owed=$1 tolerance=$2 done=n
	shift 2
	losing try "$@" >/tmp/losing
	cat /tmp/losing
	[ $done = y ] || return
	case $owed in
	all)		[ $dropped -gt 2 ] || { echo "no backlog: $dropped"; return 1; }
			owed=$dropped ;;
	dropped)	owed=0 base=$(ticks lost) ;;
	esac
	[ $base != owed ] || base=$owed
	awk -v stopped=$((to - from)) -v ticks=$((lost - owed + $(ticks lost) - base)) \
		-v owed=$owed -v tolerance=$tolerance '
		$1 == "lost_s" {
			tick = 4773 * 88000 / 105 / 1e9
			off = ($2 - stopped / 1e6) / tick - ticks
			printf "# behind by %.4f s: stopped for %.4f s, given up %.4f s, %d owed ticks kept\n", \
				$2, stopped / 1e6, ticks * tick, owed
			good = off < tolerance + 0.5 && off > -tolerance - 0.5
		}
		END { exit !good }' /tmp/losing
}

# clock NAME [keeps_clock arguments]: a test, with its figures
clock() {
	check "$@"
	grep '^#' /tmp/tap.out
}

try() { ! "$@" || done=y; }

boot() { begin "$@" $guest_boot -append "$cmdline" && guest_up; }

# says VM WORDS
says() { grep -q -- "$2" /tmp/$1.err || { cat /tmp/$1.err; return 1; }; }

# A QEMU that does not know the state does not load it. Mostly the source has sent all by then, and
# takes that for a success: it is to be told to go on.
refused_and_goes_on() {
	receive "$@"
	target=$vm target_pid=$pid vm=$source pid=$source_pid lost=0
	send
	within_s 5 gone $target_pid || return
	says $target "load of migration failed" || return
	from=$(saved -$target_pid)
	go_on
	to=$(loaded -$target_pid)
}

# QEMU does not start: fails_to_start WORDS [ARG]...
fails_to_start() {
	words=$1
	shift
	! timeout 10 $qemu_patched -accel kvm -nodefaults -display none "$@" 2>/tmp/refused || return
	cat /tmp/refused
	grep -q -- "$words" /tmp/refused
}

# The VM's state goes to a file, with ticks that are owed.
save_to_file() {
	halt || return
	echo "$dropped owed"
	[ "$dropped" -gt 2 ] && send "exec:cat >/tmp/state"
}

# loads NAME WORDS PROGRAM [ARG]...: a QEMU that says WORDS goes on from there, and the guest with it.
# How right its clock is is not this PIT's to say.
loads() {
	new=$1 words=$2
	shift 2
	begin "$new" "$@" -incoming "exec:cat /tmp/state" || return
	within_s 5 status status paused || { cat /tmp/answer /tmp/$vm.err; return 1; }
	qmp cont && says "$vm" "$words" || return
	losing ms 500 >/tmp/losing
	cat /tmp/losing
	awk '$1 == "lab_s" { lab = $2 } $1 == "guest_s" { good = $2 > lab / 2 && $2 < lab * 2 }
		END { exit !good }' /tmp/losing
}

guest_files
mkdir -p /var/tmp
truncate -s 1M /tmp/disk
renice -n -20 -p $$ >/dev/null
echo mono >$tracing/trace_clock
# KVM_GET_PIT2, an int to QEMU, and KVM_SET_PIT2
echo "cmd == 0xffffffff8070ae9f || cmd == 0x4070aea0" >$ioctls/filter
echo 1 >$ioctls/enable

plan $((4 + 5 + 4 * 4 + 7 + 4))

needs="needs the module kvm-i8254\|need the module kvm-i8254"
for word in lost_tick_policy=slew lost_tick_policy=merge slew-rate=50 backlog-limit=9; do
	check "without the module, $word says what is missing" \
		fails_to_start "$needs" -global kvm-pit.$word
done
insmod $ko
echo 1 >$tracing/events/kvm_pit/kvm_pit_lost/enable
for words in lost_tick_policy=slew,slew-rate=901 slew-rate=50 lost_tick_policy=discard,backlog-limit=9 \
	lost_tick_policy=merge,backlog-limit=9 lost_tick_policy=merge,slew-rate=50; do
	# shellcheck disable=SC2046 # two options, or one
	check "with it, $words is refused" fails_to_start "KVM refuses .*: Invalid argument" \
		$(echo ",$words" | sed 's/,/ -global kvm-pit./g')
done

for policy in delay slew merge discard; do
	case $policy in
	delay|slew)	kept=all ticks=0 ;;
	# The only tick that is left is with the PIC: a stop may count it as lost.
	merge|discard)	kept=0 ticks=1 ;;
	esac
	patched="$qemu_patched -machine pc -global kvm-pit.lost_tick_policy=$policy
		-drive file=/tmp/disk,format=raw,if=none,snapshot=on"
	check "$policy: a guest is up" boot $policy $patched
	clock "$policy: stop and cont" keeps_clock $kept $ticks stop_for_10_s
	clock "$policy: savevm and loadvm" keeps_clock $kept $ticks save_and_load
	clock "$policy: live migration" keeps_clock $kept $ticks migrate moved-$policy $patched
	[ -z "$SHOW" ] || cat /tmp/tap.out
	finish
done

# Debian's own QEMU, which has no tick state, has machine types of 7.1 and of 7.2.
# The lab's is built without HPET and vmmouse.
old="-machine pc-i440fx-7.1,hpet=off,vmport=off"
check "a guest is up that is to move to an unpatched QEMU" boot old $qemu_patched $old
clock "it loses what was owed" keeps_clock dropped 2 migrate unpatched qemu-system-x86_64 $old
check "which is said" says old "lost ticks that are owed to the guest are not saved: tick-state=off"
clock "it moves back" keeps_clock 0 2 migrate_at_ease back $qemu_patched $old
check "which says that there is no tick state" says back "no tick state was saved"
finish
check "a guest is up with its tick state" boot on $qemu_patched -machine pc,hpet=off,vmport=off
clock "an unpatched QEMU refuses it, and it goes on" \
	keeps_clock 0 1 refused_and_goes_on off qemu-system-x86_64 -machine pc,hpet=off,vmport=off
check "its state goes to a file, with ticks that are owed" save_to_file
finish
check "a QEMU with a PIT of its own loads it, and says what is dropped" loads split \
	"isa-pit: lost ticks that are owed to the guest are dropped" \
	$qemu_patched -machine pc,hpet=off,vmport=off,kernel-irqchip=split
finish
check "the module is unloaded" within_s 5 rmmod kvm-i8254
check "without it KVM's PIT loads it, and it is said what is dropped" loads stock \
	"kvm-pit: [0-9]* lost ticks .* are dropped: to keep them needs the module" \
	$qemu_patched -machine pc,hpet=off,vmport=off
finish
