#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the lab: what selftests/bench.c measures, with the stock PIT and then with the module. Prints
# lines PIT KEY VALUE, and "# what is measured". The argument: exact, where time is the number of
# instructions, or qemu, exact too, of QEMU's own PIT; or hogs, on two CPUs in real time; or steps, the
# events on a tick's way, exact too: PIT GUEST tick, then PIT GUEST TIME EVENT for each.

# Until then a ns is not quite an instruction.
while ! grep -qx tsc /sys/devices/system/clocksource/clocksource0/current_clocksource; do
	usleep 10000
done

# Measure it, with the first word of the keys replaced where AS is set.
measure() {
	echo "# $pit: $*${AS:+, beside a hog}"
	./bench ${in_qemu:+--qemu $ram "$in_qemu"} "$@" >/tmp/found 2>&1 || { cat /tmp/found; exit 1; }
	sed -n "s/^${AS:+$1}\([a-z.0-9]* [-0-9.a-z]*\)$/$pit ${AS-}\1/p" /tmp/found
}

hog() { taskset "$1" sh -c 'while :; do :; done' & }

latencies() {
	for guest in idle busy; do
		for hz in 100 1000 5000; do measure latency $guest $hz 100; done
	done
	hog 1
	for hz in 100 1000; do AS=hog measure latency busy $hz 100; done
	kill $!
}

costs() {
	measure cost 1000
	measure ports
	for hz in 5000 10000 16000; do measure lost $hz; done
}

frequencies() {
	for hz in 18.2 100; do measure freq $hz 1000; done
	for hz in 1000 1024; do measure freq $hz 30; done
	measure freq 8192 20
}

exact() {
	latencies
	for guest in idle busy; do measure exits $guest; done
	costs
	measure life
	for policy; do
		for stall in 42 205 2000; do measure catchup "$policy" $stall; done
	done
	frequencies
	for vms in 1 16 64 256; do measure vms $vms 100 1000; done
	# More than 64 do not fit into this host's CPU: these do no more already.
	for vms in 1 16 64; do measure vms $vms 1000 500; done
}

# The hogs are one to a CPU, the guest is beside one of them.
hogs() {
	hog 1
	other=$!
	hog 2
	taskset -p 2 $$ >/dev/null
	# shellcheck disable=SC2034
	for run in 1 2 3 4 5 6 7; do AS=hogs measure latency busy 1000 100; done
	taskset -p 3 $$ >/dev/null
	kill $! $other
}

tracing=/sys/kernel/tracing
events="timer/hrtimer_expire_entry timer/hrtimer_expire_exit irq_vectors/local_timer_entry
	irq_vectors/local_timer_exit kvm/kvm_exit kvm/kvm_entry kvm/kvm_set_irq kvm/kvm_inj_virq
	kvm/kvm_vcpu_wakeup sched/sched_switch"

steps() {
	echo x86-tsc >$tracing/trace_clock
	echo 20000 >$tracing/buffer_size_kb
	for guest in idle busy; do
		echo "# $pit: latency $guest 1000 20, with trace events"
		./bench latency $guest 1000 20 | sed -n "s/^latency.*p50/$pit $guest untraced/p"
		for event in $events; do echo 1 >"$tracing/events/$event/enable"; done
		echo >$tracing/trace
		./bench latency $guest 1000 20 | sed -n "s/^latency.*p50/$pit $guest traced/p"
		echo 0 >$tracing/events/enable
		awk -v tick="$pit $guest" -f bench-steps.awk $tracing/trace
	done
}

# QEMU's own PIT, with no irqchip of KVM's but the local APIC, or none at all. (With a CPU of the
# host's, QEMU 7.2 sets an MSR of a feature that KVM has with its own APIC only.)
ram=/tmp/ram
qemu() {
	truncate -s 64M $ram
	for pit in split off; do
		in_qemu="exec qemu-system-x86_64 -accel kvm -cpu host,-kvm-asyncpf-int -nodefaults \
			-no-user-config -display none -no-reboot -kernel bench-guest \
			-machine pc,hpet=off,memory-backend=ram,kernel-irqchip=$pit -m 64M \
			-object memory-backend-file,id=ram,size=64M,mem-path=$ram,share=on \
			-device isa-debug-exit,iobase=0x500,iosize=1"
		latencies
		costs
		frequencies
	done
}

in_qemu=
if [ "$1" = qemu ]; then qemu; exit; fi
pit=stock
"$1" delay discard
insmod /lib/modules/kvm-i8254.ko || exit 1
pit=module
"$1" delay discard slew merge
