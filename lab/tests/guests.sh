#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Guests that need the PIT, in an unmodified QEMU that is stopped four times for 0.5 s: what their
# clocks lose, with the stock PIT and under each policy, which is chosen by QEMU's word and by the
# module's parameters. What boot programs measure with the PIT. tests/guest.sh has more of Linux.
#
# Prints a line "# result|GUEST|PIT|POLICY|VALUE" for each figure, for lab/guests-table.

. ./tap.sh

ko=/lib/modules/kvm-i8254.ko

# Set $value to that of KEY in what the last guest's script has printed.
get() { value=$(awk -v key="$1" '$1 == key { print $2 }' /tmp/out); }

# result GUEST POLICY KEY: print a figure.
result() {
	get "$3"
	echo "# result|$1|$pit|$2|$value"
}

# run COMMAND...: run a guest's script.
run() { "$@" >/tmp/out || { cat /tmp/out; return 1; }; }

# within KEY FROM TO
within() {
	cat /tmp/out
	get "$1"
	awk -v value="$value" -v from="$2" -v to="$3" \
		'BEGIN { exit !(value != "" && value >= from && value <= to) }'
}

is() { cat /tmp/out; get "$1"; [ "$value" = "$2" ]; }

# What is delayed is there at once; what slews is behind for as long as the stop took: 100 ms after
# the last of 0.5 s, by about 0.4.
keeps() {
	get tick_s
	within lost_s "-$value" "$value" && within behind_s "$1" "$2"
}

# All of 2 s but the ticks that the PIC's latch has kept, and those that a stop did not cover whole. It
# takes some ms to start what ends a stop.
loses() {
	get tick_s
	within lost_s "$(awk -v tick="$value" 'BEGIN { print 2 - 8 * tick }')" 2.1
}

# counts WORD POLICY FATE: run the guest whose $who, $address, $clocks and $disk are set in a QEMU
# that is told WORD.
counts() {
	# shellcheck disable=SC2086 # words
	check "$pit, $2: $who is stopped" run guest/count "$1" "$address" "$clocks" $disk
	result "$who" "$2" lost_s
	case $pit in
	kvm-i8254) check "has that policy" is policy "$2" ;;
	esac
	case $3 in
	keeps)	check "keeps its clock to within a tick, at once" keeps -0.05 0.05 ;;
	slews)	check "keeps its clock to within a tick, gradually" keeps 0.3 0.45 ;;
	loses)	check "loses all of the time" loses ;;
	esac
}

slow_program() {
	who="16-bit program at 18.2 Hz" address=0x500 clocks=65536
	disk="-drive file=guests/ticks-18.img,format=raw,if=ide"
	counts "$@"
}

# counting WORD POLICY FATE: the guests that count ticks
counting() {
	who="SeaBIOS, its clock at 18.2 Hz" address=0x46c clocks=65536 disk=
	counts "$@"
	slow_program "$@"
	who="16-bit program at 1 kHz" address=0x500 clocks=1193
	disk="-drive file=guests/ticks-1000.img,format=raw,if=ide"
	counts "$@"
}

# masking WORD POLICY FATE: one that masks IRQ0 in its handler. Stock KVM forgets what it owes when a
# guest unmasks.
masking() {
	who="16-bit program at 1 kHz, masks IRQ0 in its handler" address=0x500 clocks=1193
	disk="-drive file=guests/masks-1000.img,format=raw,if=ide"
	counts "$@"
}

# The module with other parameters. A VM may outlive its QEMU by a moment.
module() {
	i=0
	while [ -e /sys/module/kvm_i8254 ] && ! rmmod kvm-i8254 2>/dev/null; do
		i=$((i + 1))
		[ $i -lt 50 ] || return
		usleep 100000
	done
	insmod $ko "$@"
}

# QEMU itself refuses a policy: no_word POLICY
no_word() {
	timeout 10 qemu-system-x86_64 -accel kvm -machine pc -nodefaults -display none \
		-global kvm-pit.lost_tick_policy="$1" >/tmp/out 2>&1
	status=$?
	cat /tmp/out
	[ $status = 1 ] && grep -qi "lost.tick.policy" /tmp/out
}

# The frequency of this machine's TSC, which is that of its guests.
mhz=$(dmesg | awk '/tsc: Refined TSC clocksource calibration:/ { printf "%.0f", $(NF - 1) }')

calibrates() {
	check "$pit: GRUB measures the TSC" run guest/calibrate grub
	result "GRUB, what its sleep of 1 s takes" "" slept_s
	check "and sleeps for a second" within slept_s 0.99 1.01
	check "$pit: memtest86+ measures the TSC" run guest/calibrate memtest
	result "memtest86+, the MHz of a CPU with $mhz" "" mhz
	check "and has its frequency" within mhz $((mhz - 2)) $((mhz + 2))
}

# An event can be due while QEMU is stopped, at 300 ms of a stop from 100 to 600 ms, and is late then,
# but no later than that. One that is due at another time is not. Linux sleeps for up to half a
# jiffy longer than it was asked to.
oneshot() {
	check "$pit: a Linux that uses the PIT as one-shot timer is stopped" run guest/oneshot delay
	result "Linux, PIT one-shot, its clock" delay lost_s
	result "Linux, PIT one-shot, late for an event during a stop" delay late_s_300
	result "Linux, PIT one-shot, late for an event after a stop" delay late_s_2000
	check "it does use it so" grep "^timer pit 3 " /tmp/out
	check "its clock is right" within lost_s -0.004 0.004
	check "what is due during a stop is late by no more than that" within late_s_300 0 0.32
	check "what is due later is not late" within late_s_2000 0 0.008
	check "no storm of ticks" within irqs_per_s 1 100
}

# Linux through the PIC: linux WORD POLICY
linux() {
	check "$pit, $2: a Linux that lives on ticks is stopped" run guest/stall "$1"
	result "Linux, XT-PIC" "$2" lost_s
	check "its ticks come through the PIC" is irq0 XT-PIC
}

stock=$((2 * 3 * 2 + 2 + 4 + 6))
ours=$((1 + 2 * 3 * 3 + 3 + 4 + 6 + 1))
parameters=$((2 + 2 * (1 + 3 * 3 + 3) + 3 + 1 + 2 * 3))
plan $((stock + ours + parameters))

pit=stock
counting delay delay keeps
masking delay delay loses
counting discard discard loses
calibrates
oneshot

pit=kvm-i8254
check "the module loads" module
counting delay delay keeps
masking delay delay keeps
counting discard discard loses
calibrates
oneshot
check "nothing is owed then" is backlog 0

check "this QEMU cannot ask for slew" no_word slew
check "nor for merge" no_word merge
check "reinject=slew" module reinject=slew
counting delay slew slews
masking delay slew slews
linux delay slew
check "which keeps its clock to within a tick" within lost_s -0.004 0.004

check "policy=merge" module policy=merge
counting delay merge loses
linux delay merge
check "which loses all of the time" within lost_s 1.9 2.1

# QEMU asks for discard when it has created the VM: that comes after the parameter.
check "policy=slew" module policy=slew
slow_program delay slew slews
slow_program discard discard loses
