#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The module loads, unloads, and refuses to load with one clear line that says why.

. ./tap.sh

ko=/lib/modules/kvm-i8254.ko
params=/sys/module/kvm_i8254/parameters

loaded() { grep -q ^kvm_i8254 /proc/modules; }
param() { [ "$(cat $params/"$1")" = "$2" ]; }

# It does not load with these arguments, leaves nothing behind, and the kernel log has one line of
# it that has WORD: refuses WORD ARGUMENT...
refuses() {
	word=$1
	shift
	echo "lab: mark" >/dev/kmsg
	# busybox tries twice, by finit_module() and by init_module().
	! insmod $ko "$@" || return
	! loaded || return
	said=$(dmesg | awk '/lab: mark/ { said = ""; next } { said = said $0 "\n" } END { printf "%s", said }' |
		grep -v -e 'module verification' -e 'loading out-of-tree' |
		sed 's/^\[[^]]*\] //' | uniq)
	echo "$said"
	echo "$said" | grep -q "$word" && [ "$(echo "$said" | wc -l)" = 1 ]
}

# No function of KVM is hooked any more.
unhooked() { ! grep kvm_ /sys/kernel/tracing/enabled_functions; }

# Newer kernels have the file, and refuse.
ftrace_stays_on() {
	echo 0 2>/dev/null >/proc/sys/kernel/ftrace_enabled
	echo 1 2>/dev/null >/proc/sys/kernel/ftrace_enabled
	dmesg | grep -q 'ftrace_enabled.* no longer disables ftrace'
}

with_ftrace_off() {
	echo 0 >/proc/sys/kernel/ftrace_enabled
	"$@"
	status=$?
	echo 1 >/proc/sys/kernel/ftrace_enabled
	return $status
}

plan 16
check "loads" insmod $ko
check "default policy is delay" param policy delay
check "reinject is delay" param reinject delay
check "does not load twice" refused insmod $ko
check "hooks functions of KVM" refused unhooked
check "unloads" rmmod kvm-i8254
check "leaves no hook behind" unhooked
check "loads with parameters" insmod $ko policy=merge reinject=slew slew_rate=50
check "has them" param policy merge
check "unloads again" rmmod kvm-i8254
check "loads with another way to reinject" insmod $ko reinject=slew
check "which is what a new VM has" param policy slew
rmmod kvm-i8254
check "refuses an unknown policy" refuses policy policy=often
check "refuses discard as a way to reinject" refuses reinject reinject=discard
if ftrace_stays_on; then
	skip "refuses where ftrace is off" "this kernel's ftrace cannot be turned off"
else
	check "refuses where ftrace is off" with_ftrace_off refuses ftrace
fi
check "leaves no hook behind after refusals" unhooked
