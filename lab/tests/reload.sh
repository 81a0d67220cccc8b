#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Load and unload the module for as long as VMs come and go: are created, run and destroyed, killed
# with their VMM, outlive it. pit_race -c has two groups of these, 20 s each.

. ./tap.sh

ko=/lib/modules/kvm-i8254.ko
loads=0 refusals=0

racing() { kill -0 "$pid" 2>/dev/null; }

load() { insmod $ko && loads=$((loads + 1)); }

# A PIT in use holds the module: wait for one, then try until the VMs leave it alone for a moment.
unload() {
	while racing && [ "$(cat /sys/module/kvm_i8254/refcnt)" = 0 ]; do
		usleep 1000
	done
	until rmmod kvm-i8254 2>/dev/null; do
		refusals=$((refusals + 1))
		usleep 5000
	done
}

# pit_race counts the module's users first. While the module is being loaded, that is one.
reload_while_vms_go() {
	load || return
	./pit_race -c >/tmp/race 2>&1 &
	pid=$!
	while racing; do
		unload
		load || return
	done
	wait "$pid"
	raced=$?
}

all_races_passed() { [ "$raced" = 0 ]; }

# Neither without the other: the module came and went, and PITs were in its way.
enough() { [ $loads -ge 5 ] && [ $refusals -ge 5 ]; }

plan 4
check "loads and unloads while VMs come and go" reload_while_vms_go
sed 's/^/# /' /tmp/race
echo "# $loads loads, $refusals refused unloads"
check "the VMs do not notice" all_races_passed
check "five loads and five refused unloads at least" enough
check "unloads when no VM is left" rmmod kvm-i8254
