#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A module that looks for the 8259's registers where this kernel does not have them: it says so once, no
# VM gets its PIT, and KVM's own works.

. ./tap.sh

has_own_pit() {
	./pit_close &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		[ "$(cat /sys/module/kvm_i8254/refcnt)" = 0 ] || return
		usleep 1000
	done
	wait $pid
}

said_once() { [ "$(dmesg | grep -c "kvm_i8254: this KVM's irqchips are not laid out as known")" = 1 ]; }

plan 4
check "module loads" insmod /lib/modules/kvm-i8254.ko
check "VMs have KVM's own PIT" has_own_pit
check "the log says why, once" said_once
check "module unloads" rmmod kvm-i8254
