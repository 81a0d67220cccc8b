#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Load and unload the module 60 times while VMs are created, run and destroyed on the other CPU.

. ./tap.sh

ko=/lib/modules/kvm-i8254.ko
times=60

vms() {
	while [ ! -e /tmp/stop ]; do
		./pit_race -d 1 >/dev/null 2>&1
		echo >>/tmp/vms
	done
}

# A PIT in use holds the module: try until the VMs leave it alone for a moment.
reload() {
	i=0 refusals=0
	while [ $i -lt $times ]; do
		insmod $ko || return
		until rmmod kvm-i8254 2>/dev/null; do
			refusals=$((refusals + 1))
			usleep 5000
		done
		i=$((i + 1))
	done
	echo "# $refusals refused unloads, $(wc -l </tmp/vms) runs of VMs"
}

unload() { insmod $ko && rmmod kvm-i8254; }

plan 2
vms &
pid=$!
check "loads and unloads $times times" reload
touch /tmp/stop
wait $pid
check "unloads when no VM is left" unload
