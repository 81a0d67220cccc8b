#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# ftrace does not let go of the module's hooks any more: the module says so, and its code stays, since
# kvm.ko goes on calling it. VMs are created as if it was not there. A test of its own boot: nothing
# unloads the module any more.

. ./tap.sh

hang_on() {
	rmmod kvm-i8254 &
	pid=$!
	sleep 2
	kill -0 $pid && grep kvm_i8254 /proc/modules
}


plan 6
check "module loads" insmod /lib/modules/kvm-i8254.ko
check "a VM comes and goes" ./pit_ioeventfd_uaf
check "ftrace gives up" insmod ./ftrace-kill.ko
check "the module does not leave" hang_on
check "the log says so" eval 'dmesg | grep "kvm_i8254: cannot unload: .*the next boot"'
check "VMs have KVM's own PIT" ./pit_ioeventfd_uaf

# The lab's own end would wait for the module.
echo 0 >/dev/ttyS2
reboot -f
